"""What each linear component of a model bears, and which part of the model may go.

One component at a time is compressed and its divergence measured (Deiseroth et al. 2024, arXiv 2311.01544). Components
are then rounded from the least harmful upward until a share of the weights is; or each is made as sparse as the
published schedule says, so that all reach the same first divergent token. Both are set beside the same choice by
perplexity instead, and beside uniform compression at the same bytes: whether divergence finds what perplexity misses is
measured, not assumed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from .._util.progress import Progress, silent
from ..budgets.mixed import MixedRecipe
from ..budgets.precision import recipe_scheme
from ..errors import UserError
from ..estimators import paired_difference
from ..records import Divergence, Record, Spread
from .divergence import summarise
from .probing import Change
from .pruning import prune
from .recipes import check_group
from .simulating import check_simulated, quantised_weight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from ..budgets.mixed import Pruning
    from .linears import Component
    from .probing import Measured, Probe
    from .recipes import Recipe

REACHED_BY: Final = 0.75
"""Share of prompts that reach FDT75 (Deiseroth et al. 2024, arXiv 2311.01544, appendix)."""

FIRST_LEVEL: Final = 100
"""Where the schedule's level starts (same appendix); at what the model itself reaches where that is less."""

_WEIGHT_BYTES: Final = 2
_MEASURES: Final = 20
"""Measurements on the way to the target, at most."""

Order = Literal["fdt", "perplexity", "uniform"]


class ComponentScore(Record):
    """One component compressed alone: its divergence from the original, and the perplexity of the prompts."""

    name: str
    layer: int
    kind: str
    weights: int
    fdt: Spread
    sdt: Spread
    perplexity: float


class SparsityPoint(Record):
    """A component at one sparsity, alone: `fdt75` is the FDT that 75 % of prompts reach."""

    sparsity: float
    fdt75: float
    fdt: float
    sdt: float
    perplexity: float


class ComponentCurve(Record):
    """One component at several sparsities, and the sparsity that the schedule gives it."""

    name: str
    layer: int
    kind: str
    weights: int
    points: tuple[SparsityPoint, ...]
    sparsity: float


class Step(Record):
    """The model after so many conversions: the share of weights that are compressed, and how it fares."""

    converted: int
    share: float
    fdt: float
    sdt: float
    perplexity: float


class Choice(Record):
    """A way to choose what to compress, at the same bytes: by FDT, by perplexity, or the same part of every matrix."""

    order: Order
    share: float
    weight_bytes: int
    divergence: Divergence
    perplexity: float


class Advantage(Record):
    """Mean over prompts of FDT chosen by FDT minus FDT chosen otherwise, with its 95 % interval and p-value."""

    over: Order
    difference: float
    low: float
    high: float
    p_value: float


class QuantisedComponents(Record):
    """Every component rounded alone, and the conversion up to a target share of the weights.

    `scores` are in the model's order; `converted` names what is compressed at the target, least harmful first. Without
    a target, only the map is made.
    """

    recipe: str
    floor: Divergence
    perplexity: float
    scores: tuple[ComponentScore, ...]
    target: float | None = None
    converted: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    choices: tuple[Choice, ...] = ()
    advantages: tuple[Advantage, ...] = ()

    def mixed(self) -> MixedRecipe:
        """Make the recipe of what is converted."""
        return MixedRecipe(recipe=self.recipe, components=self.converted)


class PrunedComponents(Record):
    """Every component pruned alone, and the schedule's sparsities.

    `level` is the FDT75 that each component still reaches alone; `share` the mean sparsity over weights, which is at
    least the target.
    """

    method: str
    target: float
    floor: Divergence
    perplexity: float
    curves: tuple[ComponentCurve, ...]
    level: int
    share: float
    choices: tuple[Choice, ...]
    advantages: tuple[Advantage, ...]

    def mixed(self) -> MixedRecipe:
        """Make the recipe of these sparsities."""
        sparsity = {curve.name: curve.sparsity for curve in self.curves}
        return MixedRecipe.model_validate({"pruning": self.method, "sparsity": sparsity})


