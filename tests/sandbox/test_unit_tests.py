"""Tests in the style `unittest`: what runs split, what only beside the program, and what counts as passing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from codebudget.records import HiddenTests, Limits, ReferenceCheck, Task, Verdict
from codebudget.sandbox import Job, Sandbox
from codebudget.tasks import load_benchmark

from support.rows import read_rows

Check = Callable[[Task], ReferenceCheck]
Grade = Callable[[Task, str], Verdict]

DOUBLE = "def task_func(x):\n    return 2 * x\n"
RIGHT = "def task_func(x):\n    return x + x\n"
WRONG = "def task_func(x):\n    return 2 * x if x < 3 else 0\n"


def cases(body: str, before: str = "import unittest\n") -> str:
    """A class TestCases with a body, indented or not."""
    lines = body.strip("\n").splitlines()
    return before + "class TestCases(unittest.TestCase):\n" + "".join(f"    {line}\n" for line in lines)


def task(tests: str, reference: str = DOUBLE, prompt: str = "def task_func(x):\n") -> Task:
    """A task of BigCodeBench's kind."""
    return Task(
        id="test/0",
        benchmark="test",
        prompt=prompt,
        entry_point="task_func",
        reference=reference,
        tests=HiddenTests(style="unittest", code=tests),
    )


PLAIN = task(
    cases("""
def setUp(self):
    self.right = {1: 2, 3: 6}
def test_one(self):
    self.assertEqual(task_func(1), self.right[1])
def test_others(self):
    for x, right in self.right.items():
        with self.subTest(x=x):
            self.assertEqual(task_func(x), right)
def test_raises(self):
    with self.assertRaises(TypeError):
        task_func(None)
""")
)


def test_plain_values_are_split_and_every_method_counts(check: Check, grade: Grade) -> None:
    checked = check(PLAIN)
    assert (checked.ok, checked.integrity, checked.sites) == (True, "split", (0, 1, 2))
    verdict = grade(PLAIN, RIGHT)
    assert (verdict.status, verdict.tests_run, verdict.tests_expected) == ("passed", 3, 3)
    wrong = grade(PLAIN, WRONG)
    assert (wrong.status, wrong.integrity) == ("wrong", "split")
    assert "6" in wrong.detail


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("def task_func(x):\n    raise ZeroDivisionError('no')\n", "crashed"),
        ("def task_func(x):\n    return x and 2 * x or 1\n", "wrong"),
        ("def other(x):\n    return 2 * x\n", "invalid"),
        ("def task_func(x):\n    import os\n    os._exit(0)\n", "crashed"),
        ("def task_func(x):\n    raise SystemExit(0)\n", "crashed"),
        ("def task_func(x):\n    import unittest\n    raise unittest.SkipTest('not now')\n", "wrong"),
        ("def task_func(x):\n    while True:\n        pass\n", "timeout"),
        ("import unittest\ndef task_func(x):\n    return 2 * x\nunittest.main()\n", "crashed"),
    ],
)
def test_programs_that_do_not_pass(grade: Grade, program: str, status: str) -> None:
    assert grade(PLAIN, program).status == status


def test_fixtures_of_class_and_module_and_inherited_tests_run(check: Check, grade: Grade) -> None:
    tests = """
import unittest
def setUpModule():
    global factor
    factor = 2
class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.numbers = [1, 2]
    def test_all(self):
        self.assertEqual([task_func(x) for x in self.numbers], [factor * x for x in self.numbers])
class TestCases(Base):
    def test_more(self):
        self.assertEqual(task_func(5), 10)
"""
    checked = check(task(tests))
    assert (checked.integrity, checked.sites) == ("split", (0, 1, 2))
    assert [grade(task(tests), program).status for program in (RIGHT, WRONG)] == ["passed", "wrong"]


def test_a_fixture_that_fails_fails_the_program(grade: Grade) -> None:
    tests = cases("""
@classmethod
def setUpClass(cls):
    cls.five = task_func(5)
    assert cls.five == 10
def tearDown(self):
    self.assertEqual(task_func(4), 8)
def test_one(self):
    self.assertEqual(task_func(1), 2)
""")
    assert grade(task(tests), "def task_func(x):\n    return 2 * x if x < 5 else 0\n").status == "wrong"
    assert grade(task(tests), "def task_func(x):\n    return 2 * x if x != 4 else 0\n").status == "wrong"
    assert grade(task(tests), RIGHT).status == "passed"


