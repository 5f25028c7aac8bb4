"""Scripts that read standard input, whatever way they read it, and what decides about them."""

import pytest
from codebudget.errors import UserError
from codebudget.records import IoCase, IoTests, Limits, Task, Verdict
from codebudget.sandbox import Job, Sandbox
from codebudget.sandbox.box import Launcher

ADD = "print(int(input()) + int(input()))\n"


def script_task(*cases: tuple[str, str], reference: str | None = None, rule: str = "exact", **more: object) -> Task:
    """A task of inputs and outputs; each case is an input and its output."""
    pairs = [{"input": text, "output": output} for text, output in cases]
    tests = IoTests.model_validate({"style": "stdio", "cases": pairs, "rule": rule, **more})
    return Task(id="script/0", benchmark="test", prompt="Add.", entry_point="", tests=tests, reference=reference)


def grade_all(sandbox: Sandbox, task: Task, programs: list[str]) -> list[Verdict]:
    """The verdicts of programs, in order."""
    check = next(sandbox.check([task]))
    assert check.ok, check.detail
    verdicts = dict(sandbox.grade([Job(task, check, program) for program in programs]))
    return [verdicts[place] for place in range(len(programs))]


ADD_LINE = "print(sum(map(int, input().split())))"
SUM = script_task(("3\n1 2 3\n", "6\n"), ("2\n5 5", "10\n"), reference=f"input()\n{ADD_LINE}\n")

READERS = {
    "input": "input()\n@",
    "read": "import sys\nprint(sum(map(int, sys.stdin.read().split()[1:])))",
    "buffer": "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split()[1:])))",
    "buffer lines": "import sys\nread = sys.stdin.buffer.readline\nread()\nprint(sum(map(int, read().split())))",
    "readlines": "import sys\nprint(sum(map(int, sys.stdin.readlines()[1].split())))",
    "mixed": "import sys\ninput()\nrest = sys.stdin.readlines()\nassert len(rest) == 1\n"
    "print(sum(map(int, rest[0].split())))",
    "line by line": "import sys\nlines = iter(sys.stdin)\nnext(lines)\nprint(sum(map(int, next(lines).split())))",
    "open 0": "lines = open(0).read().splitlines()\nprint(sum(map(int, lines[1].split())))",
    "open 0 bytes": "print(sum(map(int, open(0, 'rb').read().split()[1:])))",
    "/dev/stdin": "print(sum(map(int, open('/dev/stdin').read().split()[1:])))",
    "os.read": "import os\nprint(sum(map(int, os.read(0, 1 << 16).split()[1:])))",
    "fileinput": "import fileinput\nprint(sum(map(int, list(fileinput.input())[1].split())))",
    "reassigned input": "import sys\ninput = sys.stdin.readline\ninput()\n@",
    "guard": "def main():\n    input()\n    @\nif __name__ == '__main__':\n    main()",
    "globals": "total = 0\ndef add(x):\n    global total\n    total += x\ninput()\n"
    "[add(int(x)) for x in input().split()]\nprint(total)",
    "main module": "import __main__\nanswer = 5\ninput()\nassert __main__.answer == 5\n@",
    "exit": "input()\n@\nexit()\nprint('more')",
    "exit with 1": "import sys\ninput()\n@\nsys.exit(1)",
    "exit in a function": "def main():\n    input()\n    @\n    quit(0)\nmain()\nprint(0)",
    "os._exit": "import os, sys\ninput()\n@\nsys.stdout.flush()\nos._exit(0)",
    "thread": "import sys, threading\nsys.setrecursionlimit(10**6)\n"
    "threading.stack_size(1 << 26)\ndef main():\n    input()\n    def deep(n):\n"
    "        return 0 if n == 0 else 1 + deep(n - 1)\n    assert deep(20000) == 20000\n"
    "    @\nthreading.Thread(target=main).start()",
    "recursion": "import sys\nsys.setrecursionlimit(50000)\ndef deep(n):\n"
    "    return 0 if n == 0 else 1 + deep(n - 1)\ninput()\nassert deep(5000) == 5000\n@",
    "write": "import sys\ninput()\nsys.stdout.write(str(sum(map(int, input().split()))) + chr(10))",
    "write bytes": "import sys\ninput()\nsys.stdout.buffer.write(b'%d\\n' % sum(map(int, input().split())))",
    "os.write": "import os\ninput()\nos.write(1, b'%d\\n' % sum(map(int, input().split())))",
    "file on 1": "out = open(1, 'w')\ninput()\nout.write(str(sum(map(int, input().split()))) + chr(10))",
    "/dev/stdout": "input()\nopen('/dev/stdout', 'w').write(f'{sum(map(int, input().split()))}\\n')",
    "atexit": "import atexit, io, os, sys\nout = sys.stdout = io.StringIO()\n"
    "atexit.register(lambda: os.write(1, out.getvalue().encode()))\ninput()\n@",
    "errors": "import sys\nprint('x' * 100_000, file=sys.stderr)\ninput()\n@",
    "shell": "import os\ninput()\nos.system(f'echo {sum(map(int, input().split()))}')",
    "child": "import os\ninput()\nif os.fork() == 0:\n"
    "    print(sum(map(int, input().split())), flush=True)\n    os._exit(0)\nos.wait()",
    "pool": "from multiprocessing import Pool\ndef f(x):\n    return int(x)\n"
    "if __name__ == '__main__':\n    input()\n    with Pool(2) as pool:\n"
    "        print(sum(pool.map(f, input().split())))",
    "future": "from __future__ import annotations\ninput()\n@",
}
"""Ways to read and write; @ stands for the line that adds."""


