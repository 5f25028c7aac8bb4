"""`codebudget leaderboard verify`: a stranger's run, checked with nothing but what is ours."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ..errors import UserError
from .boards import open_sandbox, plan_board
from .grading import SandboxOption, WorkersOption
from .leaderboard_trust import Named, RunError, calibration_of_run, check_models, rankers_of_run, tasks_of_run
from .progress import shown_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..leaderboard.results import PlannedBenchmark
    from ..leaderboard.verify.reading import Run
    from ..leaderboard.verify.recheck import Loaded, Verification

MOST_SHOWN = 20
"""Differences that are printed; `--json` has more."""

RankerFileOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ranker-file", metavar="FILE", help="A ranker of the run, your copy: it is loaded, and so run. Repeatable."
    ),
]
BenchmarkFileOption = Annotated[
    list[str] | None,
    typer.Option("--benchmark-file", metavar="FILE", help="A benchmark of the run, your copy. Repeatable."),
]


class _How(NamedTuple):
    """What grades again, and how much of it."""

    sandbox: str
    workers: int | None
    sample: int | None
    seed: int


def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory.")],
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=1, metavar="N", help="Grade only N verdicts again.", show_default="all"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the sample.")] = 0,
    ranker_file: RankerFileOption = None,
    benchmark_file: BenchmarkFileOption = None,
    calibration_file: Annotated[
        str | None,
        typer.Option("--calibration-file", metavar="FILE", help="The calibration of the run's runtimes, your copy."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="MODEL", help="A model of the run that may be looked up. Repeatable."),
    ] = None,
    allow_limits: Annotated[
        bool, typer.Option("--allow-limits", help="Let programs use what the run asks for, beyond the ceilings.")
    ] = False,
    sandbox: SandboxOption = "auto",
    workers: WorkersOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a run that anybody made: hashes, verdicts, rankings and every number; exit 1 where something differs.

    Candidates are graded again in a sandbox of yours, whatever the run was graded in. No weights and no GPU are needed.
    Nothing is opened, loaded or looked up because the run names it.
    """
    from ..leaderboard.files import BOARD
    from ..leaderboard.verify.differences import difference
    from ..leaderboard.verify.reading import read_run
    from ..leaderboard.verify.recheck import Verification
    from ..leaderboard.verify.regrade import check_limits

    named = Named(
        ranker_files=[Path(path) for path in ranker_file or ()],
        benchmark_files=[Path(path) for path in benchmark_file or ()],
        calibration_file=None if calibration_file is None else Path(calibration_file),
        models=model or (),
    )
    named.check(Path(run))
    read = read_run(Path(run))
    if read.run is None:
        result = Verification(read.differences, notes=["nothing was graded, since the files are not those of a run"])
    else:
        if not allow_limits:
            check_limits(read.run.board.board.sandbox.limits)
        try:
            entries = planned_of_run(read.run, named)
        except RunError as error:
            found = [difference(BOARD, "", "", "a board that can be followed", str(error))]
            result = Verification(found, notes=["nothing was graded, since its board cannot be followed"])
        else:
            result = _verified(read.run, entries, rankers_of_run(read.run, named), _How(sandbox, workers, sample, seed))
    _show(result, run, read.run_id, as_json)
    if result.differences:
        raise typer.Exit(1)


def planned_of_run(run: Run, named: Named) -> list[PlannedBenchmark]:
    """The benchmarks of a run, planned here, out of nothing but what is installed and what the verifier named.

    Raises:
        UserError: The run needs something that they did not name, or what they named cannot be used.
        RunError: The board cannot be followed.
        MachineError: A benchmark is not installed.
    """
    board = run.board.board
    check_models(board, named)
    benchmarks, calibration = tasks_of_run(run, named), calibration_of_run(board, named)
    try:
        return plan_board(run.board, benchmarks, calibration)
    except UserError as error:
        raise RunError(str(error)) from None


def _verified(run: Run, entries: Sequence[PlannedBenchmark], loaded: Loaded, how: _How) -> Verification:
    from ..experiment.grading import Grader
    from ..leaderboard.verify.verify import verify as verify_run
    from ..sampler.store import open_store

    # The board's launcher and workers are a stranger's word, and so is what the store of this folder holds.
    with (
        shown_progress() as progress,
        tempfile.TemporaryDirectory(prefix="codebudget-verify-") as scratch,
        open_store(Path(scratch) / "store.sqlite") as store,
        open_sandbox(how.sandbox, run.board.board.sandbox.limits.limits(), how.workers) as opened,
    ):
        grader = Grader(opened, store, progress)
        return verify_run(run, entries, loaded, grader, sample=how.sample, seed=how.seed, progress=progress)


def _show(result: Verification, run: str, run_id: str | None, as_json: bool) -> None:
    from .._util.printable import printable
    from ..leaderboard.verify.differences import MOST
    from ..leaderboard.verify.verify import CANNOT_CATCH

    if as_json:
        answer = {
            "run": run,
            "run_id": run_id,
            "verified": not result.differences,
            "differences": [one._asdict() for one in result.differences],
            "flips": result.flips,
            "unstable": result.unstable,
            "notes": result.notes,
            "graded": result.graded,
            "verdicts": result.verdicts,
            "ranked": result.ranked,
            "rankings": result.rankings,
            "numbers": result.numbers,
            "cannot_catch": list(CANNOT_CATCH),
        }
        typer.echo(json.dumps(answer))
        return
    for one in result.differences[:MOST_SHOWN]:
        typer.echo(f"differs: {one}")
    if len(result.differences) > MOST_SHOWN:
        typer.echo(f"differs: {len(result.differences) - MOST_SHOWN} more; --json lists them, up to {MOST} in all")
    for what, lines in (
        ("flips at its limit", result.flips),
        ("not the same twice", result.unstable),
        ("note", result.notes),
    ):
        for line in lines:
            typer.echo(f"{what}: {printable(line)}")
    typer.echo(
        f"graded again {result.graded} of {result.verdicts} verdicts, made again {result.ranked} of {result.rankings} "
        f"rankings, computed again {result.numbers} values of results.json"
    )
    if result.graded < result.verdicts and result.verdicts:
        typer.echo(f"a run in which one verdict in a hundred was changed passes this with {0.99**result.graded:.2g}")
    typer.echo(f"{printable(run)}: {'DIFFERS' if result.differences else 'verified'}; run id {run_id or 'unknown'}")
    typer.echo("No verification of the files can catch:")
    for line in CANNOT_CATCH:
        typer.echo(f"  {line}")
