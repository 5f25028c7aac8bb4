"""Candidates, verdicts and ranks of a run as parts of the page: one per arm and task, loaded when viewed."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING

from ...errors import UserError
from ...report.page import Part
from ..files import CANDIDATES, RANKINGS, VERDICTS
from ..rows import CandidateRow, RankingRow, VerdictRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...report.page_data import CandidatesData, SampleData
    from .scored_runs import ScoredRun

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
            raise UserError(f"{run.folder / CANDIDATES}: {key[1]} of {key[2]} is in two places; get the run again")
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
