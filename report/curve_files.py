"""A curve as JSON and CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from .._util.outputs import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from ..experiment.curves import Curve

FORMATS = (".json", ".csv")
COLUMNS = ("arm", "model", "precision", "metric", "by", "budget", "k", "value", "low", "high", "undefined")


def write_curve(curve: Curve, path: Path) -> None:
    """Write a curve by the file's ending: the record as JSON, or CSV with a row per arm, metric and budget.

    The columns of CSV are `COLUMNS`. `budget` is FLOPs or seconds per task, as `by` says; `k`, `value`, `low` and
    `high` are empty where `undefined` says `below` (one sample costs more) or `above` (there are not enough samples).

    Raises:
        UserError: A link or no plain file is there.
        MachineError: The file cannot be written.
    """
    if path.suffix.lower() == ".json":
        write_text(path, curve.model_dump_json(indent=1) + "\n")
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for arm in curve.arms:
        for metric, points in arm.metrics.items():
            for point in points:
                scores = (point.k, point.value, point.low, point.high, point.undefined)
                writer.writerow((arm.spec, arm.model, arm.precision, metric, curve.by, point.budget, *scores))
    write_text(path, text.getvalue())
