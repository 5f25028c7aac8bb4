"""Texts of others for a terminal: what they say is shown, and what they would do to the terminal is not done."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text


def printable(text: str) -> str:
    """`text` on one line, with whatever is not printable escaped: ANSI escapes, line breaks, overrides of direction."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def as_text(text: str, style: str = "") -> Text:
    """`printable` text for rich, in which nothing is markup."""
    from rich.text import Text

    return Text(printable(text), style=style)
