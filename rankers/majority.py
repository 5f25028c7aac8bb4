"""Ranking by agreement of what candidates return."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..records import Candidate, PublicTask, Ranking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Context, Need


class Majority:
    """The candidate that most others agree with on the inputs of the visible examples; all are ties without any.

    Minimum Bayes risk over execution results (Shi et al. 2022, section 3.2): two programs agree where they return equal
    values on all inputs, and a program that fails on one agrees with nobody. Expected outputs are not used.
    """

    name = "majority"
    version = "1"
    needs: frozenset[Need] = frozenset({"execution"})
    pointwise = False

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by how many candidates, itself among them, return what it returns; 0 where it fails."""
        if not task.examples or not candidates:
            return Ranking(scores=(0.0,) * len(candidates))
        calls = [example.call for example in task.examples]
        rows = context.runner.evaluate(task, [candidate.program for candidate in candidates], calls)
        returned = [tuple(cell.value for cell in row) for row in rows]
        agreeing = Counter(values for values in returned if None not in values)
        return Ranking(scores=tuple(float(agreeing[values]) for values in returned))
