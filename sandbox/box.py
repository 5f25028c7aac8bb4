"""A started worker and the conversation with it."""

from __future__ import annotations

import hashlib
import json
import struct
import time
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..errors import SandboxError
from ..records import Limits
from .guest import wire
from .guest.candidate import Request
from .stream import BoxLostError, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

START_S = 30.0
"""Seconds that a worker may take to greet."""
GRACE_S = 10.0
"""Seconds past a run's own limits that the host waits for the worker before giving the box up."""


class RequestTooLongError(SandboxError):
    """A program or its tests are longer than a frame may be."""


class Later(NamedTuple):
    """Times that messages after the first few have together, apart from these."""

    after: int
    cpu_s: float
    wall_s: float


class Done(NamedTuple):
    """The end of a run: its status (empty if the host ended it), the reason, and its cost.

    `case_cpu_s` and `case_wall_s` are the most that one case took, in a run whose cases have limits of their own.
    """

    status: str
    detail: str
    cpu_s: float
    wall_s: float
    peak_bytes: int
    case_cpu_s: float = 0.0
    case_wall_s: float = 0.0


class ScriptEnd(NamedTuple):
    """What a script wrote to standard output, the last of what it wrote to standard error, and how it ended.

    `claim`: it does not compile, in the words of its process; empty where it does.
    """

    output: bytes
    errors: bytes
    claim: bytes
    done: Done


class Launcher(Protocol):
    """Starts boxes of one kind."""

    @property
    def name(self) -> str:
        """The name users type."""

    @property
    def promise(self) -> str:
        """Its isolation, in one line."""

    def prepare(self) -> None:
        """Make sure that boxes can be started; raises SandboxError that says why not and what to do."""

    def launch(self) -> Box:
        """Start a box; raises SandboxError if it does not come up."""

    def environment(self) -> str:
        """Name in a line what verdicts depend on besides program, tests and limits: image or interpreter."""


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

    def run(
        self,
        role: str,
        limits: Limits,
        messages: Sequence[bytes],
        *,
        tests: dict[str, Any] | None = None,
        last: bool = False,
        cases: int = 0,
        later: Later | None = None,
    ) -> None:
        """Start a run and hand its process the first messages, as `send` does.

        With `cases`, the most that there will be, the times of `limits` are for each message; with `later`, for the
        first few. `tests` stay with the
        worker, compiled once for many runs, and their run may go on for many programs; `messages` go to the run's
        process alone, so that no later run can find them in the worker's memory.

        Raises:
            RequestTooLongError: the messages fit no frame.
            BoxLostError: the box went away.
        """
        if tests is None:
            order = _program_order(role, limits, cases, later)
        else:
            order = _order(role, limits, tests, cases, later)
        try:
            frames = wire.frame(wire.RUN, order) + self._batch(messages, last, fresh=False)
        except wire.FrameError as error:
            raise RequestTooLongError(str(error)) from error
        self._limits = limits
        self._done = None
        self._write(frames)

    def send(self, messages: Sequence[bytes], *, last: bool = False, fresh: bool = False) -> None:
        """Hand the run's process messages, each once it has answered the one before.

        Once the `last` ones are answered, the run ends by itself. With `fresh`, its use of time and output is counted
        from here.
        """
        self._write(self._batch(messages, last, fresh))

    @staticmethod
    def _batch(messages: Sequence[bytes], last: bool, fresh: bool) -> bytes:
        return wire.batch(messages, last * wire.LAST | fresh * wire.FRESH)

    def receive(self) -> list[bytes] | Done:
        """Get the process's next answers, or how the run ended.

        Raises:
            SandboxError: the run could not be started or confined.
            BoxLostError: the box went away.
        """
        if self._done is not None:
            return self._done
        kind, payload = self._next()
        if kind == wire.BATCH:
            return wire.messages_of(payload)
        if kind == wire.DONE:
            return self._end(payload)
        raise BoxLostError("the sandbox's worker broke the protocol")

    def _next(self) -> tuple[int, bytes]:
        return self._frame(time.monotonic() + (self._limits.wall_s or 0.0) + GRACE_S)

    def _end(self, payload: bytes) -> Done:
        self._done = Done(**json.loads(payload))
        if self._done.status == "sandbox_error":
            raise SandboxError(self._done.detail)
        return self._done

    def run_script(self, limits: Limits, script: bytes, text: bytes) -> ScriptEnd:
        """Run a script in a process of its own, with `text` as its standard input, until it ends.

        Raises:
            RequestTooLongError: script and text fit no frame.
            SandboxError: the run could not be started or confined.
            BoxLostError: the box went away.
        """
        self.run("script", limits, [script, text])
        said: dict[int, bytearray] = {wire.OUTPUT: bytearray(), wire.ERRORS: bytearray(), wire.BATCH: bytearray()}
        while self._done is None:
            kind, payload = self._next()
            if kind == wire.DONE:
                self._end(payload)
            elif kind not in said or len(said[kind]) > limits.output_bytes:
                raise BoxLostError("the sandbox's worker broke the protocol")
            else:
                said[kind] += payload
        claim = b"".join(wire.messages_of(bytes(said[wire.BATCH])))
        return ScriptEnd(bytes(said[wire.OUTPUT]), bytes(said[wire.ERRORS]), claim, self._done)

    def stop(self) -> Done:
        """End the run, if it has not ended by itself, and wait until all of it is gone."""
        if self._done is None:
            self._write(wire.frame(wire.STOP, b""))
        while self._done is None:
            self.receive()
        return self._done

    def close(self) -> None:
        """End the box and everything in it."""
        self._kill()
        self._stream.close()

    def try_out(self) -> None:
        """Confine a run and end it; if that does not work, end the box.

        Raises:
            SandboxError: it does not work here.
        """
        try:
            request = Request("def run(): pass", ("run",), return_arguments=False)
            self.run("candidate", self._limits, [request.pack()])
            said = self.receive()
            if isinstance(said, Done):
                raise SandboxError(f"a run ends at once: {said.detail}")
            self.stop()
        except BaseException:
            self.close()
            raise

    def _write(self, data: bytes) -> None:
        self._stream.write(data, time.monotonic() + (self._limits.wall_s or 0.0) + GRACE_S)

    def _frame(self, deadline: float) -> tuple[int, bytes]:
        while True:
            try:
                taken = wire.take_frame(self._buffer)
            except wire.FrameError as error:
                raise BoxLostError(str(error)) from error
            if taken is not None:
                return taken
            self._buffer += self._stream.read(deadline)


