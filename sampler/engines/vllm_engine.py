"""Drawing and scoring with vLLM in this process, on GPUs or the CPU."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..._util.machine import cpu_name
from ...budgets.precision import precision_scheme
from ...errors import EngineError, UserError
from ...records import Likelihood
from ..engine import Choices, Description, EngineMemory, Generation, NoAnswer
from .checkpoint import DTYPES, Checkpoint, check_precision, find_checkpoint
from .libraries import error_line
from .selfcheck import PROMPTS, TOKENS, TOLERANCE_16_BITS, TOLERANCE_32_BITS, Continuation, check_continuations
from .tokens import TokenCodec
from .vllm_library import FAILURES, cpu_arguments, free_memory, gpus_needed, import_vllm, stdout_to_stderr
from .vllm_worker import MemoryReport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..engine import Draw, MayStart, Outcome, Prompt, Sampling

ONLINE: Final = {"fp8": "fp8_per_channel"}
"""Precisions that vLLM quantises 16-bit weights to on loading, and its names for them (on GPUs that compute in it)."""

_SCORED_LOGIT_BYTES: Final = 2 << 30
_LOGIT_COPIES: Final = 3
_LORA_RANKS: Final = (8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM 0.32's `max_lora_rank` takes."""


class VllmEngine:
    """A model in vLLM, with its tokenizer.

    All draws go into vLLM's queue at once, each with its own seed, so that the engine stays full and its prefix cache
    shares the prompt. Texts are not guaranteed to come out the same again: vLLM batches whatever is waiting, and sums
    are rounded differently in batches of different shape.

    Args:
        model: A folder, or a hub id.
        precision: fp32, bf16, fp16, fp8 (made while loading), or that of an already quantised checkpoint.
        gpus: GPUs that share the model; None for as many of the visible ones as its weights need.
        max_model_tokens: Most tokens of a prompt with its output; None for the model's own context.
        memory_fraction: Share of each GPU's memory for weights, cache and work.
        limits_thinking: Whether draws may limit thoughts, which vLLM must know when it starts.

    Raises:
        UserError: There is no such model, or not at this precision.
        EngineError: vLLM is missing, or cannot load the model.
    """

    def __init__(
        self,
        model: str,
        precision: str,
        *,
        gpus: int | None = None,
        max_model_tokens: int | None = None,
        memory_fraction: float = 0.9,
        limits_thinking: bool = False,
    ) -> None:
        checkpoint = find_checkpoint(model)
        precision = check_precision(checkpoint, precision, online=tuple(ONLINE), engine="vllm")
        _check_activations(checkpoint, precision)
        with stdout_to_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._vllm, platform = import_vllm()
            arguments = self._arguments(checkpoint, precision, platform, gpus, memory_fraction)
            if limits_thinking:
                arguments["reasoning_config"] = _thinking_config(checkpoint, model)
            self._limits_thinking = limits_thinking
            try:
                self._llm: Any = self._vllm.LLM(max_model_len=max_model_tokens, **arguments)
            except FAILURES as error:
                raise EngineError(f"vllm cannot load {model}: {error_line(error)}") from None
        self._engine: Any = self._llm.llm_engine
        self._adapter = _adapter_request(checkpoint)
        self._engine_died: type[Exception] = importlib.import_module("vllm.v1.engine.exceptions").EngineDeadError
        longest = int(self._llm.model_config.max_model_len)
        self._codec = TokenCodec(self._llm.get_tokenizer(), model, longest)
        self._requests = 0
        self._is_32_bits = self._llm.model_config.dtype == importlib.import_module("torch").float32
        self._proof: str | None = None
        devices = arguments["tensor_parallel_size"]
        device = cpu_name() if platform.is_cpu() else str(platform.get_device_name())
        self._description = Description(
            engine="vllm",
            engine_version=str(self._vllm.__version__),
            model=model,
            revision=checkpoint.revision,
            precision=precision,
            device=device if devices == 1 else f"{devices} x {device}",
            max_model_tokens=longest,
        )

    def describe(self) -> Description:
        """Describe it."""
        return self._description

    def check(self) -> str:
        """Prove once that drawing agrees with scoring, which is one pass without the cache; see `Engine.check`."""
        if self._proof is None:
            name = f"vllm {self._description.engine_version}"
            tolerance = TOLERANCE_32_BITS if self._is_32_bits else TOLERANCE_16_BITS
            self._proof = check_continuations(name, self._description.model, self._continuations(), tolerance)
        return self._proof

    def generate(
        self, draws: Sequence[Draw], sampling: Sampling, may_start: MayStart | None = None
    ) -> Iterator[tuple[int, Outcome]]:
        """Draw every sample; see `Engine.generate`."""
        self.check()
        if sampling.max_thinking_tokens is not None and not self._limits_thinking:
            raise UserError("this vllm was started without a limit on thinking: remove `max_thinking_tokens`")
        prompts = self._codec.draws_ids(draws, sampling.thinking)
        return self._generate(prompts, [draw.seed for draw in draws], sampling)

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Score each completion's tokens, tokenized apart from the prompt; see `Engine.score`.

        vLLM scores only what is in flight, in pieces of the length set when the engine was started, so that memory does
        not grow with the number or length of the texts.
        """
        self.check()
        # vLLM always draws one token after what it scores.
        pairs = [self._codec.scored_ids(prompt, completion, room=1) for prompt, completion in texts]
        scores = [Likelihood((), prompt_tokens=len(before)) for before, _ in pairs]
        params = self._params(temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False)
        requests = {place: (before + after, params) for place, (before, after) in enumerate(pairs) if after}
        for place, output in self._run(requests):
            known = output.prompt_logprobs
            starts = known.start_indices[len(pairs[place][0]) :]
            scores[place] = scores[place]._replace(logprobs=tuple(known.logprobs[start] for start in starts))
        return scores

    def memory(self) -> EngineMemory:
        """Tell what the engine's workers report; of several GPUs, the fullest."""
        if self._llm is None:
            raise EngineError("the engine is closed")
        with self._explained():
            reports = self._llm.collective_rpc(MemoryReport.codebudget_memory.__name__)
        found = {name: max(report[name] for report in reports) for name in reports[0]}
        on_gpu = bool(found["on_gpu"])
        return EngineMemory(
            "device" if on_gpu else "host",
            found["weight_bytes"],
            found["kv_bytes"],
            found["peak_bytes"] if on_gpu else None,
        )

    def vocabulary(self) -> str:
        """Key the tokenizer's tokens; see `TokenEngine.vocabulary`."""
        return self._codec.vocabulary_key()

    def prompt_ids(self, prompts: Sequence[str], tokens: int) -> list[list[int]]:
        """Tokenize prompts, with room for the one token that reading draws; see `TokenEngine.prompt_ids`."""
        return [self._codec.roomy_ids(prompt, tokens + 1) for prompt in prompts]

    def continue_greedily(self, prompts: Sequence[Sequence[int]], tokens: int) -> list[tuple[int, ...]]:
        """Continue each prompt by exactly `tokens` tokens; see `TokenEngine.continue_greedily`."""
        self.check()
        greedy = self._params(temperature=0.0, max_tokens=tokens, ignore_eos=True, detokenize=False)
        outputs = dict(self._run({place: (list(prompt), greedy) for place, prompt in enumerate(prompts)}))
        return [tuple(outputs[place].outputs[0].token_ids) for place in range(len(prompts))]

    def choices(
        self, texts: Sequence[tuple[Sequence[int], Sequence[int]]], *, most_rows: int | None = None
    ) -> list[Choices]:
        """Take the model's choices along each continuation, the top-1 of vLLM's prompt logprobs.

        See `TokenEngine.choices`; with `most_rows`, no more texts than that are handed to vLLM at once.
        """
        self.check()
        forcing = self._params(temperature=0.0, max_tokens=1, prompt_logprobs=1, detokenize=False)
        found: list[Choices] = []
        step = most_rows or max(1, len(texts))
        for start in range(0, len(texts), step):
            some = texts[start : start + step]
            requests = {place: ([*before, *after], forcing) for place, (before, after) in enumerate(some)}
            outputs = dict(self._run(requests))
            for place, (before, _) in enumerate(some):
                found.append(_choices(outputs[place].prompt_logprobs, len(before)))
        return found

    def close(self) -> None:
        """Free the model's memory."""
        if self._llm is None:
            return
        self._llm = self._engine = None
        free_memory()

    def _generate(
        self, prompts: list[list[int]], seeds: list[int], sampling: Sampling
    ) -> Iterator[tuple[int, Outcome]]:
        settings: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p if sampling.temperature else 1.0,
            "max_tokens": sampling.max_tokens,
            "stop": list(sampling.stop),
            "logprobs": 0 if sampling.logprobs else None,
            # Stop strings are searched for in the text, which costs time even with none to find.
            "detokenize": bool(sampling.stop),
        }
        if sampling.max_thinking_tokens is not None:
            settings["thinking_token_budget"] = sampling.max_thinking_tokens
        greedy = self._params(**settings) if sampling.temperature == 0 else None
        requests = {
            place: (prompt, greedy or self._params(seed=seed, **settings))
            for place, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True))
        }
        for place, output in self._run(requests):
            drawn = output.outputs[0]
            if drawn.finish_reason not in ("stop", "length"):
                yield place, NoAnswer(f"vllm gave up on it ({drawn.finish_reason}); its log on stderr may say why")
                continue
            tokens = list(drawn.token_ids)
            logprobs = None
            if sampling.logprobs:
                known = drawn.logprobs
                logprobs = tuple(known.logprobs[start] for start in known.start_indices)
            text = drawn.text if sampling.stop else self._codec.text(prompts[place], tokens)
            yield (
                place,
                Generation(
                    text=text,
                    finish_reason=drawn.finish_reason,
                    prompt_tokens=len(prompts[place]),
                    output_tokens=len(tokens),
                    logprobs=logprobs,
                    thinking_tokens=self._codec.thinking_tokens(prompts[place], tokens, text),
                ),
            )

    def _continuations(self) -> list[Continuation]:
        """Continue prompts as samples, beside one pass over each result."""
        room = (self._description.max_model_tokens or 0) - TOKENS - 1
        prompts = [self._codec.prompt_ids(text)[: max(1, room)] for text in PROMPTS]
        greedy = self._params(temperature=0.0, max_tokens=TOKENS, logprobs=0, ignore_eos=True, detokenize=False)
        drawn = {
            place: (list(output.outputs[0].token_ids), output.outputs[0].logprobs)
            for place, output in self._run({place: (prompt, greedy) for place, prompt in enumerate(prompts)})
        }
        wholes = [prompt + drawn[place][0] for place, prompt in enumerate(prompts)]
        forcing = self._params(temperature=0.0, max_tokens=1, prompt_logprobs=1, detokenize=False)
        forced = dict(self._run({place: (whole, forcing) for place, whole in enumerate(wholes)}))
        found = []
        for place, prompt in enumerate(prompts):
            said = drawn[place][1]
            known = forced[place].prompt_logprobs
            # Each token's own first, then the likeliest one's where that is another.
            ranges = list(zip(known.start_indices, known.end_indices, strict=True))[len(prompt) :]
            found.append(
                Continuation(
                    PROMPTS[place],
                    [said.logprobs[start] for start in said.start_indices],
                    [known.logprobs[start] for start, _ in ranges],
                    [max(known.logprobs[start:end]) for start, end in ranges],
                )
            )
        return found

    def _params(self, **settings: Any) -> Any:
        kind = importlib.import_module("vllm.sampling_params").RequestOutputKind.FINAL_ONLY
        return self._vllm.SamplingParams(flat_logprobs=True, output_kind=kind, **settings)

    def _run(self, requests: dict[int, tuple[list[int], Any]]) -> Iterator[tuple[int, Any]]:
        """Queue requests in vLLM and step it; what is left when the caller stops is withdrawn."""
        if self._engine is None:
            raise EngineError("the engine is closed")
        places: dict[str, int] = {}
        try:
            for place, (ids, params) in requests.items():
                name = f"codebudget-{self._requests}"
                self._requests += 1
                places[name] = place
                with self._explained():
                    prompt = {"type": "token", "prompt_token_ids": ids}
                    self._engine.add_request(name, prompt, params, lora_request=self._adapter)
            while places:
                with self._explained():
                    outputs = self._engine.step() if self._engine.has_unfinished_requests() else None
                if outputs is None:
                    raise EngineError(
                        "the engine was used for something else at the same time: draw one list at a time"
                    )
                for output in outputs:
                    if output.finished and output.request_id in places:
                        yield places.pop(output.request_id), output
        finally:
            if places and self._engine is not None:
                with contextlib.suppress(self._engine_died):
                    self._engine.abort_request(list(places))

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (*FAILURES, self._engine_died) as error:
            raise EngineError(f"vllm failed: {error_line(error)}") from error

    def _arguments(
        self, checkpoint: Checkpoint, precision: str, platform: Any, gpus: int | None, memory_fraction: float
    ) -> dict[str, Any]:
        """Build its settings."""
        arguments: dict[str, Any] = {
            "model": checkpoint.source,
            "revision": checkpoint.commit,
            "tokenizer_revision": checkpoint.commit,
            "dtype": DTYPES.get(precision, "auto"),
            "quantization": None if checkpoint.quantisation else ONLINE.get(precision),
            "enable_prefix_caching": True,
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
            "worker_extension_cls": f"{MemoryReport.__module__}.{MemoryReport.__name__}",
            "seed": 0,
        }
        if checkpoint.adapter is not None:
            rank = precision_scheme(precision).lorc_rank
            arguments |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": _lora_rank(rank)}
        if platform.is_cpu():
            return arguments | cpu_arguments()
        vocabulary = _vocabulary_size(checkpoint)
        return arguments | {
            "gpu_memory_utilization": memory_fraction,
            "tensor_parallel_size": gpus or gpus_needed(checkpoint.weight_bytes, platform, memory_fraction),
            # Scoring holds the logits of one piece of one text at once.
            "long_prefill_token_threshold": max(256, _SCORED_LOGIT_BYTES // (_LOGIT_COPIES * 4 * vocabulary)),
        }


def _choices(known: Any, start: int) -> Choices:
    """Take the choices out of flat prompt logprobs from a place on.

    A place has its own token's logprob first, and then the likeliest one's if that is another.

    Raises:
        EngineError: A logprob is not a number.
    """
    ids, logprobs = [], []
    for first, end in list(zip(known.start_indices, known.end_indices, strict=True))[start:]:
        ids.append(known.token_ids[max(range(first, end), key=lambda entry: known.logprobs[entry])])
        logprobs.append(known.logprobs[first])
    if any(value != value for value in logprobs):
        raise EngineError("the model's scores of tokens are not numbers (NaN): its weights are broken")
    return Choices(tuple(ids), tuple(logprobs))


def _check_activations(checkpoint: Checkpoint, precision: str) -> None:
    """Refuse what vLLM would run with activations of 16 bits: it quantises none for packed weights of integers.

    Raises:
        UserError: The message names the engine that does.
    """
    found, scheme = checkpoint.quantisation, precision_scheme(precision)
    if found is not None and found.format == "pack-quantized" and scheme.activation_bits < 16 and not scheme.floating:
        raise UserError(
            f"vllm would run {checkpoint.source} with activations of 16 bits, not {scheme.activation_bits}, since its "
            "weights are packed: draw with `engine` transformers"
        )


def _lora_rank(rank: int) -> int:
    """Round a rank up to one that vLLM has room for."""
    return next((size for size in _LORA_RANKS if size >= rank), rank)


def _adapter_request(checkpoint: Checkpoint) -> Any:
    if checkpoint.adapter is None:
        return None
    request = importlib.import_module("vllm.lora.request").LoRARequest
    return request(Path(checkpoint.adapter).name, 1, checkpoint.adapter)


def _thinking_config(checkpoint: Checkpoint, model: str) -> Any:
    """Tell vLLM the tags of the model's thoughts; the closing one alone, since that is what it takes for their end."""
    transformers = importlib.import_module("transformers")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint.source, revision=checkpoint.commit or "main")
        config = importlib.import_module("vllm.config.reasoning").ReasoningConfig
    except (OSError, ValueError) as error:
        raise EngineError(f"vllm cannot load {checkpoint.source}: {error_line(error)}") from None
    except ImportError:
        raise UserError(
            "this vllm cannot limit thinking: install a newer one, or remove `max_thinking_tokens`"
        ) from None
    opening, closing = TokenCodec(tokenizer, model, None).thought_tags()
    return config(reasoning_start_str=opening, reasoning_end_str=closing)


def _vocabulary_size(checkpoint: Checkpoint) -> int:
    transformers = importlib.import_module("transformers")
    try:
        config = transformers.AutoConfig.from_pretrained(checkpoint.source, revision=checkpoint.commit or "main")
    except (OSError, ValueError) as error:
        raise EngineError(f"vllm cannot load {checkpoint.source}: {error_line(error)}") from None
    return int(config.get_text_config().vocab_size)
