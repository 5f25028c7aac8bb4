"""Progress and notices of a long step, for whoever shows them."""

from __future__ import annotations

import logging
from typing import Protocol


class Progress(Protocol):
    """Listener to a step's progress."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show `done` of `total` parts of `step`."""


def silent(step: str, done: int, total: int) -> None:
    """Show nothing."""


_LOGGER = logging.getLogger("codebudget")


def notice(line: str) -> None:
    """Log a line at level WARNING."""
    _LOGGER.warning("%s", line)
