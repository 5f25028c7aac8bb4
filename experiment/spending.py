"""What looking into models costs: FLOPs of its passes, seconds, and dollars of the machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from ..budgets.dollars import devices_usd
from ..budgets.flops import decode_flops, forward_flops, prefill_flops
from ..records import Cost
from .planning import conditions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..budgets.architecture import Architecture
    from ..settings import Planning

Result = TypeVar("Result")


class Rate(NamedTuple):
    """Price of a second of the machine in US dollars; None if unknown."""

    usd_per_s: float | None = None

    def cost(self, flops: float | None, wall_s: float) -> Cost:
        """Price some work."""
        usd = None if self.usd_per_s is None else self.usd_per_s * wall_s
        return Cost(flops=flops, runtime_s=wall_s, usd=usd)


NO_RATE: Final = Rate()


def rate_of(planning: Planning) -> Rate:
    """Get the price of the machine.

    Raises:
        UserError: The hardware is unknown.
    """
    conditions = conditions_of(planning)
    per_hour = conditions.prices.usd_per_hour
    return Rate(None if per_hour is None else devices_usd(per_hour, conditions.devices, 1.0))


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Do something; returns its result and the seconds it took."""
    since = time.perf_counter()
    return work(), time.perf_counter() - since


def drawing_flops(architecture: Architecture | None, prompts: Iterable[Sequence[int]], tokens: int) -> float | None:
    """Count what continuing each prompt by some tokens takes; None for an unknown architecture."""
    if architecture is None:
        return None
    lengths = map(len, prompts)
    return float(sum(prefill_flops(architecture, n) + decode_flops(architecture, n, tokens) for n in lengths))


def reading_flops(architecture: Architecture | None, prompts: Iterable[Sequence[int]], tokens: int) -> float | None:
    """Count one pass over each prompt with that many more tokens, whose logits are taken; None as above."""
    if architecture is None:
        return None
    return float(sum(forward_flops(architecture, len(p) + tokens, logit_positions=tokens) for p in prompts))
