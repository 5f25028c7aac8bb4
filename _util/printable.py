"""Text from a candidate, made safe for a terminal and a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .bounded import printable

if TYPE_CHECKING:
    from rich.text import Text

MAX_CHARACTERS = 200


def one_line(text: str) -> str:
    """`text` on one line of at most 200 characters; whatever is not printable is escaped."""
    kept = text[: MAX_CHARACTERS + 1]
    safe = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in kept
    )
    return safe if len(safe) <= MAX_CHARACTERS else safe[: MAX_CHARACTERS - 3] + "..."


__all__ = ["as_text", "printable"]


def as_text(text: str, style: str = "") -> Text:
    """`printable` text for rich, in which nothing is markup."""
    from rich.text import Text

    return Text(printable(text), style=style)
