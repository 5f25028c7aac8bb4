"""Drawing an arm's samples through an engine and the store: nothing is drawn twice, and nothing is lost."""

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
    """Request for an arm.

    Attributes:
        spec: The arm as typed, for messages.
        model: The model's name, under which the store lists the samples.
        precision: The model's.
        k: Samples per task.
        greedy: Draw one sample per task at temperature 0.
        architecture: Used to count FLOPs; None leaves them uncounted.
        usd: Dollars of (prompt tokens, output tokens, seconds); None where there is no price.
        seed: The run's; another draws other samples, except for a greedy arm.
        fresh: Draw all of them again, replacing stored ones.
        own: Keys that this session has drawn already; `fresh` does not draw them again. New ones are added.
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
    own: set[str] | None = None


class Drawn(NamedTuple):
    """Result of a request.

    Attributes:
        candidates: In the order of the tasks, and within a task by index.
        series: Their making, with what drawing the whole series has taken in all sessions.
        new: How many were drawn now.
        missing: How many are absent because the run was stopped.
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
    """Draw k samples of every task, or those that the store lacks.

    Sample i of a task has its own seed, so that k = 5 is the first half of k = 10. Every sample goes to the store as
    the engine finishes it; the results of an interrupted or killed run are there for the next one.

    Args:
        tasks: Tasks of one benchmark, at least one.
        request: The arm.
        engine: Draws what is missing; if nothing is, it is only described.
        settings: How prompts are made and texts are drawn.
        store: Where samples are looked up and kept.
        meter: Ends the run when its limit is reached, within what the engine has in flight.
        progress: Told how many samples there are.

    Raises:
        UserError: several samples at temperature 0 are asked for; a prompt leaves no room in the model's context; or
            the meter's limit is on something not known.
        EngineError: the engine failed. Finished samples are kept.
        MachineError: the store cannot be written.
    """
    meter = meter or Meter()
    series = _series(tasks, request, engine, settings)
    listed = [keys_of_task(task, series.origin) for task in tasks]
    wanted = [(keys, index) for keys in listed for index in range(request.k)]
    own = set[str]() if request.own is None else request.own
    names = [keys.key(index) for keys, index in wanted]
    there = own.intersection(names) if request.fresh else store.has_candidates(names)
    missing = [(keys, index) for keys, index in wanted if keys.key(index) not in there]
    if own or not request.fresh:
        series = series.model_copy(update={"tally": stored_tally(store, series)})
    counter = UsageCounter(series, request.architecture, request.usd, meter, engine.memory)
    done = len(wanted) - len(missing)
    if missing and not meter.is_reached():
        generated = _generated(engine, missing, series.origin.seed, counter)
        with Writer(store, counter.series_with) as writer, closing(generated):
            for keys, index, draw, generation in generated:
                counts = counter.add(keys, generation)
                writer.add(keys.key(index), _candidate(keys, index, draw.seed, generation, series), counts)
                own.add(keys.key(index))
                progress(f"drawing {request.spec}", done + counts.samples, len(wanted))
                if meter.is_reached():
                    break
        counter.look()
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
    """Yield missing samples as the engine finishes them; leaving early stops the engine."""
    # An engine draws with one set of parameters at a time; a benchmark's tasks nearly always share them.
    groups: defaultdict[Sampling, list[tuple[TaskKeys, int]]] = defaultdict(list)
    for keys, index in missing:
        groups[keys.sampling].append((keys, index))
    for sampling, group in groups.items():
        draws = [Draw(keys.prompt, sample_seed(seed, keys.task.id, keys.prompt, index)) for keys, index in group]
        with closing(_closable(engine.generate(draws, sampling))) as finished:
            for place, generation in counter.timed(finished):
                yield (*group[place], draws[place], generation)


def _closable(finished: Iterator[tuple[int, Generation]]) -> Generator[tuple[int, Generation], None, None]:
    """Make an engine's iterator, of whatever kind, a generator."""
    yield from finished


def _candidate(keys: TaskKeys, index: int, seed: int, generation: Generation, series: Series) -> Candidate:
    return Candidate(
        task_id=keys.task.id,
        arm=f"{series.model}@{series.precision}",
        index=index,
        # No file could hold half a surrogate pair.
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
"""Samples that may wait; an engine faster than the disk has to wait itself."""


class _Item(NamedTuple):
    key: str
    candidate: Candidate
    counts: Counts


class Writer:
    """Writer of all waiting samples in one transaction, with what drawing them took.

    A sample waits only while the batch before it is being written: milliseconds. At the end of the `with` block all are
    written, however the block ended.

    Args:
        store: Where to write.
        series_with: Gives the series at some counts, written with them.
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
            # After an error, keep emptying the queue, so that nobody waits for room in it.
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
