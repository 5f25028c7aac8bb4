"""Time limits beside what a program took: whether it is over them, and whether the machine's load may have decided."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..records import Limits

_NEAR_SHARE, _STRETCH, _MOST_STRETCH_S = 0.8, 0.2, 1.0
"""Shares of a time limit: where a program counts as near it, and how far over it one may run to show that; and the
most seconds of the latter.
"""


@lru_cache(maxsize=64)
def stretched(limits: Limits) -> Limits:
    """Stretch limits a little, so that a program near them finishes and its time is known."""
    cpu_s, wall_s = known(limits.cpu_s), known(limits.wall_s)
    return limits.model_copy(
        update={
            "cpu_s": cpu_s + min(_STRETCH * cpu_s, _MOST_STRETCH_S),
            "wall_s": wall_s + min(_STRETCH * wall_s, _MOST_STRETCH_S),
        }
    )


def known(limit_s: float | None) -> float:
    """Return a time of resolved limits."""
    return limit_s or 0.0


def lateness(cpu_s: float, wall_s: float, limits: Limits) -> str:
    """Say which limit a program is over; empty if it is over none."""
    if wall_s > known(limits.wall_s):
        return f"over {limits.wall_s:g} s"
    return f"over {limits.cpu_s:g} s of processor time" if cpu_s > known(limits.cpu_s) else ""


def is_near(cpu_s: float, wall_s: float, limits: Limits) -> bool:
    """Whether the machine's load may have decided a program's verdict.

    It ended within a fifth of its processor time limit, or it came near its wall-clock limit, and not by its own
    waiting.
    """
    if cpu_s >= known(stretched(limits).cpu_s):
        return False
    is_slowed = wall_s >= _NEAR_SHARE * known(limits.wall_s) and cpu_s >= wall_s / 10
    return is_slowed or cpu_s >= _NEAR_SHARE * known(limits.cpu_s)
