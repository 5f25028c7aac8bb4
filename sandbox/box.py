"""A started worker and the conversation with it."""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from ..errors import SandboxError
from ..records import Limits
from .guest import wire
from .stream import BoxLostError, Stream

START_S = 30.0
"""How long a worker may take to say hello."""
GRACE_S = 10.0
"""How long past a run's own limits the host waits for the worker before it gives the box up."""


class RequestTooLongError(SandboxError):
    """A program or its tests are longer than a frame may be."""


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
        self._limits = Limits().resolve(0.0)
        self._done: Done | None = None
        try:
            kind, payload = self._frame(time.monotonic() + START_S)
            if kind != wire.HELLO:
                raise BoxLostError("the sandbox's worker did not say hello")
            self.python: str = json.loads(payload)["python"]
        except BaseException:
            self.close()
            raise

    def run(self, role: str, limits: Limits, *, tests: dict[str, Any] | None = None, **request: Any) -> None:
        """Start a run.

        `tests` stay with the worker, compiled once for many runs; `request` goes to the run's process alone, so that
        no later run can find it in the worker's memory.

        Raises:
            RequestTooLongError: the request fits no frame.
            BoxLostError: the box went away.
        """
        order = {"role": role, "limits": limits.model_dump(), "tests": tests}
        try:
            frames = wire.frame(wire.RUN, json.dumps(order).encode()) + wire.frame(
                wire.MESSAGE, json.dumps(request).encode()
            )
        except wire.FrameError as error:
            raise RequestTooLongError(str(error)) from error
        self._limits = limits
        self._done = None
        self._write(frames)

    def send(self, payload: bytes) -> None:
        """Hand the run's process a message."""
        self._send(wire.MESSAGE, payload)

    def receive(self) -> Message | Done:
        """What the run's process says next, or how it ended.

        Raises:
            SandboxError: the run could not be started or confined.
            BoxLostError: the box went away.
        """
        kind, payload = self._frame(time.monotonic() + self._limits.wall_s + GRACE_S)
        if kind == wire.MESSAGE:
            return Message(payload)
        if kind == wire.DONE:
            self._done = Done(**json.loads(payload))
            if self._done.status == "sandbox_error":
                raise SandboxError(self._done.detail)
            return self._done
        raise BoxLostError("the sandbox's worker broke the protocol")

    def stop(self) -> Done:
        """End the run, where it has not ended by itself, and wait until all of it is gone."""
        if self._done is None:
            self._send(wire.STOP, b"")
        while self._done is None:
            self.receive()
        return self._done

    def close(self) -> None:
        """End the box and everything in it."""
        self._kill()
        self._stream.close()

    def try_out(self) -> None:
        """Confine a run and end it, then the box.

        Raises:
            SandboxError: that does not work here.
        """
        try:
            self.run("candidate", self._limits, program="def run(): pass", entry_point="run", return_arguments=False)
            said = self.receive()
            if isinstance(said, Done):
                raise SandboxError(f"a run ends at once: {said.detail}")
            self.stop()
        finally:
            self.close()

    def _send(self, kind: int, payload: bytes) -> None:
        self._write(wire.frame(kind, payload))

    def _write(self, data: bytes) -> None:
        self._stream.write(data, time.monotonic() + self._limits.wall_s + GRACE_S)

    def _frame(self, deadline: float) -> tuple[int, bytes]:
        while True:
            try:
                taken = wire.take_frame(self._buffer)
            except wire.FrameError as error:
                raise BoxLostError(str(error)) from error
            if taken is not None:
                return taken
            self._buffer += self._stream.read(deadline)
