"""`codebudget outliers`: dimensions that break plain INT8, and what else tells whether a model will bear it."""

from __future__ import annotations

from typing import Annotated

import typer

from ..settings import Planning, Prompting, Running, Settings
from .arguments import JSON
from .options import only, options
from .progress import print_json, shown_progress


class Output(Settings):
    """Options of the output."""

    as_json: bool = JSON


@options
def outliers(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="MODEL[@PRECISION], or a folder.")],
    prompting: Prompting,
    planning: Annotated[Planning, only("hardware", "usd_per_hour")],
    running: Annotated[Running, only("family")],
    output: Output,
) -> None:
    """Find outlier dimensions in a model's activations, and say whether plain INT8 will do."""
    from ..experiment.outliers import find_outliers
    from ..experiment.spending import rate_of
    from ..report.outliers import outliers_as_json, print_outliers

    rate = rate_of(planning)
    with shown_progress() as progress:
        result = find_outliers(model, prompting, running, rate, progress)
    if output.as_json:
        print_json(outliers_as_json(result))
    else:
        print_outliers(result)
