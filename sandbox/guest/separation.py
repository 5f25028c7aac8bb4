"""How one run is kept apart from the worker and from the runs before and after it.

`namespaces`: the process is the first of its own user, PID, mount and IPC namespaces, with a private /tmp and
/dev/shm; all of that goes when it dies. `uid`: it has a user id that no other run has, and what that user left is
removed. `none`: rlimits only; its descendants are found through the worker, which adopts orphans.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
from typing import Any, Callable, Iterable, NamedTuple

from . import leftovers, syscalls, wire

CHANNEL_FD = 3
_CLONE_NEWNS = 0x00020000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_CLONE_FLAGS = ctypes.c_ulong(_CLONE_NEWUSER | _CLONE_NEWPID | _CLONE_NEWNS | _CLONE_NEWIPC | signal.SIGCHLD)
_MS_NOSUID_NODEV_NOEXEC = ctypes.c_ulong(2 | 4 | 8)
_MS_BIND = ctypes.c_ulong(4096)
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_LINUX_CAPABILITY_VERSION_3 = 0x20080522
# Made once: a new ctypes array type costs as much as the rest of a child's start.
_NO_CAPABILITIES = ((ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)())

# PyDLL keeps the interpreter's lock across the call, which a fork made behind Python's back needs.
_libc = ctypes.PyDLL(None, use_errno=True)

Target = Callable[[wire.Link], None]


class Child(NamedTuple):
    """A process that runs one role; the worker's ends of its channel and of the pipes that are its standard streams.

    Only a script has pipes of its own for input, which whoever watches it closes, and for errors; they are -1 else.
    """

    pid: int
    pidfd: int
    channel: socket.socket
    output_fd: int
    uid: int
    input_fd: int
    errors_fd: int


class _Pipes(NamedTuple):
    """Read and write ends of pipes for a process's standard streams."""

    output: tuple[int, int]
    input: tuple[int, int] | None
    errors: tuple[int, int] | None

    def ours(self) -> list[int]:
        """The worker's ends: input, output, errors; -1 where there is none."""
        return [self.input[1] if self.input else -1, self.output[0], self.errors[0] if self.errors else -1]

    def theirs(self) -> list[int]:
        """The process's ends in the same order."""
        return [self.input[0] if self.input else -1, self.output[1], self.errors[1] if self.errors else -1]


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        if fd >= 0:
            os.close(fd)


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
    """Make this process untraceable by its children, and the one that adopts their orphans."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")


class Separation:
    """Rlimits alone; the base of the others.

    `library_bytes`: address space that the worker's libraries take, which is not counted to a run.
    """

    def __init__(self, work_root: str, library_bytes: int = 0) -> None:
        self.work_root = work_root
        self.library_bytes = library_bytes
        self.runs = 0

    def start(self, target: Target, limits: dict[str, Any], *, script: bool = False) -> Child:
        """Fork a confined process that calls `target` with its end of a channel and then ends.

        A `script` has pipes for its three standard streams; else input is empty, and errors go where output goes.
        """
        self.runs += 1
        ours, theirs = socket.socketpair()
        pipes = self._pipes(script)
        try:
            pid = self._fork()
        except OSError:
            for end in (ours, theirs):
                end.close()
            _close(pipes.ours() + pipes.theirs())
            raise
        if pid == 0:
            try:
                self._run_child(theirs, pipes.theirs(), limits, target)
            finally:
                os._exit(0)
        theirs.close()
        _close(pipes.theirs())
        input_fd, output_fd, errors_fd = pipes.ours()
        for fd in pipes.ours():
            # Its other end can be opened anew for reading, through /proc: what was there may be gone.
            if fd >= 0:
                os.set_blocking(fd, False)
        return Child(pid, os.pidfd_open(pid), ours, output_fd, self._uid(), input_fd, errors_fd)

    def _pipes(self, script: bool) -> _Pipes:
        return _Pipes(os.pipe(), os.pipe() if script else None, os.pipe() if script else None)

    def finish(self, child: Child) -> Remains:
        """Kill what is left of a run, remove what it made, and say what it cost."""
        child.channel.close()
        _close([child.output_fd, child.errors_fd, child.pidfd])
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        _, status, usage = os.wait4(child.pid, 0)
        self._remove_leftovers(child)
        return Remains(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def _fork(self) -> int:
        return os.fork()

    def _uid(self) -> int:
        return os.getuid()

    def _run_child(self, theirs: socket.socket, stream_fds: list[int], limits: dict[str, Any], target: Target) -> None:
        try:
            self._become_child(theirs, stream_fds, limits)
        except (OSError, ValueError) as error:
            # Not the candidate's doing: none of its code has run. The channel itself may be closed by now.
            socket.socket(fileno=CHANNEL_FD).sendall(wire.frame(wire.DONE, f"{type(error).__name__}: {error}".encode()))
            return
        channel = socket.socket(fileno=CHANNEL_FD)
        channel.sendall(wire.frame(wire.HELLO, b""))
        target(wire.Link(channel))

    def _become_child(self, channel: socket.socket, stream_fds: list[int], limits: dict[str, Any]) -> None:
        input_fd, output_fd, errors_fd = stream_fds
        # The streams first: one of these may be at the place of the channel. No input: the worker's, /dev/null.
        if input_fd >= 0:
            os.dup2(input_fd, 0)
        os.dup2(output_fd, 1)
        os.dup2(errors_fd if errors_fd >= 0 else output_fd, 2)
        os.dup2(channel.fileno(), CHANNEL_FD)
        os.closerange(CHANNEL_FD + 1, 1024)
        # The worker is not dumpable; here that would only take /proc/self away.
        _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")
        self._confine(limits)
        # A change of user id clears it. Where the worker is killed from outside, its runs shall not go on.
        _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
        syscalls.leave_session_keyring()
        _set_rlimits(limits, self._process_limit(limits), self.library_bytes)
        os.setsid()
        syscalls.refuse()

    def _confine(self, limits: dict[str, Any]) -> None:
        folder = f"{self.work_root}/run-{self.runs}"
        os.mkdir(folder, 0o700)
        os.chdir(folder)

    def _process_limit(self, limits: dict[str, Any]) -> int:
        # Without a user id of its own the limit counts every thread of this user on the machine.
        return leftovers.thread_count(os.getuid()) + int(limits["processes"])

    def _remove_leftovers(self, child: Child) -> None:
        leftovers.kill_descendants()
        leftovers.remove_tree(f"{self.work_root}/run-{self.runs}")


class UidSeparation(Separation):
    """A fresh user id for each run; needs SETUID, SETGID and KILL, and nothing else.

    Takes `uid_count` user ids from `first_uid` on, and the one after them.
    """

    def __init__(self, work_root: str, first_uid: int, uid_count: int, library_bytes: int = 0) -> None:
        super().__init__(work_root, library_bytes)
        self.first_uid = first_uid
        self.uid_count = uid_count

    def _uid(self) -> int:
        return self.first_uid + self.runs % self.uid_count

    def _pipes(self, script: bool) -> _Pipes:
        if not script:
            return super()._pipes(script)
        # The pipes shall be the process's own, so that it can open /dev/stdin. The id for files alone is changed: an
        # effective one could be sent signals.
        own = _libc.setfsuid(self._uid())
        try:
            return super()._pipes(script)
        finally:
            _libc.setfsuid(own)
            _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")

    def _confine(self, limits: dict[str, Any]) -> None:
        uid = self._uid()
        # Where memory that no process maps fills the box, the kernel would as soon end the worker.
        _write("/proc/self/oom_score_adj", "1000")
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
        alive = leftovers.reap()
        folder = f"{self.work_root}/run-{self.runs}"
        try:
            os.rmdir(folder)
            untouched = True
        except OSError:
            untouched = False
        if alive or not untouched or leftovers.has_files(child.uid, self.work_root):
            self._sweep(child.uid)

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
    """Own user, PID, mount and IPC namespaces for each run, without capabilities in them."""

    def __init__(self, work_root: str, library_bytes: int = 0) -> None:
        super().__init__(work_root, library_bytes)
        self.outer_uid, self.outer_gid = os.getuid(), os.getgid()

    def _fork(self) -> int:
        pid = int(_libc.syscall(syscalls.number("clone"), _CLONE_FLAGS, None, None, None, None))
        if pid < 0:
            _check(-1, "clone")
        return pid

    def _confine(self, limits: dict[str, Any]) -> None:
        uid, gid = self.outer_uid, self.outer_gid
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
        scratch = f"size={limits['file_bytes']},nr_inodes=4096,mode=1777".encode()
        _mount(b"tmpfs", b"/tmp", scratch)
        # One file system for both: making and removing one is most of what a mount namespace costs.
        _check(_libc.mount(b"/tmp", b"/dev/shm", None, _MS_BIND, None), "mount /dev/shm")
        _mount(b"proc", b"/proc", None)
        # A user namespace inside this one would give its capabilities back.
        _write("/proc/sys/user/max_user_namespaces", "0")
        os.chdir("/tmp")
        _drop_capabilities()

    def _process_limit(self, limits: dict[str, Any]) -> int:
        return int(limits["processes"])

    def _remove_leftovers(self, child: Child) -> None:
        leftovers.reap()


def _set_rlimits(limits: dict[str, Any], processes: int, library_bytes: int) -> None:
    if not limits["lasting"]:
        # For its children: the worker's own clock ends the process itself before. A hard limit above the soft one, so
        # that a process dies of SIGXCPU, which names the cause.
        cpu_s = int(limits["cpu_s"] * max(limits["cases"], 1)) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    for kind, value in (
        (resource.RLIMIT_AS, int(limits["memory_bytes"]) + library_bytes),
        (resource.RLIMIT_FSIZE, int(limits["file_bytes"])),
        (resource.RLIMIT_NOFILE, int(limits["open_files"])),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, ceiling))


def _mount(kind: bytes, folder: bytes, options: bytes | None) -> None:
    result = _libc.mount(kind, folder, kind, _MS_NOSUID_NODEV_NOEXEC, options)
    _check(result, f"mount {folder.decode()}")


def _drop_capabilities() -> None:
    _check(_libc.capset(*_NO_CAPABILITIES), "capset")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
