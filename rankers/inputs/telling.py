"""Inputs that tell a task's programs apart, where no model wrote tests, and what the programs give for them.

An input belongs to the task or to one program, whatever others there are; a subset of the programs has the task's, and
those of its own that split programs which behave alike on all others. So what programs give for all of them is found
once, and each subset looks at its part.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..agreement import NO_VALUE, group_numbers
from ..subsets import copies_in
from . import calls, constants, coverage, forms, scripts
from .mutation import variants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...estimators import BoolArray, IntArray
    from ...records import PublicTask
    from ..protocol import Execution
    from .kinds import Kind

_DRAWN, _VARIED = 48, 48
"""Calls drawn for a task, whatever its programs, and calls made out of its examples."""
_OWN, _OWN_TRIED = 3, 16
"""Calls made for the constants of a program, and those out of which coverage chooses them."""
_MOST_OWN = 300
"""Calls made for the constants of all programs of a subset: more of them get fewer each."""
_TRACED = 16
"""Shared calls that are traced, to know what they reach."""
_PROBES = 3
_PROBE_WEIGHT, _DOUBT = 6.0, 0.1
"""How much the share of programs that run on arguments of some kinds counts, against what the prompt says of them."""
_SCRIPT_TRIED, _SCRIPT_VARIED = 16, 8
"""Inputs made out of a script's visible ones, and those of them that coverage chooses: each takes a process."""
_SCRIPT_FIT = 0.8
"""Share of the programs that run on visible inputs that must run on one made out of them: else its form is broken."""
_FORM_PROBES, _FORM_DRAWN = 2, 10
"""Inputs of each known form that scripts of a task without a visible input try to read, and those of the chosen one."""
_FORM_SHARE = 0.3
"""Share of those that scripts must be able to read for a form to be chosen."""
_LIGHT = 16.0
"""Effort of a light call: a function of an integer that calls itself twice ends soon enough."""


class Told(NamedTuple):
    """Inputs of some subsets of a task's programs, and what these give for them.

    Attributes:
        places: Those of the subsets, among all that were asked about.
        inputs: All their inputs.
        outputs: [programs, inputs]: numbered values, see `Executions.outputs`; none of a program that is in no subset.
        used: [subsets, inputs]: whether an input is one of a subset's.
    """

    places: IntArray
    inputs: tuple[str, ...]
    outputs: IntArray
    used: BoolArray


class _Pool(NamedTuple):
    """A task's distinct programs, subsets of them as in `subsets`, [subsets, k], and what runs them."""

    task: PublicTask
    programs: Sequence[str]
    rows: IntArray
    runner: Execution

    @property
    def among(self) -> list[int]:
        """The programs that are in some subset."""
        found: list[int] = np.unique(self.rows).tolist()
        return found

    def texts(self, places: Sequence[int]) -> list[str]:
        """List some programs."""
        return [self.programs[place] for place in places]

    def outputs(self, places: Sequence[int], inputs: Sequence[str]) -> IntArray:
        """Run some programs: [programs, inputs], with no value for the others."""
        found = np.full((len(self.programs), len(inputs)), NO_VALUE, np.int64)
        if places and inputs:
            found[places] = self.runner.values(self.task, self.texts(places), inputs)
        return found

    def endless(self, places: Sequence[int], inputs: Sequence[str]) -> set[int]:
        """Find those of some programs that did not end on some input."""
        rows = self.runner.evaluate(self.task, self.texts(places), inputs) if places else []
        ended = (all(outcome.error != "timeout" for outcome in row) for row in rows)
        return {place for place, has_ended in zip(places, ended, strict=True) if not has_ended}


