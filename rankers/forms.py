"""Which programs are the same but for names, comments and layout, so that copies of one cannot pass for many."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@lru_cache(maxsize=1 << 14)
def form(program: str, entry_point: str) -> str:
    """A text that two programs share where one is the other with its own names changed.

    Comments, layout and strings that stand alone do not count. Names of attributes and keywords do, and those of all
    that a program does not define itself. What does not parse is its own form.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(program)
        own = _own_names(tree) - {entry_point}
        _Renaming(own).visit(tree)
        return ast.dump(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return program


def copies(programs: Sequence[str], entry_point: str) -> tuple[int, ...]:
    """For each program, how many of all are of its form, itself among them."""
    forms = [form(program, entry_point) for program in programs]
    counts = Counter(forms)
    return tuple(counts[one] for one in forms)


def _own_names(tree: ast.AST) -> set[str]:
    """Names that a program gives to what it defines, and that nothing but names refers to."""
    bound: set[str] = set()
    fixed: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)):
            bound.add(node.name or "")
        elif isinstance(node, ast.Attribute):
            fixed.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            fixed.add(node.arg)
        elif isinstance(node, ast.alias):
            fixed.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            fixed.add(node.name)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            fixed.update(node.names)
    return bound - fixed


class _Renaming(ast.NodeTransformer):
    """Numbers a program's own names in the order in which they appear, and drops strings that stand alone."""

    def __init__(self, own: set[str]) -> None:
        self._own = own
        self._numbers: dict[str, str] = {}

    def visit(self, node: ast.AST) -> ast.AST | None:
        """Change one node, then those within."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        for field in ("id", "arg", "name"):
            name = getattr(node, field, None)
            if isinstance(name, str) and name in self._own and not isinstance(node, (ast.keyword, ast.alias)):
                setattr(node, field, self._numbers.setdefault(name, f"#{len(self._numbers)}"))
        return self.generic_visit(node)
