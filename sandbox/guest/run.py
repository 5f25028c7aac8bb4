"""One forked process, from its start until it is done.

It gets the messages of a batch one by one, each when it has answered the one before, so that a candidate never sees a
call before its turn. While it owes an answer its clock runs; a message that it does not owe is tampering.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from typing import Any

from . import leftovers, wire, zygote

_BUFFER_BYTES = 1 << 14
_SCRIPT_BYTES = 1 << 16
"""What a pipe holds: most outputs reach the host in one frame."""
_HELD_BACK_S = 0.002
"""How long answers wait for further ones before the host gets them."""
_QUICK_ANSWERS = 16
_QUICK_ANSWER = struct.pack("ll", 0, 1000)
"""Seconds and microseconds that an answer may take to be taken without a look at anything else."""
_SECOND_ANSWER_S = 0.1
"""How long a run with more processes than one has, once it owes nothing, to say what it should not."""


class Host:
    """The worker's end of the stream to the host."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self.inlet = wire.Inlet(read_fd)
        self._write_fd = write_fd

    def send(self, kind: int, payload: bytes | memoryview) -> None:
        """Write one frame."""
        self._write(memoryview(wire.HEADER.pack(len(payload), kind)), memoryview(payload))

    def _write(self, header: memoryview, payload: memoryview) -> None:
        count = os.writev(self._write_fd, [header, payload]) - len(header)
        while count < len(payload):
            # A pipe takes a header whole or nothing of it.
            count += os.write(self._write_fd, payload[count:])

    def receive(self) -> wire.Inlet:
        """Read one frame, which the caller wipes.

        Raises:
            EndOfStreamError: the host closed its end.
        """
        while not self.inlet.read():
            pass
        return self.inlet

    def keep(self) -> wire.Inlet:
        """The frame that was read, which the caller wipes some time; the next one is read beside it."""
        kept, self.inlet = self.inlet, wire.Inlet(self.inlet.fd)
        return kept


class Clock:
    """Wall and processor time of a process that count against its limits.

    Where each case has the limits to itself, `next_case` begins one, and the most that any took is known.
    """

    def __init__(self, pid: int, cpu_s: float, wall_s: float) -> None:
        self._earlier_s = self.case_cpu_s = self.case_wall_s = 0.0
        # CPUCLOCK_SCHED of a whole process, as clock_getcpuclockid(3) makes it.
        self._cpu_clock = (~pid << 3) | 2
        self._cpu_s = cpu_s
        self._wall_s = wall_s
        self.reset()
        self.start()

    def reset(self) -> None:
        """Forget what was used."""
        self._cpu_base_s = time.clock_gettime(self._cpu_clock)
        self._cpu_due = time.monotonic() + self._cpu_s
        self._since: float | None = None
        self.used_s = 0.0
        self.reason = ""

    def next_case(self, cpu_s: float | None = None, wall_s: float | None = None) -> None:
        """Count what was used to a case that is over; the next may have limits of its own."""
        # A process that is gone may have no clock any more.
        with contextlib.suppress(OSError):
            self.case_cpu_s = max(self.case_cpu_s, time.clock_gettime(self._cpu_clock) - self._cpu_base_s)
        self.case_wall_s = max(self.case_wall_s, self.used_s)
        self._earlier_s += self.used_s
        self._cpu_s, self._wall_s = cpu_s or self._cpu_s, wall_s or self._wall_s
        with contextlib.suppress(OSError):
            self.reset()

    @property
    def total_s(self) -> float:
        """Wall seconds used, in all cases."""
        return self._earlier_s + self.used_s

    def start(self) -> None:
        """The process owes an answer."""
        self._since = time.monotonic()

    def stop(self) -> None:
        """It owes none."""
        if self._since is not None:
            self.used_s += time.monotonic() - self._since
            self._since = None

    @property
    def running(self) -> bool:
        """Whether the process owes an answer."""
        return self._since is not None

    def remaining_s(self) -> float | None:
        """Seconds after which to ask again, 0 or less if a limit is broken; None while no answer is owed."""
        if self._since is None:
            return None
        now = time.monotonic()
        wall_left_s = self._wall_s - self.used_s - (now - self._since)
        if wall_left_s <= 0:
            self.reason = f"over {self._wall_s:g} s"
        elif now >= self._cpu_due:
            cpu_left_s = self._cpu_s - (time.clock_gettime(self._cpu_clock) - self._cpu_base_s)
            self._cpu_due = now + cpu_left_s
            if cpu_left_s <= 0:
                self.reason = f"over {self._cpu_s:g} s of processor time"
        return min(wall_left_s, self._cpu_due - now)


class Buffers:
    """Memory that all runs of a worker use, each wiping what it filled."""

    def __init__(self) -> None:
        self.output = memoryview(bytearray(_BUFFER_BYTES))
        self.inlet = memoryview(bytearray(_BUFFER_BYTES))
        self.answers = memoryview(bytearray(_BUFFER_BYTES))
        self.script = memoryview(bytearray(_SCRIPT_BYTES))


