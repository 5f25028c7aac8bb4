"""`codebudget leaderboard run`: from a board file to a run directory."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..settings import Running, Sharding
from .arguments import Json
from .flags import as_flags
from .leaderboard_scores import show_run
from .options import only
from .progress import check_sandbox_errors, shown_progress
from .shards import show_shard

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(
    board: Annotated[str, typer.Argument(metavar="BOARD", help="A board file, such as examples/nano.toml.")],
    running: Annotated[Running, only("store", "fresh", "ray")],
    sharding: Sharding,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="Folder for the run.", show_default="the board's name and -run"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw, grade, rank and score what a board declares, and write the run.

    Stored samples and verdicts are reused, so an interrupted run continues where it was; --fresh redoes everything. The
    directory appears once it is complete, and replaces an earlier run.
    """
    from ..experiment.grading import Grader, sandbox_of
    from ..experiment.shards import check_no_outputs, parse_shard
    from ..experiment.workspace import open_workspace
    from ..leaderboard.board import load_board
    from ..leaderboard.prepare import examined, files_to_name, prepare_board, samples_of, shard_of_board
    from ..leaderboard.run import Making, StepTimes, check_out, make_run, work_on_shard

    shard = parse_shard(sharding.shard)
    file = load_board(Path(board))
    folder = Path(out) if out is not None else Path(f"{file.path.stem}-run")
    if shard is None:
        check_out(folder, typed=out is not None)
    else:
        check_no_outputs(shard, {"out": out})
    times = StepTimes()
    whole = prepare_board(file)
    prepared = whole if shard is None else shard_of_board(whole, shard)
    table = file.board.sandbox
    with (
        shown_progress() as progress,
        open_workspace(running.store) as store,
        # Before anything is drawn, which may take hours.
        sandbox_of(table.launcher, table.limits.limits(), table.workers, running.ray) as sandbox,
    ):
        conformance = examined(sandbox, store, progress) if table.check else None
        grader = Grader(sandbox, store, progress, fresh=running.fresh)
        with times.step("drawing"):
            inputs = samples_of(prepared, store, progress, fresh=running.fresh, grader=grader, ray=running.ray)
        if shard is not None:
            works = work_on_shard(file, inputs, prepared.rankers, grader, progress)
            return show_shard(shard, works, running.store, as_json=as_json)
        made = make_run(
            file,
            inputs,
            prepared.rankers,
            grader,
            folder,
            making=Making(sys.argv[1:], conformance, times),
            progress=progress,
            typed=out is not None,
        )
    next_step = _verify_command(files_to_name(file), folder)
    show_run(made.results, made.run_id, folder, next_step, as_json=as_json)
    return check_sandbox_errors(made.results.sandbox_errors)


def _verify_command(named: Sequence[tuple[str, str]], run: Path) -> str:
    """Build the command to verify."""
    options = [word for parameter, path in named for word in (as_flags(f"`{parameter}`"), path)]
    return shlex.join(["codebudget", "leaderboard", "verify", str(run), *options])
