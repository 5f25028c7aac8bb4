"""`codebudget components`: which parts of a model bear compression."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError
from ..settings import Planning, Running, Settings, Sweeping, option
from .arguments import JSON
from .options import only, options
from .progress import print_json, shown_progress


class Output(Settings):
    """Options of the output."""

    out: str | None = option(None, "Write the mixed recipe, for arms as MODEL@recipe:FILE.toml.", metavar="FILE.toml")
    report: str | None = option(None, "Write the map as a page.", metavar="FILE.html")
    as_json: bool = JSON


@options
def components(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="MODEL[@PRECISION], or a folder.")],
    sweeping: Sweeping,
    planning: Annotated[Planning, only("hardware", "usd_per_hour")],
    running: Annotated[Running, only("family", "seed")],
    output: Output,
) -> None:
    """Compress each linear component of a model alone, and find how much of the model bears it.

    With --recipe and --target, components are rounded from the least harmful upward; with --sparsity, each is made as
    sparse as the published schedule says. Both are compared with a choice by perplexity and with uniform compression.
    """
    from .._util.outputs import write_text
    from ..experiment.components import sweep_components
    from ..experiment.spending import rate_of
    from ..report.components import components_as_json, print_components, write_components_page

    if output.out is not None and sweeping.recipe is not None and sweeping.target is None:
        raise UserError("`out` needs a share of the model to compress: give `target`, such as 0.8")
    out, page = _path(output.out, ".toml", "out"), _path(output.report, ".html", "report")
    rate = rate_of(planning)
    with shown_progress() as progress:
        result = sweep_components(model, sweeping, running, rate, progress)
    if out is not None:
        write_text(out, result.mixed().as_toml())
    if page is not None:
        write_components_page(result, page)
    if output.as_json:
        print_json(components_as_json(result))
    else:
        print_components(result)


def _path(name: str | None, ending: str, parameter: str) -> Path | None:
    from .._util.outputs import check_output

    if name is None:
        return None
    path = Path(name)
    if path.suffix.lower() != ending:
        raise UserError(f"`{parameter}` {name}: use a file name ending in {ending}")
    if not path.parent.is_dir():
        raise UserError(f"`{parameter}` {name}: the folder {path.parent} does not exist; create it first")
    check_output(path, f"`{parameter}`")
    return path
