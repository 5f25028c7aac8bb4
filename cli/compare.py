"""`codebudget compare`: which arm wins for the same compute, with tests and without."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import MachineError, UserError
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
    target_of_plan,
    warn_of_stop,
    with_ways,
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
from .plan import print_plans
from .planning import (
    ArmsArgument,
    BenchmarkOption,
    BudgetOption,
    CalibrationOption,
    ConcurrencyOption,
    ConventionOption,
    FamilyOption,
    HardwareOption,
    MatchOption,
    OutputTokensOption,
    PromptTokensOption,
    RegimeName,
    RegimeOption,
    ToleranceOption,
    UsdPerHourOption,
    UsdPerMtokOption,
    benchmark_name,
    plan_from_options,
)
from .progress import shown_progress, warn
from .ranking import TestsOption, tests_from
from .samples import NamedArm, SamplesOption, files_by_arm, read_arm, without_k
from .scoring import ScorerOption, open_scorers
from .stores import StoreOption, open_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..experiment.comparison import ArmSamples
    from ..records import Arm, Comparison, Plan
    from ..tasks import Benchmark
    from .planning import Planned

DEFAULT_RANKERS = ("codebudget", "random", "first", "shortest", "examples", "majority")
DECISIVE_RANKER = "codebudget"
"""By which those without tests are advised where no ranker is named; fixed beforehand, never the best of several."""


def compare(
    arms: ArmsArgument,
    samples: SamplesOption = None,
    ranker: Annotated[
        list[str] | None,
        typer.Option(
            "--ranker",
            metavar="RANKER",
            help="NAME[,PARAMETER=VALUE...] or FILE.py:Class; joined by + the next breaks ties. "
            "Repeatable; the first one advises those without tests.",
        ),
    ] = None,
    tests: TestsOption = None,
    scorer: ScorerOption = None,
    family: FamilyOption = "codellama",
    match: MatchOption = None,
    budget: BudgetOption = None,
    benchmark: BenchmarkOption = None,
    field: FieldOption = None,
    prompt_tokens: PromptTokensOption = None,
    output_tokens: OutputTokensOption = None,
    convention: ConventionOption = None,
    tolerance: ToleranceOption = 0.05,
    hardware: HardwareOption = None,
    regime: RegimeOption = RegimeName.throughput,
    calibration: CalibrationOption = None,
    usd_per_hour: UsdPerHourOption = None,
    usd_per_mtok: UsdPerMtokOption = None,
    concurrency: ConcurrencyOption = None,
    engine: EngineOption = "auto",
    preset: PresetOption = "completion",
    temperature: TemperatureOption = None,
    top_p: TopPOption = None,
    max_tokens: MaxTokensOption = None,
    tasks: TasksOption = None,
    stop_after: StopAfterOption = None,
    sandbox: SandboxOption = "auto",
    workers: WorkersOption = None,
    timeout: TimeoutOption = None,
    allow_shared: Annotated[
        bool, typer.Option("--allow-shared", help="Score tasks that can only be graded beside their tests.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of drawing, subsets, resampling and rankers.")] = 0,
    store: StoreOption = None,
    fresh: FreshOption = False,
    report: Annotated[
        list[str] | None,
        typer.Option("--report", metavar="FILE", help="Write it, by its ending: .html, .md or .json. Repeatable."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Exit 1 when an arm is not matched or no advice can be given; end where a ranker fails."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say which arm wins for the same compute: plan, sample, execute, rank and compare.

    Samples of an arm that no --samples is for are drawn, as codebudget sample does; those in the store are not drawn
    again.
    """
    from ..tasks import load_benchmark

    reports = _reports(report)
    chosen = _first(load_benchmark(benchmark_name(benchmark, family), parse_fields(field)), tasks)
    planned = plan_from_options(
        arms,
        family=family,
        match=match,
        budget=budget,
        # The default benchmark was not named, so the plan is by the paper's convention.
        benchmark=None if benchmark is None else chosen,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        convention=convention,
        tolerance=tolerance,
        hardware=hardware,
        regime=regime,
        calibration=calibration,
        usd_per_hour=usd_per_hour,
        usd_per_mtok=usd_per_mtok,
        concurrency=concurrency,
    )
    files = files_by_arm(samples or [], [NamedArm(plan.arm, plan.precision) for plan in planned.plans])
    named = _rankers(ranker)
    drawing = Drawing(engine, preset, temperature, top_p, max_tokens, stop_after, seed, fresh)
    from ..budgets.arms import parse_budget
    from ..experiment.comparison import ArmSamples
    from ..experiment.comparison import compare as compare_arms
    from ..rankers import Offers, load_ranker

    # The bound that picks blindly stands beside whatever was named.
    loaded = {name: load_ranker(name) for name in dict.fromkeys((*named, "random"))}
    generated = tests_from(tests, chosen.by_id)
    specs = [plan.arm.spec for plan in planned.plans]
    with open_scorers(scorer, specs, family=family, engine=engine, store=store) as scorers:
        read = {spec: read_arm(spec, patterns, chosen.by_id) for spec, patterns in files.items()}
        without = [plan for plan in planned.plans if plan.arm.spec not in files]
        if without and not as_json:
            print_plans(planned, against="first arm" if budget is None else "budget")
            typer.echo()
        try:
            drawn = _drawn(without, planned, chosen, drawing, store)
        except MachineError as error:
            if as_json:
                from ..report.as_json import plan_as_json

                rows = [plan_as_json(plan) for plan in planned.plans]
                typer.echo(json.dumps({"arms": rows, "convention": planned.workload.convention}))
            raise with_ways(error, _ways([plan.arm for plan in without])) from None
        inputs = [
            drawn[plan.arm.spec] if plan.arm.spec in drawn else ArmSamples(plan, read[plan.arm.spec])
            for plan in planned.plans
        ]
        with (
            shown_progress() as progress,
            open_grader(
                sandbox=sandbox, workers=workers, timeout=timeout, store=store, fresh=fresh, progress=progress
            ) as grader,
        ):
            result = compare_arms(
                chosen,
                inputs,
                workload=planned.workload,
                grader=grader,
                rankers=loaded,
                decisive_ranker=named[0] if ranker else DECISIVE_RANKER,
                tolerance=tolerance,
                match=None if match is None else match.value,
                budget=None if budget is None else parse_budget(budget),
                allow_shared=allow_shared,
                offers={spec: Offers(generated, scorers.get(spec)) for spec in specs},
                strict=strict,
                seed=seed,
                progress=progress,
            )
    _show(result, as_json)
    if reports:
        from ..report.comparison_files import write_reports

        write_reports(result, reports)
    if result.sandbox_errors:
        raise MachineError(
            f"the sandbox failed on {result.sandbox_errors} programs, whose tasks are left out; run the command again"
        )
    unmatched = [arm.plan.arm.spec for arm in result.arms if not arm.plan.matched]
    if strict and unmatched:
        warn(f"--strict: not matched: {', '.join(unmatched)}")
    if strict and result.doubts:
        warn("--strict: no advice can be given")
    if strict and (unmatched or result.doubts):
        raise typer.Exit(1)


