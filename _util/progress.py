"""How far a long step is: told to whoever shows it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told how far a long step is."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """`done` of `total` parts of `step` are ready."""


def silent(step: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""
