"""llm-compressor, told by a recipe what to do to a loaded model."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import logging
import os
import warnings
from typing import TYPE_CHECKING, Any, Final, cast

from .._util.bars import hidden_bars
from .._util.machine import cpu_name
from ..errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .recipes import Recipe

INSTALL: Final = (
    'pip install "codebudget[compress]" (without a GPU: with --extra-index-url https://download.pytorch.org/whl/cpu)'
)

TOOLS: Final = ("llmcompressor", "compressed-tensors", "auto-round", "transformers", "torch")
"""Packages whose version can change a checkpoint."""

AUTOROUND_STEPS: Final = 50
AUTOROUND_RATE: Final = 5e-3
"""Steps per block and learning rate of AutoRound's own light recipe (auto-round-light); its paper's 200 steps (Cheng et
al. 2023, arXiv 2309.05516) take four times as long."""

_LOUD: Final = ("auto_round", "torch.fx", "transformers")
_PRESETS: Final = {"fp8": "FP8_DYNAMIC", "mxfp8": "MXFP8", "mxfp4": "MXFP4A16", "nvfp4": "NVFP4A16"}
_FAILURES: Final = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ImportError)
_MOST_CHARACTERS: Final = 300


def is_installed() -> bool:
    """Whether this interpreter has llm-compressor, without importing it."""
    return importlib.util.find_spec("llmcompressor") is not None


def tool_versions() -> dict[str, str]:
    """Look up the installed versions of what makes checkpoints."""
    found = {}
    for name in TOOLS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def device_name() -> str:
    """Name what checkpoints are made on."""
    torch = importlib.import_module("torch")
    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else cpu_name()


def needs_calibration(recipe: Recipe) -> bool:
    """Whether a method looks at texts; plain rounding does not."""
    return recipe.method != "rtn"


def compress(
    model: Any,
    tokenizer: Any,
    recipe: Recipe,
    pieces: Sequence[Sequence[int]],
    ignored: Sequence[str],
    advance: Callable[[], None],
) -> None:
    """Quantise a model in place, so that its `save_pretrained` writes a compressed-tensors checkpoint.

    Args:
        model: Of transformers.
        tokenizer: Its tokenizer.
        recipe: What to do.
        pieces: Tokens for calibration, all of one length; none for a method without.
        ignored: Names of linear layers that stay as they are.
        advance: Called after each part of the model that was calibrated.

    Raises:
        MachineError: llm-compressor failed.
    """
    try:
        llmcompressor = importlib.import_module("llmcompressor")
        arguments: dict[str, Any] = {}
        if pieces:
            arguments = {
                "dataset": _loader(pieces),
                "num_calibration_samples": len(pieces),
                "max_seq_length": len(pieces[0]),
                "processor": tokenizer,
            }
        importlib.import_module("llmcompressor.core").reset_session()
        with _without_pinning():
            llmcompressor.oneshot(model=model, recipe=_modifiers(recipe, ignored, advance), **arguments)
    except _FAILURES as error:
        raise failure(f"cannot quantise {type(model).__name__} by {recipe.key}", error) from None


def failure(what: str, error: BaseException) -> MachineError:
    """Put a failure of llm-compressor in one line of bounded length."""
    reason = " ".join(str(error).split())[:_MOST_CHARACTERS]
    return MachineError(f"llm-compressor {what}: {type(error).__name__}: {reason}")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep logs, bars and warnings of transformers and llm-compressor off the terminal meanwhile.

    LLM_COMPRESSOR_LOG_LEVEL, where it is set, lets its logs through.
    """
    # Read when it is first imported; it logs to standard output.
    os.environ.setdefault("LLM_COMPRESSOR_LOG_LEVEL", "CRITICAL")
    os.environ.setdefault("AR_LOG_LEVEL", "ERROR")
    levels = {name: logging.getLogger(name).level for name in _LOUD}
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with hidden_bars(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _modifiers(recipe: Recipe, ignored: Sequence[str], advance: Callable[[], None]) -> list[Any]:
    from llmcompressor.modifiers.autoround import AutoRoundModifier
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform import AWQModifier, SmoothQuantModifier

    chosen = {"config_groups": {"group_0": {"targets": ["Linear"], **_scheme(recipe)}}, "ignore": list(ignored)}
    if recipe.method == "gptq":
        return [_watched(GPTQModifier, advance)(**chosen)]
    if recipe.method == "autoround":
        compiled = importlib.import_module("torch").cuda.is_available()
        watched = _watched(AutoRoundModifier, advance)
        return [watched(iters=AUTOROUND_STEPS, lr=AUTOROUND_RATE, enable_torch_compile=compiled, **chosen)]
    before = {"awq": AWQModifier, "smoothquant": SmoothQuantModifier}.get(recipe.method)
    rounding = QuantizationModifier(**chosen)
    return [rounding] if before is None else [_watched(before, advance)(), rounding]


def _scheme(recipe: Recipe) -> dict[str, Any]:
    """Write a recipe in compressed-tensors' words."""
    if recipe.format is not None:
        from compressed_tensors.quantization.quant_scheme import PRESET_SCHEMES

        return dict(PRESET_SCHEMES[_PRESETS[recipe.format]])
    scheme: dict[str, Any] = {}
    if recipe.weight_bits < 16:
        grouping = (
            {"strategy": "channel"} if recipe.group is None else {"strategy": "group", "group_size": recipe.group}
        )
        scheme["weights"] = {
            "num_bits": recipe.weight_bits,
            "type": "int",
            "symmetric": recipe.symmetric,
            **grouping,
        }
    if recipe.activation_bits < 16:
        scheme["input_activations"] = {
            "num_bits": recipe.activation_bits,
            "type": "int",
            "symmetric": True,
            "strategy": "token",
            "dynamic": True,
        }
        if recipe.weight_bits < 8:
            # With activations, its default takes a byte for each weight, of however few bits.
            scheme["format"] = "pack-quantized"
    return scheme


def _watched(kind: type[Any], advance: Callable[[], None]) -> type[Any]:
    """Derive a modifier that tells when a part of the model is done."""

    def on_sequential_epoch_end(self: Any, state: Any, event: Any, **arguments: Any) -> Any:
        done = kind.on_sequential_epoch_end(self, state, event, **arguments)
        advance()
        return done

    # Under the same name, by which the checkpoint's recipe.yaml lists it.
    members = {"on_sequential_epoch_end": on_sequential_epoch_end, "__module__": kind.__module__}
    return type(kind.__name__, (kind,), members)


def _loader(pieces: Sequence[Sequence[int]]) -> Any:
    import torch
    from torch.utils.data import DataLoader

    rows = [
        {"input_ids": torch.tensor(piece), "attention_mask": torch.ones(len(piece), dtype=torch.long)}
        for piece in pieces
    ]
    # Its type asks for a class of its own where any list will do.
    return DataLoader(cast("Any", rows), batch_size=1)


@contextlib.contextmanager
def _without_pinning() -> Iterator[None]:
    """Let AWQ run where there is no accelerator: llm-compressor 0.14 pins memory for one in any case."""
    torch = importlib.import_module("torch")
    cache = importlib.import_module("llmcompressor.pipelines.cache").IntermediatesCache
    if torch.accelerator.is_available():
        yield
        return
    pinning = cache.pin_memory
    cache.pin_memory = lambda *_, **__: None
    try:
        yield
    finally:
        cache.pin_memory = pinning
