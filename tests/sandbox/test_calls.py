"""Functions and methods called with arguments in JSON."""

import json
from typing import Any

import pytest
from codebudget.records import Example, IoCase, IoTests, Limits, Task, Verdict
from codebudget.sandbox import Job, Sandbox
from codebudget.sandbox.box import Launcher
from pydantic import ValidationError

TWO_SUM = """class Solution:
    def twoSum(self, nums, target):
        seen = {}
        for place, number in enumerate(nums):
            if target - number in seen:
                return [seen[target - number], place]
            seen[number] = place
"""
CASES = [([[2, 7, 11, 15], 9], [0, 1]), ([[3, 2, 4], 6], [1, 2]), ([[3, 3], 6], [0, 1])]


Cases = list[tuple[list[Any], Any]]


def call_task(cases: Cases, reference: str | None, entry_point: str = "f", rule: str = "equal", **more: object) -> Task:
    """A task of arguments and results."""
    texts = [{"input": json.dumps(arguments), "output": json.dumps(right)} for arguments, right in cases]
    tests = IoTests.model_validate({"style": "call", "cases": texts, "rule": rule, **more})
    return Task(id="call/0", benchmark="test", prompt="Do.", entry_point=entry_point, tests=tests, reference=reference)


def grade_all(sandbox: Sandbox, task: Task, programs: list[str]) -> list[Verdict]:
    """The verdicts of programs, in order."""
    check = next(sandbox.check([task]))
    assert check.ok, check.detail
    verdicts = dict(sandbox.grade([Job(task, check, program) for program in programs]))
    return [verdicts[place] for place in range(len(programs))]


def solution(body: str) -> str:
    """A class with the method that the task asks for."""
    return f"class Solution:\n    def twoSum(self, nums, target):\n        {body}\n"


@pytest.mark.parametrize(
    ("program", "status", "detail"),
    [
        (TWO_SUM + "#", "passed", ""),
        (TWO_SUM.replace("return [", "return (").replace("place]\n", "place)\n"), "passed", ""),
        ("def twoSum(nums, target):\n    return [0, 1] if nums[1] != 2 else (1, 2)\n", "passed", ""),
        (solution("return [0, 1]"), "wrong", "case 2: another"),
        ("class Solution:\n    def __init__(self, x): pass\n    twoSum = print\n", "crashed", "case 1: TypeError"),
        ("class Solution:\n    pass\n", "invalid", "defines no function Solution.twoSum"),
        ("Solution = 3\n", "invalid", "defines no function"),
        (solution("while True: pass"), "timeout", "case 1: over 1 s"),
        (solution("raise SystemExit"), "crashed", "case 1: SystemExit"),
        (solution("return object()"), "wrong", "case 1: the result cannot cross"),
    ],
)
def test_methods(sandbox: Sandbox, program: str, status: str, detail: str) -> None:
    (verdict,) = grade_all(sandbox, call_task(CASES, TWO_SUM, "Solution.twoSum"), [program])
    assert (verdict.status, detail in verdict.detail) == (status, True), verdict.detail
    assert (verdict.integrity, verdict.tests_expected) == ("split", 3)


def test_each_call_has_an_instance_of_its_own(sandbox: Sandbox) -> None:
    counts = "class A:\n    n = 0\n    def f(self):\n        self.n += 1\n        return self.n\n"
    (verdict,) = grade_all(sandbox, call_task([([], 1), ([], 1)], counts, "A.f"), [counts + "#"])
    assert verdict.status == "passed"


def test_the_rule_of_apps_makes_keys_integers_and_unwraps(sandbox: Sandbox) -> None:
    cases: Cases = [([{"1": "a"}], ["a"]), ([{"2": "b"}], ["b"])]
    task = call_task(cases, "def f(d):\n    return min(d.values())\n", rule="apps")
    programs = [
        "def f(d):\n    return d[min(d)]\n",
        "def f(d):\n    assert isinstance(min(d), int)\n    return [*d.values()]\n",
        "def f(d):\n    return 'a'\n",
    ]
    assert [v.status for v in grade_all(sandbox, task, programs)] == ["passed", "passed", "wrong"]


def test_every_case_is_called_where_the_share_counts(sandbox: Sandbox) -> None:
    cases: Cases = [([n], n) for n in range(8)]
    fails = (
        "import os\ndef f(n):\n    if n == 1: 1 / 0\n    if n == 2:\n        while True: pass\n"
        "    if n == 4: os._exit(0)\n    if n == 5: raise SystemExit\n    return n if n != 6 else 0\n"
    )
    task = call_task(cases, "def f(n):\n    return n\n", every=True)
    for program in (fails, fails + "#"):
        (verdict,) = grade_all(sandbox, task, [program])
        assert (verdict.status, verdict.tests_run, verdict.tests_expected) == ("crashed", 3, 8), verdict.detail
        assert verdict.detail.startswith("3 of 8 cases hold; case 2: ZeroDivisionError")
    (invalid,) = grade_all(sandbox, task, ["def f(:\n"])
    assert (invalid.status, invalid.tests_run) == ("invalid", 0)


