"""Frames between the host, a worker and the process that the worker forked.

A frame is a five-byte header (payload length, kind) and the payload. Both ends refuse a frame longer than
`MAX_FRAME_BYTES` from its header alone, before any of it is read into memory.
"""

from __future__ import annotations

import struct

HEADER = struct.Struct("!IB")
MAX_FRAME_BYTES = 16 << 20

HELLO = 1
"""Worker to host, once: JSON that describes the box."""
RUN = 2
"""Host to worker: JSON; fork a process and start its role."""
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
    length, kind = HEADER.unpack_from(buffer)
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {length} bytes is over the limit of {MAX_FRAME_BYTES}")
    end = HEADER.size + length
    if len(buffer) < end:
        return None
    payload = bytes(buffer[HEADER.size : end])
    del buffer[:end]
    return kind, payload
