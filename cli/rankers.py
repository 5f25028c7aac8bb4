"""`codebudget rankers`: the rankers that are installed."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Rankers: what can pick among candidates where there are no tests.")


@app.command("list")
def list_rankers(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the rankers that are installed, with the distribution that each comes from."""
    from ..rankers import available

    found = available()
    if as_json:
        typer.echo(json.dumps({"rankers": [info._asdict() for info in found]}))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for header in ("ranker", "from", "what it prefers"):
        table.add_column(header)
    for info in found:
        table.add_row(Text(info.name), Text(info.distribution), Text(info.summary))
    Console().print(table)
