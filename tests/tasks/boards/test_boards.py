"""Boards from files in their own formats: ids, styles, rules, limits, visible examples; programs right and wrong."""

import json
import logging
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import pytest
from codebudget.errors import MachineError, UserError
from codebudget.records import HiddenTests, IoTests, Task
from codebudget.tasks import NAMES, Benchmark, load_benchmark
from codebudget.tasks.boards import BOARDS, choice_of, load_board, split_spec

from support.rows import jsonl, read_rows

HERE = Path(__file__).parent

FILES = {
    "apps-introductory": "apps",
    "apps-interview": "apps",
    "apps-competition": "apps",
    "livecodebench": "livecodebench",
    "codecontests": "codecontests",
    "bigcodebench": "bigcodebench",
    "bigcodebench-hard": "bigcodebench",
    "humaneval+": "humaneval_plus_hub",
    "mbpp+": "mbpp_plus_hub",
}


def load(name: str, **choice: Any) -> Benchmark:
    return load_benchmark(f"{name}:{HERE / FILES[name]}.jsonl", **choice)


def output_of(program: str, text: str) -> str:
    """What a program prints for an input in a process of its own, less blanks at the ends of lines."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def called(program: str, entry_point: str, arguments: list[Any]) -> Any:
    names: dict[str, Any] = {}
    exec(program, names)
    owner, _, method = entry_point.rpartition(".")
    return getattr(names[owner](), method)(*arguments) if owner else names[entry_point](*arguments)


def passes(task: Task, program: str) -> bool:
    """Whether a program of our own passes the task's tests, by the plainest reading of them."""
    tests = task.tests
    if isinstance(tests, IoTests) and tests.style == "stdio":
        return all(output_of(program, case.input) == case.output.strip() for case in tests.cases)
    if isinstance(tests, IoTests):
        for case in tests.cases:
            result, right = called(program, task.entry_point, json.loads(case.input)), json.loads(case.output)
            if result not in [right, *(right[:1] if tests.rule == "apps" and isinstance(right, list) else [])]:
                return False
        return True
    assert isinstance(tests, HiddenTests)
    names: dict[str, Any] = {"__name__": "tests"}
    exec(program, names)
    exec(tests.code, names)
    if tests.style == "unittest":
        found = unittest.defaultTestLoader.loadTestsFromTestCase(names["TestCases"])
        outcome = unittest.TestResult()
        found.run(outcome)
        return outcome.testsRun > 0 and outcome.wasSuccessful()
    assert tests.style == "pairs"
    try:
        return all(names[task.entry_point](*args) == expected for args, expected in names["pairs"])
    except ZeroDivisionError:
        return False


def test_every_board_is_one_word() -> None:
    assert set(BOARDS) == set(FILES)
    assert set(BOARDS) < set(NAMES)
    assert split_spec("LiveCodeBench:a b.jsonl") == ("livecodebench", "a b.jsonl")
    assert split_spec("humaneval") is None
    with pytest.raises(UserError, match="did you mean 'livecodebench'"):
        load_benchmark("livecodebnch")


@pytest.mark.parametrize("name", FILES)
def test_right_programs_pass_and_wrong_ones_fail(name: str) -> None:
    benchmark = load(name)
    assert benchmark.name == name
    assert len(benchmark.tasks) >= 5
    assert not benchmark.left_out
    assert {task.benchmark for task in benchmark.tasks} == {name}
    programs = read_rows(HERE / f"{FILES[name].removesuffix('_hub')}_programs.jsonl")
    graded = {task_id: set[bool]() for task_id in benchmark.by_id}
    for row in programs:
        if row["task_id"] in graded:
            assert passes(benchmark.task(row["task_id"]), row["solution"]) == row["right"], row
            graded[row["task_id"]].add(row["right"])
    assert all(kinds == {True, False} for kinds in graded.values())


@pytest.mark.parametrize("name", [name for name in FILES if name != "livecodebench"])
def test_references_pass(name: str) -> None:
    for task in load(name).tasks:
        assert task.reference is not None
        assert passes(task, task.reference), task.id


