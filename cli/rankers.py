"""`codebudget rankers`: the installed rankers, what each is, and whether one keeps the contract."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UserError
from ..settings import Grading
from .options import Json, only, options
from .progress import print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..rankers import Finding, Runner

app = typer.Typer(no_args_is_help=True, help="Rankers: what can pick among candidates where there are no tests.")

_RESULTS = {True: "ok", False: "FAILS", None: "-"}


@app.command("list")
def list_rankers(as_json: Json = False) -> None:
    """List the rankers that are installed, with the distribution that each comes from."""
    from ..rankers import available

    found = available()
    if as_json:
        print_json({"rankers": [info._asdict() for info in found]})
        return
    rows = [(info.name, info.distribution, ", ".join(info.needs) or "-", info.summary) for info in found]
    from ..report.tables import Column, print_table

    print_table((*map(Column, ("ranker", "from", "needs")), Column("what it prefers", folds=True)), rows)


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
    from ..report.tables import print_facts

    for place, shown in enumerate(found):
        if place:
            print()
        print(shown.description + "\n")
        print_facts(
            {
                "ranker": shown.origin.removeprefix("ranker "),
                "version": shown.version,
                "needs": ", ".join(shown.needs) or "nothing",
                "uses": ", ".join(shown.uses) or "nothing else",
                "pointwise": "yes" if shown.pointwise else "no: it is ranked anew in each subset",
                "parameters": ",".join(f"{name}={_typed(value)}" for name, value in shown.parameters.items()) or "none",
            }
        )


@app.command("check")
@options
def check_rankers(
    rankers: Annotated[list[str], typer.Argument(metavar="RANKER...", help="Names, FILE.py:Class, or chains.")],
    grading: Annotated[Grading, only("launcher", "workers")],
    as_json: Json = False,
) -> None:
    """Try rankers on toy tasks, and say what to mend where one breaks the contract; exit 1 where any does."""
    from ..rankers import Finding, check_contract, load_ranker, uses_of

    found: dict[str, Sequence[Finding]] = {}
    for typed in dict.fromkeys(rankers):
        try:
            ranker = load_ranker(typed)
        except UserError as error:
            found[typed] = (Finding("loads", False, str(error)),)
            continue
        with _runner("execution" in uses_of(ranker), grading) as runner:
            found[typed] = check_contract(partial(load_ranker, typed), runner)
    _show_findings(found, as_json)
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


def _show_findings(found: Mapping[str, Sequence[Finding]], as_json: bool) -> None:
    if as_json:
        answer = [
            {
                "ranker": typed,
                "ok": all(finding.ok for finding in findings),
                "checks": [finding._asdict() for finding in findings],
            }
            for typed, findings in found.items()
        ]
        print_json({"rankers": answer})
        return
    from ..report.tables import Column, print_table

    columns = (Column("check"), Column(""), Column("", folds=True))
    for typed, findings in found.items():
        print(f"{typed}: {'keeps the contract' if all(finding.ok for finding in findings) else 'breaks the contract'}")
        print_table(columns, [(finding.check, _RESULTS[finding.ok], finding.detail) for finding in findings])
        print()


def _typed(value: bool | int | float | str) -> str:
    """Format a parameter's value as typed."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
