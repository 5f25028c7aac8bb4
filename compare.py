"""Arms with recorded or drawn candidates -> a Comparison: grade, rank, score, test, and say what to do."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .advice import advise
from .budgets.realised import realised_costs
from .estimators import PASS_AT_K, FloatArray, holm, mean_interval, paired_difference, pass_at_k
from .grading import Grader, Progress, silent
from .pools import Pool, Wanted, grade_arms, public_task
from .rankers import Context, RankedPool, Ranker, RememberingRunner
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
    Usage,
    Workload,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .sampler.origins import Tally
    from .tasks import Benchmark

ORACLE = "oracle"
"""Picks a candidate that passes the hidden tests where there is one: a bound, and no ranker that anyone can run."""

RANDOM = "random"
"""Picks blindly: the other bound, and like `oracle` not tested, unless it is to decide."""

_SUBSETS = 200


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
    scored, pools, left_out, warnings, sandbox_errors = grade_arms(benchmark, wanted, grader, allow_shared=allow_shared)
    scores = [
        _scores(arm, pool, scored, rankers, grader, seed, progress) for arm, pool in zip(arms, pools, strict=True)
    ]
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
    warnings += _of_realised(plans, realised)
    results = tuple(
        _arm_result(arm, pool, scored, score, cost, seed)
        for arm, pool, score, cost in zip(arms, pools, scores, realised, strict=True)
    )
    metrics = [PASS_AT_K, *(name for name in rankers if name != RANDOM or name == decisive_ranker)]
    paired = _paired([plan.arm.spec for plan in plans], [score.values for score in scores], metrics, seed)
    return Comparison(
        benchmark=benchmark.name,
        workload=workload,
        sandbox=grader.sandbox.launcher.name,
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


def _scores(
    arm: ArmSamples,
    pool: Pool,
    tasks: Sequence[Task],
    rankers: Mapping[str, Ranker],
    grader: Grader,
    seed: int,
    progress: Progress,
) -> _Scores:
    k = arm.plan.k
    counts = np.array([len(pool[task.id].verdicts) for task in tasks], dtype=np.int64)
    passes = np.array([int(pool[task.id].passed.sum()) for task in tasks], dtype=np.int64)
    values = {PASS_AT_K: pass_at_k(counts, passes, k)} | {name: np.empty(len(tasks)) for name in rankers}
    flops = dict.fromkeys(rankers, 0.0)
    seconds = dict.fromkeys(rankers, 0.0)

    def rank(task: Task) -> dict[str, tuple[float, Usage]]:
        """Score, and what ranking all candidates took, by ranker, for one task."""
        graded = pool[task.id]
        shown = public_task(task, graded.candidates)
        # Shared by the rankers: two that look at the same calls run each program once.
        runner = RememberingRunner(grader)
        scored = {}
        for name, ranker in rankers.items():
            context = Context(random.Random(f"{seed}/{task.id}"), runner)
            ranked = RankedPool(ranker, shown, graded.candidates, context)
            score = ranked.score_at_k(graded.passed, k, subsets=_SUBSETS, seed=seed)
            scored[name] = score, ranked.ranking.usage
        return scored

    with ThreadPoolExecutor(grader.sandbox.workers) as threads:
        try:
            for place, scored in enumerate(threads.map(rank, tasks)):
                # Ranking k of n candidates costs the share of ranking them all.
                share = k / int(counts[place]) / len(tasks)
                for name, (score, usage) in scored.items():
                    values[name][place] = score
                    flops[name] += ((usage.prefill_flops or 0.0) + (usage.decode_flops or 0.0)) * share
                    seconds[name] += (usage.wall_s or 0.0) * share
                progress(f"ranking {arm.plan.arm.spec}", place + 1, len(tasks))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    values[ORACLE] = values[PASS_AT_K]
    costs = {name: Cost(flops=flops[name], runtime_s=seconds[name]) for name in rankers}
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