@pytest.mark.parametrize("name", FILES)
def test_nothing_of_the_tests_is_public(name: str) -> None:
    for task in load(name).tasks:
        assert isinstance(task.public().model_dump(), dict)
        assert "tests" not in task.public().model_dump()
        assert task.is_script == (isinstance(task.tests, IoTests) and task.tests.style == "stdio")
        if isinstance(task.tests, IoTests):
            assert len(task.cases) < len(task.tests.cases)


def test_apps_rows_of_one_difficulty_are_its_tasks() -> None:
    introductory, interview = load("apps-introductory"), load("apps-interview")
    assert [task.id for task in introductory.tasks] == ["4000", "4001", "4002", "4003", "4004"]
    assert not introductory.by_id.keys() & interview.by_id.keys()
    assert introductory.beyond >= interview.by_id.keys()
    script, function, method = introductory.task("4000"), introductory.task("4003"), interview.task("4008")
    for task in (script, function, method):
        assert isinstance(task.tests, IoTests)
        assert (task.tests.rule, task.tests.every, task.tests.case_s) == ("apps", True, 4.0)
    assert (script.entry_point, function.entry_point, method.entry_point) == ("", "spread", "Solution.countDown")
    assert script.cases[0].input == "abba\n"
    assert script.prompt.startswith("A string of beads")
    assert function.prompt.startswith('def spread(xs):\n    """\n')
    assert method.prompt.startswith("from typing import List\n\n\nclass Solution:\n    def countDown(self, n: int)")
    # Rows may have lists of lines.
    lines = interview.task("4005").tests
    assert isinstance(lines, IoTests)
    assert lines.cases[0].input == "5 2\n1 3\n2 5"
    # The first solution is of Python 2.
    assert "print n" not in (interview.task("4007").reference or "")


def test_livecodebench_has_dates_packed_tests_and_public_ones() -> None:
    benchmark = load("livecodebench")
    assert [task.id for task in benchmark.tasks] == ["cup0_a", "cup1_b", "cup2_c", "9003", "9004", "9005"]
    echo, joined = benchmark.task("cup0_a"), benchmark.task("9004")
    assert isinstance(echo.tests, IoTests)
    assert isinstance(joined.tests, IoTests)
    assert (echo.tests.style, echo.tests.rule, echo.tests.case_s) == ("stdio", "livecodebench", 6.0)
    assert [case.input for case in echo.tests.cases] == ["a\nb\n", "one two\nthree\nfour\n", "x\ny"]
    assert echo.cases == echo.tests.cases[:1]
    assert (joined.tests.style, joined.tests.rule) == ("call", "equal")
    assert joined.entry_point == "Solution.joinNames"
    assert [json.loads(case.input) for case in joined.tests.cases][1:] == [[[], "x"], [["z", "y", "é"], ""]]
    assert echo.reference is None
    late = load("livecodebench", since="2024-03-12", until="2024-04-13")
    assert [task.id for task in late.tasks] == ["cup2_c", "9003"]
    assert late.beyond == {"cup0_a", "cup1_b", "9004", "9005"}
    with pytest.raises(UserError, match="none of its 6 tasks is from these dates"):
        load("livecodebench", since="2030-01-01")
    with pytest.raises(UserError, match=r"`until` 1\.2\.2024: write a day as YYYY-MM-DD"):
        load("livecodebench", until="1.2.2024")


