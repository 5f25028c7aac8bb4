"""Drawing and scoring with transformers, in batches, on the CPU or one GPU: the engine where vLLM is absent."""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import math
import statistics
import time
from typing import TYPE_CHECKING, Any, Final

from ..._util.bars import hidden_bars
from ..._util.machine import available_memory_bytes, cpu_flags, cpu_name
from ...errors import EngineError
from ...records import Likelihood
from ..engine import Description, EngineMemory, Generation, Sampling
from .checkpoint import DTYPES, Checkpoint, check_precision, find_checkpoint
from .decoding import Decoder, DecodingRow, Live, certainty, chosen_logprobs
from .forcing import batches, forced_choices, greedy_continuations
from .libraries import error_line, import_engine
from .selfcheck import (
    LIKELIEST,
    PROMPTS,
    TOKENS,
    TOLERANCE_16_BITS,
    TOLERANCE_32_BITS,
    Continuation,
    check_continuations,
)
from .tokens import TokenCodec, cut_at_stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..engine import Choices, Draw, MayStart, Prompt

_MOST_ROWS: Final = 128
"""Samples per batch where memory allows more: beyond this a CPU gains nothing, unless the model is small."""

_MOST_ROWS_OF_SMALL: Final = 512
_SMALL_PARAMETERS: Final = 50_000_000
"""Size below which a step's calls take longer than its arithmetic, until there are more rows."""

_DECODER_VERSION: Final = 2
"""Version, raised when an earlier decoder's samples must not pass for this one's."""

_MEMORY_SHARE: Final = 0.5
_LOGIT_COPIES: Final = 6
_SCORED_LOGIT_BYTES: Final = 1 << 28
_LEAST_FINISHED_SHARE: Final = 1 / 8
"""Share of finished samples in a batch worth dropping: it copies the cache once, as every step does."""

_HALF_PRECISION_FLAGS: Final = {
    "bfloat16": {"avx512_bf16", "amx_bf16", "bf16"},
    "float16": {"avx512_fp16", "amx_fp16", "asimdhp"},
}
"""Flags of 16-bit processors, by /proc/cpuinfo."""

_CHECK_S: Final = 0.5
_CHECK_LOADING_SHARE: Final = 0.01
_CHECK_LEAST_TOKENS: Final = 4
"""Tokens before which no self-check ends early; later it does where it takes over these seconds and this share of
loading."""


