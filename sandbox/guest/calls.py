"""Cases of a function: arguments and the right result, both in JSON, and the rules by which results are compared.

Results are plain data by now: no method of a candidate's class runs in a comparison.
"""

from __future__ import annotations

import json
from typing import Any, Callable, NamedTuple


class Case(NamedTuple):
    """The arguments of one call and its right result."""

    arguments: list[Any]
    right: Any


def read_case(arguments: str, right: str) -> Case:
    """Read a case.

    Raises:
        ValueError: a text is no JSON, or the arguments are no array.
    """
    case = Case(json.loads(arguments), json.loads(right))
    if not isinstance(case.arguments, list):
        raise ValueError("the arguments are no JSON array")
    return case


def equal(result: Any, right: Any) -> bool:
    """Whether a result is right as LiveCodeBench has it: equal, where a tuple counts as a list, not those inside it."""
    return bool(listed(result) == right)


def listed(result: Any) -> Any:
    """A result that is a tuple, as a list; any other as it is."""
    return list(result) if isinstance(result, tuple) else result


def apps_equal(result: Any, right: Any) -> bool:
    """Whether a result is right as APPS' grader has it.

    Beyond `equal` the result may equal the first item of the right one, since APPS wraps some results in a list, and
    so may a sequence that begins with a tuple, with all its items made lists.
    """
    if equal(result, right):
        return True
    if not isinstance(right, list) or not right:
        return False
    if equal(result, right[0]):
        return True
    is_sequence = isinstance(result, (list, tuple)) and bool(result) and isinstance(result[0], tuple)
    if not is_sequence or not all(isinstance(item, (list, tuple)) for item in result):
        return False
    return bool([list(item) for item in result] == right[0])


RESULT_RULES: dict[str, Callable[[Any, Any], bool]] = {"equal": equal, "apps": apps_equal}
"""Rules by name. `sandbox/rules.py` has those for outputs."""


def integer_keys(value: Any) -> Any:
    """A dict with its keys made integers, as APPS' grader makes those of a first argument and of a right result.

    Any other value, and a dict with a key that is no integer, is returned as it is.
    """
    if not isinstance(value, dict):
        return value
    try:
        return {int(key): item for key, item in value.items()}
    except ValueError:
        return value


def apps_case(case: Case) -> Case:
    """The case as APPS' grader hands it to a function: JSON has made texts of the keys of dicts."""
    arguments, right = case
    if arguments:
        arguments = [integer_keys(arguments[0]), *arguments[1:]]
    if isinstance(right, list) and right:
        right = [integer_keys(right[0]), *right[1:]]
    return Case(arguments, integer_keys(right))


def read_cases(tests: dict[str, Any]) -> list[Case]:
    """Read the cases of a suite whose code is a JSON array of pairs of texts.

    Raises:
        ValueError: as `read_case`.
    """
    cases = [read_case(arguments, right) for arguments, right in json.loads(tests["code"])]
    return [apps_case(case) for case in cases] if tests["rule"] == "apps" else cases
