"""`codebudget sandbox`: the launchers, what they hold, and the image that the Docker one runs."""

from __future__ import annotations

from typing import Annotated

import typer

from ..settings import Grading
from .arguments import Json
from .options import only, options
from .progress import print_json, shown_progress, warn

app = typer.Typer(no_args_is_help=True, help="List, check and clean up the sandboxes that isolate programs.")


@app.command("list")
def list_sandboxes(as_json: Json = False) -> None:
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
        print_json({"sandboxes": rows})
        return
    width = max(len(name) for name in LAUNCHERS)
    for row in rows:
        typer.echo(f"{row['name']:<{width}} {'works' if row['works'] else 'no':<6} {row['promise']}")
        if row["problem"]:
            typer.echo(f"{'':<{width + 7}} {row['problem']}")


@app.command()
def probe() -> None:
    """Print the strongest sandbox that works here; `process`, which is weak, if nothing better does."""
    from ..errors import MachineError
    from ..sandbox import choose_launcher

    try:
        typer.echo(choose_launcher("auto").launcher.name)
    except MachineError:
        typer.echo("process")


@app.command()
def build(
    base: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Base image, with Python 3.11+.", show_default=False)
    ] = None,
    image: Annotated[
        str, typer.Option(metavar="NAME", help="plain; bigcodebench or bigcodebench-lean, with libraries.")
    ] = "plain",
) -> None:
    """Build an image that the Docker sandbox runs. Those with libraries take their packages from an index."""
    from ..errors import UserError
    from ..sandbox.images import IMAGES
    from ..sandbox.launchers.docker import build_image

    if image not in IMAGES:
        raise UserError(f"unknown image '{image}': choose from {', '.join(IMAGES)}")
    typer.echo(f"{IMAGES[image].tag} {build_image(base, IMAGES[image])}")


@app.command()
@options
def check(grading: Annotated[Grading, only("launcher")], as_json: Json = False) -> None:
    """Attack a sandbox with every program of the corpus; exit 1 if it does not keep its promises."""
    from ..experiment.grading import chosen_launcher
    from ..report.conformance import conformance_as_json, print_conformance
    from ..sandbox.conformance import conformance

    launcher = chosen_launcher(grading.launcher)
    with shown_progress() as progress:
        report = conformance(launcher, progress)
    if as_json:
        print_json(conformance_as_json(report))
    else:
        print_conformance(report)
    if not report.holds:
        raise typer.Exit(1)


@app.command()
def clean(as_json: Json = False) -> None:
    """Remove the containers and folders that ended runs have left on this machine."""
    from ..errors import SandboxError
    from ..sandbox.launchers import CLEANERS

    removed: list[str] = []
    unreachable: dict[str, str] = {}
    for name, clean_up in CLEANERS.items():
        try:
            removed += clean_up()
        except SandboxError as error:
            unreachable[name] = str(error)
    if as_json:
        print_json({"removed": removed, "unreachable": unreachable})
        return
    for name, reason in unreachable.items():
        warn(f"{name} was not checked: {reason}")
    typer.echo("\n".join(f"removed {what}" for what in removed) or "nothing was left over")
