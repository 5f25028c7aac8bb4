"""A classifier's outputs by vLLM, on GPUs or the CPU."""

from __future__ import annotations

import importlib
import json
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...budgets.models import hub_config_file
from ...errors import EngineError, UserError
from .libraries import error_line
from .vllm_library import FAILURES, cpu_arguments, free_memory, gpus_needed, import_vllm, stdout_to_stderr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .classifier import Parts

_MEMORY_FRACTION: Final = 0.9
_DTYPES: Final = ("float32", "bfloat16", "float16")


class VllmOutputs:
    """Implements `classifier.Outputs` by vLLM's pooling runner.

    Outputs are taken before any activation, which depends on the checkpoint. vLLM would run a head without weights on
    whatever lies in memory, so they are looked for here.

    Raises:
        UserError: The checkpoint lacks weights.
        EngineError: vLLM is missing, or cannot load it.
    """

    rows: int = 1 << 30
    """vLLM has a queue of its own."""

    def __init__(self, parts: Parts) -> None:
        self._name = parts.name
        if parts.checkpoint.commit is None:
            _check_weights(parts)
        with stdout_to_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._vllm, platform = import_vllm()
            if platform.is_cpu():
                arguments = cpu_arguments() | {"dtype": "float32"}
            else:
                weight_bytes = parts.checkpoint.weight_bytes
                arguments = {
                    # Left to itself, vLLM would round 32 bits to 16.
                    "dtype": _dtype(parts.config),
                    "gpu_memory_utilization": _MEMORY_FRACTION,
                    "tensor_parallel_size": gpus_needed(weight_bytes, platform, _MEMORY_FRACTION),
                }
            try:
                self._llm: Any = self._vllm.LLM(
                    model=parts.checkpoint.source,
                    revision=parts.checkpoint.commit,
                    tokenizer_revision=parts.checkpoint.commit,
                    runner="pooling",
                    # The longest that there is memory for.
                    max_model_len=-1,
                    trust_remote_code=False,
                    disable_log_stats=True,
                    use_tqdm_on_load=False,
                    seed=0,
                    **arguments,
                )
            except FAILURES as error:
                free_memory()
                raise EngineError(
                    f"vllm cannot load {parts.name} as a reward model: {error_line(error)}; leave out engine=vllm for "
                    "transformers"
                ) from None
        if parts.checkpoint.commit is not None:
            # Loading has fetched them.
            _check_weights(parts)
        self.longest: int | None = int(self._llm.model_config.max_model_len)
        # Transformers takes a decoder's output at the last token that does not fill up.
        is_decoder = self._llm.model_config.pooler_config.seq_pooling_type == "LAST"
        self._dropped_at_end = parts.pad_id if is_decoder else None
        self._has_token_types = getattr(parts.config, "type_vocab_size", 0) > 1
        self._engine_died: type[Exception] = importlib.import_module("vllm.v1.engine.exceptions").EngineDeadError

    def logits(self, texts: Sequence[Mapping[str, list[int]]]) -> list[list[float]]:
        """See `classifier.Outputs.logits`."""
        prompts = [{"prompt_token_ids": self._ids(text["input_ids"])} for text in texts]
        params = [self._params(text) for text in texts]
        try:
            with stdout_to_stderr():
                found = self._llm.encode(prompts, params, pooling_task="classify", use_tqdm=False)
        except (*FAILURES, self._engine_died) as error:
            raise EngineError(f"vllm failed with {self._name}: {error_line(error)}") from error
        return [[float(value) for value in one.outputs.data.tolist()] for one in found]

    def close(self) -> None:
        """Free the model's memory."""
        self._llm = None
        free_memory()

    def _ids(self, ids: Sequence[int]) -> list[int]:
        end = len(ids)
        while end > 1 and ids[end - 1] == self._dropped_at_end:
            end -= 1
        return list(ids[:end])

    def _params(self, text: Mapping[str, list[int]]) -> Any:
        types = text.get("token_type_ids", ()) if self._has_token_types else ()
        extra = None
        if any(types):
            first = types.index(1) if 1 in types else len(types)
            if list(types) != [0] * first + [1] * (len(types) - first):
                raise EngineError(
                    f"vllm knows two texts at most, and the tokenizer of {self._name} marks more; leave out "
                    "engine=vllm for transformers"
                )
            extra = {"compressed_token_type_ids": first}
        return self._vllm.PoolingParams(use_activation=False, extra_kwargs=extra)


def _dtype(config: Any) -> str:
    name = str(getattr(config, "dtype", None)).removeprefix("torch.")
    return name if name in _DTYPES else "auto"


def _check_weights(parts: Parts) -> None:
    """Refuse a checkpoint without weights for one of the model's layers.

    Raises:
        UserError: There is one, or they are in no .safetensors files.
    """
    folder = Path(parts.checkpoint.source)
    if parts.checkpoint.commit is not None:
        config = hub_config_file(parts.name)
        folder = Path(config).parent if config is not None else folder
    names = [name for file in sorted(folder.glob("*.safetensors")) for name in _tensors(file)]
    if not names:
        raise UserError(
            f"whether {parts.name} has all its weights can be told of .safetensors files alone; leave out engine=vllm "
            "for transformers"
        )
    layers = {name.rpartition(".")[0] for name, _ in parts.outline.named_parameters()}
    absent = sorted(layer for layer in layers if not any(name.startswith(f"{layer}.") for name in names))
    if absent:
        raise UserError(
            f"{parts.name} is no reward model: it has no trained weights for {', '.join(absent[:3])}, which vllm would "
            "leave at random"
        )


def _tensors(file: Path) -> list[str]:
    """List the names in a .safetensors file: 8 bytes of length, and a header of JSON."""
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        header = json.loads(opened.read(length))
    return [name for name in header if name != "__metadata__"]
