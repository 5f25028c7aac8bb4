"""Candidates' programs, run on the tests that a model wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..records import Candidate, PublicTask, called_name
from .agreement import NO_VALUE, Executions
from .asserts import PER_SAMPLE, Assert, asserts_in
from .pairs import pairs_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..estimators import FloatArray, IntArray
    from .protocol import Context


class Runs(NamedTuple):
    """Executions of some candidates' distinct programs, and the one that each candidate is, [candidates]."""

    executions: Executions
    place: IntArray
    programs: tuple[str, ...]

    def spread(self, scores: FloatArray) -> tuple[float, ...]:
        """Spread scores of distinct programs to candidates."""
        return tuple(scores[self.place].tolist())


class Pool(NamedTuple):
    """Distinct programs of candidates, the place of each candidate's, and how often each was drawn."""

    programs: tuple[str, ...]
    place: IntArray
    copies: IntArray


def pool_of(candidates: Sequence[Candidate]) -> Pool:
    """Find the distinct programs of candidates."""
    programs = tuple(dict.fromkeys(candidate.program for candidate in candidates))
    row = {program: place for place, program in enumerate(programs)}
    place = np.array([row[candidate.program] for candidate in candidates], np.int64)
    return Pool(programs, place, np.bincount(place, minlength=len(programs)).astype(np.int64))


def execute(
    task: PublicTask,
    candidates: Sequence[Candidate],
    context: Context,
    *,
    tests: int | None = None,
    per_sample: int = PER_SAMPLE,
) -> Runs | None:
    """Run the distinct programs on the generated tests; None where there are no candidates or no valid tests.

    Of a function these are asserts: one `call == value` holds where the call's value equals that of the expected side,
    evaluated separately; any other is evaluated as it stands. Inputs are the distinct calls. Of a script they are
    pairs, each of which holds where the output is right by the task's own rule; inputs are the distinct ones of pairs.

    Args:
        task: The task.
        candidates: Its candidates.
        context: Offers a runner and generated tests.
        tests: How many texts of tests to use, from the first; all where None.
        per_sample: How many asserts or pairs of each.
    """
    samples = context.tests.samples[:tests]
    if not candidates:
        return None
    pool = pool_of(candidates)
    if task.is_script:
        return _run_pairs(task, pool, context, samples, per_sample)
    return _run_asserts(task, pool, context, asserts_in(samples, task.entry_point, per_sample=per_sample))


def calls_of_tests(
    task: PublicTask, context: Context, *, tests: int | None = None, per_sample: int = PER_SAMPLE
) -> list[str]:
    """List the expressions of a function that `execute` evaluates with each program, in that order."""
    calls, others = _calls(asserts_in(context.tests.samples[:tests], task.entry_point, per_sample=per_sample))
    return [*calls, *others]


def inputs_of(task: PublicTask, context: Context) -> list[str]:
    """List what programs of a task can be run on: distinct calls, or inputs of a script.

    They are those of the generated tests, or else those of the visible examples.
    """
    samples = tuple(context.tests.samples) if context.has("tests") else ()
    if task.is_script:
        found = [pair.case.input for pair in pairs_in(samples)] or [case.input for case in task.cases]
    else:
        found = [one.call for one in asserts_in(samples, task.entry_point)] or [one.call for one in task.examples]
    return list(dict.fromkeys(found))


def expected_side(task: PublicTask, text: str) -> str:
    """Write the value that a call should equal as calls come out: by a rule for results a tuple is a list."""
    return text if task.rule is None else f"(lambda value: list(value) if isinstance(value, tuple) else value)({text})"


def _calls(asserts: Sequence[Assert]) -> tuple[list[str], list[str]]:
    """List the distinct calls of asserts, and the conditions of those that are no comparison with a value."""
    calls = list(dict.fromkeys(found.call for found in asserts))
    return calls, [f"bool({found.holds})" for found in asserts if found.expected is None]


def _run_asserts(task: PublicTask, pool: Pool, context: Context, asserts: Sequence[Assert]) -> Runs | None:
    if not asserts:
        return None
    calls, others = _calls(asserts)
    sides = [expected_side(task, found.expected) for found in asserts if found.expected is not None]
    values = context.runner.values(task, pool.programs, [*calls, *others])
    # A class need not be there for a method of its name to be found.
    stub = f"def {called_name(task.entry_point).rpartition('.')[2]}(*args, **kwargs):\n    pass\n"
    *wanted, true = context.runner.values(task, [stub], [*sides, "True"])[0].tolist()

    column = {call: place for place, call in enumerate(calls)}
    input_of = np.array([column[found.call] for found in asserts], np.int64)
    compares = np.array([found.expected is not None for found in asserts], np.bool_)
    expected = np.full(len(asserts), NO_VALUE, np.int64)
    expected[compares] = wanted
    outputs = values[:, : len(calls)]
    holds = (outputs[:, input_of] == expected) & (expected != NO_VALUE)
    holds[:, ~compares] = values[:, len(calls) :] == true
    votes = np.array([found.copies for found in asserts], np.int64)
    return Runs(Executions(outputs, holds, input_of, expected, pool.copies, votes), pool.place, pool.programs)


def _run_pairs(
    task: PublicTask, pool: Pool, context: Context, samples: tuple[str, ...], per_sample: int
) -> Runs | None:
    pairs = pairs_in(samples, per_sample=per_sample)
    if not pairs:
        return None
    judged = context.runner.judge(task, pool.programs, [pair.case for pair in pairs])
    inputs = tuple(dict.fromkeys(pair.case.input for pair in pairs))
    outputs = context.runner.values(task, pool.programs, inputs)
    column = {text: place for place, text in enumerate(inputs)}
    input_of = np.array([column[pair.case.input] for pair in pairs], np.int64)
    holds = np.array([[bool(outcome.is_right) for outcome in row] for row in judged], np.bool_)
    # What is right by a rule may be printed in several ways; any of them stands for it.
    first = holds.argmax(axis=0)
    expected = np.where(holds.any(axis=0), outputs[first, input_of], NO_VALUE).astype(np.int64)
    votes = np.array([pair.copies for pair in pairs], np.int64)
    return Runs(Executions(outputs, holds, input_of, expected, pool.copies, votes), pool.place, pool.programs)
