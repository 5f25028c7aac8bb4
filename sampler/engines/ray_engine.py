"""Replicas of an engine on the nodes of a Ray cluster, which draw as one."""

from __future__ import annotations

import time
from collections import Counter, deque
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..._util.printable import one_line
from ..._util.ray_pool import ATTEMPTS, TOLD, Failure, Place, Pool, connect
from ...errors import CodebudgetError, EngineError
from ..engine import Description, EngineMemory
from .choice import EngineOptions, choose_engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..._util.ray_pool import Node, Worker
    from ...records import Likelihood
    from ..engine import Draw, MayStart, Outcome, Prompt, Sampling

_PORTIONS: Final = 3
_MOST_DRAWS: Final = 4096
"""Each replica gets at least so many portions of the draws, so that all end at about the same time."""

_FLUSH_S: Final = 0.05
_MOST_TOGETHER: Final = 64
_AHEAD: Final = 8
"""Messages that a replica may be ahead of the driver's writing: then it waits."""


class Wanted(NamedTuple):
    """An engine to start on every node: its name as typed, the model, its precision and options."""

    engine: str
    model: str
    precision: str
    options: EngineOptions


class Replica:
    """An engine on a node, as an actor."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._engine: Any = None
        self._watch: Any = None

    def start(self) -> dict[str, str] | Failure:
        """Load the model; returns its description, and codebudget's version."""
        from ..series import MemoryWatch

        try:
            choice = choose_engine(*self._wanted)
        except CodebudgetError as error:
            return Failure.of(error)
        self._engine = choice.engine
        self._watch = MemoryWatch(choice.engine.memory, EngineMemory())
        described = self._engine.describe()
        values = {name: repr(value) for name, value in described if name != "schema_version"}
        return {
            **values,
            "codebudget": metadata.version("codebudget"),
            TOLD: choice.reason,
            "record": described.model_dump_json(),
        }

    def generate(
        self, draws: Sequence[Draw], sampling: Sampling
    ) -> Iterator[tuple[list[tuple[int, Outcome]], EngineMemory] | Failure]:
        """Draw; yields what has finished, a few together where they finish fast."""
        together: list[tuple[int, Outcome]] = []
        sent = time.monotonic()
        try:
            for item in self._engine.generate(draws, sampling):
                together.append(item)
                if len(together) >= _MOST_TOGETHER or time.monotonic() - sent >= _FLUSH_S:
                    yield together, self._memory()
                    together, sent = [], time.monotonic()
        except CodebudgetError as error:
            if together:
                yield together, self._memory()
            yield Failure.of(error)
            return
        yield together, self._memory(now=True)

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> list[Likelihood] | Failure:
        """Score texts."""
        try:
            found: list[Likelihood] = self._engine.score(texts)
        except CodebudgetError as error:
            return Failure.of(error)
        return found

    def _memory(self, *, now: bool = False) -> EngineMemory:
        self._watch.look(now=now)
        most: EngineMemory = self._watch.most
        return most


