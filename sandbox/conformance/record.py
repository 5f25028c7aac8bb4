"""Findings of a launcher's examination."""

from __future__ import annotations

from typing import Literal

from ..._util.hashing import key_of
from ...records import NonNegative, Record

Outcome = Literal["ok", "not promised", "FAILED"]


class AttackResult(Record):
    """Result of one program of the corpus, or of one check of the launcher itself (group `launcher`).

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
        """Count results of this kind."""
        return sum(result.outcome == outcome for result in self.results)

    @property
    def holds(self) -> bool:
        """Whether nothing failed."""
        return self.count("FAILED") == 0

    @property
    def result_hash(self) -> str:
        """SHA-256 over what is the same in all runs with the same findings: outcomes, corpus and environment.

        Timings stay out, as does which of several allowed statuses a program got.
        """
        rows = sorted((result.name, *sorted(result.expected), result.outcome) for result in self.results)
        return key_of(self.launcher, self.environment, self.corpus, *(key_of(*row) for row in rows))