def told_apart(
    task: PublicTask, programs: Sequence[str], rows: IntArray, runner: Execution, *, own: bool = True
) -> list[Told]:
    """Make inputs that tell programs apart, and run the programs on them.

    A subset's inputs depend on the task and its programs alone.

    Args:
        task: The task.
        programs: Distinct ones.
        rows: Subsets of candidates by their programs, [subsets, k].
        runner: Runs them.
        own: Whether inputs are made for the programs too, from their constants and by what they reach.

    Returns:
        The subsets, grouped by what the arguments of the task's function are to them.

    Raises:
        SandboxError: The sandbox itself failed.
    """
    pool = _Pool(task, programs, rows, runner)
    if task.is_script:
        return [_of_script(pool, own=own)] if task.cases else _of_bare_script(pool, own=own)
    known = [calls.form_of(task, pool.texts(list(dict.fromkeys(row)))) for row in rows.tolist()]
    found = []
    for form in dict.fromkeys(known):
        some = np.flatnonzero([each == form for each in known])
        kinds = _likeliest(pool._replace(rows=rows[some]), form)
        for one in dict.fromkeys(kinds):
            same = some[[each == one for each in kinds]]
            told = _of_function(pool._replace(rows=rows[same]), form, one, own=own)
            found.append(told._replace(places=same))
    return found


def _of_script(pool: _Pool, *, own: bool) -> Told:
    """Vary the visible inputs; most of a script's programs must run on what they come to as on those themselves."""
    shown = tuple(dict.fromkeys(case.input for case in pool.task.cases))
    tried = scripts.varied(shown, len(shown) + _SCRIPT_TRIED * own)
    copies = copies_in(pool.rows, len(pool.programs))
    reaching = np.zeros((len(pool.programs), len(tried)))
    if own:
        chosen = coverage.reaching(pool.task, pool.runner, pool.texts(pool.among), tried)
        for program, places in zip(pool.among, chosen, strict=True):
            reaching[program, places] = 1.0
    wanted = copies @ reaching
    wanted[:, : len(shown)] = np.inf
    most = np.argsort(-wanted, axis=1, kind="stable")[:, : len(shown) + _SCRIPT_VARIED]
    used = np.zeros(wanted.shape, np.bool_)
    np.put_along_axis(used, most, values=True, axis=1)
    kept = np.flatnonzero(used.any(axis=0))
    inputs, used = tuple(tried[place] for place in kept), used[:, kept]
    outputs = pool.outputs(pool.among, inputs)
    returning = copies @ (outputs != NO_VALUE)
    fits = returning >= _SCRIPT_FIT * returning[:, : len(shown)].mean(axis=1, keepdims=True)
    fits[:, : len(shown)] = True
    return Told(np.arange(len(pool.rows)), inputs, outputs, used & fits)


def _of_bare_script(pool: _Pool, *, own: bool) -> list[Told]:
    """Draw inputs of the form that most of a subset's scripts can read; none where few can read any of those known."""
    chosen = np.full(len(pool.rows), -1, np.int64)
    if own:
        probes = [forms.drawn(pool.task.prompt, form, _FORM_PROBES) for form in range(forms.COUNT)]
        tried = tuple(dict.fromkeys(itertools.chain.from_iterable(probes)))
        reads = np.zeros((len(pool.programs), len(tried)))
        found = coverage.reading(pool.task, pool.runner, pool.texts(pool.among), tried)
        for program, places in zip(pool.among, found, strict=True):
            reads[program, places] = 1.0
        of_form = np.array([[text in made for made in probes] for text in tried], np.float64)
        counts = copies_in(pool.rows, len(pool.programs)) @ reads @ of_form
        shares = counts / of_form.sum(axis=0) / pool.rows.shape[1]
        chosen = np.where(shares.max(axis=1) >= _FORM_SHARE, shares.argmax(axis=1), -1)
    told = []
    for form in np.unique(chosen).tolist():
        some = np.flatnonzero(chosen == form)
        inputs = () if form < 0 else forms.drawn(pool.task.prompt, form, _FORM_DRAWN)
        outputs = pool.outputs(np.unique(pool.rows[some]).tolist(), inputs)
        told.append(Told(some, inputs, outputs, np.ones((len(some), len(inputs)), np.bool_)))
    return told


