"""Running each distinct program once, however often and by however many rankers it is asked for."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..estimators import IntArray
    from ..records import Outcome, PublicTask
    from .protocol import Runner


class _Table(NamedTuple):
    """Values of some expressions: an array [programs, expressions], and the row of each program in it."""

    place: dict[str, int]
    values: IntArray


class RememberingRunner:
    """Hands to another runner what it has not been asked before, for one task, and counts what that cost.

    It holds one outcome per distinct program and expression, and is to be dropped with its task. One may stand behind
    another: the one in front is a ranker's own account, the one behind is shared, and an outcome that the shared one
    already knows is still charged what it once took.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._known: dict[str, dict[str, Outcome]] = defaultdict(dict)
        self._tables: dict[tuple[str, ...], _Table] = {}
        self._numbers: dict[str, int] = {}
        self.waited_s = 0.0
        """Seconds spent in the runner behind."""

    @property
    def executions(self) -> int:
        """Distinct programs run so far."""
        return len(self._known)

    @property
    def charged_s(self) -> float:
        """Seconds that getting all outcomes took, whenever that was."""
        return sum(outcome.wall_s for row in self._known.values() for outcome in row.values())

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """See `Runner.evaluate`."""
        unasked: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        distinct = tuple(dict.fromkeys(expressions))
        for program in dict.fromkeys(programs):
            known = self._known.get(program)
            missing = distinct if known is None else tuple(e for e in distinct if e not in known)
            if missing:
                unasked[missing].append(program)
        for missing, fresh in unasked.items():
            start = time.perf_counter()
            rows = self._runner.evaluate(task, fresh, missing)
            self.waited_s += time.perf_counter() - start
            for program, row in zip(fresh, rows, strict=True):
                self._known[program].update(zip(missing, row, strict=True))
        return [[self._known[program][expression] for expression in expressions] for program in programs]

    def values(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> IntArray:
        """See `Execution.values`."""
        key = tuple(expressions)
        table = self._tables.get(key) or _Table({}, np.empty((0, len(key)), np.int64))
        fresh = [program for program in dict.fromkeys(programs) if program not in table.place]
        if fresh:
            rows = [[self._number(cell.value) for cell in row] for row in self.evaluate(task, fresh, expressions)]
            values = np.concatenate([table.values, np.array(rows, np.int64).reshape(len(fresh), len(key))])
            place = {program: row for row, program in enumerate([*table.place, *fresh])}
            table = self._tables[key] = _Table(place, values)
        return table.values[np.array([table.place[program] for program in programs], np.int64)]

    def _number(self, value: str | None) -> int:
        return -1 if value is None else self._numbers.setdefault(value, len(self._numbers))
