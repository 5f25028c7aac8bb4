"""The outcome of drawing, as a table and JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ..budgets.notation import format_amount
from ..rankers.asserts import asserts_in
from ..rankers.pairs import pairs_in
from ..sampler.endings import count_cut
from ..sampler.prompting import drawn_tests
from .tables import Column, print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..experiment.drawing import DrawnArms
    from ..experiment.targets import Target
    from ..records import Task
    from ..sampler.drawing import Drawn
    from ..sampler.series import Bill


class UsableAsserts(NamedTuple):
    """Asserts that rankers would extract from an arm's texts, pairs of scripts among them, and the tasks with any."""

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
                "lost": {f"{one.task_id}/{one.place}": one.reason for one in arm.lost},
                "ended": dict(Counter(one.finish_reason or "unknown" for one in arm.candidates)),
                "engine": origin.description.model_dump(),
                "settings": origin.settings.model_dump(),
                "seed": origin.seed,
                "drawn": {
                    "samples": tally.samples,
                    "prompts": tally.prompts,
                    "sessions": tally.sessions,
                    **tally.usage.model_dump(),
                    "bill": None if tally.bill is None else tally.bill.model_dump(),
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
    thinks = any(arm.series.tally.usage.thinking_tokens for arm in drawn.arms)
    columns = (
        *(Column("arm", folds=True), Column("engine", folds=True)),
        *(Column(header, right=True) for header in ("samples", "new", "tokens\nin", "tokens\nout")),
        *([Column("of them\nthinking", right=True)] if thinks else []),
        *(Column(header, right=True) for header in ("FLOPs", "seconds\nbusy", "tokens/s", "peak\nmemory", "USD")),
    )
    rows = [_cells(target, arm, thinks) for target, arm in zip(targets, drawn.arms, strict=True)]
    # Servers report no memory, and not every model has a price.
    shown = [place for place in range(len(columns)) if place < len(columns) - 2 or any(r[place] != "-" for r in rows)]
    print_table([columns[place] for place in shown], [[row[place] for place in shown] for row in rows])
    print("\nTokens, FLOPs and seconds cover all samples with these settings and this seed, from all sessions.")
    for target, arm in zip(targets, drawn.arms, strict=True):
        cut = count_cut(arm.candidates)
        if cut:
            limit = arm.series.origin.settings.max_tokens
            print(f"{target.arm.spec}: the limit of {limit} tokens cut off {cut} of {len(arm.candidates)} samples.")
        if arm.series.tally.bill is not None:
            print_text(_bill(target.arm.spec, arm.series.tally.bill))
    if path is not None:
        print(f"Samples are in {path}")
    for target, arm in zip(targets, drawn.arms, strict=True):
        if tested is not None:
            what = "asserts and pairs" if any(task.is_script for task in tested) else "asserts"
            found = usable_asserts(tested, arm)
            print(
                f"{target.arm.spec}: {found.asserts} {what} usable by rankers, for {found.tasks} of {len(tested)} tasks"
            )


def usable_asserts(tasks: Sequence[Task], drawn: Drawn) -> UsableAsserts:
    """Count asserts in texts that rankers can use, or pairs for scripts."""
    by_id = {task.id: task for task in tasks}
    texts: dict[str, list[str]] = {task.id: [] for task in tasks}
    for text in drawn.candidates:
        texts[text.task_id].append(drawn_tests(by_id[text.task_id], text, drawn.series.origin.settings))
    counts = [_usable(task, tuple(texts[task.id])) for task in tasks]
    return UsableAsserts(sum(counts), sum(count > 0 for count in counts))


def _usable(task: Task, texts: tuple[str, ...]) -> int:
    found = pairs_in(texts) if task.is_script else asserts_in(texts, task.entry_point)
    return sum(one.copies for one in found)


def _cells(target: Target, arm: Drawn, thinks: bool) -> tuple[str, ...]:
    usage, bill = arm.series.tally.usage, arm.series.tally.bill
    flops = None if usage.decode_flops is None else (usage.prefill_flops or 0.0) + usage.decode_flops
    rate = None if not usage.busy_s or usage.output_tokens is None else usage.output_tokens / usage.busy_s
    return (
        target.arm.spec,
        arm.series.origin.description.engine,
        str(len(arm.candidates)),
        str(arm.new),
        _whole(usage.prompt_tokens if bill is None else bill.prompt_tokens),
        _whole(usage.output_tokens if bill is None else bill.output_tokens),
        *([_whole(usage.thinking_tokens)] if thinks else []),
        "-" if flops is None else format_amount("flops", flops),
        "-" if usage.busy_s is None else f"{usage.wall_s or 0:.1f}\n{usage.busy_s:.1f}",
        _whole(rate),
        "-" if usage.peak_memory_bytes is None else format_amount("memory", usage.peak_memory_bytes),
        "-" if usage.usd is None else format_amount("usd", usage.usd),
    )


def _bill(spec: str, bill: Bill) -> str:
    """Describe a server's bill, which counts the prompt of every request."""
    parts = {"in": bill.prompt_tokens, "of these cached": bill.cached_tokens, "out": bill.output_tokens}
    parts["of these reasoning"] = bill.reasoning_tokens
    shown = ", ".join(f"{count} {name}" for name, count in parts.items() if count or "these" not in name)
    lost = ""
    if bill.unanswered:
        lost = (
            f"; {bill.unanswered} of the requests got no complete answer and are counted like those that replaced "
            "them, since hosts bill what they have drawn"
        )
    return f"{spec}: the server bills {bill.requests} requests, {shown} tokens{lost}."


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
