"""Rows -> a table: one line per model and recipe, over its calibration seeds, on the tasks that all rows have."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from ...budgets.recipe import parse_recipe
from ...compression.divergence import averaged, per_prompt_along, summarise, within_noise
from ...errors import UserError
from ...estimators import mean_interval, pass_at_k, recovery_percent
from ...records import Divergence, Interval, Record
from .rows import UNQUANTISED, Form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...budgets.recipe import Recipe
    from ...compression.divergence import BaseTokens
    from ...estimators import FloatArray
    from .rows import StudyRow

Sensitivity = Literal["class-1", "class-2", "class-3"]
CLASS_1: Final = 0.1
CLASS_2: Final = 0.5
"""Most that perplexity rises in classes 1 and 2 (Yao et al. 2023, arXiv 2303.08302, section 3)."""


class SeedScore(Record):
    """What one calibration seed gave."""

    seed: int | None
    perplexity: float
    pass_at_1: float


class TableLine(Record):
    """A model by a recipe.

    Bytes are of all tensors, means over seeds; `recipe` is `bf16` where nothing was quantised. `perplexity` is the mean
    over seeds and `perplexity_increase` that above the unquantised model's. `agreement` is the share of tasks whose
    greedy output is the unquantised model's, and `recovery_percent` 100 x pass@1 over the unquantised model's; both
    have intervals over tasks. `divergence` is that of its choices along the unquantised model's greedy tokens, over
    seeds a mean per prompt; an unquantised model's is its noise floor. `within_floor` names the metrics in which a
    checkpoint cannot be told from that.
    """

    label: str
    model: str
    parameters: int
    recipe: str
    form: Form
    planned_bytes: int
    tensor_bytes: int | None
    file_bytes: int | None
    size_bytes: int
    effective_bits: float
    perplexity: float
    perplexity_increase: float
    sensitivity: Sensitivity
    pass_at: dict[int, Interval]
    agreement: Interval
    recovery_percent: Interval
    divergence: Divergence | None = None
    within_floor: tuple[str, ...] = ()
    sample_flops: float | None
    wall_s: float
    seeds: tuple[SeedScore, ...]


class Entry(NamedTuple):
    """A line, its recipe (None where unquantised), and its values by task and by seed.

    Attributes:
        line: The line.
        recipe: As parsed.
        passes: By seed, passing samples of each task.
        samples: Samples per task.
    """

    line: TableLine
    recipe: Recipe | None
    passes: tuple[FloatArray, ...]
    samples: int

    def scores(self, k: int) -> FloatArray:
        """Compute pass@k of each task."""
        return _scores(self.passes, self.samples, k)


def entries_of(rows: Sequence[StudyRow], ks: Sequence[int]) -> list[Entry]:
    """Put rows together, in their order.

    Args:
        rows: Those of each model with the unquantised one among them; at least one.
        ks: For pass@k.

    Raises:
        UserError: The rows have no task in common, or a model lacks its unquantised row.
    """
    tasks = common_tasks(rows)
    if not tasks:
        raise UserError("the rows of the study have no graded task in common: run it again, or look at their left_out")
    bases = {row.model: row for row in rows if row.recipe == UNQUANTISED}
    groups: dict[tuple[str, str], list[StudyRow]] = {}
    for row in rows:
        groups.setdefault((row.model, row.recipe), []).append(row)
    found = []
    for (model, _), some in groups.items():
        if model not in bases:
            raise UserError(f"{model} has no unquantised row to compare with: run the study again")
        found.append(_entry(some, bases[model], tasks, ks))
    return found


def common_tasks(rows: Sequence[StudyRow]) -> list[str]:
    """List the tasks that all rows have, in the first one's order."""
    return [task for task in rows[0].passed if all(task in row.passed for row in rows)] if rows else []


def sensitivity_of(increase: float) -> Sensitivity:
    """Classify an increase of perplexity; the last digits of a difference decide nothing."""
    rise = round(increase, 9)
    return "class-1" if rise <= CLASS_1 else "class-2" if rise <= CLASS_2 else "class-3"


def _entry(rows: Sequence[StudyRow], base: StudyRow, tasks: Sequence[str], ks: Sequence[int]) -> Entry:
    first = rows[0]
    passes = tuple(np.array([row.passed[task] for task in tasks], np.float64) for row in rows)
    ones = _scores(passes, first.samples, 1)
    base_ones = _scores([np.array([base.passed[task] for task in tasks], np.float64)], base.samples, 1)
    agreed = np.mean(
        [[float(row.greedy.get(task) == base.greedy.get(task, "")) for task in tasks] for row in rows], axis=0
    )
    perplexity = math.fsum(row.perplexity for row in rows) / len(rows)
    increase = perplexity - base.perplexity
    diverged = _diverged(rows, base.base_tokens)
    line = TableLine(
        label=f"{first.model}@{first.recipe}",
        model=first.model,
        parameters=first.parameters,
        recipe=first.recipe,
        form=first.form,
        planned_bytes=first.planned_bytes,
        tensor_bytes=_mean([row.tensor_bytes for row in rows]),
        file_bytes=_mean([row.file_bytes for row in rows]),
        size_bytes=_mean([row.size_bytes for row in rows]) or first.planned_bytes,
        effective_bits=first.effective_bits,
        perplexity=perplexity,
        perplexity_increase=increase,
        sensitivity=sensitivity_of(increase),
        pass_at={k: mean_interval(_scores(passes, first.samples, k)) for k in ks},
        agreement=mean_interval(agreed),
        recovery_percent=recovery_percent(ones, base_ones),
        divergence=diverged.metrics,
        within_floor=diverged.within_floor,
        sample_flops=None if any(row.sample_flops is None for row in rows) else _flops(rows),
        wall_s=math.fsum(row.seconds.total for row in rows) / len(rows),
        seeds=tuple(
            SeedScore(seed=row.seed, perplexity=row.perplexity, pass_at_1=float((counts / row.samples).mean()))
            for row, counts in zip(rows, passes, strict=True)
        ),
    )
    recipe = None if first.recipe == UNQUANTISED else parse_recipe(first.recipe)
    return Entry(line, recipe, passes, first.samples)


class _Diverged(NamedTuple):
    metrics: Divergence | None = None
    within_floor: tuple[str, ...] = ()


def _diverged(rows: Sequence[StudyRow], base: BaseTokens | None) -> _Diverged:
    """Compute divergence from the stored tokens, or the noise floor of an unquantised model."""
    if base is None:
        return _Diverged()
    floor = per_prompt_along(base.ids, base.floor)
    if rows[0].recipe == UNQUANTISED:
        return _Diverged(summarise(floor))
    found = [per_prompt_along(base.ids, row.along) for row in rows if row.along is not None]
    if len(found) < len(rows):
        return _Diverged()
    values = averaged(found)
    return _Diverged(summarise(values), within_noise(values, floor))


def _scores(passes: Sequence[FloatArray], samples: int, k: int) -> FloatArray:
    """Average pass@k over seeds, task by task: samples of two checkpoints are never one pool."""
    by_seed = [pass_at_k(np.full(one.size, samples, np.int64), one.astype(np.int64), k) for one in passes]
    return np.asarray(np.mean(by_seed, axis=0), np.float64)


def _mean(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known)) if len(known) == len(values) else None


def _flops(rows: Sequence[StudyRow]) -> float:
    return math.fsum(row.sample_flops or 0.0 for row in rows) / len(rows)
