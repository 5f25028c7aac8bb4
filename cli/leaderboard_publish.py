"""`codebudget leaderboard publish`: a run as the Hugging Face hub shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError
from .arguments import Json
from .progress import print_json, warn


def publish(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory.")],
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="Folder to write.", show_default="RUN-hub"),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="OWNER/NAME", help="Dataset on the hub for the run's files."),
    ] = None,
    hub_task: Annotated[
        list[str] | None,
        typer.Option(
            "--hub-task",
            metavar="BENCHMARK=OWNER/DATASET[:TASK]",
            help="Dataset on the hub that a benchmark's scores belong to. Repeatable.",
            show_default="that of benchmarks known by name, task default",
        ),
    ] = None,
    push: Annotated[bool, typer.Option("--push", help="Upload, with the token of HF_TOKEN or hf auth login.")] = False,
    as_json: Json = False,
) -> None:
    """Write a run's scores as the hub's evaluation results, and its files as a dataset.

    Nothing leaves this machine without --push, which uploads the dataset and opens a pull request with its results for
    each model. The hub shows scores on datasets that are registered there as benchmarks.
    """
    from ..leaderboard.publish import check_token, parse_hub_tasks, write_published
    from ..leaderboard.publish import push as push_to_hub

    if push and dataset is None:
        raise UserError("`push` needs `dataset` OWNER/NAME for the run's files")
    if push:
        check_token()
    folder = Path(run)
    target = Path(out) if out is not None else Path(f"{folder.resolve().name}-hub")
    published = write_published(
        folder, target, dataset=dataset, hub_tasks=parse_hub_tasks(hub_task or []), typed=out is not None
    )
    for line in published.left_out:
        warn(f"left out: {line}")
    places = push_to_hub(published, dataset) if push and dataset is not None else []
    if as_json:
        print_json({"folder": str(target), "results": published.results, "pushed": places})
        return
    for model, names in published.results.items():
        for name in names:
            typer.echo(f"{model}: {target / name}")
    typer.echo(f"dataset: {target / 'dataset'}")
    for place in places:
        typer.echo(f"uploaded: {place}")
