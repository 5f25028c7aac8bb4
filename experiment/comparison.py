"""Arms with recorded or drawn candidates -> a Comparison: grade, rank, score, test, and say what to do."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..budgets.realised import k_left, realised_costs
from ..errors import RankerError
from ..estimators import PASS_AT_K, FloatArray, holm, mean_interval, paired_difference, pass_at_k
from ..rankers import check_offered
from ..records import (
    ArmResult,
    Budget,
    BudgetKind,
    Candidate,
    Comparison,
    Cost,
    LeftScore,
    PairedResult,
    Plan,
    RankerScore,
    Realised,
    Status,
    StratumScore,
    Task,
    Workload,
)
from .advice import advise
from .grading import Grader, Progress, silent
from .pools import Wanted, grade_arms
from .ranking import NOTHING, rank_pool, ranking_cost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..rankers import Offers, Ranker
    from ..sampler.series import Tally
    from ..tasks import Benchmark
    from .pools import GradedArms, Pool
    from .ranking import RankedTask

ORACLE = "oracle"
"""Picks a candidate that passes the hidden tests where there is one: a bound, and no ranker that anyone can run."""

RANDOM = "random"
"""Picks blindly: the other bound, and like `oracle` not tested, unless it is to decide."""


class ArmSamples(NamedTuple):
    """An arm's plan and the candidates that it has; `tally` is what drawing them took, where they were drawn here."""

    plan: Plan
    candidates: Sequence[Candidate]
    tally: Tally | None = None


