"""Arms with recorded or drawn candidates -> a Comparison: grade, rank, score, test, and say what to do."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from .._util.progress import Progress, silent
from ..budgets.dollars import Prices
from ..budgets.mixed import split_mixed
from ..budgets.realised import CascadeUse, TestedUse, k_left, realised_costs
from ..errors import RankerError
from ..estimators import PASS_AT_K, FloatArray, holm, mean_interval, paired_difference, pass_at_k, recovery_percent
from ..rankers import Offers
from ..records import (
    ArmResult,
    Budget,
    BudgetKind,
    Comparison,
    Cost,
    Escalation,
    LeftScore,
    PairedResult,
    RankerScore,
    Realised,
    Status,
    StratumScore,
    Task,
    Usage,
    Workload,
)
from ..settings import BLIND_RANKER, ORACLE, RECORDED
from .abstaining import abstention
from .advice import advise
from .agreement import agreement
from .cascades import rank_cascade
from .charting import NO_TESTS, charted_ks, charts
from .choosing import mean_usage, offered_tests
from .compressed import UNQUANTISED, Comparing, compared_tokens
from .escalation import DEFAULT_RULE, rule_of
from .lengths import Counted, SampleLength, counted
from .pools import grade_arms
from .ranking import cost_of_ranking, rank_pool
from .scorers import open_scorers
from .selection import open_judging
from .workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..estimators import PairedDifference
    from ..records import Candidate, Plan
    from ..settings import Drawing, Grading, Running, Selecting
    from ..tasks import Benchmark
    from .escalation import Rule
    from .planning import Planned
    from .pools import GradedArms, Pool
    from .ranking import Judging, RankedTask, Rankings, Walk
    from .samples import ArmSamples


NO_PRICES: Final = Prices()


class Terms(NamedTuple):
    """The basis of plans, and how costs are compared with it.

    Attributes:
        workload: Tokens per sample; the arms' plans have their own where theirs were measured.
        tolerance: How far over the first arm's realised cost, or the budget, still counts as matched.
        match: What the plans were matched by; FLOPs if neither this nor `budget` is given.
        budget: What the plans were made for, instead of the first arm.
        prices: Prices of tokens drawn elsewhere.
        rule: By which cascades go on.
    """

    workload: Workload
    tolerance: float = 0.05
    match: BudgetKind | None = None
    budget: Budget | None = None
    prices: Prices = NO_PRICES
    rule: Rule = DEFAULT_RULE


class Chosen(NamedTuple):
    """The settings of a comparison."""

    drawing: Drawing
    grading: Grading
    selecting: Selecting
    running: Running


def compare(
    planned: Planned,
    benchmark: Benchmark,
    arms: Sequence[ArmSamples],
    settings: Chosen,
    progress: Progress = silent,
    *,
    charted: bool = False,
) -> Comparison:
    """Grade, rank and compare arms by the settings.

    Args:
        planned: The arms' plans and their terms.
        benchmark: Where the tasks come from.
        arms: The plans with their candidates, as `samples.arm_samples` finds them.
        settings: The rankers and what they are offered, where programs run, the seed and the store.
        progress: Told how far grading and ranking are.
        charted: Also score each arm at other k, for its curve.

    Raises:
        UserError: A setting is wrong, or no task can be scored for all arms.
        MachineError: No sandbox works here, or the store or an engine failed.
    """
    drawing, grading, selecting, running = settings
    terms = Terms(
        planned.workload,
        planned.settings.tolerance,
        planned.settings.match,
        planned.budget,
        planned.conditions.prices,
    )
    if drawing.engine != RECORDED:
        with open_workspace(running.store) as store:
            texts = [task.prompt for task in benchmark.tasks]
            tokens = compared_tokens(arms, Comparing(texts, store, running, progress))
        arms = [
            arm._replace(compression=found.compression(arm.plan, running.seed))
            if (found := tokens.get(arm.plan.arm.spec)) is not None
            else arm
            for arm in arms
        ]
    with open_judging_of(
        arms, benchmark, drawing, grading, selecting, running, progress, prices=planned.conditions.prices
    ) as (judged, judging):
        return compare_arms(benchmark, judged, terms, judging, decisive_ranker=selecting.decisive, charted=charted)


@contextmanager
def open_judging_of(
    arms: Sequence[ArmSamples],
    benchmark: Benchmark,
    drawing: Drawing,
    grading: Grading,
    selecting: Selecting,
    running: Running,
    progress: Progress = silent,
    *,
    prices: Prices = NO_PRICES,
) -> Iterator[tuple[list[ArmSamples], Judging]]:
    """Open all that judges the arms of a comparison; see `compare`. `prices` are those of tokens drawn elsewhere.

    Yields:
        The arms, with the usage of the tests that their plans count on, and how they are graded and ranked.
    """
    specs = [arm.plan.arm.spec for arm in arms]
    tests = offered_tests(arms, benchmark, drawing, selecting, running, progress, prices=prices)
    judged = [
        arm._replace(tests={task: one.usage for task, one in (mine or {}).items()}) if arm.plan.tests else arm
        for arm, mine in zip(arms, tests, strict=True)
    ]
    with open_scorers(selecting.scorer, specs, drawing, running) as scorers:
        offers = {spec: Offers(mine, scorers.get(spec)) for spec, mine in zip(specs, tests, strict=True)}
        with open_judging(selecting.bounded, grading, running, progress, offers=offers) as judging:
            judging = replace(judging, rule=rule_of(selecting), abstains=selecting.abstain)
            yield judged, judging


def compare_arms(
    benchmark: Benchmark,
    arms: Sequence[ArmSamples],
    terms: Terms,
    judging: Judging,
    *,
    decisive_ranker: str,
    charted: bool = False,
) -> Comparison:
    """Compare arms on the tasks they all have.

    Args:
        benchmark: Where the tasks come from; each needs hidden tests, and a reference solution or a limit of its own.
        arms: Their plans and candidates.
        terms: What the plans were made for.
        judging: How candidates are graded and ranked. `oracle` is added to its rankers.
        decisive_ranker: The ranker by which those without tests are advised; if it fails, the comparison ends.
        charted: Also score each arm at other k, for its curve.

    Raises:
        UserError: no task can be scored for all arms, or a ranker lacks what it needs.
        RankerError: a ranker failed.
        SandboxError: nothing can be scored or ranked because the sandbox failed.
    """
    drawn = [candidate for arm in arms for candidate in arm.candidates]
    judging.check([arm.plan.arm.spec for arm in arms], benchmark, drawn)
    graded = grade_arms(benchmark, [arm.wanted for arm in arms], judging.grader, allow_shared=judging.allow_shared)
    failures: dict[str, str] = {}
    ranked = []
    for arm, pool in zip(arms, graded.pools, strict=True):
        # A ranker that failed on an arm is not run on the next.
        left = {name: ranker for name, ranker in judging.rankers.items() if name not in failures}
        chosen = replace(judging, rankers=left)
        ks = charted_ks(arm.plan, pool, graded.tasks) if charted else [arm.plan.k]
        rows, failed = rank_arm(arm.plan, pool, graded.tasks, ks, chosen, terms.workload)
        ranked.append(rows)
        failures |= failed
    if decisive_ranker in failures:
        raise RankerError(failures[decisive_ranker])
    left_out = [f"{name} is left out: {why}" for name, why in failures.items()]
    recorded = [
        f"{arm.plan.arm.spec}: {line}"
        for arm, pool in zip(arms, graded.pools, strict=True)
        if (line := agreement(arm.verdicts, pool).line)
    ]
    if judging.abstains:
        arms = [
            arm._replace(abstention=abstention(arm.plan, pool, graded.tasks, judging, decisive_ranker))
            for arm, pool in zip(arms, graded.pools, strict=True)
        ]
    ranked = [{name: rows for name, rows in mine.items() if name not in failures} for mine in ranked]
    found = comparison_of(
        benchmark.name,
        arms,
        graded._replace(warnings=[*graded.warnings, *left_out, *recorded]),
        ranked,
        terms._replace(rule=judging.rule),
        sandbox=judging.grader.sandbox.launcher.name,
        decisive_ranker=decisive_ranker,
        seed=judging.seed,
    )
    if not charted:
        return found
    curves, crossings = charts(found.arms, arms, graded, ranked, terms.prices, judging.seed)
    return found.model_copy(update={"curves": curves, "crossings": crossings})


def rank_arm(
    plan: Plan, pool: Pool, tasks: Sequence[Task], ks: Sequence[int], judging: Judging, workload: Workload
) -> Rankings:
    """Rank an arm at several k; a cascade is replayed at its own.

    Raises:
        RankerError: A ranker failed, and `judging` is strict.
        SandboxError: The sandbox failed.
    """
    if plan.stages:
        return rank_cascade(plan, pool, tasks, judging)
    # With its tests in the limit, its k is what is left.
    left_k = None if plan.tests else partial(k_left, plan, plan.workload or workload)
    return rank_pool(plan.arm.spec, pool, tasks, ks, judging, k_left=left_k)


def comparison_of(
    benchmark: str,
    arms: Sequence[ArmSamples],
    graded: GradedArms,
    ranked: Sequence[Mapping[str, Sequence[RankedTask]]],
    terms: Terms,
    *,
    sandbox: str,
    decisive_ranker: str,
    seed: int = 0,
) -> Comparison:
    """Derive the comparison from verdicts and rankings; it runs nothing.

    Args:
        benchmark: Its name.
        arms: Their plans; which of their candidates are scored is in `graded`.
        graded: Tasks, candidates and verdicts.
        ranked: Per arm, by ranker, one per task of `graded`, with the score at the arm's k.
        terms: What the plans were made for.
        sandbox: The name of what graded.
        decisive_ranker: The one by which those without tests are advised.
        seed: Of resampling.
    """
    scored, pools, left_out, warnings, sandbox_errors, doubts = graded
    scores = [_scores(arm.plan.k, pool, scored, rows) for arm, pool, rows in zip(arms, pools, ranked, strict=True)]
    plans = [arm.plan for arm in arms]
    walks = [walks_of(rows) for rows in ranked]
    realised = realised_of(arms, graded, terms, walks)
    warnings = warnings + _of_realised(arms, realised) + _of_walks(arms, walks)
    rules = [_escalation(mine, terms.rule) for mine in walks]
    results = _with_totals(
        [
            _arm_result(arm, pool, scored, score, cost, _single_of_first(place, plans, scores), seed).model_copy(
                update={"escalation": escalation, "abstention": arm.abstention}
            )
            for place, (arm, pool, score, cost, escalation) in enumerate(
                zip(arms, pools, scores, realised, rules, strict=True)
            )
        ],
        terms,
    )
    results = _with_recovery(results, [score.single for score in scores], seed)
    metrics = [PASS_AT_K, *(name for name in ranked[0] if name != BLIND_RANKER or name == decisive_ranker)]
    paired = _paired([plan.arm.spec for plan in plans], [score.values for score in scores], metrics, seed)
    return Comparison(
        benchmark=benchmark,
        workload=terms.workload,
        sandbox=sandbox,
        tasks=len(scored),
        left_out=left_out,
        arms=results,
        paired=paired,
        decisive_ranker=decisive_ranker,
        verdict=advise(results, paired, decisive_ranker, doubts, tasks=len(scored), tolerance=terms.tolerance),
        warnings=tuple(warnings),
        sandbox_errors=sandbox_errors,
        doubts=doubts,
    )


def walks_of(ranked: Mapping[str, Sequence[RankedTask]]) -> list[Walk]:
    """Get the ways of the tasks through a cascade, which are the same for all rankers; empty for a single arm."""
    rows = next(iter(ranked.values()), ())
    return [row.walk for row in rows if row.walk is not None]


def _escalation(walks: Sequence[Walk], rule: Rule) -> Escalation | None:
    """Record the rule of a cascade; None for a single arm."""
    if not walks:
        return None
    shown = sum(walk.shown for walk in walks)
    # One that was fitted is known by the walks alone.
    return Escalation(
        shown=next((walk.least for walk in walks if walk.shown), rule.shown),
        bare=next((walk.least for walk in walks if not walk.shown), rule.bare),
        tasks_shown=shown,
        tasks_bare=len(walks) - shown,
        tuned=rule.is_fitted,
    )


def _of_walks(arms: Sequence[ArmSamples], walks: Sequence[Sequence[Walk]]) -> list[str]:
    """Tell of tasks that end before a stage for want of samples."""
    return [
        f"{arm.plan.arm.spec}: {lacking} of {len(mine)} tasks should have gone on to a stage of which they have no "
        "samples, since their programs now behave differently; draw it again with --fresh"
        for arm, mine in zip(arms, walks, strict=True)
        if (lacking := sum(walk.lacking > 0 for walk in mine))
    ]


def _single_of_first(place: int, plans: Sequence[Plan], scores: Sequence[_Scores]) -> FloatArray | None:
    """Get pass@1 of the first arm, for arms that can be placed between a blind pick and it: no cascade is involved."""
    return None if place == 0 or plans[0].stages or plans[place].stages else scores[0].single


def realised_of(
    arms: Sequence[ArmSamples], graded: GradedArms, terms: Terms, walks: Sequence[Sequence[Walk]]
) -> list[Realised]:
    """Count what the scored samples took; token counts that they lack are estimated, and marked.

    Args:
        arms: Their plans, and what made their samples.
        graded: Tasks and candidates.
        terms: What the plans were made for.
        walks: Of cascades, the way of each task; empty for single arms.
    """
    tasks = {task.id: task for task in graded.tasks}
    samples: list[list[list[SampleLength]]] = []
    measured: list[Usage | CascadeUse | TestedUse | None] = []
    for place, (arm, pool) in enumerate(zip(arms, graded.pools, strict=True)):
        tests = None if arm.tests is None else mean_usage([arm.tests.get(task_id, NO_TESTS) for task_id in tasks])
        if arm.plan.stages:
            found = [_counted_stages(arm, pool[task_id].candidates, tasks) for task_id in tasks]
            taken = [
                Usage() if stage.tally is None else stage.tally.per_task(plan.k)
                for stage, plan in zip(arm.stages, arm.plan.stages, strict=True)
            ]
            shares = [walk.reached for walk in walks[place]]
            measured.append(CascadeUse(shares, taken, any(one.estimated for one in found), tests))
        else:
            found = [counted(pool[task_id].candidates, tasks, arm.counter) for task_id in tasks]
            usage = Usage() if arm.tally is None else arm.tally.per_task(arm.plan.k)
            usage = usage.model_copy(update={"estimated": any(one.estimated for one in found)})
            measured.append(usage if tests is None else TestedUse(usage, tests))
        samples.append([one.lengths for one in found])
    return realised_costs(
        [arm.plan for arm in arms],
        samples,
        terms.tolerance,
        match=terms.match,
        budget=terms.budget,
        workload=terms.workload,
        measured=measured,
        prices=terms.prices,
    )


def _counted_stages(arm: ArmSamples, candidates: Sequence[Candidate], tasks: Mapping[str, Task]) -> Counted:
    """Count a cascade's candidates of a task, each stage's by its own model's tokenizer."""
    parts = [
        counted([one for one in candidates if one.stage == place], tasks, stage.counter)
        for place, stage in enumerate(arm.stages)
    ]
    return Counted(
        tuple(one for part in parts for one in part.given),
        tuple(tokens for part in parts for tokens in part.tokens),
        next((part.estimated for part in parts if part.estimated), ""),
    )


