"""Asserts out of texts that a model wrote as tests."""

from __future__ import annotations

import ast
import copy
import warnings
from collections import Counter
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from .._util.parsing import UNPARSABLE, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint", "\n```")
"""Ends of a text of tests (Chen et al. 2022, "CodeT", appendix A), and of a fence in a chat answer."""

PER_SAMPLE = 5
"""Asserts kept from one text: the first valid ones (CodeT, section 3)."""

_MAX_CHARACTERS = 2000
_UNSAFE = frozenset(
    {"breakpoint", "compile", "delattr", "eval", "exec", "exit", "getattr", "globals", "help", "input", "locals"}
    | {"memoryview", "open", "quit", "setattr", "vars"}
)
"""Builtins that no honest test of a function's result needs, and that could reach the process that compares."""


class Assert(NamedTuple):
    """One distinct assert, as expressions.

    Attributes:
        holds: The condition as it was written, normalised.
        call: The call of the entry point that it is about.
        expected: The other side of the comparison, where the condition is `call == expected`; else None.
        copies: Texts that it is in, counted once in each place.
    """

    holds: str
    call: str
    expected: str | None
    copies: int


def asserts_in(samples: tuple[str, ...], entry_point: str, *, per_sample: int = PER_SAMPLE) -> tuple[Assert, ...]:
    """List the distinct asserts of some texts by first appearance; a text may begin within its first assert.

    As in CodeT, each text gives the first that compile and name the entry point. Of these, the ones that do not call
    it are left out, and those that reach for more than values: names or attributes that begin with an underscore, and
    builtins such as `eval`. A method may be called on any name or new instance, or by its name alone; it comes out as
    `Class().name`.
    """
    return _asserts_in(samples, entry_point, per_sample)


# Arms are ranked one after another, each on all tasks. A number left out and the same one given are two keys.
@lru_cache(maxsize=512)
def _asserts_in(samples: tuple[str, ...], entry_point: str, per_sample: int) -> tuple[Assert, ...]:
    owner, _, name = entry_point.rpartition(".")
    found: dict[str, tuple[str, str, str | None]] = {}
    counts: Counter[str] = Counter()
    for sample in samples:
        for written in islice(_conditions(sample, name), per_sample):
            condition = _ByName(name).visit(written) if owner else written
            if not _is_fit(condition, name):
                continue
            call, expected = _parts(condition, name)
            texts = (_unparsed(tree, owner, name) for tree in (condition, call, expected) if tree is not None)
            text, *parts = texts
            if text not in found:
                found[text] = (text, parts[0], parts[1] if expected is not None else None)
            counts[text] += 1
    return tuple(Assert(*parts, counts[text]) for text, parts in found.items())


def _conditions(sample: str, entry_point: str) -> Iterator[ast.expr]:
    for part in _truncated(sample).split("assert "):
        if entry_point not in part or len(part) > _MAX_CHARACTERS:
            continue
        condition = _condition(part.strip())
        if condition is not None:
            yield condition


def _truncated(sample: str) -> str:
    ends = [place for stop in STOP if (place := sample.find(stop)) != -1]
    return sample[: min(ends, default=len(sample))]


def _condition(text: str) -> ast.expr | None:
    """Parse the condition of the assert that `text` continues, leaving out later lines."""
    try:
        with warnings.catch_warnings():
            # Models write `x is 1`, which Python's compiler warns about.
            warnings.simplefilter("ignore")
            tree = parse("assert " + text)
            compile(tree, "<assert>", "exec", dont_inherit=True)
    except UNPARSABLE:
        return None
    (first, *_) = tree.body
    return first.test if isinstance(first, ast.Assert) else None


def _is_fit(condition: ast.expr, entry_point: str) -> bool:
    calls = False
    for node in ast.walk(condition):
        if isinstance(node, ast.Name) and (node.id in _UNSAFE or node.id.startswith("_")) and node.id != entry_point:
            return False
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            return False
        if isinstance(node, (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)):
            return False
        calls = calls or _is_call(node, entry_point)
    return calls


class _ByName(ast.NodeTransformer):
    """Makes calls of a method, on a name or a new instance, calls by its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Change a call, after those within."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == self._name:
            made = node.func.value.func if isinstance(node.func.value, ast.Call) else node.func.value
            if isinstance(made, ast.Name):
                node.func = ast.Name(self._name, ast.Load())
        return node


class _ByInstance(ast.NodeTransformer):
    """Makes those calls of the method of a new instance."""

    def __init__(self, owner: str, name: str) -> None:
        self._owner, self._name = owner, name

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Change a call, after those within."""
        self.generic_visit(node)
        if _is_call(node, self._name):
            made = ast.Call(ast.Name(self._owner, ast.Load()), [], [])
            node.func = ast.Attribute(made, self._name, ast.Load())
        return node


def _unparsed(tree: ast.expr, owner: str, name: str) -> str:
    if not owner:
        return ast.unparse(tree)
    return ast.unparse(_ByInstance(owner, name).visit(copy.deepcopy(tree)))


def _parts(condition: ast.expr, entry_point: str) -> tuple[ast.expr, ast.expr | None]:
    """Find a condition's call, and the value that it should equal."""
    if isinstance(condition, ast.Compare) and len(condition.ops) == 1 and isinstance(condition.ops[0], ast.Eq):
        sides = (condition.left, condition.comparators[0])
        for call, other in (sides, sides[::-1]):
            if _is_call(call, entry_point) and not _calls(other, entry_point) and not _calls(call, entry_point)[1:]:
                return call, other
    return _calls(condition, entry_point)[0], None


def _calls(tree: ast.AST, entry_point: str) -> Sequence[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_call(node, entry_point)]


def _is_call(node: ast.AST, entry_point: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == entry_point
