"""Prediction of a task's test calls from those made before, for tests whose calls are fixed only."""

from __future__ import annotations

import threading
from typing import NamedTuple

from .guest import wire

_MAX_CALLS = 4096
_MAX_BYTES = 4 << 20
_TASKS_KEPT = 256


class Forecast(NamedTuple):
    """Encoded calls in order, and whether the tests end after them when a program passes."""

    calls: tuple[bytes, ...]
    digests: bytes
    complete: bool


class Foreseen:
    """The known calls of one task's tests, shared between lanes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forecast = Forecast((), b"", complete=False)
        self._bytes_left = _MAX_BYTES
        self._fixed = False

    def forecast(self) -> Forecast:
        """Return the known calls."""
        return self._forecast

    def learn(self, place: int, call: bytes) -> None:
        """Record a call of the tests that was not foreseen."""
        with self._lock:
            calls, digests, _ = self._forecast
            if self._fixed or place != len(calls):
                return
            self._bytes_left -= len(call)
            self._fixed = self._bytes_left < 0 or len(calls) == _MAX_CALLS
            if not self._fixed:
                self._forecast = Forecast((*calls, call), digests + wire.digest(call), complete=False)

    def end(self, count: int) -> None:
        """Record that the tests ended after `count` calls."""
        with self._lock:
            calls, digests, _ = self._forecast
            if not self._fixed and count == len(calls):
                self._forecast = Forecast(calls, digests, complete=True)

    def stray(self, place: int) -> None:
        """Stop foreseeing calls from here on: the tests made a different call than foreseen, or one more."""
        with self._lock:
            calls, digests, _ = self._forecast
            self._fixed = True
            self._forecast = Forecast(calls[:place], digests[: place * wire.DIGEST_BYTES], complete=False)


class Foresight:
    """The known calls of the tests of the tasks at hand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, Foreseen] = {}

    def of(self, key: str) -> Foreseen:
        """Return the known calls of the tests with this key."""
        with self._lock:
            foreseen = self._of.pop(key, None) or Foreseen()
            self._of[key] = foreseen
            if len(self._of) > _TASKS_KEPT:
                del self._of[next(iter(self._of))]
            return foreseen
