"""The arms of all runs on one benchmark, side by side, and the known data of each task."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...errors import UserError
from ...estimators import PASS_AT_K, FloatArray, pass_at_k
from ...report.page import Part
from ...report.page_data import CurveData, EntryData, Span, cost_data, rounded, span
from ...settings import ORACLE
from ..files import CANDIDATES, RANKINGS, VERDICTS
from ..rows import CandidateRow, RankingRow, VerdictRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...report.page_data import CandidatesData, SampleData
    from ..results_file import ArmScores, BenchmarkScores
    from .scored_runs import ScoredRun

COST_FIELDS = {"flops": "flops", "runtime": "runtime_s", "memory": "memory_bytes", "usd": "usd"}

AtK = dict[tuple[str, str, str, str], dict[int, float]]
"""Rank-score@k of one task, by benchmark, arm, task id and ranker."""


class Contender(NamedTuple):
    """One arm of one run on one benchmark. `place` is the run's among all runs, `number` the arm's in the run."""

    run: int
    number: int
    files: ScoredRun
    benchmark: BenchmarkScores
    arm: ArmScores
    name: str

    @property
    def id(self) -> str:
        """An id unlike all others that stays the same when runs are added."""
        return f"{self.files.id}.{self.number}"

    @property
    def metrics(self) -> list[str]:
        """Metrics of its scores."""
        return [PASS_AT_K, *self.arm.rankers]

    @property
    def kinds(self) -> list[str]:
        """The board's limits on its arms: what they were matched by, or every kind of its budget."""
        limits = self.benchmark
        if limits.budget is not None:
            return [kind for kind, field in COST_FIELDS.items() if getattr(limits.budget, field) is not None]
        return [] if limits.match is None else [limits.match]

    def at_k(self, metric: str) -> FloatArray:
        """Get scores at the arm's k, an array [tasks]."""
        if metric in (PASS_AT_K, ORACLE):
            return np.array(self.arm.per_task.pass_at_k)
        return np.array(self.arm.per_task.rankers[metric])

    def at_ks(self, metric: str, at_k: AtK) -> FloatArray | None:
        """Get scores at every k of the arm's `ks`, an array [tasks, ks]; None if rankings lack some."""
        arm = self.arm
        if metric in (PASS_AT_K, ORACLE):
            n, passed = (np.array(counts, np.int64) for counts in (arm.per_task.n, arm.per_task.passed))
            return np.stack([pass_at_k(n, passed, k) for k in arm.ks], axis=1)
        scores = np.full((len(self.benchmark.tasks), len(arm.ks)), np.nan)
        for row, task in enumerate(self.benchmark.tasks):
            known = at_k.get((self.benchmark.benchmark, arm.spec, task, metric), {})
            scores[row] = [known.get(k, np.nan) for k in arm.ks]
        return None if np.isnan(scores).any() else scores


def contenders_of(runs: Sequence[ScoredRun], content_hash: str) -> list[Contender]:
    """List the arms run on a benchmark, in the order of the runs. A benchmark is identified by its content."""
    names = Counter(run.results.name for run in runs)
    contenders = []
    for place, run in enumerate(runs):
        name = run.results.name
        prefix = "" if len(runs) == 1 else f"{name}: " if names[name] == 1 else f"{name} {run.id}: "
        for benchmark in run.results.benchmarks:
            if benchmark.content_hash == content_hash:
                contenders += [
                    Contender(place, number, run, benchmark, arm, f"{prefix}{arm.spec}")
                    for number, arm in enumerate(benchmark.arms)
                ]
    return contenders


def read_at_k(run: ScoredRun) -> AtK:
    """Read a run's rank-scores by task from its rankings."""
    return {(row.benchmark, row.arm, row.task_id, row.ranker): row.at_k for row in run.files.rows(RANKINGS, RankingRow)}


def contender_data(contender: Contender, tasks: Mapping[str, int], candidates: str) -> EntryData:
    """Convert a contender.

    Args:
        contender: The arm.
        tasks: Every task of the benchmark scored by some run, and its place.
        candidates: The folder of its candidates' parts.
    """
    arm, benchmark = contender.arm, contender.benchmark
    scores = {PASS_AT_K: span(arm.pass_at_k[arm.k].interval())}
    for ranker, read in arm.rankers.items():
        scores[ranker] = span(read.rank_score_at_k[arm.k].interval())
    places = [tasks[task] for task in benchmark.tasks]
    drawn, passed = [0] * len(tasks), [0] * len(tasks)
    for row, place in enumerate(places):
        drawn[place], passed[place] = arm.per_task.n[row], arm.per_task.passed[row]
    picked = {}
    for metric in contender.metrics:
        values: list[float | None] = [None] * len(tasks)
        for place, value in zip(places, contender.at_k(metric).tolist(), strict=True):
            values[place] = value
        picked[metric] = rounded(values)
    return {
        "id": contender.id,
        "run": contender.run,
        "spec": arm.spec,
        "name": contender.name,
        "model": arm.model,
        "precision": arm.precision,
        "k": arm.k,
        "greedy": arm.greedy,
        "parameters": arm.parameters,
        "kinds": contender.kinds,
        "cost": cost_data(arm.cost.cost()),
        "ratio": cost_data(arm.ratio.cost()),
        "matched": arm.matched,
        "equal": arm.equal,
        "scored": len(benchmark.tasks),
        "scores": scores,
        "curve": _curve(arm) if len(arm.ks) > 1 else None,
        "drawn": drawn,
        "passed": passed,
        "picked": picked,
        "candidates": candidates,
        "totals": {name: score.total_flops for name, score in arm.rankers.items()},
    }


