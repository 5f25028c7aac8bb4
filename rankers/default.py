"""The ranker used where none is named."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..records import Ranking
from .asserts import PER_SAMPLE
from .consensus import consensus, log_prior
from .inputs import shared_calls, told_apart
from .runs import calls_of_tests, execute, pool_of
from .simple import Examples, shown_calls
from .subsets import in_turn, rounded
from .text_signs import length_prior, unbound_prior
from .voting import votes, weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..estimators import FloatArray, IntArray
    from ..records import Candidate, PublicTask
    from .agreement import Executions
    from .protocol import Context, Execution, Need
    from .runs import Pool
    from .subsets import SubsetRanking

_DIGITS = 9
"""Digits kept of a score; equal programs may differ in a sum's last bits, and still tie."""


class Codebudget:
    """Visible examples first, then agreement weighed by generated tests, with a prior from the text.

    See `consensus` for the rule. Inputs that are made up are added to those of the tests; where a task has no generated
    tests, programs vote on them: see `inputs` for those and `voting` for the rule. Logprobs are not used.

    Args:
        tests: How many of the texts with tests are used, the first; 0 stands for all.
        asserts: How many asserts of one text, or pairs for a script, the first valid ones.
    """

    name = "codebudget"
    version = "4"
    needs: frozenset[Need] = frozenset({"execution"})
    uses: frozenset[Need] = frozenset({"tests"})
    ranks_scripts = True
    pointwise = False

    def __init__(self, tests: int = 0, asserts: int = PER_SAMPLE) -> None:
        self._tests, self._asserts = tests or None, asserts

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by place in the order: the best tied group highest."""
        if not candidates:
            return Ranking(scores=())
        (found,) = self.subset_ranking(task, candidates, context)(np.arange(len(candidates))[None])
        return Ranking(scores=tuple(np.unique(found, return_inverse=True)[1].astype(np.float64).tolist()))

    def subset_ranking(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> SubsetRanking:
        """See `RanksSubsets`."""
        pool, runs = pool_of(candidates), None
        self._foresee(task, pool.programs, context)
        held = np.array(Examples().rank(task, candidates, context).scores, np.float64)
        if context.has("tests"):
            runs = execute(task, candidates, context, tests=self._tests, per_sample=self._asserts)
        prior = log_prior(pool.programs, task.entry_point) + unbound_prior(pool.programs)
        known = _Pool(task, pool, held, prior, context.runner)
        agreed = partial(_tested, known, runs.executions) if runs else partial(_voted, known)
        return lambda subsets: in_turn([held[subsets], rounded(agreed(subsets), _DIGITS)])

    def _foresee(self, task: PublicTask, programs: Sequence[str], context: Context) -> None:
        """Run each program once on all that is known to be asked for: much of a run is its start."""
        if task.is_script:
            return
        tested = []
        if context.has("tests"):
            tested = calls_of_tests(task, context, tests=self._tests, per_sample=self._asserts)
        known = [calls for calls in (shown_calls(task), tested, shared_calls(task, programs)) if calls]
        if known:
            context.runner.foresee(task, programs, known[0], list(itertools.chain.from_iterable(known[1:])))


class _Pool(NamedTuple):
    """A task's candidates, the share of the examples that holds for each, and their programs' prior."""

    task: PublicTask
    pool: Pool
    held: FloatArray
    prior: FloatArray
    runner: Execution


def _tested(of: _Pool, executions: Executions, subsets: IntArray) -> FloatArray:
    """Score by the generated tests, where inputs that are made up tell programs apart as theirs do."""
    rows = of.pool.place[subsets]
    scores = np.empty(rows.shape, np.float64)
    for told in told_apart(of.task, of.pool.programs, rows, of.runner, own=False):
        outputs = np.concatenate([executions.outputs, told.outputs], axis=1)
        scores[told.places] = consensus(executions._replace(outputs=outputs), of.prior, rows[told.places])
    return scores


def _voted(of: _Pool, subsets: IntArray) -> FloatArray:
    """Score by the votes on inputs that are made up."""
    rows = of.pool.place[subsets]
    prior = of.prior[rows]
    weight = weights(prior, of.held[subsets])
    scores = np.empty(rows.shape, np.float64)
    for told in told_apart(of.task, of.pool.programs, rows, of.runner):
        some = told.places
        scores[some] = votes(told.outputs, told.used, rows[some], weight[some])
        # Alone it would say little, and that wrongly: the longest program is hardly ever the best.
        length = length_prior(of.pool.programs, rows[some], weight[some].sum(axis=1))
        scores[some] += prior[some] + np.where(told.used.any(axis=1, keepdims=True), length, 0.0)
    return scores
