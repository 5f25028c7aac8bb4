"""Ranking by agreement of what candidates return."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..records import Candidate, PublicTask, Ranking
from .agreement import NO_VALUE
from .executability import calls_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Context, Need


class Majority:
    """The candidate that most others agree with on the inputs of generated tests, or else of the visible examples.

    All are ties without any. Minimum Bayes risk over execution results (Shi et al. 2022, section 3.2): two programs
    agree where they return equal values on all inputs, and a program that fails on one agrees with nobody. Expected
    outputs are not used.
    """

    name = "majority"
    version = "1"
    needs: frozenset[Need] = frozenset({"execution"})
    uses: frozenset[Need] = frozenset({"tests"})
    pointwise = False

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by how many candidates, itself among them, return what it returns; 0 where it fails."""
        calls = calls_of(task, context)
        if not calls or not candidates:
            return Ranking(scores=(0.0,) * len(candidates))
        rows = context.runner.values(task, [candidate.program for candidate in candidates], calls)
        returned = [tuple(row) for row in rows.tolist()]
        agreeing = Counter(values for values in returned if NO_VALUE not in values)
        return Ranking(scores=tuple(float(agreeing[values]) for values in returned))
