"""Processor, memory and GPUs of this machine, as reported by the system and NVIDIA's tool; imports no library."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

_GPU_NODES: Final = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""The device files of NVIDIA's driver, of AMD's, and of Windows' for Linux."""


def cpu_field(name: str) -> str | None:
    """Read a field of the first processor in /proc/cpuinfo; None where that file or field does not exist.

    ARM processors, for example, have no `model name`.
    """
    return _field("/proc/cpuinfo", name)


def cpu_name() -> str:
    """Name the processor, or return `CPU`."""
    return cpu_field("model name") or "CPU"


def cpu_flags() -> frozenset[str]:
    """List the processor's instruction sets by their Linux names; empty where unknown."""
    return frozenset(f"{cpu_field('flags') or ''} {cpu_field('Features') or ''}".split())


def available_memory_bytes() -> int | None:
    """Return the main memory available without swapping; None where unknown."""
    available = _field("/proc/meminfo", "MemAvailable")
    return None if available is None else int(available.split()[0]) * 1024


def has_gpu_driver() -> bool:
    """Whether the system has the device file of a GPU that an engine could compute on."""
    return any(Path(node).exists() for node in _GPU_NODES)


def nvidia_smi(*fields: str, devices: str = "", units: bool = False, timeout_s: float = 5.0) -> list[tuple[str, ...]]:
    """Ask NVIDIA's tool about its devices.

    Args:
        fields: Fields to ask for, named as in `nvidia-smi --help-query-gpu`.
        devices: Only these, as CUDA_VISIBLE_DEVICES lists them; all if empty.
        units: Whether figures carry their unit, as in `81559 MiB`.
        timeout_s: The tool's time limit.

    Returns:
        The values of `fields` for each device that has them all.

    Raises:
        OSError: There is no such tool, or it cannot be run.
        subprocess.SubprocessError: It failed, or took too long.
    """
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", f"--format=csv,noheader{'' if units else ',nounits'}"]
    if devices:
        command.append(f"--id={devices}")
    listed = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=True).stdout
    rows = [tuple(cell.strip() for cell in line.split(",")) for line in listed.splitlines()]
    return [row for row in rows if len(row) == len(fields)]


def _field(path: str, name: str) -> str | None:
    """Read the value of the first `name : value` line of a system file."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    rows = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in rows if key.strip() == name), None)
