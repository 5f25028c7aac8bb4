"""What an examination of a launcher found."""

from __future__ import annotations

from typing import Literal

from ..._util.hashing import key_of
from ...records import NonNegative, Record

Outcome = Literal["ok", "not promised", "FAILED"]


class AttackResult(Record):
    """How one program of the corpus, or one check of the launcher itself (group `launcher`), came out.

    `expected` and `got` are statuses, or for a check of the launcher words. `detail` says what failed, or which promise
    the launcher does not make.
    """

    name: str
    does: str
    expected: tuple[str, ...]
    got: tuple[str, ...]
    outcome: Outcome
    detail: str = ""
    wall_s: NonNegative = 0.0

    @property
    def group(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]


class Conformance(Record):
    """Every result on one launcher, in `environment` (see `Sandbox.environment`), with the corpus of that digest."""

    launcher: str
    environment: str
    corpus: str
    results: tuple[AttackResult, ...]
    wall_s: NonNegative

    def count(self, outcome: Outcome) -> int:
        """How many results came out so."""
        return sum(result.outcome == outcome for result in self.results)

    @property
    def holds(self) -> bool:
        """Whether nothing failed."""
        return self.count("FAILED") == 0

    @property
    def result_hash(self) -> str:
        """SHA-256 over what is the same in every run that finds the same: outcomes, corpus and environment.

        Timings stay out, and so does which of several allowed statuses a program got.
        """
        rows = sorted((result.name, *sorted(result.expected), result.outcome) for result in self.results)
        return key_of(self.launcher, self.environment, self.corpus, *(key_of(*row) for row in rows))
