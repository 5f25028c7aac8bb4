"""The real command, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CODEBUDGET = (sys.executable, "-m", "codebudget")

Ran = subprocess.CompletedProcess[str]
Command = "Callable[..., Ran]"


def codebudget(folder: Path, *arguments: object, timeout_s: float = 300, **environment: str) -> Ran:
    """Run `codebudget` in a folder until it ends, with further variables in its environment."""
    return subprocess.run(
        [*CODEBUDGET, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def started(folder: Path, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start `codebudget` in a folder, to be sent signals: an interrupt reaches it as it does in a terminal.

    A shell starts its background jobs with the interrupt ignored, and everything under them inherits that.
    """
    return subprocess.Popen(
        [*CODEBUDGET, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
