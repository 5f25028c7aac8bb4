"""Arms with recorded or drawn candidates -> a Comparison: grade, rank, score, test, and say what to do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .advice import advise
from .budgets.realised import realised_costs
from .estimators import PASS_AT_K, FloatArray, holm, mean_interval, paired_difference, pass_at_k
from .grading import Grader, Progress, silent
from .pools import Wanted, grade_arms, rank_pool
from .records import (
    ArmResult,
    Budget,
    BudgetKind,
    Candidate,
    Comparison,
    Cost,
    PairedResult,
    Plan,
    RankerScore,
    Realised,
    Status,
    StratumScore,
    Task,
    Workload,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .pools import GradedArms, Pool, RankedTask
    from .rankers import Ranker
    from .sampler.origins import Tally
    from .tasks import Benchmark

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
        seed: Of subsets, resampling and rankers.
        progress: Is told how far grading and ranking are.

    Raises:
        UserError: no task can be scored for all arms.
        SandboxError: the sandbox failed so that nothing can be scored or ranked.
    """
    wanted = [Wanted(arm.plan.arm.spec, arm.plan.k, arm.candidates) for arm in arms]
    graded = grade_arms(benchmark, wanted, grader, allow_shared=allow_shared)
    ranked = [
        rank_pool(arm.spec, pool, graded.tasks, [arm.k], rankers, grader, seed=seed, progress=progress)
        for arm, pool in zip(wanted, graded.pools, strict=True)
    ]
    return comparison_of(
        benchmark.name,
        arms,
        graded,
        ranked,
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
    scored, pools, left_out, warnings, sandbox_errors = graded
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
        _arm_result(arm, pool, scored, score, cost, seed)
        for arm, pool, score, cost in zip(arms, pools, scores, realised, strict=True)
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
        verdict=advise(results, paired, decisive_ranker),
        warnings=tuple(warnings),
        sandbox_errors=sandbox_errors,
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
    """Per-task scores of one arm by metric, and what each ranker cost per task at the arm's k."""

    values: dict[str, FloatArray]
    ranker_cost: dict[str, Cost]


def _scores(k: int, pool: Pool, tasks: Sequence[Task], ranked: Mapping[str, Sequence[RankedTask]]) -> _Scores:
    counts = np.array([len(pool[task.id].verdicts) for task in tasks], dtype=np.int64)
    passes = np.array([int(pool[task.id].passed.sum()) for task in tasks], dtype=np.int64)
    values = {PASS_AT_K: pass_at_k(counts, passes, k)}
    costs = {}
    # Ranking k of n candidates costs the share of ranking them all.
    shares = k / counts / len(tasks)
    for name, rows in ranked.items():
        values[name] = np.array([row.at_k[k] for row in rows], np.float64)
        usages = [row.ranking.usage for row in rows]
        flops = np.array([(usage.prefill_flops or 0.0) + (usage.decode_flops or 0.0) for usage in usages])
        seconds = np.array([usage.wall_s or 0.0 for usage in usages])
        costs[name] = Cost(flops=float((flops * shares).sum()), runtime_s=float((seconds * shares).sum()))
    values[ORACLE] = values[PASS_AT_K]
    # Nothing ranks: the hidden tests do, and that is grading.
    return _Scores(values, costs | {ORACLE: Cost(flops=0.0, runtime_s=0.0)})


def _sample_lists(pool: Pool, tasks: Sequence[Task]) -> list[list[Candidate]]:
    return [pool[task.id].candidates for task in tasks]


def _arm_result(
    arm: ArmSamples, pool: Pool, tasks: Sequence[Task], scores: _Scores, realised: Realised, seed: int
) -> ArmResult:
    statuses: Counter[Status] = Counter(verdict.status for task in tasks for verdict in pool[task.id].verdicts)
    rankers = {}
    for name, values in scores.values.items():
        if name == PASS_AT_K:
            continue
        interval = mean_interval(values, seed=seed)
        rankers[name] = RankerScore(
            value=interval.value,
            low=interval.low,
            high=interval.high,
            cost_flops=scores.ranker_cost[name].flops,
            cost_s=scores.ranker_cost[name].runtime_s,
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
