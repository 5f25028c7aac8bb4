"""Actual cost of samples beside the planned one, and why the two differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache, partial
from statistics import quantiles
from typing import TYPE_CHECKING, Final, Protocol

from ..records import Budget, BudgetKind, Cost, Plan, Realised, Usage
from .flops import decode_flops, prefill_flops, task_flops
from .memory import kv_bytes, weight_bytes, workspace_bytes
from .notation import COST_FIELDS, format_amount
from .plan import cascade_cost, planned_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..records import Plan, Workload
    from .architecture import Architecture
    from .dollars import Prices, TokenPrice
    from .models import Model


class Length(Protocol):
    """How long a sample is, in tokens, and the cascade's stage that it was drawn for: a `Candidate` is one."""

    @property
    def prompt_tokens(self) -> int | None:
        """Of its prompt."""

    @property
    def output_tokens(self) -> int | None:
        """Of what the model wrote."""

    @property
    def thinking_tokens(self) -> int | None:
        """Those of its output that it thought with."""

    @property
    def stage(self) -> int | None:
        """The stage's place; None outside of cascades."""


def realised_costs(
    plans: Sequence[Plan],
    samples: Sequence[Sequence[Sequence[Length]]],
    tolerance: float,
    *,
    match: BudgetKind | None = None,
    budget: Budget | None = None,
    workload: Workload | None = None,
    measured: Sequence[Usage | CascadeUse | TestedUse | None] | None = None,
    prices: Prices | None = None,
) -> list[Realised]:
    """Return every arm's realised cost per task at its k.

    FLOPs come from the samples' token counts: the prompt is prefilled once per task; decoding is the mean over the
    task's samples, k times. Seconds (those in which the engine was busy), memory and dollars are as measured; dollars
    not measured follow from the token counts if the arm has a token price, each sample being a request. `matched`,
    `equal` and `leftover` are as for plans, against the first arm's realised cost or the budget, and None where a
    limiting kind is not known for both; how much memory one more sample would take is not known.

    Args:
        plans: One per arm; lengths are compared with the workload of each.
        samples: Per arm, per task, the candidates or their lengths.
        tolerance: A fraction of the limit.
        match: The kind the plans were matched by; FLOPs where neither this nor `budget` is given.
        budget: The budget planned for, in the first arm's place.
        workload: The workload planned for, if a plan has none of its own; if given, deviations are explained.
        measured: Per arm, the usage of drawing per task at its k; its token counts and FLOPs are ignored, except for
            whether the samples' counts are `estimated`. Of a cascade, whose samples have their stage, its use; of an
            arm that paid for tests, the use of both.
        prices: Token prices of the arms.
    """
    if measured is None:
        measured = [None] * len(plans)
    arms = [
        _cascade(plan, tasks, usage, prices)
        if isinstance(usage, CascadeUse)
        else _tested(plan, tasks, usage, prices)
        if isinstance(usage, TestedUse)
        else _arm(plan, tasks, usage, None if prices is None else prices.of_arm(plan.arm))
        for plan, tasks, usage in zip(plans, samples, measured, strict=True)
    ]
    reference: Cost = budget if budget is not None else arms[0].cost
    kinds = limiting_kinds(match, budget)
    results = []
    for place, (plan, arm) in enumerate(zip(plans, arms, strict=True)):
        ratio = _ratio(arm.cost, reference)
        ratios = [getattr(ratio, COST_FIELDS[kind]) for kind in kinds]
        is_known = None not in ratios
        equal = all(abs(one - 1) <= tolerance for one in ratios) if is_known else None
        fits = all(one <= 1 + tolerance for one in ratios) if is_known else None
        bound = _one_more_exceeds(arm, reference, kinds)
        matched = True if place == 0 and budget is None and is_known else fits and bound
        results.append(
            Realised(
                cost=arm.cost,
                budget_ratio=ratio,
                matched=matched,
                equal=equal,
                usage=arm.usage,
                deviations=()
                if workload is None
                else _deviations_of_cascade(plan, arm)
                if plan.stages
                else explain_deviations(plan, plan.workload or workload, arm.cost, arm.usage),
                leftover=_leftover(arm.cost, reference, kinds),
                flops_over_tasks=arm.flops_over_tasks,
                reached=arm.reached,
                tests_flops=arm.tests_flops,
            )
        )
    return results


