"""Byte streams to and from a box, with deadlines."""

import os
import select
import socket
import struct
import time
from typing import Protocol

from ..errors import SandboxError


class BoxLostError(SandboxError):
    """A box went away, broke the protocol, or gave no answer in time."""


class Stream(Protocol):
    """A two-way byte stream; reads and writes raise BoxLostError when it ends or the deadline (monotonic) passes."""

    def read(self, deadline: float) -> bytes:
        """Read some bytes."""

    def write(self, data: bytes, deadline: float) -> None:
        """Write all of `data`."""

    def close(self) -> None:
        """Close both directions."""


class PipeStream:
    """A stream over a pair of file descriptors, which it owns."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._closed = False
        os.set_blocking(write_fd, False)
        self._readable = select.poll()
        self._readable.register(read_fd, select.POLLIN)

    def read(self, deadline: float) -> bytes:
        """Read some bytes."""
        _wait_for(self._readable, deadline)
        data = os.read(self._read_fd, 1 << 18)
        if not data:
            raise BoxLostError("the sandbox's worker ended")
        return data

    def write(self, data: bytes, deadline: float) -> None:
        """Write all of `data`."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._write_fd, rest) :]
            except BlockingIOError:
                _wait(self._write_fd, deadline, writing=True)
            except OSError as error:
                raise BoxLostError(f"the sandbox's worker ended ({error.strerror})") from error

    def close(self) -> None:
        """Close both ends."""
        if not self._closed:
            self._closed = True
            os.close(self._read_fd)
            if self._write_fd != self._read_fd:
                os.close(self._write_fd)


class DockerStream:
    """A stream over the socket of `docker attach`, whose output is cut into frames of one stream each.

    The last kilobytes of standard error are kept apart, to explain a worker that does not start.
    """

    _HEADER = struct.Struct("!BxxxI")

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self.errors = b""

    def read(self, deadline: float) -> bytes:
        """Read some bytes of standard output."""
        while True:
            output = self._take_frames()
            if output:
                return output
            _wait(self._connection.fileno(), deadline, writing=False)
            data = self._connection.recv(1 << 18)
            if not data:
                reason = self.errors.decode("utf-8", "replace").strip().splitlines()
                raise BoxLostError("the container ended" + (f": {reason[-1]}" if reason else ""))
            self._buffer += data

    def _take_frames(self) -> bytes:
        output = b""
        while len(self._buffer) >= self._HEADER.size:
            kind, length = self._HEADER.unpack_from(self._buffer)
            end = self._HEADER.size + length
            if len(self._buffer) < end:
                break
            payload = bytes(self._buffer[self._HEADER.size : end])
            del self._buffer[:end]
            if kind == 1:
                output += payload
            else:
                self.errors = (self.errors + payload)[-4096:]
        return output

    def write(self, data: bytes, deadline: float) -> None:
        """Write all of `data` to standard input."""
        self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise BoxLostError(f"the container takes no input ({error})") from error

    def close(self) -> None:
        """Close the socket."""
        self._connection.close()


def _wait(fd: int, deadline: float, *, writing: bool) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLOUT if writing else select.POLLIN)
    _wait_for(poll, deadline)


def _wait_for(poll: select.poll, deadline: float) -> None:
    if not poll.poll(max(deadline - time.monotonic(), 0) * 1000):
        raise BoxLostError("the sandbox's worker gave no answer in time")
