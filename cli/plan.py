"""`codebudget plan`: how many samples of each model the same cost buys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

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
    describe_memory,
    describe_runtime,
    describe_workload,
    memory_fits,
    plan_from_options,
)
from .progress import warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import BudgetKind, Cost, Plan
    from .planning import Planned

_HEADERS: dict[BudgetKind, str] = {"flops": "FLOPs/task", "runtime": "runtime", "memory": "memory", "usd": "USD"}


def plan(
    arms: ArmsArgument,
    family: FamilyOption = "codellama",
    match: MatchOption = None,
    budget: BudgetOption = None,
    benchmark: BenchmarkOption = None,
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
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when an arm is not matched.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say how many samples of each model the same cost buys: arithmetic, no GPU and no download."""
    chosen = None
    if benchmark is not None:
        from ..tasks import load_benchmark

        chosen = load_benchmark(benchmark)
    planned = plan_from_options(
        arms,
        family=family,
        match=match,
        budget=budget,
        benchmark=chosen,
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
    if as_json:
        import json

        from ..report.as_json import plan_as_json

        rows = [plan_as_json(arm) for arm in planned.plans]
        for row, fit in zip(rows, memory_fits(planned), strict=True):
            if fit is not None:
                row["memory_fit"] = fit.model_dump(exclude={"schema_version"})
        answer: dict[str, object] = {"arms": rows, "convention": planned.workload.convention}
        runtime = describe_runtime(planned)
        if runtime is not None:
            answer["runtime"] = runtime
        typer.echo(json.dumps(answer))
    else:
        print_plans(planned, against="first arm" if budget is None else "budget")
    unmatched = [arm.arm.spec for arm in planned.plans if not arm.matched]
    if strict and unmatched:
        warn(f"--strict: not matched: {', '.join(unmatched)}")
        raise typer.Exit(1)


def print_plans(planned: Planned, *, against: str) -> None:
    """Print plans as a table of at most 100 columns, and lines that name convention, workload and runtime.

    Each cost stands over its ratio to what limits it; what a limit leaves stands in a column of its own.

    Args:
        planned: The plans, their workload and conditions.
        against: What ratios are against: `first arm` or `budget`.
    """
    import textwrap

    from ..budgets.arms import COST_FIELDS
    from .tables import WIDTH, Column, print_table

    kinds = [kind for kind, field in COST_FIELDS.items() if any(getattr(row.cost, field) for row in planned.plans)]
    rows = [_cells(row, kinds) for row in planned.plans]
    # Names and precisions of the catalogue stay whole; long specs and paths fold.
    long_names = any(len(line) > 18 for row in rows for line in row[1].split("\n"))
    columns = (
        *(Column("arm", folds=True), Column("model", folds=long_names), Column("k", right=True)),
        *(Column(f"{_HEADERS[kind]}\nratio", right=True) for kind in kinds),
        *(Column("left over", right=True), Column("binding"), Column("matched")),
    )
    print_table(columns, rows)
    print()
    notes = (
        f"ratios are to the {against}; binding is the limit that one more sample would break",
        *describe_memory(planned),
        describe_workload(planned.workload),
        describe_runtime(planned),
    )
    for line in notes:
        if line is not None:
            print(textwrap.fill(line, WIDTH, break_on_hyphens=False))


def _cells(plan: Plan, kinds: Sequence[BudgetKind]) -> tuple[str, ...]:
    from ..budgets.arms import COST_FIELDS
    from ..budgets.quantities import format_amount

    def amount(cost: Cost, kind: BudgetKind) -> str | None:
        value = getattr(cost, COST_FIELDS[kind])
        return None if value is None else format_amount(kind, value)

    def over_ratio(kind: BudgetKind) -> str:
        ratio = getattr(plan.budget_ratio, COST_FIELDS[kind])
        return f"{amount(plan.cost, kind) or '-'}\n{'' if ratio is None else f'{ratio:.3f}'}"

    left = [text for kind in kinds if (text := amount(plan.leftover, kind)) is not None]
    return (
        plan.arm.spec,
        f"{plan.model}\n@{plan.precision}",
        "greedy" if plan.arm.greedy else str(plan.k),
        *(over_ratio(kind) for kind in kinds),
        "\n".join(left),
        plan.binding or "-",
        ("yes, equal" if plan.equal else "yes") if plan.matched else "no",
    )
