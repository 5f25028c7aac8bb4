"""Marks of the process that owns containers and folders, so that a later one can remove what a dead one left.

A mark names the machine, the process and when it started: ids are reused, and engines and folders may be
shared with machines and containers whose processes are invisible from here. Only a mark of this machine whose process
is gone counts as dead.
"""

import hashlib
import os
import re
import tempfile
from functools import cache
from pathlib import Path

from ..guest.leftovers import remove_tree

_FOLDER_PREFIX = "codebudget-"
_MARK = re.compile(r"([0-9a-f]{16})-(\d+)-(\d+)")


def owner_mark() -> str:
    """Return this process's mark."""
    return f"{_machine()}-{os.getpid()}-{_start_time(os.getpid())}"


def owner_is_dead(mark: str) -> bool:
    """Whether the owner was a process of this machine, and is gone."""
    parts = _MARK.fullmatch(mark)
    return parts is not None and parts[1] == _machine() and _start_time(int(parts[2])) != int(parts[3])


def make_folder(top: str | None = None) -> str:
    """Make a temporary folder that `remove_dead_folders` will know as this process's; returns its path."""
    return tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{owner_mark()}-", dir=top)


def dead_folders() -> list[Path]:
    """List this user's folders left by dead owners."""
    tops = {Path(tempfile.gettempdir()), Path("/tmp")}
    entries = [entry for top in tops for entry in os.scandir(top) if entry.name.startswith(_FOLDER_PREFIX)]
    return sorted(Path(entry.path) for entry in entries if _is_dead_folder(entry))


def remove_dead_folders() -> list[str]:
    """Remove them; returns the paths of those removed."""
    found = dead_folders()
    for folder in found:
        remove_tree(str(folder))
    return [str(folder) for folder in found if not folder.exists()]


def _is_dead_folder(entry: os.DirEntry[str]) -> bool:
    mark = entry.name.removeprefix(_FOLDER_PREFIX).rpartition("-")[0]
    if not owner_is_dead(mark):
        return False
    try:
        # Any user can make a folder of that name; whoever did may keep it.
        return entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
    except OSError:
        return False


@cache
def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    return hashlib.sha256(f"{boot}{os.readlink('/proc/self/ns/pid')}".encode()).hexdigest()[:16]


def _start_time(pid: int) -> int:
    """Return a process's start time in clock ticks since boot; -1 if no such process lives."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return -1
    fields = stat.rpartition(")")[2].split()
    return -1 if fields[0] in "ZX" else int(fields[19])
