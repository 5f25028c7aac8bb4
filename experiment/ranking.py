"""Rankers over an arm's graded candidates: their picks, their cost, and what is then left of a budget."""

from __future__ import annotations

import functools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from .._util.progress import Progress, silent
from ..errors import RankerError, UserError
from ..estimators import PASS_AT_K, mean_interval, pass_at_k
from ..rankers import (
    Offers,
    RankedPool,
    Ranker,
    RememberingRunner,
    RememberingScorer,
    check_offered,
    check_scripts,
    is_foreign,
)
from ..records import Cost
from .agreement import agreement
from .escalation import DEFAULT_RULE
from .grading import Grader
from .pools import GradedTask, Pool, Wanted, grade_arms, public_task
from .remembered import KeptRankings, RankedOnce, copies_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .._util.progress import Progress
    from ..estimators import FloatArray, IntArray
    from ..rankers import Context, Rewarder
    from ..records import Candidate, Interval, IoCase, Outcome, PublicTask, Ranking, Task, Usage
    from ..tasks import Benchmark
    from .escalation import Rule
    from .grading import Grader

Found = TypeVar("Found")

NOTHING = Offers()
"""Offers to rankers if nobody gave more than the candidates."""


@dataclass(frozen=True)
class Judging:
    """The grading and ranking of candidates, the same for every arm.

    Attributes:
        grader: Runs programs, through the store.
        rankers: By the name that the user typed.
        offers: What rankers may use besides the sandbox, by the arm as typed; nothing if an arm is not there.
        rewarder: Loads the reward models that rankers name; the same for all arms.
        allow_shared: Score tasks whose values cannot cross between processes, with weaker isolation.
        strict: A failing ranker ends the work; else it is left out with a warning.
        seed: Of subsets, resampling and rankers.
        progress: Told how far grading and ranking are.
        rule: Decides whether a cascade goes on, and whether an answer is sure.
        abstains: Also score arms that answer only where they are sure.
    """

    grader: Grader
    rankers: Mapping[str, Ranker]
    offers: Mapping[str, Offers] = field(default_factory=dict)
    rewarder: Rewarder | None = None
    allow_shared: bool = False
    strict: bool = False
    seed: int = 0
    progress: Progress = silent
    rule: Rule = DEFAULT_RULE
    abstains: bool = False

    def offered(self, spec: str) -> Offers:
        """Get what rankers may use for an arm."""
        return self.offers.get(spec, NOTHING)._replace(rewarder=self.rewarder)

    def check(self, specs: Sequence[str], benchmark: Benchmark, candidates: Sequence[Candidate]) -> None:
        """Refuse a ranker that needs something that is not offered, or that does not work on the candidates' tasks.

        Raises:
            UserError: There is one.
        """
        ids = {candidate.task_id for candidate in candidates}
        tasks = [task for task in benchmark.tasks if task.id in ids]
        for ranker in self.rankers.values():
            check_scripts(ranker, tasks, benchmark.name)
            for spec in specs:
                check_offered(ranker, self.offered(spec).kinds | {"execution"})


class Walk(NamedTuple):
    """The way of one task through a cascade, on average over what its stages may draw.

    Attributes:
        reached: The share of draws that reach each stage.
        passing: The share in which a drawn sample passes.
        ranked: The number of candidates that are ranked: all that were drawn, or none where the last stage is taken
            as it is.
        shown: Whether the task shows examples.
        least: The agreement with which its candidates suffice.
        lacking: The share that ends before a stage of which the task has no samples, though it should go on.
    """

    reached: tuple[float, ...]
    passing: float
    ranked: float
    shown: bool = True
    least: float = 0.0
    lacking: float = 0.0


class RankedTask(NamedTuple):
    """One ranker on one task: all candidates ranked, the cost of that, and rank-score@k by k.

    `left` is the k left of a budget once ranking is paid for, and the score at it. `walk` is that of a cascade, whose
    score is at its k.
    """

    ranking: Ranking
    at_k: dict[int, float]
    left: tuple[int, float] | None = None
    walk: Walk | None = None