def _likeliest(pool: _Pool, form: calls.Form | None) -> list[tuple[Kind, ...]]:
    """Choose the arguments' kinds in each subset: those that the prompt speaks for and that most programs run on."""
    if form is None or len(form.profiles) == 1:
        return [() if form is None else form.profiles[0][0]] * len(pool.rows)
    probes = _probes(form)
    asked = tuple(dict.fromkeys(itertools.chain.from_iterable(probes)))
    returns = pool.outputs(pool.among, asked) != NO_VALUE
    made = np.array([[call in calls_made for calls_made in probes] for call in asked], np.float64)
    counts = copies_in(pool.rows, len(pool.programs)) @ returns @ made
    runs = counts / np.maximum(1.0, made.sum(axis=0)) / pool.rows.shape[1]
    scores = np.array([weight for _, weight in form.profiles]) + _PROBE_WEIGHT * np.log(runs + _DOUBT)
    return [form.profiles[place][0] for place in scores.argmax(axis=1).tolist()]


def _probes(form: calls.Form) -> list[tuple[str, ...]]:
    """Draw a few calls of each profile; none where there is no choice."""
    return [calls.drawn(form, kinds, _PROBES) for kinds, _ in form.profiles] if len(form.profiles) > 1 else []


def shared_calls(task: PublicTask, programs: Sequence[str]) -> tuple[str, ...]:
    """List the calls that `told_apart` most likely makes for a task's programs without their own, in the order run."""
    if task.is_script:
        return ()
    form = calls.form_of(task, programs)
    if form is None:
        return _in_order(_shared(task, form, ()))
    probes = itertools.chain.from_iterable(_probes(form))
    return tuple(dict.fromkeys([*probes, *_in_order(_shared(task, form, form.profiles[0][0]))]))


def _shared(task: PublicTask, form: calls.Form | None, kinds: tuple[Kind, ...]) -> tuple[str, ...]:
    """Make calls for the task alone."""
    shown = _in_turns([variants(example.call) for example in task.examples])[:_VARIED]
    return tuple(dict.fromkeys([*shown, *(() if form is None else calls.drawn(form, kinds, _DRAWN))]))


def _in_order(inputs: Sequence[str]) -> tuple[str, ...]:
    """Order calls as they are run: a call that does not end costs a program those after it.

    So calls at the edges come after others, and the heavy ones last.
    """
    return tuple(sorted(inputs, key=lambda call: (_effort(call) > _LIGHT, _burden(call))))


