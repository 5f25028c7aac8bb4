"""Costs of looking into models, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..budgets.notation import format_amount

if TYPE_CHECKING:
    from ..records import BudgetKind, Cost


def amounts(cost: Cost) -> str:
    """Write FLOPs, seconds and dollars of a cost, those that are known."""
    kinds: list[tuple[BudgetKind, float | None]] = [("runtime", cost.runtime_s), ("usd", cost.usd)]
    flops = "FLOPs unknown" if cost.flops is None else format_amount("flops", cost.flops)
    return ", ".join([flops, *(format_amount(kind, amount) for kind, amount in kinds if amount is not None)])
