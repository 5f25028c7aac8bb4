"""What the machine offers an engine: processor, memory, GPUs, packages; learnt without importing an engine."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Final

_GPU_NODES: Final = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""The device files of NVIDIA's driver, of AMD's, and of Windows' for Linux."""

_MOST_CHARACTERS: Final = 300


def cpu_name() -> str:
    """The processor by its own name."""
    return _cpu_field("model name") or "CPU"


def cpu_flags() -> frozenset[str]:
    """The instruction sets that the processor has, as Linux calls them; empty where it does not say."""
    return frozenset(f"{_cpu_field('flags')} {_cpu_field('Features')}".split())


def _cpu_field(name: str) -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")


def available_memory_bytes() -> int | None:
    """Main memory that can be taken without swapping; None where the system does not tell."""
    info = Path("/proc/meminfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def has_gpu_driver() -> bool:
    """Whether the system has the device file of a GPU that an engine could compute on."""
    return any(Path(node).exists() for node in _GPU_NODES)


def installed_version(*distributions: str) -> tuple[str, str] | None:
    """The first of some distributions that is installed, with its version."""
    for name in distributions:
        try:
            return name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def has_module(name: str) -> bool:
    """Whether a top-level module can be found, without importing it."""
    return importlib.util.find_spec(name) is not None


def error_line(error: BaseException) -> str:
    """What an engine's library said, in one line of bounded length."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_MOST_CHARACTERS]}"
