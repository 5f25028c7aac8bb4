"""Running a ranker over a task's candidates, and scoring its picks once verdicts are known."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import CodebudgetError, MachineError, UserError
from ..estimators import (
    BoolArray,
    FloatArray,
    IntArray,
    rank_score_at_k,
    rank_score_at_k_by_subsets,
    rank_score_at_ks,
)
from ..records import Candidate, PublicTask, Ranking
from .execution import RememberingRunner
from .protocol import Context, Ranker
from .registry import origin

if TYPE_CHECKING:
    from collections.abc import Sequence


class TaskScore(NamedTuple):
    """Rank-score@k of one task, and the ranking of all its candidates with what that cost."""

    score: float
    ranking: Ranking


class RankedPool:
    """All candidates of one task, ranked by one ranker that was shown no verdict.

    `ranking` holds what ranking all of them cost: seconds by the clock, distinct programs run, and whatever else the
    ranker reported. The candidates' programs are run for it once; ranking subsets anew runs none of them again.
    """

    def __init__(self, ranker: Ranker, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> None:
        self._ranker, self._task, self._candidates = ranker, task, candidates
        self._runner = _offered_runner(ranker, context)
        self._context = Context(context.rng, self._runner)
        start = time.perf_counter()
        ranking = self._rank(candidates)
        wall_s = time.perf_counter() - start
        executions = 0
        if self._runner is not None:
            wall_s += self._runner.charged_s - self._runner.waited_s
            executions = self._runner.executions
        usage = ranking.usage.model_copy(update={"wall_s": wall_s})
        self.ranking = ranking.model_copy(update={"usage": usage, "executions": executions})

    def score_at_k(self, passed: BoolArray, k: int, *, subsets: int = 200, seed: int) -> float:
        """Probability that the ranker's pick among k random candidates passes; see `estimators`.

        The closed form where scores are pointwise. Else the candidates are ranked anew inside each subset; the subsets
        depend on the task's id, the number of candidates, k and the seed, so that all rankers meet the same ones.

        Raises:
            UndefinedEstimateError: There are fewer than k candidates.
            UserError: The ranker breaks its contract, or `passed` is not one value per candidate.
        """
        if len(passed) != len(self._candidates):
            raise UserError(
                f"{self._task.id} has {len(self._candidates)} candidates and {len(passed)} passes to score by"
            )
        if self._ranker.pointwise:
            return float(rank_score_at_k([np.array(self.ranking.scores, np.float64)], [passed], k)[0])
        return rank_score_at_k_by_subsets(self._rank_subset, passed, k, subsets=subsets, seed=seed, key=self._task.id)

    def score_at_ks(self, passed: BoolArray, ks: Sequence[int], *, subsets: int = 200, seed: int) -> FloatArray:
        """`score_at_k` for several k: an array [ks].

        Raises:
            UndefinedEstimateError: There are fewer candidates than some k.
            UserError: The ranker breaks its contract, or `passed` is not one value per candidate.
        """
        if self._ranker.pointwise and len(passed) == len(self._candidates):
            return rank_score_at_ks(np.array(self.ranking.scores, np.float64), passed, ks)
        return np.array([self.score_at_k(passed, k, subsets=subsets, seed=seed) for k in ks], np.float64)

    def _rank_subset(self, subset: IntArray) -> FloatArray:
        return np.array(self._rank([self._candidates[int(i)] for i in subset]).scores, np.float64)

    def _rank(self, candidates: Sequence[Candidate]) -> Ranking:
        """Rank, and hold the ranker to its contract."""
        try:
            ranking = self._ranker.rank(self._task, candidates, self._context)
        except UserError as error:
            raise UserError(f"{origin(self._ranker)} failed on {self._task.id}: {error}") from error
        except CodebudgetError:
            raise
        except Exception as error:  # a plug-in may raise anything; all of it is the plug-in's fault
            cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise UserError(f"{origin(self._ranker)} failed on {self._task.id}: {cause}") from error
        if not isinstance(ranking, Ranking):
            raise UserError(f"{origin(self._ranker)} must return a Ranking, not {type(ranking).__name__}")
        if len(ranking.scores) != len(candidates):
            raise UserError(
                f"{origin(self._ranker)} gave {len(ranking.scores)} scores for {len(candidates)} candidates "
                f"of {self._task.id}"
            )
        if not all(math.isfinite(score) for score in ranking.scores):
            raise UserError(f"{origin(self._ranker)} gave a score that is not finite on {self._task.id}")
        return ranking


def score_task(
    ranker: Ranker,
    task: PublicTask,
    candidates: Sequence[Candidate],
    passed: BoolArray,
    k: int,
    context: Context,
    *,
    subsets: int = 200,
    seed: int,
) -> TaskScore:
    """Rank a task's candidates and score the pick among k of them; for several k, use `RankedPool`.

    Args:
        ranker: The ranker.
        task: What may be seen of the task.
        candidates: All candidates of the task.
        passed: Whether each passes the hidden tests. The ranker is not shown it.
        k: Size of the subsets.
        context: What may be offered to the ranker; it gets what it declared.
        subsets: How many subsets, where scores depend on the pool.
        seed: Chooses the subsets.

    Raises:
        UndefinedEstimateError: There are fewer than k candidates.
        MachineError: The ranker runs programs and the context has no runner, or the sandbox failed.
        UserError: The ranker breaks its contract.
    """
    pool = RankedPool(ranker, task, candidates, context)
    return TaskScore(pool.score_at_k(passed, k, subsets=subsets, seed=seed), pool.ranking)


def _offered_runner(ranker: Ranker, context: Context) -> RememberingRunner | None:
    if "execution" not in ranker.needs:
        return None
    if not context.has_runner:
        raise MachineError(
            f"{origin(ranker)} runs programs, and there is no sandbox at hand: choose one with --sandbox"
        )
    return RememberingRunner(context.runner)
