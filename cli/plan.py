"""`codebudget plan`: how many samples of each model the same cost buys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

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
    describe_workload,
    plan_as_json,
    plan_from_options,
)

if TYPE_CHECKING:
    from ..records import Plan
    from .planning import Planned

WIDTH = 100


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
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when an arm is not matched.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say how many samples of each model the same cost buys: arithmetic, no GPU and no download."""
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
    if as_json:
        import json

        rows = [plan_as_json(arm) for arm in planned.plans]
        typer.echo(json.dumps({"arms": rows, "convention": planned.workload.convention}))
    else:
        print_plans(planned, against="first arm" if budget is None else "budget")
    if strict and not all(arm.matched for arm in planned.plans):
        raise typer.Exit(1)


def print_plans(planned: Planned, *, against: str) -> None:
    """Print plans as a table of at most 100 columns, and a line that names convention and workload.

    Args:
        planned: The plans and their workload.
        against: What ratios are against: `first arm` or `budget`.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.width = min(WIDTH, console.width) if console.is_terminal else WIDTH
    table = Table(box=SIMPLE_HEAD)
    table.add_column("arm", overflow="fold")
    # Catalogue names stay whole where long specs or paths leave too little room.
    table.add_column("model", overflow="fold", min_width=min(14, max(len(row.model) for row in planned.plans)))
    table.add_column("precision", no_wrap=True)
    for header in ("k", "FLOPs/task", f"of {against}", "left over"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("matched", no_wrap=True)
    for row in planned.plans:
        table.add_row(*(Text(cell) for cell in _cells(row)))
    console.print(table)
    console.print(describe_workload(planned.workload), markup=False, highlight=False)


def _cells(plan: Plan) -> tuple[str, ...]:
    from ..budgets.quantities import format_amount

    def flops(value: float | None) -> str:
        return "-" if value is None else format_amount("flops", value)

    ratio = plan.budget_ratio.flops
    return (
        plan.arm.spec,
        plan.model,
        plan.precision,
        "greedy" if plan.arm.greedy else str(plan.k),
        flops(plan.cost.flops),
        "-" if ratio is None else f"{ratio:.3f}",
        flops(plan.leftover.flops),
        ("yes, equal" if plan.equal else "yes") if plan.matched else "no",
    )
