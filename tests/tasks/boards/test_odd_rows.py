"""Rows that are odd but legal in each board's form."""

import base64
import inspect
import json
import math
import pickle
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from codebudget.records import HiddenTests, IoTests, Task
from codebudget.tasks import load_benchmark

from support.rows import jsonl, read_rows

HERE = Path(__file__).parent


def one(folder: Path, name: str, file: str, place: int, /, **change: Any) -> Task:
    """The task of one row of our fixtures, with some fields changed."""
    row = read_rows(HERE / f"{file}.jsonl")[place] | change
    path = folder / "odd.jsonl"
    path.write_text(jsonl([row]))
    (task,) = load_benchmark(f"{name}:{path}", **({"variant": "instruct"} if "instruct_prompt" in change else {})).tasks
    return task


def io(task: Task) -> IoTests:
    assert isinstance(task.tests, IoTests)
    return task.tests


def apps(folder: Path, tests: Any = None, **change: Any) -> Task:
    given = {} if tests is None else {"input_output": json.dumps(tests)}
    return one(folder, "apps-introductory", "apps", 0, **given, **change)


def test_apps_ids_may_be_text_and_lines_may_end_as_they_like(tmp_path: Path) -> None:
    task = apps(tmp_path, problem_id="0007", question="Say it.\r\n\r\nTwice.\r\n")
    assert (task.id, task.cases) == ("0007", ())
    assert task.prompt == "Say it.\r\n\r\nTwice.\n"


def test_apps_inputs_may_be_empty_and_have_more_keys_beside_them(tmp_path: Path) -> None:
    tests = io(apps(tmp_path, {"inputs": ["", "é\n"], "outputs": ["", "x\r\n"], "fn_name": None, "note": 1}))
    assert [(case.input, case.output) for case in tests.cases] == [("", ""), ("é\n", "x\r\n")]
    assert tests.style == "stdio"


@pytest.mark.parametrize(
    ("starter", "entry_point", "start"),
    [
        ("def f(a):\n\t", "f", 'def f(a):\n    """\n'),
        ("def f(a):\n    pass\n", "f", 'def f(a):\n    """\n'),
        (
            "# Definition of a node:\n# class Node: ...\nclass Solution:\r\n    def f(self, a):\r\n        ",
            "Solution.f",
            "#",
        ),
        (
            "class Solution(object):\n\tdef f(self, a):\n\t\t",
            "Solution.f",
            'class Solution(object):\n\tdef f(self, a):\n\t\t"""',
        ),
        (
            "import math\nclass Solution:\n    def g(self):\n        return 1\n    def f(self, a):\n",
            "Solution.f",
            "import",
        ),
        ("", "Solution.f", "class Solution:\n    def f(self, a=1, *b):\n        "),
    ],
)
def test_apps_starter_code_comes_in_many_forms(starter: str, entry_point: str, start: str, tmp_path: Path) -> None:
    solution = json.dumps(["class Solution:\n    def f(self, a=1, *b):\n        return a\n"])
    calls = {"fn_name": "f", "inputs": [[{"k": [1, None]}]], "outputs": [[True]]}
    task = apps(tmp_path, calls, starter_code=starter, solutions=solution, question='Say """hi\\".')
    assert task.entry_point == entry_point
    assert task.prompt.startswith(start)
    assert io(task).cases[0].input == '[{"k":[1,null]}]'
    names: dict[str, Any] = {}
    body = task.prompt.rstrip("\n").rpartition("\n")[2]
    exec(f"{task.prompt}{body[: len(body) - len(body.lstrip())]}return a\n", names)


def test_apps_without_starter_code_or_reference_still_names_its_function(tmp_path: Path) -> None:
    task = apps(tmp_path, {"fn_name": "f", "inputs": [[]], "outputs": [0]}, starter_code="", solutions="")
    assert (task.entry_point, task.reference) == ("f", None)
    assert task.prompt.endswith("Write a Python function `f`.\n")


