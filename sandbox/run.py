"""The outcome of a program's tests, before anything is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .box import Done


class Run(NamedTuple):
    """The outcome of a program's tests.

    `loaded`: the program could be called at all. `candidate_ended`: its process gave no answer to the call after the
    first `calls`. `first_failure` is the place of the first case that failed, its status, and the reason.
    """

    status: str
    detail: str
    cost: Done
    reached: tuple[int, ...] = ()
    calls: int = 0
    arguments_changed: bool = False
    outcomes: tuple[tuple[str | None, str | None], ...] = ()
    loaded: bool = True
    candidate_ended: bool = False
    early: bool = False
    first_failure: tuple[int, str, str] | None = None
