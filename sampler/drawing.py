"""Drawing an arm's samples through an engine and the store: nothing is drawn twice, and nothing is lost."""

from __future__ import annotations

import queue
import signal
import threading
from collections import defaultdict
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

from .._util.progress import Progress, notice, silent
from ..errors import CodebudgetError, EngineError, UserError
from ..records import Candidate
from .endings import Lost
from .engine import BilledError, Draw, NoAnswer, machines_of
from .series import KIND, Origin, Pricing, Series, UsageCounter, keys_of_task, sample_seed, stored_tally
from .stopping import Gate, Meter
from .stored import taken

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from types import TracebackType

    from ..budgets.architecture import Architecture
    from ..budgets.dollars import TokenPrice
    from ..records import Task
    from .engine import Engine, Generation, Outcome, Sampling
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
        price: Price of the model's tokens, if known; each sample is a request whose prompt is billed.
        usd_per_s: Price of a second of drawing, if tokens have no price.
        seed: The run's; another draws other samples, except for a greedy arm.
        fresh: Draw all of them again, replacing stored ones.
        asked: What this session has asked for already, which is not asked for again; it is added to.
    """

    spec: str
    model: str
    precision: str
    k: int
    greedy: bool = False
    architecture: Architecture | None = None
    price: TokenPrice | None = None
    usd_per_s: float | None = None
    seed: int = 0
    fresh: bool = False
    asked: Asked | None = None


class Asked(NamedTuple):
    """Samples that one session has asked for, by their keys: those drawn, and those that came to nothing."""

    drawn: set[str]
    lost: dict[str, Lost]


class Drawn(NamedTuple):
    """Result of a request.

    Attributes:
        candidates: In the order of the tasks, and within a task by index.
        series: Their making, with what drawing the whole series has taken in all sessions.
        new: How many were drawn now.
        missing: How many are absent because the run was stopped, or they came to nothing.
        lost: Those that came to nothing in this session.
    """

    candidates: tuple[Candidate, ...]
    series: Series
    new: int
    missing: int
    lost: tuple[Lost, ...] = ()


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
        EngineError: the engine failed, or gives nothing that can be used. Finished samples are kept.
        MachineError: the store cannot be written.
    """
    meter = meter or Meter()
    series = _series(tasks, request, engine, settings)
    listed = [keys_of_task(task, series.origin) for task in tasks]
    wanted = [(keys, index) for keys in listed for index in range(request.k)]
    asked = Asked(set(), {}) if request.asked is None else request.asked
    names = [keys.key(index) for keys, index in wanted]
    there = asked.drawn.intersection(names) if request.fresh else store.has_candidates(names)
    there |= asked.lost.keys()
    missing = [(keys, index) for keys, index in wanted if keys.key(index) not in there]
    if asked.drawn or not request.fresh:
        series = series.model_copy(update={"tally": stored_tally(store, series)})
    if missing:
        meter.check(priced=request.price is not None or request.usd_per_s is not None)
    pricing = Pricing(request.price, request.usd_per_s)
    counter = UsageCounter(series, request.architecture, pricing, meter, engine.memory, lambda: machines_of(engine))
    done = len(wanted) - len(missing)
    if missing and not meter.is_reached():
        gated = _Gated(engine, series.origin.seed, counter, meter)
        try:
            with Writer(store, counter.series_with) as writer:

                def take(keys: TaskKeys, index: int, draw: Draw, outcome: Outcome) -> None:
                    if isinstance(outcome, NoAnswer):
                        asked.lost[keys.key(index)] = Lost(keys.task.id, index, outcome.reason)
                        counter.charge(outcome.charged)
                        return
                    counts = counter.add(keys, outcome)
                    writer.add(keys.key(index), _candidate(keys, index, draw.seed, outcome, series), counts)
                    asked.drawn.add(keys.key(index))
                    progress(f"drawing {request.spec}", done + counts.samples, len(wanted))

                with gated.interruptible():
                    failing = _take_all(gated, missing, take, meter)
        except (EngineError, UserError, KeyboardInterrupt) as error:
            if isinstance(error, BilledError):
                counter.charge(error.charged)
            if counter.has_counted:
                _put_tally(store, counter)
            raise
        series = _put_tally(store, counter)
        meter.check()
        if failing is not None:
            raise EngineError(f"{request.spec}: {failing}")
    candidates = taken(store, wanted, series.origin.settings)
    lost = [asked.lost[name] for name in names if name in asked.lost]
    if lost and not candidates:
        raise EngineError(f"{request.spec}: none of {len(lost)} samples could be drawn: {lost[-1].reason}")
    return Drawn(candidates, series, counter.counts().samples, len(wanted) - len(candidates), tuple(lost))


