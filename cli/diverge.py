"""`codebudget diverge`: where a compressed model's choices of tokens leave the original's."""

from __future__ import annotations

from typing import Annotated

import typer

from ..settings import Diverging, Drawing, Grading, Planning, Running, Settings
from .arguments import JSON
from .options import only, options
from .progress import print_json, shown_progress, warn


class Output(Settings):
    """Options of the output."""

    as_json: bool = JSON


@options
def diverge(
    base: Annotated[str, typer.Argument(metavar="BASE", help="The original: MODEL[@PRECISION], or a folder.")],
    other: Annotated[
        str,
        typer.Argument(
            metavar="OTHER", help="Its compressed form: a checkpoint's folder, or MODEL@RECIPE to round it on loading."
        ),
    ],
    diverging: Diverging,
    drawing: Annotated[Drawing, only("engine", "preset", "max_tokens")],
    grading: Grading,
    planning: Annotated[Planning, only("hardware", "usd_per_hour")],
    running: Annotated[Running, only("family", "seed", "store", "fresh", "compress_python")],
    output: Output,
) -> None:
    """Compare a compressed model's choices with the original's, token by token.

    BASE continues each prompt greedily; OTHER reads each text in one pass. With a benchmark that has hidden tests, the
    programs that both write greedily are graded too.
    """
    from ..experiment.diverging import diverge as diverge_from
    from ..experiment.spending import rate_of
    from ..report.divergence import divergence_as_json, print_divergence

    rate = rate_of(planning)
    with shown_progress() as progress:
        result = diverge_from(base, other, diverging, drawing, grading, running, rate, progress)
    for line in result.warnings:
        warn(line)
    if output.as_json:
        print_json(divergence_as_json(result))
    else:
        print_divergence(result)
