"""Plans as a table with its notes, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..budgets.notation import COST_FIELDS, format_amount
from ..budgets.plan import planned_model
from ..experiment.planning import memory_fits
from .tables import Column, print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..budgets.costs import Conditions
    from ..experiment.planning import Planned
    from ..records import BudgetKind, Cost, Plan, Workload

_HEADERS: dict[BudgetKind, str] = {"flops": "FLOPs/task", "runtime": "runtime", "memory": "memory", "usd": "USD"}


def plans_as_json(planned: Planned) -> dict[str, Any]:
    """Build `codebudget plan --json`."""
    # What reads and writes pages is not needed for a table.
    from .files import plan_as_json

    rows = [plan_as_json(arm) for arm in planned.plans]
    for row, fit in zip(rows, memory_fits(planned), strict=True):
        if fit is not None:
            row["memory_fit"] = fit.model_dump()
    answer: dict[str, Any] = {"arms": rows, "convention": planned.workload.convention}
    runtime = describe_runtime(planned.workload, planned.conditions)
    if runtime is not None:
        answer["runtime"] = runtime
    recalled = unverified_arms(planned)
    if recalled:
        answer["unverified"] = recalled
    return answer


def print_plans(planned: Planned) -> None:
    """Print plans as a table, and lines that name convention, workload and runtime.

    Each cost stands above its ratio to its limit; what a limit leaves has a column of its own.
    """
    kinds = [kind for kind, field in COST_FIELDS.items() if any(getattr(row.cost, field) for row in planned.plans)]
    rows = [_cells(row, kinds) for row in planned.plans]
    columns = (
        *(Column("arm", folds=True), Column("model", folds=True), Column("k", right=True)),
        *(Column(f"{_HEADERS[kind]}\nratio", right=True) for kind in kinds),
        *(Column("left over", right=True), Column("binding"), Column("matched", folds=True)),
    )
    print_table(columns, rows)
    print()
    for line in plan_notes(planned):
        print_text(line)


def plans_on_each_as_json(planned: Sequence[Planned], names: Sequence[str]) -> dict[str, Any]:
    """Build `codebudget plan --json` of one benchmark, or an object with one by each name."""
    if len(planned) == 1:
        return plans_as_json(planned[0])
    return {"benchmarks": {name: plans_as_json(one) for name, one in zip(names, planned, strict=True)}}


def print_plans_on_each(planned: Sequence[Planned], names: Sequence[str]) -> None:
    """Print plans of one benchmark, or of several under their names."""
    for place, (name, one) in enumerate(zip(names, planned, strict=True)):
        if len(planned) > 1:
            print_text(f"{name}:" if place == 0 else f"\n{name}:")
        print_plans(one)


def plan_notes(planned: Planned) -> Iterator[str]:
    """Yield lines below a table of plans."""
    against = "first arm" if planned.budget is None else "budget"
    yield f"ratios are to the {against}; binding is the limit that one more sample would break"
    yield from describe_memory(planned)
    yield from describe_cascades(planned)
    tested = [plan.arm.spec for plan in planned.plans if plan.tests]
    if tested:
        yield (
            f"costs of {', '.join(tested)} hold the tests that they are picked by, each text as long as a program; the "
            "prompt that both share is prefilled once"
        )
    for plan in planned.plans:
        if plan.tests < plan.tests_asked:
            yield (
                f"{plan.arm.spec} is planned with {plan.tests or 'none'} of {plan.tests_asked} texts of tests: the "
                "limit has no room for more beside two programs"
            )
    if planned.conditions.tests is not None and not any(plan.tests or plan.tests_asked for plan in planned.plans):
        yield "no tests are planned: one sample is never ranked, and --select auto goes by where tests scored better"
    yield describe_workload(planned.workload)
    for spec in unverified_arms(planned):
        yield f"{spec} is unverified: its shape is from memory, not from a source (codebudget models show)"
    runtime = describe_runtime(planned.workload, planned.conditions)
    if runtime is not None:
        yield runtime
    prices = describe_prices(planned)
    if prices is not None:
        yield prices


def describe_prices(planned: Planned) -> str | None:
    """Show in one line what tokens cost, with a price file's sources; None without token prices."""
    shown = []
    for plan in [single for one in planned.plans for single in one.single]:
        price = planned.conditions.prices.of_arm(plan.arm)
        if price is None:
            continue
        parts = {"in": price.usd_per_mtok_in, "out": price.usd_per_mtok_out}
        rarer = {"cached": price.usd_per_mtok_cached, "reasoning": price.usd_per_mtok_reasoning}
        parts |= {name: amount for name, amount in rarer.items() if amount is not None}
        origin = "" if price.origin is None else f" ({price.origin})"
        amounts = ", ".join(f"${amount:g} {name}" for name, amount in parts.items())
        shown.append(f"{plan.arm.spec} {amounts}{origin}")
    if not shown:
        return None
    return f"prices per million tokens, each sample a request that pays for its prompt: {'; '.join(shown)}"


