"""Calls like a given one: one argument changed at a time."""

from __future__ import annotations

import ast
from functools import lru_cache
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, Any

from ..._util.parsing import expression
from .values import literal

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 24
"""Calls made from one example's, itself included."""

_LARGEST = 1_000_000
"""Largest number made: a program may count up to one."""


@lru_cache(maxsize=1024)
def variants(call: str) -> tuple[str, ...]:
    """Vary one argument of a call, itself included; the call alone where its arguments are not literals.

    Changes keep the argument's type: numbers move by one, double and change sign; texts and lists are emptied, lose an
    end, reverse, repeat and grow; an element of a list or a value of a dictionary changes in the same ways. Arguments
    take turns, so that none is left out where there are more than `MOST`.
    """
    parsed = expression(call)
    tree = None if parsed is None else parsed.body
    if not isinstance(tree, ast.Call) or tree.keywords:
        return (call,)
    try:
        arguments = [ast.literal_eval(argument) for argument in tree.args]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return (call,)
    name = ast.unparse(tree.func)
    by_argument = [
        [
            f"{name}({', '.join(map(literal, (*arguments[:place], value, *arguments[place + 1 :])))})"
            for value in _changed(old)
        ]
        for place, old in enumerate(arguments)
    ]
    in_turns = (text for text in chain.from_iterable(zip_longest(*by_argument)) if text is not None)
    return tuple(dict.fromkeys([call, *in_turns]))[:MOST]


def _changed(value: Any) -> Iterator[Any]:
    """Yield values of the type, near first."""
    kind = type(value)
    if kind is bool:
        yield not value
    elif kind in (int, float):
        yield from (new for new in (value + 1, value - 1, 2 * value, -value, kind()) if abs(new) <= _LARGEST)
    elif kind in (str, bytes, list, tuple):
        yield from (
            value[::-1],
            value[:-1],
            value[1:],
            2 * value,
            value[:1] + value,
            value[:0],
            value[: len(value) // 2],
        )
        if kind is str:
            yield from (value.upper(), value.lower(), value.title(), f"{value} {value}")
        elif kind is not bytes:
            for place, old in enumerate(value):
                yield from (kind([*value[:place], new, *value[place + 1 :]]) for new in islice(_changed(old), 2))
    elif kind is dict:
        yield {}
        for key, old in value.items():
            yield {other: kept for other, kept in value.items() if other != key}
            yield from ({**value, key: new} for new in islice(_changed(old), 2))
    elif kind in (set, frozenset):
        yield kind()
        yield from (value - {element} for element in sorted(value, key=repr))
