"""Kinds of arguments: from annotations and examples, or guessed from names and from the words of a prompt."""

from __future__ import annotations

import ast
import itertools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ..._util.parsing import Function, expression

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Kind(NamedTuple):
    """A type of argument: the name of a builtin type or `any`, and the kinds of its items.

    A list, a set and a tuple of any length have one item; a dict has two, its keys' and its values'; none where they
    are left open. A tuple of fixed length has `fixed` and an item for each place.
    """

    name: str
    items: tuple[Kind, ...] = ()
    fixed: bool = False

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(map(str, self.items))}]" if self.items else self.name


INT, FLOAT, STR, BOOL, ANY, NONE = map(Kind, ("int", "float", "str", "bool", "any", "NoneType"))


def list_of(item: Kind) -> Kind:
    """Make the kind of a list of such items."""
    return Kind("list", (item,))


_PLAIN = {
    "int": INT, "integer": INT, "float": FLOAT, "number": FLOAT, "real": FLOAT, "str": STR, "string": STR,
    "text": STR, "bool": BOOL, "any": ANY, "object": ANY, "none": NONE, "bytes": Kind("bytes"),
}  # fmt: skip
_CONTAINERS = {
    "list": "list", "sequence": "list", "iterable": "list", "collection": "list", "mutablesequence": "list",
    "iterator": "list", "deque": "list", "array": "list", "tuple": "tuple", "set": "set", "frozenset": "set",
    "abstractset": "set", "dict": "dict", "mapping": "dict", "mutablemapping": "dict", "defaultdict": "dict",
}  # fmt: skip
_WRAPPERS = frozenset({"optional", "union", "annotated", "final"})
_DEEPEST = 4


