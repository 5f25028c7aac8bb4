"""All scores of a run, from its candidates, verdicts and rankings alone: the content of results.json."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..budgets.costs import Conditions, cost_of_arm
from ..budgets.notation import parse_budget
from ..budgets.plan import planned_model
from ..budgets.realised import flops_of_samples
from ..estimators import PASS_AT_K, mean_interval, pass_at_k
from ..experiment.charting import usual_ks
from ..experiment.comparison import Terms, comparison_of
from ..experiment.escalation import rule_of
from ..experiment.lengths import BYTES, counted
from ..experiment.macro import macro_comparison
from ..experiment.matching import k_note
from ..experiment.pools import Wanted, WantedStage
from ..experiment.samples import ArmSamples, StageSamples
from ..rankers import Offers
from ..records import GeneratedTests, IoTests
from ..settings import ORACLE
from .files import SCHEMA_VERSION
from .results_file import (
    Amounts,
    ArmScores,
    BenchmarkScores,
    CompressionPart,
    EscalationPart,
    GradingPart,
    LeftSpread,
    MeanScores,
    PairPart,
    PlannedCost,
    RankerScores,
    RealisedCost,
    Results,
    Sentences,
    Spread,
    StagePart,
    StratumPart,
    TaskScores,
    WorkloadPart,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..estimators import FloatArray
    from ..experiment.planning import Planned
    from ..experiment.pools import GradedArms, Pool
    from ..experiment.ranking import RankedTask
    from ..records import ArmResult, Budget, Comparison, Compression, Cost, LeftScore, Plan, Realised, Task, Workload
    from ..tasks import Benchmark
    from .board import Board

Ranked = dict[str, list["RankedTask"]]
"""An arm's rankings by ranker, in the order of the scored tasks."""


class PlannedBenchmark(NamedTuple):
    """One benchmark of a board, with the arms planned for it.

    Attributes:
        spec: The benchmark as the board names it.
        benchmark: Its tasks.
        terms: The plans before anything was measured, and their settings.
        plans: One per arm, final.
        pilot_ks: The k that arms' pilots gave, by the arm as typed.
        compressions: How compressed arms differ from their models, by the arm as typed.
        tests: Those that arms are picked by, by the arm as typed and by task id, for arms whose limit pays for them.
    """

    spec: str
    benchmark: Benchmark
    terms: Planned
    plans: Sequence[Plan]
    pilot_ks: Mapping[str, int] = {}
    compressions: Mapping[str, Compression] = {}
    tests: Mapping[str, Mapping[str, GeneratedTests]] = {}

    @property
    def workload(self) -> Workload:
        """The lengths planned for before anything was measured."""
        return self.terms.workload

    @property
    def conditions(self) -> Conditions:
        """Those of the costs."""
        return self.terms.conditions

    def cost(self, plan: Plan) -> Callable[[int], Cost]:
        """Price k samples of an arm, per task."""
        price = self.conditions.prices.of_arm(plan.arm)
        return cost_of_arm(planned_model(plan), plan.workload or self.workload, self.conditions, price, plan.precision)

    def arm_samples(self, plan: Plan) -> ArmSamples:
        """Get an arm as comparisons take it, without its candidates."""
        pilot_k = self.pilot_ks.get(plan.arm.spec)
        note = "" if pilot_k in (None, plan.k) else k_note(plan.arm.spec, plan.k, pilot_k or 0)
        compression = self.compressions.get(plan.arm.spec)
        stages = tuple(StageSamples() for _ in plan.stages)
        tests = {task: one.usage for task, one in self.tests.get(plan.arm.spec, {}).items()} if plan.tests else None
        return ArmSamples(plan, (), pilot_k=pilot_k, k_note=note, compression=compression, stages=stages, tests=tests)

    def offers(self, board: Board) -> dict[str, Offers]:
        """Get what rankers may use of each arm besides the sandbox; with `select`, what has no tests has none."""
        if board.select is None:
            return {}
        return {plan.arm.spec: Offers(self.tests.get(plan.arm.spec, {})) for plan in self.plans}

    def wanted(self, samples: Sequence[Sequence[Any]]) -> list[Wanted]:
        """Pair arms with their candidates, as pools take them.

        A task without any sample of a cascade's later stage is one that did not reach it.
        """
        found = []
        for plan, rows in zip(self.plans, samples, strict=True):
            stages = []
            for place, stage in enumerate(plan.stages):
                there = {row.task_id for row in rows if row.stage == place}
                spared = frozenset(task.id for task in self.benchmark.tasks if task.id not in there)
                stages.append(WantedStage(stage.arm.spec, stage.k, spared if place else frozenset()))
            found.append(Wanted(plan.arm.spec, plan.k, rows, stages))
        return found