def test_skipped_tests_count_only_where_the_reference_skips_them(check: Check, grade: Grade) -> None:
    tests = cases("""
@unittest.skip("never")
def test_a(self):
    self.fail()
def test_b(self):
    if task_func(3) != 6:
        self.skipTest("no answer")
def test_c(self):
    self.assertEqual(task_func(1), 2)
""")
    assert check(task(tests)).sites == (1, 2)
    verdict = grade(task(tests), WRONG)
    assert (verdict.status, verdict.detail) == ("wrong", "1 of 2 tests were run")
    assert grade(task(tests), RIGHT).status == "passed"


def test_a_failure_that_is_expected_must_happen(check: Check, grade: Grade) -> None:
    tests = cases("""
@unittest.expectedFailure
def test_a(self):
    self.assertEqual(task_func(3), 0)
""")
    assert check(task(tests)).sites == (0,)
    verdict = grade(task(tests), WRONG)
    assert (verdict.status, "was expected to fail" in verdict.detail) == ("wrong", True)
    assert grade(task(tests), RIGHT).status == "passed"


@pytest.mark.parametrize(
    "tests",
    [
        "import unittest\n",
        "import unittest\nclass TestCases:\n    def test_one(self):\n        assert task_func(1) == 2\n",
        cases("def check_one(self):\n    self.assertEqual(task_func(1), 2)\n"),
        cases("@unittest.skip('never')\ndef test_one(self):\n    self.assertEqual(task_func(1), 2)\n"),
    ],
)
def test_without_a_test_that_runs_a_task_is_left_out(check: Check, tests: str) -> None:
    assert not check(task(tests)).ok


def test_tests_may_call_from_several_threads(check: Check, grade: Grade) -> None:
    tests = cases(
        """
def test_all(self):
    with ThreadPoolExecutor(4) as pool:
        self.assertEqual(list(pool.map(task_func, range(40))), list(range(0, 80, 2)))
""",
        "import unittest\nfrom concurrent.futures import ThreadPoolExecutor\n",
    )
    checked = check(task(tests))
    assert (checked.integrity, checked.calls) == ("split", 40)
    assert [grade(task(tests), program).status for program in (RIGHT, WRONG)] == ["passed", "wrong"]


def test_names_of_prompt_and_reference_are_there_for_the_tests(check: Check) -> None:
    tests = cases("def test_one(self):\n    self.assertEqual(task_func(math.pi), FACTOR * math.pi)\n")
    header = "import math\nFACTOR = 2\ndef task_func(x):\n"
    checked = check(task(tests, header + "    return FACTOR * x\n", header))
    assert (checked.ok, checked.integrity) == (True, "split")


PATCHED = task(
    cases(
        """
@patch("random.randint", return_value=4)
def test_one(self, randint):
    self.assertEqual(task_func(3), 12)
    randint.assert_called_once_with(1, 6)
""",
        "import unittest\nfrom unittest.mock import patch\n",
    ),
    "import random\ndef task_func(x):\n    return x * random.randint(1, 6)\n",
)
FILES = task(
    cases("""
def setUp(self):
    with open("numbers.txt", "w") as file:
        file.write("1 2 3")
def test_one(self):
    self.assertEqual(task_func("numbers.txt"), 6)
"""),
    "def task_func(path):\n    with open(path) as file:\n        return sum(map(int, file.read().split()))\n",
    "def task_func(path):\n",
)
SEEDED = task(
    cases("""
def test_one(self):
    random.seed(42)
    self.assertEqual(task_func(2), [random.Random(42).random()] * 2)
""").replace("import unittest", "import random, unittest"),
    "import random\ndef task_func(x):\n    return [random.random()] * x\n",
)
OBJECTS = task(
    cases("def test_one(self):\n    self.assertEqual(next(iter(task_func(3).parts)), 3)\n"),
    "from types import SimpleNamespace\ndef task_func(x):\n    return SimpleNamespace(parts=[x])\n",
)
OWN_MODULE = task(
    cases(
        """
def test_one(self):
    with patch("__test__.factor", 3):
        self.assertEqual(task_func(3), 9)
    self.assertTrue(os.path.basename(__file__).endswith(".py"))
""",
        "import unittest\nfrom unittest.mock import patch\n",
    ),
    "factor = 2\ndef task_func(x):\n    return factor * x\n",
)


