"""The split of a limit into programs and tests that scored best, from a table that ships."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import NamedTuple


class Split(NamedTuple):
    """Of a limit that buys `texts` programs, the number of texts of tests that scored best."""

    texts: int
    tests: int


def texts_of_split(programs: int, *, shown: bool) -> int:
    """Get the texts of tests for a limit that buys this many programs without any: those of the next smaller entry.

    Args:
        programs: The number of programs.
        shown: Whether the tasks show examples.
    """
    rows = [split for split in table()["shown" if shown else "bare"] if split.texts <= programs]
    return max(rows, default=Split(0, 0)).tests


@cache
def table() -> dict[str, tuple[Split, ...]]:
    """Read the table: where tasks show examples, and where they show none; smallest limit first."""
    data = json.loads(resources.files(__package__ or "").joinpath("splits.json").read_text(encoding="utf-8"))
    return {name: tuple(Split(row["texts"], row["tests"]) for row in data[name]) for name in ("shown", "bare")}
