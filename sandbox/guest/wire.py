"""Frames between the host, a worker and the process that the worker forked.

A frame is a five-byte header (payload length, kind) and the payload. Every end refuses a frame longer than
`MAX_FRAME_BYTES` from its header alone, before any of it is read into memory.
"""

from __future__ import annotations

import hashlib
import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEADER = struct.Struct("!IB")
MAX_MESSAGE_BYTES = 16 << 20
"""The longest message of a forked process."""
MAX_FRAME_BYTES = MAX_MESSAGE_BYTES + (1 << 20)

HELLO = 1
"""Worker to host, once: JSON that describes the box. Forked process to worker, once: it is confined."""
RUN = 2
"""Host to worker: JSON; fork a process and start its role. A BATCH with the role's own request follows."""
BATCH = 3
"""Host to worker: a byte of flags, then messages, each a whole frame, that the forked process gets one by one, each
when it has answered the one before. Worker to host: the answers so far that the host has not got."""
STOP = 4
"""Host to worker: end the run; answered by DONE."""
DONE = 5
"""Worker to host: JSON; the run is over and everything of it is gone."""
MESSAGE = 6
"""Between the worker and the forked process, one of a batch; the worker never looks into it."""
OUTPUT = 7
"""Worker to host: some of what a script wrote to its standard output."""
ERRORS = 8
"""Worker to host: the last of what it wrote to its standard error."""

LAST = 1
"""Flag of a batch: the run is over once all of it is answered."""
FRESH = 2
"""Flag of a batch: what the process used so far no longer counts against its limits."""

LOADED = b"L"
"""Candidate: the program was executed and holds the entry point."""
FAILED = b"F"
"""Candidate: it was not; status and detail as JSON."""
CALL = b"C"
"""Host to candidate: nonce and encoded call. Tester to host: an encoded call that was not foreseen."""
REPLY = b"V"
"""Candidate to host: nonce and encoded outcome."""
START = b"S"
"""Host to tester: test a program; the digests of the calls that are foreseen, then the outcomes that are there."""
OUTCOMES = b"O"
"""Host to tester: further outcomes, each after its length; none if the candidate will give no more."""
MORE = b"M"
"""Tester to host: the tests wait for the outcome of a foreseen call."""
REPORT = b"E"
"""Tester (or a candidate graded in shared mode) to host: how the tests went, as JSON."""

NONCE_BYTES = 8
DIGEST_BYTES = 16

CHANNEL_FD = 3
"""Where a forked process has its end of the channel."""

_COUNT = struct.Struct("!I")
_LINK_BYTES = 4096
# A program may put others in their place.
_readv, _write = os.readv, os.write


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


def batch(messages: Iterable[bytes], flags: int = 0) -> bytes:
    """The frame of a batch of messages."""
    return frame(BATCH, bytes([flags]) + b"".join(frame(MESSAGE, message) for message in messages))


def messages_of(payload: bytes) -> list[bytes]:
    """The messages of a batch without flags."""
    found = []
    position = 0
    while position < len(payload):
        length, _ = HEADER.unpack_from(payload, position)
        position += HEADER.size + length
        found.append(payload[position - length : position])
    return found


def pack(parts: Sequence[bytes]) -> bytes:
    """Byte strings as one; `unpack` takes them apart."""
    return b"".join(_COUNT.pack(len(part)) + part for part in parts)


def unpack(payload: bytes) -> list[bytes]:
    """What `pack` put together."""
    found = []
    position = 0
    while position < len(payload):
        (length,) = _COUNT.unpack_from(payload, position)
        position += _COUNT.size + length
        found.append(payload[position - length : position])
    return found


def digest(call: bytes) -> bytes:
    """What stands for an encoded call where the call itself need not be."""
    return hashlib.blake2b(call, digest_size=DIGEST_BYTES).digest()


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

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._memory = bytearray(_LINK_BYTES)

    def send(self, payload: bytes, kind: int = MESSAGE) -> None:
        """Send one message."""
        data = frame(kind, payload)
        count = _write(self._fd, data)
        while count < len(data):
            count += _write(self._fd, memoryview(data)[count:])

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)

    def receive(self) -> bytes:
        """The next message; its sender waits for an answer before it sends another.

        Raises:
            EndOfStreamError: the run is over.
        """
        memory = self._memory
        filled, end = 0, HEADER.size
        while filled < end:
            count = _readv(self._fd, [memoryview(memory)[filled:]])
            if count == 0:
                raise EndOfStreamError
            filled += count
            if filled >= HEADER.size:
                end = HEADER.size + HEADER.unpack_from(memory)[0]
                if end > len(memory):
                    memory = memory[:filled] + bytes(end - filled)
        return bytes(memory[HEADER.size : end])