def of_annotation(node: ast.expr | None, depth: int = _DEEPEST) -> Kind | None:
    """Read an annotation; None where it says nothing of use."""
    if node is None or depth == 0:
        return None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        parsed = expression(node.value)
        return None if parsed is None else of_annotation(parsed.body, depth - 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _first_of([node.left, node.right], depth)
    if isinstance(node, ast.Subscript):
        name = _name_of(node.value)
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name in _WRAPPERS:
            return _first_of(inner, depth)
        container = _CONTAINERS.get(name)
        return None if container is None else _container(container, inner, depth)
    name = _name_of(node)
    if name in _CONTAINERS:
        return Kind(_CONTAINERS[name])
    return _PLAIN.get(name)


def _first_of(nodes: Sequence[ast.expr], depth: int) -> Kind | None:
    found = [kind for node in nodes if (kind := of_annotation(node, depth - 1)) is not None]
    return next((kind for kind in found if kind != NONE), None)


def _container(name: str, inner: Sequence[ast.expr], depth: int) -> Kind:
    is_open = len(inner) == 2 and isinstance(inner[1], ast.Constant) and inner[1].value is Ellipsis
    kinds = tuple(of_annotation(node, depth - 1) or ANY for node in (inner[:1] if is_open else inner))
    if name == "dict":
        return Kind(name, (*kinds, ANY, ANY)[:2])
    if name == "tuple" and not is_open:
        return Kind(name, kinds, fixed=True)
    return Kind(name, kinds[:1])


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and node.value is None:
        return "none"
    return (node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else "").lower()


def is_open(kind: Kind) -> bool:
    """Whether a container's items are left open."""
    return any(map(is_open, kind.items)) if kind.items or kind.fixed else kind.name in _CONTAINERS


def of_value(value: Any, depth: int = _DEEPEST) -> Kind:
    """Find the kind of a literal; items of several kinds are `any`, an int among floats is a float."""
    name = type(value).__name__
    if name == "frozenset":
        name = "set"
    if depth == 0 or not isinstance(value, (list, tuple, set, frozenset, dict)):
        return Kind(name)
    if not value:
        return Kind(name)
    if isinstance(value, dict):
        return Kind(name, (_common(value, depth), _common(value.values(), depth)))
    if isinstance(value, tuple) and len(value) <= _LONGEST_FIXED:
        return Kind(name, tuple(of_value(item, depth - 1) for item in value), fixed=True)
    return Kind(name, (_common(value, depth),))


_LONGEST_FIXED = 4


def _common(values: Any, depth: int) -> Kind:
    kinds = [of_value(value, depth - 1) for value in values]
    return joined(kinds)


def joined(kinds: Sequence[Kind]) -> Kind:
    """Find one kind for several, such as those of an argument in each of a task's examples."""
    distinct = [kind for kind in dict.fromkeys(kinds) if kind != NONE]
    names = {kind.name for kind in distinct}
    if names == {"int", "float"}:
        return FLOAT
    if len(names) != 1:
        return ANY
    (name,) = names
    told = [kind for kind in distinct if kind.items]
    if not told:
        return Kind(name)
    lengths = {len(kind.items) for kind in told}
    if name == "dict" or (all(kind.fixed for kind in told) and len(lengths) == 1):
        places = zip(*(kind.items for kind in told), strict=True)
        return Kind(name, tuple(joined(items) for items in places), fixed=name == "tuple")
    return Kind(name, (joined([item for kind in told for item in kind.items]),))


class Guess(NamedTuple):
    """A kind, and how much of a name or prompt speaks for it."""

    kind: Kind
    weight: float


_NUMBERS = list_of(INT)
_TEXTS = list_of(STR)
_ROWS = list_of(list_of(INT))
_BY_NAME: tuple[tuple[str, Kind, float], ...] = (
    (
        r"(lst|list|arr|array|nums|numbers|values|xs|ys|items|elements|ints|seq|l|l\d|data|scores|digits|v)\d*s?",
        _NUMBERS,
        2.0,
    ),
    (r"(words|strings|strs|names|texts|sentences|lines|letters|tokens)\d*", _TEXTS, 2.0),
    (r"(grid|matrix|mat|board|rows|points|pairs|intervals|edges|graph|table|lists)\d*", _ROWS, 2.0),
    (r"(s|t|str|string|text|txt|word|sentence|phrase|line|message|name)\d*", STR, 1.0),
    (r"(sub|substring|char|ch|c|letter|prefix|suffix)\d*", STR, 1.0),
    (r"(string|text|txt|str|word|sentence|phrase|message|name|date|time|path|url)\w*", STR, 1.0),
    (r"(email|file|key|brackets|title)\w*", STR, 1.0),
    (r"(n|k|m|x|y|z|a|b|i|j|num|number|count|size|length|limit|base)\d*", INT, 1.5),
    (r"(year|day|month|age|index|idx|start|end|step|target)\d*", INT, 1.5),
    (r"\w*_?(count|num|number|size|length|idx|index|limit)", INT, 1.0),
    (r"(price|rate|ratio|threshold|epsilon|tol|tolerance|weight|amount|celsius|fahrenheit|radius)\w*", FLOAT, 1.5),
    (r"(d|dct|dict|dictionary|map|mapping|counts|freq)\d*", Kind("dict", (STR, INT)), 2.0),
    (r"(is|has|should|flag|reverse|ascending)(_\w+)?", BOOL, 1.5),
)
_SEVERAL = r"(?:lists?|arrays?|sequences?|collections?|vectors?|tuples?|rows?|series|group)"
_ADJECTIVES = r"(?:[\w-]+\s+){0,2}?"
_BY_WORDS: tuple[tuple[str, Kind, float], ...] = (
    (rf"{_SEVERAL}\s+of\s+{_ADJECTIVES}(?:strings?|words?|names?|characters?|letters|texts?)", _TEXTS, 2.0),
    (rf"{_SEVERAL}\s+of\s+{_ADJECTIVES}(?:integers?|ints?|numbers?|digits?|values?|elements?)", _NUMBERS, 2.0),
    (rf"{_SEVERAL}\s+of\s+{_ADJECTIVES}(?:floats?|reals?|decimals?|floating)", list_of(FLOAT), 2.0),
    (rf"{_SEVERAL}\s+of\s+{_ADJECTIVES}(?:lists?|arrays?|tuples?|pairs?|rows?)", _ROWS, 2.0),
    (r"\b2d\b|matrix|matrices|\bgrid\b", _ROWS, 2.0),
    (_SEVERAL, _NUMBERS, 0.8),
    (_SEVERAL, _TEXTS, 0.3),
    (r"strings?|texts?|sentences?|words?|\bstr\b|paragraph|characters?|letters?", STR, 1.2),
    (r"integers?|numbers?|\bints?\b|digits", INT, 1.0),
    (r"floats?|floating|decimals?|real numbers?", FLOAT, 1.0),
    (r"dictionar(?:y|ies)|\bdicts?\b|mappings?|hash ?maps?", Kind("dict", (STR, INT)), 1.5),
    (r"booleans?", BOOL, 0.5),
)  # fmt: skip
_ALWAYS = {INT: 0.3, STR: 0.3, _NUMBERS: 0.3}
_NEAR = 30
_MOST_CHARACTERS = 4000


def guesses(parameter: str, prose: str) -> list[Guess]:
    """Guess what an argument may be, likeliest first, from its parameter's name and what a prompt says near it."""
    weights = dict(_ALWAYS)
    name, prose = parameter.lower(), prose[:_MOST_CHARACTERS].lower()
    for pattern, kind, weight in _BY_NAME:
        if re.fullmatch(pattern, name):
            weights[kind] = max(weight, weights.get(kind, 0.0))
    near = " | ".join(_near(name, prose))
    for pattern, kind, weight in _BY_WORDS:
        found = weight * bool(re.search(pattern, near)) + 0.5 * weight * bool(re.search(pattern, prose))
        weights[kind] = weights.get(kind, 0.0) + found
    ranked = sorted(weights.items(), key=lambda pair: -pair[1])
    return [Guess(kind, weight) for kind, weight in ranked]


def _near(name: str, prose: str) -> Iterator[str]:
    for found in itertools.islice(re.finditer(rf"(?<![\w]){re.escape(name)}(?![\w])", prose), 20):
        yield prose[max(0, found.start() - _NEAR) : found.start()]
        yield prose[found.end() : found.end() + _NEAR]


class Parameter(NamedTuple):
    """A parameter that a call must give: its name, and its annotation's kind if it has one."""

    name: str
    kind: Kind | None


def parameters_of(function: Function, *, is_method: bool) -> tuple[Parameter, ...]:
    """List the parameters that a call must give, without a method's first."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args]
    required = named[: len(named) - len(arguments.defaults)]
    if is_method:
        required = required[1:]
    return tuple(Parameter(each.arg, of_annotation(each.annotation)) for each in required)
