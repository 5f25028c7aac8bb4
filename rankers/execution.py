"""Running each distinct program once, however often and by however many rankers it is asked for."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import Outcome, PublicTask
    from .protocol import Runner


class RememberingRunner:
    """Hands to another runner what it has not been asked before, for one task, and counts what that cost.

    It holds one outcome per distinct program and expression, and is to be dropped with its task. One may stand behind
    another: the one in front is a ranker's own account, the one behind is shared, and an outcome that the shared one
    already knows is still charged what it once took.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._known: dict[tuple[str, str], Outcome] = {}
        self._programs: set[str] = set()
        self.waited_s = 0.0
        """Seconds spent in the runner behind."""

    @property
    def executions(self) -> int:
        """Distinct programs run so far."""
        return len(self._programs)

    @property
    def charged_s(self) -> float:
        """Seconds that getting all outcomes took, whenever that was."""
        return sum(outcome.wall_s for outcome in self._known.values())

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """See `Runner.evaluate`."""
        unasked: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for program in dict.fromkeys(programs):
            missing = tuple(e for e in dict.fromkeys(expressions) if (program, e) not in self._known)
            if missing:
                unasked[missing].append(program)
        for missing, fresh in unasked.items():
            start = time.perf_counter()
            rows = self._runner.evaluate(task, fresh, missing)
            self.waited_s += time.perf_counter() - start
            for program, row in zip(fresh, rows, strict=True):
                self._known.update({(program, e): outcome for e, outcome in zip(missing, row, strict=True)})
            self._programs.update(fresh)
        return [[self._known[program, expression] for expression in expressions] for program in programs]
