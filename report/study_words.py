"""What a study says in words, alike in the terminal, in Markdown and on its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..experiment.study.answers import describe_choice

if TYPE_CHECKING:
    from ..experiment.study.answers import Answer
    from ..experiment.study.paired import Test
    from ..experiment.study.result import StudyResult

_TITLES = {
    "scale": "Scale against precision",
    "granularity": "Bits against granularity",
    "method": "Method",
    "sensitivity": "Sensitivity",
    "recommendation": "Recommendation",
}


def head_of(result: StudyResult) -> str:
    """Say what was measured, and how to read it."""
    parts = f"{result.name}: {result.benchmark_tasks} tasks, {result.samples} samples each"
    left = f"; {len(result.left_out)} tasks left out" if result.left_out else ""
    part = "" if result.complete else "; some rows are missing, so that answers are of a part of the study"
    compared = next((line.divergence for line in result.table if line.divergence is not None), None)
    fdt = ""
    if compared is not None:
        fdt = (
            f" FDT is the first of {compared.tokens} greedy tokens that leaves the unquantised model's; its own FDT is "
            "the noise floor, and ~ is within it."
        )
    return f"{parts}{left}{part}. Intervals are 95 % over tasks, p-values adjusted within an answer (Holm).{fdt}"


def answer_lines(result: StudyResult) -> list[tuple[str, list[str]]]:
    """Give each answer's title and what it says, line by line."""
    return [(_TITLES[answer.question], _lines(answer)) for answer in result.answers]


def _lines(answer: Answer) -> list[str]:
    """Say an answer: its sentence where nothing shows it in parts, else the parts."""
    lines = [test.sentence + _notes(test) for test in answer.tests] or [answer.sentence]
    if answer.question == "recommendation":
        lines = [one.sentence for one in answer.advice] or [answer.sentence]
    lines += [describe_choice(choice) for choice in answer.choices]
    if answer.question == "scale" and answer.tests:
        lines.append(answer.sentence.rpartition("; ")[2])
    lines += [f"{name}: {', '.join(labels) or 'none'}" for name, labels in (answer.classes or {}).items()]
    if answer.rule:
        lines.append(f"Rule: {answer.rule}")
    return lines


def _notes(test: Test) -> str:
    """Show a test's numbers; those of both sides side by side."""
    parts = [f"mean of {test.cases} pairs"] if test.cases > 1 else []
    for name, value in test.notes.items():
        side, _, what = name.partition("_")
        said = what.replace("_", " ")
        if side == "a":
            parts.append(f"{said} {_number(value)} against {_number(test.notes[f'b_{what}'])}")
        elif side != "b":
            parts.append(f"{name.replace('_', ' ')} {_number(value)}")
    return f" ({', '.join(parts)})" if parts else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