def limiting_kinds(match: BudgetKind | None, budget: Budget | None) -> list[BudgetKind]:
    """List the kinds of cost that limit arms: those of the budget, else the one matched, else FLOPs."""
    if budget is None:
        return [match or "flops"]
    return [kind for kind, field in COST_FIELDS.items() if getattr(budget, field) is not None]


def sample_costs(
    plan: Plan,
    tasks: Sequence[Sequence[Length]],
    measured: Callable[[int], Usage] | None = None,
    price: TokenPrice | None = None,
) -> Callable[[int], Cost]:
    """Build the realised cost per task of k samples of an arm, for any k, as `realised_costs`; None if unknown.

    Args:
        plan: The arm's plan; its k does not matter.
        tasks: Its samples by task.
        measured: The usage of drawing k samples per task.
        price: The arm's token price.
    """
    counted = _counted(_architecture(plan), tasks) if tasks else None

    def cost(k: int) -> Cost:
        usage = Usage() if measured is None else measured(k)
        usd = usage.usd
        if usd is None and counted is not None and price is not None:
            usd = counted.usd(k, price)
        return Cost(flops=None if counted is None else counted.flops(k), runtime_s=usage.busy_s, usd=usd)

    return cost


def flops_of_samples(
    architecture: Architecture | None, tasks: Sequence[Sequence[Length]]
) -> Callable[[int], float | None]:
    """Build the realised FLOPs per task of k samples, for any k; None where a sample has no token counts."""
    counted = _counted(architecture, tasks)
    return lambda k: None if counted is None else counted.flops(k)


def matching_k(cost: Callable[[int], Cost], limits: Mapping[BudgetKind, float], k: int, tolerance: float) -> int:
    """Find the number of samples that the limits pay for at a realised cost.

    It is `k` if that is matched (see `plan_arms`), else the largest whose cost does not exceed them, at least 1.

    Args:
        cost: The cost of any number of samples, known in every kind of `limits`.
        limits: At least one.
        k: As planned.
        tolerance: A fraction of the limits by which `k` may exceed them.
    """

    def fits(count: int, slack: float = 0.0) -> bool:
        found = cost(count)
        return all(getattr(found, COST_FIELDS[kind]) <= (1 + slack) * limit for kind, limit in limits.items())

    if fits(k, tolerance) and not fits(k + 1):
        return k
    low, high = 0, 1
    while fits(high) and high <= _MOST_SAMPLES:
        low, high = high, 2 * high
    if high > _MOST_SAMPLES:
        # The samples cost nothing, so no number of them is right.
        return k
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return max(low, 1)


_MOST_SAMPLES: Final = 1 << 20
"""Number of samples beyond which a realised cost sets no limit."""


def _leftover(cost: Cost, reference: Cost, kinds: Sequence[BudgetKind]) -> Cost:
    """Compute what the limits leave, 0 if the cost exceeds them."""
    left = {}
    for field in (COST_FIELDS[kind] for kind in kinds):
        spent, limit = getattr(cost, field), getattr(reference, field)
        left[field] = None if spent is None or limit is None else max(limit - spent, 0.0)
    return Cost.model_validate(left)


@dataclass(frozen=True)
class CascadeUse:
    """What a cascade used: the share of each task's draws that reach each stage, and each stage's usage of drawing.

    The usage is per task that reaches the stage, at its k; its token counts and FLOPs are ignored. `estimated`: some
    token counts of samples are. `tests` is the usage per task of drawing the tests that candidates are picked by.
    """

    reached: Sequence[Sequence[float]]
    measured: Sequence[Usage]
    estimated: bool = False
    tests: Usage | None = None


@dataclass(frozen=True)
class TestedUse:
    """The usage of drawing an arm's programs, and per task that of the tests that they are picked by."""

    measured: Usage
    tests: Usage


@dataclass(frozen=True)
class _Arm:
    """An arm's realised cost per task at its k, and the cost with one more sample."""

    cost: Cost
    of_next: Cost
    usage: Usage
    flops_over_tasks: tuple[float, float] | None
    reached: tuple[float, ...] = ()
    tests_flops: float | None = None


