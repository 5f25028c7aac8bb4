"""Grading many programs at once."""

from __future__ import annotations

import os
import queue
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from .._util.printable import one_line
from ..errors import SandboxError, UserError
from ..records import LEAST_CPU_S, IoCase, Limits, Outcome, PublicTask, ReferenceCheck, Task, Verdict
from .box import guest_digest
from .fixed_calls import Foresight
from .lane import Evaluated, Graded, Lane, Pace
from .timing import known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from .box import Launcher

_LARGEST_PORTION = 64
"""Most programs of one task that a lane takes at once: it keeps the task's tests in their own process."""
_PORTIONS_PER_LANE = 4
"""At least this many if there are enough programs, so that lanes end at about the same time."""
_SPARE_WORKERS = 2
_WINDOW, _WINDOW_S = 100, 2.0
"""Programs or seconds after which a lane grades its controls."""

_CALLS_CPU_S, _MOST_CALLS_CPU_S = 0.05, 3.0
"""Processor time of all of a program's calls for rankers, where none was set: the least, and the most."""
_PROBES = 3
"""Programs that show, where half of them come to the time of calls, whether it is their calls that take long."""
_MOST_DEATHS = 4
"""Calls in which a program may die; the expressions after the last one share its error."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Job(NamedTuple):
    """One program to grade."""

    task: Task
    check: ReferenceCheck
    program: str


class Sandbox:
    """Runs untrusted programs, `workers` at a time.

    Use it as a context manager: leaving it ends every box.

    Args:
        launcher: starts the boxes; see `choose_launcher`.
        limits: what one program may use.
        workers: programs at once; by default two more than there are cores, because some always wait.
    """

    def __init__(self, launcher: Launcher, *, limits: Limits | None = None, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise UserError(f"{workers} workers cannot grade anything; use at least 1")
        self.launcher = launcher
        self.limits = limits or Limits()
        self.workers = workers or len(os.sched_getaffinity(0)) + _SPARE_WORKERS
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
        """Name what else verdicts depend on beyond program, tests and limits: image or Python, and the guest."""
        return f"{self.launcher.environment()} guest {guest_digest()}"

    def check(self, tasks: Iterable[Task]) -> Iterator[ReferenceCheck]:
        """Run every task's reference solution; yields in order of completion.

        Raises:
            SandboxError: a box failed.
        """
        for _, result in self._grading.map(lambda lane, task: lane.check(task), list(tasks)):
            yield result

    def grade(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Verdict]]:
        """Grade programs; yields each one's place in `jobs` and its verdict.

        Programs of a task with the same text are run once. A known good and a known bad program are graded between
        them: a verdict is yielded when the controls after it were judged rightly. If they are not, everything since
        the last good ones is graded again in fresh boxes; if that fails too, its verdicts are `sandbox_error`.

        Raises:
            UserError: a job's task failed its reference check.
        """
        places: dict[tuple[str, str], list[int]] = {}
        for place, job in enumerate(jobs):
            if not job.check.ok or job.check.task_id != job.task.id:
                raise UserError(
                    f"task {job.task.id} cannot be graded: {job.check.detail or 'the check is of another task'}"
                )
            places.setdefault((job.task.id, job.program), []).append(place)
        distinct = [jobs[first[0]] for first in places.values()]
        where = list(places.values())
        for number, verdict in self._grading.grade(distinct):
            for place in where[number]:
                yield place, verdict

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """Evaluate expressions against each program, in boxes that never saw a hidden test.

        Of a script, `expressions` are texts of standard input, each of which it is run on in a process of its own, with
        0.5 s of processor time if no time limit was given. The program of a function then gets 0.5 s for its start, and
        0.05 s for its calls. No reference solution is known here, so the programs stand in for it: those that take
        longer get this doubled until it is ten times the median of those that finish, and at most 3 s. Where half of
        them take longer, and one of three of these gets further in 0.5 s, they all get that.

        Where a call of a function ends its program, by the time it takes for instance, the program is started again for
        the expressions after it, up to three times and 0.5 s of calls in all, unless it waited in it or answered none
        since the last time.

        Returns:
            One row per program, one outcome per expression. Programs with the same text are run once.

        Raises:
            SandboxError: a box failed.
        """
        return self._outcomes(task, programs, expressions)

    def judge(self, task: PublicTask, programs: Sequence[str], cases: Sequence[IoCase]) -> list[list[Outcome]]:
        """Run each script on the inputs of cases, and compare its outputs with theirs by the task's rule.

        As `evaluate` of the inputs, each distinct one run once, with `Outcome.is_right` besides. A task without a rule
        has that of `tokens`.

        Raises:
            UserError: the task asks for a function.
            SandboxError: a box failed.
        """
        if not task.is_script:
            raise UserError(f"task {task.id} asks for a function, which has calls to evaluate and no cases")
        return self._outcomes(task, programs, cases)

    def _outcomes(
        self, task: PublicTask, programs: Sequence[str], asked: Sequence[str | IoCase]
    ) -> list[list[Outcome]]:
        if not asked:
            return [[] for _ in programs]
        distinct = list(dict.fromkeys(programs))
        calls_s = LEAST_CPU_S if task.is_script else _CALLS_CPU_S
        rows = self._evaluate(task, dict.fromkeys(distinct, asked), calls_s)
        slow = sorted(program for program, row in rows.items() if row.timed_out)
        if calls_s < LEAST_CPU_S and 2 * len(slow) >= len(rows):
            longer = self._evaluate(task, dict.fromkeys(slow[:_PROBES], asked), LEAST_CPU_S)
            if any(row.answered > rows[program].answered for program, row in longer.items()):
                calls_s = LEAST_CPU_S
                rows |= longer | self._evaluate(task, dict.fromkeys(slow[_PROBES:], asked), calls_s)
                slow = [program for program in slow if rows[program].timed_out]
        if slow and len(slow) < len(rows):
            typical_s = statistics.median(row.cpu_s for row in rows.values() if not row.timed_out)
            enough_s = min(known(Limits().resolve(typical_s, calls_s).cpu_s), _MOST_CALLS_CPU_S)
            if enough_s > calls_s:
                calls_s = enough_s
                rows |= self._evaluate(task, dict.fromkeys(slow, asked), calls_s)
        if self.limits.cpu_s is None and self.limits.wall_s is None:
            self._resume(task, rows, asked, calls_s)
        return [rows[program].outcomes for program in programs]

    def _resume(
        self, task: PublicTask, rows: dict[str, Evaluated], asked: Sequence[str | IoCase], calls_s: float
    ) -> None:
        """Start programs that died in a call again, for the expressions after it."""
        begun = dict.fromkeys(rows, -1)
        fatal = {program: row.fatal for program, row in rows.items() if row.fatal is not None}
        for _ in range(1, min(_MOST_DEATHS, int(LEAST_CPU_S / calls_s))):
            begun = {
                program: place + 1
                for program, place in fatal.items()
                if place > begun[program] and place + 1 < len(asked)
            }
            if not begun:
                return
            again = self._evaluate(task, {program: asked[place:] for program, place in begun.items()}, calls_s)
            for program, row in again.items():
                before = rows[program]
                rows[program] = before._replace(outcomes=before.outcomes[: begun[program]] + row.outcomes)
            fatal = {program: begun[program] + row.fatal for program, row in again.items() if row.fatal is not None}

    def _evaluate(
        self, task: PublicTask, asked: Mapping[str, Sequence[str | IoCase]], calls_s: float
    ) -> dict[str, Evaluated]:
        pace = Pace(max(LEAST_CPU_S, calls_s), calls_s)
        programs = list(asked)
        found = self._public.map(lambda lane, text: lane.evaluate(task, text, asked[text], pace), programs)
        return {programs[number]: row for number, row in found}


class _Lanes:
    """A fixed number of lanes and the threads that drive them."""

    def __init__(self, launcher: Launcher, limits: Limits, count: int) -> None:
        foresight = Foresight()
        self._lanes = [Lane(launcher, limits, foresight) for _ in range(count)]
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

    def grade(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Verdict]]:
        """Grade every job in lanes that keep to a task for a while; yields its place and verdict.

        Programs near their time limit come last: they are run a second time, with nothing else running.
        """
        portions = _Portions(jobs, len(self._lanes))
        verdicts: queue.SimpleQueue[tuple[int, Verdict] | None] = queue.SimpleQueue()
        near: list[int] = []

        def work(lane: Lane) -> None:
            try:
                for place, graded in _confirmed(lane, jobs, portions):
                    if graded.near:
                        near.append(place)
                    else:
                        verdicts.put((place, graded.verdict))
            finally:
                verdicts.put(None)

        running = [self._threads.submit(work, lane) for lane in self._lanes[: len(jobs)]]
        try:
            ended = 0
            while ended < len(running):
                graded = verdicts.get()
                if graded is None:
                    ended += 1
                else:
                    yield graded
        finally:
            portions.stop()
        for future in running:
            future.result()
        for start in range(0, len(near), _WINDOW):
            places = sorted(near)[start : start + _WINDOW]
            again = self._threads.submit(_look_again, self._lanes[0], jobs, places)
            yield from ((place, graded.verdict) for place, graded in again.result().items())

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for lane in self._lanes:
            lane.close()


class _Portions:
    """Hands out places of jobs, some of one task at a time; any thread may take them."""

    def __init__(self, jobs: Sequence[Job], lanes: int) -> None:
        self._jobs = jobs
        self._size = min(_LARGEST_PORTION, max(1, len(jobs) // (lanes * _PORTIONS_PER_LANE)))
        self._next = 0
        self._lock = threading.Lock()

    def take(self) -> range:
        """Take the next places; empty if there are none."""
        with self._lock:
            start = end = self._next
            while (
                end < len(self._jobs)
                and end - start < self._size
                and self._jobs[end].task.id == self._jobs[start].task.id
            ):
                end += 1
            self._next = end
            return range(start, end)

    def stop(self) -> None:
        """Stop handing out."""
        with self._lock:
            self._next = len(self._jobs)


def _confirmed(lane: Lane, jobs: Sequence[Job], portions: _Portions) -> Iterator[tuple[int, Graded]]:
    """Grade portions of jobs until none are left; yields verdicts once the controls after them held."""
    window: dict[int, Graded] = {}
    since = time.monotonic()
    while portion := portions.take():
        for place in portion:
            window[place] = lane.grade(*jobs[place])
            if len(window) >= _WINDOW or time.monotonic() - since >= _WINDOW_S:
                yield from _confirm(lane, jobs, window).items()
                window = {}
                since = time.monotonic()
    if window:
        yield from _confirm(lane, jobs, window).items()


def _look_again(lane: Lane, jobs: Sequence[Job], places: Sequence[int]) -> dict[int, Graded]:
    return _confirm(lane, jobs, {place: lane.look_again(*jobs[place]) for place in places})


def _confirm(lane: Lane, jobs: Sequence[Job], window: dict[int, Graded]) -> dict[int, Graded]:
    if lane.controls_hold():
        return window
    try:
        lane.restart()
        again = {place: lane.grade(*jobs[place]) for place in window}
    except SandboxError as error:
        problem = str(error)
    else:
        if lane.controls_hold():
            return again
        problem = "a known good or bad program is misjudged, in fresh boxes too"
    lane.close()
    return {
        place: Graded(Verdict(status="sandbox_error", integrity=jobs[place].check.integrity, detail=one_line(problem)))
        for place in window
    }
