"""`codebudget benchmarks`: what there is to compare on, and whether it can be graded here."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ..errors import UserError
from .grading import (
    FieldOption,
    FreshOption,
    SandboxOption,
    TimeoutOption,
    WorkersOption,
    open_grader,
    parse_fields,
)
from .progress import shown_progress
from .stores import StoreOption  # noqa: TC001 (typer reads it)

CANNOT_CROSS = "its values cannot cross between processes"

app = typer.Typer(no_args_is_help=True, help="Benchmarks: list them, check that they can be graded here.")


@app.command("list")
def list_benchmarks(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the benchmarks that need no path."""
    from ..tasks import NAMES

    typer.echo(json.dumps({"benchmarks": list(NAMES)}) if as_json else "\n".join(NAMES))


@app.command()
def check(
    benchmark: Annotated[str, typer.Argument(help="A benchmark's name, file or hub id.")],
    field: FieldOption = None,
    sandbox: SandboxOption = "auto",
    workers: WorkersOption = None,
    timeout: TimeoutOption = None,
    store: StoreOption = None,
    fresh: FreshOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run every reference solution and list those that do not pass split.

    Exits 1 when one fails, since its task would be left out of every score.
    """
    from .._util.bounded import shown
    from ..tasks import load_benchmark

    loaded = load_benchmark(benchmark, parse_fields(field))
    if not loaded.tasks:
        raise UserError(f"{benchmark} holds no task")
    with (
        shown_progress() as progress,
        open_grader(
            sandbox=sandbox, workers=workers, timeout=timeout, store=store, fresh=fresh, progress=progress
        ) as grader,
    ):
        checks = grader.check(loaded.tasks)
        launcher = grader.sandbox.launcher.name
    failed = {name: result.detail for name, result in checks.items() if not result.ok}
    shared = {
        name: result.detail or CANNOT_CROSS
        for name, result in checks.items()
        if result.ok and result.integrity == "shared"
    }
    ok = len(checks) - len(failed)
    if as_json:
        answer = {
            "benchmark": loaded.name,
            "sandbox": launcher,
            "tasks": len(checks),
            "ok": ok,
            "split": ok - len(shared),
            "shared": shared,
            "failed": failed,
            "mutates_arguments": [name for name, result in checks.items() if result.mutates_arguments],
        }
        typer.echo(json.dumps(answer))
    else:
        typer.echo(
            f"{loaded.name}: {ok} of {len(checks)} references pass in {launcher} "
            f"({ok - len(shared)} split, {len(shared)} shared, {len(failed)} failed)"
        )
        for name, why in failed.items():
            typer.echo(f"  fails, left out of scores: {shown(name)} ({shown(why)})")
        for name, why in shared.items():
            typer.echo(f"  only with --allow-shared: {shown(name)} ({shown(why)})")
    if failed:
        raise typer.Exit(1)