def _of_realised(arms: Sequence[ArmSamples], realised: Sequence[Realised]) -> list[str]:
    """List what readers must know of realised costs."""
    notes = [arm.k_note for arm in arms if arm.k_note]
    guessed = [arm for arm, result in zip(arms, realised, strict=True) if result.usage.estimated]
    if guessed:
        names = ", ".join(arm.plan.arm.spec for arm in guessed)
        counters = [one.counter for arm in guessed for one in arm.stages or (arm,)]
        ways = " and ".join(dict.fromkeys(counter.name for counter in counters))
        notes.append(f"some samples of {names} have no token counts, so FLOPs are estimated {ways}")
    return notes + [
        f"{arm.plan.arm.spec} was planned to match, but its samples took {_ratios(result)} of the limit"
        for arm, result in zip(arms, realised, strict=True)
        if arm.plan.matched and result.matched is False
    ]


def _with_totals(results: Sequence[ArmResult], terms: Terms) -> tuple[ArmResult, ...]:
    """Add to every ranker what drawing an arm's samples and ranking them cost together."""
    limit = results[0].cost.flops if terms.budget is None else terms.budget.flops
    limit = results[0].cost.flops if limit is None else limit
    found = []
    for result in results:
        rankers = {}
        for name, score in result.rankers.items():
            drawing, ranking = result.drawing_flops, score.cost_flops
            total = None if drawing is None or ranking is None else drawing + ranking
            ratio = None if total is None or not limit else total / limit
            rankers[name] = score.model_copy(update={"total_flops": total, "total_ratio": ratio})
        found.append(result.model_copy(update={"rankers": rankers}))
    return tuple(found)