class Rankings(NamedTuple):
    """A ranked arm: tasks by ranker, in order, and why rankers failed and are not among them, by name."""

    rows: dict[str, list[RankedTask]]
    failures: dict[str, str]


class RankingCost(NamedTuple):
    """FLOPs of ranking one task: per candidate, and regardless of their number."""

    per_candidate_flops: float
    fixed_flops: float


class PoolScores(NamedTuple):
    """Scores of one arm by metric, `pass_at_k` and rankers, arrays [tasks, ks], at the k in `ks`, ascending."""

    ks: IntArray
    scores: dict[str, FloatArray]

    def at(self, metric: str, ks: IntArray) -> FloatArray:
        """Get scores at some k, [tasks, len(ks)]."""
        return self.scores[metric][:, np.searchsorted(self.ks, ks)]


def score_pool(
    spec: str,
    pool: Pool,
    tasks: Sequence[Task],
    ks: IntArray,
    judging: Judging,
) -> PoolScores:
    """Score an arm at several k from one pool of samples.

    Args:
        spec: The arm.
        pool: Its graded candidates.
        tasks: Those to score.
        ks: Ascending; none exceeds a task's samples.
        judging: How. A ranker that fails ends the work.

    Raises:
        RankerError: A ranker failed.
    """
    rankers = judging.rankers
    counts = np.array([len(pool[task.id].verdicts) for task in tasks], np.int64)
    passes = np.array([int(pool[task.id].passed.sum()) for task in tasks], np.int64)
    shape = (len(tasks), len(ks))
    scores = {PASS_AT_K: np.empty(shape), **{name: np.empty(shape) for name in rankers}}
    for place, k in enumerate(ks):
        scores[PASS_AT_K][:, place] = pass_at_k(counts, passes, int(k))
    if not rankers or not len(ks):
        return PoolScores(ks, scores)
    ranked = rank_pool(spec, pool, tasks, ks.tolist(), replace(judging, strict=True))
    for name, rows in ranked.rows.items():
        for place, row in enumerate(rows):
            scores[name][place] = list(row.at_k.values())
    return PoolScores(ks, scores)


def rank_pool(
    spec: str,
    pool: Pool,
    tasks: Sequence[Task],
    ks: Sequence[int],
    judging: Judging,
    *,
    k_left: Callable[[float, float], int | None] | None = None,
) -> Rankings:
    """Rank an arm's candidates of every task and score the picks at several k.

    Args:
        spec: The arm.
        pool: Its graded candidates.
        tasks: Those to rank.
        ks: None exceeds a task's samples.
        judging: How. A ranker that fails is left out of the rest, unless that is strict.
        k_left: If given, the k that an arm can still afford if ranking costs these FLOPs.

    Raises:
        RankerError: A ranker failed, and `judging` is strict.
    """
    rankers, seed = judging.rankers, judging.seed
    offers = remembering(judging.offered(spec))
    failed: dict[str, str] = {}
    rankings = KeptRankings(judging.grader, ks, seed)
    keys = {task.id: rankings.keys(task, pool[task.id], rankers, offers) for task in tasks}
    kept = rankings.read([key for of_task in keys.values() for key in of_task.values()])

    def rank(task: Task, runner: RememberingRunner) -> dict[str, RankedTask]:
        graded = pool[task.id]
        shown = functools.cache(lambda: public_task(task, graded.candidates))
        rows: dict[str, RankedTask] = {}
        fresh: dict[str, RankedOnce] = {}
        for name, ranker in rankers.items():
            if name in failed:
                continue
            context = offers.context(task.id, random.Random(f"{seed}/{task.id}"), runner)
            make = functools.cache(partial(_ranked_pool, ranker, shown, graded, context))
            key = keys[task.id].get(name, "")
            try:
                known = kept.get(key)
                found = known or RankedOnce(make().ranking, tuple(make().score_at_ks(graded.passed, ks, seed=seed)), {})
                at_k = dict(zip(ks, found.at_k, strict=True))
                left = _k_left(found.ranking, k_left)
                if left is not None and left not in at_k and left not in found.at_left:
                    score = make().score_at_k(graded.passed, left, seed=seed)
                    found = found._replace(at_left={**found.at_left, left: score})
            except RankerError as error:
                if judging.strict:
                    raise
                failed.setdefault(name, str(error))
                continue
            if key and found is not known:
                fresh[key] = found
            rows[name] = RankedTask(
                found.ranking, at_k, None if left is None else (left, {**found.at_left, **at_k}[left])
            )
        rankings.write(fresh)
        return rows

    return rankings_of(in_turns(spec, tasks, judging, rank), rankers, failed)