def test_apps_examples_are_visible_only_where_all_of_them_read_so(tmp_path: Path) -> None:
    rule = "-----Examples-----\nInput\n1\n2\n\nOutput\n3\n\nInput\n5\n\nOutput\n\n\n-----Note-----\nInput\nno\n"
    cases = apps(tmp_path, question=f"Add.\n\n{rule}").cases
    assert [(case.input, case.output) for case in cases] == [("1\n2\n", "3\n"), ("5\n", "\n")]
    for question in ("-----Example-----\n1 -> 2\n", "-----Example-----\nInput\n1\n", "Input\n1\n\nOutput\n2\n"):
        assert apps(tmp_path, question=question).cases == ()


def lcb(folder: Path, place: int = 0, **change: Any) -> Task:
    return one(folder, "livecodebench", "livecodebench", place, **change)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_livecodebench_tests_may_be_pickled_by_any_protocol(protocol: int, tmp_path: Path) -> None:
    text = json.dumps([{"input": "ü\n" * 300, "output": "\\u00fc", "testtype": "stdin"}], ensure_ascii=False)
    packed = base64.b64encode(zlib.compress(pickle.dumps(text, protocol))).decode()
    assert io(lcb(tmp_path, private_test_cases=packed)).cases[-1].input == "ü\n" * 300


def test_livecodebench_may_have_only_public_or_only_private_tests(tmp_path: Path) -> None:
    only = lcb(tmp_path, private_test_cases="[]")
    assert only.cases == io(only).cases
    assert lcb(tmp_path, public_test_cases="[]").cases == ()


def test_livecodebench_fields_may_be_decoded_already(tmp_path: Path) -> None:
    test = {"input": "", "output": "[1, 2.50]\n", "testtype": "functional"}
    task = lcb(
        tmp_path,
        3,
        question_id=3000,
        public_test_cases=[test],
        private_test_cases=None,
        metadata={"func_name": "now"},
        starter_code="class Solution:\n    def now(self) -> List[float]:\n        ",
    )
    assert task.id == "3000"
    assert [(case.input, case.output) for case in io(task).cases] == [("[]", "[1,2.5]")]


def test_livecodebench_results_may_be_texts_constants_and_large_numbers(tmp_path: Path) -> None:
    outputs = ['"a\\"b"', "null", "true", "123456789012345678901234567890", "[[]]"]
    tests = [{"input": '"x"\n', "output": output, "testtype": "functional"} for output in outputs]
    task = lcb(tmp_path, 3, public_test_cases=json.dumps(tests), private_test_cases="[]")
    assert [json.loads(case.output) for case in io(task).cases] == [json.loads(output) for output in outputs]
    assert {case.input for case in io(task).cases} == {'["x"]'}


def test_livecodebench_dates_may_be_days_times_or_missing(tmp_path: Path) -> None:
    for date in ("2024-05-01", "2024-05-01T23:59:59", "2024-05-01 00:00:00", None):
        assert lcb(tmp_path, contest_date=date).id == "cup0_a"


def contests(folder: Path, /, **change: Any) -> Task:
    return one(folder, "codecontests", "codecontests", 0, **change)


def test_codecontests_limits_may_be_missing_or_zero(tmp_path: Path) -> None:
    for time_limit, seconds in ((None, None), ({"seconds": 0, "nanos": 0}, None), (3, 3.0), ({"seconds": 2}, 2.0)):
        tests = io(contests(tmp_path, time_limit=time_limit, memory_limit_bytes=None))
        assert (tests.case_s, tests.memory_bytes) == (seconds, None)


def test_codecontests_groups_of_tests_may_be_missing(tmp_path: Path) -> None:
    task = contests(tmp_path, public_tests=None, generated_tests={"input": [], "output": []})
    assert len(io(task).cases) == 1
    assert task.cases == ()


def test_codecontests_may_have_no_solution_in_python_3(tmp_path: Path) -> None:
    for solutions in (
        None,
        {"language": [2], "solution": ["int main() {}"]},
        {"language": [3], "solution": ["print 1"]},
    ):
        assert contests(tmp_path, solutions=solutions).reference is None
    named = {"language": ["CPP", "PYTHON3"], "solution": ["", "print(1)"]}
    assert contests(tmp_path, solutions=named).reference == "print(1)"


