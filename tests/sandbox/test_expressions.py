"""What programs answer to expressions, for rankers, and what an expression costs that a program dies in."""

import time

import pytest
from codebudget.records import Limits, PublicTask
from codebudget.sandbox import Sandbox
from codebudget.sandbox.box import Launcher

SORT = "def f(x):\n    return sorted(x)\n"
SQUARE = "def f(x):\n    return x * x\n"
EXPRESSIONS = ["f([2, 1])", "{'b': f([]), 'a': 1.0}", "f([1]) == [1]", "f(3)", "f('x' * 3)[0]", "nosuch", "1 +"]


def test_evaluate_gives_values_and_errors(sandbox: Sandbox) -> None:
    task = PublicTask(id="t", prompt="def f(x):\n", entry_point="f")
    programs = [SORT, "def f(x):\n    while True: pass\n", "f(", SORT, "def f(x):\n    return [x, print(x)]\n"]
    rows = sandbox.evaluate(task, programs, EXPRESSIONS)
    assert [len(row) for row in rows] == [len(EXPRESSIONS)] * 5
    assert [(cell.value, cell.error) for cell in rows[0]] == [
        ("[1, 2]", None),
        ("dict{'a': 1, 'b': []}", None),
        ("1", None),
        (None, "TypeError"),
        ("'x'", None),
        (None, "NameError"),
        (None, "SyntaxError"),
    ]
    assert {cell.error for cell in rows[1]} == {"timeout"}
    assert {cell.error for cell in rows[2]} == {"invalid"}
    assert rows[3] == rows[0]
    assert rows[4][0].value == "[[2, 1], None]"


def test_evaluate_says_what_killed_a_program(sandbox: Sandbox) -> None:
    task = PublicTask(id="t", prompt="def f(x):\n", entry_point="f")
    programs = [
        "import os\ndef f(x):\n    os._exit(0)\n",
        "def f(x):\n    raise SystemExit\n",
        "def f(x):\n    return object()\n",
        "def f(x):\n    return bytearray(2 << 30)\n",
    ]
    rows = sandbox.evaluate(task, programs, ["f(1)"])
    assert [row[0].error for row in rows] == ["crashed", "crashed", "wrong", "memory"]
    assert sandbox.evaluate(task, programs, []) == [[], [], [], []]


@pytest.mark.parametrize(
    ("deadly", "error"),
    [("while True: pass", "timeout"), ("import os; os._exit(0)", "crashed")],
)
def test_a_call_that_ends_a_program_costs_the_outcome_of_that_call_alone(
    usual: Sandbox, deadly: str, error: str
) -> None:
    task = PublicTask(id="t", prompt="def f(x):\n", entry_point="f")
    program = f"def f(x):\n    if x % 3 == 2:\n        {deadly}\n    return x\n"
    programs = [program, SQUARE, program.replace("% 3", "% 300")]
    rows = usual.evaluate(task, programs, [f"f({x})" for x in range(14)])
    ended = [error if x % 3 == 2 else None for x in range(12)]
    assert [cell.error for cell in rows[0]] == [*ended, error, error], "it may die in four calls"
    assert [cell.value for cell in rows[0][:2]] == ["0", "1"]
    assert [cell.value for cell in rows[1]] == [str(x * x) for x in range(14)]
    assert [cell.value for cell in rows[2]] == [None if x == 2 else str(x) for x in range(14)]


def test_a_program_that_waits_is_not_started_again(usual: Sandbox) -> None:
    task = PublicTask(id="t", prompt="def f(x):\n", entry_point="f")
    program = "import time\ndef f(x):\n    time.sleep(x % 2 * 100)\n    return x\n"
    start = time.monotonic()
    (row,) = usual.evaluate(task, [program], [f"f({x})" for x in range(8)])
    assert [(cell.value, cell.error) for cell in row] == [("0", None), *[(None, "timeout")] * 7]
    assert time.monotonic() - start < 10


def test_calls_that_take_long_are_answered_where_programs_agree_that_they_do(usual: Sandbox) -> None:
    task = PublicTask(id="t", prompt="def f(x):\n", entry_point="f")
    long = """from time import process_time
def f(x):
    end = process_time() + 0.1
    while process_time() < end:
        pass
    return x
"""
    programs = [*[f"{long}# {n}" for n in range(4)], "def f(x):\n    pass\n", "def f(x):\n    while True: pass\n"]
    rows = usual.evaluate(task, programs, ["f(1)", "f(2)", "f(3)"])
    assert [[cell.value for cell in row] for row in rows[:5]] == [["1", "2", "3"]] * 4 + [["None"] * 3]
    assert {cell.error for cell in rows[5]} == {"timeout"}


def test_a_function_may_import_on_its_first_call(usual: Sandbox) -> None:
    task = PublicTask(id="t", prompt="def f(x):\n", entry_point="f")
    # As long as some libraries take.
    lazy = """done = []
def f(x):
    import time
    start = time.process_time()
    while not done and time.process_time() - start < 0.25:
        pass
    done.append(x)
    return x
"""
    rows = usual.evaluate(task, [lazy, *[f"{SQUARE}# {n}" for n in range(3)]], ["f(1)", "f(2)"])
    assert [cell.value for cell in rows[0]] == ["1", "2"]


def test_evaluate_keeps_to_limits_that_were_set(sandbox: Sandbox) -> None:
    task = PublicTask(id="t", prompt="def f(x):\n", entry_point="f")
    program = "def f(x):\n    while x == 1: pass\n    return x\n"
    (row,) = sandbox.evaluate(task, [program], ["f(0)", "f(1)", "f(2)"])
    assert [(cell.value, cell.error) for cell in row] == [("0", None), (None, "timeout"), (None, "timeout")]


def test_half_a_second_that_was_set_is_for_all_calls(launcher: Launcher) -> None:
    task = PublicTask(id="t", prompt="def f(x):\n", entry_point="f")
    program = (
        "from time import process_time\ndef f(x):\n    end = process_time() + x\n    while process_time() < end: pass\n"
    )
    with Sandbox(launcher, limits=Limits(cpu_s=0.5), workers=1) as limited:
        (row,) = limited.evaluate(task, [program], ["f(0.1)", "f(0.2)", "f(1)"])
    assert [cell.error for cell in row] == [None, None, "timeout"]


def test_programs_of_equal_answers_have_equal_outcomes_and_no_others(usual: Sandbox) -> None:
    task = PublicTask(id="t", prompt="def f(x):\n", entry_point="f")
    programs = [f"def f(x):\n    return [x] * {n % 3}\n# {n}\n" for n in range(24)]
    rows = usual.evaluate(task, programs, ["f(2)", "len(f(3)) + 1", "f(4)[0]", "nosuch"])
    for n, row in enumerate(rows):
        last = ("4", None) if n % 3 else (None, "IndexError")
        found = [(cell.value, cell.error) for cell in row]
        assert found == [(str([2] * (n % 3)), None), (str(n % 3 + 1), None), last, (None, "NameError")]


def test_evaluate_uses_the_prompts_helpers(sandbox: Sandbox) -> None:
    task = PublicTask(id="t", prompt="import math\n\ndef twice(x):\n    return 2 * x\n\ndef f(x):\n", entry_point="f")
    ((cell,),) = sandbox.evaluate(task, [SQUARE], ["twice(f(3)) + math.floor(0.5)"])
    assert cell.value == "18"
