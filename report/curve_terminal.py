"""A curve as tables: a few of its budgets, and where arms cross."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from .._util.figures import interval
from .._util.printable import printable
from ..experiment.crossings import format_budget, metric_name
from .tables import GAP, Column, abreast, cells, print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..experiment.curves import Curve, CurvePoint

_BUDGETS = 6
_SCORE = len("0.500 [0.250, 0.750]")
_BUDGET_AND_K = len("1.23e+20" + GAP + GAP + "1000")


def print_curve(curve: Curve, notes: Sequence[str]) -> None:
    """Print a curve to standard output; all its budgets are in its files.

    Args:
        curve: The curve.
        notes: Lines that explain a budget.
    """
    unit = "FLOPs" if curve.by == "flops" else "seconds"
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
    print_text(f"{budgets} at which some arm's k changes; all of them with --json, --out or --plot.")
    for arm in curve.arms:
        one, all_n = format_budget(curve.by, arm.cost_of_one), format_budget(curve.by, arm.cost_of_all)
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
        return "less than a sample" if point.undefined == "below" else "too few samples"
    return interval(point.value, point.low, point.high)