def costs_of(arm: ArmScores, field: str, metric: str = PASS_AT_K) -> list[float] | None:
    """List the cost of every k of an arm, by a field of a cost; None if one is unknown.

    FLOPs of an arm whose limit pays for tests hold them, for several samples and the rankers that go by them.
    """
    known = [getattr(arm.costs[k], field) for k in arm.ks]
    if None in known:
        return None
    tests = arm.realised.tests_flops
    if field == "flops" and tests and not arm.stages:
        paid = tests if metric == PASS_AT_K else arm.rankers[metric].cost_flops
        if paid is None:
            return None
        known = [cost + (paid if k > 1 else 0.0) for k, cost in zip(arm.ks, known, strict=True)]
    return known


def _curve(arm: ArmScores) -> CurveData:
    scores: dict[str, list[Span]] = {PASS_AT_K: [span(arm.pass_at_k[k].interval()) for k in arm.ks]}
    for ranker, read in arm.rankers.items():
        known = read.rank_score_at_k
        scores[ranker] = [span(known[k].interval()) if k in known else (None, None, None) for k in arm.ks]
    fields = COST_FIELDS.values()
    curve: CurveData = {
        "ks": list(arm.ks),
        "costs": {field: costs_of(arm, field) for field in fields},
        "scores": scores,
    }
    if arm.realised.tests_flops:
        curve["totals"] = {metric: {field: costs_of(arm, field, metric) for field in fields} for metric in scores}
    return curve


Key = tuple[str, str, str]
"""Benchmark, task id, arm."""


def candidate_parts(run: ScoredRun, places: Mapping[Key, str]) -> Iterator[Part]:
    """Yield the parts of a run as its candidates are read; its verdicts and scores stay in memory meanwhile.

    Raises:
        UserError: A file is missing or not as it should be.
    """
    verdicts: dict[Key, dict[int, VerdictRow]] = defaultdict(dict)
    for verdict in run.files.rows(VERDICTS, VerdictRow):
        verdicts[verdict.benchmark, verdict.task_id, verdict.arm][verdict.index] = verdict
    rankings: dict[Key, dict[str, tuple[float, ...]]] = defaultdict(dict)
    for ranking in run.files.rows(RANKINGS, RankingRow):
        rankings[ranking.benchmark, ranking.task_id, ranking.arm][ranking.ranker] = ranking.scores
    seen: set[Key] = set()
    candidates = run.files.rows(CANDIDATES, CandidateRow)
    for key, group in groupby(candidates, key=lambda row: (row.benchmark, row.task_id, row.arm)):
        if key in seen:
            raise UserError(f"{run.folder / CANDIDATES}: {key[1]} of {key[2]} appears twice; get the run again")
        seen.add(key)
        if key in places:
            yield Part(places[key], _data(list(group), verdicts.get(key, {}), rankings.get(key, {})))


def _data(
    candidates: list[CandidateRow], verdicts: Mapping[int, VerdictRow], rankings: Mapping[str, tuple[float, ...]]
) -> CandidatesData:
    # A ranking's scores are in the order of the verdicts.
    scores = {ranker: dict(zip(verdicts, ranked, strict=False)) for ranker, ranked in rankings.items()}
    return {
        "samples": [_sample(row, verdicts.get(row.index)) for row in candidates],
        "scores": {ranker: [known.get(row.index) for row in candidates] for ranker, known in scores.items()},
    }


def _sample(row: CandidateRow, verdict: VerdictRow | None) -> SampleData:
    return {
        "index": row.index,
        "status": None if verdict is None else verdict.status,
        "integrity": None if verdict is None else verdict.integrity,
        "tests": None if verdict is None else (verdict.tests_run, verdict.tests_expected),
        "detail": None if verdict is None else verdict.detail,
        "program": row.program,
        "raw": row.raw,
        "prompt": row.prompt,
        "seed": row.seed,
        "stratum": row.stratum,
        "finish": row.finish_reason,
        "tokens": row.output_tokens,
    }
