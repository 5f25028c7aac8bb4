"""results.json: every score of a run, from its candidates, verdicts and rankings alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ..budgets.arms import parse_budget
from ..budgets.costs import Conditions, cost_of_samples
from ..budgets.models import find_model
from ..estimators import PASS_AT_K, mean_interval, pass_at_k
from ..experiment.comparison import ORACLE, ArmSamples, comparison_of
from ..experiment.pools import Wanted
from .files import SCHEMA_VERSION, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..estimators import FloatArray, IntArray
    from ..experiment.pools import GradedArms, Pool
    from ..experiment.ranking import RankedTask
    from ..records import ArmResult, Budget, Cost, Plan, RankerScore, Record, Task, Workload
    from ..tasks import Benchmark
    from .board import Board

DEFAULT_KS: Final = (1, 2, 5)
"""And these times ten, a hundred, ... as far as there are samples."""

Ranked = dict[str, list["RankedTask"]]
"""An arm's rankings by ranker, in the order of the scored tasks."""


class Entry(NamedTuple):
    """One benchmark of a board, with the arms planned for it.

    Attributes:
        spec: The benchmark as the board names it.
        benchmark: Its tasks.
        plans: One per arm.
        workload: What the plans were made for.
        conditions: What costs were computed under.
    """

    spec: str
    benchmark: Benchmark
    plans: Sequence[Plan]
    workload: Workload
    conditions: Conditions

    def cost(self, plan: Plan) -> Callable[[int], Cost]:
        """What k samples of an arm cost per task."""
        price = self.conditions.prices.of_arm(plan.arm)
        model, precision = find_model(plan.model), plan.precision
        return cost_of_samples(model, self.workload, precision=precision, conditions=self.conditions, token_price=price)

    def wanted(self, samples: Sequence[Sequence[Any]]) -> list[Wanted]:
        """The arms with their candidates, as pools take them."""
        return [Wanted(plan.arm.spec, plan.k, rows) for plan, rows in zip(self.plans, samples, strict=True)]


class Section(NamedTuple):
    """What is known of one benchmark: its tasks, candidates and verdicts, and each arm's rankings."""

    entry: Entry
    graded: GradedArms
    ranked: Sequence[Ranked]


def ks_of(board: Board, plan: Plan, pool: Pool, tasks: Sequence[Task]) -> list[int]:
    """The k that an arm is scored at, ascending: its own, and those of the board or of `DEFAULT_KS` up to its n."""
    n = min(len(pool[task.id].verdicts) for task in tasks)
    usual = (first * 10**power for power in range(len(str(n))) for first in DEFAULT_KS)
    return sorted({plan.k} | {k for k in (usual if board.ks is None else board.ks) if k <= n})


def budget_of(board: Board) -> Budget | None:
    """The board's limits per task; None where arms are matched to the first."""
    return None if board.budget.limit is None else parse_budget(board.budget.limit)


def results_of(board: Board, sections: Sequence[Section]) -> dict[str, Any]:
    """results.json as an object: see docs/leaderboard.md. Nothing in it was measured by a clock."""
    answer = {
        "schema_version": SCHEMA_VERSION,
        "name": board.name,
        "description": board.description,
        "seed": board.seed,
        "rankers": list(board.all_rankers),
        "decisive_ranker": board.decisive_ranker,
        "benchmarks": [_section(board, section) for section in sections],
    }
    bare: dict[str, Any] = rounded(answer)
    return bare


def _section(board: Board, section: Section) -> dict[str, Any]:
    entry, graded, ranked = section
    budget = budget_of(board)
    match = None if budget is not None else board.budget.match or "flops"
    result = comparison_of(
        entry.benchmark.name,
        [ArmSamples(plan, ()) for plan in entry.plans],
        graded,
        ranked,
        workload=entry.workload,
        sandbox="",
        decisive_ranker=board.decisive_ranker,
        tolerance=board.budget.tolerance,
        match=match,
        budget=budget,
        seed=board.seed,
    )
    return {
        "benchmark": entry.benchmark.name,
        "content_hash": entry.benchmark.content_hash,
        "total_tasks": len(entry.benchmark.tasks),
        "workload": _bare(entry.workload),
        "match": match,
        "budget": None if budget is None else _bare(budget),
        "tolerance": board.budget.tolerance,
        "tasks": [task.id for task in graded.tasks],
        "left_out": result.left_out,
        "warnings": list(result.warnings),
        "sandbox_errors": result.sandbox_errors,
        "arms": [
            _arm(board, entry, arm, pool, graded.tasks, rows)
            for arm, pool, rows in zip(result.arms, graded.pools, ranked, strict=True)
        ],
        "paired": [_bare(pair) for pair in result.paired],
        "verdict": _bare(result.verdict),
    }


