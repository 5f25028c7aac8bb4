"""`codebudget merge`: one store of several machines' stores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..settings import DEFAULT_STORE, Running
from .arguments import Json
from .options import only, options
from .progress import print_json, shown_progress


@options
def merge(
    stores: Annotated[list[str], typer.Argument(metavar="STORES", help="Stores of shards, in any order.")],
    running: Annotated[Running, only("store")],
    as_json: Json = False,
) -> None:
    """Join the stores of shards into a new one, given by --store.

    The same commands without --shard then score what it has, as if one machine had done everything. Stores that
    disagree are refused: samples of one model from different engines, or different results under one key.
    """
    from ..experiment.workspace import merge_into

    out = Path(running.store or DEFAULT_STORE)
    with shown_progress() as progress:
        merged = merge_into(running.store, [Path(store) for store in stores], progress)
    if as_json:
        print_json({"store": str(out), "stores": len(stores), **merged._asdict()})
        return
    typer.echo(f"{merged.samples} samples and {merged.verdicts} verdicts of {len(stores)} stores are in {out}")
    if merged.shared:
        typer.echo(f"{merged.shared} samples were in more than one store; the cost of drawing them counts in each")
