"""TOML files that people write: parsing within bounds, and where a value stands, for messages about it."""

from __future__ import annotations

import functools
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from ..errors import UserError
from .printable import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Place = tuple[str | int, ...]
"""Keys and list indices that lead to a value."""

MOST_WORK: Final = 1 << 22
"""Characters times lines of a document that is searched for a line: it is parsed once per line."""


def parse_board_text(path: Path, text: str, *, most_characters: int, most_line: int) -> dict[str, Any]:
    """Parse a board, which may be a stranger's.

    Args:
        path: Where it comes from, for messages.
        text: The file's text.
        most_characters: Most that the text may have.
        most_line: Most that a line of it may have.

    Raises:
        UserError: It is too long, or no TOML; the message names the line.
    """
    lines = text.splitlines()
    if len(text) > most_characters or any(len(line) > most_line for line in lines):
        raise UserError(f"{path}: a board may have {most_characters} characters, and {most_line} per line; shorten it")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        raise UserError(f"{path}:{found[1] if found else len(lines) or 1}: this is not TOML: {error}") from None
    except (ValueError, RecursionError):
        # Integers of thousands of digits, and tables nested as deep.
        raise UserError(f"{path}: it contains a number or table that no board can have; remove it") from None


def named_place(place: Place) -> str:
    """Name a value as a reader of the file would, such as `benchmarks[0].name`."""
    named = ""
    for key in place:
        named += f"[{key}]" if isinstance(key, int) else f".{key}" if named else key
    return one_line(named) or "the board"


def place_in_file(data: Any, loc: tuple[int | str, ...]) -> Place:
    """Cut pydantic's location to what the file has, with the missing or wrong key.

    Args:
        data: The file's content.
        loc: As an error of pydantic's says it.
    """
    place: list[str | int] = []
    for key in loc:
        place.append(key)
        if not has_key(data, key):
            break
        data = data[key]
    return tuple(place)


def line_of(text: str, place: Place) -> int:
    """Find the line, from 1, of the value at `place`; if it is missing, the line of what would hold it.

    It is 1 in a document too long to search.

    A document's first lines are a document too wherever a statement has just ended, so the parser itself tells which
    statement brings a value: the first one after which the value is there.

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
    """Find a value's line within a statement: an array's text may have a line of its own."""
    value = functools.reduce(lambda held, key: held[key], place, data)
    if len(statement) > 1 and isinstance(place[-1], int) and isinstance(value, str):
        for number, line in enumerate(statement, 1):
            if f'"{value}"' in line or f"'{value}'" in line:
                return number
    blank = next((number for number, line in enumerate(statement) if line.strip() and not line.startswith("#")), 0)
    return blank + 1
