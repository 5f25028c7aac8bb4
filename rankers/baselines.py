"""Rankers that only read: the baselines that any other ranker has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..records import Candidate, PublicTask, Ranking
from .code import code_characters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Context, Need


class Random:
    """Any candidate, with equal chances: all are ties, so that rank-score@k is pass@1."""

    name = "random"
    version = "1"
    needs: frozenset[Need] = frozenset()
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Give all candidates one score."""
        return Ranking(scores=(0.0,) * len(candidates))


class First:
    """The candidate that was drawn first."""

    name = "first"
    version = "1"
    needs: frozenset[Need] = frozenset()
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by place among the arm's samples, which is not the place in `candidates`."""
        return Ranking(scores=tuple(-float(candidate.index) for candidate in candidates))


class Shortest:
    """The program with the least code, in characters, without comments, docstrings and layout."""

    name = "shortest"
    version = "1"
    needs: frozenset[Need] = frozenset()
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by length, the shortest highest."""
        return Ranking(scores=tuple(-float(code_characters(candidate.program)) for candidate in candidates))


class Longest:
    """The program with the most code, counted as for `shortest`."""

    name = "longest"
    version = "1"
    needs: frozenset[Need] = frozenset()
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by length, the longest highest."""
        return Ranking(scores=tuple(float(code_characters(candidate.program)) for candidate in candidates))
