"""Number of samples each arm gets, and their cost per task."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import UserError
from ..records import Arm, Budget, BudgetKind, Cost, Plan, Workload
from .costs import Conditions, check_conditions, cost_of_arm, how_to_know
from .dollars import check_prices
from .flops import PAPER_WORKLOAD, decode_flops, prefill_flops
from .models import DEFAULT_FAMILY, Model, UnknownModelError, find_model
from .notation import COST_FIELDS, format_amount

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

UNKNOWN_PRECISION = "unknown"
"""Precision of a model that only a server has."""

MAX_SAMPLES = 1 << 40
"""Samples beyond which a limit bounds nothing."""


def priced_model(arm: Arm, family: str, conditions: Conditions) -> Model | None:
    """Find a single arm's model; None if only its price is known.

    Args:
        arm: The arm, which is no cascade.
        family: Where short names are looked up.
        conditions: An unknown model is allowed if one of its prices names it.

    Raises:
        UserError: As `find_model`, if no price names the model.
    """
    own = conditions.prices.own(arm)
    if own is not None and arm.name in conditions.closed:
        return None
    try:
        return find_model(arm.name, family)
    except UnknownModelError as error:
        if own is None:
            raise UnknownModelError(
                f"{error}, and for one that only a server has its price, `usd_per_mtok` {arm.name}=IN,OUT"
            ) from None
        return None


def planned_model(plan: Plan) -> Model | None:
    """Find a plan's model again; None if it was planned by its price alone, so that its FLOPs are unknown.

    A cascade has several: ask of each of `plan.single`.
    """
    return None if plan.cost.flops is None else find_model(plan.model)


def plan_arms(
    arms: Sequence[Arm],
    *,
    family: str,
    workload: Workload | Sequence[Workload],
    match: BudgetKind | None = None,
    budget: Budget | None = None,
    tolerance: float = 0.05,
    conditions: Conditions | None = None,
    at_least_one: bool = False,
) -> tuple[Plan, ...]:
    """Plan all arms of a comparison, in their order.

    An arm with an open k gets the largest k whose cost does not exceed the first arm's, by `match`, or the largest that
    fits every limit of `budget`. A greedy arm counts as k = 1. An arm with a typed k keeps it, whatever it costs.

    The limit is the first arm's cost, or the budget. `matched`: the cost is at most (1 + `tolerance`) times the limit,
    and one more sample would cost more than the limit itself; so a k chosen here always matches, and a typed one may
    exceed the limit a little. The first arm matches itself, and where samples do not change the cost (memory at a fixed
    concurrency) fitting is enough. `equal`: the cost is within `tolerance` of the limit on both sides. `binding` is the
    kind whose limit one more sample would exceed, None where it would still fit. `leftover` is what the limit leaves, 0
    where the cost exceeds it, and None for kinds without a limit.

    A cascade costs the sum over its stages, each at the share of tasks planned to reach it. Its memory is that of the
    largest stage reached, since they are loaded one after another. One more sample is one of its first stage.

    With `conditions.tests`, an arm of several samples, or a cascade whose first stage has several, also draws tests for
    each task: its cost holds both, and an open k is what the limit leaves for programs. A single sample is never
    ranked, so no tests are drawn for it.

    Args:
        arms: At least one.
        family: The family to look names like `13b` up in.
        workload: Tokens per sample and how they are counted, for all arms or for each; a cascade's stages have one
            each, so there may be one for each single arm, in their order.
        match: The kind of cost by which arms are matched to the first; FLOPs where neither this nor `budget` is given.
        budget: Limits per task, instead of `match`.
        tolerance: A fraction of the limit.
        conditions: Where and how samples are drawn. A model known only by a price of its own costs dollars alone.
        at_least_one: Give an open arm one sample even if the limit is too small, since lengths are only estimates.

    Raises:
        UserError: An unknown model; both `match` and `budget`; a first arm with an open k and no budget; a kind of cost
            that cannot be known, or of which the first arm has none; a limit too small for one sample, or that bounds
            nothing; conditions that contradict each other, or a machine that a model does not fit.
    """
    if not arms:
        raise UserError("give at least one arm, such as 70b:1")
    if match is not None and budget is not None:
        raise UserError("give `match` or `limit`, not both: a budget replaces the first arm's cost")
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise UserError(f"the tolerance must be a fraction of at least 0, such as 0.05, not {tolerance}")
    conditions = conditions or Conditions()
    check_conditions(conditions)
    singles = [single for arm in arms for single in arm.stages or (arm,)]
    check_prices(singles, conditions.prices)
    workloads = iter([workload] * len(singles) if isinstance(workload, Workload) else workload)
    share = 1.0 if conditions.escalate is None else conditions.escalate
    pricings: list[_Pricing | _CascadePricing] = []
    for arm in arms:
        parts = tuple(
            _Pricing(single, priced_model(single, family, conditions), next(workloads), conditions)
            for single in arm.stages or (arm,)
        )
        # A cascade ranks what its first stage draws; later ones are picked by the same tests.
        parts = (_with_tests(parts[0], family), *parts[1:])
        pricings.append(_CascadePricing(arm, parts, share) if arm.stages else parts[0])
    if budget is not None:
        limits = {
            kind: float(value) for kind, field in COST_FIELDS.items() if (value := getattr(budget, field)) is not None
        }
        if not limits:
            raise UserError("the budget is empty; write it like flops=2e13")
        limit = _Limit(budget, limits, "the budget", tolerance, at_least_one)
        return tuple(pricing.plan(limit) for pricing in pricings)
    kind = match or "flops"
    first = pricings[0]
    if first.arm.k is None:
        raise UserError(
            f"the first arm needs a number of samples, since the others are matched to it: write {first.arm.spec}:1, "
            "or give `limit`"
        )
    k = first.arm.k
    if isinstance(first, _Pricing):
        first = pricings[0] = first.resolved(k)
    reference = first.cost(k)
    amount = first.amount(k, kind)
    if not amount > 0:
        raise UserError(f"{first.arm.spec} has no {kind} cost to match")
    limit = _Limit(reference, {kind: amount}, f"the first arm ({first.arm.spec})", tolerance, at_least_one)
    itself = first.plan(limit).model_copy(update={"matched": True})
    return (itself, *(pricing.plan(limit) for pricing in pricings[1:]))


def solve(
    budget: Budget,
    arms: Sequence[Arm],
    *,
    family: str = DEFAULT_FAMILY,
    workload: Workload = PAPER_WORKLOAD,
    tolerance: float = 0.05,
    conditions: Conditions | None = None,
) -> tuple[Plan, ...]:
    """Plan arms by a budget: `plan_arms` with limits.

    Raises:
        UserError: As `plan_arms`.
    """
    return plan_arms(arms, family=family, workload=workload, budget=budget, tolerance=tolerance, conditions=conditions)


def realised_flops(model: Model, prompt_tokens: int, output_tokens: Sequence[int]) -> int:
    """Count the FLOPs really spent on a task.

    Args:
        model: The model that drew them.
        prompt_tokens: Tokens of the prompt, prefilled once.
        output_tokens: Tokens of each sample; their number is k.
    """
    decode = sum(decode_flops(model.architecture, prompt_tokens, count) for count in output_tokens)
    return prefill_flops(model.architecture, prompt_tokens) + decode


@dataclass(frozen=True)
class _Limit:
    """Yardstick of costs: the limiting amounts, out of a whole reference cost."""

    reference: Cost
    amounts: Mapping[BudgetKind, float]
    whose: str
    tolerance: float
    at_least_one: bool = False


def _with_tests(pricing: _Pricing, family: str) -> _Pricing:
    """Let an arm draw tests, by another model if one is to write them."""
    tests, arm = pricing.conditions.tests, pricing.arm
    if tests is None:
        return pricing
    workload = pricing.workload
    if arm.spec in tests.output_tokens and workload.convention == "tokens":
        workload = workload.model_copy(update={"output_tokens": tests.output_tokens[arm.spec]})
    author = tests.authors.get(arm.spec)
    writer = _Pricing(author or arm, pricing.model, workload, pricing.conditions)
    if author is not None:
        writer = replace(writer, model=priced_model(author, family, pricing.conditions))
    without = replace(pricing.conditions, tests=None)
    return replace(pricing, writer=replace(writer, conditions=without), writes_own=author is None)


@dataclass(frozen=True)
class _Pricing:
    """An arm whose cost is known for every k.

    `writer` draws tests for it, `texts` of them once that is known, and after the same prompt where it `writes_own`.
    """

    arm: Arm
    model: Model | None
    workload: Workload
    conditions: Conditions
    writer: _Pricing | None = None
    writes_own: bool = True
    texts: int = 0

    @property
    def precision(self) -> str:
        if self.model is None:
            return self.arm.precision or UNKNOWN_PRECISION
        precision = self.arm.precision or self.model.default_precision
        if precision is None:
            raise UserError(
                f"{self.arm.spec}: its config.json gives no precision, or none that codebudget knows; add one, such as "
                f"{self.arm.name}@bf16"
            )
        return precision

    def cost(self, k: int) -> Cost:
        """Cost k samples, and the tests that they are picked by."""
        programs = self.programs(k)
        if k == 1 or not self.texts or self.writer is None:
            return programs
        tests = self.writer.programs(self.texts)
        if self.writes_own:
            # The first token of a text comes with the prompt's pass, which programs have paid.
            one, more = self.writer.programs(1), self.writer.programs(self.texts + 1)
            tests = Cost.model_validate(
                {name: _less(getattr(more, name), getattr(one, name)) for name in COST_FIELDS.values()}
                | {"memory_bytes": tests.memory_bytes}
            )
        return cascade_cost([programs, tests], (1.0, 1.0))

    def resolved(self, k: int) -> _Pricing:
        """Draw the tests that go with the k that the limit buys without any."""
        tests = self.conditions.tests
        if tests is None or self.writer is None or self.arm.greedy or k == 1:
            return self
        fixed = tests.fixed.get(self.arm.spec)
        return replace(self, texts=tests.texts(k) if fixed is None else fixed)

    def with_room(self, limit: _Limit) -> _Pricing:
        """Cut the texts of tests to the most that leave two programs: with one there is nothing to pick."""

        def fits(texts: int) -> bool:
            return replace(self, texts=texts).exceeded(2, limit.amounts) is None

        if not self.texts or fits(self.texts):
            return self
        return replace(self, texts=_largest(fits) if fits(1) else 0)

    @cached_property
    def programs(self) -> Callable[[int], Cost]:
        price = self.conditions.prices.of_arm(self.arm)
        try:
            return cost_of_arm(self.model, self.workload, self.conditions, price, self.precision)
        except UserError as error:
            raise UserError(f"{self.arm.spec}: {error}") from error

    def amount(self, k: int, kind: BudgetKind) -> float:
        value: float | None = getattr(self.cost(k), COST_FIELDS[kind])
        if value is None:
            raise UserError(f"{self.arm.spec}: {how_to_know(self.model, kind, '`match` usd or `limit` usd=AMOUNT')}")
        return value

    def exceeded(self, k: int, limits: Mapping[BudgetKind, float]) -> BudgetKind | None:
        """Find the first kind whose limit k exceeds."""
        return next((kind for kind, limit in limits.items() if self.amount(k, kind) > limit), None)

    def unbounding(self, limits: Mapping[BudgetKind, float]) -> bool:
        """Whether no limited kind grows with k."""
        return set(limits) == {"memory"} and self.conditions.concurrency is not None

    def plan(self, limit: _Limit) -> Plan:
        """Plan the arm by a limit."""
        if self.arm.k is not None:
            chosen = self.resolved(self.arm.k)
            return _plan_arm(chosen, self.arm.k, limit)
        asked = self.resolved(_largest_k(self, limit))
        chosen = asked.with_room(limit)
        plan = _plan_arm(chosen, _largest_k(chosen, limit), limit)
        return plan.model_copy(update={"tests_asked": asked.texts})

    @property
    def model_name(self) -> str:
        return self.arm.name if self.model is None else self.model.name


@dataclass(frozen=True)
class _CascadePricing:
    """A cascade, whose cost is known for every number of samples of its first stage.

    `k` counts the samples of all stages, so that one more is one more of the first stage.
    """

    arm: Arm
    stages: tuple[_Pricing, ...]
    share: float

    @property
    def reached(self) -> tuple[float, ...]:
        return tuple(self.share**place for place in range(len(self.stages)))

    @property
    def precision(self) -> str:
        return ", ".join(stage.precision for stage in self.stages)

    @property
    def model_name(self) -> str:
        return ", ".join(stage.model_name for stage in self.stages)

    @property
    def workload(self) -> Workload:
        return self.stages[0].workload

    def cost(self, k: int) -> Cost:
        return self.at(self.reached, k)

    def at(self, reached: Sequence[float], k: int) -> Cost:
        """Cost the cascade where these shares of tasks reach its stages."""
        more = k - (self.arm.k or 0)
        ks = [(stage.arm.k or 1) + (more if place == 0 else 0) for place, stage in enumerate(self.stages)]
        first = self.stages[0].resolved(self.stages[0].arm.k or 1)
        stages = (first, *self.stages[1:])
        return cascade_cost([stage.cost(k) for stage, k in zip(stages, ks, strict=True)], reached)

    def amount(self, k: int, kind: BudgetKind) -> float:
        for stage in self.stages:
            # A stage of an unknown amount says how to know it.
            stage.amount(stage.arm.k or 1, kind)
        value: float = getattr(self.cost(k), COST_FIELDS[kind])
        return value

    def exceeded(self, k: int, limits: Mapping[BudgetKind, float]) -> BudgetKind | None:
        """Find the first kind whose limit k exceeds."""
        return next((kind for kind, limit in limits.items() if self.amount(k, kind) > limit), None)

    def unbounding(self, limits: Mapping[BudgetKind, float]) -> bool:
        """Whether no limited kind grows with k: memory does not where a larger stage needs more."""
        return set(limits) == {"memory"}

    def plan(self, limit: _Limit) -> Plan:
        """Plan the cascade, whose stages have their k, by a limit."""
        k = self.arm.k or 1
        everything = (1.0,) * len(self.stages)
        return _plan_arm(self, k, limit).model_copy(
            update={
                "tests": self.stages[0].resolved(self.stages[0].arm.k or 1).texts,
                "stages": tuple(stage.plan(limit) for stage in self.stages),
                "reached": self.reached,
                "least": self.at((1.0, *(0.0 for _ in self.stages[1:])), k),
                "most": self.at(everything, k),
            }
        )


def cascade_cost(stages: Sequence[Cost], reached: Sequence[float]) -> Cost:
    """Sum the costs of a cascade's stages, each at the share of tasks that reaches it; memory is the largest of them.

    A kind is None if a stage that is reached has none of it.
    """
    some = [(cost, share) for cost, share in zip(stages, reached, strict=True) if share > 0]
    found: dict[str, float | None] = {}
    for field in COST_FIELDS.values():
        amounts = [(getattr(cost, field), share) for cost, share in some]
        if any(amount is None for amount, _ in amounts):
            found[field] = None
        elif field == "memory_bytes":
            found[field] = max(amount for amount, _ in amounts)
        else:
            found[field] = sum(share * amount for amount, share in amounts)
    return Cost.model_validate(found)


def _plan_arm(pricing: _Pricing | _CascadePricing, k: int, limit: _Limit) -> Plan:
    cost = pricing.cost(k)
    amounts = {kind: pricing.amount(k, kind) for kind in limit.amounts}
    binding = pricing.exceeded(k + 1, limit.amounts)
    ratios = [amount / limit.amounts[kind] for kind, amount in amounts.items()]
    bound = binding is not None or pricing.unbounding(limit.amounts)
    return Plan(
        arm=pricing.arm,
        model=pricing.model_name,
        precision=pricing.precision,
        k=k,
        cost=cost,
        budget_ratio=_ratio(cost, limit.reference),
        matched=bound and all(ratio <= 1 + limit.tolerance for ratio in ratios),
        equal=all(abs(ratio - 1) <= limit.tolerance for ratio in ratios),
        binding=binding,
        leftover=Cost.model_validate(
            {COST_FIELDS[kind]: max(limit.amounts[kind] - amount, 0.0) for kind, amount in amounts.items()}
        ),
        workload=pricing.workload,
        tests=pricing.texts if k > 1 and isinstance(pricing, _Pricing) else 0,
    )


def _less(more: float | None, less: float | None) -> float | None:
    return None if more is None or less is None else max(0.0, more - less)


def _largest_k(pricing: _Pricing, limit: _Limit) -> int:
    spec, whose = pricing.arm.spec, limit.whose
    if pricing.unbounding(limit.amounts):
        raise UserError(
            f"{spec}: with `concurrency` {pricing.conditions.concurrency} memory does not limit the number of "
            f"samples; write {spec}:K, drop `concurrency`, or limit another kind of cost too"
        )
    kind = pricing.exceeded(1, limit.amounts)
    if kind is not None and limit.at_least_one:
        return 1
    if kind is not None:
        one, allowed = pricing.amount(1, kind), limit.amounts[kind]
        raise UserError(
            f"{spec}: one sample takes {format_amount(kind, one)}, {format_amount(kind, one - allowed)} more than "
            f"{whose} allows ({kind} {format_amount(kind, allowed)}); raise the limit or drop this arm"
        )
    k = _largest(lambda count: pricing.exceeded(count, limit.amounts) is None)
    if k > MAX_SAMPLES:
        raise UserError(
            f"{spec}: {whose} allows more than {MAX_SAMPLES:.0e} samples; lower it, give the arm a k, or plan at "
            "least 2 output tokens per sample (the first one comes with the prefill)"
        )
    return k


def _largest(fits: Callable[[int], bool]) -> int:
    """Find the largest k that fits, where 1 does and fit only worsens; more than MAX_SAMPLES if there is no end."""
    low, high = 1, 2
    while fits(high):
        low, high = high, 2 * high
        if low > MAX_SAMPLES:
            return low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _ratio(cost: Cost, reference: Cost) -> Cost:
    """Divide cost by reference where both are known."""
    ratios = {}
    for field in COST_FIELDS.values():
        over, under = getattr(cost, field), getattr(reference, field)
        ratios[field] = over / under if over is not None and under else None
    return Cost.model_validate(ratios)
