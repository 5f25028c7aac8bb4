"""Measured seconds that replace the roofline's: of whole samples, or coefficients fitted to a sweep on a machine."""

from __future__ import annotations

import math
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field, ValidationError

from .._util.bounded import parse_json, read_whole
from .._util.printable import one_line
from ..errors import UserError
from ..records import FileRecord, NonNegative, Record
from .runtime import Regime, RuntimeOfK, task_runtime
from .work import Work, decode_work, prefill_work

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable

    from ..records import Workload
    from .models import Model

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class PassCost(Record):
    """Seconds per unit of each kind of `Work`; a phase takes their sum."""

    s_per_flop: NonNegative
    s_per_weight_byte: NonNegative
    s_per_packed_byte: NonNegative
    s_per_kv_byte: NonNegative
    s_per_stream_byte: NonNegative
    s_per_layer_pass: NonNegative
    s_per_pass: NonNegative

    def seconds(self, work: Work) -> float:
        """Return the work's seconds."""
        return sum(rate * amount for rate, amount in zip(_rates(self), _amounts(work), strict=True))


class Fit(Record):
    """Coefficients of one model at one precision, or of all models measured (`model` None).

    `max_batch` is the largest batch measured; plans go no further.
    """

    model: str | None
    precision: str
    max_batch: Count
    prefill: PassCost
    decode: PassCost

    def prefill_s(self, work: Work) -> float:
        """Seconds of passes over prompts."""
        return self.prefill.seconds(work)

    def decode_s(self, work: Work) -> float:
        """Seconds of passes over one token per sequence."""
        return self.decode.seconds(work)


class MeasuredSamples(Record):
    """Seconds that a machine took for a number of samples of a model, with full batches.

    `precision` is None where the source does not state it; it then holds for the model's default only.
    """

    model: str
    precision: str | None = None
    seconds: Positive
    samples: Count


class Measurement(Record):
    """Seconds of one point of a sweep: `batch` prompts prefilled in one pass, then decoded side by side."""

    model: str
    precision: str
    batch: Count
    prompt_tokens: Count
    output_tokens: Annotated[int, Field(ge=2)]
    prefill_s: Positive
    decode_s: Positive


class Calibration(FileRecord):
    """Measurements with one engine on one machine of `devices` devices.

    `points` are what `fits` were fitted to.
    """

    source: str
    engine: str
    machine: str
    devices: Count = 1
    fits: tuple[Fit, ...] = ()
    measured: tuple[MeasuredSamples, ...] = ()
    points: tuple[Measurement, ...] = ()


class MeasuredModel(NamedTuple):
    """A model and its points of a sweep."""

    model: Model
    measurements: Sequence[Measurement]


class Errors(NamedTuple):
    """Errors of predictions, as fractions of the measurements."""

    points: int
    median: float
    p90: float


def packaged_calibrations() -> dict[str, Traversable]:
    """Find codebudget's packaged calibrations, by name."""
    folder = resources.files(__package__) / "catalogue" / "calibrations"
    return {file.name.removesuffix(".json"): file for file in folder.iterdir() if file.name.endswith(".json")}


def load_calibration(name: str) -> Calibration:
    """Load a calibration: a file, or a packaged one by name (`paper`).

    Raises:
        UserError: None has that name, or the file cannot be read as one.
    """
    packaged = packaged_calibrations()
    try:
        text = packaged[name].read_text(encoding="utf-8") if name in packaged else read_whole(Path(name))
    except UserError as error:
        raise UserError(
            f"cannot read the calibration: {error}; give a file written by codebudget calibrate, or "
            f"{' or '.join(sorted(packaged))}"
        ) from None
    try:
        parse_json(text, name, is_computed=True)
        return Calibration.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = one_line(".".join(str(part) for part in first["loc"])) or "the file"
        raise UserError(f"{name} is not a calibration: {place}: {first['msg']}") from None
    except UserError as error:
        raise UserError(f"{name} is not a calibration: {error}") from None


def calibrated_runtime(
    calibration: Calibration,
    model: Model,
    precision: str,
    workload: Workload,
    *,
    regime: Regime,
    concurrency: int | None = None,
) -> RuntimeOfK:
    """Seconds per task of k samples, as measured: k times a sample's, or from fitted coefficients.

    A model's own coefficients are used, else those fitted to all models measured.

    Raises:
        UserError: It holds nothing for the model at this precision, or only seconds of full batches where those of one
            task alone are asked for.
    """
    for measured in calibration.measured:
        if measured.model == model.name and precision == (measured.precision or model.default_precision):
            if regime == "latency":
                raise UserError(
                    f"the calibration was measured with full batches ({calibration.source}), not with one task "
                    "alone: use `regime` throughput"
                )
            sample_s = measured.seconds / measured.samples
            return lambda k: k * sample_s
    fit = _fit_for(calibration, model.name, precision)
    if fit is None:
        raise UserError(_nothing_for(calibration, model.name, precision))
    limit = min(fit.max_batch, concurrency or fit.max_batch)
    return task_runtime(model.architecture, precision, workload, pace=fit, batch_limit=limit, regime=regime)


