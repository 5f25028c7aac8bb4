"""Workers on the nodes of a Ray cluster: one actor per place, alike everywhere, replaced when it dies."""

from __future__ import annotations

import importlib
import os
import socket
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .. import errors
from ..errors import CodebudgetError, MachineError
from .printable import one_line
from .progress import notice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

START_S: Final = 1800.0
"""Seconds that a worker may take to start: a large model is read from a slow disk."""

_PROBE_S: Final = 10.0
_FRAME_HEAD: Final = 9
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""What a client of HTTP/2 says first, with settings that change nothing (RFC 9113)."""

PLACE_S: Final = 120.0
"""Seconds that a cluster without any worker is given to get a node."""

LOOK_S: Final = 2.0
"""Seconds between looks for nodes that came or went."""

ATTEMPTS: Final = 3
"""Times that a piece of work is begun, each time on another worker, before it is taken to be what ends them."""


_held: Final[dict[str, Worker]] = {}
"""By node, the worker that reserves its processors; the command's other workers there share them."""
_holding: Final = threading.Lock()

TOLD: Final = "told"
"""What a worker may say when it starts that others need not agree with."""


class Failure(NamedTuple):
    """An error of codebudget on a node, as plain data: a class of Ray's would need that class to be rebuilt."""

    kind: str
    message: str

    @classmethod
    def of(cls, error: CodebudgetError) -> Failure:
        """Convert an error."""
        return cls(type(error).__name__, str(error))

    def error(self, node: str) -> CodebudgetError:
        """Make the error again; it names the node."""
        kind = getattr(errors, self.kind, MachineError)
        made = kind if isinstance(kind, type) and issubclass(kind, CodebudgetError) else MachineError
        return made(f"node {node}: {self.message}")


class Node(NamedTuple):
    """A node that is alive: its id, a name for users, and its resources."""

    id: str
    name: str
    resources: dict[str, float]


class Place(NamedTuple):
    """Where a worker goes: a node, a number on it, and what the actor reserves there.

    Processors are reserved for the command: an engine and a sandbox that it has open at once both fit on a node.
    """

    node: str
    number: int
    options: tuple[tuple[str, float], ...]


class Worker:
    """An actor on a node. `outstanding` counts calls that have not come back."""

    def __init__(self, place: Place, name: str) -> None:
        self.place = place
        self.name = name
        self.actor: Any = None
        self.outstanding = 0


def connect(address: str) -> Any:
    """Connect to a cluster once; returns the `ray` module.

    Args:
        address: `auto` for the cluster of this machine or of RAY_ADDRESS, else HOST:PORT.

    Raises:
        MachineError: Ray is not installed, or no cluster answers.
    """
    try:
        import ray
    except ImportError:
        raise MachineError("`ray` needs Ray: pip install 'codebudget[ray]' on every node") from None
    if not ray.is_initialized():
        found = (os.environ.get("RAY_ADDRESS") or _last_started()) if address == "auto" else address
        at = f"{address}, which is {found}" if found and found != address else address
        try:
            _probe(found)
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            why = one_line(str(error))[:200]
            if "Could not find any running Ray instance" in why:
                why = "none was started on this machine, and RAY_ADDRESS names none"
            raise MachineError(
                f"no Ray cluster answers at `ray` {at} ({why}); name another as HOST:PORT, or start one with ray start "
                "--head, and ray start --address HOST:6379 on the other nodes"
            ) from None
    return ray