def describe_cascades(planned: Planned) -> Iterator[str]:
    """Say in a line per cascade what it costs where no task, a share of them, or every task goes on."""
    for plan in planned.plans:
        if plan.least is None or plan.most is None:
            continue
        kinds = [kind for kind, field in COST_FIELDS.items() if getattr(plan.most, field) is not None]
        shares = {"if no task goes on": plan.least, "if all do": plan.most}
        if plan.reached[1] < 1:
            shares = {
                "if no task goes on": plan.least,
                f"if {plan.reached[1]:.0%} do": plan.cost,
                "if all do": plan.most,
            }
        for kind in kinds:
            said = [
                f"{format_amount(kind, getattr(cost, COST_FIELDS[kind]))} {words}" for words, cost in shares.items()
            ]
            yield f"{plan.arm.spec} takes {', '.join(said)}"
        if planned.settings.escalate is None:
            yield f"{plan.arm.spec} is planned as if every task went on; --escalate SHARE plans for fewer"


def describe_memory(planned: Planned) -> Iterator[str]:
    """Say in a line per arm how its samples fit the memory limit; none without a limit."""
    for plan, fit in zip(planned.plans, memory_fits(planned), strict=True):
        if fit is None or planned.memory_limit_bytes is None:
            continue
        limit = format_amount("memory", planned.memory_limit_bytes)
        if fit.waves is None:
            devices = "no number of devices is enough"
            if fit.tensor_parallel is not None:
                devices = f"it needs {fit.tensor_parallel} such devices (tensor parallel)"
            yield f"{plan.arm.spec} does not fit {limit}: {devices}"
        else:
            waves = "at once" if fit.waves == 1 else f"in {fit.waves} waves of up to {fit.concurrency}"
            yield f"{plan.arm.spec} fits {limit}: its {plan.k} samples of a task run {waves}"


def unverified_arms(planned: Planned) -> list[str]:
    """List the arms whose model's shape was recalled from memory, as typed."""
    models = [(single.arm.spec, planned_model(single)) for plan in planned.plans for single in plan.single]
    return [spec for spec, model in models if model is not None and model.unverified]


def describe_runtime(workload: Workload, conditions: Conditions) -> str | None:
    """Explain the runtime in one line; None if there is none."""
    machine, calibration = conditions.machine, conditions.calibration
    if conditions.regime == "latency":
        what = "seconds for one task alone, its samples in one batch"
    else:
        what = "machine seconds per task with full batches (--regime latency: one task alone)"
    if calibration is not None:
        how = f"measured on {calibration.machine} with {calibration.engine} ({calibration.source})"
        if calibration.engine == "not stated":
            how = f"measured on {calibration.machine} ({calibration.source})"
        return f"runtime: {what}, {how}"
    if machine is None:
        return None
    from ..budgets.runtime import MBU, MFU

    of_what = ""
    if workload.convention == "paper":
        of_what = (
            "; it covers the convention's single pass, so give a benchmark or token counts for the runtime of "
            "generation"
        )
    return f"runtime: {what}, by a roofline of {machine.name} at MFU {MFU}, MBU {MBU}{of_what}"


def describe_workload(workload: Workload) -> str:
    """Name in one line the convention, what it counts, and the source of the counts."""
    if workload.convention == "paper":
        what = f"one forward pass over {workload.prompt_tokens} tokens per sample"
    else:
        what = (
            f"{workload.prompt_tokens} prompt tokens prefilled once per task, "
            f"{workload.output_tokens} output tokens per sample"
        )
    return f"convention {workload.convention}: {what} ({workload.source})"


def _cells(plan: Plan, kinds: Sequence[BudgetKind]) -> tuple[str, ...]:
    def amount(cost: Cost, kind: BudgetKind) -> str | None:
        value = getattr(cost, COST_FIELDS[kind])
        return None if value is None else format_amount(kind, value)

    def over_ratio(kind: BudgetKind) -> str:
        ratio = getattr(plan.budget_ratio, COST_FIELDS[kind])
        return f"{amount(plan.cost, kind) or '-'}\n{'' if ratio is None else f'{ratio:.3f}'}"

    left = [text for kind in kinds if (text := amount(plan.leftover, kind)) is not None]
    return (
        plan.arm.spec,
        "\n".join(f"{single.model}\n@{single.precision}" for single in plan.single),
        plan.shown_k,
        *(over_ratio(kind) for kind in kinds),
        "\n".join(left),
        plan.binding or "-",
        ("yes, equal" if plan.equal else "yes") if plan.matched else "no",
    )
