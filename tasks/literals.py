"""Python literals inside running text."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from .source import source_of

if TYPE_CHECKING:
    from .._util.parsing import Effort

MAX_SPAN: Final = 10_000
"""Most characters within brackets."""

_CHARACTERS_PER_TOKEN: Final = 16
"""Characters that can be walked, one by one, in the parser's time for a token."""

OPEN, CLOSE = "([{", ")]}"
STRING = re.compile(r"(?:[rRbBuU]{0,2})(?:'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")")
PLAIN = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d[\d_]*)?\.?\d+(?:[eE][-+]?\d+)?\.?(?!\d)|\d+\.)|[A-Za-z]+\b")
AT_SENTENCE_END = re.compile(r"\s|$")
CONSTANTS = {"true": "True", "false": "False", "null": "None"}
"""JSON's constants, which docstrings use for Python's."""


def span_at(text: str, start: int, effort: Effort) -> int | None:
    """Find the end of the bracket opened at `start`, skipping strings; None if it never closes, or too late."""
    span = text[start : start + MAX_SPAN]
    end = _end_of(span) if effort.spend(1 + len(span) // _CHARACTERS_PER_TOKEN) else None
    return None if end is None else start + end


def _end_of(text: str) -> int | None:
    """Find the end of a text's first bracket."""
    depth, place = 0, 0
    while place < len(text):
        character = text[place]
        if character in "'\"":
            string = STRING.match(text, place)
            if string is None:
                return None
            place = string.end()
            continue
        if character in OPEN:
            depth += 1
        elif character in CLOSE:
            depth -= 1
            if depth == 0:
                return place + 1
        place += 1
    return None


def literal_at(text: str, start: int, effort: Effort) -> tuple[str, int] | None:
    """Read the Python literal at `start` and its end, or None.

    Returns:
        Its canonical source, and the offset after it.
    """
    if start >= len(text):
        return None
    end: int | None
    if text[start] in OPEN:
        end = span_at(text, start, effort)
    else:
        match = STRING.match(text, start) or PLAIN.match(text, start)
        end = match.end() if match else None
        if match and match[0].endswith(".") and AT_SENTENCE_END.match(text, match.end()):
            end = match.end() - 1
    if end is None:
        return None
    source = literal_text(text[start:end], effort)
    return (source, end) if source is not None else None


def literal_text(source: str, effort: Effort) -> str | None:
    """Return a literal's canonical source, or None for other text.

    `true`, `false` and `null` count as Python's constants.
    """
    source = CONSTANTS.get(source.strip(), source.strip())
    tree = effort.parse_expression(source)
    if tree is None:
        return None
    try:
        ast.literal_eval(tree)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return None
    return source_of(tree)