def quantise_components(
    probe: Probe, recipe: Recipe, target: float | None, *, seed: int = 0, progress: Progress = silent
) -> QuantisedComponents:
    """Round each component alone, then from the least harmful upward until a share of the weights is rounded.

    Args:
        probe: The model with its texts.
        recipe: How; rounding to nearest.
        target: The share of the weights of all components; None for the map alone.
        seed: Of the intervals.
        progress: Told how far it is.

    Raises:
        UserError: The recipe needs a checkpoint or does not fit a component.
    """
    check_simulated(recipe)
    components = probe.linears.components
    for component in components:
        check_group(recipe, component.inputs, component.name)
    floor = probe.together([])
    changes = [Change(component, _rounding(component, recipe), recipe) for component in components]
    found = probe.each(changes, progress)
    scores = tuple(_score(component, one, seed) for component, one in zip(components, found, strict=True))
    result = QuantisedComponents(
        recipe=recipe.key, floor=summarise(floor.values, seed=seed), perplexity=floor.perplexity, scores=scores
    )
    if target is None:
        return result
    by_fdt = sorted(range(len(scores)), key=lambda place: (-found[place].fdt, found[place].sdt))
    rival_order = sorted(range(len(scores)), key=lambda place: found[place].perplexity)
    chosen = _until(by_fdt, components, target)
    steps, last = _convert(probe, [changes[place] for place in chosen], progress)
    share = _share([components[place] for place in chosen], components)
    rivals = _as_many([changes[place] for place in rival_order], components, share)
    in_part = [change._replace(rows=round(share * change.component.outputs)) for change in changes]
    ways: dict[Order, list[Change]] = {
        "fdt": [changes[place] for place in chosen],
        "perplexity": rivals,
        "uniform": in_part,
    }
    measured = {order: last if order == "fdt" else probe.together(some) for order, some in ways.items()}
    sizes = {
        order: (_changed(some) / sum(component.weights for component in components), _bytes(components, recipe, some))
        for order, some in ways.items()
    }
    return result.model_copy(
        update={
            "target": target,
            "converted": tuple(components[place].name for place in chosen),
            "steps": steps,
            "choices": _choices(measured, sizes, seed),
            "advantages": _advantages(measured, seed),
        }
    )


def prune_components(
    probe: Probe, target: float, method: Pruning, *, seed: int = 0, progress: Progress = silent
) -> PrunedComponents:
    """Prune each component alone at several levels, then all by the published schedule.

    The FDT that 75 % of prompts reach is measured per component at sparsity 0, t/2, t + t/2 and 1. From a level f of
    100 tokens on, the largest sparsity whose FDT75 is still at least f is interpolated per component; as long as the
    mean over weights is below t, f falls by one. The source's excerpt says "at or below f", which with an FDT, where
    more is better, can only be meant as "still at least".

    Args:
        probe: The model with its texts.
        target: The sparsity t, over the weights of all components.
        method: Which weights become zero.
        seed: Of the intervals.
        progress: Told how far it is.

    Raises:
        UserError: The target is not within 0 and 1.
    """
    if not 0 < target < 1:
        raise UserError(f"`sparsity` is a share between 0 and 1, not {target:g}")
    components = probe.linears.components
    norms: Mapping[str, Tensor] = probe.input_norms() if method == "wanda" else {}
    floor = probe.together([])
    levels = sorted({target / 2, min(1.0, 1.5 * target), 1.0})
    changes = [
        Change(component, _pruning(component, level, method, norms)) for component in components for level in levels
    ]
    found = probe.each(changes, progress)
    points = [
        (_point(0.0, floor), *(_point(level, found[place * len(levels) + at]) for at, level in enumerate(levels)))
        for place in range(len(components))
    ]
    weights = np.array([component.weights for component in components], np.float64)
    level, shares = schedule([[(p.sparsity, p.fdt75) for p in row] for row in points], weights, target)
    share = float(np.average(shares, weights=weights))
    rival = by_perplexity([[(p.sparsity, p.perplexity) for p in row] for row in points], weights, share)
    choices: dict[Order, list[float]] = {"fdt": shares, "perplexity": rival, "uniform": [share] * len(components)}

    def all_at(sparsities: list[float]) -> Measured:
        return probe.together(
            [
                Change(component, _pruning(component, sparsity, method, norms))
                for component, sparsity in zip(components, sparsities, strict=True)
            ]
        )

    measured = {order: all_at(sparsities) for order, sparsities in choices.items()}
    sizes = {
        order: (float(np.average(sparsities, weights=weights)), _kept_bytes(weights, sparsities))
        for order, sparsities in choices.items()
    }
    return PrunedComponents(
        method=method,
        target=target,
        floor=summarise(floor.values, seed=seed),
        perplexity=floor.perplexity,
        curves=tuple(
            ComponentCurve(
                name=component.name,
                layer=component.layer,
                kind=component.kind,
                weights=component.weights,
                points=row,
                sparsity=sparsity,
            )
            for component, row, sparsity in zip(components, points, shares, strict=True)
        ),
        level=level,
        share=share,
        choices=_choices(measured, sizes, seed),
        advantages=_advantages(measured, seed),
    )