class TransformersEngine:
    """A transformers model and its tokenizer.

    Before the first sample it checks itself: see `check`. A sample's randomness comes only from its own seed. Each
    prompt of a batch is prefilled once and shared by its samples. Sums are rounded differently in batches of different
    shape, so a text is only guaranteed to come out the same, on one machine, where samples are drawn one at a time
    (`most_rows` 1) on the CPU.

    Args:
        model: A folder, or a hub id.
        precision: fp32, bf16 or fp16, or that of an already quantised checkpoint.
        device: A torch device, or `auto` for a GPU where there is one.
        max_model_tokens: Most tokens of a prompt with its output; None for the model's own context.
        most_rows: Most samples per batch; None for 128, or 512 for a small model.

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
        most_rows: int | None = None,
    ) -> None:
        import_engine("transformers")
        self._torch: Any = importlib.import_module("torch")
        self._transformers: Any = importlib.import_module("transformers")
        checkpoint = find_checkpoint(model)
        self._precision = check_precision(checkpoint, precision, online=(), engine="the transformers engine")
        self._device = ("cuda" if self._torch.cuda.is_available() else "cpu") if device == "auto" else device
        started = time.monotonic()
        network, tokenizer = self._load(checkpoint)
        small = network.num_parameters() < _SMALL_PARAMETERS
        self._most_rows = most_rows or (_MOST_ROWS_OF_SMALL if small else _MOST_ROWS)
        text_config = network.config.get_text_config()
        context = getattr(text_config, "max_position_embeddings", None)
        limits = [limit for limit in (max_model_tokens, context) if limit is not None]
        self._max_model_tokens: int | None = min(limits, default=None)
        self._codec = TokenCodec(tokenizer, model, self._max_model_tokens)
        ends = network.generation_config.eos_token_id
        self._ends = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
        self._decoder: Decoder | None = Decoder(network, self._device)
        self._row_bytes_per_token = _cache_bytes_per_token(text_config, network.dtype.itemsize)
        self._vocabulary = text_config.vocab_size
        self._dtype = network.dtype
        self._check_s = max(_CHECK_S, _CHECK_LOADING_SHARE * (time.monotonic() - started))
        self._proof: str | None = None
        self._description = Description(
            engine="transformers",
            engine_version=(
                f"{self._transformers.__version__}, torch {self._torch.__version__}, decoder {_DECODER_VERSION}"
            ),
            model=model,
            revision=checkpoint.revision,
            precision=self._precision,
            device=self._device_name(network.dtype),
            max_model_tokens=self._max_model_tokens,
            exact=most_rows == 1 and self._device == "cpu",
        )

    def describe(self) -> Description:
        """Describe it."""
        return self._description

    def check(self) -> str:
        """Prove once that drawing agrees with one full pass; see `Engine.check`."""
        if self._proof is None:
            try:
                with self._unrounded_activations():
                    continuations, tolerance = self._continuations()
            except (RuntimeError, TypeError, ValueError, LookupError) as error:
                raise EngineError(
                    f"{self._name()} failed its self-check on {self._description.model}, so nothing was drawn: "
                    f"continuing two prompts side by side through the cache ended with {error_line(error)}"
                ) from error
            self._proof = check_continuations(self._name(), self._description.model, continuations, tolerance)
        return self._proof

    def generate(
        self, draws: Sequence[Draw], sampling: Sampling, may_start: MayStart | None = None
    ) -> Iterator[tuple[int, Generation]]:
        """Draw every sample; see `Engine.generate`."""
        self.check()
        if sampling.max_thinking_tokens is not None:
            self._codec.thought_tags()
        prompts = self._codec.draws_ids(draws, sampling.thinking)
        rows = [
            DecodingRow(place, prompt, draw.seed)
            for place, (prompt, draw) in enumerate(zip(prompts, draws, strict=True))
        ]
        return self._generate(rows, sampling)

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Score each completion, tokenized apart from the prompt; see `Engine.score`.

        Texts are batched as far as their logits stay within 256 MiB.
        """
        self.check()
        pairs = [self._codec.scored_ids(prompt, completion) for prompt, completion in texts]
        scores = [Likelihood((), prompt_tokens=len(before)) for before, _ in pairs]
        lengths = [len(before) + len(after) for before, after in pairs]
        scored = [place for place, (_, after) in enumerate(pairs) if after]
        order = sorted(scored, key=lambda place: -lengths[place])
        start = 0
        while start < len(order):
            positions = 1 + max(len(pairs[place][1]) for place in order[start : start + self._most_rows])
            rows = _SCORED_LOGIT_BYTES // (4 * positions * self._vocabulary)
            some = order[start : start + max(1, min(self._most_rows, rows))]
            try:
                found = self._scored([pairs[place] for place in some])
            except RuntimeError as error:
                raise EngineError(f"transformers failed: {error_line(error)}") from error
            for place, score in zip(some, found, strict=True):
                scores[place] = score
            start += len(some)
        return scores

    def memory(self) -> EngineMemory:
        """Tell the weights' bytes, the most that the cache held, and on a GPU the most that torch reserved."""
        decoder = self._open_decoder()
        on_gpu = self._device.startswith("cuda")
        return EngineMemory(
            "device" if on_gpu else "host",
            decoder.weight_bytes,
            decoder.kv_bytes or None,
            self._torch.cuda.max_memory_reserved(self._device) if on_gpu else None,
        )

    def vocabulary(self) -> str:
        """Key the tokenizer's tokens; see `TokenEngine.vocabulary`."""
        return self._codec.vocabulary_key()

    def prompt_ids(self, prompts: Sequence[str], tokens: int) -> list[list[int]]:
        """Tokenize prompts; see `TokenEngine.prompt_ids`."""
        return [self._codec.roomy_ids(prompt, tokens) for prompt in prompts]

    def continue_greedily(self, prompts: Sequence[Sequence[int]], tokens: int) -> list[tuple[int, ...]]:
        """Continue each prompt by exactly `tokens` tokens; see `TokenEngine.continue_greedily`."""
        self.check()
        with self._failing():
            return greedy_continuations(
                self._open_decoder(), prompts, tokens, lambda length: min(self._most_rows, self._fitting_rows(length))
            )

    def choices(
        self, texts: Sequence[tuple[Sequence[int], Sequence[int]]], *, most_rows: int | None = None
    ) -> list[Choices]:
        """Take the model's choices along each continuation; see `TokenEngine.choices`."""
        self.check()
        with self._failing():
            return forced_choices(self._open_decoder(), texts, self._vocabulary, most_rows or self._most_rows)

    def scored_ids(self, prompt: str, completion: str) -> tuple[list[int], list[int]]:
        """Tokenize a prompt and what follows it, apart.

        Raises:
            UserError: Both together are longer than the model's context.
        """
        return self._codec.scored_ids(prompt, completion)

    def batches(self, texts: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[int]]:
        """List the places of texts that `choices` reads together; such texts alone are read in one pass."""
        return list(batches(texts, self._vocabulary, self._most_rows))

    def alter(self, change: Callable[[Any], None], precision: str) -> None:
        """Change the loaded network in place, as a compression does, once it has passed its self-check.

        A network that rounds activations would not pass: a trace of a difference may round the other way.

        Args:
            change: Told the network, a transformers model.
            precision: What to call the result.

        Raises:
            EngineError: As `check`.
        """
        self.check()
        change(self._open_decoder().network)
        self._description = self._description.model_copy(update={"precision": precision})

    @property
    def network(self) -> Any:
        """The transformers model.

        Raises:
            EngineError: The engine is closed.
        """
        return self._open_decoder().network

    def close(self) -> None:
        """Free the model's memory."""
        self._decoder = None
        gc.collect()
        if self._device.startswith("cuda"):
            self._torch.cuda.empty_cache()

    def _generate(self, rows: list[DecodingRow], sampling: Sampling) -> Iterator[tuple[int, Generation]]:
        finishing = self._codec.finishing_ids(sampling.stop) if sampling.stop else frozenset()
        first = {id(row.prompt): row.place for row in reversed(rows)}
        # Longest first, so that what does not fit shows at once; draws of one prompt together.
        waiting = sorted(rows, key=lambda row: (-len(row.prompt), first[id(row.prompt)], row.place))
        most = self._most_rows
        while waiting:
            longest = len(waiting[0].prompt) + self._most_outputs(waiting[0], sampling)
            most = min(most, self._fitting_rows(longest))
            some = waiting[:most]
            done: set[int] = set()
            try:
                for place, generation in self._draw_batch(some, sampling, finishing):
                    done.add(place)
                    yield place, generation
            except self._torch.OutOfMemoryError as error:
                if len(some) == 1:
                    raise EngineError(
                        f"{self._description.model} does not fit on {self._device}: {error_line(error)}"
                    ) from None
                self._torch.cuda.empty_cache()
                most = len(some) // 2
            except RuntimeError as error:
                raise EngineError(f"transformers failed: {error_line(error)}") from error
            waiting = [row for row in some if row.place not in done] + waiting[len(some) :]

    def _draw_batch(
        self, rows: list[DecodingRow], sampling: Sampling, finishing: frozenset[int] | None
    ) -> Iterator[tuple[int, Generation]]:
        decoder = self._open_decoder()
        batch, logits = decoder.prefill(rows, sampling)
        while True:
            tokens, logprobs = decoder.pick(batch, logits, sampling)
            chosen, known = tokens.tolist(), None if logprobs is None else logprobs.tolist()
            for number, live in enumerate(batch.lives):
                if live is None:
                    continue
                live.tokens.append(chosen[number])
                if len(live.tokens) == sampling.max_thinking_tokens:
                    live.forced = self._codec.ending_thought(live.row.prompt, live.tokens)
                if known is not None:
                    live.logprobs.append(known[number])
                generation = self._finished(live, sampling, finishing)
                if generation is not None:
                    batch.lives[number] = None
                    yield live.row.place, generation
            alive = [number for number, live in enumerate(batch.lives) if live is not None]
            if not alive:
                decoder.look(batch)
                return
            if len(batch.lives) - len(alive) >= max(1, len(batch.lives) * _LEAST_FINISHED_SHARE):
                tokens = decoder.keep(batch, alive, tokens)
            logits = decoder.step(batch, tokens)

    def _finished(self, live: Live, sampling: Sampling, finishing: frozenset[int] | None) -> Generation | None:
        """Return a sample's text if just ended."""
        prompt, tokens = live.row.prompt, live.tokens
        token = tokens[-1]
        room = len(tokens) == self._most_outputs(live.row, sampling)
        ended = token in self._ends
        text = None
        if sampling.stop and not ended and (finishing is None or token in finishing):
            # A character takes at most four tokens, and a token that holds none is rare.
            tail = 4 * max(map(len, sampling.stop)) + 4
            before = tokens[:-tail] if len(tokens) > tail else []
            if cut_at_stop(self._codec.piece(before or prompt, tokens[len(before) :]), sampling.stop) is not None:
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
            thinking_tokens=self._codec.thinking_tokens(prompt, tokens, text),
        )

    def _scored(self, pairs: list[tuple[list[int], list[int]]]) -> list[Likelihood]:
        keep = max(len(after) for _, after in pairs) + 1
        logits, ids = self._open_decoder().score([before + after for before, after in pairs], keep)
        with self._torch.inference_mode():
            scores = chosen_logprobs(logits[:, :-1], ids[:, 1 - keep :]).tolist()
            certainties = certainty(logits[:, :-1]).tolist()
        return [
            Likelihood(tuple(row[-len(after) :]), statistics.fmean(sure[-len(after) :]), len(before))
            for row, sure, (before, after) in zip(scores, certainties, pairs, strict=True)
        ]

    def _continuations(self) -> tuple[list[Continuation], float]:
        """Continue prompts as samples are, each beside one plain pass; also return the allowed gap, in nats.

        One prompt occurs twice, so that its cache is shared, and one copy is dropped on the way. The padded scoring
        pass is also compared with the plain one.
        """
        decoder = self._open_decoder()
        deadline = time.monotonic() + self._check_s
        room = (self._max_model_tokens or math.inf) - TOKENS
        first, second = (ids[: int(max(1, min(len(ids), room)))] for ids in map(self._codec.prompt_ids, PROMPTS))
        greedy = Sampling(temperature=0, max_tokens=TOKENS)
        batch, logits = decoder.prefill(
            [DecodingRow(0, first, 0), DecodingRow(1, second, 0), DecodingRow(2, first, 0)], greedy
        )
        lives = [live for live in batch.lives if live is not None]
        stepped: list[Any] = []
        while True:
            tokens, logprobs = decoder.pick(batch, logits, greedy)
            stepped.append(logits)
            for live, token, logprob in zip(lives, tokens.tolist(), logprobs.tolist(), strict=False):
                live.tokens.append(token)
                live.logprobs.append(logprob)
            drawn = len(lives[0].tokens)
            if drawn == TOKENS or (drawn >= _CHECK_LEAST_TOKENS and time.monotonic() > deadline):
                break
            if drawn == _CHECK_LEAST_TOKENS // 2:
                tokens = decoder.keep(batch, [0, 1], tokens)
            logits = decoder.step(batch, tokens)
        found = []
        largest = 0.0
        scores = self._scored([(live.row.prompt, live.tokens) for live in lives])
        for place, (live, scored) in enumerate(zip(lives, scores, strict=True)):
            plain = decoder.plain_logits(live.row.prompt + live.tokens)[len(live.row.prompt) - 1 : -1]
            largest = max(largest, plain.abs().max().item())
            known = plain.log_softmax(dim=-1)
            best = known.max(dim=-1).values.tolist()
            forced = [row[token].item() for row, token in zip(known, live.tokens, strict=True)]
            prompt = PROMPTS[live.row.place % len(PROMPTS)]
            found.append(Continuation(prompt, live.logprobs, forced, best, self._apart(stepped, place, known)))
            found.append(Continuation(prompt, scored.logprobs, forced, best))
        tolerance = TOLERANCE_32_BITS if self._dtype == self._torch.float32 else TOLERANCE_16_BITS
        # In 16 bits, the rounding of large logits exceeds the tolerance.
        return found, max(tolerance, self._torch.finfo(self._dtype).eps * largest)

    def _apart(self, stepped: list[Any], place: int, known: Any) -> list[float]:
        """Measure the gap from one row's step logprobs to a plain pass's, over its likeliest tokens."""
        likeliest = known.topk(min(LIKELIEST, known.shape[-1])).indices
        rows = self._torch.stack([logits[place] for logits in stepped[: len(known)] if place < len(logits)])
        drawn = rows.float().log_softmax(dim=-1)
        near = likeliest[: len(drawn)]
        apart: list[float] = (drawn.gather(-1, near) - known[: len(drawn)].gather(-1, near)).abs().mean(dim=-1).tolist()
        return apart

    def _name(self) -> str:
        return f"transformers {self._description.engine_version}"

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if isinstance(error, EngineError):
                raise
            raise EngineError(f"transformers failed: {error_line(error)}") from error

    def _open_decoder(self) -> Decoder:
        if self._decoder is None:
            raise EngineError("the engine is closed")
        return self._decoder

    def _most_outputs(self, row: DecodingRow, sampling: Sampling) -> int:
        if self._max_model_tokens is None:
            return sampling.max_tokens
        return min(sampling.max_tokens, self._max_model_tokens - len(row.prompt))

    def _fitting_rows(self, tokens: int) -> int:
        """Count the samples of this many tokens that fit free memory."""
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
            with hidden_bars():
                tokenizer = self._transformers.AutoTokenizer.from_pretrained(checkpoint.source, **chosen)
                model = self._transformers.AutoModelForCausalLM.from_pretrained(checkpoint.source, **chosen, **placed)
                if checkpoint.quantisation is None:
                    model = model.to(self._device, self._computing_dtype(placed["dtype"], checkpoint))
                elif checkpoint.quantisation.method == "compressed-tensors":
                    self._unpack(model)
                if checkpoint.adapter is not None:
                    self._add_adapter(model, checkpoint.adapter)
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            raise EngineError(f"transformers cannot load {checkpoint.source}: {error_line(error)}") from None
        return model.eval(), tokenizer

    @contextlib.contextmanager
    def _unrounded_activations(self) -> Iterator[None]:
        """Keep compressed-tensors from rounding activations: a trace of a difference may round the other way."""
        rounding = [one for one in self.network.modules() if hasattr(one, "quantization_scheme")]
        if not rounding:
            yield
            return
        quantization = importlib.import_module("compressed_tensors.quantization")
        for module in rounding:
            quantization.disable_quantization(module)
        try:
            yield
        finally:
            for module in rounding:
                quantization.enable_quantization(module)

    def _add_adapter(self, model: Any, adapter: str) -> None:
        """Serve a model with low-rank factors beside its weights, which have been unpacked for that."""
        if importlib.util.find_spec("peft") is None:
            raise EngineError(
                f"{adapter} is a low-rank adapter, and peft, which loads it, is not here: pip install peft"
            )
        model.load_adapter(adapter)

    def _unpack(self, model: Any) -> None:
        """Run a model on one token: compressed-tensors unpacks weights when it first runs."""
        with self._torch.no_grad():
            model(self._torch.zeros((1, 1), dtype=self._torch.long, device=model.device))

    def _computing_dtype(self, dtype: Any, checkpoint: Checkpoint) -> Any:
        """Pick 32 bits where a CPU lacks instructions for fewer and the weights fit so; else the precision's own.

        The weights keep their precision's values either way. Without such instructions 16 bits take more than twice as
        long as 32.
        """
        flags = _HALF_PRECISION_FLAGS.get(DTYPES.get(self._precision, ""))
        if self._device != "cpu" or flags is None or not flags.isdisjoint(cpu_flags()):
            return dtype
        widened = 2 * (checkpoint.weight_bytes or 0)
        return dtype if widened > (available_memory_bytes() or 0) else self._torch.float32

    def _device_name(self, dtype: Any) -> str:
        if self._device.startswith("cuda"):
            return str(self._torch.cuda.get_device_name(self._device))
        widened = dtype == self._torch.float32 and DTYPES.get(self._precision) != "float32"
        return f"{cpu_name()}, computing in 32 bits" if widened else cpu_name()


def _cache_bytes_per_token(config: Any, item_bytes: int) -> int:
    """Bound the bytes of one token's keys and values over all layers."""
    heads = config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // heads
    key_heads = getattr(config, "num_key_value_heads", None) or heads
    return int(2 * config.num_hidden_layers * key_heads * head_size * item_bytes)