def _arm(plan: Plan, tasks: Sequence[Sequence[Length]], measured: Usage | None, price: TokenPrice | None) -> _Arm:
    measured = measured or Usage()
    counted = _counted(_architecture(plan), tasks)
    more = (plan.k + 1) / plan.k
    runtime_s, usd = measured.busy_s, measured.usd
    took = measured.model_dump(
        exclude={"prompt_tokens", "output_tokens", "thinking_tokens", "prefill_flops", "decode_flops"}
    )
    flops = flops_of_next = spread = None
    if usd is None and counted is not None and price is not None:
        usd = took["usd"] = counted.usd(plan.k, price)
    if counted is not None:
        took |= {
            "prompt_tokens": counted.prompt_tokens,
            "output_tokens": plan.k * counted.output_tokens,
            "thinking_tokens": _thinking_tokens(plan.k, tasks),
        }
        flops, flops_of_next, spread = counted.flops(plan.k), counted.flops(plan.k + 1), counted.spread(plan.k)
        if counted.decode_flops is not None:
            took |= {"prefill_flops": counted.prefill_flops, "decode_flops": plan.k * counted.decode_flops}
    else:
        took["estimated"] = False
    return _Arm(
        cost=Cost(flops=flops, runtime_s=runtime_s, memory_bytes=measured.peak_memory_bytes, usd=usd),
        of_next=Cost(
            flops=flops_of_next,
            runtime_s=None if runtime_s is None else runtime_s * more,
            usd=None if usd is None else usd * more,
        ),
        usage=Usage.model_validate(took),
        flops_over_tasks=spread,
    )


def _tested(plan: Plan, tasks: Sequence[Sequence[Length]], use: TestedUse, prices: Prices | None) -> _Arm:
    arm = _arm(plan, tasks, use.measured, None if prices is None else prices.of_arm(plan.arm))
    return _with_tests(arm, use.tests)


def _with_tests(arm: _Arm, tests: Usage) -> _Arm:
    """Add what drawing tests took to an arm's cost."""
    flops = _sum_of([tests.prefill_flops, tests.decode_flops])

    def total(cost: Cost) -> Cost:
        return cost.model_copy(
            update={
                "flops": _sum_of([cost.flops, flops]),
                "runtime_s": _sum_of([cost.runtime_s, tests.wall_s]),
                "usd": _sum_of([cost.usd, tests.usd]),
            }
        )

    return replace(arm, cost=total(arm.cost), of_next=total(arm.of_next), tests_flops=flops)


def _cascade(
    plan: Plan,
    tasks: Sequence[Sequence[Length]],
    use: CascadeUse,
    prices: Prices | None,
) -> _Arm:
    """Sum a cascade's stages, each task's at the shares of its draws that reach them."""
    shares = [tuple(mine) for mine in zip(*use.reached, strict=True)]
    reached = tuple(sum(mine) / len(mine) for mine in shares)
    stages = []
    for place, (stage, mine) in enumerate(zip(plan.stages, shares, strict=True)):
        rows = [[one for one in candidates if one.stage == place] for candidates in tasks]
        price = None if prices is None else prices.of_arm(stage.arm)
        stages.append(_StageCost(stage, _counted(_architecture(stage), rows, mine), use.measured[place], price))
    costs = [stage.cost(stage.plan.k, share) for stage, share in zip(stages, reached, strict=True)]
    of_next = [stages[0].cost(plan.stages[0].k + 1, reached[0]), *costs[1:]]
    everything = (1.0,) * len(costs)
    # Their costs have their shares already; a stage that nothing reaches costs nothing.
    counted = [stage.counted for stage in stages]
    usage = Usage(estimated=use.estimated)
    spread = None
    if all(one is not None for one in counted):
        usage = _usage_of_stages(plan, [one for one in counted if one is not None], usage)
        by_task = [
            sum(prefill + stage.plan.k * decode for stage, (prefill, decode) in zip(stages, row, strict=True))
            for row in zip(*(one.by_task for one in counted if one is not None), strict=True)
        ]
        spread = _tenths(by_task)
    seconds = [_times(one.wall_s, share) for one, share in zip(use.measured, reached, strict=True)]
    usage = usage.model_copy(
        update={
            "wall_s": _sum_of(seconds),
            "busy_s": _sum_of([cost.runtime_s for cost in costs]),
            "usd": _sum_of([cost.usd for cost in costs]),
            "peak_memory_bytes": _largest([one.peak_memory_bytes for one in use.measured]),
            "weight_bytes": _largest([one.weight_bytes for one in use.measured]),
            "kv_bytes": _largest([one.kv_bytes for one in use.measured]),
        }
    )
    arm = _Arm(cascade_cost(costs, everything), cascade_cost(of_next, everything), usage, spread, reached)
    return arm if use.tests is None else _with_tests(arm, use.tests)


