"""Paired differences between the arms of all runs, over the tasks that both have, from shared resamples."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from ...estimators import FloatArray, interval_tail, mean_interval, resampled_means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .contenders import Contender

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
