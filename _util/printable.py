"""Text that others wrote, made safe for a terminal, a log and a message."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_CHARACTERS: Final = 200
MAX_MESSAGE: Final = 2000
"""Limits for a foreign text in a message, and a whole message."""

_MAX_PLAIN_BITS: Final = 256
_MAX_NEAR: Final = 200


def printable(text: str) -> str:
    """`text` on one line, with whatever is not printable escaped: ANSI escapes, line breaks, overrides of direction."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def one_line(text: str, most: int = MAX_CHARACTERS) -> str:
    """Make a foreign text fit for a message: printable, on one line, of at most `most` characters."""
    safe = printable(text[: most + 1])
    return safe if len(safe) <= most else f"{safe[: most - 3]}..."


def quoted(value: object, most: int = MAX_CHARACTERS) -> str:
    """Make a foreign value fit for a message: a quoted text, a number, or the kind of value."""
    if isinstance(value, str):
        return repr(value) if len(value) <= most else f"{value[: most - 3]!r}..."
    if isinstance(value, int) and value.bit_length() > _MAX_PLAIN_BITS:
        return f"a number of {value.bit_length()} bits"
    if value is None or isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return f"an object of {len(value)}" if isinstance(value, dict) else type(value).__name__


def listed(names: Iterable[object], most: int = 20) -> str:
    """List foreign names for a message, at most `most` of them."""
    everything = list(names)
    some = ", ".join(one_line(str(name), 60) for name in everything[:most])
    return some if len(everything) <= most else f"{some}, and {len(everything) - most} more"


def message(text: str, most: int = MAX_MESSAGE) -> str:
    """Make a whole message fit to print: on one line, its middle left out if too long."""
    line = printable(" ".join(_middle_out(text, most).split()))
    return _middle_out(line, most)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Find the known name most like a foreign one; a long one resembles none."""
    if len(name) > _MAX_NEAR:
        return None
    near = difflib.get_close_matches(name, [one for one in known if len(one) <= _MAX_NEAR], n=1, cutoff=cutoff)
    return near[0] if near else None


def _middle_out(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most * 2 // 3]} [...] {text[-(most // 4) :]}"
