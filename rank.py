"""Recorded candidates -> how well each ranker picks among them, and what each ranks first."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .errors import UserError
from .estimators import mean_interval, pass_at_k
from .grading import Grader, Progress, silent
from .pools import Pool, Wanted, grade_arms, public_task
from .ranked_pools import NOTHING, rank_pool, ranking_cost
from .rankers import Offers, RankedPool, Ranker, RememberingRunner, check_offered
from .rankers.forms import copies

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .ranked_pools import RankedTask
    from .records import Candidate, Interval, Task
    from .tasks import Benchmark

SPEC = "samples"
"""What the candidates are called where a message or progress needs a name for their arm."""


class RankerResult(NamedTuple):
    """One ranker: rank-score@k by k, and what ranking all candidates of a task cost on average.

    `flops` is None where it is not known; drawing generated tests is in it and in `wall_s` where the tests say so.
    """

    at_k: dict[int, Interval]
    flops: float | None
    wall_s: float
    executions: float


class Ranked(NamedTuple):
    """What rankers made of candidates.

    Attributes:
        tasks: How many were scored.
        n: The fewest candidates that one of them has.
        rankers: By what was typed; those that failed are not there.
        pass_at_k: By k: the oracle.
        left_out: Why other tasks were not scored, by their ids.
        warnings: Lines that a reader must see.
        sandbox_errors: Programs that the machine failed to grade.
        rows: The ranked candidates of every task, best first, by ranker.
    """

    tasks: int
    n: int
    rankers: dict[str, RankerResult]
    pass_at_k: dict[int, Interval]
    left_out: dict[str, str]
    warnings: list[str]
    sandbox_errors: int
    rows: list[RankedRow]


@dataclass(frozen=True, slots=True)
class RankedRow:
    """One candidate as one ranker places it: 1 for the best, equal places for equal scores.

    `copies` is how many of the task's candidates are the same program but for names and layout, itself among them: a
    vote that one text won by coming often shows there.
    """

    task_id: str
    ranker: str
    place: int
    score: float
    index: int
    copies: int
    program: str


def score_rankers(
    benchmark: Benchmark,
    candidates: Sequence[Candidate],
    ks: Sequence[int],
    *,
    grader: Grader,
    rankers: Mapping[str, Ranker],
    offers: Offers = NOTHING,
    allow_shared: bool = False,
    strict: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Ranked:
    """Grade candidates by the hidden tests and score what rankers pick among k of them.

    Args:
        benchmark: Where the tasks come from; each needs hidden tests and a reference solution.
        candidates: Of one model and setting.
        ks: Those that some task has too few candidates for are left out, with a warning.
        grader: Runs programs, through the store.
        rankers: By what was typed.
        offers: What rankers may use besides the sandbox.
        allow_shared: Score tasks whose values cannot cross between processes, with weaker isolation.
        strict: A ranker that fails ends the work; else it is left out with a warning.
        seed: Of subsets, resampling and rankers.
        progress: Is told how far grading and ranking are.

    Raises:
        UserError: No task can be scored, no k is left, or a ranker lacks what it needs.
        RankerError: A ranker failed, and `strict`, or all of them did.
        SandboxError: The sandbox failed so that nothing can be scored or ranked.
    """
    _check(rankers, offers, grader, seed)
    graded = grade_arms(benchmark, [Wanted(SPEC, 1, candidates)], grader, allow_shared=allow_shared)
    (pool,), warnings = graded.pools, list(graded.warnings)
    counts = np.array([len(pool[task.id].verdicts) for task in graded.tasks], np.int64)
    passes = np.array([int(pool[task.id].passed.sum()) for task in graded.tasks], np.int64)
    n = int(counts.min())
    possible = [k for k in ks if k <= n]
    if not possible:
        raise UserError(f"a task has only {n} candidates, and the smallest k is {min(ks)}; name a smaller --k")
    if len(possible) < len(ks):
        warnings.append(f"no k over {n} can be scored: a task has only {n} candidates")
    failures: dict[str, str] = {}
    ranked = rank_pool(
        SPEC,
        pool,
        graded.tasks,
        possible,
        rankers,
        grader,
        offers=offers,
        seed=seed,
        progress=progress,
        failures=None if strict else failures,
    )
    warnings += [f"{name} is left out: {why}" for name, why in failures.items()]
    if not ranked:
        raise UserError("; ".join(failures.values()))
    return Ranked(
        tasks=len(graded.tasks),
        n=n,
        rankers={name: _result(rows, possible, seed) for name, rows in ranked.items()},
        pass_at_k={k: mean_interval(pass_at_k(counts, passes, k), seed=seed) for k in possible},
        left_out=graded.left_out,
        warnings=warnings,
        sandbox_errors=graded.sandbox_errors,
        rows=[row for name, rows in ranked.items() for row in _placed(name, rows, graded.tasks, pool)],
    )


def rank_untested(
    benchmark: Benchmark,
    candidates: Sequence[Candidate],
    *,
    grader: Grader,
    rankers: Mapping[str, Ranker],
    offers: Offers = NOTHING,
    seed: int = 0,
    progress: Progress = silent,
) -> list[RankedRow]:
    """Rank the candidates of tasks that need no hidden tests, since nothing is scored.

    Raises:
        UserError: A ranker lacks what it needs.
        RankerError: A ranker failed.
        SandboxError: The sandbox failed.
    """
    _check(rankers, offers, grader, seed)
    by_task: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_task.setdefault(candidate.task_id, []).append(candidate)
    rows: list[RankedRow] = []
    tasks = [task for task in benchmark.tasks if task.id in by_task]
    for done, task in enumerate(tasks, start=1):
        mine = by_task[task.id]
        runner = RememberingRunner(grader)
        for name, ranker in rankers.items():
            context = offers.context(task.id, random.Random(f"{seed}/{task.id}"), runner)
            ranking = RankedPool(ranker, public_task(task, mine), mine, context).ranking
            rows += _rows(task, name, ranking.scores, mine)
        progress(f"ranking {SPEC}", done, len(tasks))
    return rows


def _check(rankers: Mapping[str, Ranker], offers: Offers, grader: Grader, seed: int) -> None:
    for ranker in rankers.values():
        check_offered(ranker, offers.context("", random.Random(seed), grader))


def _result(rows: Sequence[RankedTask], ks: Sequence[int], seed: int) -> RankerResult:
    scores = {k: np.array([row.at_k[k] for row in rows], np.float64) for k in ks}
    flops: list[float] = []
    for row in rows:
        cost = ranking_cost(row.ranking)
        if cost is not None:
            flops.append(len(row.ranking.scores) * cost.per_candidate_flops + cost.fixed_flops)
    seconds = [
        (row.ranking.usage.wall_s or 0.0) + ((row.ranking.tests_usage and row.ranking.tests_usage.wall_s) or 0.0)
        for row in rows
    ]
    return RankerResult(
        at_k={k: mean_interval(values, seed=seed) for k, values in scores.items()},
        flops=float(np.mean(flops)) if len(flops) == len(rows) else None,
        wall_s=float(np.mean(seconds)),
        executions=float(np.mean([row.ranking.executions for row in rows])),
    )


def _placed(name: str, rows: Sequence[RankedTask], tasks: Sequence[Task], pool: Pool) -> Iterator[RankedRow]:
    for task, row in zip(tasks, rows, strict=True):
        yield from _rows(task, name, row.ranking.scores, pool[task.id].candidates)


def _rows(task: Task, name: str, scores: Sequence[float], candidates: Sequence[Candidate]) -> list[RankedRow]:
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], candidates[place].index))
    alike = copies([candidate.program for candidate in candidates], task.entry_point)
    rows: list[RankedRow] = []
    for number, at in enumerate(order, start=1):
        tied = bool(rows) and rows[-1].score == scores[at]
        place = rows[-1].place if tied else number
        candidate = candidates[at]
        rows.append(RankedRow(task.id, name, place, scores[at], candidate.index, alike[at], candidate.program))
    return rows
