"""What a run may leave behind, and its removal: processes, files, System V IPC."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time

SHARED_FOLDERS = ("/tmp", "/dev/shm", "/var/tmp", "/dev/mqueue")
"""Where any user may leave files."""

_REAP_S = 5.0

# PyDLL keeps the interpreter's lock across the call, which a fork made behind Python's back needs.
_libc = ctypes.PyDLL(None, use_errno=True)


def reap() -> bool:
    """Reap the children that have ended; True if there are others that still live.

    To a process that adopts orphans, every descendant is a child or has an ancestor that is one. So False means that
    there is no descendant at all, which a look at /proc could not promise: processes that keep forking slip through it.
    """
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


def reap_killed() -> None:
    """Wait until all children, which were killed, are gone.

    Raises:
        TimeoutError: one is still there after seconds.
    """
    deadline = time.monotonic() + _REAP_S
    while reap():
        if time.monotonic() > deadline:
            raise TimeoutError("a killed process does not end")
        time.sleep(0.001)


def kill_descendants() -> None:
    """Kill and reap every descendant, for as long as there are any.

    All are stopped before one is killed: a stopped process still counts against its user's limit, so that a program
    that forks whenever it may cannot refill what was killed.
    """
    deadline = time.monotonic() + _REAP_S
    while reap() and time.monotonic() < deadline:
        stopped: set[int] = set()
        while (found := _descendants(os.getpid()) - stopped) and time.monotonic() < deadline:
            _signal(found, signal.SIGSTOP)
            stopped |= found
        _signal(stopped, signal.SIGKILL)


def has_company(pid: int, parent: int) -> bool:
    """Whether a process, or its parent, which adopts its orphans, has another descendant."""
    return bool(_descendants(parent) - {pid})


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _descendants(ancestor: int) -> set[int]:
    found: set[int] = set()
    parents = [ancestor]
    while parents:
        parent = parents.pop()
        for thread in _names(f"/proc/{parent}/task"):
            children = _children(parent, thread)
            parents += children - found
            found |= children
    return found


def _children(pid: int, thread: str) -> set[int]:
    try:
        with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as listing:
            return {int(child) for child in listing.read().split()}
    except OSError:
        return set()


def thread_count(uid: int) -> int:
    """How many threads on this machine belong to a user, as RLIMIT_NPROC counts them."""
    processes = (f"/proc/{pid}" for pid in os.listdir("/proc") if pid.isdigit())
    return sum(len(_names(f"{process}/task")) for process in processes if _owner(process) == uid)


def has_files(uid: int, work_root: str) -> bool:
    """Whether a user left files or System V IPC objects where any user may."""
    return any(_owner(path) == uid for path in _shared_paths(work_root)) or any(
        owner == uid for kind in _SYSV for _, owner in _sysv_rows(kind)
    )


def sweep(uid: int, sweeper_uid: int, work_root: str) -> None:
    """Kill a user's processes and delete what it left. Call in a forked process of its own, as root.

    Only the effective user id becomes `uid`: with that alone its processes can be killed and its files deleted, but
    its processes may not kill this one, which has `sweeper_uid` otherwise.
    """
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(sweeper_uid, uid, sweeper_uid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    for path in _shared_paths(work_root):
        if _owner(path) == uid:
            remove_tree(path)
    for kind in _SYSV:
        for identifier, owner in _sysv_rows(kind):
            if owner == uid:
                _remove_sysv(kind, identifier)


def remove_tree(path: str) -> None:
    """Delete a file or a folder, however deep and whatever its names and permissions; what cannot be deleted stays.

    Subfolders are moved up into the top one, so that no path and no recursion grows with the depth. Everything goes
    through file descriptors of folders, so that a symbolic link put in some folder's place is never followed.
    """
    try:
        if not os.path.isdir(path) or os.path.islink(path):
            os.unlink(path)
            return
        _open_up(path, None)
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        left: list[str] | None = None
        while left != (left := _clear(top, top)) and left:
            for name in left:
                _clear_inner(top, name)
    finally:
        os.close(top)
    with contextlib.suppress(OSError):
        os.rmdir(path)


def _clear(folder: int, top: int) -> list[str]:
    """Unlink the files of a folder and move its subfolders to `top`; returns the names of what is still in it."""
    left = []
    for name in os.listdir(folder):
        try:
            os.unlink(name, dir_fd=folder)
        except OSError:
            left.append(name)
    if folder == top:
        return left
    for name in left:
        with contextlib.suppress(OSError):
            _open_up(name, folder)
            os.rename(name, os.urandom(16).hex(), src_dir_fd=folder, dst_dir_fd=top)
    return []


def _clear_inner(top: int, name: str) -> None:
    with contextlib.suppress(OSError):
        _open_up(name, top)
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
        try:
            _clear(folder, top)
        finally:
            os.close(folder)
        os.rmdir(name, dir_fd=top)


def _open_up(name: str, folder: int | None) -> None:
    # Root needs no permission, and must not follow a link here.
    if os.geteuid() != 0:
        os.chmod(name, 0o700, dir_fd=folder)


def _shared_paths(work_root: str) -> list[str]:
    return [f"{top}/{name}" for top in sorted({*SHARED_FOLDERS, work_root}) for name in _names(top)]


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _owner(path: str) -> int:
    try:
        return os.lstat(path).st_uid
    except OSError:
        return -1


_SYSV = {"shm": "shmid", "sem": "semid", "msg": "msqid"}
"""Kinds of System V objects, and the column of /proc/sysvipc that identifies one."""


def _sysv_rows(kind: str) -> list[tuple[int, int]]:
    """Identifier and owner of each System V object."""
    try:
        with open(f"/proc/sysvipc/{kind}", encoding="ascii") as table:
            header, *rows = table.read().splitlines()
    except OSError:
        return []
    columns = header.split()
    identifier, owner = columns.index(_SYSV[kind]), columns.index("uid")
    return [(int(row.split()[identifier]), int(row.split()[owner])) for row in rows]


def _remove_sysv(kind: str, identifier: int) -> None:
    ipc_rmid = 0
    if kind == "shm":
        _libc.shmctl(identifier, ipc_rmid, None)
    elif kind == "sem":
        _libc.semctl(identifier, 0, ipc_rmid)
    else:
        _libc.msgctl(identifier, ipc_rmid, None)
