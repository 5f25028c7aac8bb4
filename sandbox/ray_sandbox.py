"""Sandboxes on the nodes of a Ray cluster, which grade as one."""

from __future__ import annotations

from collections import Counter, deque
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._util.printable import one_line
from .._util.ray_pool import ATTEMPTS, Failure, Place, Pool, connect
from ..errors import CodebudgetError, SandboxError, UserError
from .launchers import choose_launcher
from .sandbox import Job, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .._util.ray_pool import Node, Worker
    from ..records import IoCase, Limits, Outcome, PublicTask, ReferenceCheck, Task, Verdict

_PORTION_PER_LANE: Final = 16
_PORTIONS: Final = 4
"""At least so many portions per node if there are enough programs, so that nodes end at about the same time."""
_AHEAD: Final = 2
"""Portions that a node has, so that it never waits for the next."""


class Wanted(NamedTuple):
    """A sandbox to start on every node: the launcher as typed, limits, and lanes; None for one per processor."""

    launcher: str
    limits: Limits
    workers: int | None


class Booth:
    """A sandbox on a node, as an actor; it has a lane per processor of the node."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._sandbox: Sandbox | None = None
        self._passed_over: Sequence[str] = ()

    def start(self) -> dict[str, str] | Failure:
        """Start it; returns what verdicts depend on."""
        import ray

        here = ray.get_runtime_context().get_node_id()
        (node,) = (one for one in ray.nodes() if one["NodeID"] == here)
        try:
            launcher, self._passed_over = choose_launcher(self._wanted.launcher)
            workers = self._wanted.workers or max(1, int(node["Resources"]["CPU"]))
            self._sandbox = Sandbox(launcher, limits=self._wanted.limits, workers=workers)
            return {"sandbox": launcher.name, "environment": self._sandbox.environment(), "promise": launcher.promise}
        except CodebudgetError as error:
            return Failure.of(error)

    def lanes(self) -> int:
        """Count programs at once."""
        assert self._sandbox is not None
        return self._sandbox.workers

    def passed_over(self) -> Sequence[str]:
        """Say why stronger launchers are not used."""
        return self._passed_over

    def check(self, tasks: Sequence[Task]) -> list[ReferenceCheck] | Failure:
        """Check reference solutions."""
        assert self._sandbox is not None
        try:
            found = {check.task_id: check for check in self._sandbox.check(tasks)}
        except CodebudgetError as error:
            return Failure.of(error)
        return [found[task.id] for task in tasks]

    def grade(
        self, known: dict[str, tuple[Task, ReferenceCheck]], programs: Sequence[tuple[str, str]]
    ) -> list[Verdict] | Failure:
        """Grade programs, each after its task's id."""
        assert self._sandbox is not None
        jobs = [Job(*known[task_id], text) for task_id, text in programs]
        try:
            found = dict(self._sandbox.grade(jobs))
        except CodebudgetError as error:
            return Failure.of(error)
        return [found[place] for place in range(len(jobs))]

    def evaluate(
        self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]
    ) -> list[list[Outcome]] | Failure:
        """Evaluate expressions."""
        assert self._sandbox is not None
        try:
            return self._sandbox.evaluate(task, programs, expressions)
        except CodebudgetError as error:
            return Failure.of(error)

    def judge(
        self, task: PublicTask, programs: Sequence[str], cases: Sequence[IoCase]
    ) -> list[list[Outcome]] | Failure:
        """Judge scripts."""
        assert self._sandbox is not None
        try:
            return self._sandbox.judge(task, programs, cases)
        except CodebudgetError as error:
            return Failure.of(error)

    def examine(self) -> Any:
        """Attack the sandbox with the corpus; see `conformance`."""
        from .conformance import conformance

        assert self._sandbox is not None
        try:
            return conformance(self._sandbox.launcher, lambda step, done, total: None)
        except CodebudgetError as error:
            return Failure.of(error)


class RemoteLauncher(NamedTuple):
    """The launcher of all nodes, by its name and its promise; it starts nothing here."""

    name: str
    promise: str


