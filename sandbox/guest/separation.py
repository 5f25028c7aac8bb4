"""How one run is kept apart from the worker and from the runs before and after it.

`namespaces`: the process is the first of its own user, PID, mount and IPC namespaces, with a private /tmp and
/dev/shm; all of that goes when it dies. `uid`: it has a user id that no other run has, and what that user left is
removed. `none`: rlimits only; its descendants are found through the worker, which adopts orphans.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import shutil
import signal
import socket
import time
from typing import Any, Callable, NamedTuple

from . import wire

CHANNEL_FD = 3
_CLONE_NEWNS = 0x00020000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_LINUX_CAPABILITY_VERSION_3 = 0x20080522
_CLONE_SYSCALL = {"x86_64": 56, "aarch64": 220}
_SHARED_FOLDERS = ("/tmp", "/dev/shm", "/var/tmp", "/dev/mqueue")

# PyDLL keeps the interpreter's lock across the call, which a fork made behind Python's back needs.
_libc = ctypes.PyDLL(None, use_errno=True)

Target = Callable[[socket.socket], None]


class Child(NamedTuple):
    """A process that runs one role; its ends of the channel and of the pipe that takes its output."""

    pid: int
    channel: socket.socket
    output_fd: int
    uid: int


class Remains(NamedTuple):
    """What a finished child cost, from wait4(2): how it ended, its CPU seconds and its peak memory."""

    wait_status: int
    cpu_s: float
    peak_bytes: int


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def harden_worker() -> None:
    """Make this process untraceable by its children, adopt their orphans, and die with the launcher."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")


class Separation:
    """Rlimits alone; the base of the others."""

    def __init__(self, work_root: str) -> None:
        self.work_root = work_root
        self.runs = 0

    def start(self, target: Target, limits: dict[str, Any]) -> Child:
        """Fork a confined process that calls `target` with its end of a channel and then ends."""
        self.runs += 1
        ours, theirs = socket.socketpair()
        output_read, output_write = os.pipe()
        pid = self._fork()
        if pid == 0:
            try:
                self._run_child(theirs, output_write, limits, target)
            finally:
                os._exit(0)
        theirs.close()
        os.close(output_write)
        return Child(pid, ours, output_read, self._uid())

    def finish(self, child: Child) -> Remains:
        """Kill what is left of a run, remove what it made, and say what it cost."""
        child.channel.close()
        os.close(child.output_fd)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        _, status, usage = os.wait4(child.pid, 0)
        self._remove_leftovers(child)
        return Remains(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def _fork(self) -> int:
        return os.fork()

    def _uid(self) -> int:
        return os.getuid()

    def _run_child(self, theirs: socket.socket, output_fd: int, limits: dict[str, Any], target: Target) -> None:
        try:
            self._become_child(theirs, output_fd, limits)
        except Exception as error:
            # Not the candidate's doing: none of its code has run.
            theirs.sendall(wire.frame(wire.DONE, f"{type(error).__name__}: {error}".encode()))
            return
        channel = socket.socket(fileno=CHANNEL_FD)
        channel.sendall(wire.frame(wire.HELLO, b""))
        target(channel)

    def _become_child(self, channel: socket.socket, output_fd: int, limits: dict[str, Any]) -> None:
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(channel.fileno(), CHANNEL_FD)
        os.dup2(output_fd, 1)
        os.dup2(output_fd, 2)
        os.dup2(null, 0)
        os.closerange(CHANNEL_FD + 1, 1024)
        # The worker is not dumpable; here that would only take /proc/self away.
        _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")
        self._confine(limits)
        _set_rlimits(limits, processes=self._process_limit(limits))
        os.setsid()

    def _confine(self, limits: dict[str, Any]) -> None:
        folder = f"{self.work_root}/run-{self.runs}"
        os.mkdir(folder, 0o700)
        os.chdir(folder)

    def _process_limit(self, limits: dict[str, Any]) -> int:
        # Without a user id of its own the limit counts every process of this user on the machine.
        mine = sum(1 for pid in os.listdir("/proc") if pid.isdigit() and _owner(f"/proc/{pid}") == os.getuid())
        return mine + int(limits["processes"])

    def _remove_leftovers(self, child: Child) -> None:
        _kill_adopted()
        shutil.rmtree(f"{self.work_root}/run-{self.runs}", ignore_errors=True)


class UidSeparation(Separation):
    """A fresh user id for each run; needs SETUID, SETGID and KILL, and nothing else."""

    def __init__(self, work_root: str, first_uid: int, uid_count: int) -> None:
        super().__init__(work_root)
        self.first_uid = first_uid
        self.uid_count = uid_count

    def _uid(self) -> int:
        return self.first_uid + self.runs % self.uid_count

    def _confine(self, limits: dict[str, Any]) -> None:
        uid = self._uid()
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        folder = f"{self.work_root}/run-{self.runs}"
        # Readable, so that the worker, which may not override permissions, can see whether it is empty.
        os.mkdir(folder, 0o755)
        os.chdir(folder)

    def _process_limit(self, limits: dict[str, Any]) -> int:
        return int(limits["processes"])

    def _remove_leftovers(self, child: Child) -> None:
        _reap_all()
        folder = f"{self.work_root}/run-{self.runs}"
        try:
            os.rmdir(folder)
            untouched = True
        except OSError:
            untouched = False
        if not untouched or self._left_something(child.uid):
            self._sweep_as(child.uid, folder)
            _reap_all()

    def _left_something(self, uid: int) -> bool:
        processes = (f"/proc/{pid}" for pid in os.listdir("/proc") if pid.isdigit())
        files = (f"{top}/{name}" for top in {*_SHARED_FOLDERS, self.work_root} for name in _names(top))
        return any(_owner(path) == uid for group in (processes, files) for path in group) or _has_sysv_ipc()

    def _sweep_as(self, uid: int, folder: str) -> None:
        """Kill and delete with the run's own user id, which alone may do so everywhere."""
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
                for top in {*_SHARED_FOLDERS, self.work_root}:
                    for name in _names(top):
                        _delete_own(f"{top}/{name}", uid)
                _remove_sysv_ipc(uid)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        with contextlib.suppress(OSError):
            os.rmdir(folder)


class NamespaceSeparation(Separation):
    """Own user, PID, mount and IPC namespaces for each run, without capabilities in them."""

    def __init__(self, work_root: str) -> None:
        super().__init__(work_root)
        self.outer_uid, self.outer_gid = os.getuid(), os.getgid()

    def _fork(self) -> int:
        number = _CLONE_SYSCALL.get(platform.machine())
        if number is None:
            raise OSError(f"namespaces per run are not supported on {platform.machine()}")
        flags = _CLONE_NEWUSER | _CLONE_NEWPID | _CLONE_NEWNS | _CLONE_NEWIPC | signal.SIGCHLD
        pid = int(_libc.syscall(ctypes.c_long(number), ctypes.c_ulong(flags), None, None, None, None))
        if pid < 0:
            _check(-1, "clone")
        return pid

    def _confine(self, limits: dict[str, Any]) -> None:
        uid, gid = self.outer_uid, self.outer_gid
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
        scratch = f"size={limits['file_bytes']},nr_inodes=4096,mode=1777".encode()
        for folder in (b"/tmp", b"/dev/shm"):
            _mount(b"tmpfs", folder, scratch)
        _mount(b"proc", b"/proc", None)
        # A user namespace inside this one would give its capabilities back.
        _write("/proc/sys/user/max_user_namespaces", "0")
        os.chdir("/tmp")
        _drop_capabilities()

    def _process_limit(self, limits: dict[str, Any]) -> int:
        return int(limits["processes"])

    def _remove_leftovers(self, child: Child) -> None:
        _reap_all()


def _set_rlimits(limits: dict[str, Any], processes: int) -> None:
    cpu_s = int(limits["wall_s"]) + 2
    # A hard limit above the soft one, so that the process dies of SIGXCPU, which names the cause.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    for kind, value in (
        (resource.RLIMIT_AS, int(limits["memory_bytes"])),
        (resource.RLIMIT_FSIZE, int(limits["file_bytes"])),
        (resource.RLIMIT_NOFILE, int(limits["open_files"])),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, ceiling))


