"""Where in a TOML file a value was written."""

from __future__ import annotations

import functools
import tomllib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

Place = tuple[str | int, ...]
"""Keys and list indices that lead to a value."""

MOST_WORK: Final = 1 << 22
"""Characters times lines of a document in which a line is looked for: it is parsed once for each of them."""


def line_of(text: str, place: Place) -> int:
    """The line, from 1, on which the value at `place` is written; that of what holds it where it is not there.

    It is 1 in a document that is too long to look through.

    A document's first lines are a document too wherever a statement has just ended, so that the parser itself says
    which statement brings a value: the first one after which the value is there.

    Args:
        text: A whole document that can be parsed.
        place: Keys and list indices.
    """
    lines = text.splitlines()
    if len(lines) * len(text) > MOST_WORK:
        return 1
    for depth in range(len(place), 0, -1):
        part = place[:depth]
        start = 0
        for end in range(1, len(lines) + 1):
            data = _parsed(lines[:end])
            if data is None:
                continue
            if _has(data, part):
                return _within(lines[start:end], data, part) + start
            start = end
    return 1


def has_key(data: object, key: str | int) -> bool:
    """Whether a table has a key, or a list so many items."""
    if isinstance(data, dict):
        return key in data
    return isinstance(data, list) and isinstance(key, int) and key < len(data)


def _parsed(lines: Sequence[str]) -> dict[str, object] | None:
    try:
        return tomllib.loads("\n".join(lines))
    except (ValueError, RecursionError):
        return None


def _has(data: Any, place: Place) -> bool:
    for key in place:
        if not has_key(data, key):
            return False
        data = data[key]
    return True


def _within(statement: Sequence[str], data: Any, place: Place) -> int:
    """The line of a statement on which a value stands: an array's text may have a line of its own."""
    value = functools.reduce(lambda held, key: held[key], place, data)
    if len(statement) > 1 and isinstance(place[-1], int) and isinstance(value, str):
        for number, line in enumerate(statement, 1):
            if f'"{value}"' in line or f"'{value}'" in line:
                return number
    blank = next((number for number, line in enumerate(statement) if line.strip() and not line.startswith("#")), 0)
    return blank + 1