class RaySandbox(Sandbox):
    """A `Sandbox` that is one on every node of a cluster.

    What a node that dies had not answered is run again on another. A node whose sandbox cannot start, or is of another
    kind than the others', is refused by name before anything is run.

    Args:
        address: The cluster's; see `ray_pool.connect`.
        wanted: The sandbox.

    Attributes:
        passed_over: Why stronger launchers are not used on nodes, in lines.

    Raises:
        UserError: There is no launcher of that name.
        MachineError: No cluster answers, no node has room, or a node's sandbox does not work.
    """

    def __init__(self, address: str, wanted: Wanted) -> None:
        self._pool = Pool(
            connect(address),
            Booth,
            (wanted,),
            _places,
            what="sandbox",
            concurrency={"grading": 1, "public": 64},
        )
        try:
            agreed = self._pool.start()
            actors = [worker.actor for worker in self._pool.workers()]
            lanes = self._pool.ray.get([actor.lanes.remote() for actor in actors])
            passed_over = self._pool.ray.get([actor.passed_over.remote() for actor in actors])
        except BaseException:
            self._pool.close()
            raise
        self.launcher = RemoteLauncher(agreed["sandbox"], agreed["promise"])  # type: ignore[assignment]
        self.limits = wanted.limits
        self.workers = sum(lanes)
        self.passed_over = tuple(dict.fromkeys(chain.from_iterable(passed_over)))
        self._environment = agreed["environment"]

    def close(self) -> None:
        """End every sandbox."""
        self._pool.close()

    def environment(self) -> str:
        """Name what else verdicts depend on; the same on all nodes."""
        return self._environment

    def check(self, tasks: Iterable[Task]) -> Iterator[ReferenceCheck]:
        """Run every task's reference solution; see `Sandbox.check`."""
        listed = list(tasks)

        def begin(worker: Worker, some: Sequence[Task]) -> Any:
            return worker.actor.check.options(concurrency_group="grading").remote(some)

        for _, check in self._spread(listed, begin):
            yield check

    def grade(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Verdict]]:
        """Grade programs; see `Sandbox.grade`."""
        places: dict[tuple[str, str], list[int]] = {}
        for place, job in enumerate(jobs):
            if not job.check.ok or job.check.task_id != job.task.id:
                raise UserError(
                    f"task {job.task.id} cannot be graded: {job.check.detail or 'the check is of another task'}"
                )
            places.setdefault((job.task.id, job.program), []).append(place)
        where = list(places.values())

        def begin(worker: Worker, some: Sequence[Job]) -> Any:
            known = {job.task.id: (job.task, job.check) for job in some}
            programs = [(job.task.id, job.program) for job in some]
            return worker.actor.grade.options(concurrency_group="grading").remote(known, programs)

        for number, verdict in self._spread([jobs[first[0]] for first in where], begin):
            for place in where[number]:
                yield place, verdict

    def examine(self) -> list[Any]:
        """Attack every node's sandbox with the corpus; returns their reports.

        Raises:
            SandboxError: A box failed.
        """
        workers = self._pool.workers()
        asked = [worker.actor.examine.options(concurrency_group="grading").remote() for worker in workers]
        found = self._pool.ray.get(asked)
        for worker, report in zip(workers, found, strict=True):
            if isinstance(report, Failure):
                raise report.error(worker.name)
        return list(found)

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """Evaluate expressions on one node; see `Sandbox.evaluate`."""
        return self._one(
            lambda worker: worker.actor.evaluate.options(concurrency_group="public").remote(task, programs, expressions)
        )

    def judge(self, task: PublicTask, programs: Sequence[str], cases: Sequence[IoCase]) -> list[list[Outcome]]:
        """Run scripts on cases on one node; see `Sandbox.judge`."""
        return self._one(
            lambda worker: worker.actor.judge.options(concurrency_group="public").remote(task, programs, cases)
        )

    def _one(self, begin: Callable[[Worker], Any]) -> list[list[Outcome]]:
        """Have the least busy node do something."""
        last = ""
        for _ in range(ATTEMPTS):
            worker = min(self._pool.workers(), key=lambda one: one.outstanding)
            worker.outstanding += 1
            try:
                said = self._pool.ray.get(begin(worker))
            except self._pool.lost as error:
                last = one_line(str(error))[:120]
                self._pool.drop(worker, last)
                continue
            finally:
                worker.outstanding -= 1
            if isinstance(said, Failure):
                raise said.error(worker.name)
            found: list[list[Outcome]] = said
            return found
        raise SandboxError(f"programs ended the sandboxes of {ATTEMPTS} nodes one after another ({last})")

    def _spread(self, items: Sequence[Any], begin: Callable[[Worker, Sequence[Any]], Any]) -> Iterator[tuple[int, Any]]:
        """Have all nodes do something with every item; yields each one's place and result."""
        ray = self._pool.ray
        count = max(1, len(self._pool.workers()))
        size = max(1, min(_PORTION_PER_LANE * max(1, self.workers // count), len(items) // (count * _PORTIONS)))
        waiting = deque(range(start, min(start + size, len(items))) for start in range(0, len(items), size))
        tries: Counter[int] = Counter()
        running: dict[Any, tuple[Worker, range]] = {}
        try:
            while waiting or running:
                load = Counter(worker for worker, _ in running.values())
                for worker in self._pool.workers() if waiting else ():
                    while waiting and load[worker] < _AHEAD:
                        portion = waiting.popleft()
                        load[worker] += 1
                        tries[portion.start] += 1
                        running[begin(worker, [items[place] for place in portion])] = (worker, portion)
                done, _ = ray.wait(list(running), num_returns=1, timeout=1.0)
                for reference in done:
                    worker, portion = running.pop(reference)
                    try:
                        said = ray.get(reference)
                    except self._pool.lost as error:
                        why = one_line(str(error))[:120]
                        self._pool.drop(worker, why)
                        if tries[portion.start] >= ATTEMPTS:
                            raise SandboxError(
                                f"{len(portion)} programs ended the sandboxes of {ATTEMPTS} nodes one after another "
                                f"({why})"
                            ) from None
                        waiting.appendleft(portion)
                        continue
                    if isinstance(said, Failure):
                        raise said.error(worker.name)
                    yield from zip(portion, said, strict=True)
        finally:
            for worker, _ in running.values():
                self._pool.stop(worker)


def _places(nodes: Sequence[Node]) -> list[Place]:
    """Put one sandbox on every node that has a processor; it reserves them all, one per lane."""
    return [
        Place(node.id, 0, (("num_cpus", float(int(node.resources["CPU"]))),))
        for node in nodes
        if node.resources.get("CPU", 0) >= 1
    ]
