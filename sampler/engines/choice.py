"""Choice of the engine: by name, or the best one installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ..._util.machine import has_gpu_driver
from ...errors import CodebudgetError, EngineError, UserError
from .libraries import ENGINES, INSTALL, missing, version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine import Engine


class EngineOptions(NamedTuple):
    """Options of engines beyond the model and its precision; each takes what concerns it.

    `gpus`: number sharing one model (vllm; None for as many as the weights need). `memory_fraction`: share of a GPU's
    memory (vllm). `max_model_tokens`: limit of prompt plus output, None for the model's own context. `base_url`: the
    server's, or those of several (openai; None for OPENAI_BASE_URL). `concurrency`: requests in flight per server
    (openai). `timeout_s`: per request (openai). `limits_thinking`: whether draws may limit thoughts (vllm).
    """

    gpus: int | None = None
    memory_fraction: float = 0.9
    max_model_tokens: int | None = None
    base_url: str | Sequence[str] | None = None
    concurrency: int = 64
    timeout_s: float = 600.0
    limits_thinking: bool = False


DEFAULT_OPTIONS: Final = EngineOptions()


class EngineChoice(NamedTuple):
    """An engine ready to draw, and which it is and why, in one line."""

    engine: Engine
    reason: str


class EnginePick(NamedTuple):
    """An engine's name, and why it was picked, in one line."""

    name: str
    reason: str


def pick_engine(name: str = "auto") -> EnginePick:
    """Pick the engine for a name without loading anything: `auto` takes vllm, then transformers.

    Raises:
        UserError: There is no engine of that name.
        EngineError: It is not installed, or for `auto` none is; the message has the command to install it.
    """
    if name != "auto":
        if name not in ENGINES:
            raise UserError(f"unknown engine '{name}': choose from auto, {', '.join(ENGINES)}")
        problem = missing(name)
        if problem is not None:
            raise EngineError(f"the engine {name} {problem}: {INSTALL[name]}")
        return EnginePick(name, f"{version(name)}, as requested")
    problem = missing("vllm")
    if problem is None and version("vllm").startswith("vllm ") and not has_gpu_driver():
        problem = "is built for GPUs, but this machine has none"
    if problem is None:
        return EnginePick("vllm", f"{version('vllm')}, the fastest that is installed")
    if missing("transformers") is None:
        return EnginePick("transformers", f"{version('transformers')}, since vllm {problem}")
    raise EngineError(
        f"no engine can draw here: vllm {problem}, and transformers {missing('transformers')}. "
        f"With a GPU: {INSTALL['vllm']}; for small models: {INSTALL['transformers']}"
    )


def choose_engine(name: str, model: str, precision: str, options: EngineOptions = DEFAULT_OPTIONS) -> EngineChoice:
    """Load a model with the engine for a name, and have the engine check itself on it.

    Args:
        name: `auto`, or one of `ENGINES`.
        model: A folder, a Hugging Face hub id, or for `openai` the server's name for it.
        precision: The arm's, such as bf16 or int4.
        options: The engine's other options.

    Raises:
        UserError: The name, the model or the precision is wrong.
        EngineError: The engine is not installed, cannot load the model, or fails its self-check.
        MachineError: The model cannot be fetched.
    """
    picked = pick_engine(name)
    engine = _load(picked.name, model, precision, options)
    try:
        proof = engine.check()
    except CodebudgetError:
        engine.close()
        raise
    return EngineChoice(engine, f"{picked.reason}; {proof}")


def _load(name: str, model: str, precision: str, options: EngineOptions) -> Engine:
    if name == "vllm":
        from .vllm_engine import VllmEngine

        return VllmEngine(
            model,
            precision,
            gpus=options.gpus,
            max_model_tokens=options.max_model_tokens,
            memory_fraction=options.memory_fraction,
            limits_thinking=options.limits_thinking,
        )
    if name == "openai":
        from .openai_engine import OpenAIEngine

        return OpenAIEngine(
            model,
            precision,
            base_url=options.base_url,
            concurrency=options.concurrency,
            timeout_s=options.timeout_s,
        )
    from .transformers_engine import TransformersEngine

    return TransformersEngine(model, precision, max_model_tokens=options.max_model_tokens)