def _of_function(pool: _Pool, form: calls.Form | None, kinds: tuple[Kind, ...], *, own: bool) -> Told:
    """Make calls for the task, and for what each program names; these last, since they may be at the edges."""
    made = _shared(pool.task, form, kinds)
    shared, outputs, endless = _run_shared(pool, made)
    each = min(_OWN, _MOST_OWN // pool.rows.shape[1]) if own else 0
    mine = {} if form is None or not each else _own(pool, form, kinds, made[:_TRACED])
    named = dict.fromkeys(call for listed in mine.values() for call in listed[:each])
    others = sorted(named.keys() - set(shared), key=_burden)
    column = {call: place for place, call in enumerate([*shared, *others])}
    owns = np.zeros((len(pool.programs), len(column)))
    owns[:, : len(shared)] = 1.0
    for program, listed in mine.items():
        owns[program, [column[call] for call in listed[:each]]] = 1.0
    outputs_of_others = pool.outputs([place for place in pool.among if place not in endless], others)
    outputs = np.concatenate([outputs, outputs_of_others], axis=1)
    used = copies_in(pool.rows, len(pool.programs)) @ owns > 0
    return Told(pool.rows[:, 0], tuple(column), outputs, _splitting(outputs, used, pool.rows, len(shared)))


def _splitting(outputs: IntArray, used: BoolArray, rows: IntArray, shared: int) -> BoolArray:
    """Keep of each subset's inputs the shared ones, and each other that splits programs alike on all kept so far."""
    kept = used.copy()
    cluster, count = _renumbered(group_numbers(outputs[:, :shared])[rows])
    values = outputs - NO_VALUE
    for place in range(shared, outputs.shape[1]):
        some = np.flatnonzero(used[:, place])
        split, found = _renumbered(cluster[some] * (values.max() + 1) + values[rows[some], place])
        kept[some, place] = found > count[some]
        cluster[some], count[some] = split, found
    return kept


def _renumbered(numbers: IntArray) -> tuple[IntArray, IntArray]:
    """Number what is in each row anew, from 0, and count it."""
    order = np.argsort(numbers, axis=1, kind="stable")
    ordered = np.take_along_axis(numbers, order, axis=1)
    steps = np.cumsum(np.diff(ordered, axis=1, prepend=ordered[:, :1]) != 0, axis=1)
    found = np.empty_like(numbers)
    np.put_along_axis(found, order, steps, axis=1)
    return found, steps[:, -1] + 1


def _run_shared(pool: _Pool, inputs: Sequence[str]) -> tuple[tuple[str, ...], IntArray, set[int]]:
    """Run programs on inputs that all share: these in the order run, what came out, and who did not end."""
    ordered = _in_order(inputs)
    outputs = pool.outputs(pool.among, ordered)
    return (
        ordered,
        outputs,
        pool.endless([place for place in pool.among if (outputs[place] == NO_VALUE).any()], ordered),
    )


def _own(pool: _Pool, form: calls.Form, kinds: tuple[Kind, ...], shared: tuple[str, ...]) -> dict[int, tuple[str, ...]]:
    """Draw calls for each program's constants: first those that reach lines of it that none before them does."""
    named = {place: constants.of_program(pool.programs[place]) for place in pool.among}
    tried = {place: calls.drawn(form, kinds, _OWN_TRIED, found) for place, found in named.items() if not found.is_empty}
    asked = [[calls.arguments_of(call) or () for call in (*shared, *made)] for made in tried.values()]
    reached = coverage.reached(pool.task, pool.runner, pool.texts(list(tried)), asked)
    own = {}
    for (place, made), maps in zip(tried.items(), reached, strict=True):
        before = 0
        for bits in maps[: len(shared)]:
            before |= bits
        first = coverage.new_lines(maps[len(shared) :], before, _OWN)
        own[place] = tuple(dict.fromkeys([*(made[at] for at in first), *made]))[:_OWN]
    return own


def _in_turns(lists: Sequence[Sequence[str]]) -> list[str]:
    """List the first of all, then the second of all; each once."""
    return list(dict.fromkeys(text for turn in zip_longest(*lists) for text in turn if text is not None))


def _burden(call: str) -> tuple[bool, float, str]:
    """Order calls: those that may never end last, and before that by effort."""
    return _is_at_edge(call), _effort(call), call


@lru_cache(maxsize=65536)
def _effort(call: str) -> float:
    """Measure the work that a call may make, by its numbers and lengths; 0 where its arguments are not literals."""
    return sum(map(_size, calls.arguments_of(call) or ()))


def _size(value: Any) -> float:
    if isinstance(value, (int, float)):
        return abs(value)
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, dict):
        return 1 + sum(map(_size, value)) + sum(map(_size, value.values()))
    return 1 + sum(1 + _size(item) / 10 for item in value) if isinstance(value, (list, tuple, set)) else 1


@lru_cache(maxsize=65536)
def _is_at_edge(call: str) -> bool:
    """Whether a call is of the sort that loops may never end on: something is empty, zero or negative."""
    return any(_is_edge(value) for value in calls.arguments_of(call) or ())


def _is_edge(value: Any) -> bool:
    return not value or (isinstance(value, (int, float)) and value < 0)
