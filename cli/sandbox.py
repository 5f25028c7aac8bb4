"""`codebudget sandbox`: the launchers, and the image that the Docker one runs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Sandboxes: what isolates programs on this machine.")


@app.command("list")
def list_sandboxes(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Start each sandbox once, and say which work here and what they promise."""
    from ..errors import MachineError
    from ..sandbox import LAUNCHERS, choose_launcher

    rows = []
    for name, launcher in LAUNCHERS.items():
        try:
            choose_launcher(name)
            problem = None
        except MachineError as error:
            problem = str(error)
        rows.append({"name": name, "works": problem is None, "promise": launcher().promise, "problem": problem})
    if as_json:
        typer.echo(json.dumps({"sandboxes": rows}))
        return
    for row in rows:
        typer.echo(f"{row['name']:<11} {'works' if row['works'] else 'no':<6} {row['promise']}")
        if row["problem"]:
            typer.echo(f"{'':<18} {row['problem']}")


@app.command()
def probe() -> None:
    """Print the strongest sandbox that works here; `process`, which is weak, where there is nothing better."""
    from ..errors import MachineError
    from ..sandbox import choose_launcher

    try:
        typer.echo(choose_launcher("auto").launcher.name)
    except MachineError:
        typer.echo("process")


@app.command()
def build(
    base: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="An image with Python 3.11+ to build on.", show_default=False)
    ] = None,
) -> None:
    """Build the image that the Docker sandbox runs."""
    from ..sandbox.launchers.docker import IMAGE, build_image

    typer.echo(f"{IMAGE} {build_image(base)}")
