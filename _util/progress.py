"""Progress of a long step, for whoever shows it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Listener to a step's progress."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show `done` of `total` parts of `step`."""


def silent(step: str, done: int, total: int) -> None:
    """Show nothing."""
