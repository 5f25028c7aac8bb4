"""`codebudget curve`: each arm's score at every budget, from one pool of samples, and where one overtakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..settings import Charting, Drawing, Grading, Planning, Running, Selecting, option
from .arguments import JSON, Asked, samples_by_arm
from .options import only, options
from .progress import check_sandbox_errors, print_json, shown_progress, warn

if TYPE_CHECKING:
    from ..experiment.curves import Curve, Priced

Arms = Annotated[
    list[str],
    typer.Argument(
        metavar="ARM...", help="Model, with optional @PRECISION but no :K: 70b 13b@int4; or stages: 7b:5,34b:1"
    ),
]


_COUNTED = (
    *("convention", "prompt_tokens", "output_tokens", "hardware", "regime", "calibration"),
    *("usd_per_hour", "usd_per_mtok", "prices", "batch_prices"),
)


class Output(Charting):
    """Options of budgets and output."""

    samples: list[str] = option([], "Recorded generations: a file, folder or glob. Repeatable.", metavar="ARM=FILES")
    out: list[str] = option([], "Write the curves to a file, .json or .csv. Repeatable.", metavar="FILE")
    plot: str | None = option(None, "Draw the curves into an image, .png or .svg.", metavar="FILE")
    as_json: bool = JSON

    def charting(self) -> Charting:
        """Get the budgets."""
        return Charting(by=self.by, budget=self.budget, points=self.points)


@options
def curve(
    arms: Arms,
    asked: Asked,
    planning: Annotated[Planning, only(*_COUNTED)],
    drawing: Annotated[Drawing, only("preset", "temperature", "top_p", "max_tokens", "thinking", "logprobs")],
    grading: Grading,
    selecting: Annotated[Selecting, only("rankers", "agreement", "select", "tests")],
    running: Annotated[Running, only("family", "seed", "store", "ray", "fresh")],
    output: Output,
) -> None:
    """Score each arm at every budget, from one pool of samples, and find where one overtakes another.

    Arms without --samples use everything the store has for them. A curve has no K, so draw samples first, with
    codebudget sample ARM:K.
    """
    from ..experiment.curves import curve as curve_of_arms
    from ..experiment.curves import curve_samples, price
    from ..report.files import check_curves

    charting, paths, plot = output.charting(), [Path(name) for name in output.out], _plot(output.plot)
    check_curves(paths)
    recorded = samples_by_arm(output.samples)
    benchmark = asked.load(running.family)
    priced = price(arms, planning, charting, family=running.family, benchmark=benchmark)
    with shown_progress() as progress:
        candidates = curve_samples(priced, benchmark, recorded, drawing, running, progress)
        result = curve_of_arms(priced, benchmark, candidates, charting, grading, selecting, running, progress)
    for warning in result.warnings:
        warn(warning)
    _write(result, paths, plot)
    _show(result, priced, output.as_json)
    check_sandbox_errors(result.sandbox_errors)


def _plot(name: str | None) -> Path | None:
    if name is None:
        return None
    from ..report.curves import check_plot

    check_plot(Path(name))
    return Path(name)


def _write(result: Curve, paths: list[Path], plot: Path | None) -> None:
    from ..report.files import write_curve

    for path in paths:
        write_curve(result, path)
    if plot is not None:
        from ..report.curves import write_plot

        write_plot(result, plot)


def _show(result: Curve, priced: Priced, as_json: bool) -> None:
    if as_json:
        print_json(result.model_dump(mode="json", exclude={"schema_version"}))
        return
    from ..report.curves import describe_lengths, print_curve
    from ..report.plans import describe_runtime

    runtime = describe_runtime(priced.workload, priced.conditions)
    notes = describe_lengths(result)
    print_curve(result, notes if result.by == "flops" or runtime is None else [*notes, runtime])
