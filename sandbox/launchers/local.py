"""Common parts of launchers without an engine: interpreter, environment, and starting a worker as a child."""

import os
import resource
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import SandboxError
from ..box import BOOTSTRAP, START_S, Box, start_message
from ..stream import BoxLostError, PipeStream

ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
}
"""The whole environment of a box's processes: fixed, so that verdicts do not depend on the caller's."""

PYTHON_OPTIONS = ("-s", "-S", "-c", BOOTSTRAP)
"""`-S`: no site-packages of the host; what happens to be installed there must not change a verdict."""

_END_S = 2.0
"""Seconds a worker may take to end by itself."""


def interpreter() -> Path:
    """Find the Python that boxes on this host run: this environment's own, or the system's.

    Under root, boxes run as another user, who must be able to read the interpreter.

    Raises:
        SandboxError: there is none that such a user can read.
    """
    candidates = (Path(getattr(sys, "_base_executable", sys.executable)).resolve(), Path("/usr/bin/python3").resolve())
    for candidate in candidates:
        if candidate.is_file() and (os.geteuid() != 0 or _readable_by_others(candidate)):
            return candidate
    raise SandboxError(
        f"the Python under {candidates[0].parent} cannot be read by an unprivileged user; install the system's python3"
    )


def _readable_by_others(path: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


def start_worker(
    command: list[str],
    configuration: dict[str, Any],
    *,
    user: int | None = None,
    message_queues: bool = True,
    cleanup: Callable[[], None] | None = None,
) -> Box:
    """Start `command`, which must run a Python with `PYTHON_OPTIONS`, as `user` if given, and greet its worker.

    Without `message_queues`, nothing in the box can make POSIX queues, which outlive their makers and cannot be listed
    if no /dev/mqueue is mounted. `cleanup` is called once the box is gone.

    Raises:
        SandboxError: the worker does not come up; the message ends with what it said.
    """
    its_stdin, our_write = os.pipe()
    our_read, its_stdout = os.pipe()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            stdin=its_stdin,
            stdout=its_stdout,
            stderr=errors,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        if not message_queues:
            resource.prlimit(process.pid, resource.RLIMIT_MSGQUEUE, (0, 0))
        os.close(its_stdin)
        os.close(its_stdout)
        stream = PipeStream(our_read, our_write)

        def kill() -> None:
            # At the end of its input, a worker ends its run; its sudden death would leave it behind.
            stream.close()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if cleanup is not None:
                cleanup()

        try:
            stream.write(start_message(configuration), time.monotonic() + START_S)
            return Box(stream, kill)
        except BoxLostError as error:
            kill()
            errors.seek(0)
            said = errors.read(4096).decode("utf-8", "replace").strip().splitlines()
            raise SandboxError(f"{error}" + (f": {said[-1]}" if said else "")) from error
