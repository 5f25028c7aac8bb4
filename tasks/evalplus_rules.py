"""EvalPlus 0.3.1's knowledge of single tasks beyond their rows: types that JSON lost, and rules of judging."""

from __future__ import annotations

from collections.abc import Mapping

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
