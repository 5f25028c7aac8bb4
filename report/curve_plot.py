"""A curve as a picture: a panel per metric, a step line with its 95 % band per arm."""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any

from .._util.outputs import check_output, replacing
from ..errors import MachineError, UserError
from ..experiment.crossings import format_budget, metric_name

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from ..experiment.curves import Curve, CurveArm

FORMATS = (".png", ".svg")

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito 2008, distinct with any colour vision; yellow last, since it is faint on white."""

_DASHES = ("-", "--", "-.", ":")
_ABREAST = 3
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    # Text stays text, is never read as a formula, and ids and files are the same in every run.
    "svg.fonttype": "none",
    "svg.hashsalt": "codebudget",
    "text.parse_math": False,
}


def check_plot(path: Path) -> None:
    """Refuse a plot that cannot be written, before any work is done for it.

    Raises:
        UserError: The file's name does not end in one of `FORMATS`, its folder is missing, or a link or no plain file
            is there.
        MachineError: matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"`plot` {path}: name a file that ends in {' or '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise UserError(f"`plot` {path}: there is no folder {path.parent}; make it first")
    check_output(path, "`plot`")
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise MachineError("a plot needs matplotlib: pip install 'codebudget[report]'") from error


def write_plot(curve: Curve, path: Path) -> None:
    """Draw a curve into a PNG or SVG file, the same bytes for the same curve.

    Raises:
        UserError: As `check_plot`.
        MachineError: As `check_plot`, or the file cannot be written.
    """
    check_plot(path)
    import matplotlib
    from matplotlib.figure import Figure

    metrics = list(curve.arms[0].metrics)
    columns = min(_ABREAST, len(metrics))
    rows = math.ceil(len(metrics) / columns)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(1.5 + 3.6 * columns, 0.8 + 2.9 * rows), layout="constrained", dpi=150)
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for place, panel in enumerate(panels.flat):
            if place < len(metrics):
                _draw(panel, curve, metrics[place])
                panel.xaxis.set_tick_params(labelbottom=place + columns >= len(metrics))
            else:
                panel.set_visible(False)
        unit = "FLOPs per task" if curve.by == "flops" else "seconds per task"
        figure.supxlabel(f"budget ({unit})")
        figure.supylabel("share of tasks solved")
        handles, _ = panels[0, 0].get_legend_handles_labels()
        names = [arm.spec for arm in curve.arms]
        figure.legend(handles, names, loc="outside upper center", ncols=min(4, len(names)), frameon=False)
        stamp = {"Date": None} if path.suffix.lower() == ".svg" else {"Software": None}
        with replacing(path, "`plot`") as file:
            figure.savefig(file, format=path.suffix.lower()[1:], metadata=stamp)


def _draw(panel: Axes, curve: Curve, metric: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    panel.set_title(metric_name(curve.by, metric), fontsize=9)
    panel.set_xscale("log")
    decades = math.log10(curve.budgets[-1] / curve.budgets[0])
    subs = (1.0,) if decades > 2 else (1.0, 2.0, 5.0) if decades > 0.7 else tuple(float(sub) for sub in range(1, 10))
    panel.xaxis.set_major_locator(LogLocator(subs=subs))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_budget(curve.by, value).partition(" ")[0]))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_xlim(curve.budgets[0] * 0.93, curve.budgets[-1] * 1.07)
    panel.set_ylim(0.0, 1.0)
    panel.grid(visible=True, alpha=0.3, linewidth=0.5)
    for place, arm in enumerate(curve.arms):
        colour, dash = COLOURS[place % len(COLOURS)], _DASHES[place % len(_DASHES)]
        budgets, values, lows, highs = _steps(arm, metric)
        panel.fill_between(budgets, lows, highs, step="post", color=colour, alpha=0.15, linewidth=0)
        # A label for every line, so that the legend finds them all; it shows the arms' names.
        panel.step(budgets, values, where="post", color=colour, linestyle=dash, linewidth=1.5, label=f"arm {place}")
        reached = [(budget, value) for budget, value in zip(budgets, values, strict=True) if not math.isnan(value)]
        if reached:
            # A single sample has no line of its own if the range ends with it.
            panel.plot(*reached[-1], marker="o", markersize=3, color=colour)
    for crossing in curve.crossings:
        if crossing.metric == metric and crossing.budget is not None:
            panel.axvline(crossing.budget, color="#555555", linestyle=(0, (1, 3)), linewidth=1)


def _steps(arm: CurveArm, metric: str) -> tuple[list[float], list[float], list[float], list[float]]:
    """List an arm's budgets, values and bounds, NaN where it has none, up to the budget where it ends."""
    points = arm.metrics[metric]
    columns: tuple[list[float], list[float], list[float], list[float]] = ([], [], [], [])
    last: tuple[float, float, float] | None = None
    for point in points:
        if point.value is None or point.low is None or point.high is None:
            if last is not None:
                # A level once reached holds until the next step, for which this arm has no samples.
                _append(columns, point.budget, last)
                last = None
            _append(columns, point.budget, (math.nan, math.nan, math.nan))
        else:
            last = (point.value, point.low, point.high)
            _append(columns, point.budget, last)
    return columns


def _append(
    columns: tuple[list[float], list[float], list[float], list[float]], budget: float, values: tuple[float, ...]
) -> None:
    for column, value in zip(columns, (budget, *values), strict=True):
        column.append(value)