class TamperedError(Exception):
    """A process said more than it was asked for."""


class ChildInlet:
    """What a forked process says: one frame at a time and nothing after it, in memory that can be wiped."""

    def __init__(self, channel: socket.socket, memory: memoryview) -> None:
        self._channel = channel
        self._small = self._memory = memory
        self._filled = 0
        self._length = 0

    def read(self) -> memoryview | None:
        """Read some of the current frame; all of it, with its header, once it is whole.

        Raises:
            EndOfStreamError: the process closed its end.
            FrameError: the header announces more than a message may have.
            TamperedError: there are bytes after the frame.
        """
        count = self._channel.recv_into(self._memory[self._filled :])
        if count == 0:
            raise wire.EndOfStreamError
        self._filled += count
        if not self._length and self._filled >= wire.HEADER.size:
            length, _ = wire.HEADER.unpack_from(self._memory)
            if length > wire.MAX_MESSAGE_BYTES:
                raise wire.FrameError
            self._length = wire.HEADER.size + length
            if self._length > len(self._memory):
                large = memoryview(bytearray(self._length))
                large[: self._filled] = self._memory[: self._filled]
                self._memory = large
        if not self._length or self._filled < self._length:
            return None
        if self._filled > self._length:
            raise TamperedError("a message that nobody asked for")
        return self._memory[: self._length]

    def wipe(self) -> None:
        """Overwrite the frame and begin the next."""
        self._memory[: self._filled] = bytes(self._filled)
        self._memory = self._small
        self._filled = self._length = 0


class Answers:
    """Answers on their way to the host, several in one frame where they come quickly."""

    def __init__(self, host: Host, memory: memoryview) -> None:
        self._host = host
        self._memory = memory
        self._filled = 0
        self._due = 0.0

    def add(self, answer: memoryview) -> None:
        """Take a whole frame."""
        if len(answer) > len(self._memory) - self._filled:
            self.flush()
        if len(answer) > len(self._memory):
            self._host.send(wire.BATCH, answer)
            return
        if not self._filled:
            self._due = time.monotonic() + _HELD_BACK_S
        self._memory[self._filled : self._filled + len(answer)] = answer
        self._filled += len(answer)

    def due_s(self) -> float | None:
        """Seconds until what was taken should go; None where nothing was."""
        return max(self._due - time.monotonic(), 0.0) if self._filled else None

    def flush(self) -> None:
        """Send what was taken."""
        if self._filled:
            self._host.send(wire.BATCH, self._memory[: self._filled])
            self.wipe()

    def wipe(self) -> None:
        """Overwrite what was taken."""
        self._memory[: self._filled] = bytes(self._filled)
        self._filled = 0


