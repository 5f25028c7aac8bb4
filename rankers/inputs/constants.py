"""Constants that a prompt or a program names: the values at which programs behave differently."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..._util.parsing import module

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST_EACH = 24
_LONGEST = 40
_LARGEST = 1_000_000
_QUOTED = re.compile(r"'([^'\n]{1,40})'|\"([^\"\n]{1,40})\"|`([^`\n]{1,40})`|\(\s*(\S{1,2})\s*\)")
_WORD = re.compile(r"[A-Za-z]{2,15}")
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,6}(?:\.\d{1,4})?(?![\w])")
_TYPES = frozenset({"int", "float", "str", "list", "dict", "bool", "tuple", "set"})


class Constants(NamedTuple):
    """Values named somewhere, each once, in order of appearance.

    Attributes:
        texts: Strings, such as separators and keywords.
        numbers: Integers and floats.
        words: Words of a prompt, in lower case.
        types: Names of builtin types that a program asks its arguments for.
    """

    texts: tuple[str, ...] = ()
    numbers: tuple[int | float, ...] = ()
    words: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is named that could be an argument."""
        return not (self.texts or self.numbers or self.types)

    def without(self, known: Constants) -> Constants:
        """Leave out what others name too."""
        return Constants(
            tuple(text for text in self.texts if text not in known.texts),
            tuple(number for number in self.numbers if number not in known.numbers),
            self.words,
            tuple(name for name in self.types if name not in known.types),
        )


def of_prose(prose: str) -> Constants:
    """Take a prompt's constants: what it quotes or puts in parentheses alone, its numbers and its words."""
    quoted = (next(filter(None, found.groups())) for found in _QUOTED.finditer(prose))
    numbers = (_number(found.group()) for found in _NUMBER.finditer(prose))
    words = (word.lower() for word in _WORD.findall(prose))
    return Constants(_first(quoted), _first(numbers), _first(words))


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


@lru_cache(maxsize=4096)
def of_program(program: str) -> Constants:
    """Take the constants out of a program, without docstrings and other standalone strings."""
    tree = module(program)
    if tree is None:
        return Constants()
    idle = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in idle]
    found: list[Any] = [node.value for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset))]
    texts = (value for value in found if isinstance(value, str) and 0 < len(value) <= _LONGEST)
    numbers = (
        value for value in found if type(value) in (int, float) and abs(value) <= _LARGEST and value not in (0, 1)
    )
    return Constants(_first(texts), _first(numbers), (), tuple(sorted(set(_asked_types(tree)))))


def _asked_types(tree: ast.Module) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            asked: Sequence[ast.AST] = node.args[1:]
        elif isinstance(node, ast.Compare) and _calls_type(node.left):
            asked = node.comparators
        else:
            continue
        for part in asked:
            yield from (each.id for each in ast.walk(part) if isinstance(each, ast.Name) and each.id in _TYPES)


def _calls_type(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type"


def _first(values: Iterable[object]) -> tuple[Any, ...]:
    distinct = dict.fromkeys((type(value), value) for value in values)
    return tuple(value for _, value in list(distinct)[:_MOST_EACH])