def schedule(
    points: Sequence[Sequence[tuple[float, float]]], weights: np.ndarray, target: float
) -> tuple[int, list[float]]:
    """Find the highest level of FDT75 at which the mean sparsity over weights reaches a target.

    Args:
        points: Per component, its FDT75 by sparsity, from 0 up.
        weights: Per component, how many weights it has.
        target: The mean sparsity.

    Returns:
        The level, and the sparsity of each component.
    """
    level = min(FIRST_LEVEL, *(math.floor(row[0][1]) for row in points)) if points else FIRST_LEVEL
    while True:
        sparsities = [largest_sparsity(row, level) for row in points]
        if level <= 0 or float(np.average(sparsities, weights=weights)) >= target:
            return level, sparsities
        level -= 1


def largest_sparsity(points: Sequence[tuple[float, float]], level: float) -> float:
    """Interpolate linearly the largest sparsity whose value is at least a level; 0 where none is."""
    for (low, before), (high, after) in zip(reversed(points[:-1]), reversed(points[1:]), strict=True):
        if after >= level:
            return high
        if before >= level:
            return low + (high - low) * (before - level) / (before - after)
    return 0.0


def by_perplexity(points: Sequence[Sequence[tuple[float, float]]], weights: np.ndarray, share: float) -> list[float]:
    """Find the sparsities at which all components have the same perplexity, with a given mean over weights."""
    rows = [[(sparsity, -value) for sparsity, value in row] for row in points]
    values = [value for row in points for _, value in row]
    low, high = 0.99 * min(values), max(values)
    for _ in range(60):
        middle = math.sqrt(low * high)
        sparsities = [largest_sparsity(row, -middle) for row in rows]
        if float(np.average(sparsities, weights=weights)) >= share:
            high = middle
        else:
            low = middle
    sparsities = [largest_sparsity(row, -high) for row in rows]
    mean = float(np.average(sparsities, weights=weights))
    # Where some components jump at one perplexity, no level gives the mean; all are then eased alike.
    return [sparsity * min(1.0, share / mean) for sparsity in sparsities]


def _rounding(component: Component, recipe: Recipe) -> Callable[[], Tensor]:
    return lambda: quantised_weight(component, recipe)


def _pruning(
    component: Component, sparsity: float, method: Pruning, norms: Mapping[str, Tensor]
) -> Callable[[], Tensor]:
    return lambda: prune(component.weight(), sparsity, method, norms.get(component.name))


def _score(component: Component, found: Measured, seed: int) -> ComponentScore:
    metrics = summarise(found.values, seed=seed)
    return ComponentScore(
        name=component.name,
        layer=component.layer,
        kind=component.kind,
        weights=component.weights,
        fdt=metrics.fdt,
        sdt=metrics.sdt,
        perplexity=found.perplexity,
    )


