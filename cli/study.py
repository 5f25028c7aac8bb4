"""`codebudget study`: studies that a board declares, of which one is of precision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..settings import Running, Settings, option
from .arguments import JSON
from .options import only, options
from .progress import check_sandbox_errors, print_json, shown_progress

if TYPE_CHECKING:
    from ..experiment.study.board import StudyFile
    from ..experiment.study.result import StudyResult

app = typer.Typer(no_args_is_help=True, help="Run studies: precision that is made, measured and recommended.")


class Output(Settings):
    """Options of the output."""

    plan: bool = option(False, "Show what would be made, with its bytes, and make nothing.")
    out: str | None = option(
        None, "Folder of the rows.", metavar="DIR", shown="one of the board's name in .codebudget/studies"
    )
    report: list[str] = option([], "Also write the study to a file, .md or .html. Repeatable.", metavar="FILE")
    as_json: bool = JSON


@app.callback()
def study() -> None:
    """Keep `precision` a command of its own, though it is the only one."""


@app.command()
@options
def precision(
    board: Annotated[str, typer.Argument(metavar="BOARD", help="A board, such as examples/nano-precision.toml.")],
    running: Annotated[Running, only("store", "fresh", "compress_python")],
    output: Output,
) -> None:
    """Quantise models by recipes, measure each checkpoint, and say which precision is safe and worth its bytes.

    Each row is kept as it ends, so that the same command continues an interrupted study.
    """
    from ..experiment.study.board import load_study

    file = load_study(Path(board))
    if output.plan:
        _show_plan(file, output.as_json)
        return
    from ..experiment.study.result import result_of
    from ..experiment.study.study import STUDIES, run_study
    from ..report.study import check_reports, write_report

    reports = [Path(name) for name in output.report]
    check_reports(reports)
    folder = STUDIES / file.path.stem if output.out is None else Path(output.out)
    with shown_progress() as progress:
        finished = run_study(file, folder, running, progress)
    result = result_of(file.board, finished.rows, finished.failures)
    for path in reports:
        write_report(result, path)
    _show(result, output.as_json)
    check_sandbox_errors(result.sandbox_errors)
    if result.failures:
        from ..errors import MachineError

        raise MachineError(f"{len(result.failures)} checkpoints could not be measured, see above; run again to retry")


def _show_plan(file: StudyFile, as_json: bool) -> None:
    from ..experiment.study.planned import checkpoints_of
    from ..report.study import planned_as_json, print_planned

    checkpoints = checkpoints_of(file)
    if as_json:
        print_json(planned_as_json(checkpoints))
    else:
        print_planned(checkpoints)


def _show(result: StudyResult, as_json: bool) -> None:
    from ..report.study import print_study, study_as_json

    if as_json:
        print_json(study_as_json(result))
    else:
        print_study(result)