@pytest.mark.parametrize("name", READERS)
def test_ways_to_read_and_write(sandbox: Sandbox, name: str) -> None:
    (verdict,) = grade_all(sandbox, SUM, [READERS[name].replace("@", ADD_LINE) + "\n"])
    assert (verdict.status, verdict.tests_run, verdict.tests_expected) == ("passed", 2, 2), verdict.detail
    assert verdict.integrity == "split"


@pytest.mark.parametrize(
    ("program", "status", "detail"),
    [
        ("print(6)", "wrong", "case 2: another output than the right one"),
        ("print(input())", "wrong", "case 1: "),
        ("input()\nprint(sum(map(int, input().split())))\n1 / 0", "crashed", "ZeroDivisionError: division by zero"),
        ("input(); input(); input(); input()", "crashed", "EOFError"),
        ("input()\nprint(sum(map(int, input().split())), flush=True)\nimport os\nos._exit(3)", "crashed", "code 3"),
        ("import os\nos.abort()", "crashed", ""),
        ("x = (", "invalid", "SyntaxError"),
        ("def f(): return", "wrong", "case 1"),
        ("while True: pass", "timeout", "over 1 s"),
        ("import time\ntime.sleep(60)", "timeout", "over 1 s"),
        ("while True: print('x' * 1000)", "output", "printed more"),
        ("x = 'a' * (1 << 34)", "memory", "MemoryError"),
        ("", "wrong", "case 1"),
        ("print(*(chr(n) for n in range(0xd800, 0xd900)))", "crashed", "UnicodeEncodeError"),
        ("import sys\nsys.stdout.buffer.write(bytes(range(256)))", "wrong", "case 1"),
        ("import sys\nprint(6, file=sys.stderr)", "wrong", "case 1"),
        ("raise KeyboardInterrupt", "crashed", "KeyboardInterrupt"),
        ("raise MemoryError", "memory", "MemoryError"),
    ],
)
def test_what_does_not_pass(sandbox: Sandbox, program: str, status: str, detail: str) -> None:
    (verdict,) = grade_all(sandbox, SUM, [program])
    assert (verdict.status, detail in verdict.detail) == (status, True), verdict.detail
    assert verdict.detail.isprintable()


def test_inputs_and_outputs_of_megabytes(sandbox: Sandbox) -> None:
    text = "".join(f"{number:080}\n" for number in range(30_000))
    task = script_task((text, text), reference="import sys\nsys.stdout.write(sys.stdin.read())\n")
    programs = ["for line in open(0):\n    print(line, end='')\n", "print(open(0).read()[:-2])\n"]
    assert [verdict.status for verdict in grade_all(sandbox, task, programs)] == ["passed", "wrong"]


def test_a_program_need_not_read_its_input(sandbox: Sandbox) -> None:
    task = script_task(("9" * 3_000_000, "ok\n"), reference="print('ok')\n")
    begins = ["import os; os.close(0)", "pass", "import sys; sys.stdin.read(9)"]
    verdicts = grade_all(sandbox, task, [f"{begin}\nprint('ok')\n" for begin in begins])
    assert [verdict.status for verdict in verdicts] == ["passed"] * 3


