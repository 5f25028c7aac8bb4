"""A divergence in the terminal and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._util.printable import printable
from ..compression.divergence import METRICS
from .spending import amounts
from .tables import Column, print_table, print_text

if TYPE_CHECKING:
    from ..experiment.diverging import Diverged
    from ..records import Spread

_NAMES: Final = {
    "fdt": "first divergent token",
    "sdt": "divergent tokens",
    "never": "never diverges",
    "dppl": "divergent perplexity",
}
_SHOWN_TASKS: Final = 5


def divergence_as_json(result: Diverged) -> dict[str, Any]:
    """Build `codebudget diverge --json`."""
    other, floor = result.metrics.other.model_dump(), result.metrics.floor.model_dump()
    return {
        "base": result.base,
        "other": result.other,
        "engine": result.engine,
        "source": result.source,
        "prompts": result.metrics.other.prompts,
        "tokens": result.metrics.other.tokens,
        **{metric: other[metric] for metric in METRICS},
        "floor": {metric: floor[metric] for metric in METRICS},
        "within_floor": list(result.metrics.within_floor),
        "programs": None if result.programs is None else result.programs.model_dump(mode="json"),
        "costs": {part: cost.model_dump() for part, cost in result.costs.items()},
        "warnings": list(result.warnings),
    }


def print_divergence(result: Diverged) -> None:
    """Print a divergence as a table, with verdicts and costs."""
    other, floor = result.metrics.other, result.metrics.floor
    print_text(
        f"{result.other} along the greedy texts of {result.base}: {other.prompts} prompts of {result.source}, "
        f"{other.tokens} tokens each; {result.engine}; means with 95 % intervals over prompts."
    )
    print()
    columns = (
        *(Column("metric", folds=True), Column("mean", right=True), Column("p25", right=True)),
        *(Column("median", right=True), Column("p75", right=True), Column("noise floor", right=True)),
    )
    rows = []
    for metric in METRICS:
        spread: Spread = getattr(other, metric)
        quartiles = (f"{value:.3g}" for value in (spread.p25, spread.median, spread.p75))
        rows.append((f"{_NAMES[metric]} ({metric})", _mean(spread), *quartiles, _mean(getattr(floor, metric))))
    print_table(columns, rows)
    print()
    if result.programs is not None:
        programs = result.programs
        gained, lost = _tasks(programs.gained), _tasks(programs.lost)
        print_text(
            f"Greedy programs: gained {gained}, lost {lost}, kept {programs.kept}, solved by neither "
            f"{programs.unsolved}, left out {len(programs.left_out)}."
        )
    for part, cost in result.costs.items():
        print_text(f"{part}: {amounts(cost)}")


def _mean(spread: Spread) -> str:
    bounds = "" if spread.low is None or spread.high is None else f" [{spread.low:.3f}, {spread.high:.3f}]"
    return f"{spread.mean:.3f}{bounds}"


def _tasks(names: tuple[str, ...]) -> str:
    if not names:
        return "0"
    more = ", ..." if len(names) > _SHOWN_TASKS else ""
    return f"{len(names)} ({', '.join(map(printable, names[:_SHOWN_TASKS]))}{more})"
