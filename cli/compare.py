"""`codebudget compare`: which arm wins for the same compute, with tests and without."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import MachineError, UserError
from .grading import (
    DEFAULT_STORE,
    FieldOption,
    FreshOption,
    SandboxOption,
    StoreOption,
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
    ConventionOption,
    FamilyOption,
    MatchOption,
    OutputTokensOption,
    PromptTokensOption,
    ToleranceOption,
    plan_as_json,
    plan_from_options,
)
from .progress import shown_progress, warn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..compare import ArmSamples
    from ..records import Comparison, Plan, Task
    from .planning import Planned

DEFAULT_BENCHMARK = "humaneval"
DEFAULT_RANKERS = ("random", "first", "shortest", "examples", "majority")
DECISIVE_RANKER = "examples"
"""By which those without tests are advised where no ranker is named; fixed beforehand, never the best of several."""


def compare(
    arms: ArmsArgument,
    samples: Annotated[
        list[str] | None,
        typer.Option(
            "--samples", metavar="ARM=FILES", help="Recorded generations: a file, folder or glob. Repeatable."
        ),
    ] = None,
    ranker: Annotated[
        list[str] | None,
        typer.Option("--ranker", metavar="RANKER", help="A ranker, or FILE.py:Class; the first one advises those without tests."),
    ] = None,
    family: FamilyOption = "codellama",
    match: MatchOption = None,
    budget: BudgetOption = None,
    benchmark: BenchmarkOption = None,
    field: FieldOption = None,
    prompt_tokens: PromptTokensOption = None,
    output_tokens: OutputTokensOption = None,
    convention: ConventionOption = None,
    tolerance: ToleranceOption = 0.05,
    sandbox: SandboxOption = "auto",
    workers: WorkersOption = None,
    timeout: TimeoutOption = 3.0,
    allow_shared: Annotated[
        bool, typer.Option("--allow-shared", help="Score tasks that can only be graded beside their tests.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of subsets, resampling and rankers.")] = 0,
    store: StoreOption = DEFAULT_STORE,
    fresh: FreshOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when an arm is not matched.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say which arm wins for the same compute: plan, sample, execute, rank and compare."""
    planned = plan_from_options(
        arms,
        family=family,
        match=match,
        budget=budget,
        benchmark=benchmark,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        convention=convention,
        tolerance=tolerance,
    )
    files = _files_by_arm(samples or [], planned.plans)
    without = [plan.arm for plan in planned.plans if plan.arm.spec not in files]
    if without:
        _show_plan(planned, budget, as_json)
        ways = " ".join(f"--samples {arm.name}=FILES" for arm in without)
        raise MachineError(
            f"nothing draws samples of {', '.join(arm.name for arm in without)} here: this version has no engine that "
            f"loads weights. Give recorded generations ({ways}), or keep to the plan above"
        )
    from ..compare import compare as compare_arms
    from ..rankers import load_ranker
    from ..tasks import load_benchmark

    loaded = {name: load_ranker(name) for name in dict.fromkeys(ranker or DEFAULT_RANKERS) if name != "oracle"}
    decisive = (ranker or [DECISIVE_RANKER])[0]
    chosen = load_benchmark(benchmark or DEFAULT_BENCHMARK, parse_fields(field))
    inputs = _read(planned.plans, files, {task.id: task for task in chosen.tasks})
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
            decisive_ranker=decisive,
            tolerance=tolerance,
            allow_shared=allow_shared,
            seed=seed,
            progress=progress,
        )
    _show(result, as_json)
    if result.sandbox_errors:
        raise MachineError(
            f"the sandbox failed on {result.sandbox_errors} programs, whose tasks are left out; run the command again"
        )
    if strict and not all(arm.plan.matched for arm in result.arms):
        raise typer.Exit(1)


