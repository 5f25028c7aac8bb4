"""Inputs that tell a task's programs apart, where no model wrote tests, and what the programs give for them."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from functools import lru_cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ..agreement import NO_VALUE, groups
from . import calls, constants, coverage, scripts
from .mutation import variants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...estimators import IntArray
    from ...records import PublicTask
    from ..protocol import Execution, Runner
    from .constants import Constants
    from .kinds import Kind

_DRAWN, _VARIED = 48, 48
"""Calls drawn for a task, whatever its programs, and calls made out of its examples."""
_OWN, _OWN_TRIED = 3, 16
"""Calls made for the constants of a program, and those out of which coverage chooses them."""
_TRACED = 16
"""Shared calls that are traced, to know what they reach."""
_MOST_NAMING = 100
"""Sets of constants that calls are made for, those of most programs."""
_PROBES = 3
_PROBE_WEIGHT, _DOUBT = 6.0, 0.1
"""How much the share of programs that run on arguments of some kinds counts, against what the prompt says of them."""
_SCRIPT_TRIED, _SCRIPT_VARIED = 16, 8
"""Inputs made out of a script's visible ones, and those of them that coverage chooses: each takes a process."""
_SCRIPT_FIT = 0.8
"""Share of the programs that run on visible inputs that must run on one made out of them: else its form is broken."""
_LIGHT = 16.0
"""Effort of a light call: a function of an integer that calls itself twice ends soon enough."""


class Told(NamedTuple):
    """Inputs, and the numbered values of the programs on them, [programs, inputs]; see `Executions.outputs`."""

    inputs: tuple[str, ...]
    outputs: IntArray


def told_apart(task: PublicTask, programs: Sequence[str], copies: IntArray, runner: Execution) -> Told:
    """Make inputs that tell programs apart.

    Which ones depends on the task and the set of programs alone.

    Args:
        task: The task.
        programs: Distinct ones.
        copies: How often each was drawn, [programs].
        runner: Runs them.

    Raises:
        SandboxError: The sandbox itself failed.
    """
    if task.is_script:
        return _for_script(task, programs, copies, runner)
    shared, own = _for_function(task, programs, copies, runner)
    told = _run(task, programs, (*shared, *own), runner)
    return _splitting(told, frozenset(shared))


def _for_script(task: PublicTask, programs: Sequence[str], copies: IntArray, runner: Execution) -> Told:
    """Vary the visible inputs; most of a script's programs must run on what they come to as on those themselves."""
    shown = tuple(dict.fromkeys(case.input for case in task.cases))
    tried = scripts.varied(shown, len(shown) + _SCRIPT_TRIED)
    if not shown:
        return Told((), np.empty((len(programs), 0), np.int64))
    wanted = np.zeros(len(tried))
    for places, count in zip(coverage.reaching(task, runner, programs, tried), copies, strict=True):
        wanted[places] += count
    wanted[: len(shown)] = np.inf
    chosen = np.sort(np.argsort(-wanted, kind="stable")[: len(shown) + _SCRIPT_VARIED])
    inputs = tuple(tried[place] for place in chosen)
    outputs = runner.values(task, programs, inputs)
    returning = copies @ (outputs != NO_VALUE)
    fit = returning >= _SCRIPT_FIT * returning[: len(shown)].mean()
    fit[: len(shown)] = True
    return Told(tuple(itertools.compress(inputs, fit)), outputs[:, fit])


