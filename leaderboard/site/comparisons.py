"""Comparisons of the arms of all runs: paired differences, and where one arm's curve overtakes another's."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from ...estimators import FloatArray, IntArray, interval_tail, mean_interval, resampled_means
from ...experiment.crossings import Steps, find_crossing
from .contenders import COST_FIELDS, costs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...records import By
    from ...report.page_data import CrossingData
    from .contenders import AtK, Contender

Pair = tuple[int, int, float, float, float]
"""Places of two contenders, and the difference of the first minus the second with its 95 % interval."""

_DIGITS = 6


def paired_differences(contenders: Sequence[Contender], metric: str) -> list[Pair]:
    """Compare every pair of arms sharing the metric and a task.

    The intervals are those of `estimators.paired_difference`; arms with the same tasks share their resamples.
    """
    places = [place for place, contender in enumerate(contenders) if metric in contender.metrics]
    by_tasks: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place in places:
        by_tasks[contenders[place].benchmark.tasks].append(place)
    pairs: list[Pair] = []
    for tasks, members in by_tasks.items():
        pairs += _differences(contenders, metric, list(tasks), list(combinations(members, 2)))
    for (first, some), (second, others) in combinations(by_tasks.items(), 2):
        common = [task for task in first if task in set(second)]
        pairs += _differences(contenders, metric, common, [(a, b) for a in some for b in others])
    return sorted(pairs)


def _differences(
    contenders: Sequence[Contender], metric: str, tasks: Sequence[str], wanted: Sequence[tuple[int, int]]
) -> list[Pair]:
    if not tasks or not wanted:
        return []
    places = sorted({place for pair in wanted for place in pair})
    column = {place: at for at, place in enumerate(places)}
    scores = np.stack([_over(contenders[place], metric, tasks) for place in places], axis=1)
    firsts = np.array([column[a] for a, _ in wanted])
    seconds = np.array([column[b] for _, b in wanted])
    lows, highs = _bounds(scores, firsts, seconds)
    means = scores.mean(axis=0)
    return [
        (*pair, round(float(difference), _DIGITS), round(float(low), _DIGITS), round(float(high), _DIGITS))
        for pair, difference, low, high in zip(wanted, means[firsts] - means[seconds], lows, highs, strict=True)
    ]


def _over(contender: Contender, metric: str, tasks: Sequence[str]) -> FloatArray:
    known = dict(zip(contender.benchmark.tasks, contender.at_k(metric).tolist(), strict=True))
    return np.array([known[task] for task in tasks])


def _bounds(
    scores: FloatArray,
    firsts: np.ndarray[tuple[int], np.dtype[np.int64]],
    seconds: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> tuple[FloatArray, FloatArray]:
    """Compute 95 % intervals of column differences, arrays [pairs].

    If all tasks differ by the same amount, there is nothing to resample, and the interval is that of
    `estimators.mean_interval`, stretched from [0, 1] to [-1, 1].
    """
    lows, highs = np.empty(len(firsts)), np.empty(len(firsts))
    means = np.concatenate(list(resampled_means(scores)))
    tail = interval_tail(len(scores)) if len(scores) > 1 else 0.0
    for at, (a, b) in enumerate(zip(firsts.tolist(), seconds.tolist(), strict=True)):
        apart = scores[:, a] - scores[:, b]
        if bool(np.all(apart == apart[0])):
            interval = mean_interval((apart + 1) / 2)
            assert interval.low is not None
            assert interval.high is not None
            lows[at], highs[at] = 2 * interval.low - 1, 2 * interval.high - 1
        else:
            lows[at], highs[at] = np.quantile(means[:, a] - means[:, b], [tail, 1 - tail])
    return lows, highs


BEST = 12
"""Arms compared pair by pair across runs; all of them would take hours on a board of hundreds."""

_KINDS: tuple[By, ...] = ("flops", "runtime", "usd")


def crossings_of(
    contenders: Sequence[Contender], metric: str, at_k: Sequence[AtK], *, across: bool
) -> list[CrossingData]:
    """Find where arms overtake each other on a metric, over FLOPs, time and dollars.

    Args:
        contenders: The arms of a benchmark.
        metric: That of their scores.
        at_k: Rank-scores by task of each run, by its place.
        across: Whether to look at the best arms of different runs too.
    """
    scores = {
        place: found
        for place, contender in enumerate(contenders)
        if metric in contender.metrics and len(contender.arm.ks) > 1
        for found in [contender.at_ks(metric, at_k[contender.run])]
        if found is not None
    }
    best = (
        set(sorted(scores, key=lambda place: -float(contenders[place].at_k(metric).mean()))[:BEST]) if across else set()
    )
    by_tasks: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place in scores:
        by_tasks[contenders[place].benchmark.tasks].append(place)
    found = []
    for members in by_tasks.values():
        pairs = [
            (a, b) for a, b in combinations(members, 2) if contenders[a].run == contenders[b].run or {a, b} <= best
        ]
        needed = sorted({place for pair in pairs for place in pair})
        if not needed:
            continue
        means = np.concatenate(list(resampled_means(np.concatenate([scores[place] for place in needed], axis=1))))
        ends = np.cumsum([scores[place].shape[1] for place in needed])[:-1]
        resampled = dict(zip(needed, np.split(means, ends, axis=1), strict=True))
        for a, b in pairs:
            for by in _KINDS:
                crossing = _crossing(contenders, metric, by, a, b, scores, resampled)
                if crossing is not None:
                    found.append(crossing)
    return found


def _crossing(
    contenders: Sequence[Contender],
    metric: str,
    by: By,
    a: int,
    b: int,
    scores: dict[int, FloatArray],
    resampled: dict[int, FloatArray],
) -> CrossingData | None:
    costs = []
    for place in (a, b):
        known = costs_of(contenders[place].arm, COST_FIELDS[by], metric)
        if known is None or not bool(np.all(np.diff(known) > 0)):
            return None
        costs.append(np.array(known))
    low, high = max(cost[0] for cost in costs), min(cost[-1] for cost in costs)
    budgets = np.unique(np.concatenate(costs))
    budgets = budgets[(budgets >= low) & (budgets <= high)]
    if not budgets.size:
        return None
    at = [np.searchsorted(cost, budgets, side="right") - 1 for cost in costs]
    first, second = [
        Steps(contenders[place].name, np.array(contenders[place].arm.ks, np.int64)[columns], scores[place][:, columns])
        for place, columns in zip((a, b), at, strict=True)
    ]
    found = find_crossing(
        metric,
        first,
        second,
        budgets,
        by=by,
        every_step=all(_is_whole(step.ks) for step in (first, second)),
        resampled=resampled[a][:, at[0]] - resampled[b][:, at[1]],
    )
    leader = {None: None, contenders[a].name: a, contenders[b].name: b}[found.leader]
    return {
        "metric": metric,
        "by": by,
        "a": a,
        "b": b,
        "leader": leader,
        "budget": found.budget,
        "sentence": found.sentence,
    }


def _is_whole(ks: IntArray) -> bool:
    """Whether no k between the smallest and the largest is missing."""
    return int(ks[-1]) - int(ks[0]) + 1 == len(np.unique(ks))