def _mount(kind: bytes, folder: bytes, options: bytes | None) -> None:
    result = _libc.mount(kind, folder, kind, ctypes.c_ulong(_MS_NOSUID_NODEV_NOEXEC), options)
    _check(result, f"mount {folder.decode()}")


def _drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


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


def _delete_own(path: str, uid: int) -> None:
    if _owner(path) != uid:
        return
    if os.path.isdir(path) and not os.path.islink(path):
        for folder, _, _ in os.walk(path):
            with contextlib.suppress(OSError):
                os.chmod(folder, 0o700)
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _sysv_rows(kind: str) -> list[list[str]]:
    try:
        with open(f"/proc/sysvipc/{kind}", encoding="ascii") as table:
            header, *rows = table.read().splitlines()
    except OSError:
        return []
    columns = header.split()
    return [[row.split()[columns.index(name)] for name in (f"{kind}id", "uid")] for row in rows]


def _has_sysv_ipc() -> bool:
    return any(_sysv_rows(kind) for kind in ("shm", "sem", "msg"))


def _remove_sysv_ipc(uid: int) -> None:
    ipc_rmid = 0
    for kind in ("shm", "sem", "msg"):
        for identifier, owner in _sysv_rows(kind):
            if int(owner) != uid:
                continue
            if kind == "shm":
                _libc.shmctl(int(identifier), ipc_rmid, None)
            elif kind == "sem":
                _libc.semctl(int(identifier), 0, ipc_rmid)
            else:
                _libc.msgctl(int(identifier), ipc_rmid, None)


def _reap_all() -> None:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def _kill_adopted() -> None:
    """Kill and reap descendants that this worker adopted when their parents died, for as long as there are any."""
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as listing:
                adopted = [int(pid) for pid in listing.read().split()]
        except OSError:
            adopted = []
        if not adopted:
            return
        for pid in adopted:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _reap_all()
