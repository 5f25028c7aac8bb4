"""The process that runs are forked from, and the worker's end of it.

A zygote sees no message of any run: the worker hands it the ends of the channel and the pipes that the run's process
gets, and nothing else, so there is nothing of earlier runs in its memory, of which each run is a copy. It does little
between two forks, since what it writes to must be copied anew for each.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import struct
from typing import Any, Callable, Iterable, NamedTuple

from . import separation, wire

_CONTROL_FD = wire.CHANNEL_FD
"""Where a zygote has its end of the conversation with the worker; a run has its channel in its place."""
_MOST_FDS = 4
_FDS = struct.Struct("@4i")
_ORDER = struct.Struct("@BII")
"""A place in the roles; number of the run; processor seconds that its children may use, 0 if without limit."""
_FINISH = b"\0"
_PID = struct.Struct("@i")
_REMAINS = struct.Struct("@idQ")
_READY = b"\1"
_MOST_BYTES = 1024

Target = Callable[[wire.Link], None]


class Child(NamedTuple):
    """A process that runs one role; the worker's ends of its channel and of the pipes that are its standard streams.

    Only a script has pipes of its own for input, which whoever watches it closes, and for errors; they are -1 else.
    `zygote`: the process that forked it, and adopts its orphans.
    """

    pid: int
    pidfd: int
    channel: socket.socket
    output_fd: int
    input_fd: int
    errors_fd: int
    zygote: int


class ZygoteLostError(Exception):
    """A zygote ended in the middle of a run."""


class Zygote:
    """Forks one process for each run, one run at a time.

    Args:
        apart: how runs are kept apart.
        limits: what they have in common of their limits.
        targets: what a run's process calls with its end of the channel, by role.

    Raises:
        OSError: it could not be started or confined.
    """

    def __init__(self, apart: separation.Separation, limits: dict[str, Any], targets: dict[str, Target]) -> None:
        self._apart = apart
        self._places = {role: place for place, role in enumerate(targets)}
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._pid = apart.fork_zygote()
        except OSError:
            self._control.close()
            theirs.close()
            raise
        if self._pid == 0:
            try:
                _Forker(theirs, apart, list(targets.values())).serve(limits)
            finally:
                os._exit(0)
        theirs.close()
        said = self._control.recv(_MOST_BYTES)
        if said != _READY:
            self.close()
            raise OSError(said.decode("utf-8", "replace") or "the process that forks runs ended")

    def start(self, role: str, number: int, cpu_s: int) -> Child:
        """Fork a confined process, the box's run of this number.

        A `script` has pipes for its three standard streams; else input is empty, and errors go where output goes.

        Raises:
            OSError: it could not be forked.
            ZygoteLostError: the zygote is gone.
        """
        ours, theirs = socket.socketpair()
        output, output_end = self._pipe(role, number)
        fds, mine = [theirs.fileno(), output_end], [output]
        if role == "script":
            input_end, feed = self._pipe(role, number)
            errors, errors_end = self._pipe(role, number)
            fds += [input_end, errors_end]
            mine += [feed, errors]
        try:
            order = _ORDER.pack(self._places[role], number, cpu_s)
            self._control.sendmsg([order], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"@{len(fds)}i", *fds))])
            pid = self._receive(_PID)[0]
            if pid < 0:
                raise OSError(-pid, os.strerror(-pid))
            pidfd = os.pidfd_open(pid)
        except (OSError, ZygoteLostError):
            ours.close()
            _close(mine)
            raise
        finally:
            theirs.close()
            _close(fds[1:])
        for fd in mine:
            # Its other end can be opened anew for reading, through /proc: what was there may be gone.
            os.set_blocking(fd, False)
        input_fd, errors_fd = mine[1:] or (-1, -1)
        return Child(pid, pidfd, ours, output, input_fd, errors_fd, self._pid)

    def finish(self, child: Child) -> separation.Remains:
        """Kill what is left of a run, remove what it made, and say what it cost.

        Raises:
            ZygoteLostError: the zygote is gone, and with it what is known of the run.
        """
        child.channel.close()
        _close(fd for fd in (child.output_fd, child.errors_fd, child.pidfd) if fd >= 0)
        try:
            self._control.send(_FINISH)
        except OSError:
            raise ZygoteLostError from None
        return separation.Remains(*self._receive(_REMAINS))

    def close(self) -> None:
        """End it."""
        self._control.close()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def _pipe(self, role: str, number: int) -> tuple[int, int]:
        return self._apart.own_pipe(number) if role == "script" else os.pipe()

    def _receive(self, kind: struct.Struct) -> tuple[Any, ...]:
        try:
            said = self._control.recv(_MOST_BYTES)
        except OSError:
            said = b""
        if len(said) != kind.size:
            raise ZygoteLostError
        return kind.unpack(said)


class _Forker:
    """The zygote's own side."""

    def __init__(self, control: socket.socket, apart: separation.Separation, targets: list[Target]) -> None:
        self._control = control
        self._apart = apart
        self._targets = targets
        self._link = wire.Link(wire.CHANNEL_FD)

    def serve(self, limits: dict[str, Any]) -> None:
        """Fork runs until the worker closes its end."""
        try:
            self._become_zygote(limits)
        except (OSError, ValueError) as error:
            self._control.send(f"{type(error).__name__}: {error}".encode()[:_MOST_BYTES])
            return
        control = self._control
        control.send(_READY)
        room = socket.CMSG_SPACE(_FDS.size)
        while True:
            order, ancillary, _, _ = control.recvmsg(_ORDER.size, room)
            if not order:
                return
            rights = ancillary[0][2]
            fds = struct.unpack(f"@{len(rights) // 4}i", rights)
            place, number, cpu_s = _ORDER.unpack(order)
            try:
                pid = self._apart.fork_run()
            except OSError as error:
                pid = -(error.errno or errno.EAGAIN)
            if pid == 0:
                try:
                    self._become_run(fds, self._targets[place], number, cpu_s)
                finally:
                    os._exit(0)
            os.closerange(_CONTROL_FD + 1, max(fds) + 1)
            control.send(_PID.pack(pid))
            if pid > 0:
                if not control.recv(1):
                    return
                self._finish(pid, number)

    def _become_zygote(self, limits: dict[str, Any]) -> None:
        # Nothing of the worker's own: the host's pipes least of all.
        fd = os.dup(self._control.fileno())
        os.dup2(fd, _CONTROL_FD)
        self._control.detach()
        self._control = socket.socket(fileno=_CONTROL_FD)
        os.closerange(_CONTROL_FD + 1, os.sysconf("SC_OPEN_MAX"))
        os.dup2(0, 1)
        os.dup2(0, 2)
        # A process that is not dumpable has no say over its own /proc files.
        separation.set_dumpable(True)
        self._apart.prepare(limits)
        separation.set_dumpable(False)
        separation.adopt_orphans()
        separation.die_with_parent()

    def _become_run(self, fds: tuple[int, ...], target: Target, number: int, cpu_s: int) -> None:
        channel_fd, output_fd, *more = fds
        if more:
            os.dup2(more[0], 0)
        os.dup2(output_fd, 1)
        os.dup2(more[1] if more else output_fd, 2)
        os.dup2(channel_fd, wire.CHANNEL_FD)
        os.closerange(wire.CHANNEL_FD + 1, max(fds) + 1)
        link = self._link
        try:
            self._apart.confine(number, cpu_s)
        except (OSError, ValueError) as error:
            # Not the candidate's doing: none of its code has run.
            link.send(f"{type(error).__name__}: {error}".encode(), wire.DONE)
            return
        link.send(b"", wire.HELLO)
        target(link)

    def _finish(self, pid: int, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        self._apart.remove_leftovers(number)
        self._control.send(_REMAINS.pack(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024))


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)
