"""Frames: whole or not at all, and never longer than the limit."""

import os

import pytest
from codebudget.sandbox.guest import wire
from hypothesis import given
from hypothesis import strategies as st

FRAMES = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=5)


@given(FRAMES, st.integers(1, 64))
def test_frames_arrive_whole_however_they_are_cut(frames: list[tuple[int, bytes]], chunk: int) -> None:
    data = b"".join(wire.frame(kind, payload) for kind, payload in frames)
    buffer = bytearray()
    arrived = []
    for start in range(0, len(data), chunk):
        buffer += data[start : start + chunk]
        while (taken := wire.take_frame(buffer)) is not None:
            arrived.append(taken)
    assert arrived == frames
    assert not buffer


@given(FRAMES)
def test_an_inlet_reads_one_frame_at_a_time_and_wipes_it(frames: list[tuple[int, bytes]]) -> None:
    read_fd, write_fd = os.pipe()
    try:
        os.write(write_fd, b"".join(wire.frame(kind, payload) for kind, payload in frames))
        os.close(write_fd)
        inlet = wire.Inlet(read_fd)
        for kind, payload in frames:
            while not inlet.read():
                pass
            memory = inlet.frame
            assert (inlet.kind, inlet.payload, bytes(memory)) == (kind, payload, wire.frame(kind, payload))
            inlet.wipe()
            assert not any(memory)
        with pytest.raises(wire.EndOfStreamError):
            inlet.read()
    finally:
        os.close(read_fd)


def test_a_frame_over_the_limit_is_refused_from_its_header() -> None:
    header = wire.HEADER.pack(wire.MAX_FRAME_BYTES + 1, wire.MESSAGE)
    with pytest.raises(wire.FrameError):
        wire.take_frame(bytearray(header))
    with pytest.raises(wire.FrameError):
        wire.frame(wire.MESSAGE, bytes(wire.MAX_FRAME_BYTES + 1))
    read_fd, write_fd = os.pipe()
    try:
        os.write(write_fd, header)
        with pytest.raises(wire.FrameError):
            wire.Inlet(read_fd).read()
    finally:
        os.close(read_fd)
        os.close(write_fd)
