"""Candidates, verdicts and ranks of a run as parts of the page: one per arm and task, loaded when it is looked at."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

from ...report.page import Part
from .run_files import CandidateRead, Key, RankingRead, VerdictRead, grouped, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...report.page_data import CandidatesData, SampleData
    from .run_files import RunFiles

def candidate_parts(run: RunFiles, places: Mapping[Key, str]) -> Iterator[Part]:
    """The parts of a run, as its candidates are read; its verdicts and scores are held in memory meanwhile.

    Raises:
        UserError: A file is missing or not as it should be.
    """
    verdicts: dict[Key, dict[int, VerdictRead]] = defaultdict(dict)
    for verdict in rows(run.folder / "verdicts.jsonl.gz", VerdictRead):
        verdicts[verdict.benchmark, verdict.task_id, verdict.arm][verdict.index] = verdict
    rankings: dict[Key, dict[str, tuple[float, ...]]] = defaultdict(dict)
    for ranking in rows(run.folder / "rankings.jsonl.gz", RankingRead):
        rankings[ranking.benchmark, ranking.task_id, ranking.arm][ranking.ranker] = ranking.scores
    for key, candidates in grouped(rows(run.folder / "candidates.jsonl.gz", CandidateRead)):
        if key in places:
            yield Part(places[key], _data(candidates, verdicts.get(key, {}), rankings.get(key, {})))


def _data(
    candidates: list[CandidateRead], verdicts: Mapping[int, VerdictRead], rankings: Mapping[str, tuple[float, ...]]
) -> CandidatesData:
    # A ranking's scores are in the order of the verdicts.
    order = {index: place for place, index in enumerate(verdicts)}
    scores: dict[str, list[float | None]] = {}
    for ranker, ranked in rankings.items():
        column = [ranked[order[row.index]] if order.get(row.index, len(ranked)) < len(ranked) else None for row in candidates]
        scores[ranker] = [_finite(score) for score in column]
    return {"samples": [_sample(row, verdicts.get(row.index)) for row in candidates], "scores": scores}


def _finite(score: float | None) -> float | None:
    """JSON has no infinity: the largest number ranks the same. What is no number has no rank."""
    if score is None or math.isnan(score):
        return None
    return score if math.isfinite(score) else math.copysign(sys.float_info.max, score)


def _sample(row: CandidateRead, verdict: VerdictRead | None) -> SampleData:
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