def _arm(
    board: Board, entry: Entry, result: ArmResult, pool: Pool, tasks: Sequence[Task], ranked: Ranked
) -> dict[str, Any]:
    plan = result.plan
    ks = ks_of(board, plan, pool, tasks)
    cost = entry.cost(plan)
    counts = np.array([len(pool[task.id].verdicts) for task in tasks], np.int64)
    passes = np.array([int(pool[task.id].passed.sum()) for task in tasks], np.int64)
    passing = {k: pass_at_k(counts, passes, k) for k in ks}
    rankers = {
        name: {
            "cost_flops": result.rankers[name].cost_flops,
            "gap_closed": result.rankers[name].gap_closed,
            "left": _left(result.rankers[name]),
            "executions": float(np.mean([row.ranking.executions for row in rows])),
            "rank_score_at_k": _intervals(
                {k: np.array([row.at_k[k] for row in rows], np.float64) for k in ks}, board.seed
            ),
        }
        for name, rows in ranked.items()
    }
    rankers[ORACLE] = {
        "cost_flops": 0.0,
        "gap_closed": result.rankers[ORACLE].gap_closed,
        "left": None,
        "executions": 0.0,
        "rank_score_at_k": _intervals(passing, board.seed),
    }
    realised, usage = result.realised, result.realised.usage
    return {
        "spec": plan.arm.spec,
        "model": plan.model,
        "precision": plan.precision,
        "k": plan.k,
        "greedy": plan.arm.greedy,
        "parameters": find_model(plan.model).architecture.parameter_count(),
        "plan": {
            "cost": _bare(plan.cost),
            "budget_ratio": _bare(plan.budget_ratio),
            "leftover": _bare(plan.leftover),
            "matched": plan.matched,
            "equal": plan.equal,
            "binding": plan.binding,
        },
        "realised": {
            "flops": realised.cost.flops,
            "budget_ratio": realised.budget_ratio.flops,
            "matched": realised.matched,
            "equal": realised.equal,
            "prompt_tokens": usage.prompt_tokens,
            "output_tokens": usage.output_tokens,
            "prefill_flops": usage.prefill_flops,
            "decode_flops": usage.decode_flops,
        },
        "n": result.n,
        "samples": result.samples,
        "statuses": dict(result.statuses),
        "strata": [_bare(stratum) | {"pass_at_1": _bare(stratum.pass_at_1)} for stratum in result.strata],
        "ks": ks,
        "costs": {str(k): _bare(cost(k)) for k in ks},
        PASS_AT_K: _intervals(passing, board.seed),
        "rankers": rankers,
        "per_task": _per_task(plan.k, counts, passes, passing, ranked),
    }


def _per_task(
    k: int, counts: IntArray, passes: IntArray, passing: Mapping[int, FloatArray], ranked: Ranked
) -> dict[str, Any]:
    return {
        "n": counts.tolist(),
        "passed": passes.tolist(),
        PASS_AT_K: passing[k].tolist(),
        "rankers": {name: [row.at_k[k] for row in rows] for name, rows in ranked.items()},
    }


def _left(score: RankerScore) -> dict[str, Any] | None:
    return None if score.left is None else _bare(score.left)


def _intervals(values: Mapping[int, FloatArray], seed: int) -> dict[str, Any]:
    return {str(k): _bare(mean_interval(row, seed=seed)) for k, row in values.items()}


def _bare(record: Record) -> dict[str, Any]:
    return record.model_dump(mode="json", exclude={"schema_version"})
