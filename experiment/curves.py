"""Arms with candidates -> a Curve: scores of each at every budget, from one pool of samples, and arms' crossings.

Equations 2, 3, 5 and 6 of Hassid et al. 2024 (sections 2 and 5.1): at a budget f an arm's score is that of its largest
k whose cost fits f. As there, a ranker's own cost is not charged to the budget: it is that of drawing the samples.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from .._util.progress import Progress, silent
from ..budgets.costs import Conditions, check_conditions, cost_of_arm, how_to_know
from ..budgets.dollars import check_prices
from ..budgets.notation import COST_FIELDS, parse_amount, parse_arm, parse_single, without_k
from ..budgets.plan import UNKNOWN_PRECISION, cascade_cost, plan_arms, priced_model
from ..budgets.realised import CascadeUse, flops_of_samples, realised_costs
from ..errors import UserError
from ..estimators import PASS_AT_K, FloatArray, IntArray, mean_intervals
from ..rankers import Offers, load_ranker
from ..records import Arm, By, Cost, Crossing, FileRecord, Interval, Plan, Record, Usage, Workload
from ..settings import BLIND_RANKER, RECORDED, Drawing
from .cascades import rank_cascade
from .choosing import cut_tests, mean_usage
from .crossings import Steps, find_crossing, format_budget
from .drawing import Session, draw_arms
from .escalation import rule_of
from .lengths import counted, counter_of, mean_lengths
from .own_tests import generated_by_arm, given_tests
from .planning import conditions_of, workload_of
from .pools import Pool, Wanted, WantedStage, by_task, grade_arms, pool_common_strata
from .ranking import PoolScores, score_pool
from .samples import NamedArm, check_once, files_by_arm, read_arm, staged
from .selected import chosen, shows_examples
from .selection import open_judging
from .targets import Target
from .workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..budgets.models import Model
    from ..records import Candidate, Task
    from ..settings import Charting, Grading, Planning, Running, Selecting
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

    A cascade is one point: at every budget from its realised cost on it has the score at its k. `n` is then that k, and
    both costs are its cost; `reached` is the share of tasks that reaches each of its stages.

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
    reached: tuple[float, ...] = ()


class Curve(FileRecord):
    """Scores over budgets; as JSON on disk, it is this record.

    `{"benchmark", "workload": {...}, "sandbox", "by": "flops"|"runtime"|"usd", "tasks", "left_out": {TASK: WHY},
    "budgets": [...], "every_step", "arms": [{"spec", "model", "precision", "n", "cost_of_one", "cost_of_all",
    "metrics": {METRIC: [{"budget", "k", "value", "low", "high", "undefined"}]}}], "crossings": [...], "warnings",
    "sandbox_errors"}`, and the `schema_version`; crossings are `records.Crossing`. Budgets and costs are FLOPs,
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

    `known` is None if only the model's price is known; `workload` is that of the arm's own samples if measured. A
    cascade has its `plan`, and the costs of its `stages`; its own `cost` is that if all tasks reach all of them.
    """

    arm: Arm
    model: str
    precision: str | None
    cost: Callable[[int], Cost]
    known: Model | None = None
    workload: Workload | None = None
    plan: Plan | None = None
    stages: tuple[PricedArm, ...] = ()

    @property
    def single(self) -> tuple[PricedArm, ...]:
        """Its stages, or itself."""
        return self.stages or (self,)


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
    singles = [single for arm in priced.arms for single in arm.single]
    listed = [
        [one for one in rows if not arm.stages or one.stage == place]
        for arm, rows in zip(priced.arms, candidates, strict=True)
        for place in range(len(arm.single))
    ]
    by_arm, _ = pool_common_strata([one.arm.spec for one in singles], [by_task(rows) for rows in listed])
    shared = set.intersection(*(set(found) for found in by_arm))
    measured = []
    for single, found in zip(singles, by_arm, strict=True):
        mine = [candidate for task_id, rows in found.items() if task_id in shared for candidate in rows]
        measured.append(_by_samples(single, priced.conditions, benchmark, mine) if mine else single)
    waiting = iter(measured)
    return tuple(
        arm._replace(stages=tuple(next(waiting) for _ in arm.stages)) if arm.stages else next(waiting)
        for arm in priced.arms
    )


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
    check_once([arm.arm for arm in priced.arms])
    singles = [single for arm in priced.arms for single in arm.single]
    files = files_by_arm(samples, [NamedArm(arm.arm, arm.precision or "") for arm in singles])
    found = {spec: read_arm(spec, patterns, benchmark, running).candidates for spec, patterns in files.items()}
    missing = [arm for arm in singles if arm.arm.spec not in found]
    if missing:
        targets = [Target(arm.arm, arm.model, "", arm.precision or "", 1) for arm in missing]
        replaying = drawing.model_copy(update={"engine": RECORDED})
        with open_workspace(running.store) as store:
            session = Session(replaying, store, running.seed)
            drawn = draw_arms(targets, benchmark.tasks, session, priced.conditions, progress)
        found |= {target.arm.spec: arm.candidates for target, arm in zip(targets, drawn.arms, strict=True)}
    return [
        tuple(staged([found[stage.arm.spec] for stage in arm.stages])) if arm.stages else found[arm.arm.spec]
        for arm in priced.arms
    ]


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
    paid = _with_tests_paid(arms, candidates, charting, selecting, running, benchmark)
    with open_judging(rankers, grading, running, progress, offers=paid.offers) as judging:
        return curve_of(
            benchmark,
            (*arms, *paid.arms),
            (*candidates, *paid.candidates),
            replace(judging, rule=rule_of(selecting)),
            workload=priced.workload,
            by=charting.by,
            within=within,
            points=charting.points,
        )


class _Paid(NamedTuple):
    """Lines of arms that pay for their tests, with their candidates, and what rankers are offered, by arm."""

    arms: Sequence[PricedArm] = ()
    candidates: Sequence[Sequence[Candidate]] = ()
    offers: Mapping[str, Offers] = MappingProxyType({})


def _with_tests_paid(
    arms: Sequence[PricedArm],
    candidates: Sequence[Sequence[Candidate]],
    charting: Charting,
    selecting: Selecting,
    running: Running,
    benchmark: Benchmark,
) -> _Paid:
    """Offer arms their tests, and with `--select` add a line to each that has any, whose budgets pay for both.

    Raises:
        UserError: The selection or the tests are wrong, budgets are not FLOPs, or the cost of tests is unknown.
        MachineError: The store has no tests of a model.
    """
    found = chosen(selecting, shown=shows_examples([benchmark]))
    if found is None and not selecting.tests:
        return _Paid()
    if found is not None and charting.by != "flops":
        raise UserError("`select` counts the FLOPs of tests: leave out `by`")
    named = [NamedArm(arm.single[0].arm, arm.single[0].precision or "") for arm in arms]
    recorded = Drawing(engine=RECORDED)
    tests = generated_by_arm(selecting.tests, named, benchmark, recorded, running)
    given = given_tests(selecting.tests, named)
    lines, rows, offers = [], [], {}
    for arm, one, mine in zip(arms, named, candidates, strict=True):
        spec = one.arm.spec
        texts = 0 if found is None else found.texts(min(map(len, by_task(mine).values()), default=0))
        if not texts or spec not in tests:
            offers[arm.arm.spec] = Offers(tests.get(spec, None if found is None else {}))
            continue
        is_own = parse_single(given.models.get(spec, spec)).name == one.arm.name
        programs = counted(mine, benchmark.by_id, counter_of(arm.single[0].model)).candidates
        model = None if not is_own else arm.single[0].known
        cut = cut_tests(tests[spec], texts, programs, model)
        offers[arm.arm.spec] = Offers(cut)
        if arm.stages:
            continue
        usage = mean_usage([cut[task.id].usage for task in benchmark.tasks if task.id in cut])
        if usage.prefill_flops is None or usage.decode_flops is None:
            raise UserError(f"{spec}: the cost of its tests is unknown, since their rows name no known model")
        flops = usage.prefill_flops + usage.decode_flops
        line = f"{spec} with {texts} tests"
        lines.append(arm._replace(arm=one.arm.model_copy(update={"spec": line}), cost=_plus(arm.cost, flops)))
        rows.append(mine)
        offers[line] = offers[arm.arm.spec]
    return _Paid(lines, rows, offers)


def _plus(cost: Callable[[int], Cost], flops: float) -> Callable[[int], Cost]:
    """Add the FLOPs of tests to a cost; a single sample is not ranked."""

    def total(k: int) -> Cost:
        found = cost(k)
        return found if k == 1 or found.flops is None else found.model_copy(update={"flops": found.flops + flops})

    return total


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
    check_prices([single for arm in arms for single in arm.stages or (arm,)], conditions.prices)
    return tuple(
        _price_cascade(arm, family, workload, conditions, by)
        if arm.stages
        else _price(arm, family, workload, conditions, by)
        for arm in arms
    )


def _price_cascade(arm: Arm, family: str, workload: Workload, conditions: Conditions, by: By) -> PricedArm:
    (plan,) = plan_arms(
        [arm], family=family, workload=workload, match=by, conditions=replace(conditions, escalate=None)
    )
    stages = tuple(
        _price(stage.model_copy(update={"k": None}), family, workload, conditions, by)._replace(arm=stage)
        for stage in arm.stages
    )
    return PricedArm(arm, plan.model, plan.precision, lambda _: plan.cost, plan=plan, stages=stages)


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
    wanted = [_wanted(priced, listed) for priced, listed in zip(arms, candidates, strict=True)]
    graded = grade_arms(benchmark, wanted, judging.grader, allow_shared=judging.allow_shared)
    tasks, pools, warnings = graded.tasks, graded.pools, list(graded.warnings)
    costs = []
    replayed: dict[int, _Replayed] = {}
    for place, (priced, pool) in enumerate(zip(arms, pools, strict=True)):
        if priced.plan is not None:
            replayed[place] = _replay(priced, priced.plan, pool, tasks, judging, by)
            # It has one point, which no further sample ends.
            costs.append(np.array([replayed[place].cost, np.inf], np.float64))
            continue
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
        replayed[place].scores
        if place in replayed
        else score_pool(
            priced.arm.spec,
            pool,
            tasks,
            np.unique(at[_defined(at, cost)]),
            judging,
        )
        for place, (priced, pool, cost, at) in enumerate(zip(arms, pools, costs, ks, strict=True))
    ]
    results = tuple(
        CurveArm(
            spec=priced.arm.spec,
            model=priced.model,
            precision=priced.precision,
            n=priced.arm.k if priced.stages and priced.arm.k else len(cost) - 1,
            cost_of_one=float(cost[0]),
            cost_of_all=float(cost[-2]),
            metrics={
                metric: _points(budgets, at, table.ks, values, priced.arm.k if priced.stages else None, judging.seed)
                for metric, values in table.scores.items()
            },
            workload=priced.workload,
            reached=replayed[place].reached if place in replayed else (),
        )
        for place, (priced, cost, at, table) in enumerate(zip(arms, costs, ks, tables, strict=True))
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


def _wanted(priced: PricedArm, candidates: Sequence[Candidate]) -> Wanted:
    if priced.plan is None:
        return Wanted(priced.arm.spec, 1, candidates)
    stages = [WantedStage(stage.arm.spec, stage.k) for stage in priced.plan.stages]
    return Wanted(priced.arm.spec, priced.plan.k, candidates, stages)


class _Replayed(NamedTuple):
    """A cascade's scores as of one sample, its cost, and the share of tasks that reaches each of its stages."""

    scores: PoolScores
    cost: float
    reached: tuple[float, ...]


