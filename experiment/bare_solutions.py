"""Solutions that fail because they are graded without their prompt's imports and helpers."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .._util.hashing import key_of
from .._util.parsing import Effort, Function

if TYPE_CHECKING:
    from ..records import Task

_MAX_TOKENS: Final = 100_000
"""Per text: 0.3 s at worst."""

_MAX_EFFORT: Final = 20_000_000
"""For all texts together: a minute at worst."""


class BareSolutions:
    """Counter of solutions that fail and use a name that only their prompt binds."""

    def __init__(self) -> None:
        self._solutions = 0
        self._bare = 0
        self._names: dict[str, None] = {}
        self._known: dict[str, bool] = {}
        self._effort = Effort(_MAX_EFFORT)
        self._is_whole = True

    def add(self, task: Task, text: str | None, *, has_passed: bool) -> None:
        """Count a solution."""
        self._solutions += 1
        if has_passed or text is None:
            return
        given = _given(task.prompt, task.entry_point)
        if not given or not any(name in text for name in given):
            return
        key = key_of(task.id, text)
        if key not in self._known:
            is_affordable = self._effort.affords(text)
            self._is_whole &= is_affordable
            tree = Effort(_MAX_TOKENS).parse(text) if is_affordable else None
            lacking = set() if tree is None else given & _lacking(tree)
            self._known[key] = bool(lacking)
            self._names |= dict.fromkeys(sorted(lacking))
        self._bare += self._known[key]

    @property
    def lines(self) -> list[str]:
        """The hint, if there is any such solution."""
        if not self._bare:
            return []
        names = list(self._names)
        least = "" if self._is_whole else "at least "
        some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        return [
            f"{least}{self._bare} of {self._solutions} solutions fail here and use names that only their prompt "
            f"imports or defines ({some}); a solution is graded alone, but rank and compare put the prompt's imports "
            "before it, so they may score higher"
        ]


@lru_cache(maxsize=4096)
def _given(prompt: str, entry_point: str) -> frozenset[str]:
    """List the names that a prompt binds beside the entry point."""
    effort = Effort(_MAX_TOKENS)
    tree = effort.parse(prompt) or effort.parse(f"{prompt}\n    pass\n")
    return frozenset() if tree is None else frozenset(_bound(tree.body)) - {entry_point}


def _lacking(tree: ast.Module) -> set[str]:
    """List the names that a program reads but never binds; none if it imports all names of a module."""
    used: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.stmt):
            bound |= _bound([node])
    return set() if "*" in bound else used - bound


def _bound(statements: list[ast.stmt]) -> set[str]:
    """List what statements bind by importing, defining and assigning, without what is nested in them."""
    names: set[str] = set()
    for node in statements:
        if isinstance(node, Function | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names
