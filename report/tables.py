"""Plain tables on stdout.

They are written here, without rich: it takes longer to import than a plan takes to make.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH = 100
_GAP = "  "


class Column(NamedTuple):
    """One column: `right` for figures, `folds` where long cells may go over several lines."""

    header: str
    right: bool = False
    folds: bool = False


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their headers in at most 100 columns, as far as the columns that do not fold leave room.

    Args:
        columns: Headers may hold line breaks.
        rows: A cell per column; cells may hold line breaks, and then the rows are set apart.
    """
    lines = [[cell.split("\n") for cell in row] for row in (tuple(column.header for column in columns), *rows)]
    widths = [max(len(line) for row in lines for line in row[place]) for place in range(len(columns))]
    folding = [place for place, column in enumerate(columns) if column.folds]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > WIDTH and folding:
        widest = max(folding, key=lambda place: widths[place])
        if widths[widest] == 1:
            break
        widths[widest] -= 1
    tall = any(len(cell) > 1 for row in lines[1:] for cell in row)
    for number, row in enumerate(lines):
        folded = [
            [part for line in cell for part in _fold(line, width)] for cell, width in zip(row, widths, strict=True)
        ]
        if tall and number > 1:
            print()
        for height in range(max(map(len, folded))):
            cells = [cell[height] if height < len(cell) else "" for cell in folded]
            aligned = (
                cell.rjust(width) if column.right else cell.ljust(width)
                for cell, width, column in zip(cells, widths, columns, strict=True)
            )
            print(_GAP.join(aligned).rstrip())
        if number == 0:
            print("─" * (sum(widths) + len(_GAP) * (len(widths) - 1)))


def print_facts(facts: Mapping[str, str]) -> None:
    """Print one fact per line."""
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:{width}}  {value}")


def _fold(text: str, width: int) -> list[str]:
    """The text's lines, broken between words: within one only where it is longer than a line."""
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
