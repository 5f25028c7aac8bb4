"""Ranking by the examples that a task shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..records import Candidate, PublicTask, Ranking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Context, Need


class Examples:
    """The candidate that most of the task's visible examples hold for; all are ties where it shows none."""

    name = "examples"
    version = "1"
    needs: frozenset[Need] = frozenset({"execution"})
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the share of examples whose call gives what is expected."""
        if not task.examples or not candidates:
            return Ranking(scores=(0.0,) * len(candidates))
        checks = [f"({example.call}) == ({example.expected})" for example in task.examples]
        rows = context.runner.evaluate(task, [candidate.program for candidate in candidates], checks)
        held = [sum(cell.value == "True" for cell in row) for row in rows]
        return Ranking(scores=tuple(count / len(checks) for count in held))
