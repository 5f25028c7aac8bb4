"""The ranker used where none is named, and the inputs that it makes out of the examples'."""

from __future__ import annotations

import ast
from functools import lru_cache
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.parsing import expression
from ..records import Candidate, PublicTask, Ranking
from .agreement import Executions
from .asserts import PER_SAMPLE
from .consensus import consensus, log_prior
from .runs import Runs, execute, pool_of
from .simple import Examples
from .subsets import consensus_in, in_turn, rounded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..estimators import FloatArray, IntArray
    from .protocol import Context, Need
    from .subsets import SubsetRanking

_MOST_CALLS = 100
_DIGITS = 9
"""Digits kept of a score; equal programs may differ in a sum's last bits, and still tie."""


class Codebudget:
    """Visible examples first, then agreement weighed by generated tests, with a prior from the text.

    See `consensus` for the rule. Where a task has no generated tests, agreement is counted on the calls of its visible
    examples and on others like them (`variants`), each program for one, or of a script on the examples' inputs alone;
    where it has no examples either, only the prior from the text counts. Logprobs are not used.

    Args:
        tests: How many of the texts with tests are used, the first; 0 stands for all.
        asserts: How many asserts of one text, or pairs for a script, the first valid ones.
    """

    name = "codebudget"
    version = "1"
    needs: frozenset[Need] = frozenset({"execution"})
    uses: frozenset[Need] = frozenset({"tests"})
    ranks_scripts = True
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

    def subset_ranking(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> SubsetRanking:
        """See `RanksSubsets`."""
        held = np.array(Examples().rank(task, candidates, context).scores, np.float64)
        executed = self._executed(task, candidates, context)
        prior = log_prior(executed.programs, task.entry_point)

        def scores(subsets: IntArray) -> FloatArray:
            agreed = consensus_in(executed.executions, prior, executed.place[subsets])
            return in_turn([held[subsets], rounded(agreed, _DIGITS)])

        return scores

    def _agreement(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> tuple[float, ...]:
        executed = self._executed(task, candidates, context)
        prior = log_prior(executed.programs, task.entry_point)
        return executed.spread(consensus(executed.executions, prior))

    def _executed(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Runs:
        executed = None
        if context.has("tests"):
            executed = execute(task, candidates, context, tests=self._tests, per_sample=self._asserts)
        return _on_examples(task, candidates, context) if executed is None else executed


def _on_examples(task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Runs:
    """Run the programs on the visible examples and calls like theirs, with one assert that all pass."""
    pool = pool_of(candidates)
    # An input's form is not known: one that breaks it would tell programs apart by chance.
    shown = [case.input for case in task.cases] if task.is_script else _varied(task)
    inputs = tuple(dict.fromkeys(shown))[:_MOST_CALLS]
    count = len(pool.programs)
    outputs = context.runner.values(task, pool.programs, inputs) if inputs else np.empty((count, 0), np.int64)
    asserts = 1 if inputs else 0
    executions = Executions(
        outputs=outputs,
        holds=np.ones((count, asserts), np.bool_),
        input_of=np.zeros(asserts, np.int64),
        expected=np.full(asserts, -1, np.int64),
        copies=pool.copies,
        votes=np.ones(asserts, np.int64),
    )
    return Runs(executions, pool.place, pool.programs)


def _varied(task: PublicTask) -> list[str]:
    return [call for example in task.examples for call in variants(example.call)]


MOST = 24
"""Calls made from one example's, itself included."""

_LARGEST = 1_000_000
"""Largest number made: a program may count up to one."""


@lru_cache(maxsize=1024)
def variants(call: str) -> tuple[str, ...]:
    """Vary one argument of a call, itself included; the call alone where its arguments are not literals.

    Changes keep the argument's type: numbers move by one, double and change sign; texts and lists are emptied, lose an
    end, reverse, repeat and grow; an element of a list or a value of a dictionary changes in the same ways. Arguments
    take turns, so that none is left out where there are more than `MOST`.
    """
    parsed = expression(call)
    tree = None if parsed is None else parsed.body
    if not isinstance(tree, ast.Call) or tree.keywords:
        return (call,)
    try:
        arguments = [ast.literal_eval(argument) for argument in tree.args]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return (call,)
    name = ast.unparse(tree.func)
    by_argument = [
        [
            f"{name}({', '.join(map(repr, (*arguments[:place], value, *arguments[place + 1 :])))})"
            for value in _changed(old)
        ]
        for place, old in enumerate(arguments)
    ]
    in_turns = (text for text in chain.from_iterable(zip_longest(*by_argument)) if text is not None)
    return tuple(dict.fromkeys([call, *in_turns]))[:MOST]


def _changed(value: Any) -> Iterator[Any]:
    """Yield values of the type, near first."""
    kind = type(value)
    if kind is bool:
        yield not value
    elif kind in (int, float):
        yield from (new for new in (value + 1, value - 1, 2 * value, -value, kind()) if abs(new) <= _LARGEST)
    elif kind in (str, bytes, list, tuple):
        yield from (
            value[::-1],
            value[:-1],
            value[1:],
            2 * value,
            value[:1] + value,
            value[:0],
            value[: len(value) // 2],
        )
        if kind is str:
            yield from (value.upper(), value.lower(), value.title(), f"{value} {value}")
        elif kind is not bytes:
            for place, old in enumerate(value):
                yield from (kind([*value[:place], new, *value[place + 1 :]]) for new in islice(_changed(old), 2))
    elif kind is dict:
        yield {}
        for key, old in value.items():
            yield {other: kept for other, kept in value.items() if other != key}
            yield from ({**value, key: new} for new in islice(_changed(old), 2))
    elif kind in (set, frozenset):
        yield kind()
        yield from (value - {element} for element in sorted(value, key=repr))
