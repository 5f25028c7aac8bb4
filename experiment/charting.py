"""The curves of compared arms over k, at their total cost, and where one overtakes another: what a page shows."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ..budgets.notation import COST_FIELDS, without_k
from ..budgets.realised import sample_costs
from ..estimators import PASS_AT_K, FloatArray, mean_intervals, pass_at_k
from ..records import ArmCurve, Cost, FoundCrossing, Usage
from ..settings import BLIND_RANKER
from .choosing import mean_usage
from .crossings import Steps, find_crossing
from .lengths import counted
from .ranking import cost_of_ranking

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..budgets.dollars import Prices
    from ..records import ArmResult, By, Crossing, Plan, Task
    from .pools import GradedArms, Pool
    from .ranking import RankedTask
    from .samples import ArmSamples

USUAL: Final = (1, 2, 5)
"""These, and times ten, a hundred, ... are the k that curves look at."""

_KINDS: Final[tuple[By, ...]] = ("flops", "runtime", "usd")
NO_TESTS: Final = Usage(prefill_flops=0.0, decode_flops=0.0, output_tokens=0.0, wall_s=0.0, usd=0.0)
"""What a task without tests took of them."""


class Charts(NamedTuple):
    """The curves of all arms, in their order, and the crossings of each two of them."""

    curves: tuple[ArmCurve, ...]
    crossings: tuple[FoundCrossing, ...]


class _Line(NamedTuple):
    """An arm's curve with its scores by task, arrays [tasks, ks], and the cost where it ends by metric and kind."""

    curve: ArmCurve
    values: Mapping[str, FloatArray]
    ends: Mapping[str, Cost]


def usual_ks(n: int) -> list[int]:
    """List the usual k up to a number of samples."""
    found = [first * 10**power for power in range(len(str(n))) for first in USUAL]
    return [k for k in found if k <= n]


def charted_ks(plan: Plan, pool: Pool, tasks: Sequence[Task]) -> list[int]:
    """List the k at which an arm is scored for its curve, ascending: its own and the usual ones up to its samples."""
    if plan.stages:
        return [plan.k]
    return sorted({plan.k, *usual_ks(min(len(pool[task.id].verdicts) for task in tasks))})


def charts(
    results: Sequence[ArmResult],
    arms: Sequence[ArmSamples],
    graded: GradedArms,
    ranked: Sequence[Mapping[str, Sequence[RankedTask]]],
    prices: Prices,
    seed: int,
) -> Charts:
    """Make the curves of all arms, and find their crossings on every metric and by every known kind of cost.

    Args:
        results: The arms as scored at their own k.
        arms: Their samples.
        graded: The scored tasks, and all candidates with their verdicts.
        ranked: Per arm, by ranker, the tasks with scores at `charted_ks`.
        prices: Of tokens drawn elsewhere.
        seed: Of resampling.
    """
    names = _names([result.plan for result in results])
    lines = [
        _cascade(name, result, rows, seed)
        if result.plan.stages
        else _line(name, result, arm, pool, graded.tasks, rows, prices, seed)
        for name, result, arm, pool, rows in zip(names, results, arms, graded.pools, ranked, strict=True)
    ]
    metrics = [name for name in lines[0].values if name != BLIND_RANKER and all(name in line.values for line in lines)]
    crossings = [
        FoundCrossing(by=by, crossing=found)
        for metric in metrics
        for by in _KINDS
        for a, b in combinations(lines, 2)
        if (found := _crossing(metric, by, a, b, seed)) is not None
    ]
    return Charts(tuple(line.curve for line in lines), tuple(crossings))


def _names(plans: Sequence[Plan]) -> list[str]:
    """Name curves by their models, which have every k; arms of the same model as typed."""
    short = [plan.arm.spec if plan.stages or plan.arm.greedy else without_k(plan.arm) for plan in plans]
    return [name if short.count(name) == 1 else plan.arm.spec for name, plan in zip(short, plans, strict=True)]


