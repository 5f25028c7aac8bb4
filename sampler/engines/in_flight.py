"""Requests that are under way at once, none of whose answers is lost: an answer that was paid for is handed over."""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class _Done(NamedTuple, Generic[T]):
    place: int
    value: T | None
    error: Exception | None


class InFlight(Generic[T]):
    """Pieces of work done concurrently; iterating yields each one's place and result as it is done.

    As many are under way as are allowed, counting those that wait to be taken. An error ends the iteration, once what
    is under way has been yielded.

    Args:
        count: Pieces.
        work: Does one, by its place.
        most: Under way at once.
    """

    def __init__(self, count: int, work: Callable[[int], T], most: int) -> None:
        self._work = work
        self._most = most
        self._waiting = iter(range(count))
        self._begun = 0
        self._done: queue.SimpleQueue[_Done[T]] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[tuple[int, T]]:
        """Yield what is done. When the caller leaves, nobody waits for what is under way."""
        first_error: Exception | None = None
        threads = ThreadPoolExecutor(self._most, thread_name_prefix="codebudget-request")
        try:
            while True:
                while self._begun < self._most and (place := next(self._waiting, None)) is not None:
                    self._begun += 1
                    threads.submit(self._one, place)
                if not self._begun:
                    break
                done = self._done.get()
                self._begun -= 1
                if done.error is None:
                    # None only where there is an error.
                    yield done.place, done.value  # type: ignore[misc]
                else:
                    first_error = first_error or done.error
                    self.stop()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
        if first_error is not None:
            raise first_error

    def stop(self) -> None:
        """Begin nothing more; what is under way is still yielded. A signal handler may call it."""
        self._waiting = iter(())

    def _one(self, place: int) -> None:
        try:
            done = _Done(place, self._work(place), None)
        except Exception as error:
            done = _Done(place, None, error)
        self._done.put(done)