def _reports(names: Sequence[str] | None) -> list[Path]:
    """The files of --report, which can be written."""
    if not names:
        return []
    from pathlib import Path

    from ..report.comparison_files import check_reports

    paths = [Path(name) for name in names]
    check_reports(paths)
    return paths


def _first(benchmark: Benchmark, tasks: int | None) -> Benchmark:
    """The benchmark's first tasks, all of them where no number is given."""
    from dataclasses import replace

    return benchmark if tasks is None else replace(benchmark, tasks=benchmark.tasks[:tasks])


def _ways(arms: Sequence[Arm]) -> str:
    """What else can be done for arms that nothing draws."""
    ways = " ".join(f"--samples {without_k(arm)}=FILES" for arm in arms)
    return f"Or give recorded generations ({ways}), take what the store has (--engine {RECORDED}), or keep to the plan"


def _drawn(
    plans: Sequence[Plan], planned: Planned, benchmark: Benchmark, drawing: Drawing, store: str | None
) -> dict[str, ArmSamples]:
    """The samples of arms that no file is for, drawn or in the store, by the arm as typed."""
    from ..experiment.comparison import ArmSamples

    if not plans:
        return {}
    check_engine(drawing)
    targets = [target_of_plan(plan) for plan in plans]
    with open_workspace(store) as opened, shown_progress() as progress:
        drawn = draw_arms(targets, benchmark.tasks, drawing, opened, planned.conditions, progress)
    warn_of_stop(drawn)
    return {
        plan.arm.spec: ArmSamples(plan, arm.candidates, arm.series.tally if arm.series.tally.samples else None)
        for plan, arm in zip(plans, drawn.arms, strict=True)
    }


def _rankers(typed: Sequence[str] | None) -> list[str]:
    """The rankers to run. `oracle` is always there and picks by the hidden tests, so that it advises nobody."""
    named = [name for name in dict.fromkeys(typed or DEFAULT_RANKERS) if name != "oracle"]
    if not named:
        raise UserError(
            "--ranker oracle picks by the hidden tests and is always shown; name one that works without, such as "
            f"--ranker {DECISIVE_RANKER}"
        )
    return named


def _show(result: Comparison, as_json: bool) -> None:
    for warning in result.warnings:
        warn(warning)
    if as_json:
        from ..report.as_json import comparison_as_json

        typer.echo(json.dumps(comparison_as_json(result)))
        return
    from ..report.terminal import print_comparison

    print_comparison(result)
