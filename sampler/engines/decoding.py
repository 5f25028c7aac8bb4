"""Batched samples through a transformers model: prefill once per prompt, then one token of each per step."""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine import Sampling


class DecodingRow(NamedTuple):
    """One sample to draw: its place among the draws, its prompt's tokens and its seed."""

    place: int
    prompt: list[int]
    seed: int


class Live:
    """One sample being drawn; `forced` are the next tokens where they are not for the model to pick."""

    def __init__(self, row: DecodingRow) -> None:
        self.row = row
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        self.forced: list[int] = []


class Cache(NamedTuple):
    """A model's keys and values, and the name by which the model returns and accepts them."""

    name: str
    content: Any


class Batch:
    """Samples side by side in one cache: the tensors that a step needs, one row per sample.

    `mask` covers the samples' full length; it is None where no prompt is padded.
    """

    def __init__(self, lives: list[Live | None], cache: Cache, mask: Any, lengths: Any, uniform: Any) -> None:
        self.lives = lives
        self.cache = cache
        self.mask = mask
        self.lengths = lengths
        self.uniform = uniform
        self.step = 0


class Decoder:
    """A model on a device, with the passes for drawing and scoring."""

    def __init__(self, model: Any, device: str) -> None:
        self._torch: Any = importlib.import_module("torch")
        self._cache_class: Any = importlib.import_module("transformers").Cache
        self._model = model
        self._device = device
        self.kv_bytes = 0

    @property
    def weight_bytes(self) -> int:
        """Bytes of the model's parameters and buffers, where several share one each once."""
        held = {tensor.data_ptr(): tensor.nbytes for tensor in (*self._model.parameters(), *self._model.buffers())}
        return sum(held.values())

    def look(self, batch: Batch) -> None:
        """Note what a batch's cache holds, in `kv_bytes`: the most so far."""
        self.kv_bytes = max(self.kv_bytes, _tensor_bytes(batch.cache.content))

    @property
    def network(self) -> Any:
        """The transformers model."""
        return self._model

    def prefill(self, rows: list[DecodingRow], sampling: Sampling) -> tuple[Batch, Any]:
        """Run each prompt once, on the right of its row, and give every sample its copy of the cache.

        Raises:
            EngineError: The model returns no cache that can be shared out.
        """
        torch = self._torch
        places: dict[int, int] = {}
        for row in rows:
            places.setdefault(id(row.prompt), len(places))
        prompts = {places[id(row.prompt)]: row.prompt for row in rows}
        ids, mask = self._padded([prompts[number] for number in range(len(prompts))])
        with torch.inference_mode():
            output = self._model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=_positions(mask),
                use_cache=True,
                logits_to_keep=1,
            )
            cache = self._returned_cache(output)
            logits, lengths = output.logits[:, -1].float(), mask.sum(dim=1)
            if len(rows) > len(prompts):
                index = torch.tensor([places[id(row.prompt)] for row in rows], device=self._device)
                cache.content.batch_select_indices(index)
                logits, mask, lengths = logits[index], mask[index], lengths[index]
            # Without padding no mask is needed, and attention is faster without.
            grown = None if bool(mask.all()) else torch.nn.functional.pad(mask, (0, sampling.max_tokens), value=1)
            uniform = None
            if sampling.temperature > 0:
                uniform = uniform_numbers([row.seed for row in rows], sampling.max_tokens, self._device)
        return Batch([Live(row) for row in rows], cache, grown, lengths, uniform), logits

    def pick(self, batch: Batch, logits: Any, sampling: Sampling) -> tuple[Any, Any]:
        """Pick each sample's next token, with its logprob where requested: both (rows,)."""
        with self._torch.inference_mode():
            uniform = None if batch.uniform is None else batch.uniform[:, batch.step]
            tokens = pick_tokens(logits, uniform, sampling.temperature, sampling.top_p)
            for number, live in enumerate(batch.lives):
                if live is not None and live.forced:
                    tokens[number] = live.forced.pop(0)
            return tokens, chosen_logprobs(logits, tokens) if sampling.logprobs else None

    def step(self, batch: Batch, tokens: Any) -> Any:
        """Read one token of each sample; returns the logits of the next: (rows, vocabulary)."""
        with self._torch.inference_mode():
            name, cache = batch.cache
            output = self._model(
                input_ids=tokens[:, None],
                attention_mask=None if batch.mask is None else batch.mask[:, : cache.get_seq_length() + 1],
                position_ids=(batch.lengths + batch.step)[:, None],
                use_cache=True,
                logits_to_keep=1,
                **{name: cache},
            )
            batch.step += 1
            return output.logits[:, -1].float()

    def keep(self, batch: Batch, alive: list[int], tokens: Any) -> Any:
        """Drop finished samples; returns the tokens of the others."""
        # A cache is at its largest just before.
        self.look(batch)
        with self._torch.inference_mode():
            index = self._torch.tensor(alive, device=self._device)
            batch.cache.content.batch_select_indices(index)
            batch.lives = [batch.lives[number] for number in alive]
            batch.lengths = batch.lengths[index]
            batch.mask = None if batch.mask is None else batch.mask[index]
            batch.uniform = None if batch.uniform is None else batch.uniform[index]
            return tokens[index]

    def score(self, texts: list[list[int]], keep: int) -> tuple[Any, Any]:
        """Run one pass over batched texts, with no cache.

        Returns:
            The logits at the last `keep` tokens, (texts, keep, vocabulary), in 32 bits; and the texts' ids, padded on
            the left: (texts, longest).
        """
        with self._torch.inference_mode():
            ids, mask = self._padded(texts)
            output = self._model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=_positions(mask),
                use_cache=False,
                logits_to_keep=keep,
            )
            return output.logits[:, -keep:].float(), ids

    def plain_logits(self, text: list[int]) -> Any:
        """Compute one text's logits by the model's plainest call: (tokens, vocabulary), in 32 bits."""
        with self._torch.inference_mode():
            ids = self._torch.tensor([text], device=self._device)
            return self._model(input_ids=ids).logits[0].float()

    def _returned_cache(self, output: Any) -> Cache:
        for name, value in output.items():
            if isinstance(value, self._cache_class):
                return Cache(name, value)
        raise EngineError(
            f"transformers' {type(self._model).__name__} returns no cache: draw with vllm or from a server"
        )

    def _padded(self, texts: list[list[int]]) -> tuple[Any, Any]:
        """Batch texts, padded on the left, with their mask."""
        longest = max(map(len, texts))
        ids = [[0] * (longest - len(text)) + text for text in texts]
        mask = [[0] * (longest - len(text)) + [1] * len(text) for text in texts]
        return self._torch.tensor(ids, device=self._device), self._torch.tensor(mask, device=self._device)