def _with_recovery(results: Sequence[ArmResult], singles: Sequence[FloatArray], seed: int) -> tuple[ArmResult, ...]:
    """Add to compressed arms how much of the pass@1 of their model's arm at 16 bits they keep, if there is one."""
    originals = {
        result.plan.model: single
        for result, single in zip(results, singles, strict=True)
        if result.plan.precision in UNQUANTISED
    }
    found = []
    for result, single in zip(results, singles, strict=True):
        compression, original = result.compression, originals.get(split_mixed(result.plan.model)[0])
        if compression is not None and original is not None:
            kept = recovery_percent(single, original, seed=seed)
            result = result.model_copy(
                update={"compression": compression.model_copy(update={"recovery_percent": kept})}
            )
        found.append(result)
    return tuple(found)


def _ratios(result: Realised) -> str:
    """Compare a realised cost with its limit, FLOPs first."""
    ratio = result.budget_ratio
    named = {"": ratio.flops, " (seconds)": ratio.runtime_s, " (dollars)": ratio.usd}
    return ", ".join(f"{value:.3f}{name}" for name, value in named.items() if value is not None)


class _Scores(NamedTuple):
    """Per-task scores of one arm by metric; each ranker's cost per task at the arm's k; what is left with it.

    `tested` are the rankers whose cost holds that of generated tests, `estimated` those where it is guessed from text.
    """

    values: dict[str, FloatArray]
    single: FloatArray
    ranker_cost: dict[str, Cost]
    left: dict[str, tuple[float, FloatArray]]
    tested: frozenset[str]
    estimated: frozenset[str]


