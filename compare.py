"""Arms with recorded or drawn candidates -> a Comparison: grade, rank, score, test, and say what to do."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .advice import advise
from .budgets.realised import realised_costs
from .errors import UserError
from .estimators import BoolArray, FloatArray, holm, mean_interval, paired_difference, pass_at_k
from .grading import Grader, Program, Progress, silent
from .rankers import Context, RankedPool, Ranker, RememberingRunner
from .records import (
    ArmResult,
    Candidate,
    Comparison,
    PairedResult,
    Plan,
    PublicTask,
    RankerScore,
    Realised,
    ReferenceCheck,
    Status,
    StratumScore,
    Task,
    Verdict,
    Workload,
)
from .sampler.strata import pool_common_strata
from .tasks import Benchmark, visible_examples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ORACLE = "oracle"
"""Picks a candidate that passes the hidden tests where there is one: a bound, and no ranker that anyone can run."""

RANDOM = "random"
"""Picks blindly: the other bound."""

PASS_AT_K = "pass_at_k"
_SUBSETS = 200


class ArmSamples(NamedTuple):
    """An arm's plan and the candidates that it has."""

    plan: Plan
    candidates: Sequence[Candidate]


class _Graded(NamedTuple):
    """The candidates of one arm and task that are scored, with their verdicts."""

    candidates: list[Candidate]
    verdicts: list[Verdict]

    @property
    def passed(self) -> BoolArray:
        return np.array([verdict.status == "passed" for verdict in self.verdicts], dtype=np.bool_)


_Pool = dict[str, _Graded]
"""An arm's graded candidates by task id."""


