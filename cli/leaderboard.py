"""`codebudget leaderboard`: runs that a file declares and that anyone can verify."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._util.figures import interval
from ..errors import MachineError
from .boards import (
    arm_inputs,
    calibration_of,
    check_draws,
    drawing_of,
    examined,
    load_rankers,
    load_tasks,
    open_sandbox,
    plan_board,
    verify_command,
)
from .grading import FreshOption
from .leaderboard_build import build
from .leaderboard_verify import verify
from .progress import shown_progress, warn
from .stores import StoreOption, open_workspace

if TYPE_CHECKING:
    from ..leaderboard.results_file import Results

app = typer.Typer(no_args_is_help=True, help="Leaderboard runs: what a file declares, for anyone to verify.")
app.command()(build)
app.command()(verify)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def run(
    board: Annotated[str, typer.Argument(metavar="BOARD", help="A board file, such as examples/nano.toml.")],
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="The run directory.", show_default="the board's name and -run"),
    ] = None,
    store: StoreOption = None,
    fresh: FreshOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw, grade, rank and score what a board declares, and write the run.

    What is in the store is not drawn or graded again, so that an interrupted run goes on where it was; --fresh does all
    of it anew. The directory appears when it is complete, and replaces an earlier run.
    """
    from ..leaderboard.board import load_board
    from ..leaderboard.run import StepTimes, check_out, make_run

    file = load_board(Path(board))
    folder = Path(out) if out is not None else Path(f"{file.path.stem}-run")
    check_out(folder, typed=out is not None)
    times = StepTimes()
    entries = plan_board(file, load_tasks(file), calibration_of(file))
    rankers = load_rankers(file)
    drawing = drawing_of(file, fresh)
    check_draws(file, entries, drawing)
    with shown_progress() as progress, ExitStack() as stack:
        opened = stack.enter_context(open_workspace(store))
        # Before anything is drawn, which may take hours.
        sandbox = stack.enter_context(
            open_sandbox(file.board.sandbox.launcher, file.board.sandbox.limits.limits(), file.board.sandbox.workers)
        )
        conformance = examined(sandbox, opened, progress) if file.board.sandbox.check else None
        with times.step("drawing"):
            inputs = [
                (entry, arm_inputs(file, place, entry, drawing, opened, progress))
                for place, entry in enumerate(entries)
            ]
        from ..experiment.grading import Grader

        made = make_run(
            file,
            inputs,
            rankers,
            Grader(sandbox, opened, progress, fresh=fresh),
            folder,
            argv=sys.argv[1:],
            conformance=conformance,
            times=times,
            progress=progress,
            typed=out is not None,
        )
    _show_run(made.results, made.run_id, folder, verify_command(file, folder), as_json)
    failed = made.results.sandbox_errors
    if failed:
        raise MachineError(f"the sandbox failed on {failed} programs, whose tasks are left out; run the command again")


@app.command()
def pack(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory.")],
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="The archive.", show_default="RUN.tar.gz")
    ] = None,
) -> None:
    """Write a run to one archive; the same run makes the same bytes."""
    from ..leaderboard.pack import ENDING
    from ..leaderboard.pack import pack as pack_run

    folder = Path(run)
    archive = Path(out) if out is not None else Path(f"{folder.resolve().name}{ENDING}")
    pack_run(folder, archive, typed=out is not None)
    typer.echo(str(archive))


@app.command()
def unpack(
    archive: Annotated[str, typer.Argument(metavar="FILE", help="An archive of a run.")],
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Where to.", show_default="the archive's name")
    ] = None,
) -> None:
    """Take a run out of an archive: nothing but the files of a run, whatever the archive holds."""
    from ..leaderboard.pack import ENDING
    from ..leaderboard.pack import unpack as unpack_run

    file = Path(archive)
    folder = Path(out) if out is not None else Path(file.name.removesuffix(ENDING))
    unpack_run(file, folder, typed=out is not None)
    typer.echo(str(folder))


def _show_run(results: Results, run_id: str, folder: Path, next_step: str, as_json: bool) -> None:
    for scores in results.benchmarks:
        for warning in scores.warnings:
            warn(warning)
    if as_json:
        shown = [
            {
                "benchmark": scores.benchmark,
                "tasks": len(scores.tasks),
                "arms": [
                    {"spec": arm.spec, "k": arm.k, "pass_at_k": arm.pass_at_k[arm.k].model_dump()}
                    for arm in scores.arms
                ],
                "verdict": scores.verdict.model_dump(),
            }
            for scores in results.benchmarks
        ]
        typer.echo(json.dumps({"run": str(folder), "run_id": run_id, "benchmarks": shown}))
        return
    for scores in results.benchmarks:
        typer.echo(f"{scores.benchmark}, {len(scores.tasks)} of {scores.total_tasks} tasks")
        for arm in scores.arms:
            score = arm.pass_at_k[arm.k]
            interval = f"[{score.low:.3f}, {score.high:.3f}]"
            typer.echo(f"  {arm.spec}: pass@{arm.k} {score.value:.3f} {interval}")
        typer.echo(f"  with tests: {scores.verdict.with_tests}")
        typer.echo(f"  without tests: {scores.verdict.without_tests}")
    typer.echo(f"{folder} is written; run id {run_id}")
    typer.echo(next_step)
