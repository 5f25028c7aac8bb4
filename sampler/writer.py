"""Writes samples to the store from a thread of its own, so that neither waits for the other."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, NamedTuple, Self

from ..errors import CodebudgetError
from .origins import KIND

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..records import Candidate
    from .counting import Counts
    from .origins import Series
    from .store import Store

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