def compare(
    benchmark: Benchmark,
    arms: Sequence[ArmSamples],
    *,
    workload: Workload,
    grader: Grader,
    rankers: Mapping[str, Ranker],
    decisive_ranker: str,
    tolerance: float = 0.05,
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
        decisive_ranker: The one by which those without tests are advised.
        tolerance: How far over the first arm's realised cost still counts as matched.
        allow_shared: Score tasks whose values cannot cross between processes, with weaker isolation.
        seed: Of subsets, resampling and rankers.
        progress: Is told how far grading and ranking are.

    Raises:
        UserError: no task can be scored for all arms.
        SandboxError: the sandbox failed.
    """
    warnings: list[str] = []
    by_arm = [_by_task(arm.candidates) for arm in arms]
    by_arm, strata_warnings = pool_common_strata([arm.plan.arm.spec for arm in arms], by_arm)
    warnings += strata_warnings

    tasks, left_out = _tasks_of_all(benchmark, arms, by_arm)
    checks = grader.check(tasks)
    for task in tasks:
        check = checks[task.id]
        if not check.ok:
            left_out[task.id] = f"its own reference solution fails here ({check.detail})"
        elif check.integrity == "shared" and not allow_shared:
            left_out[task.id] = "its values cannot cross between processes; --allow-shared scores it all the same"
    tasks = [task for task in tasks if task.id not in left_out]

    pools = _grade(tasks, checks, by_arm, grader)
    broken = {
        task_id
        for pool in pools
        for task_id, graded in pool.items()
        if any(verdict.status == "sandbox_error" for verdict in graded.verdicts)
    }
    sandbox_errors = sum(
        verdict.status == "sandbox_error" for pool in pools for graded in pool.values() for verdict in graded.verdicts
    )
    left_out |= dict.fromkeys(sorted(broken), "the sandbox failed on one of its programs")
    scored = [task for task in tasks if task.id not in broken]
    if not scored:
        reasons = Counter(left_out.values()).most_common(1)
        raise UserError(f"no task is left to score ({reasons[0][0] if reasons else 'the benchmark is empty'})")
    warnings += _tampering(arms, pools)

    scores = [
        _scores(arm, pool, scored, rankers, grader, seed, progress) for arm, pool in zip(arms, pools, strict=True)
    ]
    realised = realised_costs([arm.plan for arm in arms], [_sample_lists(pool, scored) for pool in pools], tolerance)
    if all(result.cost.flops is None for result in realised):
        warnings.append("the samples carry no token counts, so there is no realised cost to set beside the plan")
    results = tuple(
        _arm_result(arm, pool, scored, score, cost, seed)
        for arm, pool, score, cost in zip(arms, pools, scores, realised, strict=True)
    )
    paired = _paired([arm.plan.arm.spec for arm in arms], [score.values for score in scores], seed)
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


def public_task(task: Task, candidates: Sequence[Candidate]) -> PublicTask:
    """What rankers see of a task: the prompt that the candidates were drawn from takes the benchmark's place.

    Where candidates were drawn from several prompts, only examples that all of those show are visible.
    """
    prompts = list(dict.fromkeys(candidate.prompt or task.prompt for candidate in candidates))
    if not prompts or prompts == [task.prompt]:
        return task.public()
    shown = [visible_examples(prompt, task.entry_point) for prompt in prompts]
    common = tuple(example for example in shown[0] if all(example in others for others in shown[1:]))
    return task.public().model_copy(update={"prompt": prompts[0], "examples": common})


def _by_task(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    grouped: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        grouped.setdefault(candidate.task_id, []).append(candidate)
    return grouped


def _tasks_of_all(
    benchmark: Benchmark, arms: Sequence[ArmSamples], by_arm: Sequence[Mapping[str, Sequence[Candidate]]]
) -> tuple[list[Task], dict[str, str]]:
    """Tasks for which every arm has its k samples, and why the others are left out."""
    left_out: dict[str, str] = {}
    for task in benchmark.tasks:
        for arm, candidates in zip(arms, by_arm, strict=True):
            have = len(candidates.get(task.id, ()))
            if have < arm.plan.k:
                what = "no sample" if have == 0 else f"only {have} of {arm.plan.k} samples"
                left_out[task.id] = f"{what} of {arm.plan.arm.spec}"
                break
    tasks = [task for task in benchmark.tasks if task.id not in left_out]
    if not tasks:
        k = max(arm.plan.k for arm in arms)
        most = max((len(rows) for candidates in by_arm for rows in candidates.values()), default=0)
        raise UserError(
            f"no task has enough samples of every arm ({Counter(left_out.values()).most_common(1)[0][0]}): "
            f"pass@{k} needs {k} samples per task; ask for a smaller k (there are up to {most}) or give more files"
        )
    return tasks, left_out


def _grade(
    tasks: Sequence[Task],
    checks: dict[str, ReferenceCheck],
    by_arm: Sequence[Mapping[str, list[Candidate]]],
    grader: Grader,
) -> list[_Pool]:
    # Task by task over all arms, so that a tester compiles each task's tests once.
    programs = [
        (arm, task, candidate)
        for task in tasks
        for arm, candidates in enumerate(by_arm)
        for candidate in candidates[task.id]
    ]
    verdicts = grader.grade([Program(task, candidate.program) for _, task, candidate in programs], checks)
    pools: list[_Pool] = [{} for _ in by_arm]
    for (arm, task, candidate), verdict in zip(programs, verdicts, strict=True):
        graded = pools[arm].setdefault(task.id, _Graded([], []))
        graded.candidates.append(candidate)
        graded.verdicts.append(verdict)
    return pools


def _tampering(arms: Sequence[ArmSamples], pools: Sequence[_Pool]) -> list[str]:
    return [
        f"{arm.plan.arm.spec} sample {candidate.index} of {task_id} tampered with its grading: {verdict.detail}"
        for arm, pool in zip(arms, pools, strict=True)
        for task_id, graded in pool.items()
        for candidate, verdict in zip(graded.candidates, graded.verdicts, strict=True)
        if verdict.status == "tampered"
    ]


class _Scores(NamedTuple):
    """Per-task scores of one arm by metric, and what each ranker cost per task at the arm's k."""

    values: dict[str, FloatArray]
    ranker_cost_s: dict[str, float]


def _scores(
    arm: ArmSamples,
    pool: _Pool,
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
    cost_s = dict.fromkeys(rankers, 0.0)

    def rank(task: Task) -> dict[str, tuple[float, float]]:
        """Score and seconds by ranker, for one task."""
        graded = pool[task.id]
        shown = public_task(task, graded.candidates)
        # Shared by the rankers: two that look at the same calls run each program once.
        runner = RememberingRunner(grader)
        scored = {}
        for name, ranker in rankers.items():
            context = Context(random.Random(f"{seed}/{task.id}"), runner)
            ranked = RankedPool(ranker, shown, graded.candidates, context)
            score = ranked.score_at_k(graded.passed, k, subsets=_SUBSETS, seed=seed)
            # Ranking k of n candidates costs the share of ranking them all.
            scored[name] = score, (ranked.ranking.usage.wall_s or 0.0) * k / len(graded.candidates)
        return scored

    with ThreadPoolExecutor(grader.sandbox.workers) as threads:
        try:
            for place, scored in enumerate(threads.map(rank, tasks)):
                for name, (score, seconds) in scored.items():
                    values[name][place] = score
                    cost_s[name] += seconds / len(tasks)
                progress(f"ranking {arm.plan.arm.spec}", place + 1, len(tasks))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    values[ORACLE] = values[PASS_AT_K]
    cost_s[ORACLE] = 0.0
    return _Scores(values, cost_s)


def _sample_lists(pool: _Pool, tasks: Sequence[Task]) -> list[list[Candidate]]:
    return [pool[task.id].candidates for task in tasks]


def _arm_result(
    arm: ArmSamples, pool: _Pool, tasks: Sequence[Task], scores: _Scores, realised: Realised, seed: int
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
            cost_flops=0.0,
            cost_s=scores.ranker_cost_s[name],
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


def _strata(pool: _Pool, tasks: Sequence[Task], seed: int) -> tuple[StratumScore, ...]:
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


def _paired(specs: Sequence[str], scores: Sequence[Mapping[str, FloatArray]], seed: int) -> tuple[PairedResult, ...]:
    """Every pair of arms on pass@k and on every ranker; `random` and `oracle` are bounds and not tested."""
    metrics = [name for name in scores[0] if name not in (RANDOM, ORACLE)]
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
