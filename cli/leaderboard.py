"""`codebudget leaderboard`: runs that a file declares and that anyone can verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .arguments import Json
from .leaderboard_publish import publish
from .leaderboard_run import run
from .leaderboard_verify import verify
from .options import options
from .progress import print_json, shown_progress

app = typer.Typer(no_args_is_help=True, help="Make, verify and publish leaderboard runs.")
app.command()(options(verify))
app.command()(options(run))
app.command()(publish)


@app.command()
def pack(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory.")],
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Archive to write.", show_default="RUN.tar.gz")
    ] = None,
) -> None:
    """Pack a run into one archive; the same run gives the same bytes."""
    from ..leaderboard.pack import ENDING
    from ..leaderboard.pack import pack as pack_run

    folder = Path(run)
    archive = Path(out) if out is not None else Path(f"{folder.resolve().name}{ENDING}")
    pack_run(folder, archive, typed=out is not None)
    typer.echo(str(archive))


@app.command()
def unpack(
    archive: Annotated[str, typer.Argument(metavar="FILE", help="The archive of a run.")],
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="Folder to unpack into.", show_default="the archive's name"),
    ] = None,
) -> None:
    """Unpack a run from an archive: only a run's files, whatever else the archive contains."""
    from ..leaderboard.pack import ENDING
    from ..leaderboard.pack import unpack as unpack_run

    file = Path(archive)
    folder = Path(out) if out is not None else Path(file.name.removesuffix(ENDING))
    unpack_run(file, folder, typed=out is not None)
    typer.echo(str(folder))


@app.command()
def build(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run directories.")],
    out: Annotated[
        str, typer.Option("--out", metavar="FOLDER", help="Folder for the site; an earlier site is replaced.")
    ],
    title: Annotated[str | None, typer.Option(help="Page title.", show_default="the run's name")] = None,
    as_json: Json = False,
) -> None:
    """Make a static site of runs: ranking, curves, costs, tasks and candidates. It opens straight from disk."""
    from ..leaderboard.site.build import build_site

    with shown_progress() as progress:
        written = build_site([Path(run) for run in runs], Path(out), title=title, progress=progress)
    page = Path(out) / "index.html"
    if as_json:
        print_json({"page": str(page), "files": written.files, "size_bytes": written.size_bytes})
    else:
        typer.echo(f"{page}: {written.files} files, {written.size_bytes / 2**20:.1f} MiB")