def test_codecontests_names_and_fields_may_be_odd(tmp_path: Path) -> None:
    assert contests(tmp_path, name="1_A. <O> & \u201cB\u201d/é", input_file=None, cf_tags=None).id.startswith("1_A.")


def test_rows_may_come_from_parquet(tmp_path: Path) -> None:
    import datasets

    for name, file in (("codecontests", "codecontests"), ("livecodebench", "livecodebench")):
        rows = read_rows(HERE / f"{file}.jsonl")
        for row in rows:
            if "contest_date" in row:
                row["contest_date"] = datetime.fromisoformat(row["contest_date"])
        path = tmp_path / f"{file}.parquet"
        datasets.Dataset.from_list(rows).to_parquet(path)
        plain = load_benchmark(f"{name}:{HERE / file}.jsonl")
        assert load_benchmark(f"{name}:{path}").content_hash == plain.content_hash


def bcb(folder: Path, **change: Any) -> Task:
    return one(folder, "bigcodebench-hard", "bigcodebench", 0, **change)


def test_bigcodebench_hard_rows_have_more_fields(tmp_path: Path) -> None:
    assert (
        bcb(tmp_path, q_idx=3, score=0.7, _id="x", question="?", doc_struct=None, libs=None).id == "BigCodeBench/9000"
    )


def test_bigcodebench_may_lack_a_solution(tmp_path: Path) -> None:
    assert bcb(tmp_path, canonical_solution="").reference is None


def test_bigcodebench_headers_may_have_constants_defaults_and_blanks(tmp_path: Path) -> None:
    imports = "import os\nfrom typing import Dict\n\n# Constants\nNAMES = ['a']\n\n"
    header = f"{imports}def task_func(text, n: Dict = None) -> int: \n"
    task = bcb(tmp_path, code_prompt=header, instruct_prompt="Do it:\n```\nx\n```\n")
    names: dict[str, Any] = {}
    exec(f"{task.prompt}    return 1\n", names)
    assert inspect.getdoc(names["task_func"]) == "Do it:\n```\nx\n```"


def test_bigcodebench_tests_may_set_up_and_have_any_text(tmp_path: Path) -> None:
    test = "import unittest\n\n\nclass TestCases(unittest.TestCase):\n    def setUp(self):\n        self.x = 'é'\n"
    tests = bcb(tmp_path, test=test).tests
    assert isinstance(tests, HiddenTests)
    assert tests.code == test


def plus(folder: Path, **change: Any) -> dict[str, Any]:
    tests = one(folder, "mbpp+", "mbpp_plus_hub", 1, **change).tests
    assert isinstance(tests, HiddenTests)
    names: dict[str, Any] = {"tolerance": tests.tolerance, "style": tests.style}
    exec(tests.code, names)
    return names


LOOP = "for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(share(*inp), exp, {})\n"


def test_plus_values_may_be_infinite_tuples_sets_and_complex(tmp_path: Path) -> None:
    test = f"inputs = [[inf, (1,)], [-inf, set()]]\nresults = [nan, {{1, 2}}]\n{LOOP.format(0)}"
    pairs = plus(tmp_path, test=test)["pairs"]
    assert pairs[0][0] == (math.inf, (1,))
    assert math.isnan(pairs[0][1])
    assert pairs[1] == ((-math.inf, set()), {1, 2})


def test_plus_tolerances_may_be_their_own(tmp_path: Path) -> None:
    text = "inputs = [[1, 2]]\nresults = [0.5]\n"
    assert plus(tmp_path, test=text + LOOP.format("1e-4"))["tolerance"] == 1e-4
    assert plus(tmp_path, test=text + LOOP.format("0"))["tolerance"] == 1e-6


def test_plus_tests_of_another_form_are_kept_as_they_are(tmp_path: Path) -> None:
    assert plus(tmp_path, test="share = lambda a, b: a\nassert share(1, 2) == 1\n")["style"] == "asserts"
