"""Which tests make the same calls whatever they are answered: known shapes, and random tests with random answers."""

from __future__ import annotations

import random
from itertools import zip_longest
from typing import Any

import pytest
from codebudget.sandbox.fixed_calls import has_fixed_calls
from codebudget.tasks import load_benchmark
from hypothesis import example, given, settings
from hypothesis import strategies as st

FIXED = [
    "assert f(1) == 2\nassert f(2) == 3",
    "assert f(f2(1)) == 2".replace("f2", "abs"),
    "assert sorted(f([3, 1])) == [1, 3]",
    "for x, y in [(1, 2), (2, 3)]:\n    assert abs(f(x) - y) < 1e-6",
    "import math\nfor x in range(3):\n    assert math.isclose(f(x), x)\nassert f(9) == 9",
    "x = [3, 1]\nassert f(x) == 1\nassert f(x) == 1",
    "first = f(1)\nassert first == 2\nassert f(2) == 3",
    "assert f(1) == 2 and f(2) == 3",
    "assert all(f(x) == x for x in range(3))",
    "assert [f(x) for x in (1, 2)] == [2, 3]",
    "def twice(x):\n    return 2 * x\nassert f(twice(2)) == 5",
    "assert (f(1) if True else 0) == 1",
    "assert f(1) == f(2)",
    "assert not f(0)",
]
NOT_FIXED = [
    "a = f(3)\nassert f(a) == 8",
    "assert f(f(1)) == 2",
    "assert f(1) == 2 or f(2) == 3",
    "assert any(f(x) for x in range(3))",
    "if f(1) == 2:\n    assert f(2) == 3",
    "x = []\nx.append(f(1))\nassert f(x) == 1",
    "x = {}\nx['a'] = f(1)\nassert f(x) == 1",
    "import heapq\nheap = [1]\nheapq.heappush(heap, f(2))\nassert f(heap) == 1",
    "g = f\nassert g(1) == 2",
    "assert list(map(f, [1, 2])) == [2, 3]",
    "def g(x):\n    return f(x)\nassert g(1) == 2",
    "try:\n    f(1)\nexcept ValueError:\n    assert f(2) == 3",
    "while f(1) < 3:\n    pass\nassert f(2) == 3",
    "for x in f(3):\n    assert f(x) == x",
    "assert eval('f(1)') == 2\nassert f(eval('2')) == 3",
    "assert (lambda x: f(x))(1) == 2",
    "kept = []\ndef keep(x):\n    kept.append(x)\ndef last():\n    return kept[-1]\nkeep(f(1))\nassert f(last()) == 1",
    "x = f(1) and f(2)",
    "assert not (f(1) and f(2))",
    "assert (f(1) < f(2) < f(3)) == True",
    "with open('x') as stream:\n    assert f(1) == 2",
    "assert f((y := f(1))) == y",
]


@pytest.mark.parametrize("code", FIXED)
def test_these_are_fixed(code: str) -> None:
    assert has_fixed_calls("asserts", code, ["f"], changes_arguments=False)


@pytest.mark.parametrize("code", NOT_FIXED)
def test_these_are_not(code: str) -> None:
    assert not has_fixed_calls("asserts", code, ["f"], changes_arguments=False)


def test_an_argument_that_comes_back_changed_carries_an_answer() -> None:
    code = "x = [3, 1]\nassert f(x) is None\nassert f(x) is None"
    assert has_fixed_calls("asserts", code, ["f"], changes_arguments=False)
    assert not has_fixed_calls("asserts", code, ["f"], changes_arguments=True)


def test_the_parameter_of_check_is_the_function() -> None:
    fixed = "METADATA = {}\ndef check(candidate):\n    assert candidate(1) == 2\n    assert candidate(2) == 3\n"
    assert has_fixed_calls("check", fixed, ["f"], changes_arguments=False)
    assert not has_fixed_calls("check", fixed.replace("(2)", "(candidate(1))"), ["f"], changes_arguments=False)
    assert not has_fixed_calls("check", "check = 1", ["f"], changes_arguments=False)


