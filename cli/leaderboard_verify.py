"""`codebudget leaderboard verify`: a stranger's run, checked with nothing but what is ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..settings import Grading, Settings, option
from .arguments import Json
from .flags import as_flags
from .options import only, options
from .progress import print_json, shown_progress

if TYPE_CHECKING:
    from ..leaderboard.verify.recheck import Verification

MOST_SHOWN = 20
"""Most differences printed; `--json` has more."""


class Own(Settings):
    """Your own copies of what a run names, and what you let it have."""

    ranker_files: list[str] = option(
        [],
        "Your copy of a ranker that the run uses; loading it runs its code. Repeatable.",
        flag="--ranker-file",
        metavar="FILE",
    )
    benchmark_files: list[str] = option(
        [], "Your copy of a benchmark that the run uses. Repeatable.", flag="--benchmark-file", metavar="FILE"
    )
    calibration_file: str | None = option(
        None, "Your copy of the calibration behind the run's runtimes.", metavar="FILE"
    )
    models: list[str] = option(
        [], "Model in the run that may be looked up. Repeatable.", flag="--model", metavar="MODEL"
    )
    allow_limits: bool = option(False, "Let programs exceed the ceilings where the run asks for it.")


@options
def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory.")],
    grading: Annotated[Grading, only("launcher", "workers")],
    own: Own,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=1, metavar="N", help="Regrade only N verdicts.", show_default="all"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed that selects those N verdicts.")] = 0,
    as_json: Json = False,
) -> None:
    """Check anybody's run: hashes, verdicts, rankings and every number; exit 1 if anything differs.

    Candidates are regraded in your own sandbox, whichever one the run used. No weights and no GPU are needed.
    Nothing is opened, loaded or looked up just because the run names it.
    """
    from ..experiment.grading import sandbox_of
    from ..leaderboard.verify.recheck import Verification
    from ..leaderboard.verify.trust import Named, open_run
    from ..leaderboard.verify.verify import verify_here

    named = Named(
        ranker_files=[Path(path) for path in own.ranker_files],
        benchmark_files=[Path(path) for path in own.benchmark_files],
        calibration_file=None if own.calibration_file is None else Path(own.calibration_file),
        models=own.models,
    )
    opened = open_run(Path(run), named, allow_limits=own.allow_limits)
    if isinstance(opened.found, Verification):
        result = opened.found
    else:
        # The board's launcher and workers are a stranger's claim.
        limits = opened.found.run.board.board.sandbox.limits.limits()
        with shown_progress() as progress, sandbox_of(grading.launcher, limits, grading.workers) as sandbox:
            result = verify_here(opened.found, sandbox, sample=sample, seed=seed, progress=progress)
    result.notes = [as_flags(note) for note in result.notes]
    _show(result, run, opened.run_id, as_json)
    if result.differences:
        raise typer.Exit(1)


def _show(result: Verification, run: str, run_id: str | None, as_json: bool) -> None:
    from .._util.printable import printable
    from ..leaderboard.differences import MOST
    from ..leaderboard.verify.verify import CANNOT_CATCH, lines_of

    if as_json:
        answer = {"run": run, "run_id": run_id, **result.value(), "cannot_catch": list(CANNOT_CATCH)}
        print_json(answer)
        return
    for one in result.differences[:MOST_SHOWN]:
        typer.echo(f"differs: {one}")
    if len(result.differences) > MOST_SHOWN:
        typer.echo(f"differs: {len(result.differences) - MOST_SHOWN} more; --json lists them, up to {MOST} in all")
    for line in lines_of(result):
        typer.echo(line)
    typer.echo(f"{printable(run)}: {'DIFFERS' if result.differences else 'verified'}; run id {run_id or 'unknown'}")
    typer.echo("What verifying the files cannot catch:")
    for line in CANNOT_CATCH:
        typer.echo(f"  {line}")
