"""Arms with candidates -> a Curve: scores of each at every budget, from one pool of samples, and arms' crossings.

Equations 2, 3, 5 and 6 of Hassid et al. 2024 (sections 2 and 5.1): at a budget f an arm's score is that of its largest
k whose cost fits f. As there, a ranker's own cost is not charged to the budget: it is that of drawing the samples.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from .._util.progress import Progress, silent
from ..budgets.costs import Conditions, check_conditions, cost_of_arm, how_to_know
from ..budgets.dollars import check_prices
from ..budgets.notation import COST_FIELDS, parse_amount, parse_arm, without_k
from ..budgets.plan import UNKNOWN_PRECISION, priced_model
from ..budgets.realised import flops_of_samples
from ..errors import UserError
from ..estimators import PASS_AT_K, FloatArray, IntArray, mean_intervals
from ..records import Arm, Cost, FileRecord, Interval, Record, Workload
from ..settings import RECORDED
from .crossings import By, Crossing, Steps, find_crossing, format_budget
from .drawing import Session, draw_arms
from .lengths import counted, counter_of, mean_lengths
from .planning import conditions_of, workload_of
from .pools import Pool, Wanted, by_task, grade_arms, pool_common_strata
from .ranking import score_pool
from .samples import NamedArm, files_by_arm, read_arm
from .selection import open_judging
from .targets import Target
from .workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..budgets.models import Model
    from ..records import Candidate, Task
    from ..settings import Charting, Drawing, Grading, Planning, Running, Selecting
    from ..tasks import Benchmark
    from .ranking import Judging

DEFAULT_POINTS = 100
_RANGES: Final[dict[By, str]] = {"flops": "1e12..5e13", "runtime": "1s..5min", "usd": "$0.001..$0.02"}


class CurvePoint(Interval):
    """An arm's score on one metric at one budget.

    `k` is the largest number of samples whose cost fits. If `undefined` says why, all scores are None: `below` one
    sample (k is None), or `above` the samples available (k is None too: it is not known how many would fit).
    """

    budget: float
    k: int | None
    undefined: Literal["below", "above"] | None = None


class CurveArm(Record):
    """One arm: `n` samples of each task, the cost of one and of all n per task, and points by metric.

    Metrics are `pass_at_k` and the rankers as typed; each has a point for every budget of the curve. `workload` has the
    lengths of its samples, None if lengths or a convention were given.
    """

    spec: str
    model: str
    precision: str | None
    n: int
    cost_of_one: float
    cost_of_all: float
    metrics: dict[str, tuple[CurvePoint, ...]]
    workload: Workload | None = None


class Curve(FileRecord):
    """Scores over budgets; as JSON on disk, it is this record.

    `{"benchmark", "workload": {...}, "sandbox", "by": "flops"|"runtime"|"usd", "tasks", "left_out": {TASK: WHY},
    "budgets": [...], "every_step", "arms": [{"spec", "model", "precision", "n", "cost_of_one", "cost_of_all",
    "metrics": {METRIC: [{"budget", "k", "value", "low", "high", "undefined"}]}}], "crossings": [...], "warnings",
    "sandbox_errors"}`, and the `schema_version`; crossings are `crossings.Crossing`. Budgets and costs are FLOPs,
    seconds or dollars per task, as `by` says. `every_step`: the budgets are all those in the range at which some arm's
    k changes; else some of them, evenly on a logarithmic scale.
    """

    benchmark: str
    workload: Workload
    sandbox: str
    by: By
    tasks: int
    left_out: dict[str, str]
    budgets: tuple[float, ...]
    every_step: bool
    arms: tuple[CurveArm, ...]
    crossings: tuple[Crossing, ...]
    warnings: tuple[str, ...]
    sandbox_errors: int


class PricedArm(NamedTuple):
    """An arm with an open k, and the cost of k samples per task.

    `known` is None if only the model's price is known; `workload` is that of the arm's own samples if measured.
    """

    arm: Arm
    model: str
    precision: str | None
    cost: Callable[[int], Cost]
    known: Model | None = None
    workload: Workload | None = None


class Range(NamedTuple):
    """The budgets to look at, in FLOPs, seconds or dollars per task, both ends included."""

    low: float
    high: float


class Priced(NamedTuple):
    """Arms with their samples' costs, and the terms of these costs.

    `measures`: no convention and no lengths were given, so the costs are those of the samples.
    """

    arms: tuple[PricedArm, ...]
    workload: Workload
    conditions: Conditions
    measures: bool = False


def price(
    arms: Sequence[str], planning: Planning, charting: Charting, *, family: str, benchmark: Benchmark | None = None
) -> Priced:
    """Look up the cost of each arm's samples, by the settings.

    Raises:
        UserError: An arm or a setting cannot be read; an arm has a k; or the cost of samples cannot be known.
    """
    chosen = planning.prompt_tokens is not None or planning.output_tokens is not None
    workload, conditions = workload_of(planning, benchmark, to_measure=not chosen), conditions_of(planning)
    parsed = [parse_arm(arm) for arm in arms]
    priced = price_arms(parsed, family=family, workload=workload, conditions=conditions, by=charting.by)
    return Priced(priced, workload, conditions, workload.convention == "tokens" and not chosen)


def price_by_samples(
    priced: Priced, benchmark: Benchmark, candidates: Sequence[Sequence[Candidate]]
) -> tuple[PricedArm, ...]:
    """Price arms by the lengths of their own samples, on the tasks and settings that all of them have."""
    specs = [arm.arm.spec for arm in priced.arms]
    by_arm, _ = pool_common_strata(specs, [by_task(listed) for listed in candidates])
    shared = set.intersection(*(set(found) for found in by_arm))
    arms = []
    for arm, found in zip(priced.arms, by_arm, strict=True):
        mine = [candidate for task_id, rows in found.items() if task_id in shared for candidate in rows]
        arms.append(_by_samples(arm, priced.conditions, benchmark, mine) if mine else arm)
    return tuple(arms)


def _by_samples(
    arm: PricedArm, conditions: Conditions, benchmark: Benchmark, candidates: Sequence[Candidate]
) -> PricedArm:
    found = counted(candidates, benchmark.by_id, counter_of(arm.model))
    workload = mean_lengths(found, "samples")
    by_length = cost_of_arm(arm.known, workload, conditions, conditions.prices.of_arm(arm.arm), arm.precision)
    architecture = None if arm.known is None else arm.known.architecture
    flops = flops_of_samples(architecture, list(by_task(found.candidates).values()))

    def cost(k: int) -> Cost:
        return by_length(k).model_copy(update={"flops": flops(k)})

    return arm._replace(cost=cost, workload=workload)


def curve_samples(
    priced: Priced,
    benchmark: Benchmark,
    samples: Mapping[str, Sequence[str]],
    drawing: Drawing,
    running: Running,
    progress: Progress = silent,
) -> list[tuple[Candidate, ...]]:
    """Get each arm's candidates: those of its files, else all that the store has.

    Raises:
        UserError: A file or a row is wrong, or the store has several sets of an arm's samples and nothing says which.
        MachineError: The store has none.
    """
    files = files_by_arm(samples, [NamedArm(arm.arm, arm.precision or "") for arm in priced.arms])
    found = {spec: read_arm(spec, patterns, benchmark, running).candidates for spec, patterns in files.items()}
    missing = [arm for arm in priced.arms if arm.arm.spec not in found]
    if missing:
        targets = [Target(arm.arm, arm.model, "", arm.precision or "", 1) for arm in missing]
        replaying = drawing.model_copy(update={"engine": RECORDED})
        with open_workspace(running.store) as store:
            session = Session(replaying, store, running.seed)
            drawn = draw_arms(targets, benchmark.tasks, session, priced.conditions, progress)
        found |= {target.arm.spec: arm.candidates for target, arm in zip(targets, drawn.arms, strict=True)}
    return [found[arm.arm.spec] for arm in priced.arms]


def curve(
    priced: Priced,
    benchmark: Benchmark,
    candidates: Sequence[Sequence[Candidate]],
    charting: Charting,
    grading: Grading,
    selecting: Selecting,
    running: Running,
    progress: Progress = silent,
) -> Curve:
    """Score arms over a range of budgets by the settings.

    Args:
        priced: The arms, as `price` gives them.
        benchmark: Where the tasks come from.
        candidates: Their samples, as `curve_samples` finds them.
        charting: The budgets.
        grading: Where programs run.
        selecting: The rankers; only the deciding one if none is named.
        running: The seed and the store.
        progress: Told how far grading and ranking are.

    Raises:
        UserError: A setting is wrong, or no task can be scored for all arms.
        MachineError: No sandbox works here, or the store failed.
    """
    within = None if charting.budget is None else parse_range(charting.by, charting.budget)
    rankers = selecting.named if "rankers" in selecting.model_fields_set else selecting.named[:1]
    arms = price_by_samples(priced, benchmark, candidates) if priced.measures else priced.arms
    with open_judging(rankers, grading, running, progress, offers={}) as judging:
        return curve_of(
            benchmark,
            arms,
            candidates,
            judging,
            workload=priced.workload,
            by=charting.by,
            within=within,
            points=charting.points,
        )


def parse_range(by: By, text: str) -> Range:
    """Parse budgets, `LOW..HIGH`.

    Raises:
        UserError: It is no range.
    """
    low, dots, high = text.partition("..")
    if not dots:
        raise UserError(f"`budget` {text}: write LOW..HIGH, such as {_RANGES[by]}")
    found = Range(parse_amount(by, low), parse_amount(by, high))
    if found.low >= found.high:
        raise UserError(f"`budget` {text}: the first budget must be smaller than the second")
    return found


def price_arms(
    arms: Sequence[Arm], *, family: str, workload: Workload, conditions: Conditions, by: By
) -> tuple[PricedArm, ...]:
    """Look up the cost of each arm's samples.

    Raises:
        UserError: An arm has a k; a model is unknown or does not fit; or the cost of samples cannot be known.
    """
    check_conditions(conditions)
    check_prices(arms, conditions.prices)
    return tuple(_price(arm, family, workload, conditions, by) for arm in arms)


def curve_of(
    benchmark: Benchmark,
    arms: Sequence[PricedArm],
    candidates: Sequence[Sequence[Candidate]],
    judging: Judging,
    *,
    workload: Workload,
    by: By = "flops",
    within: Range | None = None,
    points: int = DEFAULT_POINTS,
) -> Curve:
    """Score arms over a range of budgets, on the tasks they all have.

    Args:
        benchmark: Where the tasks come from; each needs hidden tests and a reference solution.
        arms: Their costs.
        candidates: Their samples. An arm's n is the number that each task has at least.
        judging: How candidates are graded and ranked.
        workload: That of the costs.
        by: What a budget limits.
        within: The budgets; if None, from one sample of the cheapest arm to all n of the dearest.
        points: About how many budgets to look at if more of them change some k.

    Raises:
        UserError: No task can be scored for all arms, or no arm has samples for a budget in the range.
        SandboxError: Nothing can be scored or ranked because the sandbox failed.
    """
    wanted = [Wanted(priced.arm.spec, 1, listed) for priced, listed in zip(arms, candidates, strict=True)]
    graded = grade_arms(benchmark, wanted, judging.grader, allow_shared=judging.allow_shared)
    tasks, pools, warnings = graded.tasks, graded.pools, list(graded.warnings)
    costs = []
    for priced, pool in zip(arms, pools, strict=True):
        n, note = _samples_per_task(priced.arm.spec, pool, tasks)
        warnings += note
        costs.append(np.array([_amount(priced, k, by) for k in range(1, n + 2)], np.float64))
    budgets, every_step = _grid(costs, within, points)
    ks = [np.searchsorted(cost, budgets, side="right").astype(np.int64) for cost in costs]
    undefined = [
        f"{priced.arm.spec} has no k in the range: {_why_empty(cost, by)}"
        for priced, cost, at in zip(arms, costs, ks, strict=True)
        if not _defined(at, cost).any()
    ]
    if len(undefined) == len(arms):
        raise UserError(f"{'; '.join(undefined)}. Give another `budget`, or more samples")
    warnings += undefined

    tables = [
        score_pool(
            priced.arm.spec,
            pool,
            tasks,
            np.unique(at[_defined(at, cost)]),
            judging,
        )
        for priced, pool, cost, at in zip(arms, pools, costs, ks, strict=True)
    ]
    results = tuple(
        CurveArm(
            spec=priced.arm.spec,
            model=priced.model,
            precision=priced.precision,
            n=len(cost) - 1,
            cost_of_one=float(cost[0]),
            cost_of_all=float(cost[-2]),
            metrics={
                metric: _points(budgets, at, table.ks, values, len(cost) - 1, judging.seed)
                for metric, values in table.scores.items()
            },
            workload=priced.workload,
        )
        for priced, cost, at, table in zip(arms, costs, ks, tables, strict=True)
    )
    crossings = []
    for metric in (PASS_AT_K, *judging.rankers):
        for a, b in combinations(range(len(arms)), 2):
            common = _defined(ks[a], costs[a]) & _defined(ks[b], costs[b])
            first, second = (
                Steps(arms[side].arm.spec, ks[side][common], tables[side].at(metric, ks[side][common]))
                for side in (a, b)
            )
            crossings.append(
                find_crossing(metric, first, second, budgets[common], by=by, every_step=every_step, seed=judging.seed)
            )
    return Curve(
        benchmark=benchmark.name,
        workload=workload,
        sandbox=judging.grader.sandbox.launcher.name,
        by=by,
        tasks=len(tasks),
        left_out=graded.left_out,
        budgets=tuple(budgets.tolist()),
        every_step=every_step,
        arms=results,
        crossings=tuple(crossings),
        warnings=tuple(warnings),
        sandbox_errors=graded.sandbox_errors,
    )


def _price(arm: Arm, family: str, workload: Workload, conditions: Conditions, by: By) -> PricedArm:
    if arm.k is not None:
        raise UserError(f"{arm.spec}: a curve covers every k up to the number of samples; write {without_k(arm)}")
    model = priced_model(arm, family, conditions)
    precision = arm.precision or (UNKNOWN_PRECISION if model is None else model.default_precision)
    if precision is None and by == "runtime":
        raise UserError(f"{arm.spec}: its config.json gives no precision; add one, such as {arm.name}@bf16")
    try:
        cost = cost_of_arm(model, workload, conditions, conditions.prices.of_arm(arm), precision)
    except UserError as error:
        raise UserError(f"{arm.spec}: {error}") from error
    priced = PricedArm(arm, arm.name if model is None else model.name, precision, cost, model)
    one = getattr(cost(1), COST_FIELDS[by])
    if one is None:
        raise UserError(f"{arm.spec}: {how_to_know(model, by, '`by` usd')}")
    if not one > 0:
        raise UserError(f"{arm.spec} has no {by} cost, so it cannot be placed on a curve")
    return priced


def _amount(priced: PricedArm, k: int, by: By) -> float:
    value: float | None = getattr(priced.cost(k), COST_FIELDS[by])
    if value is None:
        raise UserError(f"{priced.arm.spec}: its cost by {by} is unknown")
    return value


def _samples_per_task(spec: str, pool: Pool, tasks: Sequence[Task]) -> tuple[int, list[str]]:
    sizes = {task.id: len(pool[task.id].verdicts) for task in tasks}
    fewest = min(sizes, key=lambda task_id: sizes[task_id])
    n, most = sizes[fewest], max(sizes.values())
    if n == most:
        return n, []
    short = sum(size < most for size in sizes.values())
    return n, [
        f"{spec}: its curve ends at k = {n}, the number of samples of {fewest}; {short} of {len(tasks)} tasks have "
        f"fewer than the maximum of {most}"
    ]


def _grid(costs: Sequence[FloatArray], within: Range | None, points: int) -> tuple[FloatArray, bool]:
    """List budgets to look at, ascending, and whether they are all at which some k changes.

    Args:
        costs: Per arm, of 1 to n + 1 samples.
        within: The range, or None.
        points: About how many if there are more.
    """
    low, high = within or (min(float(cost[0]) for cost in costs), max(float(cost[-2]) for cost in costs))
    ends = np.array([low, high])
    steps = np.concatenate([*costs, ends])
    steps = np.unique(steps[(steps >= low) & (steps <= high)])
    if len(steps) <= points:
        return steps, True
    places = np.searchsorted(steps, np.geomspace(low, high, points), side="right") - 1
    # Both ends of each arm stay exact.
    marks = np.concatenate([*(cost[[0, -2, -1]] for cost in costs), ends])
    marks = marks[(marks >= low) & (marks <= high)]
    return np.unique(np.concatenate([steps[np.maximum(places, 0)], marks])), False


def _defined(ks: IntArray, cost: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return (ks >= 1) & (ks < len(cost))


def _why_empty(cost: FloatArray, by: By) -> str:
    if cost[0] == cost[-1]:
        return f"{len(cost)} samples cost no more than one, but there are only {len(cost) - 1}"
    one, all_n = format_budget(by, float(cost[0])), format_budget(by, float(cost[-2]))
    return f"one sample costs {one}, all {len(cost) - 1} {all_n}"


def _points(
    budgets: FloatArray, ks: IntArray, known: IntArray, values: FloatArray, n: int, seed: int
) -> tuple[CurvePoint, ...]:
    intervals = dict(zip(known.tolist(), mean_intervals(values, seed=seed), strict=True))
    points = []
    for budget, k in zip(budgets.tolist(), ks.tolist(), strict=True):
        found = intervals.get(k)
        if found is None:
            why: Literal["below", "above"] = "below" if k < 1 else "above"
            points.append(CurvePoint(budget=budget, k=None, value=None, low=None, high=None, undefined=why))
        else:
            points.append(CurvePoint(budget=budget, k=k, value=found.value, low=found.low, high=found.high))
    return tuple(points)