def test_an_expression_may_leave_no_call_out() -> None:
    def fixed(*expressions: str) -> bool:
        return has_fixed_calls("expressions", expressions, ["f"], changes_arguments=False)

    assert fixed("f(1)", "f(2) == 3", "sorted(f([2, 1]))")
    # Where the first call raises, the second is left out, and the next expression is evaluated all the same.
    assert not fixed("f(1) + f(2)", "f(3)")
    assert not fixed("f(f(1))")
    assert not fixed("f(1", "f(2)")


def test_a_method_is_called_on_a_new_instance() -> None:
    def fixed(*expressions: str) -> bool:
        return has_fixed_calls("expressions", expressions, ["Solution.f"], changes_arguments=False)

    assert fixed("Solution().f([1, 2])", "len(Solution().f(2))", "[1, 2]")
    assert not fixed("Solution().f(Solution().f(1))")
    assert not fixed("Solution().f(1) or Solution().f(2)")
    assert not fixed("(lambda made: made.f(1))(Solution())")
    assert not fixed("Solution")


def test_pairs_are_fixed() -> None:
    assert has_fixed_calls("pairs", "pairs = [((1,), 2)]", ["f"], changes_arguments=True)


def test_nearly_all_of_the_benchmarks_are_fixed() -> None:
    for name in ("humaneval", "nano"):
        tasks = [task for task in load_benchmark(name).tasks if task.tests is not None]
        fixed = [
            has_fixed_calls(task.tests.style, task.tests.code, [task.entry_point], changes_arguments=False)
            for task in tasks
        ]
        assert sum(fixed) >= len(tasks) - 1


values = st.sampled_from(["1", "2", "a", "b", "c", "[1]", "[a]", "xs", "len(xs)"])


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return inner.map(lambda text: f"f({text})")


expressions = st.recursive(
    values | calls(values),
    lambda inner: st.one_of(
        calls(inner),
        st.tuples(inner, st.sampled_from(["+", "==", "<", "and", "or"]), inner).map(" ".join).map("({})".format),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} if {three[1]} else {three[2]})"),
        inner.map("(not {})".format),
        inner.map("abs({})".format),
        st.tuples(inner, inner).map(lambda two: f"[{two[0]} for a in ({two[1]},)]"),
        inner.map("all({} for a in range(3))".format),
        inner.map("any({} for a in range(3))".format),
        inner.map("sorted([{}])".format),
    ),
    max_leaves=4,
)
names = st.sampled_from(["a", "b", "c"])
simple = st.one_of(
    expressions.map("assert {}".format),
    expressions.map("xs.append({})".format),
    st.tuples(names, expressions).map(" = ".join),
    expressions,
)


def indented(statement: str) -> str:
    return "\n".join(f"    {line}" for line in statement.split("\n"))


statements = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.tuples(expressions, inner).map(lambda two: f"if {two[0]}:\n{indented(two[1])}"),
        st.tuples(names, inner).map(lambda two: f"for {two[0]} in range(2):\n{indented(two[1])}"),
        inner.map(lambda body: f"try:\n{indented(body)}\nexcept TypeError:\n    b = 3"),
        inner.map(lambda body: f"def g():\n{indented(body)}\ng()"),
    ),
    max_leaves=3,
)


def calls_made(code: str, seed: int) -> list[Any]:
    """The calls of tests that are answered at random, up to their end."""
    randomness = random.Random(seed)
    made: list[Any] = []

    def f(argument: Any) -> Any:
        made.append(repr(argument))
        return randomness.choice([0, 1, 2, [], [1], True, False])

    try:
        exec(code, {"f": f, "a": 1, "b": 2, "c": 3, "xs": [1]})
    except Exception:
        return made
    return [*made, "end"]


@settings(max_examples=400, deadline=None)
@given(st.lists(statements, min_size=1, max_size=4).map("\n".join))
@example("a = f(1)\nassert a\nf(2)")
def test_fixed_calls_do_not_depend_on_answers(code: str) -> None:
    """Two runs make the same calls until one of them ends."""
    if not has_fixed_calls("asserts", code, ["f"], changes_arguments=False):
        return
    runs = [calls_made(code, seed) for seed in range(8)]
    for run in runs[1:]:
        for one, other in zip_longest(runs[0], run):
            if one is None or other is None:
                break
            assert one == other, code