def rankings_of(
    tasks: Sequence[Mapping[str, RankedTask]], rankers: Mapping[str, Ranker], failed: dict[str, str]
) -> Rankings:
    """Collect the rows of ranked tasks by ranker, without those of rankers that failed."""
    rows = {name: [task[name] for task in tasks] for name in rankers if name not in failed}
    return Rankings(rows, failed)


def remembering(offers: Offers) -> Offers:
    """Share a scorer among rankers: a text for two of them is scored once."""
    return offers if offers.scorer is None else offers._replace(scorer=RememberingScorer(offers.scorer))


def in_turns(
    spec: str, tasks: Sequence[Task], judging: Judging, work: Callable[[Task, RememberingRunner], Found]
) -> list[Found]:
    """Work on every task of an arm with a runner of its own, which rankers share; the sandbox is kept busy.

    Raises:
        RankerError: `work` raises it.
    """
    grader = judging.grader
    turn = threading.Lock()

    def run(task: Task) -> Found:
        # Threads wait for the sandbox together and do no more: in CPython 3.11 two cannot make syntax trees at once.
        with turn:
            # Two rankers that look at the same calls run each program once.
            return work(task, RememberingRunner(_Waiting(grader, turn)))

    found: list[Found] = []
    threads = ThreadPoolExecutor(grader.sandbox.workers)
    # An interrupted command does not wait for a ranker that may never return.
    waits = not any(map(is_foreign, judging.rankers.values()))
    try:
        for place, one in enumerate(threads.map(run, tasks)):
            found.append(one)
            judging.progress(f"ranking {spec}", place + 1, len(tasks))
    except KeyboardInterrupt:
        threads.shutdown(wait=waits, cancel_futures=True)
        raise
    except BaseException:
        threads.shutdown(cancel_futures=True)
        raise
    threads.shutdown()
    return found


def _ranked_pool(ranker: Ranker, shown: Callable[[], PublicTask], graded: GradedTask, context: Context) -> RankedPool:
    return RankedPool(ranker, shown(), graded.candidates, context)


class _Waiting:
    """A runner that gives up its thread's turn while it waits."""

    def __init__(self, grader: Grader, turn: threading.Lock) -> None:
        self._grader, self._turn = grader, turn

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        with self._given_up():
            return self._grader.evaluate(task, programs, expressions)

    def judge(self, task: PublicTask, programs: Sequence[str], cases: Sequence[IoCase]) -> list[list[Outcome]]:
        with self._given_up():
            return self._grader.judge(task, programs, cases)

    @contextmanager
    def _given_up(self) -> Iterator[None]:
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()


def _k_left(ranking: Ranking, k_left: Callable[[float, float], int | None] | None) -> int | None:
    cost = ranking_cost(ranking)
    return None if k_left is None or cost is None else k_left(*cost)


def ranking_cost(ranking: Ranking) -> RankingCost | None:
    """Price a ranking; None if a part of it is not known."""
    used, drawn = _flops(ranking.usage), 0.0 if ranking.tests_usage is None else _flops(ranking.tests_usage)
    if used is None or drawn is None:
        return None
    return RankingCost(used / max(1, len(ranking.scores)), drawn)