def _last_started() -> str:
    """Find the address of the cluster that was started last on this machine, running or not; empty if there is none.

    Ray writes it where `ray.init` says, in the folder for temporary files.
    """
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    try:
        return Path(folder, "ray", "ray_current_cluster").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _probe(address: str) -> None:
    """Fail at once where no cluster listens: Ray itself tries for minutes, and may end the process.

    Raises:
        OSError: Nobody listens there, or it is not a server of gRPC, which the head of a cluster is.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and port.isdigit()):
        return
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE_S) as connection:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return
        connection.sendall(_PREFACE)
        head = b""
        while len(head) < _FRAME_HEAD and (more := connection.recv(_FRAME_HEAD - len(head))):
            head += more
    # The first frame of a server's is of type 4, its settings (RFC 9113, section 3.4).
    if len(head) < _FRAME_HEAD or head[3] != 4:
        raise OSError("what listens there is no head of a Ray cluster")


def lost_errors(ray: Any) -> tuple[type[Exception], ...]:
    """List what Ray raises where a worker or its node is gone, and never for an error of a worker's own code."""
    found = ray.exceptions
    names = ("RayActorError", "WorkerCrashedError", "NodeDiedError", "ObjectLostError", "OwnerDiedError")
    return tuple(getattr(found, name) for name in (*names, "OutOfMemoryError") if hasattr(found, name))


def _reserve(worker: Worker) -> dict[str, float]:
    """List what a worker reserves: no processors where another worker of this command has them."""
    wanted = dict(worker.place.options)
    with _holding:
        if not wanted.get("num_cpus") or _held.setdefault(worker.place.node, worker) is worker:
            return wanted
    # It would wait for its own command to end.
    return {**wanted, "num_cpus": 0.0}


