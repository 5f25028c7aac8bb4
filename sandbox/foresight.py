"""Which calls a task's tests will make, learned from those that they made before; of tests with fixed calls alone."""

from __future__ import annotations

import threading
from typing import NamedTuple

from .guest import wire

_MAX_CALLS = 4096
_MAX_BYTES = 4 << 20
_TASKS_KEPT = 256


class Forecast(NamedTuple):
    """Encoded calls in their order, and whether the tests end after them where a program passes."""

    calls: tuple[bytes, ...]
    digests: bytes
    complete: bool


class Foreseen:
    """What is known of the calls of one task's tests. Lanes share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forecast = Forecast((), b"", complete=False)
        self._bytes_left = _MAX_BYTES
        self._fixed = False

    def forecast(self) -> Forecast:
        """What is known by now."""
        return self._forecast

    def learn(self, place: int, call: bytes) -> None:
        """The tests made a call that was not foreseen."""
        with self._lock:
            calls, digests, _ = self._forecast
            if self._fixed or place != len(calls):
                return
            self._bytes_left -= len(call)
            self._fixed = self._bytes_left < 0 or len(calls) == _MAX_CALLS
            if not self._fixed:
                self._forecast = Forecast((*calls, call), digests + wire.digest(call), complete=False)

    def end(self, count: int) -> None:
        """The tests came to their end after some calls."""
        with self._lock:
            calls, digests, _ = self._forecast
            if not self._fixed and count == len(calls):
                self._forecast = Forecast(calls, digests, complete=True)

    def stray(self, place: int) -> None:
        """The tests made another call than was foreseen, or one more: from here on their calls are not foreseen."""
        with self._lock:
            calls, digests, _ = self._forecast
            self._fixed = True
            self._forecast = Forecast(calls[:place], digests[: place * wire.DIGEST_BYTES], complete=False)


class Foresight:
    """What is known of the tests of the tasks in hand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, Foreseen] = {}

    def of(self, key: str) -> Foreseen:
        """What is known of the tests with this key."""
        with self._lock:
            foreseen = self._of.pop(key, None) or Foreseen()
            self._of[key] = foreseen
            if len(self._of) > _TASKS_KEPT:
                del self._of[next(iter(self._of))]
            return foreseen
