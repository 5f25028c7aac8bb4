"""Scores as people read them: fractions with three digits, the same everywhere."""

from __future__ import annotations


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """A score with its interval, as in `0.259 [0.180, 0.310]`; a dash for what is unknown."""
    return "-" if value is None else f"{value:.3f} [{fraction(low)}, {fraction(high)}]"


def difference(value: float, low: float, high: float) -> str:
    """A difference with its interval, each with its sign, as in `+0.059 [-0.010, +0.128]`."""
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def fraction(value: float | None) -> str:
    """A score or ratio without its interval; a dash for one that is unknown."""
    return "-" if value is None else f"{value:.3f}"


def p_value(value: float) -> str:
    """A p-value, of which three digits are shown."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"
