"""How many samples an arm can still afford once picking among them is paid for out of the same budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .flops import task_flops
from .models import find_model

if TYPE_CHECKING:
    from ..records import Plan, Workload


def k_left(plan: Plan, workload: Workload, per_candidate_flops: float, fixed_flops: float) -> int:
    """The largest k whose samples and ranking together cost no more FLOPs than the plan's samples alone.

    One sample is never ranked, so that one is always left.

    Args:
        plan: The arm's, with its k.
        workload: What the plan was made for.
        per_candidate_flops: What ranking costs for each candidate.
        fixed_flops: What it costs however many there are, such as drawing tests.
    """
    architecture = find_model(plan.model).architecture
    budget = task_flops(architecture, workload, plan.k)
    least, most = 1, plan.k
    while least < most:
        middle = (least + most + 1) // 2
        spent = task_flops(architecture, workload, middle) + fixed_flops + middle * per_candidate_flops
        least, most = (middle, most) if spent <= budget else (least, middle - 1)
    return least
