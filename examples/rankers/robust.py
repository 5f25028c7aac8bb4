"""A ranker for codebudget in one file: programs that break on fewer inputs are more likely right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codebudget.rankers.asserts import asserts_in
from codebudget.rankers.pairs import pairs_in
from codebudget.records import Candidate, PublicTask, Ranking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codebudget.rankers import Context, Need


class Robust:
    """The candidate that returns a value for most calls of the visible examples and the generated tests.

    Of scripts, the one that runs on most inputs.

    Args:
        calls: How many calls are made, at most.
    """

    name = "robust"
    version = "1"
    needs: frozenset[Need] = frozenset({"execution"})
    uses: frozenset[Need] = frozenset({"tests"})
    ranks_scripts = True
    pointwise = True

    def __init__(self, calls: int = 20) -> None:
        self._calls = calls

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the share of calls that give a value; all are ties where no call is known."""
        texts = context.tests.samples if context.has("tests") else ()
        if task.is_script:
            calls = [case.input for case in task.cases] + [pair.case.input for pair in pairs_in(texts)]
        else:
            calls = [example.call for example in task.examples]
            calls += [found.call for found in asserts_in(texts, task.entry_point)]
        calls = list(dict.fromkeys(calls))[: self._calls]
        if not calls or not candidates:
            return Ranking(scores=(0.0,) * len(candidates))
        values = context.runner.values(task, [candidate.program for candidate in candidates], calls)
        return Ranking(scores=tuple((values != -1).mean(axis=1).tolist()))
