"""Arguments of given kinds, drawn from a seed: small and ordinary ones first of all, with a few at the edges."""

from __future__ import annotations

import itertools
import random
import string
from typing import TYPE_CHECKING, Any, Final

from .kinds import ANY, BOOL, FLOAT, INT, STR, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .constants import Constants

_WORDS: Final = ("apple", "hello", "world", "level", "abc", "the", "Python", "data", "noon", "tree", "is", "a", "Book")
_SIGNS: Final = string.ascii_letters + string.digits + " .,!?-_"
_DEEPEST: Final = 4


class Draw:
    """Draws values.

    Args:
        key: The seed; the same key draws the same.
        constants: Texts, numbers and words to draw from among others.
        least: The least integer, where the task names one.
        focus: The chance that a plain value is, or holds, one of the constants; it may be changed.
    """

    def __init__(self, key: str, constants: Constants, *, least: int | None = None, focus: float = 0.15) -> None:
        self._rng = random.Random(key)
        self._constants = constants
        self._least = self._lower = least
        self.focus = focus
        self._integers = [number for number in constants.numbers if isinstance(number, int)]
        # All themselves first, so that none is left out.
        self._turns = itertools.cycle([number + step for step in (0, 1, -1) for number in self._integers])
        self._words = [word for word in constants.words if len(word) > 2] or list(_WORDS)
        marks = "".join(text for text in constants.texts if len(text) <= 2 and not text.isalnum())
        self._marks = "".join(dict.fromkeys(mark for mark in marks if not mark.isspace()))

    def arguments(self, kinds: Sequence[Kind]) -> tuple[Any, ...]:
        """Draw one argument for each kind; at times one depends on those before."""
        drawn: list[Any] = []
        # What a prompt asks for may be what it asks to find.
        self._lower = self._least if self._chance(0.8) else None
        for kind in kinds:
            related = self._related(kind, drawn) if drawn and self._chance(0.35) else None
            drawn.append(self.value(kind) if related is None else related)
        return tuple(drawn)

    def mistyped(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Put a value of a type that the constants name in place of an argument or of an item of a list, at times."""
        types = self._constants.types
        if not types or self._chance(0.5):
            return arguments
        stranger = self.value(Kind(self._rng.choice(types), (INT, INT)))
        place = self._rng.randrange(len(arguments))
        old = arguments[place]
        if isinstance(old, list) and old:
            at = self._rng.randrange(len(old))
            stranger = [*old[:at], stranger, *old[at + 1 :]]
        return (*arguments[:place], stranger, *arguments[place + 1 :])

    def value(self, kind: Kind, depth: int = _DEEPEST) -> Any:
        """Draw a value of a kind."""
        if kind.name in ("list", "tuple", "set", "dict"):
            return self._container(kind, depth)
        if kind == ANY:
            return self._any(depth)
        plain: dict[str, Callable[[], Any]] = {
            "int": self._int,
            "float": self._float,
            "str": self._str,
            "bool": lambda: self._chance(0.5),
            "bytes": lambda: self._str().encode(),
        }
        return plain[kind.name]() if kind.name in plain else None

    def _chance(self, share: float) -> bool:
        return self._rng.random() < share

    def _int(self) -> int:
        rng = self._rng
        if self._integers and self._chance(self.focus):
            value = next(self._turns)
        else:
            low, high = rng.choice(((0, 12), (0, 12), (0, 12), (10, 40), (10, 40), (20, 130), (100, 1500), (-20, -1)))
            value = rng.randint(low, high)
        return value if self._lower is None or value >= self._lower else self._lower + abs(value)

    def _float(self) -> float:
        rng = self._rng
        numbers = [float(number) for number in self._constants.numbers]
        if numbers and self._chance(self.focus):
            return rng.choice(numbers)
        form = rng.randrange(5)
        value = (
            float(rng.randint(-5, 12)),
            rng.randint(-20, 40) / 2,
            round(rng.uniform(-10, 20), 1),
            round(rng.uniform(0, 5), 2),
            round(rng.uniform(-100, 300), 3),
        )[form]
        return value if self._lower is None or value >= self._lower else self._lower + abs(value)

    def _any(self, depth: int) -> Any:
        kinds = [INT, STR, FLOAT, BOOL, INT, STR]
        if depth > _DEEPEST - 2:
            kinds += [Kind("list", (INT,)), Kind("dict", (STR, INT))]
        if self._chance(0.06):
            return None
        return self.value(self._rng.choice(kinds), depth - 1)

    def _container(self, kind: Kind, depth: int) -> Any:
        if depth == 0:
            return {"list": list, "tuple": tuple, "set": set, "dict": dict}[kind.name]()
        if kind.fixed:
            return tuple(self.value(item, depth - 1) for item in kind.items)
        items = self._items(kind.items[0], depth) if kind.items else []
        if kind.name == "list":
            return items
        if kind.name == "tuple":
            return tuple(items)
        hashable = [item for item in map(_frozen, items) if item is not None]
        if kind.name == "set":
            return set(hashable)
        return {key: self.value(kind.items[1], depth - 1) for key in hashable}

    def _items(self, item: Kind, depth: int) -> list[Any]:
        """Draw a list in one of the forms that programs tell apart: few values, ordered, alike, mirrored."""
        rng = self._rng
        # Below the top lists are short.
        lengths = (0, 1, 2, 3, 3, 4, 4, 5, 6, 7, 9) if depth == _DEEPEST else (1, 2, 2, 3, 3)
        count = rng.choice(lengths)
        if item.name == "list" and self._chance(0.5):
            width = rng.choice((1, 2, 3, 3, 4))
            return [self._exactly(item.items[0] if item.items else ANY, width, depth - 1) for _ in range(count)]
        return self._exactly(item, count, depth)

    def _exactly(self, item: Kind, count: int, depth: int) -> list[Any]:
        rng = self._rng
        form = rng.randrange(10)
        if item == INT and form < 4:
            low, high = rng.choice(((0, 4), (1, 9), (-5, 5), (0, 20), (10, 99), (-100, 300)))
            if self._lower is not None:
                low = max(low, self._lower)
            drawn: list[Any] = [rng.randint(low, max(low, high)) for _ in range(count)]
        elif item == STR and form < 7:
            drawn = [self._word() for _ in range(count)]
        else:
            drawn = [self.value(item, depth - 1) for _ in range(count)]
        if form in (3, 6) and drawn:
            drawn = [rng.choice(drawn[: 1 + count // 2]) for _ in range(count)]
        elif form == 7:
            drawn = (drawn[: (count + 1) // 2] + drawn[: count // 2][::-1])[:count]
        if form in (4, 8) and all(isinstance(value, (int, float)) for value in drawn):
            drawn.sort(reverse=self._chance(0.4))
        return drawn

    def _word(self) -> str:
        rng = self._rng
        texts = self._constants.texts
        if texts and self._chance(2 * self.focus):
            return rng.choice(texts)
        form = rng.randrange(6)
        if form < 3:
            return rng.choice(self._words)
        if form == 3:
            return rng.choice(_WORDS)
        alphabet = rng.choice(("ab", "abc", "aeioubcd", string.ascii_lowercase, string.ascii_letters))
        return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 6)))

    def _str(self) -> str:
        rng = self._rng
        if self._chance(self.focus if not self._marks else 2.5 * self.focus):
            made = self._around_constants()
            if made is not None:
                return made
        form = rng.randrange(14)
        if form < 3:
            text = self._word()
        elif form < 5:
            text = " ".join(self._word() for _ in range(rng.randint(2, 5)))
        elif form == 5:
            half = "".join(rng.choice("abcde") for _ in range(rng.randint(1, 4)))
            text = half + half[::-1][rng.randrange(2) :]
        elif form == 6:
            text = "".join(rng.choice("ab") for _ in range(rng.randint(1, 9)))
        elif form == 7:
            text = "".join(rng.choice(string.digits) for _ in range(rng.randint(1, 5)))
        elif form == 8:
            text = "".join(
                rng.choice(string.ascii_letters + string.digits + " .,!?-_") for _ in range(rng.randint(3, 12))
            )
        elif form == 9:
            text = "  ".join(self._word() for _ in range(rng.randint(1, 3))) + rng.choice(("", " ", "!", "."))
        elif form == 10:
            text = rng.choice(("", "", " ", "a", "Z", "7", "aa", "aA"))
        elif form == 11:
            text = self._word() + rng.choice(string.ascii_letters) * rng.randint(1, 3)
        elif form == 12:
            text = " ".join(str(rng.randint(0, 30)) for _ in range(rng.randint(1, 5)))
        else:
            text = ", ".join(self._word() for _ in range(rng.randint(2, 4)))
        if self._chance(0.25):
            text = rng.choice((str.upper, str.title, str.swapcase))(text)
        return text

    def _around_constants(self) -> str | None:
        """Make a text out of the constants: one of them, a row of marks, or numbers or words with one between."""
        rng, texts = self._rng, self._constants.texts
        if not texts:
            return None
        form = rng.randrange(5)
        if form == 0:
            return rng.choice(texts)
        if form == 1 or (form == 2 and not self._marks):
            return "".join(rng.choice(texts) for _ in range(rng.randint(1, 5)))
        if form == 2:
            return "".join(rng.choice(self._marks) for _ in range(rng.randint(1, 10)))
        separator = rng.choice(texts)
        if form == 3:
            width = rng.choice((1, 2, 2, 4))
            numbers = (str(rng.randint(0, 10**width - 1)) for _ in range(rng.randint(2, 4)))
            return separator.join(number.zfill(rng.choice((1, 2))) for number in numbers)
        return separator.join(self._word() for _ in range(rng.randint(1, 4)))

    def _related(self, kind: Kind, before: Sequence[Any]) -> Any:
        """Make an argument out of one before it: its equal, a part of it, its length; None where there is nothing."""
        rng = self._rng
        other = rng.choice(before)
        if kind == STR and isinstance(other, str) and other:
            start = rng.randrange(len(other))
            part = other[start : start + rng.randint(1, 4)]
            turned = other[start:] + other[:start]
            return rng.choice((other, part, part, part[::-1], turned, other[::-1], other.swapcase()))
        if kind == INT and isinstance(other, (list, tuple, str)):
            inner = [item for item in other if type(item) is int] if not isinstance(other, str) else []
            return rng.choice((len(other), rng.randint(0, len(other)), *inner[:3], sum(inner)))
        if kind == INT and type(other) is int:
            return rng.choice((other, other + 1, other * rng.randint(1, 4), max(1, other // 2)))
        if kind == FLOAT and isinstance(other, (list, tuple)) and all(type(item) in (int, float) for item in other):
            return float(rng.choice((sum(other), len(other), *other[:2])))
        if kind.name == "list" and isinstance(other, list) and kind.items:
            same = self._exactly(kind.items[0], rng.choice((len(other), len(other), max(0, len(other) - 1))), 2)
            shared = rng.sample(other, rng.randint(0, len(other)))
            fits = all(type(item).__name__ == kind.items[0].name for item in other)
            return rng.choice((same, same, shared + same[:2], list(other), other[::-1])) if fits else same
        return None


def literal(value: Any) -> str:
    """Write a value as its `repr`, but that of a set in the same order in every process."""
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(literal, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (set, frozenset)) and value:
        return "{" + ", ".join(sorted(map(literal, value))) + "}"
    return repr(value)


def _frozen(value: Any) -> Any:
    """The value as a key; None where it cannot be one."""
    if isinstance(value, list):
        value = tuple(value)
    try:
        hash(value)
    except TypeError:
        return None
    return value