class GradedBenchmark(NamedTuple):
    """One graded benchmark: its tasks, candidates and verdicts, and each arm's rankings."""

    planned: PlannedBenchmark
    graded: GradedArms
    ranked: Sequence[Ranked]


def ks_of(board: Board, plan: Plan, pool: Pool, tasks: Sequence[Task]) -> list[int]:
    """List the k to score an arm at, ascending: its own, and the board's or the usual ones up to its n."""
    if plan.stages:
        # Its stages have their k.
        return [plan.k]
    n = min(len(pool[task.id].verdicts) for task in tasks)
    return sorted({plan.k} | {k for k in (usual_ks(n) if board.ks is None else board.ks) if k <= n})


def budget_of(board: Board) -> Budget | None:
    """Get the board's limits per task; None if arms are matched to the first."""
    return None if board.budget.limit is None else parse_budget(board.budget.limit)


def terms_of(board: Board, planned: PlannedBenchmark) -> Terms:
    """Get the terms of a benchmark's plans."""
    budget = budget_of(board)
    match = None if budget is not None else board.budget.match or "flops"
    rule = rule_of(board.selecting)
    return Terms(planned.workload, board.budget.tolerance, match, budget, planned.conditions.prices, rule)


def results_of(board: Board, sections: Sequence[GradedBenchmark]) -> Results:
    """Compute a run's scores: see docs/leaderboard.md. None was measured by a clock.

    Raises:
        ValueError: A number is larger than results.json may hold.
    """
    compared = [_comparison(board, section) for section in sections]
    mean = macro_comparison(compared, seed=board.seed, tolerance=board.budget.tolerance) if len(compared) > 1 else None
    return Results(
        schema_version=SCHEMA_VERSION,
        name=board.name,
        description=board.description,
        seed=board.seed,
        rankers=board.selecting.bounded,
        decisive_ranker=board.selecting.decisive,
        benchmarks=tuple(_benchmark(board, section, found) for section, found in zip(sections, compared, strict=True)),
        mean=None if mean is None else MeanScores.of(mean),
    )


def _comparison(board: Board, section: GradedBenchmark) -> Comparison:
    planned, graded, ranked = section
    return comparison_of(
        planned.benchmark.name,
        [planned.arm_samples(plan) for plan in planned.plans],
        graded,
        ranked,
        terms_of(board, planned),
        sandbox="",
        decisive_ranker=board.selecting.decisive,
        seed=board.seed,
    )


def _benchmark(board: Board, section: GradedBenchmark, result: Comparison) -> BenchmarkScores:
    planned, graded, ranked = section
    terms = terms_of(board, planned)
    return BenchmarkScores(
        benchmark=planned.benchmark.name,
        content_hash=planned.benchmark.content_hash,
        total_tasks=len(planned.benchmark.tasks),
        workload=WorkloadPart.of(planned.workload),
        match=terms.match,
        budget=None if terms.budget is None else Amounts.of(terms.budget),
        tolerance=board.budget.tolerance,
        tasks=tuple(task.id for task in graded.tasks),
        left_out=result.left_out,
        grading=_grading(graded),
        warnings=result.warnings,
        sandbox_errors=result.sandbox_errors,
        arms=tuple(
            _arm(board, planned, arm, pool, graded.tasks, rows)
            for arm, pool, rows in zip(result.arms, graded.pools, ranked, strict=True)
        ),
        paired=tuple(PairPart.of(pair) for pair in result.paired),
        verdict=Sentences.of(result.verdict),
    )


def _grading(graded: GradedArms) -> tuple[GradingPart, ...]:
    """Count the scored tasks by how they were graded, in the order of their first ones."""
    counts: Counter[tuple[str, str | None, str]] = Counter()
    for task in graded.tasks:
        if task.tests is not None:
            rule = task.tests.rule if isinstance(task.tests, IoTests) else None
            counts[task.tests.style, rule, graded.pools[0][task.id].verdicts[0].integrity] += 1
    return tuple(
        GradingPart(style=style, rule=rule, integrity=integrity, tasks=tasks)
        for (style, rule, integrity), tasks in counts.items()
    )