def test_bad_tasks_are_left_out_with_their_source(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = read_rows(HERE / "livecodebench.jsonl")
    rows[0]["question_id"] = "abc337_e"
    rows[3]["question_title"] = "most-frequent-ids"
    path = tmp_path / "lcb.jsonl"
    path.write_text(jsonl(rows))
    assert not load_benchmark(f"livecodebench:{path}").left_out
    with caplog.at_level(logging.WARNING, "codebudget"):
        clean = load_benchmark(f"livecodebench:{path}", clean=True)
    assert len(clean.tasks) == 4
    assert clean.left_out.keys() == {"abc337_e", "9003"}
    assert "ERRATA.md" in clean.left_out["9003"]
    assert clean.beyond == {"abc337_e", "9003"}
    assert len(caplog.messages) == 2
    assert "abc337_e" in caplog.text
    assert clean.content_hash != load_benchmark(f"livecodebench:{path}").content_hash
    with pytest.raises(UserError, match="no list of bad tasks is known for codecontests"):
        load("codecontests", clean=True)


def test_codecontests_has_limits_three_kinds_of_tests_and_python_references() -> None:
    first, second = load("codecontests").tasks[:2]
    assert first.id == "7000_A. Ledger"
    for task in (first, second):
        assert isinstance(task.tests, IoTests)
        assert task.tests.rule == "tokens"
        assert task.cases == task.tests.cases[:1]
        assert "raw_input" not in (task.reference or "raw_input")
    assert isinstance(first.tests, IoTests)
    assert isinstance(second.tests, IoTests)
    assert (first.tests.case_s, first.tests.memory_bytes) == (1.0, None)
    assert (second.tests.case_s, second.tests.memory_bytes) == (2.5, 256_000_000)
    assert len(second.tests.cases) == 3


def test_bigcodebench_asks_in_two_forms() -> None:
    complete, instruct = load("bigcodebench"), load("bigcodebench", variant="instruct")
    for benchmark in (complete, instruct):
        task = benchmark.task("BigCodeBench/9001")
        assert isinstance(task.tests, HiddenTests)
        assert task.tests.style == "unittest"
        assert task.tests.code.startswith("import unittest")
        assert task.prompt.startswith("import csv\nimport io\n\ndef task_func(text):\n")
        assert task.prompt.endswith('"""\n')
    assert "Requirements" in complete.tasks[1].prompt
    assert "You should write self-contained code" in instruct.tasks[1].prompt
    assert complete.content_hash != instruct.content_hash
    with pytest.raises(UserError, match=r"apps-interview has no variant 'instruct'; leave out"):
        load("apps-interview", variant="instruct")


@pytest.mark.parametrize(("name", "file"), [("humaneval+", "HumanEvalPlus"), ("mbpp+", "MbppPlus")])
def test_evalplus_own_files_and_the_hubs_are_the_same_tasks(name: str, file: str) -> None:
    own, hub = load_benchmark(f"{name}:{HERE / file}.jsonl"), load(name)
    assert own.by_id.keys() == hub.by_id.keys()
    for mine, theirs in zip(own.tasks, hub.tasks, strict=True):
        assert mine.reference == theirs.reference or name == "mbpp+"
        assert isinstance(mine.tests, HiddenTests)
        assert isinstance(theirs.tests, HiddenTests)
        assert (mine.tests.style, mine.tests.tolerance) == (theirs.tests.style, theirs.tests.tolerance)
        # numpy need not be where tests run.
        assert "numpy" not in theirs.tests.code


def test_the_hubs_tests_that_call_their_reference_do_so_here(tmp_path: Path) -> None:
    row = read_rows(HERE / "mbpp_plus_hub.jsonl")[0]
    start = row["test"].index("inputs = ")
    row["test"] = (
        f"{row['test'][:start]}{row['code']}\nref_func = doubled\ninputs = [[[4]]]\n"
        "for i, inp in enumerate(inputs):\n    assertion(doubled(*inp), ref_func(*inp), 0)\n"
    )
    path = tmp_path / "plus.jsonl"
    path.write_text(jsonl([row]))
    (task,) = load_benchmark(f"mbpp+:{path}").tasks
    assert passes(task, row["code"])
    assert not passes(task, "def doubled(xs):\n    return xs\n")


def test_a_release_is_part_of_a_benchmarks_identity() -> None:
    plain, named = load("livecodebench"), load("livecodebench", release="release_v5")
    assert (plain.version, named.version) == ("", "release_v5")
    assert plain.content_hash != named.content_hash
    with pytest.raises(UserError, match="`release` release_v9: LiveCodeBench has release_v1 to release_v6"):
        load("livecodebench", release="release_v9")


@pytest.mark.parametrize(
    ("choice", "message"),
    [({"clean": True}, "clean"), ({"since": "2024-01-01"}, "since"), ({"release": "v2"}, "release")],
)
def test_a_choice_that_is_not_offered_is_refused(choice: dict[str, Any], message: str) -> None:
    for name in ("humaneval", "mbpp+", "nano"):
        with pytest.raises(UserError, match=f"{name.replace('+', '[+]')} offers no choice of {message}"):
            load_benchmark(name, **choice)


@pytest.mark.parametrize("name", ["apps-interview", "livecodebench", "codecontests", "mbpp+"])
def test_offline_a_board_says_what_to_do(name: str, tmp_path: Path) -> None:
    import os

    code = (
        "import sys\nfrom codebudget.tasks import load_benchmark\nfrom codebudget.errors import MachineError\n"
        "try:\n    load_benchmark(sys.argv[1])\nexcept MachineError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, name], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.startswith("cannot fetch ")
    assert done.stdout.count("\n") == 1
    assert "local .jsonl" in done.stdout
    assert issubclass(MachineError, RuntimeError)


def test_raw_files_of_the_hub_are_found_in_its_cache(tmp_path: Path) -> None:
    import os

    for repository, files in {
        "livecodebench--code_generation_lite": {"test.jsonl": (0, 2), "test2.jsonl": (2, 6)},
        "codeparrot--apps": {"test.jsonl": None},
    }.items():
        folder = tmp_path / "hub" / f"datasets--{repository}"
        commit = "c" * 40
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text(commit)
        (folder / "snapshots" / commit).mkdir(parents=True)
        for file, part in files.items():
            source = "apps" if part is None else "livecodebench"
            rows = read_rows(HERE / f"{source}.jsonl")
            (folder / "snapshots" / commit / file).write_text(jsonl(rows[slice(*part)] if part else rows))
    code = (
        "from codebudget.tasks import load_benchmark\nfrom codebudget.errors import MachineError\n"
        "print(len(load_benchmark('apps-interview').tasks))\n"
        "whole = load_benchmark('livecodebench', release='release_v2')\n"
        "print(len(whole.tasks), whole.version, len(load_benchmark('livecodebench', release='v2').tasks))\n"
        "print(whole.content_hash)\n"
        "try:\n    load_benchmark('livecodebench')\nexcept MachineError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    apps, livecodebench, content_hash, error = done.stdout.splitlines()
    assert (apps, livecodebench) == ("5", "6 release_v2 4")
    # Whoever has only a copy of the files can tell that they are the same.
    copy = load_board("livecodebench", str(HERE / "livecodebench.jsonl"), choice_of(release="release_v2"), is_copy=True)
    assert copy.content_hash == content_hash
    assert error.startswith("cannot fetch livecodebench/code_generation_lite/test3.jsonl")


def test_a_copy_of_a_file_of_the_hub_has_the_boards_release() -> None:
    file = str(HERE / "livecodebench.jsonl")
    assert load_board("livecodebench", file, is_copy=True).version == "release_v6"
    assert load_board("livecodebench", file).version == ""


def test_a_benchmark_with_left_out_tasks_can_be_cut_and_hashed(tmp_path: Path) -> None:
    rows = read_rows(HERE / "bigcodebench.jsonl")
    rows[0]["test"] = ""
    path = tmp_path / "board.jsonl"
    path.write_text(jsonl(rows))
    benchmark = load_benchmark(f"bigcodebench:{path}").first(2)
    assert isinstance(hash(benchmark), int)
    assert benchmark.left_out == {"BigCodeBench/9000": "it has no tests"}
    assert benchmark.beyond == {f"BigCodeBench/{number}" for number in (9000, 9003, 9004, 9005)}
