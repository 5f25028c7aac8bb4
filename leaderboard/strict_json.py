"""Someone else's JSON, read into values that are safe to compute with, compare, print and write."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterable

Model = TypeVar("Model", bound=BaseModel)

MOST_DEPTH: Final = 32
"""Most levels of nested lists and objects; those of a run are less than ten deep."""

MOST_PARTS: Final = 16_000_000
"""Approximate values of one text: each takes up to a hundred bytes once read."""

_LARGEST: Final = 2**63 - 1
# Half a surrogate pair, a number that may be infinite, and one that may not go into 64 bits.
_DOUBTFUL: Final = re.compile(rb"\\u[dD][89a-fA-F]|[eE]\+?[0-9]{3}|[0-9]{19}")


def parse(data: bytes) -> Any:
    """Parse a JSON text.

    Raises:
        ValueError: It is not JSON in UTF-8; it is larger or deeper than any of a run; an object repeats a key; a number
            is not finite, or an integer of more than 64 bits; a text has half a surrogate pair.
    """
    if sum(map(data.count, (b",", b":", b"[", b"{"))) > MOST_PARTS:
        raise ValueError(f"it contains more than {MOST_PARTS} values")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _check(value, all_values=_DOUBTFUL.search(data) is not None)
    return value


def read_as(data: bytes, kind: type[Model]) -> Model:
    """Parse a JSON text as a model; a number written as text does not count.

    Raises:
        ValidationError: It is JSON, but not of that kind.
        ValueError: As `parse`.
    """
    parse(data)
    return kind.model_validate_json(data, strict=True)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _check(value: Any, all_values: bool) -> None:
    """Check every list and object without recursion, and every value if there is doubt."""
    level: list[Any] = [value]
    depth = 0
    while level:
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                _collect(one.values(), inner)
                if all_values:
                    _check_each(one.keys())
                    _check_each(one.values())
            elif isinstance(one, list):
                _collect(one, inner)
                if all_values:
                    _check_each(one)
            elif all_values:
                _check_each((one,))
        depth += 1
        if depth > MOST_DEPTH:
            raise ValueError("it is nested too deeply")
        level = inner


def _collect(values: Iterable[Any], into: list[Any]) -> None:
    into += [value for value in values if isinstance(value, dict | list)]


def _check_each(values: Iterable[Any]) -> None:
    for value in values:
        if isinstance(value, str):
            if not value.isascii():
                _check_text(value)
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError("a number in it is not finite")
        elif isinstance(value, int) and abs(value) > _LARGEST:
            raise ValueError("an integer in it does not fit in 64 bits")


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a string in it has half a surrogate pair") from None
