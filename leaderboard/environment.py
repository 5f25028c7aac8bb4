"""Code, packages and hardware that make a run, as far as this process can see."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from .._util.machine import cpu_field, nvidia_smi

_PACKAGE = Path(__file__).resolve().parents[1]
_TOOL_S = 20.0


def code_version() -> dict[str, Any]:
    """Find version, commit and whether files differ from it; the latter two are None if nothing tells them.

    A checkout tells both, an installation from a repository the commit (PEP 610).
    """
    version = metadata.version("codebudget")
    if (_PACKAGE / ".git").exists():
        commit = _said(["git", "-C", str(_PACKAGE), "rev-parse", "HEAD"])
        changes = _said(["git", "-C", str(_PACKAGE), "status", "--porcelain"])
        if commit is not None and changes is not None:
            return {"version": version, "commit": commit.strip(), "dirty": bool(changes.strip())}
    origin = metadata.distribution("codebudget").read_text("direct_url.json")
    commit = json.loads(origin).get("vcs_info", {}).get("commit_id") if origin else None
    return {"version": version, "commit": commit, "dirty": None if commit is None else False}


def packages() -> dict[str, str]:
    """List installed distributions and versions."""
    found = {dist.metadata["Name"]: dist.version for dist in metadata.distributions()}
    return {name: found[name] for name in sorted(found, key=str.lower) if name}


def hardware() -> dict[str, Any]:
    """Describe processor, usable cores, memory, and accelerators as their driver names them."""
    return {
        "machine": platform.machine(),
        "cpu": cpu_field("model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "accelerators": _accelerators(),
    }


def _accelerators() -> list[str]:
    """List GPUs by name and memory; none if NVIDIA's tool is missing or fails."""
    try:
        rows = nvidia_smi("name", "memory.total", units=True, timeout_s=_TOOL_S)
    except (OSError, subprocess.SubprocessError):
        return []
    return [", ".join(cells) for cells in rows]


def _said(command: list[str]) -> str | None:
    """Return a tool's output; None if it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TOOL_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
