"""The ranker that is used where none is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..records import Candidate, PublicTask, Ranking
from .agreement import Executions
from .asserts import PER_SAMPLE
from .consensus import consensus, log_prior
from .examples import Examples
from .generated import Executed, execute
from .variants import variants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Context, Need

_MOST_CALLS = 100
_DIGITS = 9
"""Of a score; equal programs may differ in the last bits of a sum, and are ties all the same."""


class Codebudget:
    """What holds for the visible examples, then who agrees, weighed by generated tests, with a prior from the text.

    See `consensus` for the rule. Where a task has no generated tests, agreement is counted on the calls of its visible
    examples and on others like them (`variants`), each program for one; where it has no examples either, the prior from
    the text is all there is. Logprobs are not used.

    Args:
        tests: How many of the texts with tests are used, the first; 0 stands for all.
        asserts: How many asserts of one text, the first valid ones.
    """

    name = "codebudget"
    version = "1"
    needs: frozenset[Need] = frozenset({"execution"})
    uses: frozenset[Need] = frozenset({"tests"})
    pointwise = False

    def __init__(self, tests: int = 0, asserts: int = PER_SAMPLE) -> None:
        self._tests, self._asserts = tests or None, asserts

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by place in the order: the best tied group highest."""
        held = Examples().rank(task, candidates, context).scores
        agreed = self._agreement(task, candidates, context)
        keys = [(share, round(score, _DIGITS)) for share, score in zip(held, agreed, strict=True)]
        places = {key: float(place) for place, key in enumerate(sorted(set(keys)))}
        return Ranking(scores=tuple(places[key] for key in keys))

    def _agreement(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> tuple[float, ...]:
        executed = None
        if context.has("tests"):
            executed = execute(task, candidates, context, tests=self._tests, per_sample=self._asserts)
        if executed is None:
            executed = _on_examples(task, candidates, context)
        prior = log_prior(executed.programs, task.entry_point)
        return executed.spread(consensus(executed.executions, prior))


def _on_examples(task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Executed:
    """What the programs return on the visible examples' calls and their variants, with one assert that all pass."""
    programs = tuple(dict.fromkeys(candidate.program for candidate in candidates))
    row = {program: number for number, program in enumerate(programs)}
    place = np.array([row[candidate.program] for candidate in candidates], np.int64)
    calls = tuple(dict.fromkeys(call for example in task.examples for call in variants(example.call)))[:_MOST_CALLS]
    outputs = context.runner.values(task, programs, calls) if calls else np.empty((len(programs), 0), np.int64)
    asserts = 1 if calls else 0
    executions = Executions(
        outputs=outputs,
        holds=np.ones((len(programs), asserts), np.bool_),
        input_of=np.zeros(asserts, np.int64),
        expected=np.full(asserts, -1, np.int64),
        copies=np.bincount(place, minlength=len(programs)).astype(np.int64),
        votes=np.ones(asserts, np.int64),
    )
    return Executed(executions, place, programs)
