"""Boxes that are ordinary processes: rlimits, and a user id for each run where codebudget is root. Weak."""

import os
import random
import shutil
import tempfile
from pathlib import Path

from ..box import Box
from .local import PYTHON_OPTIONS, interpreter, start_worker

_UIDS_PER_BOX = 4096


class ProcessLauncher:
    """Starts a worker as a child process of codebudget."""

    name = "process"
    promise = "weak: limits on time, memory, processes and output; no isolation from files or network"

    def prepare(self) -> None:
        """Find an interpreter.

        Raises:
            SandboxError: there is none that boxes can use.
        """
        interpreter()

    def environment(self) -> str:
        """The interpreter that boxes run."""
        return f"process {interpreter()}"

    def launch(self) -> Box:
        """Start a box."""
        work_root = tempfile.mkdtemp(prefix="codebudget-")
        configuration: dict[str, object] = {"separation": "none", "work_root": work_root}
        if os.geteuid() == 0:
            os.chmod(work_root, 0o1777)
            configuration |= {"separation": "uid", "first_uid": _spare_uids(), "uid_count": _UIDS_PER_BOX}

        def remove_work() -> None:
            shutil.rmtree(work_root, ignore_errors=True)

        try:
            return start_worker([str(interpreter()), *PYTHON_OPTIONS], configuration, cleanup=remove_work)
        except BaseException:
            remove_work()
            raise


def _spare_uids() -> int:
    """The first of a range of user ids that nobody has, far above people's where the user namespace goes so far."""
    rows = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    highest = max(int(start) + int(count) for start, _, count in map(str.split, rows))
    if highest > 1 << 31:
        return (1 << 30) + random.SystemRandom().randrange(1 << 17) * _UIDS_PER_BOX
    return 40_000 + random.SystemRandom().randrange(4) * _UIDS_PER_BOX
