"""What a program's text says where few others vote: names that nothing binds, and how much of it is code."""

from __future__ import annotations

import ast
import builtins
import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .._util.parsing import module
from .code import code_characters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..estimators import FloatArray, IntArray

_FAULT = 2.0
"""As a fault in `consensus`: the natural logarithm by which it lowers a program's odds."""

_LENGTH_VOTES = 1.0
"""Natural logarithm that a program e times as long gains where there is one voter; from 0.25 to 1 it matters little."""

_BUILTINS = frozenset({*dir(builtins), "__file__"})


def unbound_prior(programs: Sequence[str]) -> FloatArray:
    """Return the log of a prior against programs that read a name which nothing in them binds: [programs]."""
    return np.array([-_FAULT * reads_unbound(program) for program in programs], np.float64)


def length_prior(programs: Sequence[str], rows: IntArray, voters: FloatArray) -> FloatArray:
    """Return the log of a prior for programs with more code, up to a constant: [subsets, k].

    Programs that fail often leave cases out. It is shared among a subset's `voters`, so that it decides in small pools
    and hardly matters in large ones.

    Args:
        programs: The distinct ones.
        rows: [subsets, k]: the program of each candidate.
        voters: [subsets]: the weight of all votes.
    """
    lengths = np.array([_log_length(program) for program in programs], np.float64)[rows]
    share = _LENGTH_VOTES / np.maximum(1.0, voters)
    return np.asarray(share[:, None] * (lengths - lengths.max(axis=1, keepdims=True)), np.float64)


@lru_cache(maxsize=16384)
def _log_length(program: str) -> float:
    return math.log(1 + code_characters(program))


@lru_cache(maxsize=16384)
def reads_unbound(program: str) -> bool:
    """Whether a program reads a name that is no builtin and that nothing in it binds, in whatever scope.

    One that does not parse, or that imports all names of a module, is given the benefit of the doubt.
    """
    tree = module(program)
    if tree is None:
        return False
    nodes = list(ast.walk(tree))
    bound = {name for node in nodes for name in _bound(node)}
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return "*" not in bound and not read <= bound | _BUILTINS


def _bound(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.alias):
        return [(node.asname or node.name).partition(".")[0]]
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        return [node.name] if node.name else []
    return [node.rest] if isinstance(node, ast.MatchMapping) and node.rest else []
