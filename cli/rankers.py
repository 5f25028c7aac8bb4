"""`codebudget rankers`: the installed rankers, what each is, and whether one keeps the contract."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UserError
from ..settings import Grading
from .arguments import Json
from .options import only, options
from .progress import print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..rankers import Finding, Runner

app = typer.Typer(no_args_is_help=True, help="List and check rankers, which pick among candidates without tests.")


@app.command("list")
def list_rankers(as_json: Json = False) -> None:
    """List the rankers that are installed, with the distribution that each comes from."""
    from ..rankers import available

    found = available()
    if as_json:
        print_json({"rankers": [info._asdict() for info in found]})
        return
    from ..report.rankers import print_rankers

    print_rankers(found)


@app.command("show")
def show_ranker(
    ranker: Annotated[str, typer.Argument(metavar="RANKER", help="A name, or FILE.py:Class; a chain shows each link.")],
    as_json: Json = False,
) -> None:
    """Show what a ranker does, its parameters and what it needs."""
    from ..rankers import details

    found = details(ranker)
    if as_json:
        print_json({"rankers": [shown._asdict() for shown in found]})
        return
    from ..report.rankers import print_details

    print_details(found)


@app.command("check")
@options
def check_rankers(
    rankers: Annotated[list[str], typer.Argument(metavar="RANKER...", help="Names, FILE.py:Class, or chains.")],
    grading: Annotated[Grading, only("launcher", "workers")],
    as_json: Json = False,
) -> None:
    """Try rankers on toy tasks, and say what to fix where one breaks the contract; exit 1 if any does."""
    from ..rankers import Finding, check_contract, load_ranker, uses_of
    from ..report.rankers import findings_as_json, print_findings

    found: dict[str, Sequence[Finding]] = {}
    for typed in dict.fromkeys(rankers):
        try:
            ranker = load_ranker(typed)
        except UserError as error:
            found[typed] = (Finding("loads", False, str(error)),)
            continue
        with _runner("execution" in uses_of(ranker), grading) as runner:
            found[typed] = check_contract(partial(load_ranker, typed), runner)
    if as_json:
        print_json({"rankers": findings_as_json(found)})
    else:
        print_findings(found)
    if any(finding.ok is False for findings in found.values() for finding in findings):
        raise typer.Exit(1)


@contextmanager
def _runner(runs: bool, grading: Grading) -> Iterator[Runner | None]:
    """Open a sandbox if rankers run programs."""
    if not runs:
        yield None
        return
    from ..experiment.grading import chosen_launcher
    from ..sandbox import Sandbox

    with Sandbox(chosen_launcher(grading.launcher), workers=grading.workers) as sandbox:
        yield sandbox
