"""Grading many programs at once."""

from __future__ import annotations

import os
import queue
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..errors import UserError
from ..records import Limits, Outcome, PublicTask, ReferenceCheck, Task, Verdict
from . import bundle
from .lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from .box import Launcher

Item = TypeVar("Item")
Result = TypeVar("Result")


class Job(NamedTuple):
    """One program to grade."""

    task: Task
    check: ReferenceCheck
    program: str


class Sandbox:
    """Runs programs that nobody trusts, `workers` at a time.

    Use it as a context manager: leaving it ends every box.

    Args:
        launcher: starts the boxes; see `choose_launcher`.
        limits: what one program may use.
        workers: programs at once; the number of cores where not given.
    """

    def __init__(self, launcher: Launcher, *, limits: Limits | None = None, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise UserError(f"{workers} workers cannot grade anything; give at least 1")
        self.launcher = launcher
        self.limits = (limits or Limits()).resolve(0.0)
        self.workers = workers or len(os.sched_getaffinity(0))
        self._grading = _Lanes(launcher, self.limits, self.workers)
        self._public = _Lanes(launcher, self.limits, self.workers)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every box."""
        self._grading.close()
        self._public.close()

    def environment(self) -> str:
        """What decides verdicts besides program, tests and limits: the launcher's image or Python, and the guest."""
        return f"{self.launcher.environment()} guest {bundle.digest()}"

    def check(self, tasks: Iterable[Task]) -> Iterator[ReferenceCheck]:
        """Run every task's reference solution; yields in order of completion.

        Raises:
            SandboxError: a box failed.
        """
        for _, result in self._grading.map(lambda lane, task: lane.check(task), list(tasks)):
            yield result

    def grade(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Verdict]]:
        """Grade programs; yields the place of each in `jobs` with its verdict, in order of completion.

        Programs of a task with the same text are run once.

        Raises:
            UserError: a job's task failed its reference check.
        """
        places: dict[tuple[str, str], list[int]] = {}
        for place, job in enumerate(jobs):
            if not job.check.ok or job.check.task_id != job.task.id:
                raise UserError(f"task {job.task.id} cannot be graded: {job.check.detail or 'not its own check'}")
            places.setdefault((job.task.id, job.program), []).append(place)
        distinct = [jobs[first[0]] for first in places.values()]
        where = list(places.values())
        for number, verdict in self._grading.map(lambda lane, job: lane.grade(*job), distinct):
            for place in where[number]:
                yield place, verdict

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """Evaluate expressions against each program, in boxes that never saw a hidden test.

        Returns:
            One row per program, one outcome per expression. Programs with the same text are run once.

        Raises:
            SandboxError: a box failed.
        """
        if not expressions:
            return [[] for _ in programs]
        distinct = list(dict.fromkeys(programs))
        rows: dict[str, list[Outcome]] = {}
        for number, row in self._public.map(lambda lane, text: lane.evaluate(task, text, expressions), distinct):
            rows[distinct[number]] = row
        return [rows[program] for program in programs]


class _Lanes:
    """A fixed number of lanes and the threads that drive them."""

    def __init__(self, launcher: Launcher, limits: Limits, count: int) -> None:
        self._lanes = [Lane(launcher, limits) for _ in range(count)]
        self._idle: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for lane in self._lanes:
            self._idle.put(lane)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="codebudget-lane")

    def map(self, work: Callable[[Lane, Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """Do `work` for every item; yields its place and result in order of completion."""

        def one(item: Item) -> Result:
            lane = self._idle.get()
            try:
                return work(lane, item)
            finally:
                self._idle.put(lane)

        futures = {self._threads.submit(one, item): place for place, item in enumerate(items)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for lane in self._lanes:
            lane.close()
