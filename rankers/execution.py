"""Running each distinct program once, however often a ranker asks."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import Outcome, PublicTask
    from .protocol import Runner


class RememberingRunner:
    """Hands to another runner what it has not been asked before, for one task, and counts the programs run.

    It holds one outcome per distinct program and expression, and is to be dropped with its task.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._known: dict[tuple[str, str], Outcome] = {}
        self._programs: set[str] = set()

    @property
    def executions(self) -> int:
        """Distinct programs run so far."""
        return len(self._programs)

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """See `Runner.evaluate`."""
        unasked: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for program in dict.fromkeys(programs):
            missing = tuple(e for e in dict.fromkeys(expressions) if (program, e) not in self._known)
            if missing:
                unasked[missing].append(program)
        for missing, fresh in unasked.items():
            rows = self._runner.evaluate(task, fresh, missing)
            for program, row in zip(fresh, rows, strict=True):
                self._known.update({(program, e): cell for e, cell in zip(missing, row, strict=True)})
            self._programs.update(fresh)
        return [[self._known[program, expression] for expression in expressions] for program in programs]
