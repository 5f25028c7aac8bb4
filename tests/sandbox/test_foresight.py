"""Calls that are foreseen never change a verdict: whatever the tests do, each program is judged as if it were alone."""

from collections.abc import Callable

import pytest
from codebudget.records import Task, Verdict
from codebudget.sandbox import Job, Sandbox

MakeTask = Callable[..., Task]

INCREMENT = "def f(x):\n    return x + 1\n"


def grade(sandbox: Sandbox, task: Task, programs: list[str]) -> list[Verdict]:
    """The verdicts on programs, in order."""
    check = next(sandbox.check([task]))
    assert check.ok, check.detail
    verdicts = dict(sandbox.grade([Job(task, check, program) for program in programs]))
    return [verdicts[place] for place in range(len(programs))]


def statuses(sandbox: Sandbox, task: Task, programs: list[str]) -> list[str]:
    """Their statuses."""
    return [verdict.status for verdict in grade(sandbox, task, programs)]


def test_calls_that_depend_on_answers(sandbox: Sandbox, make_task: MakeTask) -> None:
    task = make_task("assert f(f(f(0))) == 3\nassert f(5) == 6\n", reference=INCREMENT)
    wrong = "def f(x):\n    return x + 2\n"
    # Right on what the reference's chain asks, and only on that.
    lucky = "def f(x):\n    return {0: 10, 10: 20, 20: 3, 5: 6}[x]\n"
    assert statuses(sandbox, task, [INCREMENT, wrong, lucky, INCREMENT + "#"]) == [
        "passed",
        "wrong",
        "passed",
        "passed",
    ]


def test_calls_whose_number_depends_on_answers(sandbox: Sandbox, make_task: MakeTask) -> None:
    tests = "x = 0\nwhile x < 3:\n    x = f(x)\nassert x == 3\n"
    slow = "def f(x):\n    return x + 0.5\n"
    task = make_task(tests, reference=INCREMENT)
    assert statuses(sandbox, task, [slow, INCREMENT, slow + "#"]) == ["passed"] * 3


def test_tests_that_draw_at_random_draw_the_same(sandbox: Sandbox, make_task: MakeTask) -> None:
    tests = "import random\nfor _ in range(5):\n    x = random.randint(0, 10 ** 9)\n    assert f(x) == x + 1, x\n"
    task = make_task(tests, reference=INCREMENT)
    wrong = "def f(x):\n    return x\n"
    first, *others = grade(sandbox, task, [wrong, wrong + "#", INCREMENT, wrong + "##"])
    assert [first.status, *(verdict.status for verdict in others)] == ["wrong", "wrong", "passed", "wrong"]
    assert first.detail == others[0].detail == others[2].detail


def test_tests_that_differ_from_run_to_run(sandbox: Sandbox, make_task: MakeTask) -> None:
    tests = "import os\nfor _ in range(3):\n    x = int.from_bytes(os.urandom(8), 'big')\n    assert f(x) == x + 1\n"
    task = make_task(tests, reference=INCREMENT)
    wrong = "def f(x):\n    return x\n"
    assert statuses(sandbox, task, [INCREMENT, wrong, INCREMENT + "#", wrong + "#"]) == ["passed", "wrong"] * 2


def test_an_early_failure_decides_whatever_comes_later(sandbox: Sandbox, make_task: MakeTask) -> None:
    task = make_task("assert f(1) == 2\nassert f(2) == 3\n", reference=INCREMENT)
    endless = "def f(x):\n    while x == 2:\n        pass\n    return 0\n"
    leaving = "import os\ndef f(x):\n    if x == 2:\n        os._exit(0)\n    return 0\n"
    late = "import os\ndef f(x):\n    if x == 2:\n        os._exit(0)\n    return x + 1\n"
    assert statuses(sandbox, task, [INCREMENT, endless, leaving, late]) == ["passed", "wrong", "wrong", "crashed"]


def test_a_candidate_never_sees_a_call_before_its_turn(sandbox: Sandbox, make_task: MakeTask) -> None:
    task = make_task("assert f(1) == 2\nassert f('later' * 2) == 'laterlater1'\n", reference=GENERIC)
    # Reads on in its channel, and looks through its own memory, for what the second call will bring.
    program = """
import ctypes, re, socket
def f(x):
    if x != 1:
        return x + '1'
    channel = socket.socket(fileno=3)
    channel.setblocking(False)
    try:
        raise KeyError(channel.recv(1 << 16))
    except BlockingIOError:
        pass
    finally:
        channel.setblocking(True)
        channel.detach()
    found = 0
    with open('/proc/self/maps') as maps:
        spans = [row.split() for row in maps]
    for span, mode, *_, name in spans:
        start, end = (int(part, 16) for part in span.split('-'))
        if mode.startswith('rw') and not name.startswith('[v'):
            found += len(re.findall(b'[l]aterlater', ctypes.string_at(start, end - start)))
    raise KeyError('seen', found)
"""
    verdicts = grade(sandbox, task, [GENERIC, program, program + "#"])
    assert [verdict.status for verdict in verdicts] == ["passed", "crashed", "crashed"]
    assert [verdict.detail for verdict in verdicts[1:]] == ["KeyError: ('seen', 0)"] * 2


GENERIC = "def f(x):\n    return x + (1 if isinstance(x, int) else '1')\n"


def test_state_of_a_program_lasts_for_its_own_run_only(sandbox: Sandbox, make_task: MakeTask) -> None:
    counting = "calls = []\ndef f(x):\n    calls.append(x)\n    return len(calls)\n"
    task = make_task("assert f(0) == 1\nassert f(0) == 2\n", reference=counting)
    assert statuses(sandbox, task, [counting, counting + "#", "def f(x):\n    return 1\n"]) == [
        "passed",
        "passed",
        "wrong",
    ]


def test_tests_start_anew_for_each_program(sandbox: Sandbox, make_task: MakeTask) -> None:
    tests = "seen = []\ndef check(candidate):\n    seen.append(candidate(1))\n    assert seen == [2]\n"
    task = make_task(tests, reference=INCREMENT)
    assert statuses(sandbox, task, [INCREMENT + "#" * n for n in range(4)]) == ["passed"] * 4


@pytest.mark.parametrize("result", ["'x' * (8 << 20)", "2 ** (1 << 22)", "[[[]]] * 50_000"])
def test_values_that_weigh_on_the_tester_do_not_reach_the_next_program(
    sandbox: Sandbox, make_task: MakeTask, result: str
) -> None:
    task = make_task("assert f(1) == 2\n", reference=INCREMENT)
    heavy = f"def f(x):\n    return {result}\n"
    assert statuses(sandbox, task, [heavy + "#" * n for n in range(3)] + [INCREMENT]) == ["wrong"] * 3 + ["passed"]
