"""Rows that grade nothing are left out with the reason; rows that are wrong or hostile end in one line."""

import base64
import collections
import json
import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest
from codebudget.errors import UserError
from codebudget.tasks import Benchmark, load_benchmark
from codebudget.tasks.boards import packed

from support.rows import jsonl, read_rows

HERE = Path(__file__).parent

GOOD = {
    "apps-introductory": read_rows(HERE / "apps.jsonl")[0],
    "livecodebench": read_rows(HERE / "livecodebench.jsonl")[0],
    "codecontests": read_rows(HERE / "codecontests.jsonl")[0],
    "bigcodebench": read_rows(HERE / "bigcodebench.jsonl")[0],
}
IDS = {
    "apps-introductory": "problem_id",
    "livecodebench": "question_id",
    "codecontests": "name",
    "bigcodebench": "task_id",
}
TEST = {"input": "1\n", "output": "1\n", "testtype": "stdin"}


def load(folder: Path, name: str, *rows: dict[str, Any], **choice: Any) -> Benchmark:
    path = folder / "board.jsonl"
    path.write_text(jsonl(rows))
    return load_benchmark(f"{name}:{path}", **choice)


def packed_bytes(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


def packed_text(text: str) -> str:
    return packed_bytes(pickle.dumps(text))


class Runs:
    """What a pickle may hold besides a text: a call of anything."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pickle-was-run",)


UNFIT: list[tuple[str, dict[str, Any], str]] = [
    ("apps-introductory", {"input_output": ""}, "it has no tests"),
    ("apps-introductory", {"input_output": None}, "it has no tests"),
    ("apps-introductory", {"input_output": "{}"}, "cannot be decoded: inputs are not a list"),
    ("apps-introductory", {"input_output": "[1]"}, "not a JSON object"),
    ("apps-introductory", {"input_output": '{"inputs": [], "outputs": []}'}, "it has no tests"),
    ("apps-introductory", {"input_output": '{"inputs": ["1"], "outputs": []}'}, "1 inputs and 0 outputs"),
    ("apps-introductory", {"input_output": '{"inputs": [1], "outputs": ["1"]}'}, "inputs hold int, not text"),
    ("apps-introductory", {"input_output": '{"inputs": ["1"'}, "broken JSON"),
    ("apps-introductory", {"input_output": "[" * 100_000}, "nested too deeply"),
    ("apps-introductory", {"input_output": '{"inputs": ["\\ud800"], "outputs": ["1"]}'}, "surrogate"),
    ("apps-introductory", {"input_output": '{"fn_name": "f", "inputs": [1], "outputs": [1]}'}, "lists of arguments"),
    ("apps-introductory", {"input_output": '{"fn_name": "f()", "inputs": [[1]], "outputs": [1]}'}, "Python name"),
    ("livecodebench", {"public_test_cases": "[]", "private_test_cases": "[]"}, "it has no tests"),
    ("livecodebench", {"public_test_cases": None, "private_test_cases": ""}, "it has no tests"),
    ("livecodebench", {"private_test_cases": "%%%"}, "neither JSON nor base64"),
    ("livecodebench", {"private_test_cases": base64.b64encode(b"text").decode()}, "broken zlib"),
    ("livecodebench", {"private_test_cases": packed_bytes(b"text")}, "pickle"),
    ("livecodebench", {"private_test_cases": packed_bytes(b"")}, "pickle"),
    ("livecodebench", {"private_test_cases": packed_bytes(pickle.dumps(["a"]))}, "more than one text"),
    ("livecodebench", {"private_test_cases": packed_bytes(pickle.dumps(Runs()))}, "more than one text"),
    ("livecodebench", {"private_test_cases": packed_bytes(pickle.dumps(collections.Counter("a")))}, "more than one"),
    ("livecodebench", {"private_test_cases": packed_bytes(b"cos\nsystem\n(S'true'\ntR.")}, r"\(GLOBAL\)"),
    ("livecodebench", {"private_test_cases": packed_bytes(b"\x80\x04N.")}, "more than one text"),
    ("livecodebench", {"private_test_cases": packed_text("[")}, "broken JSON"),
    ("livecodebench", {"private_test_cases": packed_text("[" * 100_000)}, "nested too deeply"),
    ("livecodebench", {"private_test_cases": packed_text("{}")}, "not a list"),
    ("livecodebench", {"private_test_cases": packed_text("[3]")}, "something else than tests"),
    ("livecodebench", {"private_test_cases": json.dumps([TEST | {"input": 1}])}, "not texts"),
    ("livecodebench", {"private_test_cases": json.dumps([TEST | {"testtype": "functional"}])}, "two kinds"),
    ("livecodebench", {"private_test_cases": packed_text("[]")[:-8]}, "cut off|broken zlib|neither JSON nor base64"),
    ("codecontests", dict.fromkeys(("public_tests", "private_tests", "generated_tests")), "it has no tests"),
    ("codecontests", {"private_tests": {"input": ["1", "2"], "output": ["1"]}}, "2 inputs and 1 outputs"),
    ("codecontests", {"private_tests": {"input": "12", "output": "12"}}, "not lists of texts"),
    ("codecontests", {"input_file": "in.txt"}, "read or write files"),
    ("bigcodebench", {"test": ""}, "it has no tests"),
]


@pytest.mark.parametrize(("name", "change", "why"), UNFIT)
def test_a_task_that_cannot_grade_is_left_out_with_the_reason(
    name: str, change: dict[str, Any], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bad = GOOD[name] | {IDS[name]: "bad"} | change
    benchmark = load(tmp_path, name, GOOD[name], bad)
    assert [task.id for task in benchmark.tasks] == [str(GOOD[name][IDS[name]])]
    assert benchmark.left_out.keys() == {"bad"}
    assert benchmark.left_out["bad"].isprintable()
    with pytest.raises(UserError, match=f"none of its 1 tasks can be graded: .*(?:{why})"):
        load(tmp_path, name, bad)
    assert not (tmp_path / "pickle-was-run").exists()


def test_tests_that_expand_beyond_the_bound_are_not_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "FREE_BYTES", 1 << 20)
    text = json.dumps([TEST | {"input": "1" * (1 << 22)}])
    bad = GOOD["livecodebench"] | {"private_test_cases": packed_text(text)}
    with pytest.raises(UserError, match="expand to more than the limit of 1 MiB plus 100 times their size"):
        load(tmp_path, "livecodebench", bad)
    monkeypatch.setattr(packed, "FREE_BYTES", 8 << 20)
    assert load(tmp_path, "livecodebench", bad).tasks


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("apps-introductory", {"question": None}, "no field 'question'"),
    ("apps-introductory", {"question": ["a"]}, "question is list, not text"),
    ("apps-introductory", {"question": "x" * (1 << 19)}, "question is longer than 262144 characters"),
    ("apps-introductory", {"question": "\ud800"}, "question has half of a surrogate pair"),
    ("apps-introductory", {"problem_id": 1.5}, "problem_id is float, not text"),
    ("apps-introductory", {"problem_id": " "}, "problem_id is empty"),
    ("apps-introductory", {"problem_id": True}, "problem_id is bool, not text"),
    ("apps-introductory", {"input_output": 7}, "input_output is int, not text"),
    ("livecodebench", {"contest_date": "soon"}, "contest_date is 'soon', not an ISO date"),
    ("livecodebench", {"starter_code": 3}, "starter_code is int, not text"),
    ("codecontests", {"time_limit": "2"}, "time_limit is str, not an object"),
    ("codecontests", {"time_limit": {"seconds": "2"}}, "time_limit does not hold numbers"),
    ("codecontests", {"time_limit": {"seconds": 10**9}}, "time_limit is not between 0 and 600"),
    ("codecontests", {"memory_limit_bytes": -1}, "memory_limit_bytes is not a whole number"),
    ("codecontests", {"solutions": {"language": [3], "solution": []}}, "solutions are not lists"),
    ("codecontests", {"public_tests": "[]"}, "public_tests is str, not an object"),
    ("bigcodebench", {"entry_point": "a b"}, "the entry point is not a Python name"),
    ("bigcodebench", {"complete_prompt": None}, "no field 'complete_prompt'"),
]


@pytest.mark.parametrize(("name", "change", "message"), WRONG)
def test_a_row_that_is_not_the_boards_is_named(name: str, change: dict[str, Any], message: str, tmp_path: Path) -> None:
    first = GOOD[name] | {IDS[name]: "first"}
    with pytest.raises(UserError, match=rf"board\.jsonl:2: {message}") as raised:
        load(tmp_path, name, first, GOOD[name] | change)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("name", GOOD)
def test_an_id_that_occurs_twice_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"board\.jsonl:2: task '.*' occurs twice"):
        load(tmp_path, name, GOOD[name], GOOD[name])


@pytest.mark.parametrize("name", GOOD)
def test_files_that_are_none_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.jsonl: no such file"):
        load_benchmark(f"{name}:{tmp_path / 'nowhere.jsonl'}")
    with pytest.raises(UserError, match="contains no tasks"):
        load(tmp_path, name)
    path = tmp_path / "broken.jsonl"
    path.write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"broken\.jsonl:1: row 1: broken JSON \(nested too deeply"):
        load_benchmark(f"{name}:{path}")
    with pytest.raises(UserError, match=f"{name} has its own fields"):
        load_benchmark(f"{name}:{path}", {"prompt": "question"})


def test_another_boards_file_is_named(tmp_path: Path) -> None:
    for name in GOOD:
        for other in GOOD.keys() - {name}:
            with pytest.raises(UserError, match=r"board\.jsonl:1: no field '\w+' \(the row has "):
                load(tmp_path, name, GOOD[other])
    with pytest.raises(UserError, match="none of the 1 rows is one of its tasks"):
        load(tmp_path, "apps-interview", GOOD["apps-introductory"])


def test_dates_need_a_date(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"board\.jsonl:1: no contest date to compare"):
        load(tmp_path, "livecodebench", GOOD["livecodebench"] | {"contest_date": None}, since="2024-01-01")
    assert load(tmp_path, "livecodebench", GOOD["livecodebench"] | {"contest_date": None}).tasks
    with pytest.raises(UserError, match="the tasks of codecontests have no contest dates"):
        load(tmp_path, "codecontests", GOOD["codecontests"], until="2024-01-01")
