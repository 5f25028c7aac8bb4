"""A study of precision in the terminal, as JSON and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._util.figures import interval
from .._util.outputs import check_output, write_text
from ..errors import UserError
from .markdown import code, plain
from .page import check_plots
from .study_page import write_study_page
from .study_words import answer_lines, head_of
from .tables import Column, print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..experiment.study.planned import Checkpoint
    from ..experiment.study.result import StudyResult
    from ..experiment.study.table import TableLine
    from ..records import Interval

FORMATS = (".md", ".html")


def study_as_json(result: StudyResult) -> dict[str, Any]:
    """Build `study precision --json`; each test has its sentence."""
    made = result.model_dump(mode="json", exclude={"schema_version"})
    for answer, dumped in zip(result.answers, made["answers"], strict=True):
        for test, row in zip(answer.tests, dumped["tests"], strict=True):
            row["sentence"] = test.sentence
    return made


def planned_as_json(checkpoints: Sequence[Checkpoint]) -> dict[str, Any]:
    """Build `study precision --plan --json`."""
    rows = [
        {
            "label": one.label,
            "model": one.model.name,
            "recipe": one.precision,
            "seed": one.seed,
            "planned_bytes": one.planned_bytes,
            "effective_bits": one.effective_bits,
        }
        for one in checkpoints
    ]
    return {"checkpoints": rows, "planned_bytes": _to_write(checkpoints)}


def print_planned(checkpoints: Sequence[Checkpoint]) -> None:
    """Print what a study would make."""
    columns = (
        *(Column("model", folds=True), Column("recipe", folds=True), Column("seed", right=True)),
        *(Column("planned bytes", right=True), Column("effective bits", right=True)),
    )
    rows = [
        (
            one.model.name,
            one.precision,
            "-" if one.seed is None else str(one.seed),
            f"{one.planned_bytes:,}",
            f"{one.effective_bits:.3f}",
        )
        for one in checkpoints
    ]
    print_table(columns, rows)
    made = sum(one.recipe is not None for one in checkpoints)
    print_text(
        f"{len(checkpoints)} rows; {made} checkpoints to make, {_to_write(checkpoints) / 1e9:,.4g} GB. Bytes are those "
        "of all weights; effective bits those of a quantised weight, with scales, zero-points and factors."
    )


def _to_write(checkpoints: Sequence[Checkpoint]) -> int:
    return sum(one.planned_bytes for one in checkpoints if one.recipe is not None)


def print_study(result: StudyResult) -> None:
    """Print the table and the answers."""
    print_text(head_of(result))
    columns = (
        *(Column("model", folds=True), Column("recipe", folds=True), Column("bytes", right=True)),
        *(Column("bits", right=True), Column("perplexity", right=True)),
        *(Column(f"pass@{k}", folds=True) for k in result.ks),
        *(Column("agrees", right=True), Column("recovery", right=True)),
        *(Column("FDT", right=True), Column("s", right=True)),
    )
    rows: list[tuple[str, ...]] = []
    for line in result.table:
        if rows and line.model != rows[-1][0]:
            rows.append(())
        rows.append(tuple(_cells(line, result.ks)))
    print_table(columns, rows)
    for title, texts in answer_lines(result):
        print()
        print_text(title, bold=True)
        for text in texts:
            print_text(text)
    for name, why in result.failures.items():
        print_text(f"Not measured: {name}: {why}")


def check_reports(paths: Sequence[Path]) -> None:
    """Refuse files that cannot be written, before any work is done.

    Raises:
        UserError: A name has another ending, or a link or no plain file is there.
        MachineError: A page is asked for and plotly is not installed.
    """
    for path in paths:
        if path.suffix.lower() not in FORMATS:
            raise UserError(f"`report` {path}: use a file name ending in {' or '.join(FORMATS)}")
        check_output(path, "`report`")
        if path.suffix.lower() == ".html":
            check_plots()


def write_report(result: StudyResult, path: Path) -> None:
    """Write a study as Markdown or as a page, by the file's ending.

    Raises:
        UserError: A link or no plain file is there.
        MachineError: The file cannot be written, or plotly is not installed.
    """
    if path.suffix.lower() == ".html":
        write_study_page(result, path)
    else:
        write_text(path, markdown_of(result), "`report`")


def markdown_of(result: StudyResult) -> str:
    """Build GitHub-flavoured Markdown, in which others' names are no markup."""
    heads = ["model", "recipe", "bytes", "bits", "perplexity", *(f"pass@{k}" for k in result.ks)]
    heads += ["agrees", "recovery", "FDT", "s"]
    lines = [f"## {plain(result.name)}", "", plain(head_of(result)), ""]
    lines += [f"| {' | '.join(heads)} |", "|---|---|" + "--:|" * (len(heads) - 2)]
    for line in result.table:
        model, recipe, *rest = _cells(line, result.ks)
        lines.append(f"| {code(model)} | {code(recipe)} | {' | '.join(rest)} |")
    for title, texts in answer_lines(result):
        lines += ["", f"### {title}", ""]
        lines += [f"- {plain(text)}" for text in texts]
    lines += [f"> Not measured: {code(name)}: {plain(why)}" for name, why in result.failures.items()]
    return "\n".join(lines) + "\n"


def _cells(line: TableLine, ks: Sequence[int]) -> list[str]:
    return [
        line.model,
        line.recipe,
        f"{line.size_bytes:,}",
        f"{line.effective_bits:.2f}",
        f"{line.perplexity:.3f}",
        *(_interval(line.pass_at[k]) for k in ks),
        "-" if line.agreement.value is None else f"{line.agreement.value:.0%}",
        "-" if line.recovery_percent.value is None else f"{line.recovery_percent.value:.0f} %",
        _fdt(line),
        f"{line.wall_s:.0f}",
    ]


def _fdt(line: TableLine) -> str:
    if line.divergence is None:
        return "-"
    return f"{'~' if 'fdt' in line.within_floor else ''}{line.divergence.fdt.mean:.1f}"


def _interval(value: Interval) -> str:
    return interval(value.value, value.low, value.high)