def compare(
    benchmark: Benchmark,
    arms: Sequence[ArmSamples],
    *,
    workload: Workload,
    grader: Grader,
    rankers: Mapping[str, Ranker],
    decisive_ranker: str,
    tolerance: float = 0.05,
    match: BudgetKind | None = None,
    budget: Budget | None = None,
    allow_shared: bool = False,
    offers: Mapping[str, Offers] | None = None,
    strict: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """Compare arms on the tasks that all of them have.

    Args:
        benchmark: Where the tasks come from; each needs hidden tests and a reference solution.
        arms: Their plans and candidates.
        workload: What the plans were made for.
        grader: Runs programs, through the store.
        rankers: By the name that the user typed. `oracle` is added.
        decisive_ranker: The one of `rankers` by which those without tests are advised.
        tolerance: How far over the first arm's realised cost, or the budget, still counts as matched.
        match: What the plans were matched by; FLOPs where neither this nor `budget` is given.
        budget: What the plans were made for, in the first arm's place.
        allow_shared: Score tasks whose values cannot cross between processes, with weaker isolation.
        offers: What rankers may use besides the sandbox, by the arm as typed.
        strict: A ranker that fails ends the comparison; else it is left out with a warning, but for the decisive one.
        seed: Of subsets, resampling and rankers.
        progress: Is told how far grading and ranking are.

    Raises:
        UserError: no task can be scored for all arms, or a ranker lacks what it needs.
        RankerError: a ranker failed.
        SandboxError: the sandbox failed so that nothing can be scored or ranked.
    """
    offered = {arm.plan.arm.spec: (offers or {}).get(arm.plan.arm.spec, NOTHING) for arm in arms}
    for ranker in rankers.values():
        for mine in offered.values():
            check_offered(ranker, mine.kinds | {"execution"})
    wanted = [Wanted(arm.plan.arm.spec, arm.plan.k, arm.candidates) for arm in arms]
    graded = grade_arms(benchmark, wanted, grader, allow_shared=allow_shared)
    failures: dict[str, str] = {}
    ranked = [
        rank_pool(
            arm.plan.arm.spec,
            pool,
            graded.tasks,
            [arm.plan.k],
            rankers,
            grader,
            offers=offered[arm.plan.arm.spec],
            seed=seed,
            progress=progress,
            failures=None if strict else failures,
            k_left=partial(k_left, arm.plan, workload),
        )
        for arm, pool in zip(arms, graded.pools, strict=True)
    ]
    if decisive_ranker in failures:
        raise RankerError(failures[decisive_ranker])
    for name, why in failures.items():
        graded.warnings.append(f"{name} is left out: {why}")
    return comparison_of(
        benchmark.name,
        arms,
        graded,
        [{name: rows for name, rows in mine.items() if name not in failures} for mine in ranked],
        workload=workload,
        sandbox=grader.sandbox.launcher.name,
        decisive_ranker=decisive_ranker,
        tolerance=tolerance,
        match=match,
        budget=budget,
        seed=seed,
    )


def comparison_of(
    benchmark: str,
    arms: Sequence[ArmSamples],
    graded: GradedArms,
    ranked: Sequence[Mapping[str, Sequence[RankedTask]]],
    *,
    workload: Workload,
    sandbox: str,
    decisive_ranker: str,
    tolerance: float = 0.05,
    match: BudgetKind | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Comparison:
    """The comparison that follows from verdicts and rankings; it runs nothing. For the arguments see `compare`.

    Args:
        benchmark: Its name.
        arms: Their plans; which of their candidates are scored is in `graded`.
        graded: Tasks, candidates and verdicts.
        ranked: Per arm, by ranker, one per task of `graded`, with the score at the arm's k.
        workload: What the plans were made for.
        sandbox: The name of what graded.
        decisive_ranker: The one by which those without tests are advised.
        tolerance: How far over the limit still counts as matched.
        match: What the plans were matched by.
        budget: What the plans were made for.
        seed: Of resampling.
    """
    scored, pools, left_out, warnings, sandbox_errors, doubts = graded
    scores = [_scores(arm.plan.k, pool, scored, rows) for arm, pool, rows in zip(arms, pools, ranked, strict=True)]
    plans = [arm.plan for arm in arms]
    realised = realised_costs(
        plans,
        [_sample_lists(pool, scored) for pool in pools],
        tolerance,
        match=match,
        budget=budget,
        workload=workload,
        measured=[None if arm.tally is None else arm.tally.per_task(arm.plan.k) for arm in arms],
    )
    warnings = warnings + _of_realised(plans, realised)
    results = tuple(
        _arm_result(arm, pool, scored, score, cost, None if place == 0 else scores[0].single, seed)
        for place, (arm, pool, score, cost) in enumerate(zip(arms, pools, scores, realised, strict=True))
    )
    metrics = [PASS_AT_K, *(name for name in ranked[0] if name != RANDOM or name == decisive_ranker)]
    paired = _paired([plan.arm.spec for plan in plans], [score.values for score in scores], metrics, seed)
    return Comparison(
        benchmark=benchmark,
        workload=workload,
        sandbox=sandbox,
        tasks=len(scored),
        left_out=left_out,
        arms=results,
        paired=paired,
        decisive_ranker=decisive_ranker,
        verdict=advise(results, paired, decisive_ranker, doubts),
        warnings=tuple(warnings),
        sandbox_errors=sandbox_errors,
        doubts=doubts,
    )


def _of_realised(plans: Sequence[Plan], realised: Sequence[Realised]) -> list[str]:
    """What a reader must know of costs that were counted."""
    without = [plan.arm.spec for plan, result in zip(plans, realised, strict=True) if result.cost.flops is None]
    if len(without) == len(plans):
        return ["the samples carry no token counts, so there is no realised cost to set beside the plan"]
    notes = [f"{spec}: not every sample carries token counts, so it has no realised cost" for spec in without]
    return notes + [
        f"{plan.arm.spec} was planned to match, but its samples took {_ratios(result)} of the limit"
        for plan, result in zip(plans, realised, strict=True)
        if plan.matched and result.matched is False
    ]


def _ratios(result: Realised) -> str:
    """What is known of a realised cost against its limit, FLOPs first."""
    ratio = result.budget_ratio
    named = {"": ratio.flops, " (seconds)": ratio.runtime_s, " (dollars)": ratio.usd}
    return ", ".join(f"{value:.3f}{name}" for name, value in named.items() if value is not None)


class _Scores(NamedTuple):
    """Per-task scores of one arm by metric; what each ranker costs per task at the arm's k; what is left with it."""

    values: dict[str, FloatArray]
    single: FloatArray
    ranker_cost: dict[str, Cost]
    left: dict[str, tuple[float, FloatArray]]


def _scores(k: int, pool: Pool, tasks: Sequence[Task], ranked: Mapping[str, Sequence[RankedTask]]) -> _Scores:
    counts = np.array([len(pool[task.id].verdicts) for task in tasks], dtype=np.int64)
    passes = np.array([int(pool[task.id].passed.sum()) for task in tasks], dtype=np.int64)
    values = {PASS_AT_K: pass_at_k(counts, passes, k)}
    costs, left = {}, {}
    for name, rows in ranked.items():
        values[name] = np.array([row.at_k[k] for row in rows], np.float64)
        costs[name] = _ranking_cost(k, rows)
        known = [row.left for row in rows if row.left is not None]
        if len(known) == len(rows):
            sizes, at_left = zip(*known, strict=True)
            left[name] = float(np.mean(sizes)), np.array(at_left, np.float64)
    values[ORACLE] = values[PASS_AT_K]
    # Nothing ranks: the hidden tests do, and that is grading.
    costs[ORACLE] = Cost(flops=0.0, runtime_s=0.0)
    return _Scores(values, pass_at_k(counts, passes, 1), costs, left)


def _ranking_cost(k: int, rows: Sequence[RankedTask]) -> Cost:
    """What ranking k candidates of a task costs; seconds of drawing tests are among it where they are known."""
    flops: list[float | None] = []
    seconds: list[float] = []
    for row in rows:
        cost = ranking_cost(row.ranking)
        flops.append(None if cost is None else k * cost.per_candidate_flops + cost.fixed_flops)
        drawing_s = 0.0 if row.ranking.tests_usage is None else row.ranking.tests_usage.wall_s or 0.0
        seconds.append(k / len(row.ranking.scores) * (row.ranking.usage.wall_s or 0.0) + drawing_s)
    known = [amount for amount in flops if amount is not None]
    return Cost(
        flops=float(np.mean(known)) if len(known) == len(flops) else None,
        runtime_s=float(np.mean(seconds)),
    )


def _sample_lists(pool: Pool, tasks: Sequence[Task]) -> list[list[Candidate]]:
    return [pool[task.id].candidates for task in tasks]


def _arm_result(
    arm: ArmSamples,
    pool: Pool,
    tasks: Sequence[Task],
    scores: _Scores,
    realised: Realised,
    first_arm: FloatArray | None,
    seed: int,
) -> ArmResult:
    """One arm's row; `first_arm` is pass@1 of the first arm, [tasks], for others than that."""
    statuses: Counter[Status] = Counter(verdict.status for task in tasks for verdict in pool[task.id].verdicts)
    way = None if first_arm is None else paired_difference(first_arm, scores.single, seed=seed)
    rankers = {}
    for name, values in scores.values.items():
        if name == PASS_AT_K:
            continue
        interval = mean_interval(values, seed=seed)
        left = None
        if name in scores.left:
            k, at_left = scores.left[name]
            mean = mean_interval(at_left, seed=seed)
            left = LeftScore(k=k, value=mean.value, low=mean.low, high=mean.high)
        gap_closed = None
        if way is not None and not way.low <= 0 <= way.high:
            gap_closed = float((values - scores.single).mean()) / way.difference
        rankers[name] = RankerScore(
            value=interval.value,
            low=interval.low,
            high=interval.high,
            cost_flops=scores.ranker_cost[name].flops,
            cost_s=scores.ranker_cost[name].runtime_s,
            left=left,
            gap_closed=gap_closed,
        )
    sizes = [len(pool[task.id].verdicts) for task in tasks]
    return ArmResult(
        plan=arm.plan,
        n=min(sizes),
        samples=sum(sizes),
        pass_at_k=mean_interval(scores.values[PASS_AT_K], seed=seed),
        rankers=rankers,
        realised=realised,
        statuses=dict(statuses),
        strata=_strata(pool, tasks, seed),
    )


def _strata(pool: Pool, tasks: Sequence[Task], seed: int) -> tuple[StratumScore, ...]:
    passed: dict[str, dict[str, list[bool]]] = {}
    for task in tasks:
        graded = pool[task.id]
        for candidate, passes in zip(graded.candidates, graded.passed, strict=True):
            if candidate.stratum is not None:
                passed.setdefault(candidate.stratum, {}).setdefault(task.id, []).append(bool(passes))
    return tuple(
        StratumScore(
            name=name,
            n=min(len(row) for row in rows.values()),
            pass_at_1=mean_interval(np.array([float(np.mean(row)) for row in rows.values()]), seed=seed),
        )
        for name, rows in sorted(passed.items())
    )


def _paired(
    specs: Sequence[str], scores: Sequence[Mapping[str, FloatArray]], metrics: Sequence[str], seed: int
) -> tuple[PairedResult, ...]:
    """Every pair of arms on every metric."""
    rows = [
        (metric, a, b, paired_difference(scores[a][metric], scores[b][metric], seed=seed))
        for metric in metrics
        for a in range(len(specs))
        for b in range(a + 1, len(specs))
    ]
    if not rows:
        return ()
    adjusted = holm(np.array([row.p_value for _, _, _, row in rows]))
    return tuple(
        PairedResult(
            a=specs[a],
            b=specs[b],
            metric=metric,
            difference=row.difference,
            low=row.low,
            high=row.high,
            p_value=float(p_value),
        )
        for (metric, a, b, row), p_value in zip(rows, adjusted, strict=True)
    )