def test_an_empty_input_ends_at_once(sandbox: Sandbox) -> None:
    task = script_task(("", "0\n"), reference="import sys\nprint(len(sys.stdin.read()))\n")
    (verdict,) = grade_all(sandbox, task, ["try:\n    input()\nexcept EOFError:\n    print(0)"])
    assert verdict.status == "passed"


def test_each_input_has_a_process_of_its_own(sandbox: Sandbox) -> None:
    counting = "import os\nn = int(open('n').read()) if os.path.exists('n') else 0\nopen('n', 'w').write(str(n + 1))\n"
    task = script_task(*[("", "0\n")] * 3, reference=counting + "print(n)\n")
    assert [verdict.status for verdict in grade_all(sandbox, task, [counting + "print(n)\n#"])] == ["passed"]


def test_every_case_is_run_where_the_share_counts(sandbox: Sandbox) -> None:
    cases = [(f"{n}\n", f"{n}\n") for n in range(6)]
    reference = "print(input())\n"
    fails = "n = int(input())\nif n == 1: 1 / 0\nif n == 3:\n    while True: pass\nprint(n if n != 4 else 0)\n"
    (every,) = grade_all(sandbox, script_task(*cases, reference=reference, every=True), [fails])
    assert (every.status, every.tests_run, every.tests_expected) == ("crashed", 3, 6)
    assert every.detail.startswith("3 of 6 cases hold; case 2: ZeroDivisionError")
    (first,) = grade_all(sandbox, script_task(*cases, reference=reference), [fails])
    assert (first.status, first.tests_run, first.tests_expected) == ("crashed", 1, 6)


def test_a_reference_that_fails_a_case_leaves_the_task_out(sandbox: Sandbox) -> None:
    task = script_task(("1\n2\n", "3\n"), ("2\n2\n", "5\n"), reference=ADD)
    check = next(sandbox.check([task]))
    assert not check.ok
    assert check.detail == "wrong: case 2: another output than the right one"


SPINS = "import time\nend = time.process_time() + float(input())\nwhile time.process_time() < end: pass\n"


def test_each_case_has_the_limit_to_itself(launcher: Launcher) -> None:
    task = script_task(*[("0.06\n", "")] * 3, reference="pass")
    with Sandbox(launcher, workers=1, limits=Limits(cpu_s=0.1, wall_s=60)) as sandbox:
        assert [v.status for v in grade_all(sandbox, task, [SPINS])] == ["passed"]


def test_limits_are_the_board_s_own(launcher: Launcher) -> None:
    cases = [("0.06\n", "")] * 3
    with Sandbox(launcher, workers=1) as sandbox:
        own = script_task(*cases, case_s=0.03, reference="pass")
        slow, fast = grade_all(sandbox, own, [SPINS, "pass"])
        assert (slow.status, slow.detail[:12], fast.status) == ("timeout", "case 1: over", "passed")
        together = script_task(*cases, program_s=0.1, reference="pass")
        (verdict,) = grade_all(sandbox, together, [SPINS])
        assert (verdict.status, "up to case" in verdict.detail) == ("timeout", True)
        check = next(sandbox.check([script_task(*cases, case_s=0.03, reference=SPINS)]))
        assert (check.ok, check.detail[:20]) == (False, "timeout: case 1: ove")


def test_without_a_reference_a_task_needs_a_limit_of_its_board(launcher: Launcher) -> None:
    with Sandbox(launcher, workers=1) as sandbox:
        check = next(sandbox.check([script_task(("1\n1\n", "2\n"))]))
        assert (check.ok, check.detail) == (False, "the task has no reference solution, and no time limit of its own")
        task = script_task(("1\n1\n", "2\n"), case_s=6.0)
        check = next(sandbox.check([task]))
        assert check.ok
        assert check.detail == "no reference solution has verified its cases; the limit is 6 s for each"
        assert [v.status for v in grade_all(sandbox, task, [ADD, "print(3)"])] == ["passed", "wrong"]
    with Sandbox(launcher, workers=1, limits=Limits(cpu_s=0.5)) as sandbox:
        assert next(sandbox.check([script_task(("1\n1\n", "2\n"))])).ok


