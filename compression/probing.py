"""A model with some components changed, measured against itself as it was, without running again what did not change.

The texts are read once per batch by the unchanged model, and what each layer gives is kept. With a component of layer l
changed, the layers below l give what they gave, so that only those from l on are run: a sweep over n components costs
about n partial passes, half a pass each on the average.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np

from .._util.progress import Progress, silent
from ..errors import EngineError
from .divergence import PerPrompt, per_prompt
from .pruning import summing_inputs
from .rtn import fake_quantise_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from .linears import Component, Linears
    from .recipes import Recipe

_TOLERANCE: Final = 0.05
"""Most by which logprobs of a pass that reuses layers may differ from a whole one's, in nats: rounding of 16 bits."""


class Reading(Protocol):
    """A model's choices along a text."""

    @property
    def ids(self) -> Sequence[int]:
        """Likeliest token at each place."""

    @property
    def logprobs(self) -> Sequence[float]:
        """Natural logprob of the text's own token at each place."""


class Row(NamedTuple):
    """A text to read: the tokens before, and those after, at which choices are taken.

    The last `diverging` of `after` are the original's greedy continuation, and the first `scored` are a text by others,
    whose perplexity counts. One text can be both.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    diverging: int
    scored: int


class Change(NamedTuple):
    """A change of one component.

    `weight` makes its new weight, (outputs, inputs); the old one is put back afterwards. `recipe` rounds its inputs.
    With `rows`, all of this holds for so many of its first outputs alone.
    """

    component: Component
    weight: Callable[[], Tensor]
    recipe: Recipe | None = None
    rows: int | None = None


class Measured(NamedTuple):
    """Divergence per prompt along the continuations, and the mean negative logprob of scored tokens, in nats."""

    values: PerPrompt
    nll: float

    @property
    def fdt(self) -> float:
        """Mean first divergent token."""
        return float(self.values.fdt.mean())

    @property
    def sdt(self) -> float:
        """Mean number of divergent tokens."""
        return float(self.values.sdt.mean())

    @property
    def perplexity(self) -> float:
        """Perplexity of the texts that are scored."""
        return math.exp(min(self.nll, 700.0))

    def fdt_reached_by(self, share: float) -> float:
        """The largest FDT that at least this share of prompts reaches."""
        ordered = np.sort(self.values.fdt)[::-1]
        return float(ordered[int(np.ceil(share * len(ordered))) - 1])


class Probe:
    """A loaded model and the texts to measure its changes on.

    `reads` counts passes over all texts, and `equivalent` the share of layers run in them: a full pass is 1.

    Args:
        network: A transformers decoder.
        linears: Its components.
        batches: Texts, as they are read together in one pass; some with a continuation.
        read: Reads a batch of pairs in one pass of the network.
    """

    def __init__(self, network: Any, linears: Linears, batches: Sequence[Sequence[Row]], read: Any) -> None:
        self._network = network
        self.linears = linears
        self._batches = batches
        self._read: Callable[[Sequence[tuple[Sequence[int], Sequence[int]]]], Sequence[Reading]] = read
        self.reads = 0.0
        self.equivalent = 0.0

    @property
    def texts(self) -> list[Row]:
        """All texts, batch by batch."""
        return [text for batch in self._batches for text in batch]

    def input_norms(self, most_texts: int = 64) -> dict[str, Tensor]:
        """Measure the Euclidean norm of each input of each component over some texts, by component name."""
        with summing_inputs(self.linears.components) as sums:
            # One at a time: padding would count as text.
            for text in self.texts[:most_texts]:
                self._read([(text.before, text.after)])
        some = min(most_texts, len(self.texts)) / len(self.texts)
        self.reads += some
        self.equivalent += some
        return {name: total.sqrt() for name, total in sums.items()}

    def together(self, changes: Sequence[Change]) -> Measured:
        """Measure the model with all changes at once."""
        with contextlib.ExitStack() as stack:
            for change in changes:
                stack.enter_context(_applied(change))
            found = [self._read_batch(batch) for batch in self._batches]
        self.reads += 1
        self.equivalent += 1
        return _measured(self.texts, [row for rows in found for row in rows])

    def each(self, changes: Sequence[Change], progress: Progress = silent) -> list[Measured]:
        """Measure the model with each change alone.

        Raises:
            EngineError: What a layer gave cannot be used again in this model.
        """
        found: list[list[Reading]] = [[] for _ in changes]
        count, done = len(self.linears.layers), 0
        order = sorted(range(len(changes)), key=lambda place: changes[place].component.layer)
        for batch in self._batches:
            share = len(batch) / len(self.texts)
            with self._recorded() as outputs:
                plain = self._read_batch(batch)
            self._check_reuse(batch, plain, outputs)
            self.reads += 2 * share
            self.equivalent += (2 - (count // 2) / count) * share
            for place in order:
                change = changes[place]
                with self._replayed(outputs, change.component.layer), _applied(change):
                    found[place] += self._read_batch(batch)
                self.reads += share
                self.equivalent += (1 - change.component.layer / count) * share
                done += 1
                progress("components", done, len(changes) * len(self._batches))
        return [_measured(self.texts, rows) for rows in found]

    def _read_batch(self, batch: Sequence[Row]) -> list[Reading]:
        return list(self._read([(text.before, text.after) for text in batch]))

    def _check_reuse(self, batch: Sequence[Row], plain: list[Reading], outputs: list[Any]) -> None:
        """Prove on the batch at hand that the upper half of the layers needs nothing else from the lower half."""
        with self._replayed(outputs, len(outputs) // 2):
            again = self._read_batch(batch)
        for before, after in zip(plain, again, strict=True):
            if not np.allclose(before.logprobs, after.logprobs, rtol=0, atol=_TOLERANCE):
                raise EngineError(
                    f"the layers of {type(self._network).__name__} hand on more than hidden states, so components of "
                    "this model cannot be measured one by one"
                )

    @contextlib.contextmanager
    def _recorded(self) -> Iterator[list[Any]]:
        """Keep what each layer gives."""
        outputs: list[Any] = [None] * len(self.linears.layers)

        def keeping(place: int) -> Any:
            def keep(_module: Any, _inputs: Any, output: Any) -> None:
                outputs[place] = output

            return keep

        handles = [layer.register_forward_hook(keeping(place)) for place, layer in enumerate(self.linears.layers)]
        try:
            yield outputs
        finally:
            for handle in handles:
                handle.remove()

    @contextlib.contextmanager
    def _replayed(self, outputs: list[Any], first: int) -> Iterator[None]:
        """Have the layers below the first one give what they gave."""

        def giving(output: Any) -> Any:
            return lambda *_inputs, **_named: output

        layers = self.linears.layers[:first]
        before = [layer.__dict__.get("forward") for layer in layers]
        for layer, output in zip(layers, outputs, strict=False):
            layer.forward = giving(output)
        try:
            yield
        finally:
            for layer, own in zip(layers, before, strict=True):
                if own is None:
                    del layer.forward
                else:
                    layer.forward = own


def _measured(rows: Sequence[Row], readings: Sequence[Reading]) -> Measured:
    pairs = [(row, reading) for row, reading in zip(rows, readings, strict=True) if row.diverging]
    values = per_prompt(
        [row.after[-row.diverging :] for row, _ in pairs],
        [reading.ids[-row.diverging :] for row, reading in pairs],
        [reading.logprobs[-row.diverging :] for row, reading in pairs],
    )
    scored = [-value for row, reading in zip(rows, readings, strict=True) for value in reading.logprobs[: row.scored]]
    return Measured(values, float(np.mean(scored)) if scored else 0.0)


@contextlib.contextmanager
def _applied(change: Change) -> Iterator[None]:
    """Change a component for as long as the block lasts."""
    component, recipe = change.component, change.recipe
    rounds = recipe is not None and recipe.activation_bits < 16
    if change.rows is not None:
        with _in_part(change, change.rows):
            yield
        return
    before = component.weight().clone()
    component.put(change.weight())
    handle = None
    if rounds and recipe is not None:
        handle = component.module.register_forward_pre_hook(
            lambda _module, inputs: (fake_quantise_tokens(inputs[0], recipe), *inputs[1:])
        )
    try:
        yield
    finally:
        component.put(before)
        if handle is not None:
            handle.remove()


@contextlib.contextmanager
def _in_part(change: Change, rows: int) -> Iterator[None]:
    """Change the first outputs alone: they are computed apart, from rounded inputs if the recipe says so."""
    torch = importlib.import_module("torch")
    component, recipe = change.component, change.recipe
    weight = change.weight()[:rows]
    bias = getattr(component.module, "bias", None)

    def replace(_module: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        entering = inputs[0] if recipe is None else fake_quantise_tokens(inputs[0], recipe)
        part = torch.nn.functional.linear(entering, weight, None if bias is None else bias[:rows])
        return torch.cat([part.to(output.dtype), output[..., rows:]], dim=-1)

    handle = component.module.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()
