"""`codebudget leaderboard build`: a static site of runs."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json
from .progress import print_json, shown_progress


def build(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run directories.")],
    out: Annotated[
        str, typer.Option("--out", metavar="FOLDER", help="Folder for the site; an earlier site is replaced.")
    ],
    title: Annotated[str | None, typer.Option(help="Page title.", show_default="the run's name")] = None,
    as_json: Json = False,
) -> None:
    """Make a static site of runs: ranking, curves, costs, tasks and candidates. It opens from a file."""
    from pathlib import Path

    from ..leaderboard.site.build import build_site

    with shown_progress() as progress:
        written = build_site([Path(run) for run in runs], Path(out), title=title, progress=progress)
    page = Path(out) / "index.html"
    if as_json:
        print_json({"page": str(page), "files": written.files, "size_bytes": written.size_bytes})
    else:
        typer.echo(f"{page}: {written.files} files, {written.size_bytes / 2**20:.1f} MiB")
