"""Samples side by side through a model of transformers: prefill once per prompt, then one token of each per step."""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .picking import chosen_logprobs, pick_tokens, uniform_numbers

if TYPE_CHECKING:
    from ..engine import Sampling


_ROOM_TOKENS: Final = 64
"""Tokens that a cache grows by at once; each growth copies it."""


class Row(NamedTuple):
    """One sample to draw: its place among the draws, its prompt's tokens and its seed."""

    place: int
    prompt: list[int]
    seed: int


class Live:
    """One sample that is being drawn."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.tokens: list[int] = []
        self.logprobs: list[float] = []


class Batch:
    """Samples side by side in one cache: the tensors that a step needs, one row per sample."""

    def __init__(self, lives: list[Live | None], cache: Any, mask: Any, lengths: Any, uniform: Any) -> None:
        self.lives = lives
        self.cache = cache
        self.mask = mask
        self.lengths = lengths
        self.uniform = uniform
        self.step = 0


class Decoder:
    """A model on a device, and the passes that drawing and scoring consist of."""

    def __init__(self, model: Any, device: str) -> None:
        self._torch: Any = importlib.import_module("torch")
        self._cache_class: Any = importlib.import_module("transformers").DynamicCache
        self._model = model
        self._device = device
        self._accepted = inspect.signature(model.forward).parameters.keys()

    @property
    def can_leave_logits_out(self) -> bool:
        """Whether the model makes logits of the last tokens alone; else it makes those of all."""
        return "logits_to_keep" in self._accepted

    def prefill(self, rows: list[Row], sampling: Sampling) -> tuple[Batch, Any]:
        """Run each prompt once, on the right of its row, and give every sample its copy of the cache."""
        torch = self._torch
        places: dict[int, int] = {}
        for row in rows:
            places.setdefault(id(row.prompt), len(places))
        prompts = {places[id(row.prompt)]: row.prompt for row in rows}
        ids, mask = self.padded([prompts[number] for number in range(len(prompts))])
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        with torch.inference_mode():
            cache = self._cache_class(config=self._model.config)
            logits = self.forward(ids, mask, positions, cache)
            lengths = mask.sum(dim=1)
            if len(rows) > len(prompts):
                index = torch.tensor([places[id(row.prompt)] for row in rows], device=self._device)
                cache.batch_select_indices(index)
                logits, mask, lengths = logits[index], mask[index], lengths[index]
            _make_roomy(cache)
            # A batch without padding needs no mask, and attention is faster without.
            grown = None if bool(mask.all()) else torch.nn.functional.pad(mask, (0, sampling.max_tokens), value=1)
            uniform = None
            if sampling.temperature > 0:
                uniform = uniform_numbers([row.seed for row in rows], sampling.max_tokens, self._device)
        return Batch([Live(row) for row in rows], cache, grown, lengths, uniform), logits

    def pick(self, batch: Batch, logits: Any, sampling: Sampling) -> tuple[Any, Any]:
        """The next token of each sample, with its logprob where that is asked for: both (rows,)."""
        with self._torch.inference_mode():
            uniform = None if batch.uniform is None else batch.uniform[:, batch.step]
            tokens = pick_tokens(logits, uniform, sampling.temperature, sampling.top_p)
            return tokens, chosen_logprobs(logits, tokens) if sampling.logprobs else None

    def step(self, batch: Batch, tokens: Any) -> Any:
        """Read one token of each sample; returns the logits of the next: (rows, vocabulary)."""
        with self._torch.inference_mode():
            mask = None if batch.mask is None else batch.mask[:, : batch.cache.get_seq_length() + 1]
            logits = self.forward(tokens[:, None], mask, (batch.lengths + batch.step)[:, None], batch.cache)
            batch.step += 1
            return logits

    def keep(self, batch: Batch, alive: list[int], tokens: Any) -> Any:
        """Drop the samples that are finished; returns the tokens of the others."""
        with self._torch.inference_mode():
            index = self._torch.tensor(alive, device=self._device)
            batch.cache.batch_select_indices(index)
            batch.lives = [batch.lives[number] for number in alive]
            batch.lengths = batch.lengths[index]
            batch.mask = None if batch.mask is None else batch.mask[index]
            batch.uniform = None if batch.uniform is None else batch.uniform[index]
            return tokens[index]

    def forward(self, ids: Any, mask: Any, positions: Any, cache: Any, keep: int = 1) -> Any:
        """The logits of the last `keep` tokens in 32 bits: (rows, vocabulary), or (rows, keep, vocabulary)."""
        extra: dict[str, Any] = {"position_ids": positions, "logits_to_keep": keep, "past_key_values": cache}
        accepted = {name: value for name, value in extra.items() if name in self._accepted and value is not None}
        output = self._model(input_ids=ids, attention_mask=mask, use_cache=cache is not None, **accepted)
        logits = output.logits[:, -keep:].float()
        return logits[:, 0] if keep == 1 else logits

    def padded(self, prompts: list[list[int]]) -> tuple[Any, Any]:
        """Prompts side by side, padded on the left, with their mask."""
        longest = max(map(len, prompts))
        ids = [[0] * (longest - len(prompt)) + prompt for prompt in prompts]
        mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        return self._torch.tensor(ids, device=self._device), self._torch.tensor(mask, device=self._device)


def _make_roomy(cache: Any) -> None:
    """Let the layers of a cache grow in steps; those of other kinds, such as sliding windows, stay what they are."""
    plain, roomy = _layer_classes()
    for layer in cache.layers:
        if type(layer) is plain:
            layer.__class__ = roomy


@functools.cache
def _layer_classes() -> tuple[type, type]:
    """The layer of transformers that copies all that it holds for every token, and one that does so now and then."""
    torch: Any = importlib.import_module("torch")
    plain: Any = importlib.import_module("transformers.cache_utils").DynamicLayer

    class RoomyLayer(plain):  # type: ignore[misc]  # a class that is only known where transformers is
        """Writes new keys and values behind the others, into memory that was taken beforehand."""

        keys: Any
        values: Any
        _held: tuple[Any, ...] | None = None

        def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            start = self.keys.shape[-2]
            end = start + key_states.shape[-2]
            if self._held is None or self._held[0].shape[-2] < end:
                room = (0, 0, 0, end - start + _ROOM_TOKENS)
                self._held = tuple(torch.nn.functional.pad(held, room) for held in (self.keys, self.values))
            self.keys, self.values = (
                _written(held, new, start, end)
                for held, new in zip(self._held, (key_states, value_states), strict=True)
            )
            return self.keys, self.values

        def batch_select_indices(self, indices: Any) -> None:
            if self._held is None:
                super().batch_select_indices(indices)
                return
            length = self.keys.shape[-2]
            self._held = tuple(held[indices] for held in self._held)
            self.keys, self.values = (held[..., :length, :] for held in self._held)

    def _written(held: Any, new: Any, start: int, end: int) -> Any:
        held[..., start:end, :] = new
        return held[..., :end, :]

    return plain, RoomyLayer