def _arm(
    board: Board, planned: PlannedBenchmark, result: ArmResult, pool: Pool, tasks: Sequence[Task], ranked: Ranked
) -> ArmScores:
    plan = result.plan
    models = [planned_model(single) for single in plan.single]
    parameters = [None if model is None else model.architecture.parameter_count() for model in models]
    ks = ks_of(board, plan, pool, tasks)
    counts = np.array([len(pool[task.id].verdicts) for task in tasks], np.int64)
    passes = np.array([int(pool[task.id].passed.sum()) for task in tasks], np.int64)
    if plan.stages:
        passing = {plan.k: np.array(result.per_task[PASS_AT_K], np.float64)}
        costs = {plan.k: plan.cost.model_copy(update={"flops": result.cost.flops})}
    else:
        cost = _cost(planned, plan, pool, tasks)
        passing = {k: pass_at_k(counts, passes, k) for k in ks}
        costs = {k: cost(k) for k in ks}
    rankers = {
        name: RankerScores(
            cost_flops=result.rankers[name].cost_flops,
            gap_closed=result.rankers[name].gap_closed,
            left=_left(result.rankers[name].left),
            executions=float(np.mean([row.ranking.executions for row in rows])),
            rank_score_at_k=_spreads({k: np.array([row.at_k[k] for row in rows], np.float64) for k in ks}, board.seed),
            total_flops=result.rankers[name].total_flops,
            total_ratio=result.rankers[name].total_ratio,
        )
        for name, rows in ranked.items()
    }
    rankers[ORACLE] = RankerScores(
        cost_flops=0.0,
        gap_closed=result.rankers[ORACLE].gap_closed,
        left=None,
        executions=0.0,
        rank_score_at_k=_spreads(passing, board.seed),
        total_flops=result.rankers[ORACLE].total_flops,
        total_ratio=result.rankers[ORACLE].total_ratio,
    )
    return ArmScores(
        spec=plan.arm.spec,
        model=plan.model,
        precision=plan.precision,
        k=plan.k,
        greedy=plan.arm.greedy,
        parameters=max((count for count in parameters if count is not None), default=None),
        plan=PlannedCost(
            cost=Amounts.of(plan.cost),
            budget_ratio=Amounts.of(plan.budget_ratio),
            leftover=Amounts.of(plan.leftover),
            matched=plan.matched,
            equal=plan.equal,
            binding=plan.binding,
            workload=None if plan.workload is None else WorkloadPart.of(plan.workload),
        ),
        realised=_realised(result.realised),
        n=result.n,
        samples=result.samples,
        statuses=result.statuses,
        strata=tuple(
            StratumPart(name=stratum.name, n=stratum.n, pass_at_1=Spread.of(stratum.pass_at_1))
            for stratum in result.strata
        ),
        ks=tuple(ks),
        costs={k: Amounts.of(one) for k, one in costs.items()},
        pass_at_k=_spreads(passing, board.seed),
        rankers=rankers,
        per_task=TaskScores(
            n=tuple(counts.tolist()),
            passed=tuple(passes.tolist()),
            pass_at_k=tuple(passing[plan.k].tolist()),
            rankers={name: tuple(row.at_k[plan.k] for row in rows) for name, rows in ranked.items()},
        ),
        pilot_k=result.pilot_k,
        tests=plan.tests or None,
        compression=None if result.compression is None else CompressionPart.of(result.compression),
        stages=tuple(
            StagePart(spec=stage.arm.spec, model=stage.model, k=stage.k, planned=share, reached=reached)
            for stage, share, reached in zip(plan.stages, plan.reached, result.realised.reached, strict=True)
        ),
        escalation=None if result.escalation is None else EscalationPart(**result.escalation.model_dump()),
    )


def _cost(planned: PlannedBenchmark, plan: Plan, pool: Pool, tasks: Sequence[Task]) -> Callable[[int], Cost]:
    """Price k samples of an arm; FLOPs follow the samples' own tokens unless lengths are given."""
    by_plan = planned.cost(plan)
    if not planned.terms.measures:
        return by_plan
    by_id = {task.id: task for task in tasks}
    samples = [counted(pool[task_id].candidates, by_id, BYTES).candidates for task_id in by_id]
    model = planned_model(plan)
    flops = flops_of_samples(None if model is None else model.architecture, samples)
    return lambda k: by_plan(k).model_copy(update={"flops": flops(k)})


def _realised(realised: Realised) -> RealisedCost:
    usage = realised.usage
    return RealisedCost(
        flops=realised.cost.flops,
        usd=realised.cost.usd,
        budget_ratio=realised.budget_ratio.flops,
        matched=realised.matched,
        equal=realised.equal,
        prompt_tokens=usage.prompt_tokens,
        output_tokens=usage.output_tokens,
        prefill_flops=usage.prefill_flops,
        decode_flops=usage.decode_flops,
        leftover=realised.leftover.flops,
        flops_over_tasks=realised.flops_over_tasks,
        tests_flops=realised.tests_flops,
        estimated=usage.estimated,
    )


def _left(score: LeftScore | None) -> LeftSpread | None:
    return None if score is None else LeftSpread(k=score.k, value=score.value, low=score.low, high=score.high)


def _spreads(values: Mapping[int, FloatArray], seed: int) -> dict[int, Spread]:
    return {k: Spread.of(mean_interval(row, seed=seed)) for k, row in values.items()}
