"""One script on one input, watched from its start until its process ends.

The worker fills the pipe that the script reads, hands on what it writes, and counts time and output against the limits.
What the script leaves unread is dropped. The run ends with the process that was started, whatever that leaves behind:
output which is in the pipe by then counts, and nothing that comes later.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import termios
from typing import TYPE_CHECKING, Any

from . import wire
from .run import Buffers, ChildInlet, Clock, Host, TamperedError

if TYPE_CHECKING:
    from . import zygote

_INT = struct.Struct("i")


class ScriptRun:
    """One forked process that runs a script."""

    def __init__(self, host: Host, child: zygote.Child, limits: dict[str, Any], buffers: Buffers) -> None:
        self._host = host
        self._child = child
        self._input_fd = child.input_fd
        self.clock = self._clock = Clock(child.pid, float(limits["cpu_s"]), float(limits["wall_s"]))
        self._output_bytes_left = int(limits["output_bytes"])
        self._output = buffers.script
        self._output_filled = 0
        self._errors = buffers.output
        self._errors_filled = 0
        self._inlet = ChildInlet(child.channel, buffers.inlet)
        self._batch: wire.Inlet | None = None
        self._request = self._input = memoryview(b"")
        self._confined = False
        self._poll = select.poll()
        for fd in (host.inlet.fd, child.channel.fileno(), child.output_fd, child.errors_fd, child.pidfd):
            self._poll.register(fd, select.POLLIN)

    def watch(self) -> tuple[str, str]:
        """Feed the script and hand on its output until it ends, breaks a limit or is stopped by the host.

        Returns:
            A status, "ended" where the process ended by itself and empty where the host ended it, and a detail.
        """
        try:
            ended = self._watch()
            self._clock.stop()
            self._flush()
            if self._errors_filled:
                self._host.send(wire.ERRORS, self._errors[: self._errors_filled])
            return ended
        finally:
            self._close_input()
            self._inlet.wipe()
            self._output[: self._output_filled] = bytes(self._output_filled)
            self._errors[:] = bytes(len(self._errors))
            self._request = self._input = memoryview(b"")
            if self._batch is not None:
                self._batch.wipe()

    def _watch(self) -> tuple[str, str]:
        while True:
            wait_s = self._clock.remaining_s()
            if wait_s is not None and wait_s <= 0:
                return "timeout", self._clock.reason
            # poll(2) counts whole milliseconds; a little more, so as not to wake just before the time.
            ready = {fd for fd, _ in self._poll.poll(None if wait_s is None else wait_s * 1000 + 0.5)}
            ended = self._pass_on(ready)
            if ended is not None:
                return ended

    def _pass_on(self, ready: set[int]) -> tuple[str, str] | None:
        child, ended = self._child, None
        if child.pidfd in ready:
            return self._end()
        if child.output_fd in ready:
            ended = self._take_output(len(self._output))
        if child.errors_fd in ready:
            self._take_errors()
        if self._input_fd in ready:
            self._feed()
        if ended is None and child.channel.fileno() in ready:
            ended = self._take_message()
        if ended is None and self._request:
            self._send_request()
        if ended is None and self._host.inlet.fd in ready:
            ended = self._take_order()
        return ended

    def _end(self) -> tuple[str, str]:
        """Take what the process said before it ended; more may come from those it leaves behind."""
        with contextlib.suppress(BlockingIOError):
            ended = self._take_message()
            if ended is not None:
                return ended
        if (self._clock.remaining_s() or 0.0) < 0:
            return "timeout", self._clock.reason
        self._take_errors()
        left = _waiting_bytes(self._child.output_fd)
        while left > 0:
            before = self._output_bytes_left
            ended = self._take_output(left)
            if ended is not None:
                return ended
            taken = before - self._output_bytes_left
            if taken == 0:
                break
            left -= taken
        return "ended", ""

    def _take_output(self, most: int) -> tuple[str, str] | None:
        if self._output_filled == len(self._output):
            self._flush()
        room = self._output[self._output_filled : self._output_filled + most]
        try:
            count = os.readv(self._child.output_fd, [room])
        except BlockingIOError:
            return None
        if count == 0:
            self._unwatch(self._child.output_fd)
        self._output_filled += count
        self._output_bytes_left -= count
        return ("output", "printed more than allowed") if self._output_bytes_left < 0 else None

    def _flush(self) -> None:
        if self._output_filled:
            self._host.send(wire.OUTPUT, self._output[: self._output_filled])
            self._output[: self._output_filled] = bytes(self._output_filled)
            self._output_filled = 0

    def _take_errors(self) -> None:
        """Keep the last of what it wrote to standard error, which counts for nothing else."""
        half = len(self._errors) // 2
        if self._errors_filled > half:
            kept = self._errors_filled - half
            self._errors[:kept] = self._errors[half : self._errors_filled]
            self._errors_filled = kept
        try:
            count = os.readv(self._child.errors_fd, [self._errors[self._errors_filled : self._errors_filled + half]])
        except BlockingIOError:
            return
        if count == 0:
            self._unwatch(self._child.errors_fd)
        self._errors_filled += count

    def _feed(self) -> None:
        """Write as much of the input as the pipe takes; its end follows, or the script reads no more."""
        try:
            self._input = self._input[os.write(self._input_fd, self._input) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._input = memoryview(b"")
        if not self._input:
            self._close_input()

    def _close_input(self) -> None:
        if self._input_fd >= 0:
            self._unwatch(self._input_fd)
            os.close(self._input_fd)
            self._input_fd = -1

    def _take_message(self) -> tuple[str, str] | None:
        """Its word that it is confined; then why it does not compile, or the end of the channel where it does."""
        try:
            message = self._inlet.read()
        except (wire.EndOfStreamError, ConnectionError):
            self._unwatch(self._child.channel.fileno())
            self._request = memoryview(b"")
            return None
        except (wire.FrameError, TamperedError) as error:
            return "tampered", str(error) or "a message that is none"
        if message is None:
            return None
        kind = message[wire.HEADER.size - 1]
        if self._confined:
            if kind == wire.MESSAGE:
                self._host.send(wire.BATCH, message)
            return "", ""
        if kind != wire.HELLO:
            reason = bytes(message[wire.HEADER.size :]).decode("utf-8", "replace")
            return "sandbox_error", f"the run could not be confined: {reason}"
        self._inlet.wipe()
        self._confined = True
        self._begin()
        return None

    def _take_order(self) -> tuple[str, str] | None:
        if not self._host.inlet.read():
            return None
        if self._host.inlet.kind == wire.STOP:
            self._host.inlet.wipe()
            return "", ""
        self._batch = self._host.keep()
        self._begin()
        return None

    def _begin(self) -> None:
        """Hand over the script and begin to feed it, once it is confined and the host has sent both."""
        if not self._confined or self._batch is None:
            return
        batch = self._batch.frame[wire.HEADER.size + 1 :]
        end = wire.HEADER.size + wire.HEADER.unpack_from(batch)[0]
        self._request, self._input = batch[:end], batch[end + wire.HEADER.size :]
        self._clock.reset()
        self._clock.start()
        self._send_request()
        self._poll.register(self._input_fd, select.POLLOUT)
        self._feed()

    def _send_request(self) -> None:
        try:
            self._request = self._request[self._child.channel.send(self._request, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            pass
        except OSError:
            self._request = memoryview(b"")
        events = select.POLLIN | select.POLLOUT if self._request else select.POLLIN
        with contextlib.suppress(FileNotFoundError):
            self._poll.modify(self._child.channel.fileno(), events)

    def _unwatch(self, fd: int) -> None:
        with contextlib.suppress(KeyError):
            self._poll.unregister(fd)


def _waiting_bytes(fd: int) -> int:
    """How many bytes are in a pipe."""
    return int(_INT.unpack(fcntl.ioctl(fd, termios.FIONREAD, bytes(_INT.size)))[0])
