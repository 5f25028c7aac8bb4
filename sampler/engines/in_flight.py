"""Requests that are under way at once, none of whose answers is lost: an answer that was paid for is handed over."""

from __future__ import annotations

import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..engine import MayStart

T = TypeVar("T")


class _Done(NamedTuple, Generic[T]):
    place: int
    value: T | None
    error: Exception | None


class InFlight(Generic[T]):
    """Pieces of work done concurrently; iterating yields each one's place and result as it is done.

    As many are under way as are allowed, counting those that wait to be taken. An error ends the iteration, once what
    is under way has been yielded, and so does a refusal to start with nothing under way.

    Args:
        count: Pieces.
        work: Does one, by its place.
        most: Under way at once.
        may_start: Tells whether the piece at a place may start now.
    """

    def __init__(self, count: int, work: Callable[[int], T], most: int, may_start: MayStart | None = None) -> None:
        self._work = work
        self._most = most
        self._may_start = may_start
        self._waiting = deque(range(count))
        self._begun = 0
        self._asked: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[_Done[T]] = queue.SimpleQueue()
        self._threads = 0

    def __iter__(self) -> Iterator[tuple[int, T]]:
        """Yield what is done. When the caller leaves, nobody waits for what is under way."""
        first_error: Exception | None = None
        try:
            while True:
                while self._begun < self._most and self._waiting:
                    if self._may_start is not None and not self._may_start(self._waiting[0]):
                        break
                    place = self._waiting.popleft()
                    self._begun += 1
                    if self._threads < self._begun:
                        self._threads += 1
                        # A daemon: a program that gives its answers up ends without them.
                        threading.Thread(target=self._run, name="codebudget-request", daemon=True).start()
                    self._asked.put(place)
                if not self._begun:
                    break
                done = self._done.get()
                self._begun -= 1
                if done.error is None:
                    # None only where there is an error.
                    yield done.place, done.value  # type: ignore[misc]
                else:
                    first_error = first_error or done.error
                    self._waiting.clear()
        finally:
            for _ in range(self._threads):
                self._asked.put(None)
        if first_error is not None:
            raise first_error

    def _run(self) -> None:
        while (place := self._asked.get()) is not None:
            self._done.put(self._result(place))

    def _result(self, place: int) -> _Done[T]:
        try:
            return _Done(place, self._work(place), None)
        except Exception as error:
            return _Done(place, None, error)
