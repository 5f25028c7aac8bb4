"""A curve in the terminal and as a picture."""

from __future__ import annotations

import importlib
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.figures import interval
from .._util.outputs import check_output, replacing
from .._util.printable import printable
from ..errors import MachineError, UserError
from ..experiment.crossings import format_budget, metric_name
from .plans import describe_workload
from .tables import GAP, Column, abreast, cells, print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from ..experiment.curves import Curve, CurveArm, CurvePoint
    from ..records import By

_BUDGETS = 6
_UNITS: dict[By, str] = {"flops": "FLOPs", "runtime": "seconds", "usd": "dollars"}
_SCORE = len("0.500 [0.250, 0.750]")
_BUDGET_AND_K = len("1.23e+20" + GAP + GAP + "1000")


def print_curve(curve: Curve, notes: Sequence[str]) -> None:
    """Print a curve to standard output; all its budgets are in its files.

    Args:
        curve: The curve.
        notes: Lines that explain a budget.
    """
    unit = _UNITS[curve.by]
    budgets = f"{len(curve.budgets)} budgets" if curve.every_step else f"{len(curve.budgets)} of the budgets"
    print_text(
        f"{curve.benchmark}, {curve.tasks} tasks, graded in the {curve.sandbox} sandbox; 95 % intervals over tasks; "
        f"budgets are {unit} per task of drawing samples."
    )
    metrics = list(curve.arms[0].metrics)
    specs = max(cells(printable(arm.spec)) for arm in curve.arms)
    for some in abreast(metrics, _SCORE, _BUDGET_AND_K + specs):
        print()
        _print_table(curve, some)
    print()
    print_text(f"{budgets} at which an arm's k changes; --json, --out and --plot have all of them.")
    for arm in curve.arms:
        one, all_n = format_budget(curve.by, arm.cost_of_one), format_budget(curve.by, arm.cost_of_all)
        if arm.reached:
            shares = ", then ".join(f"{share:.0%}" for share in arm.reached[1:])
            print_text(f"{arm.spec}: costs {one}, where {shares} of tasks go on; its score holds from there on.")
            continue
        print_text(
            f"{arm.spec}: one sample costs {one}, its {arm.n} cost {all_n}; undefined from what {arm.n + 1} cost."
        )
    for note in notes:
        print_text(note)
    for reason, count in Counter(curve.left_out.values()).items():
        some = [task for task, why in curve.left_out.items() if why == reason][:5]
        print_text(f"Left out, {reason}: {count} ({', '.join(some)}{', ...' if count > len(some) else ''})")
    for crossing in curve.crossings:
        print_text(crossing.sentence, bold=crossing.outcome == "overtakes")


def describe_lengths(curve: Curve) -> list[str]:
    """Describe the lengths that a budget counts, in a line per arm, or in one if lengths were given."""
    measured = [(arm.spec, arm.workload) for arm in curve.arms if arm.workload is not None]
    if not measured:
        return [describe_workload(curve.workload)]
    return [f"{spec}: {describe_workload(workload)}" for spec, workload in measured]


def _print_table(curve: Curve, metrics: Sequence[str]) -> None:
    columns = (
        *(Column("budget", right=True), Column("arm", folds=True), Column("k", right=True)),
        *(Column(printable(metric_name(curve.by, metric)), folds=True) for metric in metrics),
    )
    rows: list[tuple[str, ...]] = []
    for place in _a_few(curve.budgets):
        if rows and len(curve.arms) > 1:
            rows.append(())
        budget = format_budget(curve.by, curve.budgets[place]).removesuffix(" FLOPs")
        for row, arm in enumerate(curve.arms):
            points = [arm.metrics[metric][place] for metric in metrics]
            rows.append(
                (budget if row == 0 else "", printable(arm.spec), _k(points[0]), *(_score(point) for point in points))
            )
    print_table(columns, rows)


def _a_few(budgets: Sequence[float]) -> list[int]:
    """Pick places of a few budgets with both ends, evenly on a logarithmic scale."""
    wanted = np.geomspace(budgets[0], budgets[-1], _BUDGETS)
    places = np.searchsorted(np.array(budgets), wanted[1:-1], side="right") - 1
    return sorted({0, *(int(place) for place in places), len(budgets) - 1})


def _k(point: CurvePoint) -> str:
    return "-" if point.k is None else str(point.k)


def _score(point: CurvePoint) -> str:
    if point.value is None:
        return "less than one sample" if point.undefined == "below" else "too few samples"
    return interval(point.value, point.low, point.high)


FORMATS = (".png", ".svg")

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito 2008, distinct with any colour vision; yellow last, since it is faint on white."""

_DASHES = ("-", "--", "-.", ":")
_ABREAST = 3
STYLE: dict[Any, Any] = {
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
        raise UserError(f"`plot` {path}: use a file name ending in {' or '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise UserError(f"`plot` {path}: the folder {path.parent} does not exist; create it first")
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
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(1.5 + 3.6 * columns, 0.8 + 2.9 * rows), layout="constrained", dpi=150)
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for place, panel in enumerate(panels.flat):
            if place < len(metrics):
                _draw(panel, curve, metrics[place])
                panel.xaxis.set_tick_params(labelbottom=place + columns >= len(metrics))
            else:
                panel.set_visible(False)
        figure.supxlabel(f"budget ({_UNITS[curve.by]} per task)")
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
