"""How one run is kept apart from the worker and from the runs before and after it.

A run is a process that a zygote forks. What all runs have in common the zygote has done to itself, once, before it
forks the first; the rest each run does to itself before any of its program is there.

`namespaces`: the zygote is in user, mount and IPC namespaces of its own, and each run is the first process of further
PID, mount and IPC namespaces, with a private /tmp and /dev/shm, and without capabilities; all of that goes when it
dies. `uid`: a run has a user id that no other run has, and what that user left is removed. `none`: rlimits only; its
descendants are found through the zygote, which adopts orphans.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from typing import Any, NamedTuple

from . import leftovers, syscalls

_CLONE_NEWNS = 0x00020000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_MS_NOSUID_NODEV_NOEXEC = ctypes.c_ulong(2 | 4 | 8)
_MS_BIND = ctypes.c_ulong(4096)
_DEATH_SIGNAL = 1, int(signal.SIGKILL), 0, 0, 0
_DUMPABLE, _NOT_DUMPABLE = (4, 1, 0, 0, 0), (4, 0, 0, 0, 0)
"""Arguments of prctl(2)."""
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_LINUX_CAPABILITY_VERSION_3 = 0x20080522
# Made once: a new ctypes array type costs as much as the rest of a run's start.
_NO_CAPABILITIES = ((ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)())

# PyDLL keeps the interpreter's lock across the call, which a fork made behind Python's back needs.
_libc = ctypes.PyDLL(None, use_errno=True)
# Looked up once, as each run would have to: that touches more memory, which a fork must then copy, than a call does.
_capset, _mount, _prctl, _setfsuid, _syscall = _libc.capset, _libc.mount, _libc.prctl, _libc.setfsuid, _libc.syscall


class Remains(NamedTuple):
    """What a finished run cost, from wait4(2): how it ended, its CPU seconds and its peak memory."""

    wait_status: int
    cpu_s: float
    peak_bytes: int


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def set_dumpable(dumpable: bool) -> None:
    """Let this process be traced, and its files in /proc be its own, or not."""
    _check(_prctl(*(_DUMPABLE if dumpable else _NOT_DUMPABLE)), "prctl(PR_SET_DUMPABLE)")


def die_with_parent() -> None:
    """Be killed when the process that forked this one dies. A change of user id undoes it."""
    _check(_prctl(*_DEATH_SIGNAL), "prctl(PR_SET_PDEATHSIG)")


def adopt_orphans() -> None:
    """Make this process the parent of its descendants' orphans."""
    _check(_prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)")


