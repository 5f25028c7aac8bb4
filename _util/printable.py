"""Text that others wrote, made safe for a terminal, a log and a message."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_CHARACTERS: Final = 200
MAX_MESSAGE: Final = 2000
"""Of a foreign text inside of a message, and of a whole message."""

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
    """A foreign text as it may stand in a message: printable, on one line, of at most `most` characters."""
    safe = printable(text[: most + 1])
    return safe if len(safe) <= most else f"{safe[: most - 3]}..."


def quoted(value: object, most: int = MAX_CHARACTERS) -> str:
    """A foreign value as it may stand in a message: a quoted text, a number, or what kind of value it is."""
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
    """Foreign names as they may stand in a message, one after the other, and no more than `most` of them."""
    everything = list(names)
    some = ", ".join(one_line(str(name), 60) for name in everything[:most])
    return some if len(everything) <= most else f"{some}, and {len(everything) - most} more"


def message(text: str, most: int = MAX_MESSAGE) -> str:
    """A whole message as it may be printed: on one line, its middle left out where it is too long."""
    line = printable(" ".join(_middle_out(text, most).split()))
    return _middle_out(line, most)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of some known names that a foreign one most resembles; a long one resembles none."""
    if len(name) > _MAX_NEAR:
        return None
    near = difflib.get_close_matches(name, [one for one in known if len(one) <= _MAX_NEAR], n=1, cutoff=cutoff)
    return near[0] if near else None


def _middle_out(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most * 2 // 3]} [...] {text[-(most // 4) :]}"
