"""Asserts out of texts that a model wrote as tests."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._util.parsing import UNPARSABLE, parse
from .agreement import NO_VALUE, Executions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..estimators import FloatArray, IntArray
    from ..records import Candidate, PublicTask
    from .protocol import Context

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint", "\n```")
"""Ends of a text of tests (Chen et al. 2022, "CodeT", appendix A), and of a fence in a chat answer."""

PER_SAMPLE = 5
"""Asserts kept from one text: the first valid ones (CodeT, section 3)."""

_MAX_CHARACTERS = 2000
_UNSAFE = frozenset(
    {"breakpoint", "compile", "delattr", "eval", "exec", "exit", "getattr", "globals", "help", "input", "locals"}
    | {"memoryview", "open", "quit", "setattr", "vars"}
)
"""Builtins that no honest test of a function's result needs, and that could reach the process that compares."""


class Assert(NamedTuple):
    """One distinct assert, as expressions.

    Attributes:
        holds: The condition as it was written, normalised.
        call: The call of the entry point that it is about.
        expected: The other side of the comparison, where the condition is `call == expected`; else None.
        copies: Texts that it is in, counted once in each place.
    """

    holds: str
    call: str
    expected: str | None
    copies: int


@lru_cache(maxsize=64)
def asserts_in(samples: tuple[str, ...], entry_point: str, *, per_sample: int = PER_SAMPLE) -> tuple[Assert, ...]:
    """List the distinct asserts of some texts by first appearance; a text may begin within its first assert.

    As in CodeT, each text gives the first that compile and name the entry point. Of these, the ones that do not call
    it are left out, and those that reach for more than values: names or attributes that begin with an underscore, and
    builtins such as `eval`.
    """
    found: dict[str, tuple[str, str, str | None]] = {}
    counts: Counter[str] = Counter()
    for sample in samples:
        for condition in islice(_conditions(sample, entry_point), per_sample):
            if not _is_fit(condition, entry_point):
                continue
            text = ast.unparse(condition)
            if text not in found:
                found[text] = (text, *_parts(condition, entry_point))
            counts[text] += 1
    return tuple(Assert(*parts, counts[text]) for text, parts in found.items())


def _conditions(sample: str, entry_point: str) -> Iterator[ast.expr]:
    for part in _truncated(sample).split("assert "):
        if entry_point not in part or len(part) > _MAX_CHARACTERS:
            continue
        condition = _condition(part.strip())
        if condition is not None:
            yield condition


def _truncated(sample: str) -> str:
    ends = [place for stop in STOP if (place := sample.find(stop)) != -1]
    return sample[: min(ends, default=len(sample))]


def _condition(text: str) -> ast.expr | None:
    """Parse the condition of the assert that `text` continues, leaving out later lines."""
    try:
        with warnings.catch_warnings():
            # Models write `x is 1`, which Python's compiler warns about.
            warnings.simplefilter("ignore")
            tree = parse("assert " + text)
            compile(tree, "<assert>", "exec", dont_inherit=True)
    except UNPARSABLE:
        return None
    (first, *_) = tree.body
    return first.test if isinstance(first, ast.Assert) else None


def _is_fit(condition: ast.expr, entry_point: str) -> bool:
    calls = False
    for node in ast.walk(condition):
        if isinstance(node, ast.Name) and (node.id in _UNSAFE or node.id.startswith("_")) and node.id != entry_point:
            return False
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            return False
        if isinstance(node, (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)):
            return False
        calls = calls or _is_call(node, entry_point)
    return calls


def _parts(condition: ast.expr, entry_point: str) -> tuple[str, str | None]:
    """Find a condition's call, and the value that it should equal."""
    if isinstance(condition, ast.Compare) and len(condition.ops) == 1 and isinstance(condition.ops[0], ast.Eq):
        sides = (condition.left, condition.comparators[0])
        for call, other in (sides, sides[::-1]):
            if _is_call(call, entry_point) and not _calls(other, entry_point) and not _calls(call, entry_point)[1:]:
                return ast.unparse(call), ast.unparse(other)
    return ast.unparse(_calls(condition, entry_point)[0]), None


def _calls(tree: ast.AST, entry_point: str) -> Sequence[ast.AST]:
    return [node for node in ast.walk(tree) if _is_call(node, entry_point)]


def _is_call(node: ast.AST, entry_point: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == entry_point


class AssertRuns(NamedTuple):
    """Executions of some candidates' distinct programs, and the one that each candidate is, [candidates]."""

    executions: Executions
    place: IntArray
    programs: tuple[str, ...]

    def spread(self, scores: FloatArray) -> tuple[float, ...]:
        """Spread scores of distinct programs to candidates."""
        return tuple(scores[self.place].tolist())


def execute(
    task: PublicTask,
    candidates: Sequence[Candidate],
    context: Context,
    *,
    tests: int | None = None,
    per_sample: int = PER_SAMPLE,
) -> AssertRuns | None:
    """Run the distinct programs on the generated tests; None where there are no candidates or no valid asserts.

    An assert `call == value` holds where the call's value equals that of the expected side, evaluated separately; any
    other is evaluated as it stands. Inputs are the distinct calls.

    Args:
        task: The task.
        candidates: Its candidates.
        context: Offers a runner and generated tests.
        tests: How many texts of tests to use, from the first; all where None.
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
    return AssertRuns(executions, place, programs)
