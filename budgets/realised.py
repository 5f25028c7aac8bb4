"""What samples that carry token counts really cost, beside what was planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..records import Budget, BudgetKind, Candidate, Cost, Plan, Realised
from .arms import COST_FIELDS
from .flops import decode_flops, prefill_flops
from .models import find_model

if TYPE_CHECKING:
    from collections.abc import Sequence


def realised_costs(
    plans: Sequence[Plan],
    samples: Sequence[Sequence[Sequence[Candidate]]],
    tolerance: float,
    *,
    match: BudgetKind | None = None,
    budget: Budget | None = None,
) -> list[Realised]:
    """The realised cost of every arm per task at its k.

    The prompt is prefilled once per task; decoding is the mean over the task's samples, k times. `matched` and `equal`
    are as for plans, against the first arm's realised cost or the budget, and only where FLOPs alone limit: token
    counts say nothing of seconds, memory or dollars.

    Args:
        plans: One per arm.
        samples: Per arm, per task, the candidates.
        tolerance: A fraction of the limit.
        match: What the plans were matched by; FLOPs where neither this nor `budget` is given.
        budget: What the plans were made for, in the first arm's place.
    """
    counted = [_flops_of_k_and_next(plan, tasks) for plan, tasks in zip(plans, samples, strict=True)]
    limit = budget.flops if budget is not None else counted[0] and counted[0][0]
    if budget is None:
        by_flops = match in (None, "flops")
    else:
        by_flops = all(getattr(budget, field) is None for kind, field in COST_FIELDS.items() if kind != "flops")
    is_first = [place == 0 and budget is None for place in range(len(plans))]
    return [
        Realised() if flops is None else _against(limit, *flops, tolerance, by_flops=by_flops, is_limit=first)
        for flops, first in zip(counted, is_first, strict=True)
    ]


def _against(
    limit: float | None, flops: float, flops_of_one_more: float, tolerance: float, *, by_flops: bool, is_limit: bool
) -> Realised:
    if not limit:
        return Realised(cost=Cost(flops=flops))
    ratio = flops / limit
    return Realised(
        cost=Cost(flops=flops),
        budget_ratio=Cost(flops=ratio),
        matched=(is_limit or (ratio <= 1 + tolerance and flops_of_one_more > limit)) if by_flops else None,
        equal=abs(ratio - 1) <= tolerance if by_flops else None,
    )


def _flops_of_k_and_next(plan: Plan, tasks: Sequence[Sequence[Candidate]]) -> tuple[float, float] | None:
    """Mean FLOPs per task of k and of k + 1 samples; None where a sample has no token counts."""
    architecture = find_model(plan.model).architecture
    of_k = of_next = 0.0
    for candidates in tasks:
        counts = [(candidate.prompt_tokens, candidate.output_tokens) for candidate in candidates]
        prompts = [prompt for prompt, _ in counts if prompt is not None]
        decodes = [
            decode_flops(architecture, prompt, output)
            for prompt, output in counts
            if prompt is not None and output is not None
        ]
        if not counts or len(decodes) < len(counts):
            return None
        prefill = sum(prefill_flops(architecture, prompt) for prompt in prompts) / len(prompts)
        decode = sum(decodes) / len(decodes)
        of_k += prefill + plan.k * decode
        of_next += prefill + (plan.k + 1) * decode
    return of_k / len(tasks), of_next / len(tasks)