def test_each_case_has_the_limit_to_itself(launcher: Launcher) -> None:
    cases: Cases = [([0.06], None)] * 4
    spins = "import time\ndef f(s):\n    start = time.process_time()\n    while time.process_time() - start < s: pass\n"
    with Sandbox(launcher, workers=1, limits=Limits(cpu_s=0.1, wall_s=60)) as sandbox:
        passing = call_task(cases, None)
        assert [v.status for v in grade_all(sandbox, passing, [spins, spins + "#"])] == ["passed"] * 2
    with Sandbox(launcher, workers=1) as sandbox:
        (verdict,) = grade_all(sandbox, call_task(cases, None, case_s=0.03), [spins])
        assert (verdict.status, verdict.detail[:12]) == ("timeout", "case 1: over")
        together = call_task(cases, None, case_s=0.1, program_s=0.15)
        assert [v.status for v in grade_all(sandbox, together, [spins])] == ["timeout"]


def test_large_cases_are_handed_over_in_parts(sandbox: Sandbox) -> None:
    cases: Cases = [([[n] * 300_000], [n, 300_000]) for n in range(5)]
    task = call_task(cases, "def f(x):\n    return x[0], len(x)\n")
    programs = ["def f(x):\n    return [x[0], len(x)]\n", "def f(x):\n    return [min(x[0], 3), len(x)]\n"]
    with Sandbox(sandbox.launcher, limits=Limits(wall_s=5.0), workers=1) as patient:
        verdicts = grade_all(patient, task, programs)
    assert [(verdict.status, verdict.tests_run) for verdict in verdicts] == [("passed", 5), ("wrong", 4)]


def test_cases_that_cannot_be_read_leave_the_task_out(sandbox: Sandbox) -> None:
    for text, output in (("{", "1"), ("3", "1"), ("[1]", ""), ("[" * 100_000, "1")):
        tests = IoTests.model_validate({"style": "call", "cases": [{"input": text, "output": output}], "rule": "equal"})
        for reference in ("def f(x):\n    return 1\n", None):
            task = Task(id="t", benchmark="t", prompt="", entry_point="f", reference=reference, tests=tests)
            check = next(sandbox.check([task]))
            assert (check.ok, check.detail.startswith("case 1 cannot be read: ")) == (False, True)


def test_the_board_s_imports_come_first(sandbox: Sandbox) -> None:
    program = "class Solution:\n    def f(self, x: List[int]) -> int:\n        return sum(x)\n"
    task = call_task([([[1, 2]], 3)], program, "Solution.f", preamble="from typing import *")
    assert [v.status for v in grade_all(sandbox, task, [program + "#"])] == ["passed"]


def test_methods_are_called_in_expressions_for_rankers(sandbox: Sandbox) -> None:
    public = call_task([([[3, 1]], [1, 3])], None, "Solution.f").public()
    shown = Task(
        id="t",
        benchmark="t",
        prompt='class Solution:\n    def f(self, xs):\n        """Sort."""\n',
        entry_point="Solution.f",
        cases=(IoCase(input='[[3, 1, true], {"a": null}]', output='["x"]'),),
    ).public()
    assert shown.examples == (Example(call="Solution().f([3, 1, True], {'a': None})", expected="['x']"),)
    assert shown.cases == ()
    programs = [
        "class Solution:\n    def f(self, xs):\n        return sorted(xs)\n",
        "class Solution:\n    def f(self, xs):\n        return tuple(sorted(xs))\n",
        "def f(xs):\n    return xs\n",
        "class Other:\n    pass\n",
    ]
    calls = ["Solution().f([2, 1])", "[1, 2]", "Solution().f(Solution().f([2, 1]))", "Solution().g(1)", "Solution.f(1)"]
    rows = sandbox.evaluate(public, programs, calls)
    texts = [[outcome.value or outcome.error for outcome in row] for row in rows]
    assert texts[0] == texts[1] == ["[1, 2]", "[1, 2]", "[1, 2]", "AttributeError", "AttributeError"]
    assert texts[2][:3] == ["[2, 1]", "[1, 2]", "[2, 1]"]
    assert texts[3] == ["invalid"] * 5
    # In Python's own tests a tuple is no list.
    plain = public.model_copy(update={"rule": None})
    assert sandbox.evaluate(plain, programs[1:2], calls[:1])[0][0].value == "(1, 2,)"


def test_visible_cases_must_be_json() -> None:
    with pytest.raises(ValidationError, match="no JSON array"):
        Task(id="t", benchmark="t", prompt="", entry_point="f", cases=(IoCase(input="1", output="1"),))
