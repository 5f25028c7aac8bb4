"""`codebudget import`: bring samples from files into the store."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ..errors import UserError
from .grading import FieldOption, parse_fields
from .planning import FamilyOption  # noqa: TC001 (typer reads it)
from .stores import StoreOption, open_workspace


def import_(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES", help="JSON Lines, plain or .gz, or Parquet; folders and globs too."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="MODEL[@PRECISION]", help="What drew them, for rows that do not say it themselves."
        ),
    ] = None,
    family: FamilyOption = "codellama",
    benchmark: Annotated[
        str, typer.Option(metavar="NAME|FILE|ID", help="The benchmark that the samples are of.")
    ] = "humaneval",
    field: FieldOption = None,
    store: StoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring samples into the store.

    Files that codebudget sample --out wrote say what made each row, and come back as what they were. Others are kept as
    recorded samples of --model. compare and sample take both with --engine recorded.
    """
    from .._util.bounded import shown
    from ..sampler.transfer import import_samples
    from ..tasks import load_benchmark

    chosen = load_benchmark(benchmark, parse_fields(field))
    name, precision = (None, None) if model is None else _model(model, family)
    with open_workspace(store) as opened:
        found = import_samples(files, chosen.by_id, chosen.name, opened, model=name, precision=precision)
    if as_json:
        sets = [
            {"model": one.model, "precision": one.precision, "engine": one.origin.description.engine}
            for one in found.series
        ]
        typer.echo(json.dumps({"samples": found.samples, "sets": sets}))
        return
    for one in found.series:
        typer.echo(shown(f"{one.model}@{one.precision}, drawn by {one.origin.description.engine}"))
    typer.echo(f"{found.samples} samples are in {opened.path}")


def _model(text: str, family: str) -> tuple[str, str]:
    """The name and precision that plans have for a model; a model that nothing is known of keeps its own name."""
    from ..budgets.arms import parse_arm
    from ..budgets.models import find_model

    arm = parse_arm(text)
    if arm.k is not None:
        raise UserError(f"--model {text}: a model has no number of samples; write {text.rpartition(':')[0]}")
    try:
        known = find_model(arm.name, family)
    except UserError:
        return arm.name, arm.precision or "unknown"
    return known.name, arm.precision or known.default_precision or "unknown"