def _for_function(
    task: PublicTask, programs: Sequence[str], copies: IntArray, runner: Execution
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make calls that do not depend on the programs' texts, and calls for what these name."""
    shown = _in_turns([variants(example.call) for example in task.examples])[:_VARIED]
    form = calls.form_of(task, programs)
    if form is None:
        return tuple(shown), ()
    kinds = _likeliest(task, form, programs, copies, runner)
    shared = tuple(dict.fromkeys([*shown, *calls.drawn(form, kinds, _DRAWN)]))
    own = _own(_Pool(task, programs, form, kinds, shared[:_TRACED], runner), copies)
    return shared, tuple(call for call in own if call not in set(shared))


def _splitting(told: Told, shared: frozenset[str]) -> Told:
    """Keep the shared inputs, and each other one that splits programs which behave alike on all kept so far."""
    kept = np.array([text in shared for text in told.inputs], np.bool_)
    cluster, _ = groups(told.outputs[:, kept], np.ones(len(told.outputs), np.int64))
    while True:
        first = np.unique(cluster, return_index=True)[1]
        splits = (told.outputs != told.outputs[first[cluster]]).any(axis=0) & ~kept
        if not splits.any():
            break
        place = int(splits.argmax())
        kept[place] = True
        pairs = np.stack([cluster, told.outputs[:, place]], axis=1)
        cluster = np.unique(pairs, axis=0, return_inverse=True)[1].ravel()
    return Told(tuple(itertools.compress(told.inputs, kept)), told.outputs[:, kept])


def _in_turns(lists: Sequence[Sequence[str]]) -> list[str]:
    """List the first of all, then the second of all; each once."""
    return list(dict.fromkeys(text for turn in zip_longest(*lists) for text in turn if text is not None))


def _likeliest(
    task: PublicTask, form: calls.Form, programs: Sequence[str], copies: IntArray, runner: Execution
) -> tuple[Kind, ...]:
    """Choose the arguments' kinds: those that the prompt speaks for and that most programs run on."""
    if len(form.profiles) == 1:
        return form.profiles[0][0]
    probes = [calls.drawn(form, kinds, _PROBES) for kinds, _ in form.profiles]
    asked = tuple(dict.fromkeys(call for made in probes for call in made))
    returns = copies @ (runner.values(task, programs, asked) != NO_VALUE) / max(1, copies.sum())
    share = dict(zip(asked, returns.tolist(), strict=True))
    best, chosen = -math.inf, form.profiles[0][0]
    for (kinds, weight), made in zip(form.profiles, probes, strict=True):
        runs = sum(share[call] for call in made) / max(1, len(made))
        score = weight + _PROBE_WEIGHT * math.log(runs + _DOUBT)
        if score > best:
            best, chosen = score, kinds
    return chosen


class _Pool(NamedTuple):
    """A task's programs, what is known of its arguments, and some of the calls that all programs share."""

    task: PublicTask
    programs: Sequence[str]
    form: calls.Form
    kinds: tuple[Kind, ...]
    shared: tuple[str, ...]
    runner: Execution


def _own(pool: _Pool, copies: IntArray) -> list[str]:
    """Draw calls for the constants of programs: of each, those that reach lines which nothing reached before."""
    naming: defaultdict[Constants, list[int]] = defaultdict(list)
    for place, program in enumerate(pool.programs):
        found = constants.of_program(program)
        if not found.is_empty:
            naming[found].append(place)
    # The constants that most programs name come first.
    order = sorted(naming, key=lambda found: (-int(copies[naming[found]].sum()), repr(found)))[:_MOST_NAMING]
    tried = {found: calls.drawn(pool.form, pool.kinds, _OWN_TRIED, found) for found in order}
    reaching = _reaching(pool, {pool.programs[place]: tried[found] for found in order for place in naming[found]})
    chosen = []
    for found in order:
        mine = {call for place in naming[found] for call in reaching[pool.programs[place]]}
        first = [call for call in tried[found] if call in mine]
        chosen.append(list(dict.fromkeys([*first, *tried[found]]))[:_OWN])
    return _in_turns(chosen)


_reached: WeakKeyDictionary[Runner, dict[tuple[str, str, tuple[Kind, ...]], list[str]]] = WeakKeyDictionary()
"""What was chosen for programs by what they reach: it is asked for in every subset of a task's candidates."""


def _reaching(pool: _Pool, tried: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Choose calls for programs out of those tried: the ones that reach lines of it which shared calls do not."""
    known = _reached.setdefault(pool.runner, {})
    keys = {program: (pool.task.id, program, pool.kinds) for program in tried}
    fresh = [program for program in tried if keys[program] not in known]
    asked = [[*pool.shared, *tried[program]] for program in fresh]
    literals = [[calls.arguments_of(call) or () for call in mine] for mine in asked]
    rows = coverage.reached(pool.task, pool.runner, fresh, literals)
    for program, maps in zip(fresh, rows, strict=True):
        before = 0
        for bits in maps[: len(pool.shared)]:
            before |= bits
        places = coverage.new_lines(maps[len(pool.shared) :], before, _OWN)
        known[keys[program]] = [tried[program][place] for place in places]
    return {program: known[keys[program]] for program in tried}


def _run(task: PublicTask, programs: Sequence[str], inputs: tuple[str, ...], runner: Execution) -> Told:
    """Run programs on inputs, a function's light ones first.

    A call that does not end costs a program those after it, so that calls at the edges come last; and all heavy ones,
    since more of them would mostly cost the same time again.
    """
    ordered = sorted(inputs, key=lambda call: (_is_at_edge(call), _effort(call), call))
    light = tuple(call for call in ordered if _effort(call) <= _LIGHT)
    heavy = tuple(call for call in ordered if _effort(call) > _LIGHT)
    outputs = np.full((len(programs), len(inputs)), NO_VALUE, np.int64)
    outputs[:, : len(light)] = _values(task, programs, light, runner)
    suspects = [place for place, row in enumerate(outputs[:, : len(light)]) if (row == NO_VALUE).any()]
    rows = runner.evaluate(task, [programs[place] for place in suspects], light) if suspects else []
    endless = {place for place, row in zip(suspects, rows, strict=True) if any(cell.error == "timeout" for cell in row)}
    others = [place for place in range(len(programs)) if place not in endless]
    outputs[others, len(light) :] = _values(task, [programs[place] for place in others], heavy, runner)
    return Told((*light, *heavy), outputs)


def _values(task: PublicTask, programs: Sequence[str], inputs: tuple[str, ...], runner: Execution) -> IntArray:
    if not inputs or not programs:
        return np.empty((len(programs), len(inputs)), np.int64)
    return runner.values(task, programs, inputs)


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
