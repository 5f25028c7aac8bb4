"""Inputs for scripts whose task shows none: common forms of input, out of which the scripts choose by what they read.

A form is what many tasks have in common, such as a number and as many numbers on the next line. Numbers, words and
marks that the prompt names are among what is drawn.
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .constants import of_prose
from .kinds import INT
from .values import Draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class _Source:
    """Draws the parts of an input."""

    def __init__(self, key: str, prompt: str) -> None:
        self._rng = random.Random(key)
        self._draw = Draw(key, of_prose(prompt))
        self._most = self._rng.choice((9, 30, 1000))

    def size(self, low: int = 1) -> int:
        """Draw how many there are of something."""
        return self._rng.randint(low, 6)

    def number(self) -> str:
        """Draw an integer: mostly positive, as most tasks have it."""
        if self._rng.random() < 0.15:
            return str(self._draw.value(INT))
        return str(self._rng.randint(1, self._most))

    def numbers(self, count: int) -> str:
        """Draw a line of integers."""
        return " ".join(self.number() for _ in range(count))

    def word(self, length: int | None = None) -> str:
        """Draw a word."""
        letters = self._rng.choice(("ab", "abc", "abcdefghij", "01"))
        return "".join(self._rng.choice(letters) for _ in range(length or self.size(2)))

    def row(self, width: int) -> str:
        """Draw a row of a map."""
        return "".join(self._rng.choice(".#") for _ in range(width))

    def below(self, count: int) -> str:
        """Draw two of the first so many."""
        return f"{self._rng.randint(1, count)} {self._rng.randint(1, count)}"


def _counted(some: _Source, line: Callable[[_Source], str]) -> list[str]:
    count = some.size()
    return [str(count), *(line(some) for _ in range(count))]


def _list(some: _Source, *more: Callable[[_Source], str]) -> list[str]:
    count = some.size()
    head = " ".join([str(count), *(each(some) for each in more)])
    return [head, some.numbers(count)]


def _table(some: _Source, row: Callable[[_Source, int], str]) -> list[str]:
    height, width = some.size(), some.size()
    return [f"{height} {width}", *(row(some, width) for _ in range(height))]


def _square(some: _Source) -> list[str]:
    count = some.size()
    return [str(count), *(some.numbers(count) for _ in range(count))]


def _graph(some: _Source) -> list[str]:
    count, edges = some.size(2), some.size()
    return [f"{count} {edges}", *(some.below(count) for _ in range(edges))]


def _two_lists(some: _Source) -> list[str]:
    count = some.size()
    return [str(count), some.numbers(count), some.numbers(count)]


def _cases(some: _Source, case: Callable[[_Source], list[str]]) -> list[str]:
    count = some.size()
    return [str(count), *(line for _ in range(count) for line in case(some))]


def _word_of_length(some: _Source) -> list[str]:
    count = some.size(2)
    return [str(count), some.word(count)]


_FORMS: Final[tuple[Callable[[_Source], Iterable[str]], ...]] = (
    lambda some: [some.number()],
    lambda some: [some.numbers(2)],
    lambda some: [some.word()],
    lambda some: [some.numbers(3)],
    _list,
    lambda some: [some.number(), some.number()],
    lambda some: [some.word(), some.word()],
    _word_of_length,
    lambda some: _counted(some, _Source.number),
    lambda some: _counted(some, _Source.word),
    lambda some: _counted(some, lambda each: each.numbers(2)),
    lambda some: _list(some, _Source.number),
    _two_lists,
    _square,
    lambda some: _table(some, _Source.numbers),
    lambda some: _table(some, _Source.row),
    _graph,
    lambda some: _cases(some, _list),
    lambda some: [some.numbers(some.size(2))],
    lambda some: [" ".join(some.word() for _ in range(some.size(2)))],
)
"""Simple ones first: where scripts can read several, the first counts."""

COUNT: Final = len(_FORMS)


@lru_cache(maxsize=1024)
def drawn(prompt: str, form: int, count: int) -> tuple[str, ...]:
    """Draw so many inputs of a form, up to `COUNT`, fewer where some are the same; the same ones for a prompt."""
    made = (_FORMS[form](_Source(f"{prompt}/{form}/{place}", prompt)) for place in range(count))
    return tuple(dict.fromkeys("\n".join(lines) + "\n" for lines in made))
