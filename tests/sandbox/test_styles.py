"""Styles of tests, and what tests borrow from the reference."""

from collections.abc import Callable

import pytest
from codebudget.records import HiddenTests, Task
from codebudget.sandbox import Job, Sandbox
from codebudget.sandbox.guest.suite import is_close
from hypothesis import given
from hypothesis import strategies as st

MakeTask = Callable[..., Task]

THIRD = "def f(x):\n    return x / 3\n"


def pairs(code: str, reference: str, tolerance: float = 0.0) -> Task:
    """A task of input/output pairs."""
    return Task(
        id="pairs/0",
        benchmark="test",
        prompt="def f(x):\n",
        entry_point="f",
        reference=reference,
        tests=HiddenTests(style="pairs", code=code, tolerance=tolerance),
    )


def statuses(sandbox: Sandbox, task: Task, programs: list[str]) -> list[str]:
    """The statuses of programs, in order."""
    check = next(sandbox.check([task]))
    assert check.ok, check.detail
    verdicts = dict(sandbox.grade([Job(task, check, program) for program in programs]))
    return [verdicts[place].status for place in range(len(programs))]


def test_pairs(sandbox: Sandbox) -> None:
    task = pairs("pairs = [((1,), [1]), ((2,), [2, 2]), ((0,), [])]\n", "def f(x):\n    return [x] * x\n")
    check = next(sandbox.check([task]))
    assert (check.ok, check.sites) == (True, (0, 1, 2))
    tuples = "def f(x):\n    return (x,) * x\n"
    last = "def f(x):\n    return [x] * x if x else [1]\n"
    good = "def f(x):\n    return [x for _ in range(x)]\n"
    assert statuses(sandbox, task, [tuples, last, good]) == ["wrong", "wrong", "passed"]


def test_pairs_with_tolerance(sandbox: Sandbox) -> None:
    task = pairs("pairs = [((1,), 1 / 3), ((2.0,), 2 / 3)]\n", THIRD, tolerance=1e-6)
    near = "def f(x):\n    return x / 3 + 5e-7\n"
    far = "def f(x):\n    return x / 3 + 5e-6\n"
    integer = "def f(x):\n    return 0\n"
    assert statuses(sandbox, task, [near, far, integer]) == ["passed", "wrong", "wrong"]


def test_pairs_whose_arguments_are_changed(sandbox: Sandbox) -> None:
    popping = "def f(x):\n    x.pop()\n    return x\n"
    task = pairs("pairs = [(([1, 2],), [1]), (([3],), [])]\n", popping)
    copying = "def f(x):\n    return x[:-1]\n"
    assert statuses(sandbox, task, [popping, popping + "#", copying]) == ["passed"] * 3


@given(st.floats(-1e6, 1e6), st.floats(0, 1e-3), st.sampled_from([0.0, 1e-6, 1e-4]))
def test_closeness_is_that_of_allclose(expected: float, difference: float, tolerance: float) -> None:
    result = expected + difference
    same = result == expected
    assert is_close(result, expected, tolerance) is (
        same or bool(tolerance and abs(result - expected) <= tolerance + 1e-7 * abs(expected))
    )
    assert is_close([result], [expected], tolerance) is is_close(result, expected, tolerance)
    assert is_close((result,), [expected], tolerance) is False
    assert is_close([result, 0.0], [expected], tolerance) is False


@pytest.mark.parametrize("tolerance", [0.0, 1e-6])
def test_nothing_is_close_to_nan(tolerance: float) -> None:
    assert not is_close(float("nan"), float("nan"), tolerance)


def test_tests_call_a_second_function_of_the_reference(sandbox: Sandbox, make_task: MakeTask) -> None:
    reference = "def f(x):\n    return x + 1\n\ndef twice(x):\n    return f(f(x))\n"
    task = make_task("assert twice(1) == 3\n", reference=reference)
    other = "def f(x):\n    return 0\n\ndef twice(x):\n    return x + 2\n"
    without = "def f(x):\n    return x + 1\n"
    assert statuses(sandbox, task, [reference, other, without]) == ["passed", "passed", "crashed"]


def test_tests_use_what_the_reference_imports(sandbox: Sandbox, make_task: MakeTask) -> None:
    reference = "import math\nfrom collections import deque as queue\ndef f(x):\n    return math.sqrt(x)\n"
    task = make_task("assert math.isclose(f(4), 2) and queue([1])\n", reference=reference)
    assert statuses(sandbox, task, ["def f(x):\n    return x ** 0.5\n"]) == ["passed"]


def test_arguments_of_other_containers_come_back(sandbox: Sandbox, make_task: MakeTask) -> None:
    reference = "def f(x):\n    x.append(1)\n"
    tests = "from collections import deque\nx = deque([0])\nf(x)\nassert x == deque([0, 1])\ny = bytearray()\n"
    task = make_task(tests, reference=reference)
    assert statuses(sandbox, task, [reference + "#", "def f(x):\n    pass\n"]) == ["passed", "wrong"]
