"""A curve as tables of at most 100 columns: a few of its budgets, and where arms cross."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from .._util.printable import as_text
from ..experiment.crossings import format_budget, metric_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..experiment.curves import Curve, CurvePoint

WIDTH = 100
_NARROWEST = 80
_BUDGETS = 6
_ABREAST = 3


def print_curve(curve: Curve, notes: Sequence[str]) -> None:
    """Print a curve to standard output; all its budgets are in its files.

    Args:
        curve: The curve.
        notes: Lines that say what a budget is.
    """
    console = Console()
    console.width = max(_NARROWEST, min(WIDTH, console.width)) if console.is_terminal else WIDTH
    unit = "FLOPs" if curve.by == "flops" else "seconds"
    budgets = f"{len(curve.budgets)} budgets" if curve.every_step else f"{len(curve.budgets)} of the budgets"
    console.print(
        as_text(
            f"{curve.benchmark}, {curve.tasks} tasks, graded in the {curve.sandbox} sandbox; 95 % intervals over "
            f"tasks; budgets are {unit} per task of drawing samples."
        )
    )
    metrics = list(curve.arms[0].metrics)
    for start in range(0, len(metrics), _ABREAST):
        console.print(_table(curve, metrics[start : start + _ABREAST]))
    console.print(as_text(f"{budgets} at which some arm's k changes; all of them with --json, --out or --plot."))
    for arm in curve.arms:
        one, all_n = format_budget(curve.by, arm.cost_of_one), format_budget(curve.by, arm.cost_of_all)
        console.print(
            as_text(
                f"{arm.spec}: one sample costs {one}, its {arm.n} cost {all_n}; undefined from what {arm.n + 1} cost."
            )
        )
    for note in notes:
        console.print(as_text(note))
    for reason, count in Counter(curve.left_out.values()).items():
        some = [task for task, why in curve.left_out.items() if why == reason][:5]
        console.print(as_text(f"Left out, {reason}: {count} ({', '.join(some)}{', ...' if count > len(some) else ''})"))
    for crossing in curve.crossings:
        console.print(as_text(crossing.sentence, style="bold" if crossing.outcome == "overtakes" else ""))


def _table(curve: Curve, metrics: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("budget", justify="right", no_wrap=True)
    table.add_column("arm", overflow="fold", min_width=6)
    table.add_column("k", justify="right", no_wrap=True)
    for metric in metrics:
        table.add_column(as_text(metric_name(curve.by, metric)), overflow="fold", min_width=20)
    chosen = _a_few(curve.budgets)
    for number, place in enumerate(chosen):
        for row, arm in enumerate(curve.arms):
            points = [arm.metrics[metric][place] for metric in metrics]
            table.add_row(
                format_budget(curve.by, curve.budgets[place]).removesuffix(" FLOPs") if row == 0 else "",
                as_text(arm.spec),
                _k(points[0]),
                *(_interval(point) for point in points),
                end_section=len(curve.arms) > 1 and row == len(curve.arms) - 1 and number < len(chosen) - 1,
            )
    return table


def _a_few(budgets: Sequence[float]) -> list[int]:
    """Places of a few budgets, both ends among them, evenly on a logarithmic scale."""
    wanted = np.geomspace(budgets[0], budgets[-1], _BUDGETS)
    places = np.searchsorted(np.array(budgets), wanted[1:-1], side="right") - 1
    return sorted({0, *(int(place) for place in places), len(budgets) - 1})


def _k(point: CurvePoint) -> str:
    return "-" if point.k is None else str(point.k)


def _interval(point: CurvePoint) -> str:
    if point.value is None or point.low is None or point.high is None:
        return "less than a sample" if point.undefined == "below" else "too few samples"
    return f"{point.value:.3f} [{point.low:.3f}, {point.high:.3f}]"
