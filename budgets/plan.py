"""How many samples each arm gets, and what they cost per task.

Only FLOPs are computed; the other costs are None, and a limit on them is refused.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..errors import UserError
from ..records import Arm, Budget, BudgetKind, Cost, Plan, Workload
from .arms import COST_FIELDS
from .flops import decode_flops, prefill_flops, task_flops
from .models import Model, find_model
from .quantities import format_amount

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PLANNED_KINDS: tuple[BudgetKind, ...] = ("flops",)
"""The kinds of cost that are computed."""

MAX_SAMPLES = 1 << 40
"""A limit that buys more samples than this bounds nothing."""


def plan_arms(
    arms: Sequence[Arm],
    *,
    family: str,
    workload: Workload,
    match: BudgetKind | None = None,
    budget: Budget | None = None,
    tolerance: float = 0.05,
) -> tuple[Plan, ...]:
    """Plan all arms of a comparison, in their order.

    An arm with an open k gets the largest k whose cost does not exceed the first arm's, by `match`, or the largest that
    fits every limit of `budget`. A greedy arm counts as k = 1. An arm whose k was typed keeps it, whatever it costs.

    The limit is the first arm's cost, or the budget. `matched`: the cost is at most (1 + `tolerance`) times the limit,
    and one more sample would cost more than the limit itself; so a k that was chosen here always matches, and one that
    was typed may exceed the limit a little. `equal`: the cost is within `tolerance` of the limit on both sides.
    `binding` is the kind whose limit one more sample would exceed, None where it would still fit. `leftover` is what
    the limit leaves, 0 where the cost exceeds it, and None for kinds without a limit.

    Args:
        arms: At least one.
        family: The family that names like `13b` are looked up in.
        workload: Tokens per sample and how they are counted.
        match: The kind of cost by which arms are matched to the first; FLOPs where neither this nor `budget` is given.
        budget: Limits per task, instead of `match`.
        tolerance: A fraction of the limit.

    Raises:
        UserError: An unknown model; both `match` and `budget`; a first arm with an open k and no budget; a kind of cost
            that is not computed; a limit that is too small for one sample, or that bounds nothing.
    """
    if not arms:
        raise UserError("name at least one arm, such as 70b:1")
    if match is not None and budget is not None:
        raise UserError("give --match or --budget, not both: a budget takes the first arm's place")
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise UserError(f"the tolerance must be a fraction of at least 0, such as 0.05, not {tolerance}")
    resolved = [(arm, find_model(arm.name, family)) for arm in arms]
    if budget is not None:
        reference: Cost = budget
        limits, whose = _limits(budget), "the budget"
        _refuse_unplanned(limits)
        if not limits:
            raise UserError("the budget holds no limit; write it like flops=2e13")
    else:
        kind = match or "flops"
        _refuse_unplanned({kind: 0.0})
        first, model = resolved[0]
        if first.k is None:
            raise UserError(
                f"the first arm needs a number of samples, since the others are matched to it: write {first.spec}:1, "
                "or give --budget"
            )
        reference = sample_cost(model, workload, first.k)
        limits = {kind: _amount(reference, kind)}
        whose = f"the first arm ({first.spec})"
    return tuple(_plan_arm(arm, model, workload, reference, limits, whose, tolerance) for arm, model in resolved)


def sample_cost(model: Model, workload: Workload, k: int) -> Cost:
    """What k samples of a model cost per task; None for what is not computed.

    Raises:
        UserError: k is less than 1.
    """
    if k < 1:
        raise UserError(f"the number of samples must be at least 1, not {k}")
    return Cost(flops=float(task_flops(model.architecture, workload, k)))


def realised_flops(model: Model, prompt_tokens: int, output_tokens: Sequence[int]) -> int:
    """FLOPs that the samples of one task really took.

    Args:
        model: The model that drew them.
        prompt_tokens: Tokens of the prompt, prefilled once.
        output_tokens: Tokens of each sample; their number is k.
    """
    decode = sum(decode_flops(model.architecture, prompt_tokens, count) for count in output_tokens)
    return prefill_flops(model.architecture, prompt_tokens) + decode


def _plan_arm(
    arm: Arm,
    model: Model,
    workload: Workload,
    reference: Cost,
    limits: Mapping[BudgetKind, float],
    whose: str,
    tolerance: float,
) -> Plan:
    precision = arm.precision or model.default_precision
    if precision is None:
        raise UserError(f"{arm.spec}: its config.json names no precision; write {arm.name}@bf16 or the like")

    def exceeded(k: int) -> BudgetKind | None:
        cost = sample_cost(model, workload, k)
        return next((kind for kind, limit in limits.items() if _amount(cost, kind) > limit), None)

    if arm.k is not None:
        k = arm.k
    else:
        kind = exceeded(1)
        if kind is not None:
            cost_of_one = _amount(sample_cost(model, workload, 1), kind)
            raise UserError(
                f"{arm.spec}: one sample takes {format_amount(kind, cost_of_one)}, "
                f"{format_amount(kind, cost_of_one - limits[kind])} more than {whose} allows ({kind} "
                f"{format_amount(kind, limits[kind])}); raise that or leave this arm out"
            )
        k = _largest(lambda count: exceeded(count) is None)
        if k > MAX_SAMPLES:
            raise UserError(
                f"{arm.spec}: {whose} allows more than {MAX_SAMPLES:.0e} samples; lower it, give the arm a k, or plan "
                "at least 2 output tokens per sample (the first comes with the prefill)"
            )
    cost = sample_cost(model, workload, k)
    binding = exceeded(k + 1)
    ratios = {kind: _amount(cost, kind) / limit for kind, limit in limits.items()}
    return Plan(
        arm=arm,
        model=model.name,
        precision=precision,
        k=k,
        cost=cost,
        budget_ratio=_ratio(cost, reference),
        matched=binding is not None and all(ratio <= 1 + tolerance for ratio in ratios.values()),
        equal=all(abs(ratio - 1) <= tolerance for ratio in ratios.values()),
        binding=binding,
        leftover=Cost.model_validate(
            {COST_FIELDS[kind]: max(limit - _amount(cost, kind), 0.0) for kind, limit in limits.items()}
        ),
    )


def _largest(fits: Callable[[int], bool]) -> int:
    """The largest k that fits, where 1 does and larger ones fit ever less; more than MAX_SAMPLES if there is no end."""
    low, high = 1, 2
    while fits(high):
        low, high = high, 2 * high
        if low > MAX_SAMPLES:
            return low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _limits(budget: Budget) -> dict[BudgetKind, float]:
    values = {kind: getattr(budget, field) for kind, field in COST_FIELDS.items()}
    return {kind: float(value) for kind, value in values.items() if value is not None}


def _refuse_unplanned(limits: Mapping[BudgetKind, float]) -> None:
    unplanned = [kind for kind in limits if kind not in PLANNED_KINDS]
    if unplanned:
        raise UserError(
            f"{' and '.join(unplanned)} cannot be planned yet, only FLOPs are: "
            "use --match flops, or a budget with flops= alone"
        )


def _amount(cost: Cost, kind: BudgetKind) -> float:
    """A cost of a kind in PLANNED_KINDS, which is never None."""
    value: float | None = getattr(cost, COST_FIELDS[kind])
    if value is None:
        raise UserError(f"the cost in {kind} is not known")
    return value


def _ratio(cost: Cost, reference: Cost) -> Cost:
    """Cost over reference in every kind that both know."""
    ratios = {}
    for field in COST_FIELDS.values():
        over, under = getattr(cost, field), getattr(reference, field)
        ratios[field] = over / under if over is not None and under else None
    return Cost.model_validate(ratios)
