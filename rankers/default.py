"""The ranker used where none is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..records import Candidate, PublicTask, Ranking
from .asserts import PER_SAMPLE
from .consensus import consensus, log_prior
from .inputs import told_apart
from .runs import Runs, execute, pool_of
from .simple import Examples
from .subsets import consensus_in, in_turn, rounded
from .text_signs import length_prior, unbound_prior
from .voting import votes, weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..estimators import FloatArray, IntArray
    from .protocol import Context, Need
    from .subsets import SubsetRanking

_DIGITS = 9
"""Digits kept of a score; equal programs may differ in a sum's last bits, and still tie."""


class Codebudget:
    """Visible examples first, then agreement weighed by generated tests, with a prior from the text.

    See `consensus` for the rule. Where a task has no generated tests, programs vote on inputs that are made up: see
    `inputs` for those and `voting` for the rule. Logprobs are not used.

    Args:
        tests: How many of the texts with tests are used, the first; 0 stands for all.
        asserts: How many asserts of one text, or pairs for a script, the first valid ones.
    """

    name = "codebudget"
    version = "2"
    needs: frozenset[Need] = frozenset({"execution"})
    uses: frozenset[Need] = frozenset({"tests"})
    ranks_scripts = True
    pointwise = False

    def __init__(self, tests: int = 0, asserts: int = PER_SAMPLE) -> None:
        self._tests, self._asserts = tests or None, asserts

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by place in the order: the best tied group highest."""
        held = Examples().rank(task, candidates, context).scores
        agreed = self._agreement(task, candidates, context, held)
        keys = [(share, round(score, _DIGITS)) for share, score in zip(held, agreed, strict=True)]
        places = {key: float(place) for place, key in enumerate(sorted(set(keys)))}
        return Ranking(scores=tuple(places[key] for key in keys))

    def subset_ranking(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> SubsetRanking:
        """See `RanksSubsets`; without tests one subset after the other, since inputs are made for its own programs."""
        executed = self._executed(task, candidates, context)
        if executed is None:
            return lambda subsets: np.array(
                [self.rank(task, [candidates[place] for place in row], context).scores for row in subsets.tolist()],
                np.float64,
            )
        held = np.array(Examples().rank(task, candidates, context).scores, np.float64)
        prior = log_prior(executed.programs, task.entry_point)

        def scores(subsets: IntArray) -> FloatArray:
            agreed = consensus_in(executed.executions, prior, executed.place[subsets])
            return in_turn([held[subsets], rounded(agreed, _DIGITS)])

        return scores

    def _executed(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Runs | None:
        if not context.has("tests"):
            return None
        return execute(task, candidates, context, tests=self._tests, per_sample=self._asserts)

    def _agreement(
        self, task: PublicTask, candidates: Sequence[Candidate], context: Context, held: Sequence[float]
    ) -> tuple[float, ...]:
        executed = self._executed(task, candidates, context)
        if executed is not None:
            prior = log_prior(executed.programs, task.entry_point)
            return executed.spread(consensus(executed.executions, prior))
        if not candidates:
            return ()
        pool = pool_of(candidates)
        told = told_apart(task, pool.programs, pool.copies, context.runner)
        shares = np.zeros(len(pool.programs))
        shares[pool.place] = held
        prior = log_prior(pool.programs, task.entry_point) + unbound_prior(pool.programs)
        weight = weights(pool.copies, prior, shares)
        if told.inputs:
            # Alone it would say little, and that wrongly: the longest program is hardly ever the best.
            prior = prior + length_prior(pool.programs, float(weight.sum()))
        return tuple(votes(told.outputs, weight, prior)[pool.place].tolist())
