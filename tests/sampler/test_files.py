"""Files of samples: every format, strata and shards, and one clear line per mistake."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from codebudget.errors import UserError
from codebudget.records import Task
from codebudget.sampler.files import read_samples
from codebudget.tasks import load_benchmark

from support.rows import write_rows as write

PROMPT = 'def f(x):\n    """Add one."""\n'
TASKS = {
    name: Task(id=name, benchmark="b", prompt=PROMPT, entry_point="f", stop=("\ndef",))
    for name in ("b/0", "b/1", "b/2")
}


def completion(task_id: str, value: int, **fields: Any) -> dict[str, Any]:
    return {"task_id": task_id, "completion": f"    return x + {value}\n", **fields}


def test_all_formats_are_read_and_indexed_in_order(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mixed.jsonl.gz",
        completion("b/0", 1, extra={"a": 1}),
        {"task_id": "b/2", "solution": "def f(x):\n    return x + 2\n"},
        {"task_id": "b/0", "prompt": PROMPT, "samples": ["    return x + 3\n\ndef g():\n", "    return x + 4\n"]},
    )
    recorded = read_samples([str(path)], TASKS, "7b")
    found = [(one.task_id, one.index, one.arm, one.stratum) for one in recorded.candidates]
    assert found == [("b/0", 0, "7b", None), ("b/0", 1, "7b", None), ("b/0", 2, "7b", None), ("b/2", 0, "7b", None)]
    assert recorded.candidates[1].raw == "    return x + 3\n\ndef g():\n"
    assert recorded.candidates[1].program == PROMPT + "    return x + 3\n"
    assert recorded.missing == ("b/1",)
    assert recorded.strata == ()


def test_optional_fields_are_kept(tmp_path: Path) -> None:
    fields = {"seed": -3, "finish_reason": "length", "prompt_tokens": 5, "output_tokens": 2, "logprobs": [-0.5, 0]}
    other = PROMPT.replace("Add", "Append")
    path = write(
        tmp_path / "a.jsonl", completion("b/0", 1, **fields, prompt=other), completion("b/1", 1, prompt=PROMPT)
    )
    first, second = read_samples([str(path)], TASKS, "a").candidates
    assert (first.seed, first.finish_reason, first.prompt_tokens, first.output_tokens) == (-3, "length", 5, 2)
    assert first.logprobs == (-0.5, 0.0)
    assert first.prompt == other
    assert first.program.startswith(other)
    assert second.prompt is None
    assert second.logprobs is None


def test_a_chat_prompt_is_kept_and_the_program_continues_the_benchmarks(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", completion("b/0", 1, prompt="Please complete:"))
    candidate = read_samples([str(path)], TASKS, "a").candidates[0]
    assert candidate.prompt == "Please complete:"
    assert candidate.program == PROMPT + "    return x + 1\n"


def test_files_that_hold_the_same_tasks_are_strata(tmp_path: Path) -> None:
    for stem in ("long", "short"):
        write(tmp_path / f"{stem}.jsonl", completion("b/0", 1), completion("b/1", 2))
    recorded = read_samples([str(tmp_path)], TASKS, "a")
    assert recorded.strata == ("long", "short")
    assert [(one.task_id, one.index, one.stratum) for one in recorded.candidates] == [
        ("b/0", 0, "long"),
        ("b/0", 1, "short"),
        ("b/1", 0, "long"),
        ("b/1", 1, "short"),
    ]


def test_files_of_one_stem_in_two_folders_keep_names_apart(tmp_path: Path) -> None:
    for folder in ("t02", "t08"):
        write(tmp_path / folder / "samples.jsonl", completion("b/0", 1))
    assert read_samples([str(tmp_path / "*" / "*.jsonl")], TASKS, "a").strata == ("t02/samples", "t08/samples")


def test_shards_are_not_strata(tmp_path: Path) -> None:
    write(tmp_path / "0.jsonl", completion("b/0", 1), completion("b/0", 2))
    write(tmp_path / "1.jsonl.gz", completion("b/1", 1))
    recorded = read_samples([str(tmp_path)], TASKS, "a")
    assert recorded.strata == ()
    assert {one.stratum for one in recorded.candidates} == {None}


def test_order_is_that_of_the_patterns_and_a_file_counts_once(tmp_path: Path) -> None:
    late, early = write(tmp_path / "z.jsonl", completion("b/0", 1)), write(tmp_path / "a.jsonl", completion("b/0", 2))
    recorded = read_samples([str(late), str(tmp_path), str(tmp_path / "*.jsonl")], TASKS, "a")
    assert recorded.files == (late, early)
    assert [one.program[-2] for one in recorded.candidates] == ["1", "2"]


def test_half_a_surrogate_pair_does_not_break_anything(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"task_id": "b/0", "completion": "    return \\"\\ud83d\\"\\n"}\n')
    assert read_samples([str(path)], TASKS, "a").candidates[0].raw == '    return "?"\n'


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("eos_token", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("Gave up!", "gave_up"),
        ("", None),
    ],
)
def test_words_for_an_end_are_read(tmp_path: Path, word: str, reason: str | None) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(completion("b/0", 1) | {"finish_reason": word}))
    assert read_samples([str(path)], TASKS, "a").candidates[0].finish_reason == reason


@pytest.mark.parametrize("unknown", ["null", "NaN"])
def test_logprobs_of_which_one_is_not_known_are_none(tmp_path: Path, unknown: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"task_id": "b/0", "completion": "x", "logprobs": [-0.5, {unknown}]}}')
    assert read_samples([str(path)], TASKS, "a").candidates[0].logprobs is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{oops", "broken JSON"),
        (b'{"task_id": "b/0", "completion": "\xe9"}', "not UTF-8"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"completion": "x"}', "no task_id"),
        (b'{"task_id": null, "completion": "x"}', "no task_id"),
        (b'{"task_id": ["b/0"], "completion": "x"}', "task_id is a list of 1"),
        (b'{"task_id": true, "completion": "x"}', "task_id is True"),
        (b'{"task_id": 3, "completion": "x"}', "unknown task 3; this benchmark has 3 tasks, 'b/0' to 'b/2'; choose"),
        (b'{"task_id": "HumanEval/0", "completion": "x"}', "unknown task 'HumanEval/0'; this benchmark has"),
        (b'{"task_id": "b/0/1/2", "completion": "x"}', "unknown task 'b/0/1/2'"),
        (b'{"task_id": "zzzz", "completion": "x"}', "unknown task 'zzzz'; choose its benchmark"),
        (b'{"task_id": "b/0"}', "no completion, solution or samples"),
        (b'{"task_id": "b/0", "output": "x"}', "no completion, solution or samples; a row needs the model's text as"),
        (b'{"task_id": "b/0", "completion": 3}', "a sample is int"),
        (b'{"task_id": "b/0", "completion": {"text": "x"}}', "a sample is dict"),
        (b'{"task_id": "b/0", "messages": "x"}', "messages is not a list of objects"),
        (b'{"task_id": "b/0", "samples": [{"text": "x"}]}', "a sample has no generation, completion or solution"),
        (b'[["x"], ["y"]]', "a list without a task"),
        (b'{"b/0": {"task_id": "b/1", "completion": "x"}}', "'b/0': its task_id is 'b/1'"),
        (b'{"b/0": 3}', "'b/0': 3 is not a row"),
        (b'{"b/0": ["x"], "meta": ["y"]}', "'meta': unknown task 'meta'"),
        (b'{"date": "x", "eval": {"b/0": ["x"]}}', "no task_id; the rows are under 'eval'"),
        (b'{"task_id": "b/0", "samples": "x"}', "samples is not a list"),
        (b'{"task_id": "b/0", "completion": "x", "seed": "one"}', "seed is 'one'"),
        (b'{"task_id": "b/0", "completion": "x", "seed": 1.5}', "seed is 1.5"),
        (b'{"task_id": "b/0", "completion": "x", "prompt_tokens": "-1"}', "prompt_tokens is '-1'"),
        (b'{"task_id": "b/0", "completion": "x", "output_tokens": -1}', "output_tokens is -1"),
        (b'{"task_id": "b/0", "completion": "x", "finish_reason": 3}', "finish_reason is 3"),
        (b'{"task_id": "b/0", "completion": "x", "logprobs": [true]}', "logprobs is not a list of numbers"),
        (b'{"task_id": "b/0", "completion": "x", "logprobs": ["-1"]}', "logprobs is not a list of numbers"),
        (b'{"task_id": "b/0", "completion": "x", "logprobs": {"tokens": []}}', "logprobs is not a list of numbers"),
        (b'{"task_id": "b/0", "completion": "x", "prompt": 1}', "prompt is int"),
        (b"[" * 100000, "broken JSON"),
        (b'{"task_id": "' + b"x" * 1_000_000 + b'", "completion": "x"}', "unknown task 'xxx"),
        (b'{"task_id": "b/0", "completion": "x", "seed": 9223372036854775808}', "seed is 9223372036854775808"),
        (b'{"task_id": "b/0", "completion": "x", "seed": 1' + b"0" * 400 + b"}", "seed is a number of 1329 bits"),
        (b'{"task_id": "b/0", "completion": "x", "seed": 1' + b"0" * 5000 + b"}", "broken JSON"),
        (
            b'{"task_id": "b/0", "completion": "x", "finish_reason": ["' + b"x" * 9999 + b'"]}',
            "finish_reason is a list of 1",
        ),
        (
            b'{"task_id": "b/0", "completion": "x", "logprobs": [1' + b"0" * 400 + b"]}",
            "logprobs is not a list of numbers",
        ),
        (b'{"task_id": "b/0", "samples": [' + b'"",' * 250_000 + b'""]}', "more samples than the limit of 200000"),
        (
            b'{"task_id": "b/0", "completion": "", "x": [' + b"[]," * 3_000_000 + b"1]}",
            "more values than the limit of 2000000",
        ),
    ],
)
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_a_wrong_row_is_named_by_file_and_line(tmp_path: Path, line: bytes, message: str, suffix: str) -> None:
    path = tmp_path / f"bad{suffix}"
    data = json.dumps(completion("b/0", 1)).encode() + b"\n\n" + line + b"\n"
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    with pytest.raises(UserError) as caught:
        read_samples([str(path)], TASKS, "a")
    assert f"bad{suffix}:3: {message}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_wrong_files_are_named(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.jsonl.gz", *(completion("b/0", value) for value in range(20000))).read_bytes()
    cases = {
        "torn.jsonl.gz": (whole[:-30], r"torn\.jsonl\.gz:\d+: broken gzip"),
        "plain.jsonl.gz": (b"{}", r"plain\.jsonl\.gz:1: broken gzip"),
        "empty.jsonl": (b"\n", r"empty\.jsonl: contains no samples"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=message):
            read_samples([str(tmp_path / name)], TASKS, "a")


def test_a_pattern_that_means_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for pattern, message in [
        ("empty", "has no .jsonl"),
        ("*.jsonl", "no such file"),
        ("nowhere.jsonl", "no such file"),
    ]:
        with pytest.raises(UserError, match=message):
            read_samples([str(tmp_path / pattern)], TASKS, "a")
    with pytest.raises(UserError, match="`samples`"):
        read_samples([], TASKS, "a")


def test_the_wizardlm_files_are_four_strata_of_164_tasks(shared_data: Path) -> None:
    tasks = load_benchmark("humaneval").by_id
    for size in ("7b", "13b", "30b"):
        recorded = read_samples([str(shared_data / "humaneval_wizardlm" / size)], tasks, size)
        assert recorded.strata == ("long", "long_hightemp", "markdown", "medium")
        assert len(recorded.candidates) == 4 * 164
        assert recorded.missing == ()


def test_the_codegen_rows_keep_their_own_prompts(shared_data: Path) -> None:
    tasks = load_benchmark("humaneval").by_id
    recorded = read_samples([str(shared_data / "humaneval_codegen16b_even")[:-5] + "*/solutions*.gz"], tasks, "16b")
    assert len(recorded.candidates) == 8200
    assert len(recorded.missing) == 82
    assert all(one.index < 100 for one in recorded.candidates)
    with_docstring_examples = [one for one in recorded.candidates if one.prompt is not None and ">>>" in one.prompt]
    assert with_docstring_examples == []


def test_a_file_whose_name_is_no_utf8_can_be_a_stratum(tmp_path: Path) -> None:
    for name in ("a\udcff.jsonl", "b.jsonl"):
        write(tmp_path / name, completion("b/0", 1))
    assert read_samples([str(tmp_path)], TASKS, "a").strata == ("a?", "b")
