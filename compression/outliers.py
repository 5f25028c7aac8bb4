"""Outlier dimensions of a transformers model, and whether plain INT8 activations survive them.

Looked at is what enters the linear modules of each layer. Inputs that come straight from a norm or from the layer's own
input have one number per hidden dimension, in which outliers are sought:

- by the rule of LLM.int8 (Dettmers et al. 2022, arXiv 2208.07339, section 4.1): a dimension whose magnitude is at least
  6.0 in at least 25 % of the layers and at least 6 % of the positions there. It was found on models whose inputs have a
  deviation near 1, and calls every dimension of a model with large gains an outlier, and none of a narrow one.
- in units of each token (ours): at least 6 of its own deviations, estimated by the median magnitude, at 6 % of the
  positions of a layer. One layer is enough, since it is layers that INT8 breaks.

A dimension is listed by the second rule, or by the first where it also reaches 3 of the token's deviations as often.
Ahmadian et al. 2023 (arXiv 2305.19268) find that such dimensions come from how a model was trained, and report the
deviation of token activations and of norm gains, spectral norms and the error of quantised activations, as here; excess
kurtosis is that of Park et al. 2025 (arXiv 2506.19697).
"""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._util.progress import Progress, silent
from ..errors import EngineError, UserError
from ..records import Record
from .linears import find_linears

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor

    from .linears import Component, Linears, Other

MAGNITUDE: Final = 6.0
LAYER_SHARE: Final = 0.25
POSITION_SHARE: Final = 0.06
"""LLM.int8's rule (arXiv 2208.07339, section 4.1)."""

RELATIVE: Final = 6.0
RELATIVE_OF_RULE: Final = 3.0
"""Of a token's own deviations; ours."""

_NORMAL_MEDIAN: Final = 0.6745
"""Median magnitude of a normal number of deviation 1."""

_INT8: Final = 127
_WORST_ERROR: Final = 0.05
"""Error of INT8, relative to the deviation of ordinary dimensions, from which on it is too coarse; ours. A normal token
of 4096 dimensions has 0.009 at 8 bits and reaches this near 5."""

_WORST_RATIO: Final = 2.0
"""Factor by which outlier dimensions may enlarge the error of the others; ours."""

_LARGEST: Final = 10
_SHOWN: Final = 6
_POWER_STEPS: Final = 300
_TOLERANCE: Final = 1e-6


class OutlierDimension(Record):
    """A dimension in a layer that an outlier reaches.

    `max` is its largest magnitude there, `ratio` that over the median one of the layer's dimensions, `positions` the
    share of positions at which it stands out, `inputs_of` the modules that it enters. `llm_int8` tells whether the
    published rule names it too.
    """

    layer: int
    index: int
    max: float
    ratio: float
    positions: float
    inputs_of: tuple[str, ...]
    llm_int8: bool


class LargeMagnitude(Record):
    """One of the largest numbers among inputs."""

    layer: int
    index: int
    max: float


class LayerActivations(Record):
    """What enters a layer's modules from its norms: excess kurtosis, and the mean deviation of a token."""

    layer: int
    inputs_of: tuple[str, ...]
    max: float
    kurtosis: float
    token_std: float


class NormGain(Record):
    """Gains of one norm: their deviation, and for an RMSNorm `peak`, the largest over the median magnitude (ours)."""

    name: str
    kind: str
    std: float
    peak: float | None


class SpectralNorm(Record):
    """Largest singular value of an attention projection."""

    name: str
    layer: int
    value: float


class Int8Error(Record):
    """Error of INT8, per token and symmetric, of what enters a module.

    `rmse` is over all dimensions, `rmse_kept` with the outlier dimensions at 16 bits. `relative` and `relative_kept`
    are of the other dimensions alone, over their own root mean square.
    """

    layer: int
    inputs_of: tuple[str, ...]
    rmse: float
    rmse_kept: float
    relative: float
    relative_kept: float
    breaks: bool


