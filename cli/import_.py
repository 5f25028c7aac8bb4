"""`codebudget import`: bring samples from files into the store."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UserError
from ..settings import Running
from .arguments import Asked, Json, SampleFiles
from .options import only, options
from .progress import print_json


@options
def import_(
    files: SampleFiles,
    asked: Asked,
    running: Annotated[Running, only("family", "store")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL[@PRECISION][+think]",
            help="Model that drew the samples, for rows that do not name one.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Import samples into the store.

    Files written by codebudget sample --out say what made each row, and their samples are restored as they were. Others
    are stored as recorded samples of --model. compare and sample use both with --engine recorded.
    """
    from .._util.printable import one_line
    from ..experiment.workspace import open_workspace
    from ..sampler.transfer import import_samples

    benchmark = asked.load(running.family)
    name, precision, thinking = (None, None, None) if model is None else _model(model, running.family)
    with open_workspace(running.store) as store:
        found = import_samples(
            files,
            benchmark.by_id,
            benchmark.name,
            store,
            model=name,
            precision=precision,
            thinking=thinking,
            beyond=benchmark.beyond,
        )
    if as_json:
        sets = [
            {"model": one.model, "precision": one.precision, "engine": one.origin.description.engine}
            for one in found.series
        ]
        print_json({"samples": found.samples, "sets": sets})
        return
    for one in found.series:
        typer.echo(one_line(f"{one.model}@{one.precision}, drawn by {one.origin.description.engine}"))
    typer.echo(f"{found.samples} samples are in {store.path}")


def _model(text: str, family: str) -> tuple[str, str, bool | None]:
    """Get a model's name and precision as in plans, and whether it thinks; an unknown model keeps its own name."""
    from ..budgets.models import find_model
    from ..budgets.notation import parse_single

    arm = parse_single(text)
    if arm.k is not None:
        raise UserError(f"--model {text}: leave out the number of samples; write {text.rpartition(':')[0]}")
    try:
        known = find_model(arm.name, family)
    except UserError:
        return arm.name, arm.precision or "unknown", arm.thinking
    return known.name, arm.precision or known.default_precision or "unknown", arm.thinking
