"""`codebudget sandbox`: the launchers, what they hold, and the image that the Docker one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..settings import Grading
from .options import Json, only, options
from .progress import print_json, shown_progress, warn

if TYPE_CHECKING:
    from ..sandbox.conformance import AttackResult

app = typer.Typer(no_args_is_help=True, help="Sandboxes: what isolates programs on this machine.")


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


@app.command()
@options
def check(grading: Annotated[Grading, only("launcher")], as_json: Json = False) -> None:
    """Attack a sandbox with every program of the corpus; exit 1 when it does not hold what it promises."""
    from ..experiment.grading import chosen_launcher
    from ..sandbox.conformance import conformance

    launcher = chosen_launcher(grading.launcher)
    with shown_progress() as progress:
        report = conformance(launcher, progress)
    counts = {outcome: report.count(outcome) for outcome in ("ok", "not promised", "FAILED")}
    if as_json:
        answer = {
            "sandbox": report.launcher,
            "environment": report.environment,
            "corpus": report.corpus,
            "ok": counts["ok"],
            "not_promised": counts["not promised"],
            "failed": counts["FAILED"],
            "result_hash": report.result_hash,
            "wall_s": round(report.wall_s, 3),
            "results": [result.model_dump(mode="json", exclude={"schema_version"}) for result in report.results],
        }
        print_json(answer)
    else:
        _print_results(report.results)
        typer.echo(
            f"{report.launcher}: {counts['ok']} ok, {counts['not promised']} not promised, {counts['FAILED']} failed "
            f"in {report.wall_s:.0f} s"
        )
        typer.echo(f"result hash {report.result_hash}")
    if not report.holds:
        raise typer.Exit(1)


def _print_results(results: tuple[AttackResult, ...]) -> None:
    from ..report.tables import Column, print_table

    columns = (Column("program"), Column("expected", folds=True), Column("got"), Column("outcome"))
    for group in dict.fromkeys(result.group for result in results):
        rows = [result for result in results if result.group == group]
        cells = [
            (row.name.partition("/")[2], " ".join(row.expected), " ".join(dict.fromkeys(row.got)) or "-", row.outcome)
            for row in rows
        ]
        typer.echo(f"\n{group}")
        print_table(columns, cells)
        for row in rows:
            if row.detail:
                typer.echo(f"  {row.name.partition('/')[2]}: {row.detail}")
    typer.echo("")


@app.command()
def clean(as_json: Json = False) -> None:
    """Remove the containers and folders that runs which are no longer alive have left on this machine."""
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
        warn(f"{name} was not looked at: {reason}")
    typer.echo("\n".join(f"removed {what}" for what in removed) or "nothing was left")