def cost_of_ranking(k: int, rows: Sequence[RankedTask]) -> Cost:
    """Price the ranking of k candidates of a task, including the seconds of drawing tests if known.

    A single sample is never ranked, so that no tests are drawn for it either.
    """
    if k == 1:
        return Cost(flops=0.0, runtime_s=0.0)
    flops: list[float | None] = []
    seconds: list[float] = []
    for row in rows:
        cost = ranking_cost(row.ranking)
        ranked = k if row.walk is None else row.walk.ranked
        flops.append(None if cost is None else ranked * cost.per_candidate_flops + cost.fixed_flops)
        drawing_s = 0.0 if row.ranking.tests_usage is None else row.ranking.tests_usage.wall_s or 0.0
        seconds.append(ranked / len(row.ranking.scores) * (row.ranking.usage.wall_s or 0.0) + drawing_s)
    known = [amount for amount in flops if amount is not None]
    return Cost(
        flops=float(np.mean(known)) if len(known) == len(flops) else None,
        runtime_s=float(np.mean(seconds)),
    )


def _flops(usage: Usage) -> float | None:
    if usage.prefill_flops is None or usage.decode_flops is None:
        return None
    return usage.prefill_flops + usage.decode_flops


SPEC = "samples"
"""The candidates' name when a message or progress needs one for their arm."""


class RankerResult(NamedTuple):
    """One ranker: rank-score@k by k, and the mean cost of ranking all candidates of a task.

    `flops` is None if unknown; drawing generated tests is in it and in `wall_s` if the tests say so.
    """

    at_k: dict[int, Interval]
    flops: float | None
    wall_s: float
    executions: float


class Ranked(NamedTuple):
    """Rankers' results for candidates.

    Attributes:
        tasks: How many were scored; 0 if nothing has hidden tests.
        n: The fewest candidates of any of them.
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

    @property
    def notes(self) -> list[str]:
        """The warnings, and one line per reason for leaving out tasks."""
        lines = list(self.warnings)
        for why in dict.fromkeys(self.left_out.values()):
            names = [name for name, reason in self.left_out.items() if reason == why]
            some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            lines.append(f"left out: {len(names)} tasks ({some}): {why}")
        return lines


@dataclass(frozen=True, slots=True)
class RankedRow:
    """One candidate as placed by one ranker: 1 for the best, equal places for equal scores.

    `copies` is how many of the task's candidates are the same program but for names and layout, itself included: a vote
    that one text won by coming often shows there.
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
    judging: Judging,
    verdicts: Mapping[tuple[str, int], bool] | None = None,
) -> Ranked:
    """Grade candidates by the hidden tests and score what rankers pick among k of them.

    Args:
        benchmark: Where the tasks come from; each needs hidden tests, and a reference solution or a limit of its own.
        candidates: Of one model and setting.
        ks: Those that some task has too few candidates for are left out, with a warning.
        judging: How; what rankers are offered is under `SPEC`.
        verdicts: Those recorded in the files, passed or not, by task id and index; a warning compares them with ours.

    Raises:
        UserError: No task can be scored, no k is left, or a ranker lacks what it needs.
        RankerError: A ranker failed, and `judging` is strict, or all of them did.
        SandboxError: Nothing can be scored or ranked because the sandbox failed.
    """
    judging.check([SPEC], benchmark, candidates)
    wanted = [Wanted(SPEC, 1, candidates)]
    graded = grade_arms(benchmark, wanted, judging.grader, allow_shared=judging.allow_shared)
    (pool,), warnings = graded.pools, list(graded.warnings)
    counts = np.array([len(pool[task.id].verdicts) for task in graded.tasks], np.int64)
    passes = np.array([int(pool[task.id].passed.sum()) for task in graded.tasks], np.int64)
    n = int(counts.min())
    possible = [k for k in ks if k <= n]
    if not possible:
        raise UserError(f"a task has only {n} candidates, but the smallest k is {min(ks)}; give a smaller `k`")
    if len(possible) < len(ks):
        warnings.append(f"k above {n} cannot be scored: a task has only {n} candidates")
    ranked, failures = rank_pool(SPEC, pool, graded.tasks, possible, judging)
    warnings += [f"{name} is left out: {why}" for name, why in failures.items()]
    warnings += filter(None, [agreement(verdicts or {}, pool).line])
    if not ranked:
        raise UserError("; ".join(failures.values()))
    return Ranked(
        tasks=len(graded.tasks),
        n=n,
        rankers={name: _result(rows, possible, judging.seed) for name, rows in ranked.items()},
        pass_at_k={k: mean_interval(pass_at_k(counts, passes, k), seed=judging.seed) for k in possible},
        left_out=graded.left_out,
        warnings=warnings,
        sandbox_errors=graded.sandbox_errors,
        rows=_placed(ranked, graded.tasks, pool, judging.grader),
    )


