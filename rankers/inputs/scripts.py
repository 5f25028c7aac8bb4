"""Inputs for scripts, made from the visible ones so that their form stays.

A form is known by what all visible inputs have in common: which number says how many words follow on the next line, how
many lines follow it, or how long a word is. What is changed keeps these numbers right.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_DECIMAL = re.compile(r"[+-]?\d+\.\d+")
_MOST_LINES, _MOST_WORDS = 400, 4000
_TRIES: Final = 6

Lines = list[list[str]]
Item = TypeVar("Item")


class Count(NamedTuple):
    """A number in a line that counts something: `words` of the next line, `lines` after it, letters of a `word`.

    `line` and `place` are where it stands; `size` is how many lines each of the lines that it counts takes.
    """

    line: int
    place: int
    what: str
    size: int = 1


def varied(inputs: Sequence[str], most: int) -> list[str]:
    """Make distinct inputs out of visible ones, which come first; the same ones for the same inputs.

    Args:
        inputs: The visible ones.
        most: How many are wanted, those included.
    """
    made = dict.fromkeys(inputs)
    parsed = [_lines(text) for text in inputs]
    usable = [lines for lines in parsed if lines and _is_small(lines)]
    if not usable:
        return list(made)[:most]
    counts = _counts(usable)
    draw = _Variation(f"scripts/{inputs!r}", usable, counts)
    for _ in range(_TRIES * most):
        if len(made) >= most:
            break
        made.setdefault(draw.another())
    return list(made)[:most]


def _lines(text: str) -> Lines:
    return [line.split() for line in text.rstrip().split("\n")]


def _is_small(lines: Lines) -> bool:
    return len(lines) <= _MOST_LINES and sum(map(len, lines)) <= _MOST_WORDS


def _number(word: str) -> int | None:
    return int(word) if _INTEGER.fullmatch(word) else None


def _counts(cases: Sequence[Lines]) -> tuple[Count, ...]:
    """Find the counts that hold in every case. A number counts one thing, the first that fits."""
    found: dict[tuple[int, int], Count] = {}
    for count in _counts_of(cases[0]):
        if (count.line, count.place) not in found and all(_holds(count, case) for case in cases[1:]):
            found[count.line, count.place] = count
    return tuple(found.values())


def _counts_of(lines: Lines) -> list[Count]:
    found = []
    for at, words in enumerate(lines):
        for place, word in enumerate(words):
            number = _number(word)
            if number is None or number < 1:
                continue
            left = len(lines) - at - 1
            options = [Count(at, place, "words"), Count(at, place, "word")]
            if left and left % number == 0:
                options.append(Count(at, place, "lines", left // number))
            options.append(Count(at, place, "rows"))
            found += [count for count in options if _holds(count, lines)]
    return found


def _holds(count: Count, lines: Lines) -> bool:
    at, place, what, size = count
    if at >= len(lines) or place >= len(lines[at]):
        return False
    number = _number(lines[at][place])
    if number is None or number < 0:
        return False
    after = lines[at + 1 :]
    if what == "lines":
        return len(after) == number * size
    if what == "rows":
        return 0 < number < len(after) and _are_alike(after[:number]) and not _are_alike(after[: number + 1])
    if not after:
        return False
    if what == "words":
        return len(after[0]) == number and number > 0
    return len(after[0]) == 1 and len(after[0][0]) == number and _number(after[0][0]) is None


def _are_alike(rows: Lines) -> bool:
    """Whether lines have the same number of words of the same sorts."""
    return len({tuple(_sort(word) for word in row) for row in rows}) == 1


def _sort(word: str) -> str:
    if _INTEGER.fullmatch(word):
        return "integer"
    return "decimal" if _DECIMAL.fullmatch(word) else "word"


class _Variation:
    """Changes one of the visible inputs at a time, in one to three ways."""

    def __init__(self, key: str, cases: Sequence[Lines], counts: Sequence[Count]) -> None:
        self._rng = random.Random(key)
        self._cases, self._counts = cases, counts
        words = [word for case in cases for line in case for word in line]
        numbers = [number for word in words if (number := _number(word)) is not None]
        self._low, self._high = (min(numbers), max(numbers)) if numbers else (0, 9)
        self._letters = sorted({letter for word in words if _sort(word) == "word" for letter in word})

    def another(self) -> str:
        """Make an input; it may be one made before."""
        lines = [list(line) for line in self._rng.choice(self._cases)]
        for _ in range(self._rng.choice((1, 1, 2, 3))):
            changes: list[Callable[[Lines], None]] = [self._change_word, self._change_words]
            if self._counts:
                changes += [self._resize, self._resize]
            self._rng.choice(changes)(lines)
        return "\n".join(" ".join(line) for line in lines) + "\n"

    def _free(self, lines: Lines) -> list[tuple[int, int]]:
        """List places of words that neither count nor are measured by a count of letters."""
        taken = {(count.line, count.place) for count in self._counts}
        return [(at, place) for at, line in enumerate(lines) for place in range(len(line)) if (at, place) not in taken]

    def _change_word(self, lines: Lines) -> None:
        free = self._free(lines)
        if free:
            at, place = self._rng.choice(free)
            lines[at][place] = self._other(lines[at][place])

    def _change_words(self, lines: Lines) -> None:
        """Change all words of a line, or put them in another order."""
        rng = self._rng
        places: dict[int, list[int]] = {}
        for at, place in self._free(lines):
            places.setdefault(at, []).append(place)
        if not places:
            return
        at = rng.choice(list(places))
        old = [lines[at][place] for place in places[at]]
        form = rng.randrange(5)
        if form == 0:
            new = rng.sample(old, len(old))
        elif form == 1:
            new = [old[0]] * len(old) if len({_sort(word) for word in old}) == 1 else old
        elif form == 2 and all(_number(word) is not None for word in old):
            new = sorted(old, key=int, reverse=rng.random() < 0.5)
        else:
            new = [self._other(word) for word in old]
        for place, word in zip(places[at], new, strict=True):
            lines[at][place] = word

    def _other(self, word: str) -> str:
        """Make another word of the same sort; a text keeps its length."""
        rng = self._rng
        number = _number(word)
        if number is not None:
            near = (number + 1, number - 1, number * 2, number // 2)
            within = (rng.randint(self._low, self._high), rng.randint(self._low, min(self._high, self._low + 10)))
            chosen = rng.choice((*near, *within, *within, self._low, self._high))
            return str(min(max(chosen, self._low), max(self._high, 2 * number)))
        if _DECIMAL.fullmatch(word):
            decimals = len(word.partition(".")[2])
            return f"{rng.uniform(0, 2 * float(word)):.{decimals}f}"
        form = rng.randrange(4)
        if form == 0:
            return word[::-1]
        if form == 1:
            return rng.choice(word) * len(word)
        letters = self._letters if form == 2 else sorted(set(word))
        return "".join(rng.choice(letters) for _ in word)

    def _resize(self, lines: Lines) -> None:
        """Make what a number counts more or less by one, two or half, and the number with it."""
        rng = self._rng
        count = rng.choice(list(self._counts))
        if not _holds(count, lines):
            return
        number = int(lines[count.line][count.place])
        wanted = max(1, rng.choice((number - 1, number + 1, number + 2, number // 2, 1)))
        first = count.line + 1
        if count.what == "words":
            lines[first] = self._of_length(lines[first], wanted)
        elif count.what == "word":
            lines[first] = ["".join(self._of_length(list(lines[first][0]), wanted))]
        else:
            size = count.size if count.what == "lines" else 1
            blocks = [lines[at : at + size] for at in range(first, first + number * size, size)]
            kept = self._of_length(blocks, wanted)
            lines[first : first + number * size] = [list(line) for block in kept for line in block]
        lines[count.line][count.place] = str(wanted)

    def _of_length(self, items: list[Item], wanted: int) -> list[Item]:
        """Leave out some, or repeat some."""
        rng = self._rng
        if wanted <= len(items):
            kept = sorted(rng.sample(range(len(items)), wanted))
            return [items[place] for place in kept]
        return items + [rng.choice(items) for _ in range(wanted - len(items))]
