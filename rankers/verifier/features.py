"""Features of a task's candidates that need no hidden test: text, logprobs, execution, examples, generated tests.

They are in groups, because not every task has all: a benchmark may show no examples, an engine may report no logprobs.
Where a value depends on the model's or the task's scale, the feature is its difference from the pool's median, so that
what was learnt on one benchmark can hold on another.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ..._util.parsing import module
from ..agreement import NO_VALUE, agreement_shares, groups, maxpass
from ..code import code_characters, is_degenerate
from ..combine import form
from ..consensus import text_signs
from ..inputs.mutation import variants
from ..runs import execute, pool_of
from ..simple import Examples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...estimators import FloatArray, IntArray
    from ...records import Candidate, PublicTask
    from ..agreement import Executions
    from ..protocol import Context

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("unread", "empty", "unparsable", "degenerate", "length", "length_off", "form_share", "cut"),
    "logprobs": ("mean_logprob", "mean_logprob_off", "sum_logprob_off", "least_logprob"),
    "execution": ("ran", "distinct_results", "cluster_share", "cluster_relative", "overlap"),
    "examples": ("examples_held", "all_examples_held"),
    "tests": ("asserts_held", "asserts_held_relative", "consensus"),
}
"""Names of the features by group; a candidate always has its text.

Attributes:
    unread: Share of the entry point's parameters that are never read.
    empty: It returns nothing, or one constant.
    unparsable, degenerate: It is no Python; it does nothing, or repeats itself.
    length, length_off: Natural logarithm of its code's characters over the pool's median, and the distance from 0.
    form_share: Share of the candidates that are the same but for names and layout.
    cut: It reached its token limit.
    mean_logprob: Of its tokens; with `_off`, minus the pool's median, as is their sum. `least_logprob`: the lowest.
    ran: Share of inputs on which it returned something.
    distinct_results: Distinct values among what it returned, over the inputs.
    cluster_share: Share of the candidates that return the same on all inputs; `_relative`, over the largest cluster's.
    overlap: Mean share of inputs on which it returns the same as a candidate.
    examples_held, all_examples_held: Share of the visible examples, and whether that is 1.
    asserts_held: Share of the generated asserts; `_relative`, over the most that any candidate holds.
    consensus: Square root of the share of candidates that hold the same asserts, times the share of those.
