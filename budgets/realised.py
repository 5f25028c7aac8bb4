"""Actual cost of samples beside the planned one, and why the two differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..records import Budget, BudgetKind, Candidate, Cost, Plan, Realised, Usage
from .flops import decode_flops, prefill_flops, task_flops
from .memory import kv_bytes, weight_bytes, workspace_bytes
from .notation import COST_FIELDS, format_amount
from .plan import planned_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import Plan, Workload
    from .dollars import Prices, TokenPrice
    from .models import Model


def realised_costs(
    plans: Sequence[Plan],
    samples: Sequence[Sequence[Sequence[Candidate]]],
    tolerance: float,
    *,
    match: BudgetKind | None = None,
    budget: Budget | None = None,
    workload: Workload | None = None,
    measured: Sequence[Usage | None] | None = None,
    prices: Prices | None = None,
) -> list[Realised]:
    """Return every arm's realised cost per task at its k.

    FLOPs come from the samples' token counts: the prompt is prefilled once per task; decoding is the mean over the
    task's samples, k times. Seconds (those in which the engine was busy), memory and dollars are as measured; dollars
    not measured follow from the token counts if the arm has a token price, each sample being a request. `matched`
    and `equal` are as for plans, against the first arm's realised cost or the budget, and None where a limiting kind is
    not known for both; how much memory one more sample would take is not known.

    Args:
        plans: One per arm.
        samples: Per arm, per task, the candidates.
        tolerance: A fraction of the limit.
        match: The kind the plans were matched by; FLOPs where neither this nor `budget` is given.
        budget: The budget planned for, in the first arm's place.
        workload: The workload planned for; if given, deviations are explained.
        measured: Per arm, the usage of drawing per task at its k; its token counts and FLOPs are ignored.
        prices: Token prices of the arms.
    """
    if measured is None:
        measured = [None] * len(plans)
    arms = [
        _arm(plan, tasks, usage, None if prices is None else prices.of_arm(plan.arm))
        for plan, tasks, usage in zip(plans, samples, measured, strict=True)
    ]
    reference: Cost = budget if budget is not None else arms[0].cost
    if budget is None:
        kinds: list[BudgetKind] = [match or "flops"]
    else:
        kinds = [kind for kind, field in COST_FIELDS.items() if getattr(budget, field) is not None]
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
                deviations=() if workload is None else explain_deviations(plan, workload, arm.cost, arm.usage),
            )
        )
    return results


@dataclass(frozen=True)
class _Arm:
    """An arm's realised cost per task at its k, and the cost with one more sample."""

    cost: Cost
    of_next: Cost
    usage: Usage


def _arm(plan: Plan, tasks: Sequence[Sequence[Candidate]], measured: Usage | None, price: TokenPrice | None) -> _Arm:
    measured = measured or Usage()
    counted = _counted(plan, tasks)
    more = (plan.k + 1) / plan.k
    runtime_s, usd = measured.busy_s, measured.usd
    if usd is None and counted is not None and price is not None:
        usd = plan.k * price.usd(counted.prompt_tokens, counted.output_tokens)
    took = {"wall_s": measured.wall_s, "busy_s": runtime_s, "peak_memory_bytes": measured.peak_memory_bytes, "usd": usd}
    flops = flops_of_next = None
    if counted is not None:
        took |= {
            "prompt_tokens": counted.prompt_tokens,
            "output_tokens": plan.k * counted.output_tokens,
            "thinking_tokens": _thinking_tokens(plan.k, tasks),
        }
        if counted.prefill_flops is not None and counted.decode_flops is not None:
            flops = counted.prefill_flops + plan.k * counted.decode_flops
            flops_of_next = flops + counted.decode_flops
            took |= {"prefill_flops": counted.prefill_flops, "decode_flops": plan.k * counted.decode_flops}
    return _Arm(
        cost=Cost(flops=flops, runtime_s=runtime_s, memory_bytes=measured.peak_memory_bytes, usd=usd),
        of_next=Cost(
            flops=flops_of_next,
            runtime_s=None if runtime_s is None else runtime_s * more,
            usd=None if usd is None else usd * more,
        ),
        usage=Usage.model_validate(took),
    )


@dataclass(frozen=True)
class _Counted:
    """Means per task: for the prompt and one sample. FLOPs are None if only the model's price is known."""

    prompt_tokens: float
    output_tokens: float
    prefill_flops: float | None
    decode_flops: float | None


def _counted(plan: Plan, tasks: Sequence[Sequence[Candidate]]) -> _Counted | None:
    """Count; None if a sample has no counts."""
    model = planned_model(plan)
    sums = [0.0] * 4
    for candidates in tasks:
        pairs = [
            (candidate.prompt_tokens, candidate.output_tokens)
            for candidate in candidates
            if candidate.prompt_tokens is not None and candidate.output_tokens is not None
        ]
        if not pairs or len(pairs) < len(candidates):
            return None
        drawn = Counter(pairs)
        means = (
            sum(prompt for prompt, _ in pairs),
            sum(output for _, output in pairs),
            *(
                (0, 0)
                if model is None
                else (
                    sum(times * prefill_flops(model.architecture, prompt) for (prompt, _), times in drawn.items()),
                    sum(times * decode_flops(model.architecture, *pair) for pair, times in drawn.items()),
                )
            ),
        )
        sums = [total + mean / len(pairs) for total, mean in zip(sums, means, strict=True)]
    prompt, output, prefill, decode = (total / len(tasks) for total in sums)
    return _Counted(prompt, output, *((None, None) if model is None else (prefill, decode)))


def _thinking_tokens(k: int, tasks: Sequence[Sequence[Candidate]]) -> float | None:
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
