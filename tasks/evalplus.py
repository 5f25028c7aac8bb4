"""Tests in EvalPlus' form (Liu et al. 2023): inputs, and a reference that gives the expected results.

HumanEvalPlus and MbppPlus have one row per task with `base_input` (the benchmark's own inputs), `plus_input` (the
inputs that EvalPlus adds), `atol` and a `canonical_solution`. Tests made from them call the reference where the tests
run, so its results need not be written down.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .._util.bounded import is_number
from .._util.printable import quoted
from ..errors import UserError
from ..records import HiddenTests

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

_WRITTEN = """\
from math import inf, nan

inputs = {inputs}
results = {results}
pairs = [(tuple(args), expected) for args, expected in zip(inputs, results, strict=True)]
"""

_REFERRED = """\
import copy
from math import inf, nan

reference_module = {{"__name__": "reference"}}
exec({reference!r}, reference_module)
reference = reference_module[{entry_point!r}]
inputs = {inputs}
pairs = [(tuple(args), reference(*copy.deepcopy(args))) for args in inputs]
"""

_WRITTEN_INPUTS = re.compile(r"^[ \t]*inputs = (?P<source>\[.*\])[ \t]*$", re.MULTILINE)
_WRITTEN_RESULTS = re.compile(r"^[ \t]*results = (?P<source>\[.*\])[ \t]*$", re.MULTILINE)
_WRITTEN_LOOP = re.compile(
    r"^[ \t]*for i, (?:\(inp, exp\) in enumerate\(zip\(inputs, results\)\)|inp in enumerate\(inputs\)):\n"
    r"[ \t]*assertion\(\w+\(\*inp\), (?:exp|(?P<reference>ref_func)\(\*inp\)), (?P<tolerance>[\d.e+-]+)\)",
    re.MULTILINE,
)

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
        raise UserError(f"{place}: neither base_input nor plus_input contains an input; a task needs at least one")
    tolerance = _tolerance(place, row) or FLOAT_TOLERANCE
    dataset, _, number = task_id.partition("/")
    reason = WITHOUT_ORACLE.get((dataset, entry_point))
    if reason is not None:
        return HiddenTests(style="check", code=_NO_CHECK.format(reason=reason))
    try:
        # As text, since a list in source takes ten times as long to load and a hundred times its size in memory.
        text = json.dumps(inputs, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{place}: the inputs are not plain JSON ({error}); use EvalPlus' own .jsonl") from None
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


def written_tests(test: str, task_id: str, entry_point: str, reference: str | None) -> HiddenTests | None:
    """Take the tests of a row of EvalPlus' data sets on the hub, which have inputs and results written out.

    Where they have no results but call their reference, so do these.

    Theirs compare by numpy, which need not be where tests run; these compare by the same rules without it.

    Args:
        test: The row's test code.
        task_id: The task's id, as in `Mbpp/2`.
        entry_point: The tested function.
        reference: A whole program that defines it.

    Returns:
        The tests; None for test code of another form.
    """
    inputs, results, loop = (pattern.search(test) for pattern in (_WRITTEN_INPUTS, _WRITTEN_RESULTS, _WRITTEN_LOOP))
    if inputs is None or loop is None or (reference if loop["reference"] else results) is None:
        return None
    tolerance = float(loop["tolerance"]) or FLOAT_TOLERANCE
    dataset = task_id.partition("/")[0]
    reason = WITHOUT_ORACLE.get((dataset, entry_point))
    if reason is not None:
        return HiddenTests(style="check", code=_NO_CHECK.format(reason=reason))
    if results is not None and not loop["reference"]:
        code = _WRITTEN.format(inputs=inputs["source"], results=results["source"])
    else:
        code = _REFERRED.format(reference=reference, entry_point=entry_point, inputs=inputs["source"])
    condition = ORACLES.get((dataset, entry_point))
    if condition is None:
        return HiddenTests(style="pairs", code=code, tolerance=tolerance)
    imports = "import copy\nimport itertools\nimport math\n"
    return HiddenTests(style="check", code=imports + code + _CHECK.format(tolerance=tolerance, condition=condition))


def _inputs(place: str, row: Mapping[str, Any], field: str) -> list[list[Any]]:
    inputs = row.get(field)
    if inputs is None:
        return []
    if not isinstance(inputs, list) or not all(isinstance(args, list) for args in inputs):
        raise UserError(f"{place}: {field} is not a list of argument lists; use EvalPlus' own .jsonl")
    return inputs


def _tolerance(place: str, row: Mapping[str, Any]) -> float:
    atol: Any = row.get("atol")
    if not is_number(atol) or atol < 0:
        raise UserError(f"{place}: atol is {quoted(atol)}, not a number of at least 0; use 0 where results are exact")
    return float(atol)


Rules = Mapping[tuple[str, str], str]


def _numbered(groups: Mapping[str, str]) -> Rules:
    return {("Mbpp", number): source for source, numbers in groups.items() for number in numbers.split()}


ARGUMENTS = _numbered(
    {
        "tuple(map(tuple, args))": (
            "2 116 132 143 222 261 273 394 399 421 424 429 470 560 579 596 616 630 726 740 744 809"
        ),
        "tuple([tuple(item) for item in arg] for arg in args)": (
            "63 64 70 94 120 237 272 299 400 409 417 438 473 614 780"
        ),
        "([tuple(item) for item in args[0]], *args[1:])": "75 413 444 753",
        "(args[0], tuple(args[1]))": "106 750",
        "(tuple(args[0]), *args[1:])": "250 307 405 446 617 720 763 808",
        "tuple(tuple(map(tuple, arg)) for arg in args)": "259 401 445",
        "tuple(tuple(tuple(item) if isinstance(item, list) else item for item in arg) for arg in args)": "278",
        "({key: tuple(value) for key, value in args[0].items()}, *args[1:])": "722",
        "([set(item) if isinstance(item, list) and item else {} for item in args[0]],)": "115",
        "(float(args[0]), complex(args[1]))": "124",
        "(complex(args[0]),)": "252",
        "frozen(args)": "580 615 791",
    }
)
"""By data set and number, what the listed `args` of one call stand for, as a Python expression.

