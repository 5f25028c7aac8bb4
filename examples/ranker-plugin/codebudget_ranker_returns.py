"""A ranker for codebudget: a function that can fall off its end is probably not finished."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

from codebudget.records import Candidate, PublicTask, Ranking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codebudget.rankers import Context, Need


class Returns:
    """The program whose entry point returns or raises on every path; then any that at least defines it."""

    name = "returns"
    version = "1"
    needs: frozenset[Need] = frozenset()
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score 2 where every path ends, 1 where the entry point is there, 0 where it is not or nothing parses."""
        return Ranking(scores=tuple(_score(candidate.program, task.entry_point) for candidate in candidates))


def _score(program: str, entry_point: str) -> float:
    try:
        with warnings.catch_warnings(action="ignore"):  # of the candidate's own literals
            tree = ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 0.0
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry_point]
    if not functions:
        return 0.0
    return 2.0 if _always_ends(functions[-1].body) else 1.0  # the last definition is the one that counts


def _always_ends(body: list[ast.stmt]) -> bool:
    """Whether no path runs past the last of these statements."""
    return any(_ends(statement) for statement in body)


def _ends(statement: ast.stmt) -> bool:
    match statement:
        case ast.Return() | ast.Raise():
            return True
        case ast.If(body=body, orelse=orelse):
            return _always_ends(body) and _always_ends(orelse)
        case ast.With(body=body):
            return _always_ends(body)
        case ast.While(test=ast.Constant(value=True), body=body):
            return not any(isinstance(node, ast.Break) for inner in body for node in ast.walk(inner))
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
            main = _always_ends(body) or _always_ends(orelse)
            return _always_ends(finalbody) or (main and all(_always_ends(handler.body) for handler in handlers))
    return False
