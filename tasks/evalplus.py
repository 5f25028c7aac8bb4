"""Tests in EvalPlus' form (Liu et al. 2023): inputs, and a reference that gives the expected results.

HumanEvalPlus and MbppPlus have one row per task with `base_input` (the benchmark's own inputs), `plus_input` (the
inputs that EvalPlus adds), `atol` and a `canonical_solution`. Tests made from them call the reference where the tests
run, so its results need not be written down.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .._util.bounded import is_number
from .._util.printable import quoted
from ..errors import UserError
from ..records import HiddenTests
from .evalplus_rules import ARGUMENTS, ORACLES, WITHOUT_ORACLE

if TYPE_CHECKING:
    from collections.abc import Mapping

FLOAT_TOLERANCE = 1e-6
"""Tolerance for floats where `atol` is 0, as in EvalPlus."""

_PAIRS = """\
import copy
import itertools
import json
import math


def frozen(value):
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def arguments(args):
    return {arguments}


reference_module = {{"__name__": "reference"}}
exec({reference!r}, reference_module)
reference = reference_module[{entry_point!r}]
pairs = [(args, reference(*copy.deepcopy(args))) for args in map(arguments, json.loads({inputs!r}))]
"""

_CHECK = """\

tolerance = {tolerance!r}


def check(candidate):
    for args, expected in pairs:
        result = candidate(*copy.deepcopy(args))
        assert {condition}
"""

_NO_CHECK = """\
def check(candidate):
    raise AssertionError({reason!r})
"""


def has_inputs(row: Mapping[str, Any]) -> bool:
    """Whether a row has tests in this form."""
    return row.get("base_input") is not None


def input_tests(place: str, row: Mapping[str, Any], task_id: str, entry_point: str, reference: str) -> HiddenTests:
    """Make a row's hidden tests, base inputs first.

    The style is `pairs`, or `check` where EvalPlus judges a task by a special rule. A task that EvalPlus lets every
    program pass gets tests that even its reference fails, so that it is left out.

    Args:
        place: Where the row is, for messages.
        row: The row.
        task_id: The task's id, which EvalPlus' rules use, as in `Mbpp/2`.
        entry_point: The tested function.
        reference: A whole program that defines it.

    Raises:
        UserError: If the inputs or the tolerance are not in EvalPlus' form.
    """
    inputs = [*_inputs(place, row, "base_input"), *_inputs(place, row, "plus_input")]
    if not inputs:
        raise UserError(f"{place}: neither base_input nor plus_input holds an input; a task needs one to be tested")
    tolerance = _tolerance(place, row) or FLOAT_TOLERANCE
    dataset, _, number = task_id.partition("/")
    reason = WITHOUT_ORACLE.get((dataset, entry_point))
    if reason is not None:
        return HiddenTests(style="check", code=_NO_CHECK.format(reason=reason))
    try:
        # As text, since a list in source takes ten times as long to load and a hundred times its size in memory.
        text = json.dumps(inputs, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{place}: the inputs are not plain JSON ({error}); take EvalPlus' own .jsonl") from None
    code = _PAIRS.format(
        arguments=ARGUMENTS.get((dataset, number), "tuple(args)"),
        reference=reference,
        entry_point=entry_point,
        inputs=text,
    )
    condition = ORACLES.get((dataset, entry_point))
    if condition is None:
        return HiddenTests(style="pairs", code=code, tolerance=tolerance)
    return HiddenTests(style="check", code=code + _CHECK.format(tolerance=tolerance, condition=condition))


def _inputs(place: str, row: Mapping[str, Any], field: str) -> list[list[Any]]:
    inputs = row.get(field)
    if inputs is None:
        return []
    if not isinstance(inputs, list) or not all(isinstance(args, list) for args in inputs):
        raise UserError(f"{place}: {field} is not a list of argument lists; take EvalPlus' own .jsonl")
    return inputs


def _tolerance(place: str, row: Mapping[str, Any]) -> float:
    atol: Any = row.get("atol")
    if not is_number(atol) or atol < 0:
        raise UserError(f"{place}: atol is {quoted(atol)}, not a number of at least 0; give 0 where results are exact")
    return float(atol)
