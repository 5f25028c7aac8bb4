"""Rules of comparison, side by side where they differ, and bounded in time."""

import time
from collections.abc import Callable
from typing import Any, get_args

import pytest
from codebudget.records import Rule
from codebudget.sandbox.rules import OUTPUT_RULES, RESULT_RULES


def test_every_rule_that_tests_may_name_is_there() -> None:
    assert {*OUTPUT_RULES, *RESULT_RULES} == {*get_args(Rule)}


# Output, right output, and the rules that take it.
CASES = [
    ("1 2\n", "1 2\n", "exact tokens livecodebench apps"),
    ("1 2", "1 2\n", "tokens livecodebench apps"),
    ("1  2\n", "1 2\n", "tokens livecodebench apps"),  # as decimals, as sets
    ("a  b\n", "a b\n", "tokens apps"),
    ("1\n2\n", "1 2\n", "tokens"),
    ("1\n\n2\n", "1\n2\n", "tokens apps"),
    ("\n\n1\n2 \n\n", "1\n2\n", "tokens livecodebench apps"),
    ("  1\n  2\n", "1\n2\n", "tokens livecodebench apps"),
    ("1.0\n", "1\n", "livecodebench apps"),
    ("1e0 2.50\n", "1 2.5\n", "livecodebench apps"),
    ("0.333333\n", "0.333334\n", "apps"),
    ("0.33\n", "0.34\n", ""),
    ("1e-9\n", "0\n", "apps"),
    ("1000001\n", "1000000\n", "apps"),  # as they compare integers too
    ("1000001 5\n", "1000000 5\n", ""),  # but not two on a line
    ("0.1234 5\n", "0.12341 5\n", "apps"),  # rounded to three decimals
    ("2 1\n", "1 2\n", "apps"),
    ("b\na\n", "a\nb\n", "apps"),
    ("a a b\n", "a b\n", "apps"),
    ("a\na\n", "a\n", "apps"),
    ("a\n", "a\nb\n", ""),
    ("YES\n", "Yes\n", ""),
    ("nan\n", "nan\n", "exact tokens livecodebench apps"),
    ("nan 1\n", "nan 1.0\n", ""),
    ("inf\n", "Infinity\n", "livecodebench apps"),
    ("1e999\n", "2e999\n", "apps"),
    ("1_0\n", "10\n", "livecodebench apps"),
    ("", "", "exact tokens livecodebench apps"),
    ("\n", "", "tokens livecodebench apps"),
    ("", "1\n", ""),
    ("1\n", "", ""),
    ("1\r\n2\r\n", "1\n2\n", "tokens livecodebench apps"),
    ("a\x0cb\n", "a\nb\n", "tokens apps"),
]


@pytest.mark.parametrize(("output", "right", "rules"), CASES)
def test_what_each_rule_takes(output: str, right: str, rules: str) -> None:
    assert {name for name, rule in OUTPUT_RULES.items() if rule(output, right)} == set(rules.split())


@pytest.mark.parametrize(
    ("result", "right", "rules"),
    [
        ([1, 2], [1, 2], "equal apps"),
        ((1, 2), [1, 2], "equal apps"),
        ([(1, 2)], [[1, 2]], ""),
        ([(1, 2)], [[[1, 2]]], "apps"),
        ([(1, 2), [3]], [[[1, 2], [3]]], "apps"),
        (((1, 2),), [[[1, 2]]], "apps"),
        (3, [3], "apps"),
        ((3, 4), [[3, 4]], "apps"),
        (3, [3, 5], "apps"),
        (True, 1, "equal apps"),
        (1.0, 1, "equal apps"),
        ("1", 1, ""),
        (None, [], ""),
        ({1, 2}, [1, 2], ""),
        ({"a": (1,)}, {"a": [1]}, ""),
        (0.1 + 0.2, 0.3, ""),
        (float("nan"), float("nan"), ""),
    ],
)
def test_what_each_rule_takes_as_a_result(result: Any, right: Any, rules: str) -> None:
    assert {name for name, rule in RESULT_RULES.items() if rule(result, right)} == set(rules.split())


LINES = 300_000


@pytest.mark.parametrize("name", OUTPUT_RULES)
@pytest.mark.parametrize(
    "make",
    [
        lambda: ("1.0\n" * LINES, "1\n" * LINES),
        lambda: ("".join(f"{n}\n" for n in range(LINES)), "".join(f"{n}\n" for n in reversed(range(LINES)))),
        lambda: ("9" * 2_000_000, "9" * 1_999_999 + "8"),
        lambda: ("1e999999999\n", "1"),
        lambda: ("1e999999999999999999999\n", "1e999999999"),
        lambda: ("-" * 2_000_000, "1\n"),
        # Floats whose hashes meet in a table.
        lambda: (" ".join(str(n << 40) for n in range(50_000)), " ".join(str(n << 40) for n in range(1, 50_001))),
        lambda: ("\n" * 2_000_000, "1\n"),
        lambda: (("a " * 99 + "\n") * 10_000, ("a " * 98 + "b\n") * 10_000),
    ],
)
def test_hostile_outputs_take_no_longer_than_long_ones(name: str, make: Callable[[], tuple[str, str]]) -> None:
    output, right = make()
    start = time.process_time()
    OUTPUT_RULES[name](output, right)  # type: ignore[index]
    assert time.process_time() - start < 5
