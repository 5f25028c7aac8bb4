"""A started worker and the conversation with it."""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from ..records import Limits
from .guest import wire
from .stream import BoxLostError, Stream

START_S = 30.0
"""How long a worker may take to say hello."""
GRACE_S = 10.0
"""How long past a run's own limits the host waits for the worker before it gives the box up."""


class Message(NamedTuple):
    """What the process in a box said: one byte of kind, then the rest."""

    payload: bytes

    @property
    def kind(self) -> bytes:
        """The kind, one of those in `wire`."""
        return self.payload[:1]

    @property
    def body(self) -> bytes:
        """What follows the kind."""
        return self.payload[1:]


class Done(NamedTuple):
    """How a run ended: a status (empty where the host ended it), why, and what it cost."""

    status: str
    detail: str
    cpu_s: float
    wall_s: float
    peak_bytes: int


class Launcher(Protocol):
    """Starts boxes of one kind."""

    @property
    def name(self) -> str:
        """What users type."""

    @property
    def promise(self) -> str:
        """What it holds, in one line."""

    def prepare(self) -> None:
        """Make sure that boxes can be started; raises SandboxError that says why not and what to do."""

    def launch(self) -> "Box":
        """Start a box; raises SandboxError where it does not come up."""

    def environment(self) -> str:
        """What decides verdicts besides program, tests and limits: the image or interpreter, as one line."""


class Box:
    """A worker behind a stream. One run at a time; not safe to share between threads."""

    def __init__(self, stream: Stream, kill: Callable[[], None]) -> None:
        """Greet the worker, which has been sent its start message; `kill` ends everything in the box at once."""
        self._stream = stream
        self._kill = kill
        self._buffer = bytearray()
        self._limits = Limits()
        try:
            kind, payload = self._frame(time.monotonic() + START_S)
            if kind != wire.HELLO:
                raise BoxLostError("the sandbox's worker did not say hello")
            self.python: str = json.loads(payload)["python"]
        except BaseException:
            self.close()
            raise

    def run(self, role: str, limits: Limits, **request: Any) -> None:
        """Start a run."""
        self._limits = limits
        order = {"role": role, "limits": limits.model_dump(), **request}
        self._send(wire.RUN, json.dumps(order).encode())

    def send(self, payload: bytes) -> None:
        """Hand the run's process a message."""
        self._send(wire.MESSAGE, payload)

    def receive(self) -> Message | Done:
        """What the run's process says next, or how it ended."""
        kind, payload = self._frame(time.monotonic() + self._limits.wall_s + GRACE_S)
        if kind == wire.MESSAGE:
            return Message(payload)
        if kind == wire.DONE:
            return Done(**json.loads(payload))
        raise BoxLostError("the sandbox's worker broke the protocol")

    def stop(self) -> Done:
        """End the run and wait until all of it is gone."""
        self._send(wire.STOP, b"")
        while True:
            said = self.receive()
            if isinstance(said, Done):
                return said

    def close(self) -> None:
        """End the box and everything in it."""
        self._kill()
        self._stream.close()

    def _send(self, kind: int, payload: bytes) -> None:
        self._stream.write(wire.frame(kind, payload), time.monotonic() + self._limits.wall_s + GRACE_S)

    def _frame(self, deadline: float) -> tuple[int, bytes]:
        while True:
            try:
                taken = wire.take_frame(self._buffer)
            except wire.FrameError as error:
                raise BoxLostError(str(error)) from error
            if taken is not None:
                return taken
            self._buffer += self._stream.read(deadline)
