"""The ranker used where none is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..records import Candidate, PublicTask, Ranking
from .asserts import PER_SAMPLE
from .consensus import consensus, log_prior
from .inputs import told_apart
from .runs import execute, pool_of
from .simple import Examples
from .text_signs import length_prior, unbound_prior
from .voting import votes, weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Context, Need

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

    def _agreement(
        self, task: PublicTask, candidates: Sequence[Candidate], context: Context, held: Sequence[float]
    ) -> tuple[float, ...]:
        if context.has("tests"):
            executed = execute(task, candidates, context, tests=self._tests, per_sample=self._asserts)
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
