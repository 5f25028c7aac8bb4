"""Texts of others for a terminal: what they say is shown, and what they would do to the terminal is not done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bounded import printable

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["as_text", "printable"]


def as_text(text: str, style: str = "") -> Text:
    """`printable` text for rich, in which nothing is markup."""
    from rich.text import Text

    return Text(printable(text), style=style)
