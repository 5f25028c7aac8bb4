"""`codebudget benchmarks`: benchmarks to compare on, and whether they can be graded here."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UserError
from ..settings import Grading, Running
from .arguments import Asked, Json
from .options import only, options
from .progress import print_json, shown_progress

CANNOT_CROSS = "its values cannot cross between processes"

app = typer.Typer(no_args_is_help=True, help="List benchmarks, and check that they can be graded here.")


@app.command("list")
def list_benchmarks(
    as_json: Json = False,
) -> None:
    """List the benchmarks that need no path."""
    from ..tasks import NAMES

    if as_json:
        print_json({"benchmarks": list(NAMES)})
    else:
        typer.echo("\n".join(NAMES))


@app.command()
@options
def check(
    benchmark: Annotated[str, typer.Argument(help="A benchmark's name, file or hub id.")],
    asked: Annotated[Asked, only("field", "part")],
    grading: Annotated[Grading, only("launcher", "workers", "limits")],
    running: Annotated[Running, only("store", "fresh")],
    as_json: Json = False,
) -> None:
    """Run every reference solution and list those that do not pass split.

    Exits with 1 if one fails, since its task would be left out of every score. Tasks without one are graded by their
    own time limit, where they have any.
    """
    from .._util.printable import one_line
    from ..experiment.grading import open_grader

    loaded = asked.model_copy(update={"benchmark": benchmark}).load(running.family)
    if not loaded.tasks:
        raise UserError(f"{benchmark} has no tasks")
    with shown_progress() as progress, open_grader(grading, running, progress) as grader:
        checks = grader.check(loaded.tasks)
        launcher = grader.sandbox.launcher.name
    failed = {name: result.detail for name, result in checks.items() if not result.ok} | dict(loaded.left_out)
    shared = {
        name: result.detail or CANNOT_CROSS
        for name, result in checks.items()
        if result.ok and result.integrity == "shared"
    }
    no_reference = [task.id for task in loaded.tasks if task.reference is None and checks[task.id].ok]
    ok = sum(result.ok for result in checks.values())
    tasks = len(checks) + len(loaded.left_out)
    if as_json:
        answer = {
            "benchmark": loaded.name,
            "sandbox": launcher,
            "tasks": tasks,
            "ok": ok,
            "split": ok - len(shared),
            "shared": shared,
            "failed": failed,
            "no_reference": no_reference,
            "mutates_arguments": [name for name, result in checks.items() if result.mutates_arguments],
        }
        print_json(answer)
    else:
        typer.echo(
            f"{loaded.name}: {ok - len(no_reference)} of {tasks} references pass in {launcher} "
            f"({ok - len(shared) - len(no_reference)} split, {len(shared)} shared, {len(failed)} failed)"
        )
        if no_reference:
            typer.echo(f"  graded by their own time limits, without a reference to verify them: {len(no_reference)}")
        for name, why in failed.items():
            typer.echo(f"  fails, left out of scores: {one_line(name)} ({one_line(why)})")
        for name, why in shared.items():
            typer.echo(f"  only with --allow-shared: {one_line(name)} ({one_line(why)})")
    if failed:
        raise typer.Exit(1)