def _files_by_arm(options: Sequence[str], plans: Sequence[Plan]) -> dict[str, list[str]]:
    """`--samples` by the spec of the arm that each is for."""
    files: dict[str, list[str]] = {}
    for option in options:
        name, _, pattern = option.partition("=")
        if not name or not pattern:
            raise UserError(f"--samples {option}: write it ARM=FILES, such as {plans[0].arm.name}=samples.jsonl")
        meant = [plan.arm.spec for plan in plans if name in _names(plan)]
        if not meant:
            known = ", ".join(dict.fromkeys(plan.arm.name for plan in plans))
            raise UserError(f"--samples {option}: no arm is called {name!r}; the arms are {known}")
        if len(meant) > 1:
            raise UserError(f"--samples {option}: {name!r} may be {' or '.join(meant)}; write the arm as it is there")
        files.setdefault(meant[0], []).append(pattern)
    return files


def _names(plan: Plan) -> set[str]:
    """What an arm may be called: as typed, without its k, or by its model alone."""
    arm = plan.arm
    return {arm.spec, arm.name} | ({f"{arm.name}@{arm.precision}"} if arm.precision else set())


def _read(plans: Sequence[Plan], files: Mapping[str, Sequence[str]], tasks: Mapping[str, Task]) -> list[ArmSamples]:
    from ..compare import ArmSamples
    from ..sampler.recorded import read_samples

    inputs = []
    for plan in plans:
        spec = plan.arm.spec
        recorded = read_samples(files[spec], tasks, spec)
        if recorded.missing:
            some = ", ".join(recorded.missing[:3]) + (", ..." if len(recorded.missing) > 3 else "")
            warn(f"{spec}: no sample for {len(recorded.missing)} of {len(tasks)} tasks ({some}); they are left out")
        inputs.append(ArmSamples(plan, recorded.candidates))
    return inputs


def _show_plan(planned: Planned, budget: str | None, as_json: bool) -> None:
    if as_json:
        rows = [plan_as_json(plan) for plan in planned.plans]
        typer.echo(json.dumps({"arms": rows, "convention": planned.workload.convention}))
    else:
        print_plans(planned, against="first arm" if budget is None else "budget")


def _show(result: Comparison, as_json: bool) -> None:
    for warning in result.warnings:
        warn(warning)
    if as_json:
        typer.echo(json.dumps(comparison_as_json(result)))
        return
    from ..report.terminal import print_comparison

    print_comparison(result)


def comparison_as_json(result: Comparison) -> dict[str, object]:
    """`compare --json`, as DESIGN.md has it."""
    bare = result.model_dump(mode="json")
    arms = []
    for arm, dumped in zip(result.arms, bare["arms"], strict=True):
        realised = dumped["realised"]
        arms.append(
            plan_as_json(arm.plan)
            | {
                "n": arm.n,
                "samples": arm.samples,
                "pass_at_k": dumped["pass_at_k"],
                "rankers": dumped["rankers"],
                "realised": realised["cost"] | {name: realised[name] for name in ("budget_ratio", "matched", "equal")},
                "statuses": dumped["statuses"],
                "strata": dumped["strata"],
            }
        )
    answer = {
        "benchmark": result.benchmark,
        "convention": result.workload.convention,
        "workload": bare["workload"],
        "sandbox": result.sandbox,
        "tasks": result.tasks,
        "left_out": result.left_out,
        "arms": arms,
        "paired": bare["paired"],
        "decisive_ranker": result.decisive_ranker,
        "verdict": bare["verdict"],
        "warnings": list(result.warnings),
    }
    without_versions = _without_versions(answer)
    assert isinstance(without_versions, dict)
    return without_versions


def _without_versions(value: object) -> object:
    """Records' own version fields taken out: this object is the command line's, with its own shape."""
    if isinstance(value, dict):
        return {key: _without_versions(item) for key, item in value.items() if key != "schema_version"}
    if isinstance(value, list | tuple):
        return [_without_versions(item) for item in value]
    return value