class RayEngine:
    """An `engine.Engine` that is replicas of one on a cluster's nodes.

    Every draw has its own seed, so which replica draws it decides nothing. What a replica that dies had not handed over
    is drawn again by another. Answers come back in the order of finishing, and one writer, the caller, takes them.

    Args:
        address: The cluster's; see `ray_pool.connect`.
        wanted: The engine. With GPUs, `options.gpus` share one replica; None for one.

    Raises:
        UserError: The model or its precision is wrong; the message names the node.
        EngineError: A node's engine cannot start, or differs from the others'.
        MachineError: No cluster answers, or no node has room.
    """

    def __init__(self, address: str, wanted: Wanted) -> None:
        gpus = wanted.options.gpus or 1
        wanted = wanted._replace(options=wanted.options._replace(gpus=gpus))
        self._pool = Pool(
            connect(address), Replica, (wanted,), lambda nodes: _places(nodes, gpus), what=f"engine of {wanted.model}"
        )
        try:
            agreed = self._pool.start()
        except BaseException:
            self._pool.close()
            raise
        self.reason = agreed[TOLD]
        self._description = Description.model_validate_json(agreed["record"])
        self._memory = EngineMemory()

    @property
    def machines(self) -> int:
        """Replicas that draw, each of which is paid for."""
        return max(1, self._pool.ready)

    def describe(self) -> Description:
        """Describe the engine of every replica."""
        return self._description

    def check(self) -> str:
        """Say how the replicas checked themselves when they started."""
        return self.reason

    def generate(
        self, draws: Sequence[Draw], sampling: Sampling, may_start: MayStart | None = None
    ) -> Iterator[tuple[int, Outcome]]:
        """Draw every sample; see `engine.Engine.generate`.

        Raises:
            EngineError: A replica failed, or draws ended several replicas one after another.
            MachineError: No node is left.
        """
        del may_start  # Nobody bills these draws.
        ray = self._pool.ray
        running: dict[Any, tuple[Worker, list[int], set[int]]] = {}
        waiting = deque(self._portions(len(draws)))
        tries: Counter[int] = Counter()
        try:
            while waiting or running:
                busy = {worker for worker, _, _ in running.values()}
                for worker in self._pool.workers() if waiting else ():
                    if worker in busy or not waiting:
                        continue
                    places = waiting.popleft()
                    tries.update(places)
                    stream = worker.actor.generate.options(
                        num_returns="streaming", _generator_backpressure_num_objects=_AHEAD
                    ).remote([draws[place] for place in places], sampling)
                    running[stream] = (worker, places, set(places))
                ready, _ = ray.wait(list(running), num_returns=1, timeout=1.0, fetch_local=True)
                for stream in ready:
                    worker, places, missing = running[stream]
                    try:
                        said = ray.get(next(stream))
                    except StopIteration:
                        del running[stream]
                        if missing:
                            raise EngineError(f"node {worker.name}: its engine left out {len(missing)} draws") from None
                        continue
                    except self._pool.lost as error:
                        del running[stream]
                        self._pool.drop(worker, one_line(str(error))[:120])
                        self._again(missing, tries, waiting, worker)
                        continue
                    if isinstance(said, Failure):
                        raise said.error(worker.name)
                    found, memory = said
                    self._keep(memory)
                    for place, outcome in found:
                        if places[place] in missing:
                            missing.discard(places[place])
                            yield places[place], outcome
        finally:
            # Else they would go on with what nobody takes.
            for worker, _, missing in running.values():
                if missing:
                    self._pool.stop(worker)

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Score texts on one replica.

        Raises:
            EngineError: It cannot score, or failed.
            MachineError: No node is left.
        """
        for _ in range(ATTEMPTS):
            worker = self._pool.workers()[0]
            try:
                said = self._pool.ray.get(worker.actor.score.remote(list(texts)))
            except self._pool.lost as error:
                self._pool.drop(worker, one_line(str(error))[:120])
                continue
            if isinstance(said, Failure):
                raise said.error(worker.name)
            found: list[Likelihood] = said
            return found
        raise EngineError(f"{len(texts)} texts ended {ATTEMPTS} replicas that were to score them")

    def memory(self) -> EngineMemory:
        """Tell the most memory that a replica took."""
        return self._memory

    def close(self) -> None:
        """End the replicas."""
        self._pool.close()

    def _portions(self, count: int) -> list[list[int]]:
        size = max(1, min(_MOST_DRAWS, -(-count // (_PORTIONS * max(1, len(self._pool.workers()))))))
        return [list(range(start, min(start + size, count))) for start in range(0, count, size)]

    def _again(self, missing: set[int], tries: Counter[int], waiting: deque[list[int]], worker: Worker) -> None:
        if not missing:
            return
        if max(tries[place] for place in missing) >= ATTEMPTS:
            raise EngineError(
                f"{len(missing)} draws ended {ATTEMPTS} replicas one after another, the last on node {worker.name}; "
                "what is drawn is in the store"
            )
        # Halves, so that a draw that ends its replica takes few others with it.
        places = sorted(missing)
        middle = -(-len(places) // 2)
        waiting.extendleft(part for part in (places[middle:], places[:middle]) if part)

    def _keep(self, memory: EngineMemory) -> None:
        """Keep the most; what a replica did not measure must not be measured here, in another process."""
        place = memory.place if memory.peak_bytes is not None else None

        def larger(one: int | None, other: int | None) -> int | None:
            return max((value for value in (one, other) if value is not None), default=None)

        mine = self._memory
        self._memory = EngineMemory(
            place,
            larger(mine.weight_bytes, memory.weight_bytes),
            larger(mine.kv_bytes, memory.kv_bytes),
            larger(mine.peak_bytes, memory.peak_bytes),
        )


def _places(nodes: Sequence[Node], gpus: int) -> list[Place]:
    """Put as many replicas on a node as its GPUs hold; in a cluster without GPUs, one that has all its processors."""
    if any(node.resources.get("GPU", 0) for node in nodes):
        return [
            # Ray would reserve a processor too, which a sandbox on that node has.
            Place(node.id, number, (("num_gpus", float(gpus)), ("num_cpus", 0.0)))
            for node in nodes
            for number in range(int(node.resources.get("GPU", 0)) // gpus)
        ]
    return [
        Place(node.id, 0, (("num_cpus", float(int(node.resources["CPU"]))),))
        for node in nodes
        if node.resources.get("CPU", 0) >= 1
    ]