def fit_sweep(models: Sequence[MeasuredModel], *, engine: str, machine: str, source: str) -> Calibration:
    """Fit coefficients to sweeps: for each model, and for all together if there are several.

    Prefill and decode are fitted apart, by least squares of relative errors with no coefficient below zero.

    Raises:
        UserError: A model has no points, or precisions are mixed.
    """
    precisions = {point.precision for entry in models for point in entry.measurements}
    if len(precisions) != 1 or not all(entry.measurements for entry in models):
        raise UserError("a calibration needs points for every model, all at the same precision")
    fits = [_fit(entry.model.name, [entry]) for entry in models]
    if len(models) > 1:
        fits.append(_fit(None, models))
    points = tuple(point for entry in models for point in entry.measurements)
    return Calibration(source=source, engine=engine, machine=machine, fits=tuple(fits), points=points)


def predicted_s(fit: Fit, model: Model, point: Measurement) -> tuple[float, float]:
    """Predict the seconds of prefill and of decode for a point of a sweep."""
    return fit.prefill_s(_prefill(model, point)), fit.decode_s(_decode(model, point))


def held_out_errors(calibration: Calibration, models: Sequence[MeasuredModel]) -> Errors:
    """Return relative errors in seconds of whole held-out points, prefill and decode together.

    Raises:
        UserError: The calibration does not cover a model.
    """
    errors = []
    for model, measurements in models:
        for point in measurements:
            fit = _fit_for(calibration, model.name, point.precision)
            if fit is None:
                raise UserError(_nothing_for(calibration, model.name, point.precision))
            errors.append(abs(sum(predicted_s(fit, model, point)) / (point.prefill_s + point.decode_s) - 1))
    errors.sort()
    return Errors(points=len(errors), median=errors[len(errors) // 2], p90=errors[math.ceil(0.9 * len(errors)) - 1])


def _fit(name: str | None, entries: Sequence[MeasuredModel]) -> Fit:
    points = [(entry.model, point) for entry in entries for point in entry.measurements]
    return Fit(
        model=name,
        precision=points[0][1].precision,
        max_batch=max(point.batch for _, point in points),
        prefill=_pass_cost([_prefill(*entry) for entry in points], [point.prefill_s for _, point in points]),
        decode=_pass_cost([_decode(*entry) for entry in points], [point.decode_s for _, point in points]),
    )


def _prefill(model: Model, point: Measurement) -> Work:
    return prefill_work(model.architecture, point.precision, point.prompt_tokens, point.batch)


def _decode(model: Model, point: Measurement) -> Work:
    return decode_work(model.architecture, point.precision, point.prompt_tokens, point.output_tokens, point.batch)


def _pass_cost(works: Sequence[Work], seconds: Sequence[float]) -> PassCost:
    """Find the best coefficients by trying every set of kinds of work: there are few, so this is exact."""
    import itertools

    import numpy as np

    target = np.asarray(seconds)
    features = np.asarray([_amounts(work) for work in works]) / target[:, None]
    scale = np.maximum(np.abs(features).max(axis=0), np.finfo(float).tiny)
    best_error, best = float(len(target)), np.zeros(features.shape[1])
    kinds = [kind for kind in range(features.shape[1]) if features[:, kind].any()]
    for size in range(1, len(kinds) + 1):
        for chosen in map(list, itertools.combinations(kinds, size)):
            rates = np.linalg.lstsq(features[:, chosen] / scale[chosen], np.ones(len(target)), rcond=None)[0]
            if (rates < 0).any():
                continue
            error = float(np.square(features[:, chosen] / scale[chosen] @ rates - 1).sum())
            if error < best_error * (1 - 1e-9):
                best_error, best = error, np.zeros(features.shape[1])
                best[chosen] = rates / scale[chosen]
    return PassCost.model_validate(dict(zip(_RATES, (float(rate) for rate in best), strict=True)))


_RATES = tuple(name for name in PassCost.model_fields if name.startswith("s_per_"))


def _rates(cost: PassCost) -> tuple[float, ...]:
    return tuple(getattr(cost, name) for name in _RATES)


def _amounts(work: Work) -> tuple[float, ...]:
    """List the amounts of work in `_RATES` order."""
    return (
        work.flops,
        work.weight_bytes,
        work.packed_bytes,
        work.kv_bytes,
        work.stream_bytes,
        work.layer_passes,
        work.passes,
    )


def _fit_for(calibration: Calibration, model: str, precision: str) -> Fit | None:
    for wanted in (model, None):
        for fit in calibration.fits:
            if fit.model == wanted and fit.precision == precision:
                return fit
    return None


def _nothing_for(calibration: Calibration, model: str, precision: str) -> str:
    held = [f"{entry.model}@{entry.precision}" if entry.precision else entry.model for entry in calibration.measured]
    held += [f"{fit.model}@{fit.precision}" for fit in calibration.fits if fit.model]
    return (
        f"the calibration does not cover {model}@{precision}, only {', '.join(held)}; measure it with codebudget "
        f"calibrate {model}@{precision}, or use `hardware`"
    )
