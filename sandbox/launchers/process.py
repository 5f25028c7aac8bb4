"""Boxes that are ordinary processes: rlimits, and a user id for each run if codebudget is root. Weak."""

import contextlib
import itertools
import os
import random
import signal
import time
from pathlib import Path

from ..box import Box
from ..guest.leftovers import remove_tree
from .local import PYTHON_OPTIONS, interpreter, start_worker
from .ownership import dead_folders, make_folder, remove_dead_folders

_UIDS_PER_BOX = 256
_LOWEST_SPARE_UID = 40_192
_FIRST_HIGH_UID = 1 << 30
_HIGH_RANGES = 1 << 20
_KILL_S = 5.0
_range_numbers = itertools.count(random.SystemRandom().randrange(_HIGH_RANGES))


class ProcessLauncher:
    """Starts a worker as a child process of codebudget."""

    name = "process"
    promise = "weak: limits on time, memory, processes and output; no isolation from files or network"

    @property
    def not_promised(self) -> frozenset[str]:
        """Most promises; without root, also a separate user for programs."""
        weak = {"network", "host files", "user namespaces", "total memory", "total disk"}
        return frozenset(weak if os.geteuid() == 0 else weak | {"own user", "leftovers"})

    def prepare(self) -> None:
        """Remove what dead owners left, and start a box for real, once.

        Raises:
            SandboxError: there is no interpreter that boxes can use, or it cannot confine a run.
        """
        self.clean()
        box = self.launch()
        box.try_out()
        box.close()

    def environment(self) -> str:
        """Name the interpreter of boxes."""
        return f"process {interpreter()}"

    def clean(self) -> list[str]:
        """Remove the folders of dead owners and kill what still runs as their users; returns the folders."""
        for folder in dead_folders():
            with contextlib.suppress(FileNotFoundError):
                _kill_users(_uids_of(folder))
        return [f"folder {path}" for path in remove_dead_folders()]

    def launch(self) -> Box:
        """Start a box."""
        uids = _spare_uids() if os.geteuid() == 0 else range(0)
        # Other users must be able to reach it, which root's own TMPDIR may not allow.
        work_root = make_folder("/tmp" if uids else None)
        configuration: dict[str, object] = {
            "separation": "none",
            "work_root": work_root,
            "remove_work_root": True,
        }
        if uids:
            # The group tells whoever cleans up later which user ids go with the folder.
            os.chown(work_root, -1, uids.start)
            os.chmod(work_root, 0o1777)
            # The last one is for the process that cleans up after the others.
            configuration |= {"separation": "uid", "first_uid": uids.start, "uid_count": len(uids) - 1}

        def remove_work() -> None:
            _kill_users(uids)
            remove_tree(work_root)

        try:
            command = [str(interpreter()), *PYTHON_OPTIONS]
            return start_worker(command, configuration, message_queues=False, cleanup=remove_work)
        except BaseException:
            remove_work()
            raise


def _spare_uids() -> range:
    """Find unused user ids, above people's and other boxes'; none if the user namespace has too few."""
    rows = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    end = max(int(start) + int(count) for start, _, count in map(str.split, rows))
    first, ranges = _FIRST_HIGH_UID, _HIGH_RANGES
    if end < first + ranges * _UIDS_PER_BOX:
        first, ranges = _LOWEST_SPARE_UID, (min(end, 60_000) - _LOWEST_SPARE_UID) // _UIDS_PER_BOX
    if ranges < 1:
        return range(0)
    start = first + next(_range_numbers) % ranges * _UIDS_PER_BOX
    return range(start, start + _UIDS_PER_BOX)


def _uids_of(folder: Path) -> range:
    first = folder.stat().st_gid if os.geteuid() == 0 else 0
    return range(first, first + _UIDS_PER_BOX) if first >= _LOWEST_SPARE_UID else range(0)


def _kill_users(uids: range) -> None:
    """Kill what a killed worker has left running."""
    deadline = time.monotonic() + _KILL_S
    while uids and time.monotonic() < deadline:
        found = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit() and _owner(entry) in uids]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _owner(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_uid
    except OSError:
        return -1
