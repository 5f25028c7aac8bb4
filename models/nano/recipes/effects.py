"""Effects of the factors on what is measured: tables and a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ....estimators import unbounded_mean_interval

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FACTORS: Final = {
    "weight_decay": ("0.1 instead of 0.001", 0.1),
    "dropout": ("0.1 instead of 0", 0.1),
    "clip": ("1 instead of none", 1.0),
    "bf16": ("bf16 instead of fp32", True),
}
"""What each factor's effect compares, and the level that counts as its upper one."""

MEASURES: Final = ("kurtosis", "max", "gain_std", "spectral_norm", "int8_error", "w8a8_fdt", "w4a16_fdt", "loss")


class Effect(NamedTuple):
    """Mean difference between a factor's levels, all else equal, with its 95 % interval over the pairs of cells."""

    factor: str
    measure: str
    difference: float
    low: float | None
    high: float | None


def effects(rows: Sequence[dict[str, Any]]) -> list[Effect]:
    """Compute the effect of every factor on every measure, over the crossed cells of the first seed.

    The unit is the pair of cells that differ in that factor alone. Runs of one pair share their data, and no pair has
    its own seed, so an interval says how much the effect varies with the other factors, not with chance; the further
    seeds show that.
    """
    crossed = [row for row in rows if row["seed"] == 0]
    found = []
    for factor, (_, upper) in FACTORS.items():
        others = [name for name in FACTORS if name != factor]
        pairs: dict[tuple[Any, ...], dict[bool, dict[str, Any]]] = {}
        for row in crossed:
            pairs.setdefault(tuple(row[name] for name in others), {})[row[factor] == upper] = row
        whole = [pair for pair in pairs.values() if len(pair) == 2]
        for measure in MEASURES if whole else ():
            values = np.array([pair[True][measure] - pair[False][measure] for pair in whole], np.float64)
            interval = unbounded_mean_interval(values)
            found.append(Effect(factor, measure, float(values.mean()), interval.low, interval.high))
    return found


def seed_ranges(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, tuple[float, float]]]:
    """Find the range of every measure over seeds, for each set of settings that has several."""
    by_settings: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_settings.setdefault(row["cell"].rpartition("-s")[0], []).append(row)
    return {
        settings: {
            measure: (min(row[measure] for row in some), max(row[measure] for row in some)) for measure in MEASURES
        }
        for settings, some in by_settings.items()
        if len(some) > 1
    }


def as_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Write the cells, the effects and the ranges over seeds as tables."""
    columns = (
        *("loss", "pass_at_1", "kurtosis", "max", "gain_std", "spectral_norm", "int8_error"),
        *("w8a8_fdt", "w8a8_sdt", "w4a16_fdt", "w4a16_sdt", "floor_fdt", "plain_int8"),
    )
    lines = [_row(("cell", "outliers", *columns)), _row(["---"] * (2 + len(columns)))]
    for row in rows:
        outliers = ", ".join(map(str, row["outliers"])) or "none"
        lines.append(_row((row["cell"], outliers, *(_figure(row.get(name)) for name in columns))))
    lines += ["", _row(("factor", *MEASURES)), _row(["---"] * (1 + len(MEASURES)))]
    found = {(effect.factor, effect.measure): effect for effect in effects(rows)}
    for factor, (meaning, _) in FACTORS.items():
        cells = [_interval(found.get((factor, measure))) for measure in MEASURES]
        lines.append(_row((f"{factor}: {meaning}", *cells)))
    lines += ["", _row(("range over seeds", *MEASURES)), _row(["---"] * (1 + len(MEASURES)))]
    for settings, ranges in seed_ranges(rows).items():
        cells = [f"{_figure(ranges[measure][0])} to {_figure(ranges[measure][1])}" for measure in MEASURES]
        lines.append(_row((settings, *cells)))
    return "\n".join(lines) + "\n"


def write_plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw each measure against each factor, one line per pair of cells, as SVG."""
    from matplotlib.figure import Figure

    shown = MEASURES[:6]
    figure = Figure(figsize=(2.2 * len(FACTORS), 1.7 * len(shown)), layout="constrained")
    panels = figure.subplots(len(shown), len(FACTORS), squeeze=False, sharey="row")
    for column, (factor, (meaning, upper)) in enumerate(FACTORS.items()):
        others = [name for name in FACTORS if name != factor]
        pairs: dict[tuple[Any, ...], dict[int, dict[str, Any]]] = {}
        for row in rows:
            key = (*(row[name] for name in others), row["seed"])
            pairs.setdefault(key, {})[int(row[factor] == upper)] = row
        for place, measure in enumerate(shown):
            panel = panels[place, column]
            for pair in pairs.values():
                ordered = sorted(pair.items())
                panel.plot(
                    [level for level, _ in ordered],
                    [row[measure] for _, row in ordered],
                    "o-",
                    color="#0072B2",
                    alpha=0.5,
                )
            panel.set_xticks([0, 1], meaning.split(" instead of ")[::-1])
            panel.set_xlim(-0.3, 1.3)
            panel.set_title(factor if place == 0 else "", fontsize=9)
            panel.set_ylabel(measure if column == 0 else "", fontsize=8)
    figure.savefig(path, format="svg", metadata={"Date": None})


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}"


def _interval(effect: Effect | None) -> str:
    if effect is None:
        return "-"
    if effect.low is None or effect.high is None:
        return f"{effect.difference:+.3g}"
    return f"{effect.difference:+.3g} [{effect.low:+.3g}, {effect.high:+.3g}]"