@dataclass(frozen=True)
class _StageCost:
    """A stage's samples, counted at the shares of tasks that reach it, and what drawing them took of those."""

    plan: Plan
    counted: _Counted | None
    measured: Usage
    price: TokenPrice | None

    def cost(self, k: int, reached: float) -> Cost:
        """The cost of k samples, over all tasks."""
        if reached == 0:
            return Cost(flops=0.0, runtime_s=0.0, memory_bytes=0.0, usd=0.0)
        more = k / self.plan.k
        usd = _times(self.measured.usd, reached * more)
        if usd is None and self.counted is not None and self.price is not None:
            usd = self.counted.usd(k, self.price)
        return Cost(
            flops=None if self.counted is None else self.counted.flops(k),
            runtime_s=_times(self.measured.busy_s, reached * more),
            memory_bytes=self.measured.peak_memory_bytes,
            usd=usd,
        )


def _usage_of_stages(plan: Plan, counted: Sequence[_Counted], usage: Usage) -> Usage:
    ks = [stage.k for stage in plan.stages]
    decode = [_times(one.decode_flops, k) for one, k in zip(counted, ks, strict=True)]
    return usage.model_copy(
        update={
            "prompt_tokens": sum(one.prompt_tokens for one in counted),
            "output_tokens": sum(k * one.output_tokens for one, k in zip(counted, ks, strict=True)),
            "prefill_flops": _sum_of([one.prefill_flops for one in counted]),
            "decode_flops": _sum_of(decode),
        }
    )


def _times(amount: float | None, factor: float) -> float | None:
    return None if amount is None else amount * factor


