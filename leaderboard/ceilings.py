"""What a stranger's run may ask of the machine that verifies it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import UserError
from ..records import Limits

if TYPE_CHECKING:
    from .board import LimitsTable

CEILINGS: Final = Limits(
    cpu_s=60.0,
    wall_s=300.0,
    memory_bytes=4 << 30,
    output_bytes=16 << 20,
    processes=64,
    open_files=1024,
    file_bytes=256 << 20,
)
"""The most that a program of a run may use unless its verifier allows more.

Sizes and counts are two to sixteen times what `records.Limits` has where a board says nothing. There a program gets
half a second of processor time, or ten times what its reference solution took.
"""

OPTION: Final = "--allow-limits"


def check_limits(table: LimitsTable) -> None:
    """Refuse a board whose programs may use more than `CEILINGS`.

    Raises:
        UserError: It asks for more; the message names each limit with its ceiling, and the option.
    """
    asked = table.model_dump(exclude_none=True)
    if "cpu_s" not in asked and "wall_s" in asked:
        # As `Limits.resolve` has it: alone, seconds by the clock are those of the processor too.
        asked["cpu_s"] = asked["wall_s"]
    over = [
        f"{name} = {value:g} (at most {getattr(CEILINGS, name):g})"
        for name, value in asked.items()
        if value > getattr(CEILINGS, name)
    ]
    if over:
        raise UserError(
            f"the run asks for more than a stranger's programs get here: {', '.join(over)}; nothing was run. "
            f"Give {OPTION} to let it have that"
        )


def grown(limits: Limits, time: float, memory: int) -> Limits:
    """Limits that are so many times as large in time and memory, as far as `CEILINGS` go."""
    return limits.model_copy(
        update={
            name: min(value * factor, max(value, getattr(CEILINGS, name)))
            for name, value, factor in (
                ("cpu_s", limits.cpu_s or 1.0, time),
                ("wall_s", limits.wall_s or 1.0, time),
                ("memory_bytes", limits.memory_bytes, memory),
            )
        }
    )
