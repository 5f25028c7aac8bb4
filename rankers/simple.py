"""Rankers of one idea each: baselines that only read, visible examples, majority, and whether a program runs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from ..records import Candidate, PublicTask, Ranking, called_name
from .agreement import NO_VALUE, group_numbers
from .code import code_characters
from .runs import expected_side, inputs_of
from .subsets import copies_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..estimators import FloatArray, IntArray
    from .protocol import Context, Need
    from .subsets import SubsetRanking


class Random:
    """Any candidate, with equal chances: all are ties, so that rank-score@k is pass@1."""

    name = "random"
    version = "1"
    needs: frozenset[Need] = frozenset()
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Give all candidates one score."""
        return Ranking(scores=(0.0,) * len(candidates))


class First:
    """The candidate that was drawn first."""

    name = "first"
    version = "1"
    needs: frozenset[Need] = frozenset()
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by place among the arm's samples, not by place in `candidates`."""
        return Ranking(scores=tuple(-float(candidate.index) for candidate in candidates))


class Shortest:
    """The program with the least code, in characters, without comments, docstrings and layout."""

    name = "shortest"
    version = "1"
    needs: frozenset[Need] = frozenset()
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by length, the shortest highest."""
        return Ranking(scores=tuple(-float(code_characters(candidate.program)) for candidate in candidates))


class Longest:
    """The program with the most code, counted as for `shortest`."""

    name = "longest"
    version = "1"
    needs: frozenset[Need] = frozenset()
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by length, the longest highest."""
        return Ranking(scores=tuple(float(code_characters(candidate.program)) for candidate in candidates))


def shown_calls(task: PublicTask) -> list[str]:
    """List the calls of a function's visible examples, each beside its expected value."""
    return [text for example in task.examples for text in (example.call, expected_side(task, example.expected))]


class Examples:
    """The candidate that most of the task's visible examples hold for; all are ties where it shows none."""

    name = "examples"
    version = "2"
    needs: frozenset[Need] = frozenset({"execution"})
    ranks_scripts = True
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the share of examples whose call gives what it should, or whose output is right by the rule."""
        examples = task.cases if task.is_script else task.examples
        if not examples or not candidates:
            return Ranking(scores=(0.0,) * len(candidates))
        held = self._held(task, candidates, context)
        return Ranking(scores=tuple(count / len(examples) for count in held))

    @staticmethod
    def _held(task: PublicTask, candidates: Sequence[Candidate], context: Context) -> list[int]:
        programs = [candidate.program for candidate in candidates]
        if task.is_script:
            judged = context.runner.judge(task, programs, task.cases)
            return [sum(bool(outcome.is_right) for outcome in row) for row in judged]
        rows = context.runner.evaluate(task, programs, shown_calls(task))
        return [
            sum(
                got.value is not None and got.value == wanted.value
                for got, wanted in zip(row[::2], row[1::2], strict=True)
            )
            for row in rows
        ]


class Majority:
    """The candidate that most others agree with on the inputs of generated tests, or else of the visible examples.

    All are ties without any. Minimum Bayes risk over execution results (Shi et al. 2022, section 3.2): two programs
    agree where they return equal values on all inputs, or scripts print the same words on the same lines, and a program
    that fails on one agrees with nobody. Expected outputs are not used.
    """

    name = "majority"
    version = "2"
    needs: frozenset[Need] = frozenset({"execution"})
    uses: frozenset[Need] = frozenset({"tests"})
    ranks_scripts = True
    pointwise = False

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by how many candidates, itself included, return the same; 0 where it fails."""
        calls = inputs_of(task, context)
        if not calls or not candidates:
            return Ranking(scores=(0.0,) * len(candidates))
        rows = context.runner.values(task, [candidate.program for candidate in candidates], calls)
        returned = [tuple(row) for row in rows.tolist()]
        agreeing = Counter(values for values in returned if NO_VALUE not in values)
        return Ranking(scores=tuple(float(agreeing[values]) for values in returned))

    def subset_ranking(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> SubsetRanking:
        """See `RanksSubsets`."""
        calls = inputs_of(task, context)
        if not calls or not candidates:
            return lambda subsets: np.zeros(subsets.shape)
        outputs = context.runner.values(task, [candidate.program for candidate in candidates], calls)
        group, fails = group_numbers(outputs), (outputs == NO_VALUE).any(axis=1)

        def scores(subsets: IntArray) -> FloatArray:
            of_each = group[subsets]
            sizes = copies_in(of_each, len(candidates))
            return np.where(fails[subsets], 0.0, np.take_along_axis(sizes, of_each, axis=1))

        return scores


class Executability:
    """The candidates that run without an error: on the inputs of generated tests, or else of the visible examples.

    The filter of Coder-Reviewer (Zhang et al. 2022, section 3.3); all others are ties, so that it is a link for chains.
    Where no inputs are known, a program that loads and defines the entry point runs, or a script that compiles.
    """

    name = "executability"
    version = "2"
    needs: frozenset[Need] = frozenset({"execution"})
    uses: frozenset[Need] = frozenset({"tests"})
    ranks_scripts = True
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score 1 where no call fails, else 0."""
        inputs, programs = inputs_of(task, context), [candidate.program for candidate in candidates]
        if not inputs and task.is_script:
            # Without a known input even a right one may fail.
            rows = context.runner.evaluate(task, programs, [""])
            return Ranking(scores=tuple(float(outcome.error != "invalid") for (outcome,) in rows))
        values = context.runner.values(task, programs, inputs or [f"callable({called_name(task.entry_point)})"])
        return Ranking(scores=tuple(float(runs) for runs in (values != NO_VALUE).all(axis=1)))
