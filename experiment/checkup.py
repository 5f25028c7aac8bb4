"""What this machine can do: processor, GPUs, engines, sandboxes, Docker, disk, model cache."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .._util.machine import available_memory_bytes, cpu_name, has_gpu_driver, nvidia_smi

if TYPE_CHECKING:
    from collections.abc import Mapping

_IMPORT_S: Final = 180.0
_MIB: Final = 1 << 20


def examine(store: Path) -> dict[str, Any]:
    """Examine processor, GPUs, engines, sandboxes, Docker, disk, model cache and `store`; builds and writes nothing."""
    gpus, gpu_problem = _gpus()
    docker = _docker()
    engines = _engines()
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_available_bytes": available_memory_bytes(),
        "disk_free_bytes": shutil.disk_usage(Path.cwd()).free,
        "gpus": gpus,
        "gpu_problem": gpu_problem,
        "engines": engines,
        "engine": _engine({row["name"]: row["problem"] for row in engines}),
        "docker": docker,
        "sandboxes": _sandboxes(docker),
        "hub_cache": _hub_cache(),
        "store": {"file": str(store), "bytes": store.stat().st_size if store.is_file() else None},
    }


def _gpus() -> tuple[list[dict[str, Any]], str | None]:
    """List GPUs by NVIDIA's tool, and why there are none."""
    if shutil.which("nvidia-smi") is None:
        return [], "a driver, but no nvidia-smi" if has_gpu_driver() else "none found"
    try:
        rows = nvidia_smi("name", "memory.total", "memory.free", "driver_version")
    except (OSError, subprocess.SubprocessError) as error:
        return [], f"nvidia-smi failed: {' '.join(str(error).split())}"
    gpus = []
    for name, *memory, driver in rows:
        total, free = (int(cell) * _MIB if cell.isdecimal() else None for cell in memory)
        gpus.append({"name": name, "memory_bytes": total, "free_bytes": free, "driver": driver})
    return gpus, None if gpus else "nvidia-smi lists none"


def _engines() -> list[dict[str, Any]]:
    """Describe every engine; each installed one is imported in its own process."""
    from ..sampler.engines.libraries import ENGINES, INSTALL, missing, version

    installed = [name for name in ENGINES if missing(name) is None]
    with ThreadPoolExecutor(len(ENGINES)) as threads:
        problems = dict(zip(installed, threads.map(_import_problem, installed), strict=True))
    return [
        {
            "name": name,
            "version": version(name) if name in problems else None,
            "problem": problems.get(name),
            "install": None if name in problems else INSTALL[name],
        }
        for name in ENGINES
    ]


def _import_problem(engine: str) -> str | None:
    """Say why an installed engine cannot be imported, and what to do; None if it can."""
    command = [sys.executable, "-m", "codebudget.sampler.engines.libraries", engine]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_IMPORT_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return f"the engine {engine} cannot be tried: {' '.join(str(error).split())}"
    if done.returncode == 0:
        return None
    said = (done.stdout or done.stderr).strip().splitlines()
    return said[-1] if said else f"the engine {engine} cannot be imported: the process ended with {done.returncode}"


def _engine(problems: Mapping[str, str | None]) -> dict[str, str | None]:
    """Find `--engine auto`'s pick, or why it cannot draw."""
    from ..errors import EngineError
    from ..sampler.engines import pick_engine

    try:
        picked = pick_engine()
    except EngineError as error:
        return {"name": None, "reason": None, "problem": str(error)}
    problem = problems[picked.name]
    return {"name": picked.name, "reason": None if problem else picked.reason, "problem": problem}


def _docker() -> dict[str, str | None]:
    """Find Docker's version and the sandbox image, or what prevents their use. Builds nothing."""
    import docker
    from requests import RequestException

    from ..errors import SandboxError
    from ..sandbox.images import PLAIN
    from ..sandbox.launchers.docker import connect

    found: dict[str, str | None] = {"engine": None, "image": None, "problem": None}
    try:
        client = connect()
        found["engine"] = str(client.version()["Version"])
        found["image"] = str(client.images.get(PLAIN.tag).id)
    except docker.errors.ImageNotFound:
        found["problem"] = f"engine {found['engine']}, but no sandbox image: codebudget sandbox build"
    except (SandboxError, docker.errors.DockerException, RequestException, OSError) as error:
        found["problem"] = " ".join(str(error).split())
    return found


def _sandboxes(docker: dict[str, str | None]) -> list[dict[str, str | None]]:
    from ..errors import MachineError
    from ..sandbox import LAUNCHERS, choose_launcher

    rows = []
    for name, launcher in LAUNCHERS.items():
        # Trying docker without its image would build it.
        problem = docker["problem"] if name == "docker" else None
        if problem is None:
            try:
                choose_launcher(name)
            except MachineError as error:
                problem = str(error)
        rows.append({"name": name, "promise": launcher().promise, "problem": problem})
    return rows


def _hub_cache() -> dict[str, Any]:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    if not folder.is_dir():
        return {"folder": str(folder), "bytes": None}
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            # A snapshot's files are links to the blobs; a download ending now removes its own.
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(where, name)).st_size
    return {"folder": str(folder), "bytes": total}