def _replay(priced: PricedArm, plan: Plan, pool: Pool, tasks: Sequence[Task], judging: Judging, by: By) -> _Replayed:
    """Replay a cascade: its FLOPs are those of the tasks' own samples where these have lengths."""
    # The rules of pass@k need a ranker's rows.
    chosen = judging if judging.rankers else replace(judging, rankers={BLIND_RANKER: load_ranker(BLIND_RANKER)})
    found = rank_cascade(plan, pool, tasks, replace(chosen, strict=True))
    walks = [row.walk for row in next(iter(found.rows.values())) if row.walk is not None]
    reached = tuple(float(np.mean([walk.reached[place] for walk in walks])) for place in range(len(plan.stages)))
    cost = cascade_cost(
        [stage.cost(single.k) for stage, single in zip(priced.stages, plan.stages, strict=True)], reached
    )
    if all(stage.workload is not None for stage in priced.stages):
        by_id = {task.id: task for task in tasks}
        counters = [counter_of(stage.model) for stage in priced.stages]
        samples = [
            [
                one
                for place, counter in enumerate(counters)
                for one in counted([c for c in pool[task.id].candidates if c.stage == place], by_id, counter).lengths
            ]
            for task in tasks
        ]
        use = CascadeUse([walk.reached for walk in walks], [Usage() for _ in plan.stages])
        (realised,) = realised_costs([plan], samples=[samples], tolerance=0.0, measured=[use])
        cost = cost.model_copy(update={"flops": realised.cost.flops})
    amount: float | None = getattr(cost, COST_FIELDS[by])
    if amount is None:
        raise UserError(f"{priced.arm.spec}: its cost by {by} is unknown")
    scores = {PASS_AT_K: np.array([[walk.passing] for walk in walks], np.float64)}
    scores |= {name: np.array([[row.at_k[plan.k]] for row in found.rows[name]], np.float64) for name in judging.rankers}
    return _Replayed(PoolScores(np.array([1], np.int64), scores), amount, reached)


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
    budgets: FloatArray, ks: IntArray, known: IntArray, values: FloatArray, cascade_k: int | None, seed: int
) -> tuple[CurvePoint, ...]:
    intervals = dict(zip(known.tolist(), mean_intervals(values, seed=seed), strict=True))
    points = []
    for budget, k in zip(budgets.tolist(), ks.tolist(), strict=True):
        found = intervals.get(k)
        if found is None:
            why: Literal["below", "above"] = "below" if k < 1 else "above"
            points.append(CurvePoint(budget=budget, k=None, value=None, low=None, high=None, undefined=why))
        else:
            shown = k if cascade_k is None else cascade_k
            points.append(CurvePoint(budget=budget, k=shown, value=found.value, low=found.low, high=found.high))
    return tuple(points)