@pytest.mark.parametrize(
    "one", [PATCHED, FILES, SEEDED, OBJECTS, OWN_MODULE], ids=["patch", "files", "seed", "objects", "module"]
)
def test_what_split_cannot_hold_is_shared(check: Check, grade: Grade, one: Task) -> None:
    checked = check(one)
    assert (checked.ok, checked.integrity, checked.sites) == (True, "shared", (0,))
    assert checked.detail
    verdict = grade(one, f"{one.reference}\n# another\n")
    assert (verdict.status, verdict.integrity) == ("passed", "shared")
    assert grade(one, "def task_func(x):\n    return 0\n").status != "passed"


def test_tests_of_a_program_are_not_the_tasks(grade: Grade) -> None:
    own = """
import unittest
class TestCases(unittest.TestCase):
    def test_one(self):
        self.fail("not these")
    def test_two(self):
        pass
class TestMine(unittest.TestCase):
    def test_one(self):
        self.fail("nor these")
"""
    verdict = grade(FILES, f"{FILES.reference}{own}")
    assert (verdict.status, verdict.tests_run, verdict.tests_expected) == ("passed", 1, 1)


@pytest.mark.parametrize("one", [PLAIN, FILES], ids=["split", "shared"])
def test_nothing_of_a_program_or_its_tests_is_left_for_the_next(sandbox: Sandbox, one: Task) -> None:
    assert isinstance(one.tests, HiddenTests)
    traces = """
def test_a(self):
    self.assertEqual([name for name in os.listdir() if name.startswith("trace")], [])
    self.assertNotIn("TRACE", os.environ)
    self.assertFalse(hasattr(unittest, "trace"))
    open("trace", "w").close()
    os.environ["TRACE"] = unittest.trace = "here"
"""
    code = one.tests.code.replace("import unittest", "import os, unittest", 1)
    code += "".join(f"    {line}\n" for line in traces.strip().splitlines())
    tracing = one.model_copy(update={"tests": HiddenTests(style="unittest", code=code)})
    (check,) = sandbox.check([tracing])
    assert check.ok, check.detail
    programs = [f"{one.reference}# {number}\n" for number in range(3)]
    verdicts = [verdict for _, verdict in sandbox.grade([Job(tracing, check, program) for program in programs])]
    assert [verdict.status for verdict in verdicts] == ["passed"] * 3, verdicts


def test_a_library_that_is_missing_is_named_with_what_to_do(check: Check) -> None:
    tests = cases("def test_one(self):\n    self.assertEqual(task_func(1), 2)\n")
    for reference in (
        f"import no_such_library\n{DOUBLE}",
        "def task_func(x):\n    from no_such_library.part import thing\n    return 2 * x\n",
    ):
        checked = check(task(tests, reference))
        assert not checked.ok
        assert "no_such_library" in checked.detail
        assert "codebudget sandbox build --image bigcodebench" in checked.detail
        assert "--sandbox docker-bigcodebench" in checked.detail
    tested = check(task(f"import no_such_library\n{tests}"))
    assert "which this sandbox lacks" in tested.detail


def test_a_program_has_ten_seconds_or_ten_times_the_references() -> None:
    assert Limits().resolve(0.1, 10.0).cpu_s == 10.0
    assert Limits().resolve(1.5, 10.0).cpu_s == 20.0
    assert Limits(wall_s=2.0).resolve(1.5, 10.0).cpu_s == 2.0


def test_bigcodebench_is_graded(sandbox: Sandbox, repository: Path) -> None:
    boards = repository / "tests" / "tasks" / "boards"
    benchmark = load_benchmark(f"bigcodebench:{boards / 'bigcodebench.jsonl'}")
    checks = {check.task_id: check for check in sandbox.check(benchmark.tasks)}
    integrity = {task_id.rpartition("/")[2]: check.integrity for task_id, check in checks.items() if check.ok}
    assert integrity == {**dict.fromkeys(("9000", "9001", "9002", "9003", "9004"), "split"), "9005": "shared"}
    rows = read_rows(boards / "bigcodebench_programs.jsonl")
    jobs = [Job(benchmark.task(row["task_id"]), checks[row["task_id"]], row["solution"]) for row in rows]
    verdicts = dict(sandbox.grade(jobs))
    for place, row in enumerate(rows):
        assert (verdicts[place].status == "passed") is row["right"], (row, verdicts[place])
