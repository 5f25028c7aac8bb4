"""Rankers of one idea each: baselines that only read, visible examples, majority, and whether a program runs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..records import Candidate, PublicTask, Ranking
from .agreement import NO_VALUE
from .asserts import asserts_in
from .code import code_characters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Context, Need


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


class Examples:
    """The candidate that most of the task's visible examples hold for; all are ties where it shows none."""

    name = "examples"
    version = "1"
    needs: frozenset[Need] = frozenset({"execution"})
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the share of examples whose call gives what it should."""
        if not task.examples or not candidates:
            return Ranking(scores=(0.0,) * len(candidates))
        # Each call beside its expected value, so that an endless call costs only the examples after it.
        expressions = [text for example in task.examples for text in (example.call, example.expected)]
        rows = context.runner.evaluate(task, [candidate.program for candidate in candidates], expressions)
        held = [
            sum(
                got.value is not None and got.value == wanted.value
                for got, wanted in zip(row[::2], row[1::2], strict=True)
            )
            for row in rows
        ]
        return Ranking(scores=tuple(count / len(task.examples) for count in held))


class Majority:
    """The candidate that most others agree with on the inputs of generated tests, or else of the visible examples.

    All are ties without any. Minimum Bayes risk over execution results (Shi et al. 2022, section 3.2): two programs
    agree where they return equal values on all inputs, and a program that fails on one agrees with nobody. Expected
    outputs are not used.
    """

    name = "majority"
    version = "1"
    needs: frozenset[Need] = frozenset({"execution"})
    uses: frozenset[Need] = frozenset({"tests"})
    pointwise = False

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by how many candidates, itself included, return the same; 0 where it fails."""
        calls = calls_of(task, context)
        if not calls or not candidates:
            return Ranking(scores=(0.0,) * len(candidates))
        rows = context.runner.values(task, [candidate.program for candidate in candidates], calls)
        returned = [tuple(row) for row in rows.tolist()]
        agreeing = Counter(values for values in returned if NO_VALUE not in values)
        return Ranking(scores=tuple(float(agreeing[values]) for values in returned))


class Executability:
    """The candidates that run without an error: on the inputs of generated tests, or else of the visible examples.

    The filter of Coder-Reviewer (Zhang et al. 2022, section 3.3); all others are ties, so that it is a link for chains.
    Where no inputs are known, a program that loads and defines the entry point runs.
    """

    name = "executability"
    version = "1"
    needs: frozenset[Need] = frozenset({"execution"})
    uses: frozenset[Need] = frozenset({"tests"})
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score 1 where no call fails, else 0."""
        calls = calls_of(task, context) or [f"callable({task.entry_point})"]
        values = context.runner.values(task, [candidate.program for candidate in candidates], calls)
        return Ranking(scores=tuple(float(runs) for runs in (values != -1).all(axis=1)))


def calls_of(task: PublicTask, context: Context) -> list[str]:
    """List the distinct calls of the generated tests, or else those of the visible examples."""
    samples = tuple(context.tests.samples) if context.has("tests") else ()
    calls = [found.call for found in asserts_in(samples, task.entry_point)]
    return list(dict.fromkeys(calls or [example.call for example in task.examples]))
