"""What runs share, a zygote and what is known of earlier answers, shows in none of them."""

from collections.abc import Callable

import pytest
from codebudget.records import HiddenTests, Limits, ReferenceCheck, Task, Verdict
from codebudget.sandbox import Job, Sandbox
from codebudget.sandbox.box import Launcher
from codebudget.sandbox.testcode import hidden_tests

MakeTask = Callable[..., Task]
Grade = Callable[[Task, str], Verdict]

DOUBLES = "assert f(1) == 2\nassert f(3) == 6\n"


def test_programs_with_the_same_answers_get_the_same_verdicts(
    sandbox: Sandbox, check: Callable[[Task], ReferenceCheck], make_task: MakeTask
) -> None:
    task = make_task(DOUBLES, reference="def f(x):\n    return 2 * x\n")
    checked = check(task)
    right = [f"def f(x):\n    return x * 2 + {n} - {n}\n" for n in range(4)]
    wrong = [f"def f(x):\n    return x + 1 + {n} - {n}\n" for n in range(4)]
    failing = [f"def f(x):\n    raise KeyError({n} - {n})\n" for n in range(4)]
    programs = [text for texts in zip(right, wrong, failing, strict=True) for text in texts]
    verdicts = dict(sandbox.grade([Job(task, checked, text) for text in programs]))
    statuses = [verdicts[place].status for place in range(len(programs))]
    assert statuses == ["passed", "wrong", "crashed"] * 4
    details = {status: {verdicts[n].detail for n, each in enumerate(statuses) if each == status} for status in statuses}
    assert all(len(each) == 1 for each in details.values())


def test_a_program_that_says_more_than_its_answers_is_judged_by_that(
    sandbox: Sandbox, check: Callable[[Task], ReferenceCheck], make_task: MakeTask
) -> None:
    task = make_task(DOUBLES, reference="def f(x):\n    return 2 * x\n")
    checked = check(task)
    honest = ["def f(x):\n    return 2 * x\n", "def f(x):\n    return x + x\n"]
    loud = "def f(x):\n    print('x' * (2 << 20))\n    return x + x + 0\n"
    verdicts = dict(sandbox.grade([Job(task, checked, text) for text in (*honest, loud)]))
    assert [verdicts[place].status for place in range(3)] == ["passed", "passed", "output"]


@pytest.mark.parametrize(
    ("code", "steady"),
    [
        (DOUBLES, True),
        ("import math\nassert f(1) == 2 * math.cos(0)\n", True),
        ("import time\nstart = time.time()\nassert f(1) == 2\nassert time.time() - start < 5\n", False),
        ("import random\nassert f(1) == 2 or random.random() < 2\n", False),
        ("from datetime import date\nassert f(1) == 2 and date.today()\n", False),
        ("a = f(1)\nassert f(a) == 4\n", False),
        ("import os\nassert f(1) == 2 and not os.environ.get('seen')\nos.environ['seen'] = '1'\n", False),
        ("import math\nassert f(1) == 2\nmath.pi = 3\n", False),
        ("assert f(1) == 2 and id([]) % 3\n", False),
        ("assert f(1) == 2 and ().__class__.__base__.__subclasses__()\n", False),
        ("assert open('seen', 'a') and f(1) == 2\n", False),
    ],
)
def test_only_tests_without_clock_chance_and_traces_are_taken_to_say_the_same_again(code: str, steady: bool) -> None:
    task = Task(
        id="t", benchmark="t", prompt="def f(x):\n", entry_point="f", tests=HiddenTests(style="asserts", code=code)
    )
    assert hidden_tests(task, return_arguments=False).steady is steady


def test_no_program_sees_the_process_that_it_was_forked_from(
    launcher: Launcher, grade: Grade, make_task: MakeTask
) -> None:
    if launcher.name == "process":
        pytest.skip("it shows the processes of the host")
    task = make_task("assert f(1) == True\n", reference="def f(x):\n    return True\n")
    looks = """
import os

def f(x):
    me, parent = os.getpid(), os.getppid()
    shown = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    if parent == 0:
        return shown == {me}
    try:
        os.kill(parent, 0)
    except PermissionError:
        return True
    return False
"""
    assert grade(task, looks).status == "passed"


