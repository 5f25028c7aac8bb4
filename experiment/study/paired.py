"""Paired tests of a study: two sides on the same tasks, with p-values adjusted over all tests of one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ..._util.figures import difference
from ...estimators import holm, paired_difference
from ...records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...estimators import FloatArray

LEVEL: Final = 0.05
"""Adjusted p-value below which two sides are separated."""


class Test(Record):
    """Two sides compared on the same tasks; `p_value` is Holm-adjusted over the answer's tests.

    `cases` is how many pairs of lines each side is the mean of. `notes` are numbers that explain the sides, by name.
    """

    a: str
    b: str
    metric: str
    difference: float
    low: float
    high: float
    p_value: float
    separated: bool
    cases: int = 1
    notes: dict[str, float]

    @property
    def sentence(self) -> str:
        """What it says."""
        shown = f"{self.metric} {difference(self.difference, self.low, self.high)}, {_shown_p(self.p_value)}"
        if not self.separated:
            return f"{self.a} and {self.b} cannot be separated ({shown})"
        better, worse = (self.a, self.b) if self.difference > 0 else (self.b, self.a)
        return f"{better} beats {worse} ({shown}, {self.a} minus {self.b})"


class Side(NamedTuple):
    """One side of a test: its name, and a fraction for each task."""

    label: str
    scores: FloatArray


class Pairing(NamedTuple):
    """A test before its p-value is adjusted."""

    a: Side
    b: Side
    metric: str
    cases: int
    notes: dict[str, float]


def average(scores: Sequence[FloatArray]) -> FloatArray:
    """Average fractions of each task."""
    # Rounding may leave a mean of ones a little above 1.
    return np.asarray(np.clip(np.mean(scores, axis=0), 0.0, 1.0), np.float64)


def mean_notes(raw: Sequence[Pairing]) -> dict[str, float]:
    """Average the notes of several pairings, which all have the same."""
    return {name: float(np.mean([one.notes[name] for one in raw])) for name in raw[0].notes}


def tested(raw: Sequence[Pairing]) -> tuple[Test, ...]:
    """Test all pairings of one answer."""
    found = [paired_difference(one.a.scores, one.b.scores) for one in raw]
    adjusted = adjusted_p([one.p_value for one in found])
    return tuple(
        Test(
            a=one.a.label,
            b=one.b.label,
            metric=one.metric,
            difference=tested.difference,
            low=tested.low,
            high=tested.high,
            p_value=p,
            separated=p < LEVEL,
            cases=one.cases,
            notes=one.notes,
        )
        for one, tested, p in zip(raw, found, adjusted, strict=True)
    )


def adjusted_p(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values by Holm; none for none."""
    return [float(p) for p in holm(np.array(p_values, np.float64))] if p_values else []


def summary(tests: Sequence[Test], none: str) -> str:
    """Put the tests' sentences into one, or say `none`."""
    return "; ".join(test.sentence for test in tests) or none


def _shown_p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