class Pool:
    """Workers of one kind, on every node that has room for them.

    Safe to share between threads.

    Args:
        ray: From `connect`.
        kind: The actor's class. Its `start` returns what all workers must agree on, by name (but `TOLD`), or a
            `Failure`.
        arguments: Of the class.
        places: Where workers go, given the nodes alive.
        what: What workers are, for messages, such as `engine`.
        concurrency: Groups of an actor's calls that run beside each other, and how many at once.
    """

    def __init__(
        self,
        ray: Any,
        kind: type,
        arguments: tuple[Any, ...],
        places: Callable[[Sequence[Node]], list[Place]],
        *,
        what: str,
        concurrency: dict[str, int] | None = None,
    ) -> None:
        self.ray = ray
        self.lost = lost_errors(ray)
        self._kind = ray.remote(**({"concurrency_groups": concurrency} if concurrency else {"num_cpus": 0}))(kind)
        self._arguments = arguments
        self._places = places
        self._what = what
        self._lock = threading.RLock()
        self._ready: dict[Place, Worker] = {}
        self._starting: dict[Any, Worker] = {}
        self._agreed: dict[str, str] | None = None
        self._failed: Counter[Place] = Counter()
        self._looked = 0.0

    def start(self) -> dict[str, str]:
        """Start a worker at every place there is now, and wait for all; returns what they agree on.

        Raises:
            CodebudgetError: One cannot start, or differs from the others; the message names its node.
            MachineError: No node has room for one.
        """
        deadline = time.monotonic() + START_S
        while True:
            self._look(now=True)
            while self._starting:
                self._collect(timeout_s=LOOK_S)
                if time.monotonic() > deadline:
                    names = ", ".join(sorted({worker.name for worker in self._starting.values()}))
                    raise MachineError(f"node {names}: its {self._what} does not start; see what occupies the node")
            if self._ready and self._agreed is not None:
                return self._agreed
            if time.monotonic() > min(deadline, self._looked + PLACE_S):
                raise MachineError(f"no node of the Ray cluster has room for its {self._what}")
            time.sleep(LOOK_S)

    def workers(self) -> list[Worker]:
        """List the workers that are ready, after a look at the nodes; the last ones are waited for if there is none.

        Raises:
            CodebudgetError: A new one cannot start, or differs from the others; the message names its node.
            MachineError: No node is left.
        """
        deadline = time.monotonic() + PLACE_S
        while True:
            self._look()
            self._collect(timeout_s=0.0)
            with self._lock:
                if self._ready:
                    return list(self._ready.values())
                is_starting = bool(self._starting)
            if not is_starting and time.monotonic() > deadline:
                raise MachineError(
                    f"no node of the Ray cluster is left with room for its {self._what}; what is done is in the store: "
                    "run the command again when there is one"
                )
            if is_starting:
                self._collect(timeout_s=LOOK_S)
            else:
                time.sleep(LOOK_S / 4)

    @property
    def ready(self) -> int:
        """How many workers are ready."""
        with self._lock:
            return len(self._ready)

    def drop(self, worker: Worker, why: str) -> None:
        """Forget a worker that died; another takes its place where there is room."""
        with self._lock:
            if self._ready.get(worker.place) is not worker:
                return
            del self._ready[worker.place]
            self._looked = 0.0
        notice(f"node {worker.name}: its {self._what} is lost ({why}); its work is done again")
        self._kill(worker)

    def stop(self, worker: Worker) -> None:
        """End a worker in the middle of its work."""
        with self._lock:
            if self._ready.get(worker.place) is worker:
                del self._ready[worker.place]
        self._kill(worker)

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            found = [*self._ready.values(), *self._starting.values()]
            self._ready, self._starting = {}, {}
        for worker in found:
            self._kill(worker)

    def _kill(self, worker: Worker) -> None:
        with _holding:
            if _held.get(worker.place.node) is worker:
                del _held[worker.place.node]
        try:
            self.ray.kill(worker.actor)
        except Exception:  # It is gone already, or the whole cluster is.
            return

    def _look(self, *, now: bool = False) -> None:
        """Start workers where nodes have room for more."""
        with self._lock:
            if not now and time.monotonic() - self._looked < LOOK_S:
                return
            self._looked = time.monotonic()
            nodes = [
                Node(one["NodeID"], f"{one['NodeManagerHostname']} ({one['NodeID'][:8]})", dict(one["Resources"]))
                for one in self.ray.nodes()
                if one["Alive"]
            ]
            names = {node.id: node.name for node in nodes}
            scheduling = importlib.import_module("ray.util.scheduling_strategies")
            taken = {*self._ready, *(worker.place for worker in self._starting.values())}
            for place in self._places(nodes):
                if place in taken:
                    continue
                strategy = scheduling.NodeAffinitySchedulingStrategy(place.node, soft=False)
                worker = Worker(place, names[place.node])
                worker.actor = self._kind.options(
                    scheduling_strategy=strategy, max_restarts=0, max_task_retries=0, **_reserve(worker)
                ).remote(*self._arguments)
                self._starting[worker.actor.start.remote()] = worker

    def _collect(self, timeout_s: float) -> None:
        """Take in workers that have started."""
        with self._lock:
            waiting = list(self._starting)
        if not waiting:
            return
        done, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=timeout_s)
        for reference in done:
            with self._lock:
                worker = self._starting.pop(reference, None)
            if worker is None:
                continue
            try:
                said = self.ray.get(reference)
            except self.lost as error:
                self._kill(worker)
                # A node that dies is called alive for some seconds more.
                self._failed[worker.place] += 1
                if self._failed[worker.place] < ATTEMPTS or not self._is_alive(worker.place.node):
                    continue
                raise MachineError(
                    f"node {worker.name}: its {self._what} ended while it started ({one_line(str(error))[:300]})"
                ) from None
            if isinstance(said, Failure):
                self._kill(worker)
                raise said.error(worker.name)
            self._admit(worker, said)

    def _admit(self, worker: Worker, said: dict[str, str]) -> None:
        with self._lock:
            if self._agreed is None:
                self._agreed = said
            if all(said.get(name) == value for name, value in self._agreed.items() if name != TOLD):
                self._ready[worker.place] = worker
                return
            agreed = self._agreed
        self._kill(worker)
        different = ", ".join(
            f"{name} {one_line(str(said.get(name)))!r} instead of {one_line(str(value))!r}"
            for name, value in agreed.items()
            if name != TOLD and said.get(name) != value
        )
        raise MachineError(
            f"node {worker.name}: its {self._what} differs from that of other nodes ({different}); make the nodes "
            "alike, or leave it out of the cluster"
        )

    def _is_alive(self, node: str) -> bool:
        return any(one["Alive"] and one["NodeID"] == node for one in self.ray.nodes())