def test_no_program_makes_a_namespace_or_a_mount(grade: Grade, make_task: MakeTask) -> None:
    refused = "['EPERM'] * 5 + ['ENOSYS']"
    task = make_task(f"assert f(1) == {refused}\n", reference=f"def f(x):\n    return {refused}\n")
    # With no flags, unshare works for everyone, and the other two calls that have nothing to do fail otherwise.
    tries = """
import ctypes
import errno
import os
import platform

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE = {"x86_64": 56, "aarch64": 220}[platform.machine()]
NEW_USER, CHILD_ENDS = 0x10000000, 17

def f(x):
    calls = (
        lambda: LIBC.unshare(0),
        lambda: LIBC.setns(-1, 0),
        lambda: LIBC.mount(b"none", b"/tmp", b"tmpfs", 0, None),
        lambda: LIBC.umount2(b"/nowhere", 0),
        lambda: LIBC.syscall(CLONE, ctypes.c_ulong(NEW_USER | CHILD_ENDS), None, None, None, None),
        lambda: LIBC.syscall(435, None, 0),
    )
    found = []
    for call in calls:
        result = call()
        if result == 0 and call is calls[4]:
            os._exit(0)
        found.append(errno.errorcode[ctypes.get_errno()] if result == -1 else result)
    return found
"""
    verdict = grade(task, tries)
    assert verdict.status == "passed", verdict.detail
    # Threads and processes are made as before.
    task = make_task("assert f(1) == 2\n", reference="def f(x):\n    return x + 1\n")
    makes = """
import subprocess
import threading

def f(x):
    found = []
    thread = threading.Thread(target=lambda: found.append(x))
    thread.start()
    thread.join()
    done = subprocess.run(["/bin/sh", "-c", "exit 1"])
    return found[0] + done.returncode
"""
    verdict = grade(task, makes)
    assert verdict.status == "passed", verdict.detail


def test_programs_of_other_limits_have_another_zygote(launcher: Launcher, make_task: MakeTask) -> None:
    task = make_task("assert f(1) == 1\n", reference="def f(x):\n    return x\n")
    takes = "def f(x):\n    return x if len(bytearray(300 << 20)) else x\n"
    for memory_bytes, status in ((256 << 20, "memory"), (1 << 30, "passed"), (256 << 20, "memory")):
        with Sandbox(launcher, limits=Limits(cpu_s=5.0, memory_bytes=memory_bytes), workers=1) as one:
            (checked,) = one.check([task])
            ((_, verdict),) = one.grade([Job(task, checked, takes)])
            assert verdict.status == status


def test_draws_without_a_seed_are_the_same_in_every_run(grade: Grade, make_task: MakeTask) -> None:
    task = make_task("assert f(1) >= 0\n", reference="def f(x):\n    return x\n")
    tells = "import random\n\ndef f(x):\n    raise ValueError(random.random(){})\n"
    assert grade(task, tells.format("")).detail == grade(task, tells.format(" + 0")).detail


def test_what_a_program_does_after_a_wrong_answer_takes_nothing_from_its_verdict(
    sandbox: Sandbox, check: Callable[[Task], ReferenceCheck], make_task: MakeTask
) -> None:
    task = make_task(DOUBLES, reference="def f(x):\n    return 2 * x\n")
    checked = check(task)
    honest = "def f(x):\n    return x + x\n"
    # Its first answer is wrong; whether the second is there before the first is judged, the machine decides.
    slow = "import time\n\ndef f(x):\n    while x == 3 and time.process_time() < {}:\n        pass\n    return 7\n"
    programs = [honest, slow.format(0.3), slow.format(1.1), slow.format(60)]
    verdicts = dict(sandbox.grade([Job(task, checked, text) for text in programs]))
    assert [verdicts[place].status for place in range(len(programs))] == ["passed", "wrong", "wrong", "wrong"]
