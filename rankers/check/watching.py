"""Tasks, candidates and contexts that note what a ranker asks them for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from ...records import Candidate, PublicTask
from ..protocol import Context

if TYPE_CHECKING:
    from ...records import GeneratedTests
    from ..protocol import Execution, Need, Rewarder, Scorer


class Notes:
    """Requests by a ranker for what it must not get."""

    def __init__(self) -> None:
        self.undeclared: dict[Need, None] = {}
        self.unknown: dict[str, None] = {}


class ShownCandidate(Candidate):
    """A candidate that notes what it is asked for."""

    _notes: Notes = PrivateAttr(default_factory=Notes)

    def __getattribute__(self, name: str) -> Any:
        if name == "logprobs":
            _private(self)["_notes"].undeclared["logprobs"] = None
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:
        return _unknown(self, "a candidate", name)


class ShownTask(PublicTask):
    """A task that notes what it is asked for."""

    _notes: Notes = PrivateAttr(default_factory=Notes)

    def __getattr__(self, name: str) -> Any:
        return _unknown(self, "the task", name)


class ShownContext(Context):
    """An account's offers; any other request is noted and refused."""

    def __init__(self, behind: Context, notes: Notes) -> None:
        super().__init__(
            behind.rng,
            behind.runner if behind.has("execution") else None,
            tests=behind.tests if behind.has("tests") else None,
            scorer=behind.scorer if behind.has("scorer") else None,
            rewarder=behind.rewarder if behind.has("reward") else None,
        )
        self._notes = notes

    @property
    def runner(self) -> Execution:
        """See `Context.runner`."""
        self._note("execution")
        return super().runner

    @property
    def tests(self) -> GeneratedTests:
        """See `Context.tests`."""
        self._note("tests")
        return super().tests

    @property
    def scorer(self) -> Scorer:
        """See `Context.scorer`."""
        self._note("scorer")
        return super().scorer

    @property
    def rewarder(self) -> Rewarder:
        """See `Context.rewarder`."""
        self._note("reward")
        return super().rewarder

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            self._notes.unknown[f"the context for {name!r}"] = None
        raise AttributeError(f"the context has no {name!r}", name=name, obj=self)

    def _note(self, need: Need) -> None:
        if not self.has(need):
            self._notes.undeclared[need] = None


def shown_task(task: PublicTask, notes: Notes) -> ShownTask:
    """Wrap the task to note requests."""
    shown = ShownTask(**dict(task))
    shown._notes = notes
    return shown


def shown_candidate(candidate: Candidate, notes: Notes, *, logprobs: bool) -> ShownCandidate:
    """Wrap the candidate to note requests, with or without its `logprobs`."""
    shown = ShownCandidate(**dict(candidate) | ({} if logprobs else {"logprobs": None}))
    shown._notes = notes
    return shown


def _private(record: Candidate | PublicTask) -> dict[str, Any]:
    found: dict[str, Any] | None = object.__getattribute__(record, "__pydantic_private__")
    return found or {"_notes": Notes()}


def _unknown(record: Candidate | PublicTask, what: str, name: str) -> Any:
    private = _private(record)
    if name in private:
        return private[name]
    if not name.startswith("_"):
        private["_notes"].unknown[f"{what} for {name!r}"] = None
    raise AttributeError(f"{what} has no {name!r}", name=name, obj=record)