def _order(role: str, limits: Limits, tests: dict[str, Any] | None, cases: int, later: Later | None) -> bytes:
    extent = {"lasting": tests is not None, "cases": cases, "later": later}
    return json.dumps({"role": role, "limits": limits.model_dump() | extent, "tests": tests}).encode()


@lru_cache(maxsize=64)
def _program_order(role: str, limits: Limits, cases: int, later: Later | None) -> bytes:
    """Order a run without tests: most are alike."""
    return _order(role, limits, None, cases, later)


MODULES = (
    "wire", "codec", "canonical", "leftovers", "syscalls", "separation", "zygote", "candidate", "warm", "calls",
    "unit_tests", "suite", "tester", "run", "script", "script_run", "worker",
)  # fmt: skip
"""Modules of `guest`, each after those it imports."""

BOOTSTRAP = """
import json, marshal, os, struct, sys, types
def read(count):
    data = b""
    while len(data) < count:
        chunk = os.read(0, count - len(data))
        if not chunk: sys.exit(0)
        data += chunk
    return data
sys.path[:] = [p for p in sys.path if p]
start = json.loads(read(struct.unpack("!I", read(4))[0]))
# All are compiled first: what stays of each then lies together, and a run touches fewer pages.
codes = [(name, marshal.dumps(compile(source, "<guest " + name + ">", "exec"))) for name, source in start["modules"]]
package = types.ModuleType("guest")
package.__path__ = []
sys.modules["guest"] = package
for name, code in codes:
    module = types.ModuleType("guest." + name)
    module.__package__ = "guest"
    sys.modules[module.__name__] = module
    setattr(package, name, module)
    exec(marshal.loads(code), module.__dict__)
sys.modules["guest.worker"].main(start["configuration"])
"""
"""Start code of a box's Python (`python -c`): it reads the modules from standard input and runs the worker."""


@cache
def _sources() -> tuple[tuple[str, str], ...]:
    folder = resources.files(__package__) / "guest"
    return tuple((name, (folder / f"{name}.py").read_text(encoding="utf-8")) for name in MODULES)


def start_message(configuration: dict[str, Any]) -> bytes:
    """Build the bytes a box expects first: the guest's modules and the worker's configuration."""
    payload = json.dumps({"modules": _sources(), "configuration": configuration}).encode()
    return struct.pack("!I", len(payload)) + payload


def guest_digest() -> str:
    """Hash the guest (SHA-256): boxes with the same image and digest grade alike."""
    return hashlib.sha256(json.dumps(_sources()).encode()).hexdigest()