def _scores(k: int, pool: Pool, tasks: Sequence[Task], ranked: Mapping[str, Sequence[RankedTask]]) -> _Scores:
    counts = np.array([len(pool[task.id].verdicts) for task in tasks], dtype=np.int64)
    passes = np.array([int(pool[task.id].passed.sum()) for task in tasks], dtype=np.int64)
    walks = walks_of(ranked)
    passing = np.array([walk.passing for walk in walks], np.float64) if walks else pass_at_k(counts, passes, k)
    values = {PASS_AT_K: passing}
    costs, left = {}, {}
    for name, rows in ranked.items():
        values[name] = np.array([row.at_k[k] for row in rows], np.float64)
        costs[name] = cost_of_ranking(k, rows)
        known = [row.left for row in rows if row.left is not None]
        if len(known) == len(rows):
            sizes, at_left = zip(*known, strict=True)
            left[name] = float(np.mean(sizes)), np.array(at_left, np.float64)
    values[ORACLE] = values[PASS_AT_K]
    # Nothing ranks: the hidden tests do, and that is grading.
    costs[ORACLE] = Cost(flops=0.0, runtime_s=0.0)
    drawn = {name: [row.ranking.tests_usage for row in rows if k > 1] for name, rows in ranked.items()}
    tested = frozenset(name for name, usages in drawn.items() if any(usages))
    guessed = frozenset(name for name in tested if any(usage and usage.estimated for usage in drawn[name]))
    return _Scores(values, pass_at_k(counts, passes, 1), costs, left, tested, guessed)


