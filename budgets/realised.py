"""What samples that carry token counts really cost, beside what was planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..records import Candidate, Cost, Plan, Realised
from .flops import decode_flops, prefill_flops
from .models import find_model

if TYPE_CHECKING:
    from collections.abc import Sequence


def realised_costs(
    plans: Sequence[Plan], samples: Sequence[Sequence[Sequence[Candidate]]], tolerance: float
) -> list[Realised]:
    """The realised cost of every arm per task at its k.

    The prompt is prefilled once per task; decoding is the mean over the task's samples, k times. `matched` and `equal`
    are as for plans, against the first arm's realised cost.

    Args:
        plans: One per arm.
        samples: Per arm, per task, the candidates.
        tolerance: A fraction of the first arm's cost.
    """
    counted = [_flops_of_k_and_next(plan, tasks) for plan, tasks in zip(plans, samples, strict=True)]
    if counted[0] is None:
        return [Realised() if flops is None else Realised(cost=Cost(flops=flops[0])) for flops in counted]
    limit = counted[0][0]
    return [Realised() if flops is None else _against(limit, *flops, tolerance) for flops in counted]


def _against(limit: float, flops: float, flops_of_one_more: float, tolerance: float) -> Realised:
    ratio = flops / limit
    return Realised(
        cost=Cost(flops=flops),
        budget_ratio=Cost(flops=ratio),
        matched=ratio <= 1 + tolerance and flops_of_one_more > limit,
        equal=abs(ratio - 1) <= tolerance,
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
