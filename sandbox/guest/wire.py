"""Frames between the host, a worker and the process that the worker forked.

A frame is a five-byte header (payload length, kind) and the payload. Every end refuses a frame longer than
`MAX_FRAME_BYTES` from its header alone, before any of it is read into memory.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

HEADER = struct.Struct("!IB")
MAX_FRAME_BYTES = 16 << 20

HELLO = 1
"""Worker to host, once: JSON that describes the box. Forked process to worker, once: it is confined."""
RUN = 2
"""Host to worker: JSON; fork a process and start its role. The role's own request follows as a MESSAGE."""
MESSAGE = 3
"""To or from the forked process; the worker passes it on unread."""
STOP = 4
"""Host to worker: end the run; answered by DONE."""
DONE = 5
"""Worker to host: JSON; the run is over and everything of it is gone."""

LOADED = b"L"
"""Candidate: the program was executed and holds the entry point."""
FAILED = b"F"
"""Candidate: it was not; status and detail as JSON."""
CALL = b"C"
"""Tester to candidate: nonce and encoded arguments."""
REPLY = b"V"
"""Candidate to tester: nonce and encoded outcome."""
REPORT = b"E"
"""Tester (or a candidate graded in shared mode) to host: how the tests went, as JSON."""

NONCE_BYTES = 8


class FrameError(Exception):
    """A frame that breaks the protocol."""


class EndOfStreamError(Exception):
    """The other side closed its end."""


def frame(kind: int, payload: bytes) -> bytes:
    """The bytes of one frame."""
    if len(payload) > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {len(payload)} bytes is over the limit of {MAX_FRAME_BYTES}")
    return HEADER.pack(len(payload), kind) + payload


def take_frame(buffer: bytearray) -> tuple[int, bytes] | None:
    """Take the first whole frame out of `buffer`; None while it is incomplete.

    Raises:
        FrameError: its header announces more than `MAX_FRAME_BYTES`.
    """
    if len(buffer) < HEADER.size:
        return None
    length, kind = _header(buffer)
    end = HEADER.size + length
    if len(buffer) < end:
        return None
    payload = bytes(buffer[HEADER.size : end])
    del buffer[:end]
    return kind, payload


def _header(buffer: bytearray) -> tuple[int, int]:
    length, kind = HEADER.unpack_from(buffer)
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {length} bytes is over the limit of {MAX_FRAME_BYTES}")
    return length, kind


class Inlet:
    """Frames from a file descriptor, one at a time, in memory that can be wiped.

    A worker is the image of every process that it forks: what one run said must not lie about for a later one to find.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._memory = bytearray(HEADER.size)
        self._filled = 0

    def read(self) -> bool:
        """Read some of the current frame, never past its end; True once it is whole.

        Raises:
            EndOfStreamError: the other side closed.
            FrameError: the header announces more than `MAX_FRAME_BYTES`.
        """
        count = os.readv(self.fd, [memoryview(self._memory)[self._filled :]])
        if count == 0:
            raise EndOfStreamError
        self._filled += count
        if self._filled == HEADER.size == len(self._memory):
            length, _ = _header(self._memory)
            self._memory = self._memory + bytes(length)
        return self._filled == len(self._memory)

    @property
    def kind(self) -> int:
        """The kind of the frame that was read."""
        return self._memory[HEADER.size - 1]

    @property
    def frame(self) -> memoryview:
        """The frame that was read, with its header."""
        return memoryview(self._memory)

    @property
    def payload(self) -> bytes:
        """A copy of its payload."""
        return bytes(self._memory[HEADER.size :])

    def wipe(self) -> None:
        """Overwrite the frame and begin the next."""
        self._memory[:] = bytes(len(self._memory))
        self._memory = bytearray(HEADER.size)
        self._filled = 0


class Link:
    """A forked process's end of its channel."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._buffer = bytearray()

    def send(self, payload: bytes) -> None:
        """Send one message."""
        self._channel.sendall(frame(MESSAGE, payload))

    def receive(self) -> bytes:
        """The next message.

        Raises:
            EndOfStreamError: the run is over.
        """
        while True:
            taken = take_frame(self._buffer)
            if taken is not None:
                return taken[1]
            data = self._channel.recv(1 << 16)
            if not data:
                raise EndOfStreamError
            self._buffer += data