def _line(
    name: str,
    result: ArmResult,
    arm: ArmSamples,
    pool: Pool,
    tasks: Sequence[Task],
    ranked: Mapping[str, Sequence[RankedTask]],
    prices: Prices,
    seed: int,
) -> _Line:
    plan, by_id = result.plan, {task.id: task for task in tasks}
    ks = charted_ks(plan, pool, tasks)
    counts = np.array([len(pool[task.id].verdicts) for task in tasks], np.int64)
    passes = np.array([int(pool[task.id].passed.sum()) for task in tasks], np.int64)
    values = {PASS_AT_K: np.stack([pass_at_k(counts, passes, k) for k in ks], axis=1)}
    values |= {ranker: np.array([[row.at_k[k] for k in ks] for row in rows]) for ranker, rows in ranked.items()}
    samples = [counted(pool[task_id].candidates, by_id, arm.counter).lengths for task_id in by_id]
    measured = None if arm.tally is None else arm.tally.per_task
    draw = sample_costs(plan, samples, measured, prices.of_arm(plan.arm))
    usage = None if arm.tests is None else mean_usage([arm.tests.get(task_id, NO_TESTS) for task_id in by_id])

    def total(metric: str, k: int) -> Cost:
        cost = draw(k)
        of_tests = Cost(flops=0.0, runtime_s=0.0, usd=0.0)
        if usage is not None and k > 1:
            of_tests = Cost(flops=result.realised.tests_flops, runtime_s=usage.wall_s, usd=usage.usd)
        if metric == PASS_AT_K:
            return _sum(cost, of_tests)
        ranking = cost_of_ranking(k, ranked[metric]).flops
        if result.rankers[metric].uses_tests and usage is not None:
            # The tests are in the FLOPs of ranking already.
            return _sum(cost, of_tests.model_copy(update={"flops": ranking}))
        others = 0.0 if ranking == 0 else None
        return _sum(cost, Cost(flops=ranking, runtime_s=others, usd=others))

    lasts = plan.arm.greedy
    costs = {metric: tuple(total(metric, k) for k in ks) for metric in values}
    ends = {metric: Cost() if lasts else total(metric, ks[-1] + 1) for metric in values}
    return _Line(_curve(name, ks, values, costs, seed, lasts=lasts), values, ends)


def _cascade(name: str, result: ArmResult, ranked: Mapping[str, Sequence[RankedTask]], seed: int) -> _Line:
    """Make the single point of a cascade."""
    k = result.plan.k
    values = {PASS_AT_K: np.array(result.per_task[PASS_AT_K], np.float64)[:, None]}
    values |= {ranker: np.array([[row.at_k[k]] for row in rows]) for ranker, rows in ranked.items()}
    costs = {PASS_AT_K: (result.cost,)}
    for ranker in ranked:
        score = result.rankers[ranker]
        known = result.cost if score.cost_flops == 0 or (score.uses_tests and result.plan.tests) else Cost()
        costs[ranker] = (known.model_copy(update={"flops": score.total_flops}),)
    return _Line(_curve(name, [k], values, costs, seed, lasts=True), values, {metric: Cost() for metric in values})


def _curve(
    name: str,
    ks: Sequence[int],
    values: Mapping[str, FloatArray],
    costs: Mapping[str, tuple[Cost, ...]],
    seed: int,
    *,
    lasts: bool,
) -> ArmCurve:
    scores = {metric: tuple(mean_intervals(table, seed=seed)) for metric, table in values.items()}
    return ArmCurve(name=name, ks=tuple(ks), scores=scores, costs=dict(costs), lasts=lasts)


def _sum(one: Cost, other: Cost) -> Cost:
    """Add what two costs have in common; memory is that of drawing."""

    def added(field: str) -> float | None:
        amounts = [getattr(one, field), getattr(other, field)]
        return None if None in amounts else sum(amounts)

    return one.model_copy(update={field: added(field) for field in ("flops", "runtime_s", "usd")})


def _crossing(metric: str, by: By, a: _Line, b: _Line, seed: int) -> Crossing | None:
    """Find the crossing of two arms by a kind of cost; None where a cost is unknown."""
    field = COST_FIELDS[by]
    costs = [[getattr(cost, field) for cost in line.curve.costs[metric]] for line in (a, b)]
    if any(cost is None or cost <= 0 for row in costs for cost in row):
        return None
    ends = [getattr(line.ends[metric], field) for line in (a, b)]
    high = min(float("inf") if end is None else end for end in ends)
    budgets = np.unique(np.concatenate([np.array(row, np.float64) for row in costs]))
    budgets = budgets[(budgets >= max(row[0] for row in costs)) & (budgets < high)]

    def steps(line: _Line, row: Sequence[float]) -> Steps:
        at = np.searchsorted(np.array(row), budgets, side="right") - 1
        return Steps(line.curve.name, np.array(line.curve.ks, np.int64)[at], line.values[metric][:, at])

    first, second = steps(a, costs[0]), steps(b, costs[1])
    whole = all(list(line.curve.ks) == list(range(line.curve.ks[0], line.curve.ks[-1] + 1)) for line in (a, b))
    return find_crossing(metric, first, second, budgets, by=by, every_step=whole, seed=seed)