def _arm_result(
    arm: ArmSamples,
    pool: Pool,
    tasks: Sequence[Task],
    scores: _Scores,
    realised: Realised,
    first_arm: FloatArray | None,
    seed: int,
) -> ArmResult:
    """Make an arm's row; `first_arm` is pass@1 of the first arm, [tasks], for all others."""
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
            cost_estimated=name in scores.estimated,
            uses_tests=name in scores.tested,
        )
    sizes = [len(pool[task.id].verdicts) for task in tasks]
    firsts = [sum(not one.stage for one in pool[task.id].candidates) for task in tasks]
    return ArmResult(
        plan=arm.plan,
        n=min(firsts),
        samples=sum(sizes),
        pass_at_k=mean_interval(scores.values[PASS_AT_K], seed=seed),
        rankers=rankers,
        realised=realised,
        statuses=dict(statuses),
        strata=() if arm.plan.stages else _strata(pool, tasks, seed),
        estimate=arm.estimate,
        pilot_k=arm.pilot_k,
        k_note=arm.k_note,
        compression=arm.compression,
        per_task={name: tuple(values.tolist()) for name, values in scores.values.items()},
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
    """Pair all arms on every metric."""
    return adjusted_pairs(
        [
            (metric, specs[a], specs[b], paired_difference(scores[a][metric], scores[b][metric], seed=seed))
            for metric in metrics
            for a, b in combinations(range(len(specs)), 2)
        ]
    )


def adjusted_pairs(rows: Sequence[tuple[str, str, str, PairedDifference]]) -> tuple[PairedResult, ...]:
    """Adjust p-values for all pairs of arms that are reported: rows of a metric, two arms and their difference."""
    if not rows:
        return ()
    adjusted = holm(np.array([row.p_value for *_, row in rows]))
    return tuple(
        PairedResult(
            a=a,
            b=b,
            metric=metric,
            difference=row.difference,
            low=row.low,
            high=row.high,
            p_value=float(p_value),
        )
        for (metric, a, b, row), p_value in zip(rows, adjusted, strict=True)
    )
