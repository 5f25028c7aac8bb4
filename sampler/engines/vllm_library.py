"""vLLM as a library: importing it, what it needs on a CPU, and freeing what it held."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from ..._util.machine import available_memory_bytes, has_gpu_driver
from .libraries import import_engine, import_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILURES: Final = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    OSError,
    ImportError,
)
"""Errors of vLLM and the libraries below it; others would be a bug here."""

_ROOM_FOR_WORK: Final = 1.3
"""Memory that a model needs on its GPUs, over its weights: some must be left for keys and values."""

_CPU_CACHE_SHARE: Final = 0.25
_MOST_CPU_CACHE_GIB: Final = 16


def import_vllm() -> tuple[Any, Any]:
    """Import vLLM and its platform, logging errors only, to stderr, and without usage reports."""
    os.environ["VLLM_LOGGING_STREAM"] = "ext://sys.stderr"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    if not has_gpu_driver():
        # vLLM's compilation besides the model, for logprobs, takes seconds and gains nothing on a CPU.
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
    import_engine("vllm")
    vllm = importlib.import_module("vllm")
    try:
        platform = importlib.import_module("vllm.platforms").current_platform
    except (ImportError, RuntimeError, AttributeError) as error:
        raise import_failure("vllm", error) from None
    return vllm, platform


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send what libraries print, even from C and child processes, to stderr: stdout is for data."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def cpu_arguments() -> dict[str, Any]:
    """Build settings for a CPU, and set the variables that vLLM reads there."""
    # Seeds and chunked prompts do not work together on the CPU (vLLM 0.32 ends with an error), and compiling takes
    # longer than small models run.
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(_cpu_cache_gib()))
    return {"enforce_eager": True, "enable_chunked_prefill": False, "tensor_parallel_size": 1}


def free_memory() -> None:
    """Free what an engine that is no longer referred to held in this process."""
    gc.collect()
    torch = importlib.import_module("torch")
    if torch.distributed.is_initialized():
        # In this process, or the next engine would find this one's groups.
        with contextlib.suppress(*FAILURES):
            importlib.import_module("vllm.distributed.parallel_state").cleanup_dist_env_and_memory()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def gpus_needed(weight_bytes: int | None, platform: Any, memory_fraction: float) -> int:
    """Find the least power of two of visible GPUs to hold the weights and room for work."""
    visible = int(platform.device_count())
    count = 1
    if weight_bytes is not None:
        each = platform.get_device_total_memory() * memory_fraction
        while count * each < weight_bytes * _ROOM_FOR_WORK and 2 * count <= visible:
            count *= 2
    return count


def _cpu_cache_gib() -> int:
    available = available_memory_bytes() or 4 << 30
    return max(1, min(_MOST_CPU_CACHE_GIB, int(available * _CPU_CACHE_SHARE) >> 30))
