"""Whether a task's candidates suffice without a hidden test, or the next stage of a cascade has to be drawn."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ..rankers import load_ranker
from ..rankers.combine import form
from ..rankers.inputs import told_apart, variants
from ..rankers.runs import pool_of
from ..settings import FITTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..estimators import BoolArray, IntArray
    from ..rankers import Context
    from ..records import Candidate, PublicTask
    from ..settings import Selecting

NONE_HOLDS: Final = -1.0
"""Agreement where no candidate holds all visible examples: below every threshold."""

_MOST_CALLS: Final = 100
_NO_BEHAVIOUR: Final = -1


class Rule(NamedTuple):
    """The least agreement with which candidates suffice.

    It is the share of the others that behave like the most common behaviour: of `k` candidates of which `m` behave
    alike, `(m - 1) / (k - 1)`; 0 for one alone.

    Attributes:
        shown: Where the task shows examples. Only candidates that hold all of them count, and without any of these
            nothing suffices.
        bare: Where it shows none.
        is_fitted: Whether it was chosen by the hidden tests of the benchmark that is scored.
    """

    shown: float
    bare: float
    is_fitted: bool = False


DEFAULT_RULE: Final = Rule(shown=0.0, bare=0.75)
"""Chosen on nano and HumanEval's even tasks; docs/notes/rankers.md has the figures."""


def rule_of(selecting: Selecting) -> Rule:
    """Get the rule by the settings."""
    least = selecting.least_agreement
    if least is not None:
        return Rule(least, least)
    return DEFAULT_RULE._replace(is_fitted=selecting.agreement == FITTED)


class Evidence(NamedTuple):
    """What is known of a task's candidates without a hidden test.

    Attributes:
        holds: Whether each holds all visible examples; None where the task shows none.
        behaviour: A number per candidate, equal where they behave alike; `_NO_BEHAVIOUR` where it never returns.
    """

    holds: BoolArray | None
    behaviour: IntArray

    def agreement(self, places: IntArray) -> float:
        """Measure the agreement among the candidates at some places; see `Rule`."""
        among = places if self.holds is None else places[self.holds[places]]
        if self.holds is not None and not len(among):
            return NONE_HOLDS
        alike = Counter(number for number in self.behaviour[among].tolist() if number != _NO_BEHAVIOUR)
        return _share(max(alike.values(), default=0), len(places))

    def agreement_with(self, place: int, places: IntArray) -> float:
        """Measure how many of the others at some places behave like one of them."""
        if self.holds is not None and not self.holds[place]:
            return NONE_HOLDS
        mine = self.behaviour[place]
        alike = 0 if mine == _NO_BEHAVIOUR else int((self.behaviour[places] == mine).sum())
        return _share(alike, len(places))

    def least(self, rule: Rule) -> float:
        """Get the agreement that suffices by a rule."""
        return rule.bare if self.holds is None else rule.shown

    def suffices(self, places: IntArray, rule: Rule) -> bool:
        """Whether the candidates at some places suffice by a rule."""
        return self.agreement(places) >= self.least(rule)


def evidence_of(task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Evidence:
    """Run a task's candidates on its visible examples, and on what tells their behaviours apart.

    That is calls like those of the examples, or a script's inputs; where the task shows none, inputs that are made up,
    as the default ranker makes them. Where none can be made, candidates behave alike if they are the same but for names
    and layout. Tests that a model wrote are not used: stages are drawn before these are.

    Raises:
        SandboxError: The sandbox failed.
    """
    if not candidates:
        return Evidence(None, np.empty(0, np.int64))
    holds = None
    if task.cases if task.is_script else task.examples:
        scores = load_ranker("examples").rank(task, candidates, context).scores
        holds = np.array(scores) == 1.0
    return Evidence(holds, _behaviour(task, candidates, context))


def _behaviour(task: PublicTask, candidates: Sequence[Candidate], context: Context) -> IntArray:
    programs = [candidate.program for candidate in candidates]
    if task.is_script:
        inputs = [case.input for case in task.cases]
    else:
        inputs = [call for example in task.examples for call in variants(example.call)]
    inputs = list(dict.fromkeys(inputs))[:_MOST_CALLS]
    values = context.runner.values(task, programs, inputs) if inputs else _made(task, candidates, context)
    if not values.size:
        forms = [form(program, task.entry_point) for program in programs]
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(one, len(numbers)) for one in forms], np.int64)
    known: dict[tuple[int, ...], int] = {}
    found = [known.setdefault(tuple(row), len(known)) for row in values.tolist()]
    return np.where((values == _NO_BEHAVIOUR).all(axis=1), _NO_BEHAVIOUR, np.array(found, np.int64))


def _made(task: PublicTask, candidates: Sequence[Candidate], context: Context) -> IntArray:
    """Run candidates on inputs that are made up for the task: [candidates, inputs]."""
    pool = pool_of(candidates)
    (told,) = told_apart(task, pool.programs, pool.place[None], context.runner, own=task.is_script)
    return told.outputs[pool.place][:, told.used[0]]


def _share(alike: int, count: int) -> float:
    return (alike - 1) / (count - 1) if count > 1 and alike else 0.0