MBPP's own tests pass tuples, sets and complex numbers, which JSON writes as lists and text.
"""

_SAME_SET = "set(result) == set(expected)"
_IS_FOUND = (
    "(result if isinstance(result, bool) else result is not None) "
    "== (expected if isinstance(expected, bool) else expected is not None)"
)

ORACLES: Rules = {
    # Any zero of the polynomial will do.
    ("HumanEval", "find_zero"): (
        "abs(sum(factor * math.pow(result, power) for power, factor in enumerate(args[0]))) <= tolerance"
    ),
    # Numbers below 2 have no proper divisor, though the reference counts 1. EvalPlus takes 0 for every number.
    ("Mbpp", "sum_div"): "result == expected or (args[0] < 2 and result == 0)",
    # The height of the pyramid may be the slant height, as the reference has it, or the perpendicular one.
    ("Mbpp", "surface_Area"): (
        "result == expected "
        "or abs(result - round(args[0] ** 2 + 2 * args[0] * math.hypot(args[0] / 2, args[1]))) <= tolerance "
        "or (type(result) is type(expected) is float "
        "and abs(result - expected) <= tolerance + 1e-7 * abs(expected))"
    ),
    # Digits may be compared from the right, the shorter number filled up with zeros.
    ("Mbpp", "digit_distance_nums"): (
        "result == expected or result == sum(abs(int(one) - int(other)) for one, other in "
        "itertools.zip_longest(reversed(str(args[0])), reversed(str(args[1])), fillvalue='0'))"
    ),
    # The order of two collections' common items does not matter.
    ("Mbpp", "similar_elements"): _SAME_SET,
    ("Mbpp", "find_char_long"): _SAME_SET,
    ("Mbpp", "common_in_nested_lists"): _SAME_SET,
    ("Mbpp", "extract_singly"): _SAME_SET,
    ("Mbpp", "larg_nnum"): _SAME_SET,
    ("Mbpp", "intersection_array"): _SAME_SET,
    ("Mbpp", "find_dissimilar"): _SAME_SET,
    ("Mbpp", "Diff"): _SAME_SET,
    # A match object is as good as True, and None as False.
    ("Mbpp", "check_str"): _IS_FOUND,
    ("Mbpp", "text_match_three"): _IS_FOUND,
    ("Mbpp", "text_starta_endb"): _IS_FOUND,
}
"""Condition for a right result, by data set and entry point: Python over `args`, `expected` and `result`."""

WITHOUT_ORACLE: Rules = {
    ("Mbpp", "are_equivalent"): "EvalPlus accepts every result of this task, which tells no program from another",
}
"""Tasks that cannot grade anything, and why."""