class Outliers(Record):
    """Outlier dimensions of a model and what goes with them.

    `llm_int8_dimensions` are those of the published rule, whatever their neighbours are. `breaks` lists layers in which
    plain INT8 is too coarse. Layers count from 0.
    """

    positions: int
    layers: int
    hidden: int
    dimensions: tuple[OutlierDimension, ...]
    llm_int8_dimensions: tuple[int, ...]
    largest: tuple[LargeMagnitude, ...]
    activations: tuple[LayerActivations, ...]
    norms: tuple[NormGain, ...]
    attention: tuple[SpectralNorm, ...]
    int8: tuple[Int8Error, ...]
    plain_int8: bool
    breaks: tuple[int, ...]
    sentence: str


def measure_outliers(network: Any, texts: Sequence[Sequence[int]], progress: Progress = silent) -> Outliers:
    """Measure a model on some texts, in two passes over them.

    Args:
        network: A transformers decoder.
        texts: Token ids, none longer than its context; 100 and more positions make shares mean something.
        progress: Told how far it is.

    Raises:
        UserError: There are no texts, or the model has no layers of linear modules that norms feed.
        EngineError: Its activations are not numbers.
    """
    torch = importlib.import_module("torch")
    if not any(len(text) for text in texts):
        raise UserError("outliers are sought in the activations of texts, and there are none")
    linears = find_linears(network)
    hidden = int(network.config.get_text_config().hidden_size)
    total = 2 * len(texts)
    first = _Magnitudes(hidden)
    with torch.inference_mode():
        for done, text in enumerate(texts, start=1):
            _run(network, linears, text, first.take)
            progress("activations", done, total)
        if not first.streams:
            raise UserError(f"no norm of {type(network).__name__} feeds its linear modules, so there is nothing to see")
        found = first.found(len(linears.layers))
        errors = _Errors({place: found.kept(place) for place in first.streams})
        for done, text in enumerate(texts, start=1):
            _run(network, linears, text, errors.take)
            progress("activations", len(texts) + done, total)
        norms = _norm_gains(network, hidden)
        attention = _spectral_norms(linears)
    int8 = errors.rows()
    breaks = tuple(sorted({row.layer for row in int8 if row.breaks}))
    return Outliers(
        positions=sum(map(len, texts)),
        layers=len(linears.layers),
        hidden=hidden,
        dimensions=found.dimensions,
        llm_int8_dimensions=found.llm_int8,
        largest=first.largest(),
        activations=first.rows(),
        norms=norms,
        attention=attention,
        int8=int8,
        plain_int8=not breaks,
        breaks=breaks,
        sentence=_sentence(found.dimensions, breaks, int8, len(linears.layers)),
    )


class _Place(NamedTuple):
    """One tensor of a layer, by the first module that it enters; several modules share it."""

    layer: int
    kind: str


