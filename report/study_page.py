"""A study of precision as a page of its own, in one file: quality against bytes, the table and the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from .page import STUDY, Part, write_file
from .page_data import Span, span
from .study_words import answer_lines, head_of

if TYPE_CHECKING:
    from pathlib import Path

    from ..experiment.study.result import StudyResult


class PointData(TypedDict):
    """A line of the study; `front` holds the k for which it is on the Pareto front."""

    label: str
    model: str
    recipe: str
    bytes: int
    bits: float
    perplexity: float
    increase: float
    sensitivity: str
    scores: dict[str, Span]
    agreement: Span
    recovery: Span
    seconds: float
    front: list[int]


class AnswerData(TypedDict):
    """An answer in lines."""

    question: str
    lines: list[str]


class StudyData(TypedDict):
    """The part `study`."""

    title: str
    description: str
    note: str
    ks: list[int]
    points: list[PointData]
    answers: list[AnswerData]


def write_study_page(result: StudyResult, path: Path) -> None:
    """Write a study as a self-contained HTML file.

    Raises:
        UserError: A link or no plain file is there.
        MachineError: plotly is not installed, or the file cannot be written.
    """
    points: list[PointData] = [
        {
            "label": line.label,
            "model": line.model,
            "recipe": line.recipe,
            "bytes": line.size_bytes,
            "bits": line.effective_bits,
            "perplexity": line.perplexity,
            "increase": line.perplexity_increase,
            "sensitivity": line.sensitivity,
            "scores": {str(k): span(value) for k, value in line.pass_at.items()},
            "agreement": span(line.agreement),
            "recovery": span(line.recovery_percent),
            "seconds": line.wall_s,
            "front": [k for k, labels in result.front.items() if line.label in labels],
        }
        for line in result.table
    ]
    data: StudyData = {
        "title": result.name,
        "description": result.description,
        "note": head_of(result),
        "ks": list(result.ks),
        "points": points,
        "answers": [{"question": title, "lines": lines} for title, lines in answer_lines(result)],
    }
    write_file(path, [Part("study", data)], STUDY)
