"""Files of samples in the forms that people have: what is meant is read, and omissions are counted and named."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from codebudget.errors import UserError
from codebudget.records import Candidate, Task
from codebudget.sampler.files import Recorded, find_files, read_attempts, read_samples
from codebudget.sampler.generated_tests import read_tests
from codebudget.sampler.rows import Remarks

from support.rows import jsonl, write_rows

PROMPT = 'def f(xs):\n    """Sort xs.\n    >>> f([2, 1])\n    [1, 2]\n    """\n'
TASKS = {
    name: Task(id=name, benchmark="b", prompt=PROMPT, entry_point="f", stop=("\ndef",))
    for name in ("T/0", "T/1", "T/2")
}
BODY = "    return sorted(xs)\n"
OTHER = "    return list(xs)\n"
NO_TEXT = "without a text (null), left out"


def row(place: int, **fields: Any) -> dict[str, Any]:
    return {"task_id": f"T/{place}", "completion": BODY, **fields}


def read(path: Path, text: str | bytes) -> Recorded:
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return read_samples([str(path)], TASKS, "a")


def raws(recorded: Recorded) -> list[tuple[str, str]]:
    return [(one.task_id, one.raw) for one in recorded.candidates]


BOTH = [("T/0", BODY), ("T/1", OTHER)]

SHAPES = {
    "an array": [row(0), row(1, completion=OTHER)],
    "rows by id": {"T/0": {"completion": BODY}, "T/1": {"solution": OTHER}},
    "lists by id": {"T/0": [BODY], "T/1": [OTHER]},
    "texts by id": {"T/0": BODY, "T/1": OTHER},
    "rows in lists by id": {"T/0": [{"task_id": "T/0", "solution": BODY}], "T/1": [{"solution": OTHER}]},
    "numbers as keys": {"0": [BODY], "1": [OTHER]},
    "the seed study's": {
        "T/0": {"prompt": PROMPT, "samples": [{"pass_at_1": 100, "generation": BODY}]},
        "T/1": {"prompt": PROMPT, "samples": [{"pass_at_1": 0, "generation": OTHER}]},
    },
    "lists of objects": [
        {"task_id": "T/0", "samples": [{"completion": BODY}]},
        {"task_id": "T/1", "samples": [{"generation": OTHER, "completion": None}]},
    ],
    "lists as completions": [{"task_id": "T/0", "completion": [BODY]}, {"task_id": "T/1", "solution": [OTHER]}],
    "other spellings": [row(0, task_id=0), row(1, task_id="t_1", completion=OTHER)],
    "generations": [{"task_id": "T/0", "generation": BODY}, {"task_id": "T/1", "generation": [OTHER]}],
}


@pytest.mark.parametrize("name", ["s.json", "s.jsonl", "s.json.gz"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_read(tmp_path: Path, shape: str, indent: int | None, name: str) -> None:
    recorded = read(tmp_path / name, json.dumps(SHAPES[shape], indent=indent))
    assert raws(recorded) == BOTH
    assert recorded.missing == ("T/2",)
    attempts = list(read_attempts([tmp_path / name], TASKS))
    assert [(one.task.id, one.text) for one in attempts] == BOTH


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_may_stand_line_by_line(tmp_path: Path, shape: str) -> None:
    whole = SHAPES[shape]
    lines = whole if isinstance(whole, list) else [{key: value} for key, value in whole.items()]
    text = "\r\n\r\n".join(json.dumps(line) for line in lines)
    assert raws(read(tmp_path / "s.jsonl", b"\xef\xbb\xbf" + text.encode())) == BOTH
    # Two files that each began with a byte order mark, one behind the other.
    assert raws(read(tmp_path / "t.jsonl", "\n\ufeff".join(json.dumps(line) for line in lines))) == BOTH


def test_a_folder_of_json_files_is_read_and_results_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([row(0)]))
    (tmp_path / "b.json").write_text(json.dumps(row(1, completion=OTHER), indent=2))
    (tmp_path / "a.json_results.jsonl").write_text(jsonl([row(0, passed=True)]))
    assert raws(read_samples([str(tmp_path)], TASKS, "a")) == BOTH


def test_json_files_beside_lines_are_ignored_with_a_notice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_rows(tmp_path / "a.jsonl", row(0))
    (tmp_path / "config.json").write_text("{}")
    assert find_files([str(tmp_path)]) == (tmp_path / "a.jsonl",)
    assert "1 .json files beside its .jsonl files are ignored" in caplog.text


def test_a_folder_of_folders_is_refused_with_a_hint(tmp_path: Path) -> None:
    write_rows(tmp_path / "7b" / "a.jsonl", row(0))
    with pytest.raises(UserError, match=r"no \.jsonl or \.json file.* such as one of its folders \(7b\)"):
        find_files([str(tmp_path)])


@pytest.mark.parametrize("null", ["null", "NaN"])
@pytest.mark.parametrize("field", ["completion", "solution", "generation", "samples", "messages"])
def test_a_missing_text_affects_only_its_own_sample(tmp_path: Path, field: str, null: str) -> None:
    recorded = read(tmp_path / "s.jsonl", f'{{"task_id": "T/0", "{field}": {null}}}\n' + jsonl([row(1)]))
    assert raws(recorded) == [("T/1", BODY)]
    assert recorded.remarks == (f"1 sample {NO_TEXT}: {tmp_path}/s.jsonl:1",)
    assert recorded.missing == ("T/0", "T/2")
    texts = [(one.task.id, one.text) for one in read_attempts([tmp_path / "s.jsonl"], TASKS)]
    assert texts == [("T/0", None), ("T/1", BODY)]


def test_missing_texts_in_lists_are_counted(tmp_path: Path) -> None:
    samples = [None, BODY, {"generation": None, "pass_at_1": 0}, OTHER]
    recorded = read(
        tmp_path / "s.json", json.dumps([{"task_id": 0, "samples": samples}, {"task_id": 1, "samples": []}])
    )
    assert [(one.index, one.raw) for one in recorded.candidates] == [(0, BODY), (1, OTHER)]
    place = f"{tmp_path}/s.json:1: row"
    assert recorded.remarks == (
        f"2 rows with a task_id spelt differently from the benchmark's; the first: {place} 1, 0 read as 'T/0'",
        f"2 samples {NO_TEXT}; the first: {place} 1",
        f"1 row with an empty list of samples, left out: {place} 2",
    )


def test_a_field_that_has_the_text_counts_where_another_is_null(tmp_path: Path) -> None:
    rows = [
        {"task_id": "T/0", "completion": None, "solution": BODY},
        {"task_id": "T/1", "samples": None, "completion": BODY},
    ]
    assert [raw for _, raw in raws(read(tmp_path / "s.jsonl", jsonl(rows)))] == [BODY, BODY]


def test_a_file_without_any_text_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"contains no samples \(2 samples without a text \(null\), left out; the first: .*:1\)"
    ):
        read(tmp_path / "s.jsonl", jsonl([row(0, completion=None)] * 2))


FIELDS = [
    ({"seed": ""}, {"seed": None}),
    ({"seed": "  "}, {"seed": None}),
    ({"seed": math.nan}, {"seed": None}),
    ({"seed": "-3"}, {"seed": -3}),
    ({"seed": 3.0}, {"seed": 3}),
    ({"seed": "3.0"}, {"seed": 3}),
    ({"prompt_tokens": "12", "output_tokens": 7.0}, {"prompt_tokens": 12, "output_tokens": 7}),
    ({"finish_reason": ""}, {"finish_reason": None}),
    ({"finish_reason": "eos_token"}, {"finish_reason": "stop"}),
    ({"finish_reason": "STOP"}, {"finish_reason": "stop"}),
    ({"finish_reason": "max_tokens"}, {"finish_reason": "length"}),
    ({"prompt": ""}, {"prompt": None}),
    (
        {"prompt": [{"role": "user", "content": "Sort."}, {"role": "user", "content": "Now."}]},
        {"prompt": "Sort.\n\nNow."},
    ),
    ({"logprobs": ""}, {"logprobs": None}),
    ({"logprobs": [-1, -0.5]}, {"logprobs": (-1.0, -0.5)}),
    ({"logprobs": [None, -0.5], "made_by": {"model": "m"}}, {"logprobs": (-math.inf, -0.5)}),
]


@pytest.mark.parametrize(("said", "expected"), FIELDS)
def test_fields_of_a_sample_are_read_as_intended(
    tmp_path: Path, said: dict[str, Any], expected: dict[str, Any]
) -> None:
    for rows in ([row(0, **said)], [{"task_id": "T/0", "samples": [{"generation": BODY, **said}]}]):
        recorded = read(tmp_path / "s.jsonl", jsonl(rows))
        (candidate,) = recorded.candidates
        assert {name: getattr(candidate, name) for name in expected} == expected
        assert recorded.remarks == ()


@pytest.mark.parametrize(
    ("said", "remark"),
    [
        ({"logprobs": [math.nan, -1.0]}, "whose logprobs are not all finite numbers and are ignored"),
        ({"logprobs": [None, -1.0]}, "whose logprobs are not all finite numbers"),
        ({"logprobs": [-math.inf]}, "whose logprobs are not all finite numbers"),
        ({"finish_reason": "…"}, "whose finish_reason has no letters and is ignored"),
        ({"pass_at_1": 35}, "whose verdict is neither passed nor failed"),
        ({"passed": "perhaps"}, "whose verdict is neither passed nor failed"),
    ],
)
def test_fields_that_cannot_be_read_are_ignored_and_counted(tmp_path: Path, said: dict[str, Any], remark: str) -> None:
    recorded = read(tmp_path / "s.jsonl", jsonl([row(0, **said), row(1), row(2, **said)]))
    assert len(recorded.candidates) == 3
    assert recorded.verdicts == {}
    assert [one.logprobs for one in recorded.candidates] == [None] * 3
    (line,) = recorded.remarks
    assert line.startswith(f"2 samples {remark}")
    assert f"the first: {tmp_path}/s.jsonl:1" in line


VERDICTS = [
    (0, False),
    (1, True),
    (100, True),
    (100.0, True),
    ("0", False),
    ("1.0", True),
    (True, True),
    (False, False),
    ("True", True),
    ("false", False),
    ("", None),
    (None, None),
    (math.nan, None),
]


@pytest.mark.parametrize("field", ["pass_at_1", "passed"])
@pytest.mark.parametrize(("value", "verdict"), VERDICTS)
def test_verdicts_of_files_are_read_and_kept_from_rankers(tmp_path: Path, field: str, value: Any, verdict: Any) -> None:
    samples = [{field: value, "generation": BODY}, {"generation": OTHER}]
    recorded = read(tmp_path / "s.json", json.dumps({"T/1": {"samples": samples}}))
    assert recorded.verdicts == ({} if verdict is None else {("T/1", 0): verdict})
    assert recorded.remarks == ()
    assert not {"verdict", field} & set(Candidate.model_fields)


def test_verdicts_in_a_list_beside_the_samples_are_each_ones_own(tmp_path: Path) -> None:
    fields = {"task_id": "T/0", "samples": [BODY, None, OTHER], "passed": [True, True, False]}
    recorded = read(tmp_path / "s.json", json.dumps([fields, {**fields, "task_id": "T/1", "passed": [True]}]))
    assert recorded.verdicts == {("T/0", 0): True, ("T/0", 1): False}
    # The second row's list is too short to say whose verdicts it has.
    assert any("2 samples whose verdict is neither passed nor failed" in line for line in recorded.remarks)
    attempts = list(read_attempts([tmp_path / "s.json"], TASKS))
    assert [one.verdict for one in attempts] == [True, True, False, None, None, None]
    assert attempts[2].answered(passed=True)["passed"] is True


def chat(answer: Any, question: str = PROMPT, role: str = "assistant") -> dict[str, Any]:
    asked = [{"role": "system", "content": "You code."}, {"role": "user", "content": question}]
    return {"task_id": "T/0", "messages": [*asked, {"role": role, "content": answer}]}


def test_a_chat_is_its_last_answer(tmp_path: Path) -> None:
    fenced = f"```python\n{PROMPT}{BODY}```"
    for answer in (fenced, [{"type": "text", "text": fenced}]):
        (candidate,) = read(tmp_path / "s.jsonl", jsonl([chat(answer)])).candidates
        assert candidate.raw == fenced
        assert candidate.program.strip() == (PROMPT + BODY).strip()
        # The benchmark's own prompt was shown, and so were its examples.
        assert candidate.prompt is None
    (other,) = read(tmp_path / "s.jsonl", jsonl([chat(fenced, question="Write f.")])).candidates
    assert other.prompt == "You code.\n\nWrite f."
    for unanswered in (chat(None), chat("Sort.", role="user")):
        recorded = read(tmp_path / "s.jsonl", jsonl([unanswered, row(1)]))
        assert [one.task_id for one in recorded.candidates] == ["T/1"]
        assert NO_TEXT in recorded.remarks[0]


def test_repeated_rows_are_samples_and_said_where_their_index_says_otherwise(tmp_path: Path) -> None:
    assert read(tmp_path / "s.jsonl", jsonl([row(0), row(0)])).remarks == ()
    recorded = read(tmp_path / "s.jsonl", jsonl([row(0, index=0), row(0, index=1), row(0, index=0), row(1, index=0)]))
    assert len(recorded.candidates) == 4
    said = "1 row with the same index and text as an earlier row of the task, counted anyway"
    assert recorded.remarks == (f"{said}: {tmp_path}/s.jsonl:3",)


def test_escapes_and_half_pairs_are_those_of_json(tmp_path: Path) -> None:
    text = '{"\\u0074ask_id": "\\u0054/0", "completion": "\\u00e9\\ud83d\\ude00\\ud83d"}'
    assert raws(read(tmp_path / "s.jsonl", text)) == [("T/0", "é😀?")]


def test_rows_of_tasks_that_were_not_selected_are_counted(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "s.jsonl", *(row(place) for place in (0, 3, 1, 4)))
    recorded = read_samples([str(path)], TASKS, "a", beyond=("T/3", "T/4"))
    assert [one.task_id for one in recorded.candidates] == ["T/0", "T/1"]
    assert recorded.remarks == (f"2 rows of tasks that were not selected, left out; the first: {path}:2",)
    tests, remarks = write_rows(tmp_path / "t.jsonl", *(row(place) for place in (0, 3))), Remarks()
    assert list(read_tests([str(tests)], TASKS, ("T/3", "T/4"), remarks)) == ["T/0"]
    assert "1 row of tasks that were not selected" in remarks.lines[0]


@pytest.mark.parametrize(
    "fields",
    [{"test_list": ["assert f([]) == []"]}, {"samples": "assert 1"}, {"samples": [["assert 1"]]}, {"completion": 3}],
)
def test_a_row_of_tests_is_told_the_forms_it_can_have(tmp_path: Path, fields: dict[str, Any]) -> None:
    path = write_rows(tmp_path / "t.jsonl", {"task_id": "T/0", **fields})
    with pytest.raises(UserError) as caught:
        read_tests([str(path)], TASKS)
    assert str(caught.value).startswith(f"{path}:1: ")
    assert 'a text of asserts as completion ("assert f(1) == 2"), or a list of such texts as samples' in str(
        caught.value
    )


def test_tests_are_read_in_the_shapes_of_samples(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"0": {"samples": ["a", None]}, "t/1": ["b"]}))
    found = read_tests([str(path)], TASKS)
    assert {name: tests.samples for name, tests in found.items()} == {"T/0": ("a",), "T/1": ("b",)}
