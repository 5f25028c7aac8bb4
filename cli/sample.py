"""`codebudget sample`: draw candidates into the store, and out of it into files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ..errors import EngineError, UserError
from .drawing import (
    RECORDED,
    Drawing,
    EngineOption,
    MaxTokensOption,
    PresetOption,
    StopAfterOption,
    TasksOption,
    TemperatureOption,
    TopPOption,
    check_engine,
    draw_arms,
    target_of_arm,
    target_of_plan,
    warn_of_stop,
    with_ways,
)
from .grading import FieldOption, parse_fields
from .planning import (
    ArmsArgument,
    FamilyOption,
    HardwareOption,
    RegimeName,
    UsdPerHourOption,
    UsdPerMtokOption,
    benchmark_name,
    conditions_from_options,
)
from .progress import shown_progress
from .stores import StoreOption, open_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..records import Task
    from ..sampler.drawing import Drawn
    from ..tasks import Benchmark
    from .drawing import DrawnArms, Target


def sample(
    arms: ArmsArgument,
    benchmark: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|ID",
            help="The benchmark whose tasks are asked.",
            show_default="humaneval, or the family's own: nano",
        ),
    ] = None,
    field: FieldOption = None,
    family: FamilyOption = "codellama",
    engine: EngineOption = "auto",
    preset: PresetOption = "completion",
    temperature: TemperatureOption = None,
    top_p: TopPOption = None,
    max_tokens: MaxTokensOption = None,
    tests: Annotated[
        bool, typer.Option("--tests", help="Draw texts of asserts in place of solutions, for rankers that use them.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the run; another one draws other samples.")] = 0,
    tasks: TasksOption = None,
    stop_after: StopAfterOption = None,
    hardware: HardwareOption = None,
    usd_per_hour: UsdPerHourOption = None,
    usd_per_mtok: UsdPerMtokOption = None,
    store: StoreOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Draw again what the store already has.")] = False,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", metavar="FILE", help="Write the arms' samples: .jsonl, .jsonl.gz, or .parquet but for --tests."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw k samples of every task from each model, and keep them in the store.

    Nothing that is there is drawn again: a run that was stopped goes on where it was, and a larger k draws only what is
    missing. An arm without :K gets as many samples as cost what the first arm's do. With --tests the samples are texts
    in which the model writes asserts, as CodeT draws them; rank and compare read them with --tests FILE.
    """
    from pathlib import Path

    from ..sampler.generated_tests import check_tests_file, rows_of_tests, write_test_rows
    from ..sampler.transfer import check_samples_file, write_samples
    from ..tasks import load_benchmark

    path = None if out is None else Path(out)
    if path is not None:
        (check_tests_file if tests else check_samples_file)(path)
    drawing = Drawing(engine, preset, temperature, top_p, max_tokens, stop_after, seed, fresh, tests)
    conditions = conditions_from_options(
        hardware=hardware,
        regime=RegimeName.throughput,
        calibration=None,
        usd_per_hour=usd_per_hour,
        usd_per_mtok=usd_per_mtok or (),
        concurrency=None,
    )
    chosen = load_benchmark(benchmark_name(benchmark, family), parse_fields(field))
    targets = _targets(arms, family, chosen, served=engine == "openai")
    try:
        check_engine(drawing)
    except EngineError as error:
        raise with_ways(error, f"Or take what the store has, with --engine {RECORDED}") from None
    asked = chosen.tasks[:tasks]
    with open_workspace(store) as opened, shown_progress() as progress:
        drawn = draw_arms(targets, asked, drawing, opened, conditions, progress)
    if path is not None and tests:
        rows = zip(targets, drawn.arms, strict=True)
        write_test_rows(
            path,
            (
                row
                for target, arm in rows
                for row in rows_of_tests(asked, arm.series, arm.candidates, target.architecture)
            ),
        )
    elif path is not None:
        write_samples(path, [(arm.series, arm.candidates) for arm in drawn.arms])
    warn_of_stop(drawn)
    usable = [_usable(asked, arm) for arm in drawn.arms] if tests else None
    if as_json:
        answer = _as_json(targets, drawn, path)
        typer.echo(json.dumps(answer if usable is None else answer | {"usable": [found._asdict() for found in usable]}))
        return
    _print(targets, drawn, path)
    for target, found in zip(targets, usable or (), strict=False):
        print(
            f"{target.arm.spec}: {found.asserts} asserts that rankers can use, for {found.tasks} of {len(asked)} tasks"
        )


def _targets(arms: Sequence[str], family: str, benchmark: Benchmark, *, served: bool) -> list[Target]:
    """The arms with their k and their weights.

    Raises:
        UserError: an arm cannot be read or is there twice, its model is unknown, or its k is open and nothing gives it.
    """
    from ..budgets.arms import parse_arm
    from ..budgets.plan import plan_arms

    parsed = [parse_arm(arm) for arm in arms]
    twice = next((arm for arm in arms if list(arms).count(arm) > 1), None)
    if twice is not None:
        raise UserError(f"the arm {twice} is there twice; leave one out")
    if any(arm.k is None for arm in parsed):
        return [target_of_plan(plan) for plan in plan_arms(parsed, family=family, workload=benchmark.workload())]
    return [target_of_arm(arm, family, served=served) for arm in parsed]


class _Usable(NamedTuple):
    """Asserts that rankers would take out of an arm's texts, and the tasks that have any."""

    asserts: int
    tasks: int


def _usable(tasks: Sequence[Task], drawn: Drawn) -> _Usable:
    from ..rankers.asserts import asserts_in
    from ..sampler.assert_prompts import asserts_of_answer

    chat = drawn.series.origin.settings.is_chat
    texts: dict[str, list[str]] = {task.id: [] for task in tasks}
    for text in drawn.candidates:
        texts[text.task_id].append(asserts_of_answer(text.raw) if chat else text.raw)
    counts = [sum(found.copies for found in asserts_in(tuple(texts[task.id]), task.entry_point)) for task in tasks]
    return _Usable(sum(counts), sum(count > 0 for count in counts))


def _as_json(targets: Sequence[Target], drawn: DrawnArms, path: Path | None) -> dict[str, object]:
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
                "engine": origin.description.model_dump(exclude={"schema_version"}),
                "settings": origin.settings.model_dump(exclude={"schema_version"}),
                "seed": origin.seed,
                "drawn": {
                    "samples": tally.samples,
                    "prompts": tally.prompts,
                    "sessions": tally.sessions,
                    **tally.usage.model_dump(exclude={"schema_version"}),
                },
            }
        )
    stopped = drawn.stopped
    return {
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


def _print(targets: Sequence[Target], drawn: DrawnArms, path: Path | None) -> None:
    from ..budgets.quantities import format_amount
    from .tables import Column, print_table

    columns = (
        *(Column("arm", folds=True), Column("engine", folds=True)),
        *(Column(header, right=True) for header in ("samples", "new", "tokens\nin", "tokens\nout", "FLOPs")),
        *(Column(header, right=True) for header in ("seconds\nbusy", "tokens/s", "peak\nmemory")),
    )
    rows = []
    for target, arm in zip(targets, drawn.arms, strict=True):
        usage = arm.series.tally.usage
        flops = None if usage.decode_flops is None else (usage.prefill_flops or 0.0) + usage.decode_flops
        rate = None if not usage.busy_s or usage.output_tokens is None else usage.output_tokens / usage.busy_s
        rows.append(
            (
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
        )
    print_table(columns, rows)
    print("\nTokens, FLOPs and seconds are of all samples of these settings and this seed, in all sessions.")
    if path is not None:
        print(f"Samples are in {path}")


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
