"""Drawing and scoring with transformers, in batches, on the CPU or one GPU: the engine where vLLM is absent."""

from __future__ import annotations

import gc
import importlib
import inspect
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...errors import EngineError
from ..engine import Description, Generation
from .checkpoint import DTYPES, Checkpoint, check_precision, find_checkpoint
from .machine import available_memory_bytes, cpu_name, error_line
from .picking import chosen_logprobs, pick_tokens, uniform_numbers
from .tokens import TokenCodec, cut_at_stop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..engine import Draw, Prompt, Sampling

MOST_ROWS: Final = 128
"""Samples side by side where memory allows more: beyond it a CPU gains nothing."""

_MEMORY_SHARE: Final = 0.5
_LOGIT_COPIES: Final = 6
_SCORED_LOGIT_BYTES: Final = 1 << 28
_LEAST_FINISHED_SHARE: Final = 1 / 8
"""Share of a batch whose finished samples are worth dropping: that copies the cache once, as every step does."""


class _Row(NamedTuple):
    """One sample to draw: its place among the draws, its prompt's tokens and its seed."""

    place: int
    prompt: list[int]
    seed: int


class _Live:
    """One sample that is being drawn."""

    def __init__(self, row: _Row) -> None:
        self.row = row
        self.tokens: list[int] = []
        self.logprobs: list[float] = []


class _Batch:
    """Samples side by side in one cache: the tensors that a step needs, one row per sample."""

    def __init__(self, lives: list[_Live | None], cache: Any, mask: Any, lengths: Any, uniform: Any) -> None:
        self.lives = lives
        self.cache = cache
        self.mask = mask
        self.lengths = lengths
        self.uniform = uniform
        self.step = 0


