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
        # Each call beside its expected value, so that a call that never ends costs only the examples after it.
        expressions = [text for example in task.examples for text in (example.call, example.expected)]
        rows = context.runner.evaluate(task, [candidate.program for candidate in candidates], expressions)
        held = [
            sum(
                got.value is not None and got.value == wanted.value
                for got, wanted in zip(row[::2], row[1::2], strict=True)
            )
            for row in rows
        ]
        return Ranking(scores=tuple(count / len(task.examples) for count in held))