_MOST_LOST_IN_A_ROW = 50
"""Failures without an answer between them, after which further requests would only cost."""


def _take_all(
    gated: _Gated,
    missing: Sequence[tuple[TaskKeys, int]],
    take: Callable[[TaskKeys, int, Draw, Outcome], None],
    meter: Meter,
) -> str | None:
    """Take samples until there are no more, the meter's limit is reached, or only failures come; says that."""
    in_a_row, failing = 0, None
    with closing(gated.draw(missing)) as found:
        for item in found:
            take(*item)
            outcome = item[-1]
            in_a_row = in_a_row + 1 if isinstance(outcome, NoAnswer) else 0
            if in_a_row == _MOST_LOST_IN_A_ROW and failing is None:
                failing = f"{in_a_row} samples in a row could not be drawn, so no more are requested: {outcome[0]}"
                gated.stop()
            if (failing is not None or meter.is_reached()) and not gated.in_flight:
                break
    return failing


def _put_tally(store: Store, counter: UsageCounter) -> Series:
    counter.look()
    series = counter.series_with(counter.counts())
    store.put_records(KIND, {series.key: series.model_dump(mode="json")})
    return series


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


class _Gated:
    """Draws missing samples as the engine finishes them; leaving early stops the engine.

    Draws that are billed once started are finished and yielded however the run ends: at the meter's limit, by an error
    in another sample, or by an interrupt. A second interrupt does not wait.
    """

    def __init__(self, engine: Engine, seed: int | None, counter: UsageCounter, meter: Meter) -> None:
        self._engine = engine
        self._seed = seed
        self._counter = counter
        self._meter = meter
        self._gate: Gate[TaskKeys] | None = None
        self._interrupts = 0
        self._is_stopped = False

    @property
    def in_flight(self) -> int:
        """Number of draws that are billed and not finished."""
        return 0 if self._gate is None else self._gate.in_flight

    def draw(
        self, missing: Sequence[tuple[TaskKeys, int]]
    ) -> Generator[tuple[TaskKeys, int, Draw, Outcome], None, None]:
        """Yield task, index, draw and outcome of each."""
        # An engine draws with one set of parameters at a time; a benchmark's tasks nearly always share them.
        groups: defaultdict[Sampling, list[tuple[TaskKeys, int]]] = defaultdict(list)
        for keys, index in missing:
            groups[keys.sampling].append((keys, index))
        for sampling, group in groups.items():
            if self._is_stopped:
                return
            draws = [
                Draw(keys.prompt, sample_seed(self._seed, keys.task.id, keys.prompt, index)) for keys, index in group
            ]
            gate = self._gate = Gate(self._meter, [keys for keys, _ in group], self._counter.most)
            with closing(_closable(self._engine.generate(draws, sampling, gate))) as finished:
                for place, outcome in self._counter.timed(finished):
                    gate.finish(place)
                    yield (*group[place], draws[place], outcome)

    def stop(self) -> None:
        """Let no further draws start."""
        self._is_stopped = True
        if self._gate is not None:
            self._gate.close()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let the first interrupt wait for the billed draws in flight, if any."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        former = signal.getsignal(signal.SIGINT)
        if former is not signal.default_int_handler:
            # Ignored, or handled by the program that codebudget is part of.
            yield
            return
        signal.signal(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, former)
        if self._interrupts:
            raise KeyboardInterrupt

    def _interrupt(self, *_: object) -> None:
        self._interrupts += 1
        if self._gate is None or not self._gate.was_asked or self._interrupts > 1:
            raise KeyboardInterrupt
        self.stop()
        if self.in_flight:
            notice(f"waiting for {self.in_flight} answers in flight, which are paid for; interrupt again to drop them")


def _closable(finished: Iterator[tuple[int, Outcome]]) -> Generator[tuple[int, Outcome], None, None]:
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
        thinking_tokens=generation.thinking_tokens,
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