def _point(sparsity: float, found: Measured) -> SparsityPoint:
    return SparsityPoint(
        sparsity=sparsity,
        fdt75=found.fdt_reached_by(REACHED_BY),
        fdt=found.fdt,
        sdt=found.sdt,
        perplexity=found.perplexity,
    )


def _share(some: Sequence[Component], every: Sequence[Component]) -> float:
    return sum(component.weights for component in some) / sum(component.weights for component in every)


def _until(order: Sequence[int], components: Sequence[Component], target: float) -> list[int]:
    """Take components in an order until they hold the target's share of the weights."""
    taken: list[int] = []
    for place in order:
        if _share([components[one] for one in taken], components) >= target:
            break
        taken.append(place)
    return taken


def _as_many(order: Sequence[Change], components: Sequence[Component], share: float) -> list[Change]:
    """Take changes in an order until a share of the weights is changed, the last one in as many rows as are left."""
    left = round(share * sum(component.weights for component in components))
    taken: list[Change] = []
    for change in order:
        if left <= 0:
            break
        component = change.component
        rows = None if component.weights <= left else round(left / component.inputs)
        taken.append(change._replace(rows=rows))
        left -= component.weights
    return taken


def _changed(changes: Sequence[Change]) -> int:
    """Count the weights that are changed."""
    return sum(
        change.component.inputs * (change.component.outputs if change.rows is None else change.rows)
        for change in changes
    )


def _convert(probe: Probe, changes: list[Change], progress: Progress) -> tuple[tuple[Step, ...], Measured]:
    """Convert one component after another, and measure as it goes."""
    components = probe.linears.components
    stride = -(-len(changes) // _MEASURES)
    steps, last = [], None
    for count in range(1, len(changes) + 1):
        if count % stride and count != len(changes):
            continue
        last = probe.together(changes[:count])
        steps.append(
            Step(
                converted=count,
                share=_share([change.component for change in changes[:count]], components),
                fdt=last.fdt,
                sdt=last.sdt,
                perplexity=last.perplexity,
            )
        )
        progress("conversion", count, len(changes))
    return tuple(steps), last or probe.together([])


def _bytes(components: Sequence[Component], recipe: Recipe, changes: Sequence[Change]) -> int:
    """Count the bytes of all components, those changed with their scales and the others at 16 bits."""
    scheme = recipe_scheme(recipe)
    rows = {
        change.component.name: change.component.outputs if change.rows is None else change.rows for change in changes
    }
    total = 0
    for component in components:
        changed = rows.get(component.name, 0)
        if changed:
            total += scheme.matrix_bytes(component.inputs, changed)
        total += _WEIGHT_BYTES * component.inputs * (component.outputs - changed)
    return total


def _kept_bytes(weights: np.ndarray, sparsities: Sequence[float]) -> int:
    """Count the bytes of weights that are not zero; where they stand is not counted."""
    return round(float((weights * (1 - np.asarray(sparsities))).sum()) * _WEIGHT_BYTES)


def _choices(
    measured: Mapping[Order, Measured], sizes: Mapping[Order, tuple[float, int]], seed: int
) -> tuple[Choice, ...]:
    return tuple(
        Choice(
            order=order,
            share=sizes[order][0],
            weight_bytes=sizes[order][1],
            divergence=summarise(found.values, seed=seed),
            perplexity=found.perplexity,
        )
        for order, found in measured.items()
    )


def _advantages(measured: Mapping[Order, Measured], seed: int) -> tuple[Advantage, ...]:
    ours = measured["fdt"].values
    rows = []
    for order, found in measured.items():
        if order != "fdt":
            pair = paired_difference(ours.fdt / ours.tokens, found.values.fdt / ours.tokens, seed=seed)
            scaled = (value * ours.tokens for value in pair[:3])
            difference, low, high = scaled
            rows.append(Advantage(over=order, difference=difference, low=low, high=high, p_value=pair.p_value))
    return tuple(rows)
