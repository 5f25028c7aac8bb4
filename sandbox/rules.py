"""Rules by which outputs are compared with the right ones, each after a board's own grader.

Programs write what they like: every rule takes time linear in the texts, up to sorting. None puts numbers into a set,
where some were chosen to collide.
"""

from __future__ import annotations

import itertools
import math
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from .guest.calls import RESULT_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..records import Rule

__all__ = ["OUTPUT_RULES", "RESULT_RULES", "apps", "exact", "livecodebench", "tokens"]

_RELATIVE, _ABSOLUTE = 1e-5, 1e-8
"""The tolerance of numpy's allclose by its defaults, with which APPS' grader calls it."""
_DIGITS = 3
"""Decimals to which APPS' grader rounds numbers when it compares lines as sets."""


def exact(output: str, right: str) -> bool:
    """Whether the texts are the same to the last character."""
    return output == right


def tokens(output: str, right: str) -> bool:
    """Whether the texts are the same but for white space between and around their words."""
    return output.split() == right.split()


def livecodebench(output: str, right: str) -> bool:
    """Whether all lines are the same, stripped, or hold the same decimal numbers, as LiveCodeBench has it.

    White space around the whole text does not count, empty lines within it do. Numbers are equal without tolerance:
    1.0 and 1, not 0.3333 and 0.33333.
    """
    lines, right_lines = output.strip().split("\n"), right.strip().split("\n")
    return len(lines) == len(right_lines) and all(map(_same_numbers_or_text, lines, right_lines))


def _same_numbers_or_text(line: str, right: str) -> bool:
    line, right = line.strip(), right.strip()
    if line == right:
        return True
    try:
        return [Decimal(word) for word in line.split()] == [Decimal(word) for word in right.split()]
    except InvalidOperation:
        return False


def apps(output: str, right: str) -> bool:
    """Whether APPS' own grader takes the output: the loosest rule that a board has.

    It is right if any of these holds: the texts are the same, or their lines are, but for white space around them and
    empty lines; each line is one number, and close to the right one by 1e-5 relative or 1e-8; the lines are the same
    as a set of sets of words, so that neither order nor repetitions count; the same of numbers rounded to three
    decimals.
    """
    lines = output.splitlines()
    if right.strip() in ("\n".join(lines).strip(), "\n".join(map(str.strip, lines)).strip()):
        return True
    right_lines = [line.strip() for line in right.split("\n") if line]
    filled = [line for line in lines if line]
    if right_lines in (lines, filled) or _are_close(filled, right_lines):
        return True
    words = [line.split() for line in filled if line.split()]
    right_words = [line.split() for line in right_lines]
    if _as_sets(words) == _as_sets(right_words):
        return True
    try:
        return _as_sets(map(_rounded, words)) == _as_sets(map(_rounded, right_words))
    except ValueError:
        return False


def _are_close(lines: Sequence[str], right_lines: Sequence[str]) -> bool:
    if len(lines) != len(right_lines):
        return False
    try:
        return all(itertools.starmap(_is_close, zip(map(float, lines), map(float, right_lines), strict=True)))
    except ValueError:
        return False


def _is_close(number: float, right: float) -> bool:
    if math.isfinite(number) and math.isfinite(right):
        return abs(number - right) <= _ABSOLUTE + _RELATIVE * abs(right)
    return number == right


def _rounded(words: Iterable[str]) -> list[float]:
    """Round the numbers of a line.

    Raises:
        ValueError: a word is no number, or is NaN, which equals nothing.
    """
    numbers = [round(float(word), _DIGITS) for word in words]
    if any(map(math.isnan, numbers)):
        raise ValueError("NaN")
    return numbers


def _as_sets(lines: Iterable[Iterable[str]] | Iterable[Iterable[float]]) -> list[tuple[object, ...]]:
    """Make what is the same for lines that are equal as a set of sets."""
    found = sorted(tuple(word for word, _ in itertools.groupby(sorted(line))) for line in lines)
    return [line for line, _ in itertools.groupby(found)]


OUTPUT_RULES: Final[dict[Rule, Callable[[str, str], bool]]] = {
    "apps": apps,
    "livecodebench": livecodebench,
    "tokens": tokens,
    "exact": exact,
}
"""Rules for the standard output of scripts; `RESULT_RULES` has those for the results of functions."""
