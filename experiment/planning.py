"""Arms and settings -> plans: benchmark, workload, costs, and how many samples each arm gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ..budgets.costs import Conditions
from ..budgets.dollars import Prices, load_prices, parse_token_price
from ..budgets.flops import PAPER_WORKLOAD
from ..budgets.memory import memory_fit
from ..budgets.models import find_family
from ..budgets.notation import parse_arm, parse_budget
from ..budgets.plan import plan_arms, planned_model
from ..errors import UserError
from ..records import Workload
from ..settings import DEFAULT_FAMILY, Slicing
from .benchmarks import about, check_names, part_of_each, told_apart

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ..budgets.costs import PlannedTests
    from ..budgets.memory import MemoryFit
    from ..records import Budget, Plan
    from ..settings import Planning
    from ..tasks import Benchmark

DEFAULT_BENCHMARK = "humaneval"


@dataclass(frozen=True)
class Planned:
    """Plans, and the terms they were made on.

    Attributes:
        plans: One per arm, in the order named.
        workload: Tokens per sample, and how they are counted.
        conditions: Where and how samples are drawn.
        settings: The choices.
        budget: The limits per task; None if arms are matched to the first one.
        family: Where the arms' short names are looked up.
    """

    plans: tuple[Plan, ...]
    workload: Workload
    conditions: Conditions
    settings: Planning
    budget: Budget | None = None
    family: str = DEFAULT_FAMILY

    @property
    def measures(self) -> bool:
        """Whether lengths are measured where there are samples: no convention and no lengths were chosen."""
        return _measures(self.settings)

    def measured_workload(self, found: Workload) -> Workload:
        """Overrule measured lengths by the one that was chosen, if any."""
        prompt_tokens, output_tokens = self.settings.prompt_tokens, self.settings.output_tokens
        if prompt_tokens is not None:
            source = f"--prompt-tokens, and {found.source}"
            return found.model_copy(update={"prompt_tokens": prompt_tokens, "source": source})
        if output_tokens is not None:
            source = f"--output-tokens, and {found.source}"
            return found.model_copy(update={"output_tokens": output_tokens, "source": source})
        return found

    @property
    def memory_limit_bytes(self) -> float | None:
        """Memory of one device, if a budget or the hardware says."""
        if self.budget is not None and self.budget.memory_bytes is not None:
            return self.budget.memory_bytes
        machine = self.conditions.machine
        return None if machine is None else machine.hardware.memory_bytes


def _measures(settings: Planning) -> bool:
    return settings.convention != "paper" and (settings.prompt_tokens is None or settings.output_tokens is None)


def benchmark_name(named: str | None, family: str) -> str:
    """Choose the benchmark named, else the one the family was made for, else HumanEval.

    Raises:
        UserError: There is no such family.
    """
    return named or find_family(family).benchmark or DEFAULT_BENCHMARK


def load_tasks(
    named: str | None,
    family: str,
    *,
    fields: Mapping[str, str] | None = None,
    tasks: int | None = None,
    slicing: Slicing = Slicing(),  # noqa: B008
) -> Benchmark:
    """Load a benchmark, or the part of it that is chosen, cut to its first tasks if a number is given.

    Raises:
        UserError: There is no such benchmark, family or choice, or the mapping of fields is wrong.
        MachineError: A package or the hub is out of reach.
    """
    from ..tasks import load_benchmark

    whole = load_benchmark(benchmark_name(named, family), fields, **slicing.slicing)
    return whole if tasks is None else whole.first(tasks)


def load_several(
    named: Sequence[str | Benchmark],
    family: str,
    *,
    fields: Mapping[str, str] | None = None,
    tasks: int | None = None,
    slicing: Slicing = Slicing(),  # noqa: B008
) -> list[Benchmark]:
    """Load benchmarks that are used together; if none is named, the family's own or HumanEval alone.

    Choices of a part hold for the named ones that offer them.

    Raises:
        UserError: As `load_tasks`, or as `told_apart`.
        MachineError: As `load_tasks`.
    """
    typed = [one if isinstance(one, str) else one.name for one in named]
    # Before anything is loaded, which may take a download.
    check_names(typed)
    loaded = [
        load_tasks(one, family, fields=fields, tasks=tasks, slicing=part) if isinstance(one, str) else one
        for one, part in zip(named, part_of_each(typed, slicing), strict=True)
    ] or [load_tasks(None, family, fields=fields, tasks=tasks, slicing=slicing)]
    return told_apart(loaded, typed)


def plan(
    arms: Sequence[str],
    settings: Planning,
    *,
    family: str = DEFAULT_FAMILY,
    benchmark: Benchmark | None = None,
    to_measure: bool = False,
    closed: Collection[str] = (),
    tests: PlannedTests | None = None,
) -> Planned:
    """Give every arm a sample count.

    Args:
        arms: As typed, `MODEL[@PRECISION][:K]`.
        settings: The budget, and which costs are counted.
        family: Where short names are looked up.
        benchmark: Whose token counts are planned for; None for the paper's convention.
        to_measure: Lengths will be measured, so an arm that seems to exceed the limit may not.
        closed: Models to plan by their price without looking them up.
        tests: Tests that candidates are picked by, and that share the limit with them.

    Raises:
        UserError: A setting cannot be read or contradicts another, or the arms cannot be planned.
    """
    parsed = [parse_arm(arm) for arm in arms]
    budget = None if settings.limit is None else parse_budget(settings.limit)
    workload = workload_of(settings, benchmark, to_measure=to_measure)
    conditions = replace(conditions_of(settings), closed=frozenset(closed), tests=tests)
    plans = plan_arms(
        parsed,
        family=family,
        workload=workload,
        match=settings.match,
        budget=budget,
        tolerance=settings.tolerance,
        conditions=conditions,
        at_least_one=to_measure and _measures(settings),
    )
    return Planned(plans, workload, conditions, settings, budget, family)


def plan_on_each(
    benchmarks: Sequence[Benchmark],
    arms: Sequence[str],
    settings: Planning,
    family: str,
    tests: PlannedTests | None = None,
) -> list[Planned]:
    """Plan the same arms for each benchmark, whose lengths will be measured; see `plan`.

    Raises:
        UserError: As `plan`; of several, the message starts with the benchmark's name.
    """
    found = []
    for benchmark in benchmarks:
        with about(benchmark, benchmarks):
            found.append(plan(arms, settings, family=family, benchmark=benchmark, to_measure=True, tests=tests))
    return found


def plan_again(
    planned: Planned, plans: Sequence[Plan], workloads: Sequence[Workload], ks: Sequence[int | None]
) -> tuple[Plan, ...]:
    """Plan some of the arms again for the lengths of their own samples.

    Args:
        planned: The terms.
        plans: The arms; others are matched to the first unless there is a budget.
        workloads: Of each; a cascade's stages have one each.
        ks: Numbers of samples of arms with an open k; None for what the limit pays for.

    Raises:
        UserError: As `plan`.
    """
    arms = [
        plan.arm if plan.arm.k is not None or k is None else plan.arm.model_copy(update={"k": k})
        for plan, k in zip(plans, ks, strict=True)
    ]
    again = plan_arms(
        arms,
        family=planned.family,
        workload=workloads,
        match=planned.settings.match,
        budget=planned.budget,
        tolerance=planned.settings.tolerance,
        conditions=planned.conditions,
    )
    return tuple(new.model_copy(update={"arm": plan.arm}) for new, plan in zip(again, plans, strict=True))


def conditions_of(settings: Planning) -> Conditions:
    """Get the conditions of drawing.

    Raises:
        UserError: A setting cannot be read.
    """
    machine, measured = None, None
    if settings.hardware is not None:
        from ..budgets.hardware import find_machine

        machine = find_machine(settings.hardware)
    if settings.calibration is not None:
        from ..budgets.calibration import load_calibration

        measured = load_calibration(settings.calibration)
    return Conditions(
        machine=machine,
        calibration=measured,
        regime=settings.regime,
        prices=prices_of(settings),
        concurrency=settings.concurrency,
        escalate=settings.escalate,
    )


def prices_of(settings: Planning) -> Prices:
    """Get the prices of drawing.

    Raises:
        UserError: One cannot be read.
    """
    return Prices(
        usd_per_hour=settings.usd_per_hour,
        tokens=tuple(parse_token_price(text) for text in settings.usd_per_mtok),
        listed=() if settings.prices is None else load_prices(settings.prices),
        batch=settings.batch_prices,
    )


UNMEASURED_TOKENS: Final = 256
"""Output tokens per sample until samples are measured, where no reference tells: the limit of Hassid et al. 2024
(arXiv 2404.00725, section 3.1) for APPS and MBPP.
"""


def workload_of(settings: Planning, benchmark: Benchmark | None, *, to_measure: bool = False) -> Workload:
    """Choose the workload: the paper's if nothing names another, else the benchmark's; chosen counts override it.

    Args:
        settings: The counts.
        benchmark: Whose tasks' lengths count; None for none.
        to_measure: Lengths will be measured; until then, `UNMEASURED_TOKENS` may stand for them.

    Raises:
        UserError: The settings contradict each other or leave a count open.
    """
    prompt_tokens, output_tokens = settings.prompt_tokens, settings.output_tokens
    chosen = prompt_tokens is not None or output_tokens is not None
    convention = settings.convention or ("tokens" if chosen or benchmark is not None else "paper")
    if convention == "paper":
        if chosen:
            raise UserError(
                "the paper's convention counts 128 tokens: drop `prompt_tokens` and `output_tokens`, "
                "or choose `convention` tokens"
            )
        return PAPER_WORKLOAD
    if prompt_tokens is not None and output_tokens is not None:
        # Files contain these words.
        source = "--prompt-tokens and --output-tokens"
        return Workload(convention="tokens", prompt_tokens=prompt_tokens, output_tokens=output_tokens, source=source)
    if benchmark is None:
        raise UserError("`convention` tokens needs `benchmark`, or both `prompt_tokens` and `output_tokens`")
    measured = benchmark.workload(output_tokens or (UNMEASURED_TOKENS if to_measure else None))
    if prompt_tokens is not None:
        changed: dict[str, object] = {
            "prompt_tokens": prompt_tokens,
            "source": f"--prompt-tokens, and {measured.source}",
        }
    elif output_tokens is not None:
        changed = {"output_tokens": output_tokens, "source": f"--output-tokens, and {measured.source}"}
    elif all(task.reference is None for task in benchmark.tasks):
        changed = {"source": f"{measured.source}; {UNMEASURED_TOKENS} output tokens until samples are measured"}
    else:
        return measured
    return measured.model_copy(update=changed)


def memory_fits(planned: Planned) -> list[MemoryFit | None]:
    """Work out the memory limit's meaning for each arm; None for all if there is no limit, and for unknown models."""
    limit = planned.memory_limit_bytes
    if limit is None:
        return [None] * len(planned.plans)
    fits: list[MemoryFit | None] = []
    for plan in planned.plans:
        found = [_memory_fit(planned, single, limit) for single in plan.single]
        # A cascade's stages are loaded one after another.
        known = [fit for fit in found if fit is not None]
        fits.append(max(known, key=lambda fit: fit.needed_bytes) if len(known) == len(found) else None)
    return fits


def _memory_fit(planned: Planned, plan: Plan, limit: float) -> MemoryFit | None:
    model = planned_model(plan)
    if model is None:
        return None
    return memory_fit(
        model.architecture,
        plan.precision,
        plan.workload or planned.workload,
        plan.k,
        limit,
        concurrency=planned.conditions.concurrency,
    )
