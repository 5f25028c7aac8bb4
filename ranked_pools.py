"""Rankers over an arm's graded candidates: what they pick, what that costs, and what is left of a budget then."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .errors import RankerError
from .estimators import PASS_AT_K, pass_at_k
from .pools import public_task
from .rankers import Offers, RankedPool, Ranker, RememberingRunner, RememberingScorer, is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .estimators import FloatArray, IntArray
    from .grading import Grader, Progress
    from .pools import Graded, Pool
    from .records import Outcome, PublicTask, Ranking, Task, Usage

NOTHING = Offers()
"""What rankers are offered where nobody gave more than the candidates."""


class RankedTask(NamedTuple):
    """One ranker on one task: all candidates ranked, with what that cost, and rank-score@k by k.

    `left` is the k that is left of a budget once ranking is paid for, and the score at it.
    """

    ranking: Ranking
    at_k: dict[int, float]
    left: tuple[int, float] | None = None


class RankingCost(NamedTuple):
    """FLOPs of ranking one task: for each candidate, and however many there are."""

    per_candidate_flops: float
    fixed_flops: float


class PoolScores(NamedTuple):
    """Scores of one arm by metric, `pass_at_k` and rankers, arrays [tasks, ks], at the k in `ks`, ascending."""

    ks: IntArray
    scores: dict[str, FloatArray]

    def at(self, metric: str, ks: IntArray) -> FloatArray:
        """Scores at some of the k, [tasks, len(ks)]."""
        return self.scores[metric][:, np.searchsorted(self.ks, ks)]


def score_pool(
    spec: str,
    pool: Pool,
    tasks: Sequence[Task],
    ks: IntArray,
    rankers: Mapping[str, Ranker],
    grader: Grader,
    *,
    offers: Offers = NOTHING,
    seed: int,
    progress: Progress,
) -> PoolScores:
    """Score an arm at several k from one pool of samples.

    Args:
        spec: The arm, for progress.
        pool: Its graded candidates.
        tasks: Those to score.
        ks: Ascending; none exceeds a task's samples.
        rankers: By the name that the user typed.
        grader: What rankers run programs with.
        offers: What else rankers may use.
        seed: Of subsets and rankers.
        progress: Is told how far ranking is.

    Raises:
        RankerError: A ranker failed.
    """
    counts = np.array([len(pool[task.id].verdicts) for task in tasks], np.int64)
    passes = np.array([int(pool[task.id].passed.sum()) for task in tasks], np.int64)
    shape = (len(tasks), len(ks))
    scores = {PASS_AT_K: np.empty(shape), **{name: np.empty(shape) for name in rankers}}
    for place, k in enumerate(ks):
        scores[PASS_AT_K][:, place] = pass_at_k(counts, passes, int(k))
    if not rankers or not len(ks):
        return PoolScores(ks, scores)
    ranked = rank_pool(spec, pool, tasks, ks.tolist(), rankers, grader, offers=offers, seed=seed, progress=progress)
    for name, rows in ranked.items():
        for place, row in enumerate(rows):
            scores[name][place] = list(row.at_k.values())
    return PoolScores(ks, scores)


def rank_pool(
    spec: str,
    pool: Pool,
    tasks: Sequence[Task],
    ks: Sequence[int],
    rankers: Mapping[str, Ranker],
    grader: Grader,
    *,
    offers: Offers = NOTHING,
    seed: int,
    progress: Progress,
    failures: dict[str, str] | None = None,
    k_left: Callable[[float, float], int] | None = None,
) -> dict[str, list[RankedTask]]:
    """Rank an arm's candidates of every task and score the picks at several k; by ranker, in the order of the tasks.

    Args:
        spec: The arm, for progress.
        pool: Its graded candidates.
        tasks: Those to rank.
        ks: None exceeds a task's samples.
        rankers: By the name that the user typed.
        grader: What rankers run programs with.
        offers: What else rankers may use.
        seed: Of subsets and rankers.
        progress: Is told how far ranking is.
        failures: Where given, a ranker that fails does not end the work: it is left out, and why is put here by its
            name; those that are in it already are left out too.
        k_left: Where given, the k that an arm can still afford where ranking costs these FLOPs.

    Raises:
        RankerError: A ranker failed, and there is no `failures`.
    """
    failed = {} if failures is None else failures
    turn = threading.Lock()

    def rank(task: Task) -> dict[str, RankedTask]:
        # Threads wait for the sandbox together and do no more: in CPython 3.11 two cannot make syntax trees at once.
        with turn:
            return rank_in_turn(task)

    def rank_in_turn(task: Task) -> dict[str, RankedTask]:
        graded = pool[task.id]
        shown = public_task(task, graded.candidates)
        # Shared by the rankers: two that look at the same calls run each program once.
        runner = RememberingRunner(_Waiting(grader, turn))
        rows = {}
        for name, ranker in rankers.items():
            if name in failed:
                continue
            context = behind.context(task.id, random.Random(f"{seed}/{task.id}"), runner)
            try:
                ranked = RankedPool(ranker, shown, graded.candidates, context)
                scores = ranked.score_at_ks(graded.passed, ks, seed=seed)
                at_k = dict(zip(ks, scores.tolist(), strict=True))
                left = _left(ranked, graded, at_k, k_left, seed)
            except RankerError as error:
                if failures is None:
                    raise
                failed.setdefault(name, str(error))
                continue
            rows[name] = RankedTask(ranked.ranking, at_k, left)
        return rows

    # Shared too: a text that two rankers have scored is scored once.
    behind = offers if offers.scorer is None else offers._replace(scorer=RememberingScorer(offers.scorer))
    found: dict[str, list[RankedTask]] = {name: [] for name in rankers}
    threads = ThreadPoolExecutor(grader.sandbox.workers)
    # An interrupted command does not wait for a ranker that may never return.
    waits = not any(map(is_foreign, rankers.values()))
    try:
        for place, rows in enumerate(threads.map(rank, tasks)):
            for name, row in rows.items():
                found[name].append(row)
            progress(f"ranking {spec}", place + 1, len(tasks))
    except KeyboardInterrupt:
        threads.shutdown(wait=waits, cancel_futures=True)
        raise
    except BaseException:
        threads.shutdown(cancel_futures=True)
        raise
    threads.shutdown()
    return {name: rows for name, rows in found.items() if name not in failed}


class _Waiting:
    """A runner that gives up its thread's turn while it waits."""

    def __init__(self, grader: Grader, turn: threading.Lock) -> None:
        self._grader, self._turn = grader, turn

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        self._turn.release()
        try:
            return self._grader.evaluate(task, programs, expressions)
        finally:
            self._turn.acquire()


def _left(
    ranked: RankedPool,
    graded: Graded,
    at_k: Mapping[int, float],
    k_left: Callable[[float, float], int] | None,
    seed: int,
) -> tuple[int, float] | None:
    cost = ranking_cost(ranked.ranking)
    if k_left is None or cost is None:
        return None
    k = k_left(*cost)
    return k, at_k[k] if k in at_k else ranked.score_at_k(graded.passed, k, seed=seed)


def ranking_cost(ranking: Ranking) -> RankingCost | None:
    """What a ranking cost; None where a part of it is not known."""
    used, drawn = _flops(ranking.usage), 0.0 if ranking.tests_usage is None else _flops(ranking.tests_usage)
    if used is None or drawn is None:
        return None
    return RankingCost(used / max(1, len(ranking.scores)), drawn)


def _flops(usage: Usage) -> float | None:
    if usage.prefill_flops is None or usage.decode_flops is None:
        return None
    return usage.prefill_flops + usage.decode_flops
