"""Ranking by whether a program runs at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..records import Candidate, PublicTask, Ranking
from .asserts import asserts_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Context, Need


class Executability:
    """The candidates that run without an error: on the inputs of generated tests, or else of the visible examples.

    The filter of Coder-Reviewer (Zhang et al. 2022, section 3.3); all others are ties, so that it is a link for chains.
    Where no inputs are known, a program that loads and defines the entry point runs.
    """

    name = "executability"
    version = "1"
    needs: frozenset[Need] = frozenset({"execution"})
    uses: frozenset[Need] = frozenset({"tests"})
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score 1 where no call fails, else 0."""
        calls = calls_of(task, context) or [f"callable({task.entry_point})"]
        values = context.runner.values(task, [candidate.program for candidate in candidates], calls)
        return Ranking(scores=tuple(float(runs) for runs in (values != -1).all(axis=1)))


def calls_of(task: PublicTask, context: Context) -> list[str]:
    """The distinct calls of the generated tests, or where there are none those of the visible examples."""
    samples = tuple(context.tests.samples) if context.has("tests") else ()
    calls = [found.call for found in asserts_in(samples, task.entry_point)]
    return list(dict.fromkeys(calls or [example.call for example in task.examples]))
