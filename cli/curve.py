"""`codebudget curve`: what each arm scores at every budget, and where one overtakes another."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .._util.outputs import check_output
from ..errors import MachineError, UserError
from .compare import DECISIVE_RANKER
from .drawing import (
    RECORDED,
    Drawing,
    MaxTokensOption,
    PresetOption,
    Target,
    TemperatureOption,
    TopPOption,
    draw_arms,
)
from .grading import (
    FieldOption,
    FreshOption,
    SandboxOption,
    TimeoutOption,
    WorkersOption,
    open_grader,
    parse_fields,
)
from .planning import (
    BenchmarkOption,
    CalibrationOption,
    ConventionOption,
    FamilyOption,
    HardwareOption,
    OutputTokensOption,
    Planned,
    PromptTokensOption,
    RegimeName,
    RegimeOption,
    benchmark_name,
    conditions_from_options,
    describe_runtime,
    describe_workload,
    workload_from_options,
)
from .progress import shown_progress, warn
from .samples import NamedArm, SamplesOption, files_by_arm, read_arm
from .stores import StoreOption, open_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..budgets.costs import Conditions
    from ..experiment.curves import PricedArm, Range
    from ..records import Candidate, Task


class By(StrEnum):
    """What a budget limits; the values of `crossings.By`."""

    flops = "flops"
    runtime = "runtime"


def curve(
    arms: Annotated[
        list[str], typer.Argument(metavar="ARM...", help="A model, with @PRECISION as wanted and no :K: 70b 13b@int4")
    ],
    samples: SamplesOption = None,
    ranker: Annotated[
        list[str] | None,
        typer.Option(
            "--ranker",
            metavar="RANKER",
            help="A ranker, or FILE.py:Class. Repeatable. One that looks at the whole pool takes its time per point.",
            show_default=DECISIVE_RANKER,
        ),
    ] = None,
    family: FamilyOption = "codellama",
    by: Annotated[By, typer.Option(help="What a budget limits; runtime needs --hardware or --calibration.")] = By.flops,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="LOW..HIGH",
            help="Budgets per task, such as 1e12..5e13 or 1s..5min.",
            show_default="one sample of the cheapest arm to all of the dearest",
        ),
    ] = None,
    points: Annotated[
        int, typer.Option(min=2, max=1000, help="About how many budgets to look at, where more change some k.")
    ] = 100,
    out: Annotated[
        list[str] | None,
        typer.Option("--out", metavar="FILE", help="Write the curve, by its ending: .json or .csv. Repeatable."),
    ] = None,
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="FILE", help="Draw it, by its ending: .png or .svg.")
    ] = None,
    benchmark: BenchmarkOption = None,
    field: FieldOption = None,
    prompt_tokens: PromptTokensOption = None,
    output_tokens: OutputTokensOption = None,
    convention: ConventionOption = None,
    hardware: HardwareOption = None,
    regime: RegimeOption = RegimeName.throughput,
    calibration: CalibrationOption = None,
    preset: PresetOption = "completion",
    temperature: TemperatureOption = None,
    top_p: TopPOption = None,
    max_tokens: MaxTokensOption = None,
    sandbox: SandboxOption = "auto",
    workers: WorkersOption = None,
    timeout: TimeoutOption = None,
    allow_shared: Annotated[
        bool, typer.Option("--allow-shared", help="Score tasks that can only be graded beside their tests.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of drawing, subsets, resampling and rankers.")] = 0,
    store: StoreOption = None,
    fresh: FreshOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what each arm scores at every budget, from one pool of samples, and where one overtakes another.

    Samples of an arm that no --samples is for are all that the store has of it: a curve has no K to draw by, so draw
    them first, with codebudget sample ARM:K.
    """
    from pathlib import Path

    from ..budgets.arms import parse_arm

    files_out = [Path(name) for name in out or ()]
    _check_outputs(files_out)
    plot_out = None if plot is None else Path(plot)
    if plot_out is not None:
        from ..report.curve_plot import check_plot

        check_plot(plot_out)
    within = None if budget is None else _range(by, budget)
    from ..experiment.curves import curve as curve_of_arms
    from ..experiment.curves import price_arms
    from ..rankers import load_ranker
    from ..tasks import load_benchmark

    chosen = load_benchmark(benchmark_name(benchmark, family), parse_fields(field))
    workload = workload_from_options(
        benchmark=None if benchmark is None else chosen,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        convention=convention,
    )
    conditions = conditions_from_options(
        hardware=hardware, regime=regime, calibration=calibration, usd_per_hour=None, usd_per_mtok=(), concurrency=None
    )
    priced = price_arms(
        [parse_arm(arm) for arm in arms], family=family, workload=workload, conditions=conditions, by=by.value
    )
    files = files_by_arm(samples or [], [NamedArm(arm.arm, arm.precision or "") for arm in priced])
    rankers = {name: load_ranker(name) for name in dict.fromkeys(ranker or [DECISIVE_RANKER]) if name != "oracle"}
    tasks = {task.id: task for task in chosen.tasks}
    read = {spec: read_arm(spec, patterns, tasks) for spec, patterns in files.items()}
    drawing = Drawing(RECORDED, preset, temperature, top_p, max_tokens, None, seed, fresh=False)
    stored = [arm for arm in priced if arm.arm.spec not in read]
    read |= _stored(stored, chosen.tasks, drawing, conditions, store)
    candidates = [read[arm.arm.spec] for arm in priced]
    with (
        shown_progress() as progress,
        open_grader(
            sandbox=sandbox, workers=workers, timeout=timeout, store=store, fresh=fresh, progress=progress
        ) as grader,
    ):
        result = curve_of_arms(
            chosen,
            priced,
            candidates,
            workload=workload,
            grader=grader,
            rankers=rankers,
            by=by.value,
            within=within,
            points=points,
            allow_shared=allow_shared,
            seed=seed,
            progress=progress,
        )
    from ..report.curve_files import write_curve

    for warning in result.warnings:
        warn(warning)
    for path in files_out:
        write_curve(result, path)
    if plot_out is not None:
        from ..report.curve_plot import write_plot

        write_plot(result, plot_out)
    if as_json:
        from ..report.as_json import without_versions

        typer.echo(json.dumps(without_versions(result.model_dump(mode="json"))))
    else:
        from ..report.curve_terminal import print_curve

        notes = [describe_workload(workload)]
        runtime = describe_runtime(Planned(workload=workload, plans=(), conditions=conditions))
        print_curve(result, notes if by is By.flops or runtime is None else [*notes, runtime])
    if result.sandbox_errors:
        raise MachineError(
            f"the sandbox failed on {result.sandbox_errors} programs, whose tasks are left out; run the command again"
        )


