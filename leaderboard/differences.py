"""A run's claims against what follows from it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._util.printable import MAX_CHARACTERS, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLERANCE: Final = 1e-9
"""Relative: machines that add in another order differ in the last digits."""

MOST: Final = 10_000
"""Most differences kept: more would tell no more, and a stranger's file could hold a hundred million."""

_ABSENT: Final = "nothing"


class Difference(NamedTuple):
    """One deviation: its file, the row or value in it, and both values, as recorded and as found here."""

    file: str
    row: str
    field: str
    recorded: str
    recomputed: str

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.row, self.field) if part)
        return f"{where}: recorded {self.recorded}, found {self.recomputed}"


def difference(file: str, row: object, field: str, recorded: object, recomputed: object) -> Difference:
    """Make a difference, each value as one printable line: a run's content may be hostile."""
    return Difference(one_line(file), one_line(str(row)), one_line(field), _shown(recorded), _shown(recomputed))


def compare(file: str, row: object, recorded: Any, recomputed: Any, field: str = "") -> Iterator[Difference]:
    """Yield each part in which two JSON values differ, by its path."""
    if isinstance(recorded, dict) and isinstance(recomputed, dict):
        for key in sorted(recorded.keys() | recomputed.keys()):
            one = f"{field}.{key}" if field else str(key)
            if key not in recorded or key not in recomputed:
                yield difference(file, row, one, recorded.get(key, _Absent), recomputed.get(key, _Absent))
            else:
                yield from compare(file, row, recorded[key], recomputed[key], one)
    elif isinstance(recorded, list | tuple) and isinstance(recomputed, list | tuple):
        if len(recorded) != len(recomputed):
            yield difference(file, row, f"length of {field}", len(recorded), len(recomputed))
        for place, (a, b) in enumerate(zip(recorded, recomputed, strict=False)):
            yield from compare(file, row, a, b, f"{field}[{place}]")
    elif not _same(recorded, recomputed):
        yield difference(file, row, field, recorded, recomputed)


class _Absent:
    """Stands for a missing value, where None is a value."""


def _same(a: object, b: object) -> bool:
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return a == b


def _shown(value: object) -> str:
    if value is _Absent:
        return _ABSENT
    if isinstance(value, str):
        # Cut before quoting, which would copy all of it.
        return one_line(repr(value[: MAX_CHARACTERS + 1]))
    return one_line(json.dumps(value, default=str))