class Run:
    """One forked process, watched until it is done."""

    def __init__(self, host: Host, child: zygote.Child, limits: dict[str, Any], buffers: Buffers) -> None:
        self._host = host
        self._child = child
        self.clock = self._clock = Clock(child.pid, float(limits["cpu_s"]), float(limits["wall_s"]))
        self._has_cases = limits["cases"] > 0
        opening, *later = limits["later"] or (0,)
        self._opening: int = opening
        self._later: list[float] = later
        self._output_bytes = self._output_bytes_left = int(limits["output_bytes"])
        self._output = buffers.output
        self._output_filled = 0
        self._inlet = ChildInlet(child.channel, buffers.inlet)
        self._answers = Answers(host, buffers.answers)
        self._batch_inlet: wire.Inlet | None = None
        self._batch = memoryview(b"")
        self._unsent = memoryview(b"")
        self._last = False
        self._confined = False
        child.channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _QUICK_ANSWER)
        self._poll = select.poll()
        for fd in (host.inlet.fd, child.channel.fileno(), child.output_fd, child.pidfd):
            self._poll.register(fd, select.POLLIN)

    def watch(self) -> tuple[str, str]:
        """Pass messages on until the host stops the run or the child breaks a limit.

        Returns:
            A status, empty where the host ended the run, and a detail.
        """
        try:
            ended = self._watch()
            self._clock.stop()
            if self._has_cases:
                self._clock.next_case()
            self._answers.flush()
            return ended
        finally:
            self._answers.wipe()
            self._inlet.wipe()
            self._drop_batch()
            self._output[: self._output_filled] = bytes(self._output_filled)

    def _watch(self) -> tuple[str, str]:
        channel_fd, host_fd = self._child.channel.fileno(), self._host.inlet.fd
        while True:
            ended = self._take_quick_answers()
            if ended is not None:
                return ended
            wait_s = self._clock.remaining_s()
            if wait_s is not None and wait_s <= 0:
                return "timeout", self._clock.reason
            due_s = self._answers.due_s()
            if due_s == 0:
                self._answers.flush()
            elif due_s is not None:
                wait_s = due_s if wait_s is None else min(wait_s, due_s)
            # poll(2) counts whole milliseconds; a little more, so as not to wake just before the time.
            ready = {fd for fd, _ in self._poll.poll(None if wait_s is None else wait_s * 1000 + 0.5)}
            ended = None
            if self._child.output_fd in ready:
                ended = self._take_output()
            if ended is None and self._unsent:
                ended = self._send_rest()
            if ended is None and channel_fd in ready:
                # It may be ready and have nothing: an urgent byte is no message.
                with contextlib.suppress(BlockingIOError):
                    ended = self._take_message()
            elif ended is None and self._child.pidfd in ready:
                ended = "ended", ""
            if ended is None and host_fd in ready:
                ended = self._take_order()
            if ended is not None:
                return ended

    def _take_quick_answers(self) -> tuple[str, str] | None:
        """Take answers for as long as each comes at once: most do, and then this is all there is to watch."""
        for _ in range(_QUICK_ANSWERS):
            if not self._clock.running or not self._confined or self._unsent:
                return None
            try:
                ended = self._take_message()
            except BlockingIOError:
                return None
            if ended is not None:
                return ended
        return None

    def _take_output(self) -> tuple[str, str] | None:
        try:
            count = os.readv(self._child.output_fd, [self._output])
        except BlockingIOError:
            return None
        self._output_filled = max(self._output_filled, count)
        if count == 0:
            self._poll.unregister(self._child.output_fd)
        self._output_bytes_left -= count
        return ("output", "printed more than allowed") if self._output_bytes_left < 0 else None

    def _take_message(self) -> tuple[str, str] | None:
        try:
            message = self._inlet.read()
        except (wire.EndOfStreamError, ConnectionError):
            return "ended", "closed its channel"
        except wire.FrameError:
            return "output", "sent more than allowed"
        except TamperedError as error:
            return "tampered", str(error)
        if not self._clock.running or self._unsent:
            return "tampered", "a message that nobody asked for"
        if message is None:
            return None
        if (self._clock.remaining_s() or 0.0) <= 0:
            # However late the worker came to look: an answer after the limit is none.
            return "timeout", self._clock.reason
        kind = message[wire.HEADER.size - 1]
        if not self._confined:
            if kind != wire.HELLO:
                reason = bytes(message[wire.HEADER.size :]).decode("utf-8", "replace")
                return "sandbox_error", f"the run could not be confined: {reason}"
            self._confined = True
        elif kind != wire.MESSAGE:
            return "tampered", "a frame that is no message"
        else:
            self._answers.add(message)
        self._inlet.wipe()
        return self._hand_over()

    def _take_order(self) -> tuple[str, str] | None:
        if not self._host.inlet.read():
            return None
        if self._host.inlet.kind == wire.STOP:
            self._host.inlet.wipe()
            return ("", "") if self._clock.running else self._end()
        self._batch_inlet = self._host.keep()
        payload = self._batch_inlet.frame[wire.HEADER.size :]
        flags, self._batch = payload[0], payload[1:]
        self._last = bool(flags & wire.LAST)
        if flags & wire.FRESH:
            self._clock.reset()
            self._output_bytes_left = self._output_bytes
        return self._hand_over() if self._confined else None

    def _hand_over(self) -> tuple[str, str] | None:
        """Give the process, which owes nothing, the next message of the batch, or end the batch."""
        self._clock.stop()
        if self._has_cases:
            self._clock.next_case()
        if self._batch_inlet is None:
            return None
        if not self._batch:
            self._drop_batch()
            if self._last:
                return self._end()
            self._answers.flush()
            return None
        length, _ = wire.HEADER.unpack_from(self._batch)
        end = wire.HEADER.size + length
        message, self._batch = self._batch[:end], self._batch[end:]
        if self._later:
            if not self._opening:
                self._clock.next_case(*self._later)
                self._later = []
            self._opening -= 1
        self._clock.start()
        return self._give(message)

    def _give(self, message: memoryview) -> tuple[str, str] | None:
        self._unsent = message
        ended = self._send_some()
        if self._unsent:
            self._poll.modify(self._child.channel.fileno(), select.POLLIN | select.POLLOUT)
        return ended

    def _send_rest(self) -> tuple[str, str] | None:
        ended = self._send_some()
        if not self._unsent:
            self._poll.modify(self._child.channel.fileno(), select.POLLIN)
        return ended

    def _send_some(self) -> tuple[str, str] | None:
        """Send what there is room for. A process may not read, or look without taking; its clock runs meanwhile."""
        try:
            self._unsent = self._unsent[self._child.channel.send(self._unsent, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            return None
        except OSError:
            return "ended", "closed its channel"
        return None

    def _end(self) -> tuple[str, str]:
        """End a run that owes nothing: it must not say more, as a second process of it may do a little later."""
        says_more = self._says_more()
        if not says_more and leftovers.has_company(self._child.pid, self._child.zygote):
            time.sleep(_SECOND_ANSWER_S)
            says_more = self._says_more()
        return ("tampered", "a message that nobody asked for") if says_more else ("", "")

    def _says_more(self) -> bool:
        try:
            return bool(self._child.channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    def _drop_batch(self) -> None:
        self._batch = self._unsent = memoryview(b"")
        if self._batch_inlet is not None:
            self._batch_inlet.wipe()
            self._batch_inlet = None
