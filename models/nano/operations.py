"""Operations of the nano language: typed, each with several phrasings and several ways to write it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["ints", "words", "text", "int", "table", "bool"]
"""The types of values; `table` is a dictionary from words to numbers, and `bool` only ends a chain."""

ANNOTATIONS: Mapping[Kind, str] = {
    "ints": "list[int]",
    "words": "list[str]",
    "text": "str",
    "int": "int",
    "table": "dict[str, int]",
    "bool": "bool",
}

Slot = Literal["number", "factor", "count", "letter", "piece", "separator"]
"""Kinds of argument of an operation; `values.py` draws them."""


class Operation(NamedTuple):
    """One operation from type to type, total on values of its type.

    In `phrases` and `codes`, `$a` and `$b` are the arguments, and `$N`, `$W`, `$C` nouns for numbers, words and
    characters. In `codes`, `$x` is the input, `$o` the output, `$e` an element. A code with a line break is statements
    that assign `$o`; any other is an expression.
    """

    name: str
    source: Kind
    target: Kind
    slots: tuple[Slot, ...]
    phrases: tuple[str, ...]
    codes: tuple[str, ...]


def fill(template: str, values: Mapping[str, str]) -> str:
    """Replace each `$name` in a template."""
    return re.sub(r"\$(\w)", lambda match: values[match[1]], template)


def mapped(element: str) -> tuple[str, ...]:
    """Ways to write a list of `element` for each element of the input."""
    return (
        f"[{element} for $e in $x]",
        f"list(map(lambda $e: {element}, $x))",
        f"$o = []\nfor $e in $x:\n    $o.append({element})",
    )


def filtered(condition: str) -> tuple[str, ...]:
    """Ways to write the list of the elements that meet a condition."""
    return (
        f"[$e for $e in $x if {condition}]",
        f"list(filter(lambda $e: {condition}, $x))",
        f"$o = []\nfor $e in $x:\n    if {condition}:\n        $o.append($e)",
    )


def counted(condition: str) -> tuple[str, ...]:
    """Ways to count the elements that meet a condition."""
    return (
        f"sum(1 for $e in $x if {condition})",
        f"len([$e for $e in $x if {condition}])",
        f"$o = 0\nfor $e in $x:\n    if {condition}:\n        $o += 1",
    )


def summed(element: str) -> tuple[str, ...]:
    """Ways to add up `element` over the input."""
    return (f"sum({element} for $e in $x)", f"$o = 0\nfor $e in $x:\n    $o += {element}")


def joined(element: str, condition: str | None = None) -> tuple[str, ...]:
    """Ways to make a text of `element` for each character that meets a condition."""
    if condition is None:
        return (f"''.join({element} for $e in $x)", f"$o = ''\nfor $e in $x:\n    $o += {element}")
    return (
        f"''.join({element} for $e in $x if {condition})",
        f"$o = ''\nfor $e in $x:\n    if {condition}:\n        $o += {element}",
    )


def table_filtered(condition: str) -> tuple[str, ...]:
    """Ways to write the entries of a table that meet a condition on `$k` and `$v`."""
    return (
        f"{{$k: $v for $k, $v in $x.items() if {condition}}}",
        f"$o = {{}}\nfor $k, $v in $x.items():\n    if {condition}:\n        $o[$k] = $v",
    )


def table_mapped(key: str, value: str) -> tuple[str, ...]:
    """Ways to write a table with other keys or values."""
    return (
        f"{{{key}: {value} for $k, $v in $x.items()}}",
        f"$o = {{}}\nfor $k, $v in $x.items():\n    $o[{key}] = {value}",
    )
