"""Tables, facts and sentences on standard output, alike in every command.

No word is broken in two. Text folds at spaces; a path or a name that does not fit continues after a slash or before its
`@`, or else after a hyphen; any other word widens its column, even if the table is then wider than the terminal. They
are written here, without rich: it takes longer to import than a plan takes to make.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from .._util.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T = TypeVar("T")

WIDTH: Final = 100
"""Most columns of a table, if its words leave room for that; also in a file, which has no width of its own."""

GAP: Final = "  "
"""Spaces between two columns."""

_NARROWEST: Final = 80
"""Below this, a terminal wraps whole lines, easier to read than columns of three letters."""

_CJK: Final = r"\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\U00020000-\U0003fffd"
_WORD: Final = re.compile(rf"\[[^\s\]]+ [^\s\]]+\][.,;:]?|[{_CJK}]|[^\s{_CJK}]+")
"""An unbreakable unit: an interval, a character of a script written without spaces, a word."""

_NAME: Final = re.compile(r"(?!.*://)[\w./@:+~-]+")
"""A path or a name. Other words are there to be copied, like URLs, or are no single name."""

_PARTS: Final = (re.compile(r"@?[^/@]+/*|[/@]"), re.compile(r"@?[^/@-]+[/-]*|[/@-]"))
"""Break points of a name: the first of these that makes it fit is used."""


class Column(NamedTuple):
    """One column: `right` for figures, `folds` if long cells may take several lines."""

    header: str
    right: bool = False
    folds: bool = False


def width() -> int:
    """Get the columns to print in: the terminal's, or what COLUMNS says, between 80 and 100."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        wide = int(columns)
    else:
        try:
            wide = os.get_terminal_size(sys.stdout.fileno()).columns or WIDTH
        except (OSError, ValueError):
            wide = WIDTH
    return max(_NARROWEST, min(WIDTH, wide))


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print rows under their headers.

    Args:
        columns: Headers may hold line breaks.
        rows: A cell per column; cells may hold line breaks. Rows where more than the last cell takes several lines are
            set apart; so is what follows an empty row.
        title: A sentence to put above.
    """
    headers = [column.header for column in columns]
    lines = [[list(map(printable, cell.split("\n"))) for cell in row] for row in (headers, *rows)]
    widths = _widths(columns, [row for row in lines if row])
    folded = [
        [
            [part for line in cell for part in (fold(line, wide) if column.folds else [line])]
            for cell, wide, column in zip(row, widths, columns, strict=True)
        ]
        if row
        else []
        for row in lines
    ]
    # Folding at spaces may leave room at the right of every line.
    widths = [max(cells(line) for row in folded if row for line in row[place]) for place in range(len(columns))]
    is_tall = any(len(cell) > 1 for row in folded[1:] for cell in row[:-1])
    if title:
        print_text(title)
    for number, row in enumerate(folded):
        if not row or (is_tall and number > 1 and folded[number - 1]):
            print()
        for height in range(max(map(len, row), default=0)):
            line = [
                _aligned(cell[height] if height < len(cell) else "", wide, right=column.right)
                for cell, wide, column in zip(row, widths, columns, strict=True)
            ]
            print(GAP.join(line).rstrip())
        if number == 0:
            print("─" * _total(widths))


def print_facts(facts: Mapping[str, str]) -> None:
    """Print one fact per line."""
    wide = max(map(cells, facts))
    for name, value in facts.items():
        print(f"{_aligned(name, wide)}{GAP}{value}")


def print_text(text: str, *, bold: bool = False) -> None:
    """Print a sentence, folded at spaces; `bold` if the terminal can."""
    lines = "\n".join(fold(printable(text), width()))
    is_bold = bold and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    print(f"\x1b[1m{lines}\x1b[0m" if is_bold else lines)


def abreast(items: Sequence[T], each: int, beside: int) -> list[Sequence[T]]:
    """Split items with a column each into groups, as even as possible, whose columns fit abreast.

    Args:
        items: One or more.
        each: The width of an item's column.
        beside: The width of all other columns, with the gaps between them.
    """
    most = max(1, (width() - beside) // (each + len(GAP)))
    groups = -(-len(items) // most)
    size = -(-len(items) // groups)
    return [items[start : start + size] for start in range(0, len(items), size)]


def fold(text: str, wide: int) -> list[str]:
    """Fold a text into lines of at most `wide` columns, unless a word, or part of a name, is longer."""
    if cells(text) <= wide:
        return [text]
    lines = [""]
    for word in _WORD.finditer(text):
        is_apart = word.start() > 0 and text[word.start() - 1].isspace()
        for part in _broken(word[0], wide):
            longer = f"{lines[-1]}{' ' if is_apart and lines[-1] else ''}{part}"
            if lines[-1] and cells(longer) > wide:
                lines.append(part)
            else:
                lines[-1] = longer
            is_apart = False
    return lines


def cells(text: str) -> int:
    """Count a text's terminal columns: two for a wide character, none for one that joins the one before."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(character) in ("Mn", "Me") else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


def _widths(columns: Sequence[Column], lines: Sequence[Sequence[Sequence[str]]]) -> list[int]:
    """Find each column's width, so that the table fits or what folds is as narrow as its longest word."""
    widths = [max(cells(line) for row in lines for line in row[place]) for place in range(len(columns))]
    words = {
        place: [word for row in lines for line in row[place] for word in _WORD.findall(line)]
        for place, column in enumerate(columns)
        if column.folds
    }
    limit = width()
    for pattern in (None, *_PARTS):
        least = {place: max((_longest(word, pattern) for word in some), default=1) for place, some in words.items()}
        while _total(widths) > limit:
            foldable = [place for place in least if widths[place] > least[place]]
            if not foldable:
                break
            widths[max(foldable, key=lambda place: widths[place])] -= 1
    return widths


def _longest(word: str, pattern: re.Pattern[str] | None) -> int:
    """Measure a word, or the longest part of a name by a pattern of `_PARTS`."""
    if pattern is None or not _NAME.fullmatch(word):
        return cells(word)
    return max(map(cells, pattern.findall(word)))


def _broken(word: str, wide: int) -> list[str]:
    """Return a word, or parts of a name too long."""
    parts = [word]
    for pattern in _PARTS if _NAME.fullmatch(word) else ():
        if max(map(cells, parts)) > wide:
            parts = pattern.findall(word)
    return parts


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _aligned(text: str, wide: int, *, right: bool = False) -> str:
    blank = " " * (wide - cells(text))
    return blank + text if right else text + blank