def _stored(
    arms: Sequence[PricedArm], tasks: Sequence[Task], drawing: Drawing, conditions: Conditions, store: str | None
) -> dict[str, tuple[Candidate, ...]]:
    """All samples that the store has of some arms, by the arm as typed.

    Raises:
        UserError: it has several sets of an arm's samples, and nothing says which.
        MachineError: it has none.
    """
    if not arms:
        return {}
    targets = [Target(arm.arm, arm.model, "", arm.precision or "", 1) for arm in arms]
    with open_workspace(store) as opened, shown_progress() as progress:
        drawn = draw_arms(targets, tasks, drawing, opened, conditions, progress)
    return {target.arm.spec: arm.candidates for target, arm in zip(targets, drawn.arms, strict=True)}


def _check_outputs(paths: Sequence[Path]) -> None:
    from ..report.curve_files import FORMATS

    for path in paths:
        if path.suffix.lower() not in FORMATS:
            raise UserError(f"--out {path}: name a file that ends in {' or '.join(FORMATS)}")
        if not path.parent.is_dir():
            raise UserError(f"--out {path}: there is no folder {path.parent}; make it first")
        check_output(path)


def _range(by: By, text: str) -> Range:
    from ..budgets.quantities import parse_amount
    from ..experiment.curves import Range

    low, dots, high = text.partition("..")
    if not dots:
        raise UserError(f"--budget {text}: write LOW..HIGH, such as {'1e12..5e13' if by is By.flops else '1s..5min'}")
    found = Range(parse_amount(by.value, low), parse_amount(by.value, high))
    if found.low >= found.high:
        raise UserError(f"--budget {text}: the first budget must be the smaller one")
    return found
