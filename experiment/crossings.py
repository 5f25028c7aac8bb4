"""Points where one arm overtakes another as the budget grows, and how sure that is."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ..estimators import PASS_AT_K, BoolArray, FloatArray, IntArray, interval_tail, resampled_means
from ..records import By, Crossing

_LEVEL = 1e-12
"""Means that differ by less are equal: adding in another order can do that."""


class Steps(NamedTuple):
    """One arm on one metric at the common budgets: its k, an array [budgets], and scores, [tasks, budgets]."""

    spec: str
    ks: IntArray
    scores: FloatArray


def find_crossing(
    metric: str,
    a: Steps,
    b: Steps,
    budgets: FloatArray,
    *,
    by: By,
    every_step: bool,
    seed: int = 0,
    resampled: FloatArray | None = None,
) -> Crossing:
    """Find where one of two arms overtakes the other.

    The interval is a bootstrap over tasks, the same tasks for both: each resample has its own budget from which the
    leader stays ahead, which lies below all common ones if it is never behind, and above them if it is not ahead in the
    end. Its quantiles are at the levels of `estimators.mean_interval`.

    Args:
        metric: That of the scores.
        a: An arm.
        b: Another, on the same tasks.
        budgets: The common budgets, ascending, [budgets].
        by: Their unit.
        every_step: Whether they hold every budget at which either arm's k changes.
        seed: Of the resamples.
        resampled: Means of a - b over resamples of the tasks, [resamples, budgets], for callers that look at many
            pairs and draw the tasks once.
    """
    if not budgets.size:
        outcome = Crossing(metric=metric, a=a.spec, b=b.spec, outcome="apart")
        return outcome.model_copy(update={"sentence": _sentence(outcome, by, every_step)})
    apart = a.scores - b.scores
    seen = _Leads.of(apart.mean(axis=0)[None, :])
    end = int(seen.end[0])
    first, other = (a, b) if end >= 0 else (b, a)
    fields: dict[str, object] = {
        "leader": first.spec if end else None,
        "common_low": float(budgets[0]),
        "common_high": float(budgets[-1]),
        "lead_changes": int(seen.changes[0]),
    }
    leads = None
    if len(apart) > 1:
        leads = _resampled(apart, seed) if resampled is None else _Leads.of(resampled)
    if end and seen.overtakes[0]:
        at = int(seen.start[0])
        fields |= {
            "outcome": "overtakes",
            "budget": float(budgets[at]),
            "previous": float(budgets[at - 1]),
            "leader_k": int(first.ks[at]),
            "other_k": int(other.ks[at]),
        }
        if leads is not None:
            low, high = _interval(leads, end, budgets, len(apart))
            fields |= {"low": low, "high": high, "share": float(np.mean(leads.overtakes & (leads.end == end)))}
    else:
        fields["outcome"] = "ahead" if end else "level"
        if leads is not None and budgets.size > 1:
            fields["share"] = float(np.mean(leads.overtakes))
    found = Crossing.model_validate({"metric": metric, "a": a.spec, "b": b.spec, **fields})
    return found.model_copy(update={"sentence": _sentence(found, by, every_step)})


_SUFFIXES: Final[dict[By, str]] = {"flops": "flops@f", "runtime": "time@t", "usd": "usd@d"}


def format_budget(by: By, value: float) -> str:
    """Format a budget with its unit: `3.1e13 FLOPs`, `12.5 s` or `$0.0021`."""
    if by == "usd":
        return f"${value:.3g}"
    if by == "runtime":
        return f"{value:.3g} s" if value < 1000 else f"{value:.0f} s"
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)} FLOPs"


def metric_name(by: By, metric: str) -> str:
    """Name it as Hassid et al. 2024: `pass_flops@f` (equations 2, 3), or `rank-score_flops@f` (5, 6) and a ranker."""
    suffix = _SUFFIXES[by]
    return f"pass_{suffix}" if metric == PASS_AT_K else f"rank-score_{suffix} by {metric}"


class _Leads(NamedTuple):
    """The leader in each row of differences, arrays [rows].

    `end` is the sign at the last budget; `start` the first place from which that sign holds to the end; `overtakes`
    whether the opposite sign comes before; `changes` how often the sign turns, zeros passed over.
    """

    end: IntArray
    start: IntArray
    overtakes: BoolArray
    changes: IntArray

    @classmethod
    def of(cls, differences: FloatArray) -> _Leads:
        signs = np.where(np.abs(differences) < _LEVEL, 0, np.sign(differences)).astype(np.int8)
        rows, columns = signs.shape
        end = signs[:, -1]
        unlike = signs != end[:, None]
        start = np.where(unlike.any(axis=1), columns - np.argmax(unlike[:, ::-1], axis=1), 0)
        opposite = (signs == -end[:, None]).any(axis=1) & (end != 0)
        # Each zero takes the sign before it.
        places = np.maximum.accumulate(np.where(signs != 0, np.arange(columns), 0), axis=1)
        filled = signs[np.arange(rows)[:, None], places]
        changes = (filled[:, 1:] * filled[:, :-1] < 0).sum(axis=1)
        return cls(end.astype(np.int64), start.astype(np.int64), opposite, changes.astype(np.int64))


def _resampled(apart: FloatArray, seed: int) -> _Leads:
    parts = [_Leads.of(means) for means in resampled_means(apart, seed=seed)]
    return _Leads(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _interval(leads: _Leads, end: int, budgets: FloatArray, tasks: int) -> tuple[float | None, float | None]:
    """Get the 95 % interval of the budget from which arm `end` (a sign) stays ahead; None beyond the budgets."""
    places = np.where(leads.overtakes, leads.start, -1)
    places = np.sort(np.where(leads.end == end, places, budgets.size))
    tail = interval_tail(tasks)
    last = len(places) - 1
    low, high = (int(places[round(level * last)]) for level in (tail, 1 - tail))

    def budget(place: int) -> float | None:
        return float(budgets[place]) if 0 <= place < budgets.size else None

    return budget(low), budget(high)


def _sentence(found: Crossing, by: By, every_step: bool) -> str:
    name, pair = metric_name(by, found.metric), f"{found.a} and {found.b}"
    if found.outcome == "apart":
        return f"{name}: no crossing found between {pair}: at no budget in the range do both have samples."
    if found.outcome == "overtakes" and found.budget is not None and found.previous is not None:
        other = found.b if found.leader == found.a else found.a
        asides = [] if every_step else [f"not yet from {format_budget(by, found.previous)}"]
        asides += [f"the lead changes {found.lead_changes} times"] if found.lead_changes > 1 else []
        aside = f" ({'; '.join(asides)})" if asides else ""
        return (
            f"{name}: {found.leader} (x{found.leader_k}) overtakes {other} (x{found.other_k}) from "
            f"{format_budget(by, found.budget)}{aside}, {_interval_in_words(found, by)}{_share(found)}."
        )
    where = _bounds_in_words(found, by)
    state = f"{found.leader} is ahead and never behind" if found.outcome == "ahead" else "they are level at the end"
    return f"{name}: no crossing found between {pair} {where}: {state}{_share(found)}."


def _interval_in_words(found: Crossing, by: By) -> str:
    if found.share is None:
        return "on a single task, which leaves no interval"
    if found.low is None and found.high is None:
        return "95 % interval open on both sides: these tasks cannot settle it"
    low = "below the common budgets" if found.low is None else format_budget(by, found.low)
    high = "above the common budgets" if found.high is None else format_budget(by, found.high)
    return f"95 % interval {low} to {high}"


def _bounds_in_words(found: Crossing, by: By) -> str:
    assert found.common_low is not None
    assert found.common_high is not None
    if found.common_low == found.common_high:
        return f"at {format_budget(by, found.common_low)}, the only budget scored where both have samples"
    return f"from {format_budget(by, found.common_low)} to {format_budget(by, found.common_high)}"


def _share(found: Crossing) -> str:
    if found.share is None:
        return ""
    which = "it overtakes" if found.outcome == "overtakes" else "there is one"
    return f"; {which} in {100 * found.share:.0f} % of resamples of the tasks"
