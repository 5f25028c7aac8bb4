"""What a task's candidates do on tests that a model wrote: the sandbox's side of `agreement`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .agreement import NO_VALUE, Executions
from .asserts import PER_SAMPLE, asserts_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..estimators import FloatArray, IntArray
    from ..records import Candidate, PublicTask
    from .protocol import Context


class Executed(NamedTuple):
    """Executions of the distinct programs of some candidates, and which of those each candidate is, [candidates]."""

    executions: Executions
    place: IntArray
    programs: tuple[str, ...]

    def spread(self, scores: FloatArray) -> tuple[float, ...]:
        """One score per candidate from one per distinct program."""
        return tuple(scores[self.place].tolist())


def execute(
    task: PublicTask,
    candidates: Sequence[Candidate],
    context: Context,
    *,
    tests: int | None = None,
    per_sample: int = PER_SAMPLE,
) -> Executed | None:
    """Run the distinct programs on the generated tests; None where there are no candidates or no valid asserts.

    An assert `call == value` holds where the call's value equals that of the expected side, which is evaluated on its
    own; any other is evaluated as it stands. Inputs are the distinct calls.

    Args:
        task: The task.
        candidates: Its candidates.
        context: Offers a runner and generated tests.
        tests: How many of the texts with tests to use, the first; all where None.
        per_sample: How many asserts of each.
    """
    asserts = asserts_in(context.tests.samples[:tests], task.entry_point, per_sample=per_sample)
    if not asserts or not candidates:
        return None
    programs = tuple(dict.fromkeys(candidate.program for candidate in candidates))
    calls = tuple(dict.fromkeys(found.call for found in asserts))
    others = [f"bool({found.holds})" for found in asserts if found.expected is None]
    sides = [found.expected for found in asserts if found.expected is not None]
    values = context.runner.values(task, programs, [*calls, *others])
    stub = f"def {task.entry_point}(*args, **kwargs):\n    pass\n"
    *wanted, true = context.runner.values(task, [stub], [*sides, "True"])[0].tolist()

    column = {call: place for place, call in enumerate(calls)}
    input_of = np.array([column[found.call] for found in asserts], np.int64)
    compares = np.array([found.expected is not None for found in asserts], np.bool_)
    expected = np.full(len(asserts), NO_VALUE, np.int64)
    expected[compares] = wanted
    outputs = values[:, : len(calls)]
    holds = (outputs[:, input_of] == expected) & (expected != NO_VALUE)
    holds[:, ~compares] = values[:, len(calls) :] == true

    row = {program: place for place, program in enumerate(programs)}
    place = np.array([row[candidate.program] for candidate in candidates], np.int64)
    executions = Executions(
        outputs=outputs,
        holds=holds,
        input_of=input_of,
        expected=expected,
        copies=np.bincount(place, minlength=len(programs)).astype(np.int64),
        votes=np.array([found.copies for found in asserts], np.int64),
    )
    return Executed(executions, place, programs)
