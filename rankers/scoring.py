"""Running a ranker over a task's candidates, and scoring its picks once verdicts are known."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from .._util import plugins
from ..errors import CodebudgetError, MachineError, RankerError, UserError
from ..estimators import (
    BoolArray,
    FloatArray,
    IntArray,
    rank_score_at_k,
    rank_score_at_k_by_subsets,
    rank_score_at_k_of_subsets,
    rank_score_at_ks,
)
from ..records import Candidate, PublicTask, Ranking
from .offers import NO_SCRIPTS, Account
from .protocol import Context, Ranker, ranks_scripts, uses_of
from .registry import is_foreign, origin
from .subsets import ranks_subsets, subset_ranking_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .subsets import SubsetRanking

Answer = TypeVar("Answer")


class TaskScore(NamedTuple):
    """Rank-score@k of one task, and the ranking of all its candidates with its cost."""

    score: float
    ranking: Ranking


class RankedPool:
    """All candidates of one task, ranked by one ranker that saw no verdict.

    `ranking` holds the cost of ranking all of them: wall-clock seconds, distinct programs run, FLOPs of scoring, and
    the tokens and FLOPs of drawing the tests that it was offered. Everything is run and scored once only; re-ranking
    subsets runs and scores nothing again.
    """

    def __init__(self, ranker: Ranker, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> None:
        self._ranker, self._task = ranker, task
        if task.is_script and not ranks_scripts(ranker):
            raise RankerError(f"{origin(ranker)} {NO_SCRIPTS}, and {task.id} asks for a script")
        self._account = Account(ranker, context)
        used = uses_of(ranker)
        if "logprobs" not in used:
            candidates = [
                one if one.logprobs is None else one.model_copy(update={"logprobs": None}) for one in candidates
            ]
        elif "logprobs" in ranker.needs and any(candidate.logprobs is None for candidate in candidates):
            raise MachineError(
                f"{origin(ranker)} uses the candidates' logprobs, but some of {task.id} have none; draw them with "
                "an engine that reports logprobs"
            )
        self._candidates = candidates
        self._is_foreign = is_foreign(ranker)
        self._subset_ranking: SubsetRanking | None = None
        start = time.perf_counter()
        ranking = self._rank(candidates)
        self.ranking = self._account.charge(ranking, time.perf_counter() - start)

    def score_at_k(self, passed: BoolArray, k: int, *, subsets: int = 200, seed: int) -> float:
        """Probability that the ranker's pick among k random candidates passes; see `estimators`.

        The closed form where scores are pointwise. Else the candidates are re-ranked inside each subset; the subsets
        depend on the task's id, the number of candidates, k and the seed, so that all rankers get the same ones.

        Raises:
            UndefinedEstimateError: There are fewer than k candidates.
            RankerError: The ranker breaks its contract.
            UserError: `passed` is not one value per candidate.
        """
        if len(passed) != len(self._candidates):
            raise UserError(
                f"{self._task.id} has {len(self._candidates)} candidates and {len(passed)} passes to score by"
            )
        if self._ranker.pointwise:
            return float(rank_score_at_k([np.array(self.ranking.scores, np.float64)], [passed], k)[0])
        if ranks_subsets(self._ranker):
            return rank_score_at_k_of_subsets(
                self._rank_subsets, passed, k, subsets=subsets, seed=seed, key=self._task.id
            )
        return rank_score_at_k_by_subsets(self._rank_subset, passed, k, subsets=subsets, seed=seed, key=self._task.id)

    def score_at_ks(self, passed: BoolArray, ks: Sequence[int], *, subsets: int = 200, seed: int) -> FloatArray:
        """`score_at_k` for several k: an array [ks].

        Raises:
            UndefinedEstimateError: There are fewer candidates than some k.
            RankerError: The ranker breaks its contract.
            UserError: `passed` is not one value per candidate.
        """
        if self._ranker.pointwise and len(passed) == len(self._candidates):
            return rank_score_at_ks(np.array(self.ranking.scores, np.float64), passed, ks)
        return np.array([self.score_at_k(passed, k, subsets=subsets, seed=seed) for k in ks], np.float64)

    def scores_within(self, subset: IntArray) -> FloatArray:
        """Score some of the candidates, by their places, as if there were no others.

        Raises:
            RankerError: The ranker breaks its contract.
        """
        if self._ranker.pointwise:
            return np.array(self.ranking.scores, np.float64)[subset]
        return self._rank_subset(subset)

    def _rank_subset(self, subset: IntArray) -> FloatArray:
        return np.array(self._rank([self._candidates[int(i)] for i in subset]).scores, np.float64)

    def _rank_subsets(self, subsets: IntArray) -> FloatArray:
        if self._subset_ranking is None:
            prepare = partial(subset_ranking_of, self._ranker, self._task, self._candidates, self._account.context)
            self._subset_ranking = self._asked(prepare)
        rank = self._subset_ranking
        scores = self._asked(lambda: np.asarray(rank(subsets), np.float64))
        if scores.shape != subsets.shape or not bool(np.isfinite(scores).all()):
            raise RankerError(
                f"{origin(self._ranker)} must give one finite score per candidate of each subset of {self._task.id}"
            )
        return scores

    def _rank(self, candidates: Sequence[Candidate]) -> Ranking:
        """Rank, enforcing the ranker's contract."""
        context = self._account.context
        ranking = self._asked(lambda: plain_ranking(self._ranker.rank(self._task, candidates, context)))
        if not isinstance(ranking, Ranking):
            raise RankerError(f"{origin(self._ranker)} must return a Ranking, not {type(ranking).__name__}")
        if len(ranking.scores) != len(candidates):
            raise RankerError(
                f"{origin(self._ranker)} gave {len(ranking.scores)} scores for {len(candidates)} candidates "
                f"of {self._task.id}"
            )
        if not all(math.isfinite(score) for score in ranking.scores):
            raise RankerError(f"{origin(self._ranker)} gave a non-finite score on {self._task.id}")
        return ranking

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        """Ask the ranker, holding what it raises."""
        if not self._is_foreign:
            return self._held(ask)
        with plugins.contained(self._failure):
            return self._held(ask)

    def _held(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except UserError as error:
            raise RankerError(f"{origin(self._ranker)} failed on {self._task.id}: {error}") from error
        except CodebudgetError:
            raise
        except Exception as error:  # a plug-in may raise anything; all of it is the plug-in's fault
            raise self._failure(plugins.cause_of(error)) from error

    def _failure(self, cause: str) -> RankerError:
        return RankerError(f"{origin(self._ranker)} failed on {self._task.id}: {cause}")


def plain_ranking(found: object) -> object:
    """Copy a ranker's result to a plain Ranking where its class is a subclass, which may have its own methods."""
    if not isinstance(found, Ranking) or type(found) is Ranking:
        return found
    return Ranking(**{name: getattr(found, name) for name in Ranking.model_fields})


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
        task: The task's visible part.
        candidates: All candidates of the task.
        passed: Whether each passes the hidden tests. The ranker is not shown it.
        k: Size of the subsets.
        context: Everything on offer; the ranker gets what it declared.
        subsets: How many subsets, where scores depend on the pool.
        seed: Chooses the subsets.

    Raises:
        UndefinedEstimateError: There are fewer than k candidates.
        MachineError: The context lacks what the ranker needs, or the sandbox failed.
        RankerError: The ranker breaks its contract.
    """
    pool = RankedPool(ranker, task, candidates, context)
    return TaskScore(pool.score_at_k(passed, k, subsets=subsets, seed=seed), pool.ranking)
