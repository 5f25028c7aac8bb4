"""Draws an arm's samples through an engine and the store: what is there is not drawn again, and nothing is lost."""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple, Self

from .._util.progress import Progress, silent
from ..errors import CodebudgetError, UserError
from ..records import Candidate
from .engine import Draw
from .series import KIND, Origin, Series, UsageCounter, keys_of_task, sample_seed, stored_tally
from .stopping import Meter
from .stored import taken

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from types import TracebackType

    from ..budgets.architecture import Architecture
    from ..records import Task
    from .engine import Engine, Generation, Sampling
    from .prompting import Settings
    from .series import Counts, TaskKeys
    from .store import Store


class DrawRequest(NamedTuple):
    """What is asked of an arm.

    Attributes:
        spec: The arm as typed, for messages.
        model: The model's name, under which the store lists the samples.
        precision: Of the model.
        k: Samples per task.
        greedy: Draw one sample per task at temperature 0.
        architecture: What FLOPs are counted by; None leaves them uncounted.
        usd: Dollars of (prompt tokens, output tokens, seconds); None where there is no price.
        seed: Of the run; another one draws other samples, save for a greedy arm.
        fresh: Draw all of them again, and replace what is there.
    """

    spec: str
    model: str
    precision: str
    k: int
    greedy: bool = False
    architecture: Architecture | None = None
    usd: Callable[[int, int, float], float] | None = None
    seed: int = 0
    fresh: bool = False


class Drawn(NamedTuple):
    """What came of a request.

    Attributes:
        candidates: In the order of the tasks, and within a task of their index.
        series: What made them, with what drawing all of the series has taken in all sessions.
        new: How many were drawn now.
        missing: How many are not there, because the run was stopped.
    """

    candidates: tuple[Candidate, ...]
    series: Series
    new: int
    missing: int


def draw_samples(
    tasks: Sequence[Task],
    request: DrawRequest,
    engine: Engine,
    settings: Settings,
    store: Store,
    *,
    meter: Meter | None = None,
    progress: Progress = silent,
) -> Drawn:
    """Draw k samples of every task, or those of them that the store does not have.

    Sample i of a task has a seed of its own, so that k = 5 is the first half of k = 10. Every sample goes to the store
    as the engine finishes it; what comes of a run that is interrupted or killed is there for the next one.

    Args:
        tasks: Tasks of one benchmark, at least one.
        request: The arm.
        engine: Draws what is missing; it is only described where nothing is.
        settings: How prompts are made and texts are drawn.
        store: Where samples are looked up and kept.
        meter: Ends the run when its limit is reached, within what the engine has in flight.
        progress: Is told how many samples there are.

    Raises:
        UserError: several samples at temperature 0 are asked for; a prompt leaves no room in the model's context; or
            the meter's limit is on something that is not known.
        EngineError: the engine failed. What was finished is kept.
        MachineError: the store cannot be written.
    """
    meter = meter or Meter()
    series = _series(tasks, request, engine, settings)
    listed = [keys_of_task(task, series.origin) for task in tasks]
    wanted = [(keys, index) for keys in listed for index in range(request.k)]
    there = set() if request.fresh else store.has_candidates(keys.key(index) for keys, index in wanted)
    missing = [(keys, index) for keys, index in wanted if keys.key(index) not in there]
    if not request.fresh:
        series = series.model_copy(update={"tally": stored_tally(store, series)})
    counter = UsageCounter(series, request.architecture, request.usd, meter)
    done = len(wanted) - len(missing)
    if missing and not meter.is_reached():
        generated = _generated(engine, missing, series.origin.seed, counter)
        with Writer(store, counter.series_with) as writer, closing(generated):
            for keys, index, draw, generation in generated:
                counts = counter.add(keys, generation)
                writer.add(keys.key(index), _candidate(keys, index, draw.seed, generation, series), counts)
                progress(f"drawing {request.spec}", done + counts.samples, len(wanted))
                if meter.is_reached():
                    break
        series = counter.series_with(counter.counts())
        store.put_records(KIND, {series.key: series.model_dump(mode="json")})
    wanted = [(keys, index) for keys in listed for index in range(request.k)]
    candidates = taken(store, wanted, series.origin.settings)
    return Drawn(candidates, series, counter.counts().samples, len(wanted) - len(candidates))


