"""Crossings of arms' curves: all pairs of one run, and across runs those of the best arms."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from ...experiment.crossings import Steps, find_crossing
from ...estimators import FloatArray, IntArray, resampled_means
from .contenders import COST_FIELDS, costs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...experiment.crossings import By
    from ...report.page_data import CrossingData
    from .contenders import AtK, Contender

BEST = 12
"""Arms compared pair by pair across runs; all of them would take hours on a board of hundreds."""

_KINDS: tuple[By, ...] = ("flops", "runtime")


def crossings_of(contenders: Sequence[Contender], metric: str, at_k: Sequence[AtK], *, across: bool) -> list[CrossingData]:
    """Find where arms overtake each other on a metric, over FLOPs and time.

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
    best = set(sorted(scores, key=lambda place: -float(contenders[place].at_k(metric).mean()))[:BEST]) if across else set()
    by_tasks: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place in scores:
        by_tasks[contenders[place].benchmark.tasks].append(place)
    found = []
    for members in by_tasks.values():
        pairs = [(a, b) for a, b in combinations(members, 2) if contenders[a].run == contenders[b].run or {a, b} <= best]
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
        known = costs_of(contenders[place].arm, COST_FIELDS[by])
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
