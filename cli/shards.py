"""What commands print that did one part of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ..settings import DEFAULT_STORE
from .progress import check_sandbox_errors, print_json, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..experiment.shards import Shard, ShardWork


def show_shard(shard: Shard, works: Sequence[ShardWork], store: str | None, *, as_json: bool) -> None:
    """Print what was done, and no score.

    Raises:
        MachineError: The machine failed to grade programs.
    """
    for work in works:
        for line in work.warnings:
            warn(line)
    if as_json:
        names = ("benchmark", "tasks", "graded", "programs", "sandbox_errors")
        parts = [{name: getattr(work, name) for name in names} for work in works]
        print_json({"shard": str(shard), "store": store or DEFAULT_STORE, "parts": parts})
    else:
        for work in works:
            typer.echo(
                f"shard {shard} of {work.benchmark}: {work.programs} programs of {work.graded} of {work.tasks} tasks "
                "are graded"
            )
        typer.echo(
            f"their store is {store or DEFAULT_STORE}; once all shards are done, join them with codebudget merge"
        )
    check_sandbox_errors(sum(work.sandbox_errors for work in works), "and they are not in the store")