def _tensor_bytes(cache: Any) -> int:
    """Sum the tensors of a cache, which has them in its layers, or in lists by layer."""
    tensor: Any = importlib.import_module("torch").Tensor
    waiting, found = [cache], {}
    while waiting:
        held = waiting.pop()
        if isinstance(held, tensor):
            found[held.data_ptr()] = held.nbytes
        elif isinstance(held, list | tuple):
            waiting += held
        elif isinstance(held, dict):
            waiting += held.values()
        elif type(held).__module__.startswith("transformers.") and hasattr(held, "__dict__"):
            waiting += vars(held).values()
    return sum(found.values())


def _positions(mask: Any) -> Any:
    """Place each token in its text, 0 for padding."""
    return (mask.cumsum(dim=1) - 1).clamp(min=0)


_CANDIDATES: Final = 64
"""Tokens sorted at first; for a row with a larger top-p set, the whole vocabulary is sorted."""


def uniform_numbers(seeds: Sequence[int], count: int, device: str) -> Any:
    """Make a row of numbers in [0, 1) per seed, dependent on that seed only: a tensor (seeds, count)."""
    torch = importlib.import_module("torch")
    rows = [torch.rand(count, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(rows).to(device)


def pick_tokens(logits: Any, uniform: Any, temperature: float, top_p: float) -> Any:
    """Pick each row's next token: the inverse of the cumulative distribution at its number.

    The distribution is nucleus sampling's (Holtzman et al. 2020, arXiv 1904.09751, section 3.1): the fewest tokens
    whose probability at the temperature reaches `top_p`, renormalised. Temperature 0 picks the likeliest token.

    Args:
        logits: (rows, vocabulary), in 32 bits.
        uniform: (rows,), in [0, 1).
        temperature: 0 or more.
        top_p: Above 0, at most 1.

    Returns:
        (rows,) token ids.
    """
    torch = importlib.import_module("torch")
    if temperature == 0:
        return logits.argmax(dim=-1)
    probabilities = torch.softmax(logits / temperature, dim=-1)
    if top_p == 1:
        cumulative = probabilities.cumsum(dim=-1)
        return _at(cumulative, torch.full_like(uniform, logits.shape[-1] - 1, dtype=torch.long), uniform)
    likeliest, order = probabilities.topk(min(_CANDIDATES, logits.shape[-1]), dim=-1)
    tokens = _from_nucleus(likeliest, order, uniform, top_p)
    wide = (likeliest.sum(dim=-1) < top_p).nonzero()[:, 0]
    if len(wide):
        everything, order = probabilities[wide].sort(dim=-1, descending=True)
        tokens[wide] = _from_nucleus(everything, order, uniform[wide], top_p)
    return tokens


def _from_nucleus(probabilities: Any, order: Any, uniform: Any, top_p: float) -> Any:
    """Pick tokens of rows in descending probability; `order` has each token."""
    cumulative = probabilities.cumsum(dim=-1)
    last = (cumulative < top_p).sum(dim=-1).clamp(max=cumulative.shape[-1] - 1)
    return order.gather(1, _at(cumulative, last, uniform)[:, None])[:, 0]


def _at(cumulative: Any, last: Any, uniform: Any) -> Any:
    """Find each row's number in its cumulative distribution, which ends at the place `last`."""
    torch = importlib.import_module("torch")
    kept = cumulative.gather(1, last[:, None])
    place = torch.searchsorted(cumulative, uniform[:, None] * kept, right=True)
    return torch.minimum(place, last[:, None])[:, 0]


def chosen_logprobs(logits: Any, tokens: Any) -> Any:
    """Take the natural log of the probability of each row's token at temperature 1: (rows,)."""
    return logits.gather(-1, tokens[..., None])[..., 0] - logits.logsumexp(dim=-1)


def certainty(logits: Any) -> Any:
    """Return the Kullback-Leibler divergence KL(U || p) of the uniform U and each row's p, in nats: (rows,).

    It is -(1/V) sum_j ln(V p_j) over the V tokens of the vocabulary (Kang et al. 2025, arXiv 2502.18581, section 3).
    """
    return logits.logsumexp(dim=-1) - logits.mean(dim=-1) - math.log(logits.shape[-1])