def harden_worker() -> None:
    """Make this process untraceable by its children, and the one that adopts their orphans."""
    set_dumpable(False)
    adopt_orphans()
    _check(_prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")


def _flags(flags: int) -> ctypes.c_ulong:
    return ctypes.c_ulong(flags | signal.SIGCHLD)


def _clone(flags: ctypes.c_ulong) -> int:
    """Fork behind Python's back: its own hooks would seed `random` anew in each run."""
    pid = int(_syscall(_CLONE, flags, None, None, None, None))
    if pid < 0:
        _check(-1, "clone")
    return pid


_CLONE = syscalls.number("clone")


class Separation:
    """Rlimits alone; the base of the others.

    `library_bytes`: address space that the worker's libraries take, which is not counted to a run.
    """

    zygote_flags = _flags(0)
    run_flags = _flags(0)
    makes_namespaces = False

    def __init__(self, work_root: str, library_bytes: int = 0) -> None:
        self.work_root = work_root
        self.library_bytes = library_bytes

    def fork_zygote(self) -> int:
        """Fork the process that will fork runs."""
        return _clone(self.zygote_flags)

    def prepare(self, limits: dict[str, Any]) -> None:
        """Do to a zygote what all of its runs are to have.

        Raises:
            OSError: it does not work here.
        """
        self._prepare(limits)
        syscalls.leave_session_keyring()
        for kind, value in (
            (resource.RLIMIT_AS, int(limits["memory_bytes"]) + self.library_bytes),
            (resource.RLIMIT_FSIZE, int(limits["file_bytes"])),
            (resource.RLIMIT_NOFILE, int(limits["open_files"])),
            (resource.RLIMIT_CORE, 0),
        ):
            _limit(kind, value)
        self._processes = int(limits["processes"])
        syscalls.refuse()
        if not self.makes_namespaces:
            syscalls.refuse_namespaces()

    def fork_run(self) -> int:
        """Fork a run from a zygote."""
        return _clone(self.run_flags)

    def confine(self, number: int, cpu_s: int) -> None:
        """Do to a run what it does not have from its zygote. `cpu_s` is for its children; 0 is no limit.

        Raises:
            OSError: it does not work here.
        """
        # The zygote is not dumpable; here that would only take /proc/self away.
        set_dumpable(True)
        self._confine(number)
        # Where the worker is killed from outside, its runs shall not go on.
        die_with_parent()
        if cpu_s:
            # The worker's own clock ends the process itself before. A hard limit above the soft one, so that a process
            # dies of SIGXCPU, which names the cause.
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
        _limit(resource.RLIMIT_NPROC, self._process_limit())
        os.setsid()

    def remove_leftovers(self, number: int) -> None:
        """Remove what a run made, whose first process is gone."""
        leftovers.kill_descendants()
        leftovers.remove_tree(self._folder(number))

    def own_pipe(self, number: int) -> tuple[int, int]:
        """Make a pipe that a run can open anew, by /dev/stdin."""
        return os.pipe()

    def _prepare(self, limits: dict[str, Any]) -> None:
        pass

    def _confine(self, number: int) -> None:
        folder = self._folder(number)
        os.mkdir(folder, 0o700)
        os.chdir(folder)

    def _folder(self, number: int) -> str:
        return f"{self.work_root}/run-{number}"

    def _process_limit(self) -> int:
        # Without a user id of its own the limit counts every thread of this user on the machine.
        return leftovers.thread_count(os.getuid()) + self._processes


class UidSeparation(Separation):
    """A fresh user id for each run; needs SETUID, SETGID and KILL, and nothing else.

    Takes `uid_count` user ids from `first_uid` on, and the one after them.
    """

    def __init__(self, work_root: str, first_uid: int, uid_count: int, library_bytes: int = 0) -> None:
        super().__init__(work_root, library_bytes)
        self.first_uid = first_uid
        self.uid_count = uid_count

    def own_pipe(self, number: int) -> tuple[int, int]:
        """Make a pipe that a run can open anew, by /dev/stdin: it shall be the run's own."""
        # The id for files alone is changed: an effective one could be sent signals.
        own = _setfsuid(self._uid(number))
        try:
            return os.pipe()
        finally:
            _setfsuid(own)
            set_dumpable(False)

    def remove_leftovers(self, number: int) -> None:
        """Remove what a run made, whose first process is gone."""
        alive = leftovers.reap()
        try:
            os.rmdir(self._folder(number))
            untouched = True
        except OSError:
            untouched = False
        uid = self._uid(number)
        if alive or not untouched or leftovers.has_files(uid, self.work_root):
            self._sweep(uid)

    def _prepare(self, limits: dict[str, Any]) -> None:
        os.setgroups([])

    def _confine(self, number: int) -> None:
        uid = self._uid(number)
        # Where memory that no process maps fills the box, the kernel would as soon end the worker.
        _write("/proc/self/oom_score_adj", "1000")
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        folder = self._folder(number)
        # Readable, so that the zygote, which may not override permissions, can see whether it is empty.
        os.mkdir(folder, 0o755)
        os.chdir(folder)

    def _uid(self, number: int) -> int:
        return self.first_uid + number % self.uid_count

    def _process_limit(self) -> int:
        return self._processes

    def _sweep(self, uid: int) -> None:
        pid = os.fork()
        if pid == 0:
            try:
                # The id after those that runs get.
                leftovers.sweep(uid, self.first_uid + self.uid_count, self.work_root)
            finally:
                os._exit(0)
        leftovers.reap_killed()


class NamespaceSeparation(Separation):
    """Own PID, mount and IPC namespaces for each run, in a user namespace in which it has no capabilities."""

    zygote_flags = _flags(_CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWIPC)
    run_flags = _flags(_CLONE_NEWPID | _CLONE_NEWNS | _CLONE_NEWIPC)
    makes_namespaces = True

    def __init__(self, work_root: str, library_bytes: int = 0) -> None:
        super().__init__(work_root, library_bytes)
        self.outer_uid, self.outer_gid = os.getuid(), os.getgid()

    def remove_leftovers(self, number: int) -> None:
        """Nothing: with the first process its namespaces are gone, and all that was in them."""

    def _prepare(self, limits: dict[str, Any]) -> None:
        uid, gid = self.outer_uid, self.outer_gid
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
        # The zygote is one of them.
        _limit(resource.RLIMIT_NPROC, int(limits["processes"]) + 1)
        self._scratch = f"size={limits['file_bytes']},nr_inodes=4096,mode=1777".encode()
        self._no_namespaces = syscalls.call_to_refuse_namespaces()
        self._forbid_namespaces()

    def _forbid_namespaces(self) -> None:
        """Forbid further user namespaces, which would give a run its capabilities back."""
        # Only where a /proc of one's own is mounted can that be written.
        pid = _clone(self.run_flags)
        if pid == 0:
            try:
                _check(_mount(b"proc", b"/proc", b"proc", _MS_NOSUID_NODEV_NOEXEC, None), "mount /proc")
                _write("/proc/sys/user/max_user_namespaces", "0")
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        if status != 0:
            raise OSError("the number of user namespaces cannot be limited")

    def confine(self, number: int, cpu_s: int) -> None:
        """Do to a run what it does not have from its zygote, as above, with as few objects as can be.

        Each function and name that a run comes upon first costs it a page.
        """
        failed = (
            _prctl(*_DUMPABLE)
            or _mount(b"tmpfs", b"/tmp", b"tmpfs", _MS_NOSUID_NODEV_NOEXEC, self._scratch)
            # One file system for both: making and removing one is most of what a mount namespace costs.
            or _mount(b"/tmp", b"/dev/shm", None, _MS_BIND, None)
            or _mount(b"proc", b"/proc", b"proc", _MS_NOSUID_NODEV_NOEXEC, None)
            or _capset(*_NO_CAPABILITIES)
            or _prctl(*_DEATH_SIGNAL)
            or _syscall(*self._no_namespaces)
        )
        if failed:
            _check(failed, "prctl, mount, capset or seccomp")
        os.chdir("/tmp")
        if cpu_s:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
        os.setsid()


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (ceiling, ceiling))


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