def rank_untested(
    benchmark: Benchmark,
    candidates: Sequence[Candidate],
    judging: Judging,
) -> Ranked:
    """Rank the candidates of tasks that need no hidden tests, since nothing is scored.

    Raises:
        UserError: A ranker lacks what it needs.
        RankerError: A ranker failed.
        SandboxError: The sandbox failed.
    """
    judging.check([SPEC], benchmark, candidates)
    by_task: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_task.setdefault(candidate.task_id, []).append(candidate)
    rows: list[RankedRow] = []
    tasks = [task for task in benchmark.tasks if task.id in by_task]
    offers, rankings = judging.offered(SPEC), KeptRankings(judging.grader, (), judging.seed)
    keys = {task.id: rankings.keys(task, GradedTask(by_task[task.id], []), judging.rankers, offers) for task in tasks}
    kept = rankings.read([key for of_task in keys.values() for key in of_task.values()])
    alike = copies_of(judging.grader, {task.id: (task, by_task[task.id]) for task in tasks})
    for done, task in enumerate(tasks, start=1):
        mine = by_task[task.id]
        runner = RememberingRunner(judging.grader)
        fresh: dict[str, RankedOnce] = {}
        for name, ranker in judging.rankers.items():
            key = keys[task.id].get(name, "")
            found = kept.get(key)
            if found is None:
                context = offers.context(task.id, random.Random(f"{judging.seed}/{task.id}"), runner)
                ranked = RankedPool(ranker, public_task(task, mine), mine, context)
                found = RankedOnce(ranked.ranking, (), {})
                if key:
                    fresh[key] = found
            rows += _rows(task, name, found.ranking.scores, mine, alike[task.id])
        rankings.write(fresh)
        judging.progress(f"ranking {SPEC}", done, len(tasks))
    return Ranked(0, 0, {}, {}, {}, [], 0, rows)


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


def _placed(
    ranked: Mapping[str, Sequence[RankedTask]], tasks: Sequence[Task], pool: Pool, grader: Grader
) -> list[RankedRow]:
    alike = copies_of(grader, {task.id: (task, pool[task.id].candidates) for task in tasks})
    return [
        placed
        for name, rows in ranked.items()
        for task, row in zip(tasks, rows, strict=True)
        for placed in _rows(task, name, row.ranking.scores, pool[task.id].candidates, alike[task.id])
    ]


def _rows(
    task: Task, name: str, scores: Sequence[float], candidates: Sequence[Candidate], alike: Sequence[int]
) -> list[RankedRow]:
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], candidates[place].index))
    rows: list[RankedRow] = []
    for number, at in enumerate(order, start=1):
        tied = bool(rows) and rows[-1].score == scores[at]
        place = rows[-1].place if tied else number
        candidate = candidates[at]
        rows.append(RankedRow(task.id, name, place, scores[at], candidate.index, alike[at], candidate.program))
    return rows
