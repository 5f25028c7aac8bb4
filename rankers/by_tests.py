"""Rankers by model-written tests, each after its paper; the rules are in `agreement`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from ..records import Candidate, PublicTask, Ranking
from . import agreement
from .asserts import PER_SAMPLE
from .runs import execute
from .subsets import aces_in, by_copies, one_by_one, srank_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..estimators import FloatArray, IntArray
    from .agreement import Executions
    from .protocol import Context, Need
    from .runs import Runs
    from .subsets import SubsetRanking


class _ByTests(ABC):
    """A rule over executions; all candidates tie on a task for which nobody wrote a valid test.

    Args:
        tests: How many of the texts with tests are used, the first; 0 stands for all.
        asserts: How many asserts of one text, or pairs for a script, the first valid ones.
    """

    version = "2"
    needs: frozenset[Need] = frozenset({"execution", "tests"})
    ranks_scripts = True
    pointwise = False

    def __init__(self, tests: int = 0, asserts: int = PER_SAMPLE) -> None:
        self._tests, self._asserts = tests or None, asserts

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the rule."""
        executed = self._executed(task, candidates, context)
        if executed is None:
            return Ranking(scores=(0.0,) * len(candidates))
        return Ranking(scores=executed.spread(self._score(executed.executions)))

    def subset_ranking(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> SubsetRanking:
        """See `RanksSubsets`."""
        executed = self._executed(task, candidates, context)
        if executed is None:
            return lambda subsets: np.zeros(subsets.shape)
        return lambda subsets: self._score_in(executed.executions, executed.place[subsets])

    def _executed(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Runs | None:
        return execute(task, candidates, context, tests=self._tests, per_sample=self._asserts)

    @abstractmethod
    def _score(self, executions: Executions) -> FloatArray:
        """One score per distinct program."""

    def _score_in(self, executions: Executions, rows: IntArray) -> FloatArray:
        """One score per candidate of each subset; see `subsets`."""
        return one_by_one(self._score, executions, rows)


class _ByCopies(_ByTests, ABC):
    """A rule that takes several pools."""

    def _score_in(self, executions: Executions, rows: IntArray) -> FloatArray:
        return by_copies(self._score, executions, rows)


class CodeT(_ByCopies):
    """Consensus sets by the programs and the generated tests in them: CodeT (Chen et al. 2022)."""

    name = "codet"

    def _score(self, executions: Executions) -> FloatArray:
        return agreement.codet(executions)


class MaxPass(_ByTests):
    """The candidate that passes most generated tests."""

    name = "maxpass"
    pointwise = True

    def _score(self, executions: Executions) -> FloatArray:
        return agreement.maxpass(executions)


class MbrExec(_ByCopies):
    """The candidate that most others agree with on the generated tests' inputs: MBR-exec (Shi et al. 2022)."""

    name = "mbr-exec"

    def _score(self, executions: Executions) -> FloatArray:
        return agreement.mbr_exec(executions)


class AlphaCode(_ByCopies):
    """The largest cluster of equal behaviour on the generated tests' inputs: AlphaCode (Li et al. 2022)."""

    name = "alphacode"

    def _score(self, executions: Executions) -> FloatArray:
        return agreement.alphacode(executions)


class SRank(_ByTests):
    """Clusters that agree in part lend each other their value: SRank (To et al. 2024)."""

    name = "srank"

    def _score(self, executions: Executions) -> FloatArray:
        return agreement.srank(executions)

    def _score_in(self, executions: Executions, rows: IntArray) -> FloatArray:
        return srank_in(executions, rows)


class Aces(_ByTests):
    """Generated tests weighted by how well they agree with the others: ACES-C (2026, arXiv 2604.03922)."""

    name = "aces"

    def _score(self, executions: Executions) -> FloatArray:
        return agreement.aces(executions)

    def _score_in(self, executions: Executions, rows: IntArray) -> FloatArray:
        return aces_in(executions, rows)


class B4(_ByCopies):
    """Consensus sets by the posterior of being the right one: B4 (Chen et al. 2024).

    Args:
        tests: How many of the texts with tests are used, the first; 0 stands for all.
        asserts: How many asserts of one text, or pairs for a script, the first valid ones.
        a: Pseudo-count for right programs and right tests.
        b0: Pseudo-count for wrong programs that fail wrong tests.
    """

    name = "b4"

    def __init__(self, tests: int = 0, asserts: int = PER_SAMPLE, a: float = 1e3, b0: float = 1e5) -> None:
        super().__init__(tests, asserts)
        self._a, self._b0 = a, b0

    def _score(self, executions: Executions) -> FloatArray:
        return agreement.b4(executions, a=self._a, b0=self._b0)