def _series(tasks: Sequence[Task], request: DrawRequest, engine: Engine, settings: Settings) -> Series:
    greedy = request.greedy or settings.temperature == 0
    if greedy and request.k > 1:
        raise UserError(
            f"{request.spec}: at temperature 0 all {request.k} samples of a task are the same; raise `temperature`, or "
            "write the arm with :greedy"
        )
    if greedy:
        settings = settings.model_copy(update={"temperature": 0.0, "top_p": 1.0})
    origin = Origin(description=engine.describe(), settings=settings, seed=None if greedy else request.seed)
    return Series(model=request.model, precision=request.precision, benchmark=tasks[0].benchmark, origin=origin)


def _generated(
    engine: Engine, missing: Sequence[tuple[TaskKeys, int]], seed: int | None, counter: UsageCounter
) -> Generator[tuple[TaskKeys, int, Draw, Generation], None, None]:
    """The samples that are missing, as the engine finishes them; leaving early stops the engine."""
    # An engine draws by one set of parameters at a time; tasks of a benchmark nearly always share them.
    groups: defaultdict[Sampling, list[tuple[TaskKeys, int]]] = defaultdict(list)
    for keys, index in missing:
        groups[keys.sampling].append((keys, index))
    for sampling, group in groups.items():
        draws = [Draw(keys.prompt, sample_seed(seed, keys.task.id, keys.prompt, index)) for keys, index in group]
        with closing(_closable(engine.generate(draws, sampling))) as finished:
            for place, generation in counter.timed(finished):
                yield (*group[place], draws[place], generation)


def _closable(finished: Iterator[tuple[int, Generation]]) -> Generator[tuple[int, Generation], None, None]:
    """An engine's iterator, which need not be a generator, as one."""
    yield from finished


def _candidate(keys: TaskKeys, index: int, seed: int, generation: Generation, series: Series) -> Candidate:
    return Candidate(
        task_id=keys.task.id,
        arm=f"{series.model}@{series.precision}",
        index=index,
        # Half a surrogate pair is nothing that a file could hold.
        raw=generation.text.encode("utf-8", "replace").decode("utf-8"),
        program="",
        seed=seed,
        finish_reason=generation.finish_reason,
        prompt_tokens=generation.prompt_tokens,
        output_tokens=generation.output_tokens,
        logprobs=generation.logprobs,
    )


_BATCH = 1000
_WAITING = 10_000
"""Samples that may wait; an engine that is faster than the disk waits in its turn."""


class _Item(NamedTuple):
    key: str
    candidate: Candidate
    counts: Counts


class Writer:
    """Takes samples and writes all that wait in one transaction, with what drawing them took.

    A sample waits only while the batch before it is being written: milliseconds. At the end of the `with` block all are
    written, however the block came to its end.

    Args:
        store: Where to.
        series_with: The series as of some counts, which is written beside them.
    """

    def __init__(self, store: Store, series_with: Callable[[Counts], Series]) -> None:
        self._store = store
        self._series_with = series_with
        self._items: queue.Queue[_Item | None] = queue.Queue(_WAITING)
        self._error: CodebudgetError | None = None
        self._thread = threading.Thread(target=self._run, name="store-writer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._items.put(None)
        self._thread.join()
        if kind is None:
            self._raise()

    def add(self, key: str, candidate: Candidate, counts: Counts) -> None:
        """Hand a sample over.

        Raises:
            MachineError: an earlier one could not be written.
        """
        self._raise()
        self._items.put(_Item(key, candidate, counts))

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        is_open = True
        while is_open:
            waiting = [self._items.get()]
            while len(waiting) < _BATCH and not self._items.empty():
                waiting.append(self._items.get())
            batch = [item for item in waiting if item is not None]
            is_open = len(batch) == len(waiting)
            # After an error the queue is still emptied, so that nobody waits for room in it.
            if batch and self._error is None:
                try:
                    self._write(batch)
                except CodebudgetError as error:
                    self._error = error

    def _write(self, batch: list[_Item]) -> None:
        series = self._series_with(batch[-1].counts)
        with self._store.together():
            self._store.put_candidates({item.key: item.candidate for item in batch})
            self._store.put_records(KIND, {series.key: series.model_dump(mode="json")})
