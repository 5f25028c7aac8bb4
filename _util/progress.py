"""Progress and notices of a long step, for whoever shows them."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Progress(Protocol):
    """Listener to a step's progress."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show `done` of `total` parts of `step`."""


def silent(step: str, done: int, total: int) -> None:
    """Show nothing."""


_LOGGER = logging.getLogger("codebudget")


_ABOUT: ContextVar[str] = ContextVar("about", default="")


def notice(line: str) -> None:
    """Log a line at level WARNING."""
    _LOGGER.warning("%s%s", _ABOUT.get(), line)


@contextmanager
def noticed_about(name: str) -> Iterator[None]:
    """Start notices inside with a name."""
    before = _ABOUT.set(f"{name}: ")
    try:
        yield
    finally:
        _ABOUT.reset(before)