"""

_LEAST_LOGPROB: Final = -50.0
_MOST_INPUTS: Final = 100


class Description(NamedTuple):
    """A task's candidates as a verifier sees them.

    Attributes:
        available: The groups that there are.
        values: Features by name, each [candidates]; of the groups that there are.
        cluster: [candidates]: the number of its behaviour: equal where programs return the same on all inputs, or,
            without inputs, where they are the same but for names and layout.
    """

    available: frozenset[str]
    values: dict[str, FloatArray]
    cluster: IntArray

    def table(self, names: Sequence[str]) -> FloatArray:
        """Put some features side by side: [candidates, names]."""
        return np.stack([self.values[name] for name in names], axis=1)


def describe(task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Description:
    """Compute all features of at least one candidate; programs are run on generated tests, or else like the examples.

    A task has the group `logprobs` where all of its candidates have them, `execution` where there is an input,
    `examples` where it shows any, and `tests` where a generated one is valid.
    """
    values, cluster = _text(task, candidates)
    parts = {"text": values}
    logprobs = [candidate.logprobs for candidate in candidates]
    if all(logprobs):
        parts["logprobs"] = _logprobs([one or () for one in logprobs])
    executed = execute(task, candidates, context) if context.has("tests") else None
    if executed is not None:
        outputs, place = executed.executions.outputs, executed.place
        parts["tests"] = _spread(_tests(executed.executions), place)
    else:
        outputs, place = _like_examples(task, candidates, context)
    if outputs.shape[1]:
        copies = np.bincount(place, minlength=len(outputs)).astype(np.int64)
        found, behaviour = _execution(outputs, copies)
        parts["execution"], cluster = _spread(found, place), behaviour[place]
    if task.cases if task.is_script else task.examples:
        held = np.array(Examples().rank(task, candidates, context).scores, np.float64)
        parts["examples"] = {"examples_held": held, "all_examples_held": (held == 1.0).astype(np.float64)}
    return Description(frozenset(parts), {name: one for part in parts.values() for name, one in part.items()}, cluster)


def _text(task: PublicTask, candidates: Sequence[Candidate]) -> tuple[dict[str, FloatArray], IntArray]:
    rows = np.array([_signs(candidate.program, task.entry_point) for candidate in candidates], np.float64)
    unread, empty, unparsable, degenerate, size = rows.T
    length = np.log(size / np.median(size))
    forms = [form(candidate.program, task.entry_point) for candidate in candidates]
    number = {one: place for place, one in enumerate(dict.fromkeys(forms))}
    same = np.array([number[one] for one in forms], np.int64)
    values = {
        "unread": unread,
        "empty": empty,
        "unparsable": unparsable,
        "degenerate": degenerate,
        "length": length,
        "length_off": np.abs(length),
        "form_share": np.bincount(same)[same] / len(candidates),
        "cut": np.array([candidate.finish_reason == "length" for candidate in candidates], np.float64),
    }
    return values, same


@lru_cache(maxsize=1 << 14)
def _signs(program: str, entry_point: str) -> tuple[float, float, float, float, float]:
    signs = text_signs(program, entry_point)
    return (
        signs.unused,
        float(signs.empty),
        float(module(program) is None),
        float(is_degenerate(program, entry_point)),
        1.0 + code_characters(program),
    )


def _logprobs(logprobs: Sequence[tuple[float, ...]]) -> dict[str, FloatArray]:
    found = np.array([_of_tokens(one) for one in logprobs], np.float64)
    mean, total, least = found.T
    return {
        "mean_logprob": mean,
        "mean_logprob_off": mean - np.median(mean),
        "sum_logprob_off": total - np.median(total),
        "least_logprob": least,
    }


@lru_cache(maxsize=1 << 14)
def _of_tokens(logprobs: tuple[float, ...]) -> tuple[float, float, float]:
    # A token of probability 0 has an infinite logprob, and weighs like a very unlikely one. None is likelier than 1,
    # whatever a file says.
    bounded = [min(max(one, _LEAST_LOGPROB), 0.0) for one in logprobs]
    return math.fsum(bounded) / len(bounded), math.fsum(bounded), min(bounded)


def _like_examples(task: PublicTask, candidates: Sequence[Candidate], context: Context) -> tuple[IntArray, IntArray]:
    """Run the distinct programs on the examples' inputs and, of functions, on calls like theirs."""
    pool = pool_of(candidates)
    if task.is_script:
        inputs = [case.input for case in task.cases]
    else:
        inputs = [call for example in task.examples for call in variants(example.call)]
    inputs = list(dict.fromkeys(inputs))[:_MOST_INPUTS]
    if not inputs:
        return np.empty((len(pool.programs), 0), np.int64), pool.place
    return context.runner.values(task, pool.programs, inputs), pool.place


def _execution(outputs: IntArray, copies: IntArray) -> tuple[dict[str, FloatArray], IntArray]:
    """Compute features of distinct programs, and number their behaviours."""
    behaviour, sizes = groups(outputs, copies)
    share = sizes / copies.sum()
    ordered = np.sort(outputs, axis=1)
    distinct = 1 + (np.diff(ordered, axis=1) != 0).sum(axis=1) - (outputs == NO_VALUE).any(axis=1)
    values = {
        "ran": (outputs != NO_VALUE).mean(axis=1),
        "distinct_results": distinct / outputs.shape[1],
        "cluster_share": share,
        "cluster_relative": share / share.max(),
        "overlap": agreement_shares(outputs) @ copies / copies.sum(),
    }
    return values, behaviour


def _tests(executions: Executions) -> dict[str, FloatArray]:
    held = maxpass(executions) / executions.votes.sum()
    _, sizes = groups(executions.holds, executions.copies)
    return {
        "asserts_held": held,
        "asserts_held_relative": held / max(held.max(), 1e-9),
        "consensus": np.sqrt(sizes / executions.copies.sum()) * held,
    }


def _spread(values: dict[str, FloatArray], place: IntArray) -> dict[str, FloatArray]:
    return {name: one[place] for name, one in values.items()}
