"""How much memory an engine holds at its peak, as seen from outside of it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

_DEVICE_EVERY_S = 5.0
_PROCESSES_EVERY_S = 0.2


class PeakMemory:
    """The most memory seen in use, over the looks taken.

    On a CPU it is what this process and its children hold. On an NVIDIA device it is what is in use there, other
    programs' share included. None where the model runs elsewhere.

    Args:
        device: As `Description.device` has it: starts with `cpu` or `cuda`.
        earlier: What an earlier session saw.
    """

    def __init__(self, device: str, earlier: int | None = None) -> None:
        self.bytes = earlier
        self._device = device
        self._next = 0.0

    def look(self) -> None:
        """Take a look, unless the last one was a moment ago."""
        now = time.monotonic()
        if now < self._next:
            return
        if self._device.startswith("cpu"):
            seen, self._next = _resident_bytes(), now + _PROCESSES_EVERY_S
        elif self._device.startswith("cuda"):
            seen, self._next = _device_bytes(), now + _DEVICE_EVERY_S
        else:
            return
        if seen is not None:
            self.bytes = max(seen, self.bytes or 0)


def _resident_bytes() -> int | None:
    """What this process and those that it started hold; None where the system does not say."""
    total, waiting = 0, [os.getpid()]
    while waiting:
        process = Path(f"/proc/{waiting.pop()}")
        try:
            total += int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for thread in (process / "task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
        except (OSError, ValueError, IndexError):
            continue
    return total or None


def _device_bytes() -> int | None:
    """What is in use on the visible NVIDIA devices, on the fullest of them: plans count bytes per device."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible:
        command.append(f"--id={visible}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
        return max(int(line) for line in done.stdout.split()) << 20
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
