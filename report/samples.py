"""The outcome of drawing, as a table and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..budgets.notation import format_amount
from ..rankers.asserts import asserts_in
from ..sampler.prompting import asserts_of_answer
from .tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..experiment.samples import DrawnArms, Target
    from ..records import Task
    from ..sampler.drawing import Drawn


class UsableAsserts(NamedTuple):
    """Asserts that rankers would extract from an arm's texts, and the tasks with any."""

    asserts: int
    tasks: int


def samples_as_json(
    targets: Sequence[Target], drawn: DrawnArms, path: Path | None, tested: Sequence[Task] | None
) -> dict[str, Any]:
    """Build `codebudget sample --json`.

    Args:
        targets: The arms.
        drawn: What was drawn of each.
        path: Where the samples were written.
        tested: The tasks, if asserts were drawn.
    """
    rows = []
    for target, arm in zip(targets, drawn.arms, strict=True):
        origin, tally = arm.series.origin, arm.series.tally
        rows.append(
            {
                "spec": target.arm.spec,
                "model": target.model,
                "precision": target.precision,
                "k": target.k,
                "samples": len(arm.candidates),
                "new": arm.new,
                "missing": arm.missing,
                "engine": origin.description.model_dump(),
                "settings": origin.settings.model_dump(),
                "seed": origin.seed,
                "drawn": {
                    "samples": tally.samples,
                    "prompts": tally.prompts,
                    "sessions": tally.sessions,
                    **tally.usage.model_dump(),
                },
            }
        )
    stopped = drawn.stopped
    answer: dict[str, Any] = {
        "arms": rows,
        "stop_after": None
        if stopped is None
        else {
            "kind": stopped.limit.kind,
            "limit": stopped.limit.amount,
            "spent": stopped.spent,
            "overshoot": stopped.overshoot,
            "reached": stopped.reached,
        },
        "out": None if path is None else str(path),
    }
    if tested is not None:
        answer["usable"] = [usable_asserts(tested, arm)._asdict() for arm in drawn.arms]
    return answer


def print_samples(
    targets: Sequence[Target], drawn: DrawnArms, path: Path | None, tested: Sequence[Task] | None
) -> None:
    """Print the outcome of drawing; for the arguments see `samples_as_json`."""
    columns = (
        *(Column("arm", folds=True), Column("engine", folds=True)),
        *(Column(header, right=True) for header in ("samples", "new", "tokens\nin", "tokens\nout", "FLOPs")),
        *(Column(header, right=True) for header in ("seconds\nbusy", "tokens/s", "peak\nmemory")),
    )
    print_table(columns, [_cells(target, arm) for target, arm in zip(targets, drawn.arms, strict=True)])
    print("\nTokens, FLOPs and seconds cover all samples with these settings and this seed, from all sessions.")
    if path is not None:
        print(f"Samples are in {path}")
    for target, arm in zip(targets, drawn.arms, strict=True):
        if tested is not None:
            found = usable_asserts(tested, arm)
            print(
                f"{target.arm.spec}: {found.asserts} asserts usable by rankers, for {found.tasks} of {len(tested)} "
                "tasks"
            )


def usable_asserts(tasks: Sequence[Task], drawn: Drawn) -> UsableAsserts:
    """Count asserts in texts that rankers can use."""
    chat = drawn.series.origin.settings.is_chat
    texts: dict[str, list[str]] = {task.id: [] for task in tasks}
    for text in drawn.candidates:
        texts[text.task_id].append(asserts_of_answer(text.raw) if chat else text.raw)
    counts = [sum(found.copies for found in asserts_in(tuple(texts[task.id]), task.entry_point)) for task in tasks]
    return UsableAsserts(sum(counts), sum(count > 0 for count in counts))


def _cells(target: Target, arm: Drawn) -> tuple[str, ...]:
    usage = arm.series.tally.usage
    flops = None if usage.decode_flops is None else (usage.prefill_flops or 0.0) + usage.decode_flops
    rate = None if not usage.busy_s or usage.output_tokens is None else usage.output_tokens / usage.busy_s
    return (
        target.arm.spec,
        arm.series.origin.description.engine,
        str(len(arm.candidates)),
        str(arm.new),
        _whole(usage.prompt_tokens),
        _whole(usage.output_tokens),
        "-" if flops is None else format_amount("flops", flops),
        "-" if usage.busy_s is None else f"{usage.wall_s or 0:.1f}\n{usage.busy_s:.1f}",
        _whole(rate),
        "-" if usage.peak_memory_bytes is None else format_amount("memory", usage.peak_memory_bytes),
    )


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