def _sum_of(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _largest(amounts: Sequence[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return max(known) if len(known) == len(amounts) else None


@dataclass(frozen=True)
class _Counted:
    """Means per task: for the prompt and one sample; `by_task` has the FLOPs of both.

    FLOPs are None, and `by_task` is empty, if only the model's price is known.
    """

    prompt_tokens: float
    output_tokens: float
    prefill_flops: float | None
    decode_flops: float | None
    by_task: tuple[tuple[float, float], ...]

    def flops(self, k: int) -> float | None:
        """The FLOPs of k samples."""
        if self.prefill_flops is None or self.decode_flops is None:
            return None
        return self.prefill_flops + k * self.decode_flops

    def usd(self, k: int, price: TokenPrice) -> float:
        """The dollars of k samples, each a request of its own."""
        return k * price.usd(self.prompt_tokens, self.output_tokens)

    def spread(self, k: int) -> tuple[float, float] | None:
        """The 10th and the 90th percentile of the tasks' FLOPs of k samples; None for a single task."""
        return _tenths([prefill + k * decode for prefill, decode in self.by_task])


def _tenths(amounts: Sequence[float]) -> tuple[float, float] | None:
    if len(amounts) < 2:
        return None
    tenths = quantiles(amounts, n=10, method="inclusive")
    return tenths[0], tenths[-1]


def _architecture(plan: Plan) -> Architecture | None:
    model = planned_model(plan)
    return None if model is None else model.architecture


def _counted(
    architecture: Architecture | None,
    tasks: Sequence[Sequence[Length]],
    weights: Sequence[float] | None = None,
) -> _Counted | None:
    """Count; None if a sample has no counts.

    Args:
        architecture: The model's; None leaves FLOPs uncounted.
        tasks: The samples of each task.
        weights: A share of each task's amounts that counts; a task of weight 0 may have no samples.
    """
    sums = [0.0] * 4
    by_task = []
    # Tasks share lengths.
    of_prompt = cache(partial(prefill_flops, architecture)) if architecture is not None else None
    of_sample = cache(partial(decode_flops, architecture)) if architecture is not None else None
    for place, candidates in enumerate(tasks):
        weight = 1.0 if weights is None else weights[place]
        if weight == 0:
            by_task.append((0.0, 0.0))
            continue
        pairs = [
            (candidate.prompt_tokens, candidate.output_tokens)
            for candidate in candidates
            if candidate.prompt_tokens is not None and candidate.output_tokens is not None
        ]
        if not pairs or len(pairs) < len(candidates):
            return None
        drawn = Counter(pairs)
        totals = (
            sum(prompt for prompt, _ in pairs),
            sum(output for _, output in pairs),
            *(
                (0, 0)
                if of_prompt is None or of_sample is None
                else (
                    sum(times * of_prompt(prompt) for (prompt, _), times in drawn.items()),
                    sum(times * of_sample(*pair) for pair, times in drawn.items()),
                )
            ),
        )
        means = [weight * total / len(pairs) for total in totals]
        by_task.append((means[2], means[3]))
        sums = [total + mean for total, mean in zip(sums, means, strict=True)]
    prompt, output, prefill, decode = (total / len(tasks) for total in sums)
    if architecture is None:
        return _Counted(prompt, output, None, None, ())
    return _Counted(prompt, output, prefill, decode, tuple(by_task))


def _thinking_tokens(k: int, tasks: Sequence[Sequence[Length]]) -> float | None:
    """Average the tokens that k samples of a task thought with; None if one's are not known."""
    counts = [[candidate.thinking_tokens for candidate in candidates] for candidates in tasks]
    known = [[count for count in task if count is not None] for task in counts]
    if known != counts:
        return None
    return k * sum(sum(task) / len(task) for task in known) / len(known)


def _one_more_exceeds(arm: _Arm, reference: Cost, kinds: Sequence[BudgetKind]) -> bool | None:
    """Whether one more sample would exceed a limit; None where it is not known."""
    pairs = [(getattr(arm.of_next, COST_FIELDS[kind]), getattr(reference, COST_FIELDS[kind])) for kind in kinds]
    if any(None in pair for pair in pairs):
        return None
    return any(value > limit for value, limit in pairs)


def _ratio(cost: Cost, reference: Cost) -> Cost:
    """Cost over reference in every kind that both know."""
    ratios = {}
    for field in COST_FIELDS.values():
        over, under = getattr(cost, field), getattr(reference, field)
        ratios[field] = over / under if over is not None and under else None
    return Cost.model_validate(ratios)


def k_left(plan: Plan, workload: Workload, per_candidate_flops: float, fixed_flops: float) -> int | None:
    """Find the largest k whose samples and ranking together take no more FLOPs than the plan's samples.

    A single sample is never ranked, so one is always left. None if the samples' FLOPs are unknown.

    Args:
        plan: The arm's plan, with its k.
        workload: The workload planned for.
        per_candidate_flops: FLOPs of ranking per candidate.
        fixed_flops: FLOPs of ranking however many there are, such as drawing tests.
    """
    model = planned_model(plan)
    if model is None:
        return None
    if per_candidate_flops == fixed_flops == 0:
        return plan.k
    architecture = model.architecture
    budget = task_flops(architecture, workload, plan.k)
    least, most = 1, plan.k
    while least < most:
        middle = (least + most + 1) // 2
        spent = task_flops(architecture, workload, middle) + fixed_flops + middle * per_candidate_flops
        least, most = (middle, most) if spent <= budget else (least, middle - 1)
    return least


NOTABLE: Final = 0.1
"""Deviations up to this share of the plan need no explanation."""

_PART: Final = 0.01
"""Least change to the cost that is named."""


def explain_deviations(plan: Plan, workload: Workload, cost: Cost, usage: Usage) -> tuple[str, ...]:
    """Write a line for every kind of cost more than a tenth off the plan.

    Args:
        plan: The plan.
        workload: The workload planned for.
        cost: The realised cost, per task at the plan's k.
        usage: The usage behind it.
    """
    lines = []
    model = planned_model(plan)
    flops = _off(cost.flops, plan.cost.flops)
    if model is not None and flops is not None and abs(flops - 1) > NOTABLE:
        lines.append(f"FLOPs were {flops:.2f} times the plan: {_lengths(model, plan, workload, usage)}")
    runtime = _off(cost.runtime_s, plan.cost.runtime_s)
    if runtime is not None and abs(runtime - 1) > NOTABLE:
        lines.append(f"seconds were {runtime:.2f} times the plan: {_speed(runtime, flops, usage)}")
    memory = _off(cost.memory_bytes, plan.cost.memory_bytes)
    if model is not None and memory is not None and abs(memory - 1) > NOTABLE:
        lines.append(f"memory was {memory:.2f} times the plan: {_memory(model, plan, workload, cost)}")
    usd = _off(cost.usd, plan.cost.usd)
    if usd is not None and abs(usd - 1) > NOTABLE:
        why = "they follow from the tokens or seconds above"
        if model is None and usage.prompt_tokens is not None and usage.output_tokens is not None:
            why = (
                f"a prompt had {usage.prompt_tokens:.0f} tokens and an output {usage.output_tokens / plan.k:.0f}, "
                f"planned {workload.prompt_tokens} and {workload.output_tokens}"
            )
        lines.append(f"dollars were {usd:.2f} times the plan: {why}")
    return tuple(lines)


def _deviations_of_cascade(plan: Plan, arm: _Arm) -> tuple[str, ...]:
    """Name the shares of tasks that reached its stages, and the part of a deviation that is due to lengths."""
    flops = _off(arm.cost.flops, plan.cost.flops)
    if flops is None or abs(flops - 1) <= NOTABLE:
        return ()
    said = ", ".join(
        f"{share:.0%} of tasks reached {stage.arm.spec} (planned {planned:.0%})"
        for stage, share, planned in zip(plan.stages[1:], arm.reached[1:], plan.reached[1:], strict=True)
    )
    at_these = cascade_cost([stage.cost for stage in plan.stages], arm.reached).flops
    lengths = _off(arm.cost.flops, at_these)
    rest = "" if lengths is None or abs(lengths - 1) < _PART else f", and lengths give {lengths:.2f} times the plan"
    return (f"FLOPs were {flops:.2f} times the plan: {said}{rest}",)


def _off(realised: float | None, planned: float | None) -> float | None:
    return realised / planned if realised is not None and planned else None


def _lengths(model: Model, plan: Plan, workload: Workload, usage: Usage) -> str:
    """Name lengths that were not as planned, and each one's effect on the FLOPs."""
    if usage.prompt_tokens is None or usage.output_tokens is None:
        return "their token counts are unknown"
    prompt, output = round(usage.prompt_tokens), round(usage.output_tokens / plan.k)
    if workload.convention == "paper":
        return (
            f"the paper's convention counts one pass over {workload.prompt_tokens} tokens per sample; the prompt "
            f"really had {prompt}, prefilled once, and a sample {output}"
        )
    architecture = model.architecture
    parts = []
    for name, field, really in (("prompts", "prompt_tokens", prompt), ("outputs", "output_tokens", output)):
        changed = task_flops(architecture, workload.model_copy(update={field: really}), plan.k)
        share = changed / task_flops(architecture, workload, plan.k) - 1
        if abs(share) >= _PART:
            parts.append((abs(share), f"{name} had {really} tokens, not {getattr(workload, field)} ({share:+.0%})"))
    if not parts:
        return "lengths match the plan on average, but vary"
    return "; ".join(part for _, part in sorted(parts, reverse=True))


def _speed(runtime: float, flops: float | None, usage: Usage) -> str:
    rate = ""
    if usage.output_tokens is not None and usage.busy_s:
        rate = f", at {usage.output_tokens / usage.busy_s:.0f} output tokens/s"
    if flops is None:
        return f"how much of that is due to lengths is unknown{rate}"
    return f"{flops:.2f} from the FLOPs, {runtime / flops:.2f} from the speed of machine and engine{rate}"


def _memory(model: Model, plan: Plan, workload: Workload, cost: Cost) -> str:
    """Name the plan's parts, and the one that is likely to differ."""
    architecture = model.architecture
    kv_bits = 32 if plan.precision == "fp32" else 16
    parts = {
        "weights": weight_bytes(architecture, plan.precision),
        "cache": kv_bytes(architecture, workload, plan.k, kv_bits),
        "workspace": workspace_bytes(architecture),
    }
    planned = ", ".join(f"{name} {format_amount('memory', amount)}" for name, amount in parts.items())
    if (cost.memory_bytes or 0.0) > (plan.cost.memory_bytes or 0.0):
        why = "an engine reserves cache for many tasks at once, and its libraries count too"
    else:
        why = "the plan assumes the workspace of a large engine on a GPU"
    return f"{format_amount('memory', cost.memory_bytes or 0.0)}, planned {planned}; {why}"