def _run(network: Any, linears: Linears, text: Sequence[int], take: Any) -> None:
    """Run one text and hand over each different input of a layer's modules once: (positions, inputs), in 32 bits.

    `take` is told the place, the modules, the tensor, and whether it is of hidden dimensions.
    """
    torch = importlib.import_module("torch")
    seen: dict[tuple[int, int], tuple[str, list[str], Any]] = {}
    normed: set[int] = set()
    kept: list[Any] = []

    def note_hidden(_module: Any, inputs: tuple[Any, ...], output: Any = None) -> None:
        tensor = inputs[0] if output is None else output
        if isinstance(tensor, torch.Tensor):
            normed.add(tensor.data_ptr())
            # A freed tensor's place in memory could be taken by another.
            kept.append(tensor)

    def note_layer(_module: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        tensor = inputs[0] if inputs else named.get("hidden_states")
        if tensor is not None:
            note_hidden(None, (tensor,))

    def note_input(component: Component | Other) -> Callable[..., None]:
        def note(_module: Any, inputs: tuple[Any, ...]) -> None:
            tensor = inputs[0] if inputs else None
            if not isinstance(tensor, torch.Tensor) or not tensor.numel():
                return
            key = (component.layer, tensor.data_ptr())
            if key in seen:
                seen[key][1].append(component.kind)
            else:
                seen[key] = (component.kind, [component.kind], tensor)

        return note

    readers: tuple[Component | Other, ...] = (*linears.components, *linears.others)
    handles = [reader.module.register_forward_pre_hook(note_input(reader)) for reader in readers]
    for layer in linears.layers:
        handles.append(layer.register_forward_pre_hook(note_layer, with_kwargs=True))
        handles += [module.register_forward_hook(note_hidden) for module in layer.modules() if _is_norm(module)]
    device = linears.components[0].module.weight.device
    try:
        network(input_ids=torch.tensor([list(text)], device=device), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    for (layer, pointer), (kind, kinds, tensor) in seen.items():
        rows = tensor.reshape(-1, tensor.shape[-1]).float()
        if not bool(torch.isfinite(rows).all()):
            raise EngineError(f"layer {layer}: what enters {kind} is not a number; the model's weights are broken")
        take(_Place(layer, kind), list(dict.fromkeys(kinds)), rows, pointer in normed)


def _is_norm(module: Any) -> bool:
    weight = getattr(module, "weight", None)
    return "norm" in type(module).__name__.lower() and weight is not None and weight.ndim == 1


class _Stream:
    """Sums over positions of one tensor of hidden dimensions."""

    def __init__(self, kinds: list[str], hidden: int, device: Any) -> None:
        torch = importlib.import_module("torch")
        self.kinds = tuple(kinds)
        self.positions = 0
        self.max = torch.zeros(hidden, device=device)
        self.large, self.standing, self.half_standing = (
            torch.zeros(hidden, dtype=torch.long, device=device) for _ in range(3)
        )
        self.token_std = 0.0
        self.moments = [0.0, 0.0, 0.0, 0.0]

    def add(self, rows: Tensor) -> None:
        torch = importlib.import_module("torch")
        size = rows.abs()
        self.positions += len(rows)
        self.max = torch.maximum(self.max, size.amax(dim=0))
        self.large += (size >= MAGNITUDE).sum(dim=0)
        unit = size.median(dim=1, keepdim=True).values / _NORMAL_MEDIAN
        self.standing += ((size >= RELATIVE * unit) & (size > 0)).sum(dim=0)
        self.half_standing += ((size >= RELATIVE_OF_RULE * unit) & (size > 0)).sum(dim=0)
        self.token_std += float(rows.std(dim=1, correction=0).sum())
        exact = rows.double()
        square = exact * exact
        for power, values in enumerate((exact, square, square * exact, square * square)):
            self.moments[power] += float(values.sum())

    def kurtosis(self) -> float:
        """Excess kurtosis of all numbers together."""
        count = self.positions * len(self.max)
        m1, m2, m3, m4 = (total / count for total in self.moments)
        variance = m2 - m1**2
        if variance <= 0:
            return 0.0
        return (m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4) / variance**2 - 3


class _Found(NamedTuple):
    """Outlier dimensions, row by row, and the indices of the published rule."""

    dimensions: tuple[OutlierDimension, ...]
    llm_int8: tuple[int, ...]
    indices: dict[_Place, tuple[int, ...]]

    def kept(self, place: _Place) -> tuple[int, ...]:
        return self.indices.get(place, ())


class _Magnitudes:
    """First pass: how large each hidden dimension becomes in each layer."""

    def __init__(self, hidden: int) -> None:
        self._hidden = hidden
        self.streams: dict[_Place, _Stream] = {}

    def take(self, place: _Place, kinds: list[str], rows: Tensor, is_hidden: bool) -> None:
        if not is_hidden or rows.shape[1] != self._hidden:
            return
        if place not in self.streams:
            self.streams[place] = _Stream(kinds, self._hidden, rows.device)
        self.streams[place].add(rows)

    def found(self, layers: int) -> _Found:
        """Apply both rules; for the published one, a layer counts where enough positions of any of its inputs do."""
        torch = importlib.import_module("torch")
        by_rule, tempered = (torch.zeros((layers, self._hidden), dtype=torch.bool) for _ in range(2))
        standing: dict[_Place, Tensor] = {}
        for place, stream in self.streams.items():
            least = POSITION_SHARE * stream.positions
            large, half = (stream.large >= least).cpu(), (stream.half_standing >= least).cpu()
            by_rule[place.layer] |= large
            tempered[place.layer] |= large & half
            standing[place] = (stream.standing >= least).cpu()
        rule = by_rule.double().mean(dim=0) >= LAYER_SHARE
        half_rule = tempered.double().mean(dim=0) >= LAYER_SHARE
        dimensions, indices = [], {}
        for place in sorted(self.streams):
            stream = self.streams[place]
            least = POSITION_SHARE * stream.positions
            reached = ((stream.large >= least) & (stream.half_standing >= least)).cpu()
            affected = standing[place] | (half_rule & reached)
            indices[place] = tuple(torch.nonzero(affected)[:, 0].tolist())
            median = float(stream.max.median()) or math.inf
            for index in indices[place]:
                dimensions.append(
                    OutlierDimension(
                        layer=place.layer,
                        index=index,
                        max=float(stream.max[index]),
                        ratio=float(stream.max[index]) / median,
                        positions=int(stream.standing[index]) / stream.positions,
                        inputs_of=stream.kinds,
                        llm_int8=bool(rule[index]),
                    )
                )
        return _Found(tuple(dimensions), tuple(torch.nonzero(rule)[:, 0].tolist()), indices)

    def largest(self) -> tuple[LargeMagnitude, ...]:
        found: dict[tuple[int, int], float] = {}
        for place, stream in self.streams.items():
            top = stream.max.topk(min(_LARGEST, self._hidden))
            for value, index in zip(top.values.tolist(), top.indices.tolist(), strict=True):
                key = place.layer, index
                found[key] = max(found.get(key, 0.0), value)
        ordered = sorted(found.items(), key=lambda item: -item[1])[:_LARGEST]
        return tuple(LargeMagnitude(layer=layer, index=index, max=value) for (layer, index), value in ordered)

    def rows(self) -> tuple[LayerActivations, ...]:
        return tuple(
            LayerActivations(
                layer=place.layer,
                inputs_of=stream.kinds,
                max=float(stream.max.max()),
                kurtosis=stream.kurtosis(),
                token_std=stream.token_std / stream.positions,
            )
            for place, stream in sorted(self.streams.items())
        )


class _Errors:
    """Second pass: the error of INT8, with and without the outlier dimensions at 16 bits."""

    def __init__(self, kept: dict[_Place, tuple[int, ...]]) -> None:
        self._kept = kept
        self._sums: dict[_Place, tuple[tuple[str, ...], list[float]]] = {}

    def take(self, place: _Place, kinds: list[str], rows: Tensor, _is_hidden: bool) -> None:
        torch = importlib.import_module("torch")
        kept = self._kept.get(place, ())
        ordinary = torch.ones(rows.shape[1], dtype=torch.bool, device=rows.device)
        ordinary[list(kept)] = False
        plain = (_rounded(rows) - rows).double() ** 2
        rest = rows[:, ordinary]
        apart = (_rounded(rest) - rest).double() ** 2 if kept else plain
        energy = (rest.double() ** 2).sum()
        sums = [float(part) for part in (plain.sum(), plain[:, ordinary].sum(), apart.sum(), energy, rows.numel())]
        _, totals = self._sums.setdefault(place, (tuple(kinds), [0.0] * len(sums)))
        for number, value in enumerate(sums):
            totals[number] += value

    def rows(self) -> tuple[Int8Error, ...]:
        found = []
        for place, (kinds, (plain, ordinary, apart, energy, count)) in sorted(self._sums.items()):
            scale = math.sqrt(energy) or math.inf
            relative, relative_kept = math.sqrt(ordinary) / scale, math.sqrt(apart) / scale
            enlarged = bool(self._kept.get(place)) and relative >= _WORST_RATIO * relative_kept
            found.append(
                Int8Error(
                    layer=place.layer,
                    inputs_of=kinds,
                    rmse=math.sqrt(plain / count),
                    rmse_kept=math.sqrt(apart / count),
                    relative=relative,
                    relative_kept=relative_kept,
                    breaks=relative > _WORST_ERROR or enlarged,
                )
            )
        return tuple(found)


def _rounded(rows: Tensor) -> Tensor:
    """Round each row to whole multiples of its largest magnitude over 127."""
    torch = importlib.import_module("torch")
    scales = rows.abs().amax(dim=1, keepdim=True) / _INT8
    scales = torch.where(scales == 0, torch.ones_like(scales), scales)
    rounded: Tensor = (rows / scales).round() * scales
    return rounded


def _norm_gains(network: Any, hidden: int) -> tuple[NormGain, ...]:
    found = []
    for name, module in network.named_modules():
        if _is_norm(module) and module.weight.numel() == hidden:
            gains, centres = _gains(module, hidden)
            size = gains.abs()
            median = float(size.median())
            peak = float(size.max()) / median if median and not centres else None
            found.append(
                NormGain(
                    name=name,
                    kind="LayerNorm" if centres else "RMSNorm",
                    std=float(gains.std(correction=0)),
                    peak=peak,
                )
            )
    return tuple(found)


def _gains(module: Any, hidden: int) -> tuple[Tensor, bool]:
    """Find a norm's effective gains by trying it, since some store their distance from 1; and whether it centres."""
    torch = importlib.import_module("torch")
    weight = module.weight
    generator = torch.Generator().manual_seed(0)
    # Far from 0, so that nothing is divided by next to nothing.
    probe = (torch.rand(hidden, generator=generator) + 1) * (torch.arange(hidden) % 2 * 2 - 1)
    probe = (10 * probe).to(weight.device, weight.dtype)

    def odd(values: Tensor) -> Tensor:
        difference: Tensor = (module(values[None])[0] - module(-values[None])[0]).float() / 2
        return difference

    plain, shifted = odd(probe), odd(probe + 100)
    centres = bool((plain - shifted).abs().mean() < 0.1 * plain.abs().mean())
    exact = probe.float()
    centred = exact - exact.mean() if centres else exact
    return plain * centred.square().mean().sqrt() / centred, centres


def _spectral_norms(linears: Linears) -> tuple[SpectralNorm, ...]:
    return tuple(
        SpectralNorm(name=component.name, layer=component.layer, value=spectral_norm(component.weight()))
        for component in linears.components
        if "att" in component.kind.lower()
    )


def spectral_norm(weight: Tensor) -> float:
    """Estimate a matrix's largest singular value by power iteration, to about 1e-4 of it, from below."""
    torch = importlib.import_module("torch")
    matrix = weight.float()
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(matrix.shape[1], generator=generator).to(matrix.device)
    value = 0.0
    for _ in range(_POWER_STEPS):
        image = matrix.t() @ (matrix @ vector)
        length = float(image.norm())
        if length == 0:
            return 0.0
        vector = image / length
        before, value = value, math.sqrt(length)
        if abs(value - before) <= _TOLERANCE * value:
            break
    return float((matrix @ vector).norm())


def _sentence(
    dimensions: tuple[OutlierDimension, ...], breaks: tuple[int, ...], errors: tuple[Int8Error, ...], layers: int
) -> str:
    worst = max(errors, key=lambda row: row.relative)
    error = f"{worst.relative:.1%} in layer {worst.layer} ({worst.inputs_of[0]})"
    if not breaks:
        mild = f"; {len({row.index for row in dimensions})} outlier dimensions do not hurt it" if dimensions else ""
        return f"Plain INT8 will do: its error on activations is at most {error}{mild}."
    where = f"layer {breaks[0]}" if len(breaks) == 1 else f"{len(breaks)} of {layers} layers ({_listed(breaks)})"
    indices = sorted({row.index for row in dimensions})
    if not indices:
        return (
            f"Plain INT8 will not do: it breaks {where}, where single tokens are too uneven, with an error of up to "
            f"{error}; quantise weights alone there (w8a16), or smooth the activations (w8a8-smoothquant)."
        )
    kept = max(row.relative_kept for row in errors if row.breaks)
    named = f"dimension {indices[0]} breaks" if len(indices) == 1 else f"dimensions {_listed(indices)} break"
    return (
        f"Plain INT8 will not do: {named} {where}, with an error of up to {error}, or {kept:.1%} with them at 16 bits; "
        "keep them at 16 bits (LLM.int8), smooth them into the weights (w8a8-smoothquant), or quantise weights alone "
        "(w8a16)."
    )


def _listed(numbers: Iterable[int]) -> str:
    every = list(numbers)
    return ", ".join(map(str, every[:_SHOWN])) + (", ..." if len(every) > _SHOWN else "")