class TransformersEngine:
    """A model of transformers and its tokenizer.

    A sample's randomness comes from its own seed alone. The prompts of a batch are prefilled once each and shared by
    their samples. Sums are rounded differently in batches of different shape, so a text is only promised to come out
    the same, on one machine, where samples are drawn one at a time (`most_rows` 1) on the CPU.

    Args:
        model: A folder, or an id of the hub.
        precision: fp32, bf16 or fp16, or that of a checkpoint which is quantised already.
        device: A device of torch, or `auto` for a GPU where there is one.
        max_model_tokens: Tokens of a prompt with its output, at most; None for the model's own context.
        most_rows: Samples side by side, at most.

    Raises:
        UserError: There is no such model, or not at this precision.
        EngineError: torch or transformers is missing, or the model cannot be loaded.
    """

    def __init__(
        self,
        model: str,
        precision: str,
        *,
        device: str = "auto",
        max_model_tokens: int | None = None,
        most_rows: int = MOST_ROWS,
    ) -> None:
        try:
            self._torch: Any = importlib.import_module("torch")
            self._transformers: Any = importlib.import_module("transformers")
        except ImportError as error:
            raise EngineError(
                f'the transformers engine lacks a package ({error}): pip install "codebudget[transformers]"'
            ) from None
        checkpoint = find_checkpoint(model)
        self._precision = check_precision(checkpoint, precision, online=(), engine="the transformers engine")
        self._device = ("cuda" if self._torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._most_rows = most_rows
        self._model, tokenizer = self._load(checkpoint)
        text_config = self._model.config.get_text_config()
        context = getattr(text_config, "max_position_embeddings", None)
        limits = [limit for limit in (max_model_tokens, context) if limit is not None]
        self._max_model_tokens: int | None = min(limits, default=None)
        self._codec = TokenCodec(tokenizer, model, self._max_model_tokens)
        ends = self._model.generation_config.eos_token_id
        self._ends = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
        self._accepted = inspect.signature(self._model.forward).parameters.keys()
        self._row_bytes_per_token = _cache_bytes_per_token(text_config, self._model.dtype.itemsize)
        self._vocabulary = text_config.vocab_size
        self._description = Description(
            engine="transformers",
            engine_version=f"{self._transformers.__version__}, torch {self._torch.__version__}",
            model=model,
            revision=checkpoint.revision,
            precision=self._precision,
            device=self._device_name(),
            max_model_tokens=self._max_model_tokens,
            exact=most_rows == 1 and self._device == "cpu",
        )

    def describe(self) -> Description:
        """What it is."""
        return self._description

    def generate(self, draws: Sequence[Draw], sampling: Sampling) -> Iterator[tuple[int, Generation]]:
        """Draw every sample; see `Engine.generate`."""
        if self._model is None:
            raise EngineError("the engine is closed")
        prompts = self._codec.draws_ids(draws)
        rows = [_Row(place, prompt, draw.seed) for place, (prompt, draw) in enumerate(zip(prompts, draws, strict=True))]
        return self._generate(rows, sampling)

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> list[tuple[float, ...]]:
        """The logprobs of each completion's tokens, which are made apart from the prompt's; see `Engine.score`."""
        if self._model is None:
            raise EngineError("the engine is closed")
        pairs = [self._codec.scored_ids(prompt, completion) for prompt, completion in texts]
        scores: list[tuple[float, ...]] = [()] * len(pairs)
        lengths = [len(before) + len(after) for before, after in pairs]
        scored = [place for place, (_, after) in enumerate(pairs) if after]
        order = sorted(scored, key=lambda place: -lengths[place])
        start = 0
        while start < len(order):
            longest = max(len(pairs[place][1]) for place in order[start : start + self._most_rows])
            rows = _SCORED_LOGIT_BYTES // (4 * (longest + 1) * self._vocabulary)
            some = order[start : start + max(1, min(self._most_rows, rows))]
            for place, score in zip(some, self._scored([pairs[place] for place in some]), strict=True):
                scores[place] = score
            start += len(some)
        return scores

    def close(self) -> None:
        """Give the model's memory back."""
        self._model = None
        gc.collect()
        if self._device.startswith("cuda"):
            self._torch.cuda.empty_cache()

    def _generate(self, rows: list[_Row], sampling: Sampling) -> Iterator[tuple[int, Generation]]:
        finishing = self._codec.finishing_ids(sampling.stop) if sampling.stop else frozenset()
        first = {id(row.prompt): row.place for row in reversed(rows)}
        # The longest first, so that what does not fit shows at once; draws of one prompt together.
        waiting = sorted(rows, key=lambda row: (-len(row.prompt), first[id(row.prompt)], row.place))
        most = self._most_rows
        while waiting:
            most = min(most, self._fitting_rows(len(waiting[0].prompt) + sampling.max_tokens))
            some = waiting[:most]
            done: set[int] = set()
            try:
                for place, generation in self._draw_batch(some, sampling, finishing):
                    done.add(place)
                    yield place, generation
            except self._torch.OutOfMemoryError as error:
                if len(some) == 1:
                    raise EngineError(
                        f"{self._description.model} does not fit {self._device}: {error_line(error)}"
                    ) from None
                self._torch.cuda.empty_cache()
                most = len(some) // 2
            waiting = [row for row in some if row.place not in done] + waiting[len(some) :]

    def _draw_batch(
        self, rows: list[_Row], sampling: Sampling, finishing: frozenset[int] | None
    ) -> Iterator[tuple[int, Generation]]:
        batch, logits = self._prefill(rows, sampling)
        while True:
            tokens, logprobs = self._pick(batch, logits, sampling)
            chosen, known = tokens.tolist(), None if logprobs is None else logprobs.tolist()
            for number, live in enumerate(batch.lives):
                if live is None:
                    continue
                live.tokens.append(chosen[number])
                if known is not None:
                    live.logprobs.append(known[number])
                generation = self._finished(live, sampling, finishing)
                if generation is not None:
                    batch.lives[number] = None
                    yield live.row.place, generation
            alive = [number for number, live in enumerate(batch.lives) if live is not None]
            if not alive:
                return
            if len(batch.lives) - len(alive) >= max(1, len(batch.lives) * _LEAST_FINISHED_SHARE):
                tokens = self._keep(batch, alive, tokens)
            logits = self._step(batch, tokens)

    def _finished(self, live: _Live, sampling: Sampling, finishing: frozenset[int] | None) -> Generation | None:
        """The sample's text if its last token ended it."""
        prompt, tokens = live.row.prompt, live.tokens
        token = tokens[-1]
        room = len(tokens) == self._most_outputs(live.row, sampling)
        ended = token in self._ends
        text = None
        if sampling.stop and not ended and (finishing is None or token in finishing):
            # A character takes four tokens at most, and a token that holds none is rare.
            tail = 4 * max(map(len, sampling.stop)) + 4
            before = tokens[:-tail] if len(tokens) > tail else []
            if cut_at_stop(self._codec.text(before or prompt, tokens[len(before) :]), sampling.stop) is not None:
                text = cut_at_stop(self._codec.text(prompt, tokens), sampling.stop)
        if not (ended or room or text is not None):
            return None
        if text is None:
            whole = self._codec.text(prompt, tokens)
            text = cut_at_stop(whole, sampling.stop)
            ended = ended or text is not None
            text = whole if text is None else text
        else:
            ended = True
        return Generation(
            text=text,
            finish_reason="stop" if ended else "length",
            prompt_tokens=len(prompt),
            output_tokens=len(tokens),
            logprobs=tuple(live.logprobs) if sampling.logprobs else None,
        )

    def _prefill(self, rows: list[_Row], sampling: Sampling) -> tuple[_Batch, Any]:
        """Run each prompt once, on the right of its row, and give every sample its copy of the cache."""
        torch = self._torch
        places: dict[int, int] = {}
        for row in rows:
            places.setdefault(id(row.prompt), len(places))
        prompts = {places[id(row.prompt)]: row.prompt for row in rows}
        ids, mask = self._padded([prompts[number] for number in range(len(prompts))])
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        with torch.inference_mode():
            cache = self._transformers.DynamicCache(config=self._model.config)
            logits = self._forward(ids, mask, positions, cache)
            lengths = mask.sum(dim=1)
            if len(rows) > len(prompts):
                index = torch.tensor([places[id(row.prompt)] for row in rows], device=self._device)
                cache.batch_select_indices(index)
                logits, mask, lengths = logits[index], mask[index], lengths[index]
            # A batch without padding needs no mask, and attention is faster without.
            grown = None if bool(mask.all()) else torch.nn.functional.pad(mask, (0, sampling.max_tokens), value=1)
            uniform = None
            if sampling.temperature > 0:
                uniform = uniform_numbers([row.seed for row in rows], sampling.max_tokens, self._device)
        return _Batch([_Live(row) for row in rows], cache, grown, lengths, uniform), logits

    def _pick(self, batch: _Batch, logits: Any, sampling: Sampling) -> tuple[Any, Any]:
        with self._torch.inference_mode():
            uniform = None if batch.uniform is None else batch.uniform[:, batch.step]
            tokens = pick_tokens(logits, uniform, sampling.temperature, sampling.top_p)
            return tokens, chosen_logprobs(logits, tokens) if sampling.logprobs else None

    def _step(self, batch: _Batch, tokens: Any) -> Any:
        with self._torch.inference_mode():
            mask = None if batch.mask is None else batch.mask[:, : batch.cache.get_seq_length() + 1]
            logits = self._forward(tokens[:, None], mask, (batch.lengths + batch.step)[:, None], batch.cache)
            batch.step += 1
            return logits

    def _keep(self, batch: _Batch, alive: list[int], tokens: Any) -> Any:
        """Drop the samples that are finished; returns the tokens of the others."""
        with self._torch.inference_mode():
            index = self._torch.tensor(alive, device=self._device)
            batch.cache.batch_select_indices(index)
            batch.lives = [batch.lives[number] for number in alive]
            batch.lengths = batch.lengths[index]
            batch.mask = None if batch.mask is None else batch.mask[index]
            batch.uniform = None if batch.uniform is None else batch.uniform[index]
            return tokens[index]

    def _forward(self, ids: Any, mask: Any, positions: Any, cache: Any, keep: int = 1) -> Any:
        """The logits of the last `keep` tokens in 32 bits: (rows, vocabulary), or (rows, keep, vocabulary)."""
        extra: dict[str, Any] = {"position_ids": positions, "logits_to_keep": keep, "past_key_values": cache}
        accepted = {name: value for name, value in extra.items() if name in self._accepted and value is not None}
        output = self._model(input_ids=ids, attention_mask=mask, use_cache=cache is not None, **accepted)
        logits = output.logits[:, -keep:].float()
        return logits[:, 0] if keep == 1 else logits

    def _scored(self, pairs: list[tuple[list[int], list[int]]]) -> list[tuple[float, ...]]:
        torch = self._torch
        ids, mask = self._padded([before + after for before, after in pairs])
        keep = max(len(after) for _, after in pairs) + 1
        with torch.inference_mode():
            logits = self._forward(ids, mask, (mask.cumsum(dim=1) - 1).clamp(min=0), None, keep)
            scores = chosen_logprobs(logits[:, :-1], ids[:, 1 - keep :]).tolist()
        return [tuple(row[len(row) - len(after) :]) for row, (_, after) in zip(scores, pairs, strict=True)]

    def _padded(self, prompts: list[list[int]]) -> tuple[Any, Any]:
        """Prompts side by side, padded on the left, with their mask."""
        longest = max(map(len, prompts))
        ids = [[0] * (longest - len(prompt)) + prompt for prompt in prompts]
        mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        return self._torch.tensor(ids, device=self._device), self._torch.tensor(mask, device=self._device)

    def _most_outputs(self, row: _Row, sampling: Sampling) -> int:
        if self._max_model_tokens is None:
            return sampling.max_tokens
        return min(sampling.max_tokens, self._max_model_tokens - len(row.prompt))

    def _fitting_rows(self, tokens: int) -> int:
        """Samples of so many tokens that fit into the memory that is free."""
        if self._device.startswith("cuda"):
            free = self._torch.cuda.mem_get_info(self._device)[0]
        else:
            free = available_memory_bytes() or 1 << 30
        row_bytes: int = self._row_bytes_per_token * tokens + _LOGIT_COPIES * 4 * self._vocabulary
        return max(1, int(free * _MEMORY_SHARE) // row_bytes)

    def _load(self, checkpoint: Checkpoint) -> tuple[Any, Any]:
        chosen: dict[str, Any] = {"revision": checkpoint.commit or "main"}
        placed = {"dtype": "auto", "device_map": self._device}
        if checkpoint.quantisation is None:
            placed = {"dtype": getattr(self._torch, DTYPES[self._precision])}
        self._transformers.utils.logging.set_verbosity_error()
        self._transformers.utils.logging.disable_progress_bar()
        try:
            tokenizer = self._transformers.AutoTokenizer.from_pretrained(checkpoint.source, **chosen)
            model = self._transformers.AutoModelForCausalLM.from_pretrained(checkpoint.source, **chosen, **placed)
            if checkpoint.quantisation is None:
                model = model.to(self._device)
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            raise EngineError(f"transformers cannot load {checkpoint.source}: {error_line(error)}") from None
        return model.eval(), tokenizer

    def _device_name(self) -> str:
        if self._device.startswith("cuda"):
            return str(self._torch.cuda.get_device_name(self._device))
        return cpu_name()


def _cache_bytes_per_token(config: Any, item_bytes: int) -> int:
    """Bytes of keys and values of one token over all layers, at most."""
    heads = config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // heads
    key_heads = getattr(config, "num_key_value_heads", None) or heads
    return int(2 * config.num_hidden_layers * key_heads * head_size * item_bytes)