def test_a_program_near_its_limit_is_run_again_alone(launcher: Launcher) -> None:
    task = script_task(("0.085", ""), ("0.085", ""), reference="pass")
    with Sandbox(launcher, workers=1, limits=Limits(cpu_s=0.1, wall_s=60)) as sandbox:
        near, far = grade_all(sandbox, task, [SPINS, "pass"])
    assert near.second_look.startswith("near its limit, run again alone: 0.")
    assert far.second_look == ""


def test_memory_is_bounded_by_the_board(sandbox: Sandbox) -> None:
    task = script_task(("", "1\n"), memory_bytes=64 << 20, reference="print(1)")
    holds = "x = bytearray({} << 20)\nprint(1)\n"
    verdicts = grade_all(sandbox, task, [holds.format(8), holds.format(100)])
    assert [verdict.status for verdict in verdicts] == ["passed", "memory"]


def test_the_board_s_imports_come_first(sandbox: Sandbox) -> None:
    task = script_task(("16\n", "4.0\n"), preamble="from math import *", reference="print(sqrt(int(input())))")
    assert [v.status for v in grade_all(sandbox, task, ["print(sqrt(float(input())))"])] == ["passed"]


def test_rules_and_styles_must_fit(sandbox: Sandbox) -> None:
    check = next(sandbox.check([script_task(("", ""), rule="equal", reference="pass")]))
    assert (check.ok, check.detail) == (False, "the rule equal compares no outcomes of style stdio")
    tests = IoTests(style="stdio", cases=(IoCase(input="", output=""),), rule="exact")
    named = Task(id="t", benchmark="t", prompt="", entry_point="f", reference="pass", tests=tests)
    assert not next(sandbox.check([named])).ok


def test_scripts_are_run_on_inputs_for_rankers(sandbox: Sandbox) -> None:
    public = script_task(("1\n1\n", "2\n"), preamble="from math import *").public()
    programs = [
        ADD,
        "import sys\nprint(' ', sum(map(int, sys.stdin)), '\\n')\n",
        "n = int(input())\nprint(n + int(input()) if n else 1 // n)\n",
        "print(factorial(int(input())))\n",
        "while True: pass\n",
        "def f(:\n",
    ]
    rows = sandbox.evaluate(public, programs, ["1\n2\n", "0\n4\n", "2\n", "5", "6"])
    texts = [[outcome.value or outcome.error for outcome in row] for row in rows]
    three = texts[0][0]
    assert texts[0] == [three, texts[0][1], "crashed", "crashed", "crashed"]
    assert texts[1][:3] == [three, texts[0][1], texts[3][2]]
    assert texts[2] == [three, "crashed", "crashed", "crashed", "crashed"]
    assert len(set(texts[3])) == 4
    assert texts[4] == ["timeout"] * 5
    assert texts[5] == ["invalid"] * 5
    assert [outcome.value for outcome in rows[2]][1:] == [None] * 4


@pytest.mark.parametrize(
    ("rule", "right"),
    [
        ("exact", [True, False, False, False]),
        ("tokens", [True, True, False, False]),
        ("livecodebench", [True, True, True, False]),
        ("apps", [True, True, True, True]),
    ],
)
def test_outputs_are_judged_by_the_task_s_rule_for_rankers(sandbox: Sandbox, rule: str, right: list[bool]) -> None:
    public = script_task(("", ""), rule=rule).public()
    case = IoCase(input="2\n", output="2.5 4\n")
    programs = [
        f"print(input() and {text!r})" for text in ("2.5 4", " 2.5  4 ", "2.50 4.0", "4 2.50001", "2.5 5", "2.5\n4\n7")
    ]
    rows = sandbox.judge(public, [*programs, "1 / 0", "while True: pass"], [case, IoCase(input="2\n", output="?")])
    assert [row[0].is_right for row in rows] == [*right, False, False, False, False]
    assert not any(row[1].is_right for row in rows)
    # One run for both.
    assert all(row[0].wall_s > 0 and row[1].wall_s == 0 for row in rows)
    assert rows[0][0].value == rows[0][1].value == sandbox.evaluate(public, programs[:1], ["2\n"])[0][0].value
    assert sandbox.evaluate(public, programs[:1], ["2\n"])[0][0].is_right is None


def test_a_function_is_not_judged_by_cases(sandbox: Sandbox) -> None:
    public = script_task(("", "")).public().model_copy(update={"is_script": False, "entry_point": "f"})
    with pytest.raises(UserError, match="script/0 asks for a function"):
        sandbox.judge(public, ["pass"], [IoCase(input="", output="")])
