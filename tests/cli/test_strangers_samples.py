"""Files that people have, through the real commands: what is read, and what the user is told about the rest."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.command import Ran
from support.rows import bodies, jsonl
from support.rows import read_rows as read

SORT = "    return sorted(xs)\n"
PROMPT = 'def f(xs):\n    """Sort xs.\n    >>> f([2, 1])\n    [1, 2]\n    """\n'
PROCESS = ("--sandbox", "process", "--workers", "1")


def sorting(place: int, prompt: str = PROMPT) -> dict[str, str]:
    """A task whose id has a number."""
    tests = "def check(candidate):\n    assert candidate([2, 1]) == [1, 2]\n    assert candidate([]) == []\n"
    names = {"task_id": f"T/{place}", "entry_point": "f"}
    return {**names, "prompt": prompt, "canonical_solution": SORT, "test": tests}


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """A folder with `bench.jsonl`, two tasks with numbers."""
    (tmp_path / "bench.jsonl").write_text(jsonl([sorting(0), sorting(1)]))
    return tmp_path


def said(result: Ran) -> list[str]:
    lines = (line.removeprefix("codebudget: ") for line in result.stderr.splitlines())
    return [line for line in lines if "process sandbox is weak" not in line and "token counts" not in line]


ANSWER = f"```python\n{PROMPT}{SORT}```"
CASES = {
    "array.json": json.dumps([{"task_id": "T/0", "completion": SORT}]),
    "array.jsonl": json.dumps([{"task_id": "T/0", "completion": SORT}]),
    "intid.jsonl": jsonl([{"task_id": 0, "completion": SORT}]),
    "messages.jsonl": jsonl(
        [
            {
                "task_id": "T/0",
                "messages": [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": ANSWER}],
            }
        ]
    ),
    "nanrow.jsonl": f'{{"task_id": "T/0", "completion": {json.dumps(SORT)}, "logprobs": [NaN, -1.0]}}\n',
    "null.jsonl": jsonl([{"task_id": "T/1", "completion": None}, {"task_id": "T/0", "completion": SORT}]),
    "seed.jsonl": jsonl([{"task_id": "T/0", "completion": SORT, "seed": ""}]),
}
REMARKS = {
    "intid.jsonl": "1 row with a task_id spelt differently from the benchmark's: intid.jsonl:1, 0 read as 'T/0'",
    "nanrow.jsonl": "1 sample whose logprobs are not all finite numbers and are ignored: nanrow.jsonl:1",
    "null.jsonl": "1 sample without a text (null), left out: null.jsonl:1",
}


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_graded_and_compared(codebudget, numbered: Path, name: str) -> None:
    (numbered / name).write_text(CASES[name])
    graded = codebudget("execute", name, "--benchmark", "bench.jsonl", *PROCESS, "--json")
    assert graded.returncode == 0, graded.stderr
    answer = json.loads(graded.stdout)
    assert (answer["tasks"], answer["programs"], answer["passed"]) == (1, 1, 1)
    options = ("--benchmark", "bench.jsonl", *PROCESS, "--ranker", "first", "--json")
    compared = codebudget("compare", "7b:1", "--samples", f"7b={name}", *options)
    assert compared.returncode == 0, compared.stderr
    (arm,) = json.loads(compared.stdout.splitlines()[-1])["arms"]
    assert arm["pass_at_k"]["value"] == 1
    if name in REMARKS:
        assert f"7b:1: {REMARKS[name]}" in said(compared)
        assert (REMARKS[name] in said(graded)) == (name != "nanrow.jsonl")


def test_mbpps_own_numbers_are_read_beside_other_spellings(codebudget, tmp_path: Path) -> None:
    task = {
        "task_id": 601,
        "text": "Write a function to sort xs.",
        "code": "def f(xs):\n    return sorted(xs)",
        "test_list": ["assert f([2,1]) == [1,2]", "assert f([]) == []"],
        "test_setup_code": "",
        "challenge_test_list": [],
    }
    solution = "def f(xs):\n    return sorted(xs)\n"
    for name in ("mbpp-mb.jsonl", "mbpp.json"):
        (tmp_path / name).write_text(json.dumps(task if name.endswith("l") else [task]))
        names = (601, "601", "MBPP/601", "Mbpp/601", "mbpp_601")
        (tmp_path / "s.jsonl").write_text(jsonl({"task_id": one, "solution": solution} for one in names))
        result = codebudget("execute", "s.jsonl", "--benchmark", name, *PROCESS, "--json")
        assert json.loads(result.stdout)["passed"] == 5, result.stderr


def test_a_row_without_a_text_comes_out_as_not_graded(codebudget, numbered: Path) -> None:
    (numbered / "s.jsonl").write_text(
        jsonl({"task_id": "T/0", "completion": text} for text in (None, SORT, "    return xs"))
    )
    result = codebudget("execute", "s.jsonl", "--benchmark", "bench.jsonl", *PROCESS, "--json")
    answer = json.loads(result.stdout)
    assert (answer["programs"], answer["pass_at_k"]) == (2, {"1": 0.5})
    rows = read(numbered / "s.jsonl_results.jsonl")
    assert [(one["index"], one["passed"], one["status"]) for one in rows] == [
        (0, None, None),
        (1, True, "passed"),
        (2, False, "wrong"),
    ]
    assert rows[0]["result"] == "not graded: the row has no text"


def released(*verdicts: int) -> dict[str, Any]:
    """The seed study's generations, each task with a right and a wrong one, and what the file says of them."""
    return {
        f"T/{place}": {
            "prompt": PROMPT,
            "samples": [
                {"pass_at_1": verdicts[2 * place], "generation": SORT},
                {"pass_at_1": verdicts[2 * place + 1], "generation": "    return xs\n"},
            ],
        }
        for place in range(2)
    }


@pytest.mark.parametrize(
    ("verdicts", "line"),
    [
        ((100, 0, 100, 0), "of 4 samples with a verdict in the files, 2 pass there and 2 here; all agree"),
        ((100, 0, 0, 100), "of 4 samples with a verdict in the files, 2 pass there and 2 here; 2 differ, the first: "),
    ],
)
def test_the_seed_studys_verdicts_are_shown_beside_ours(
    codebudget, numbered: Path, verdicts: tuple[int, ...], line: str
) -> None:
    (numbered / "gens").mkdir()
    (numbered / "gens" / "7b.json").write_text(json.dumps(released(*verdicts)))
    options = ("--benchmark", "bench.jsonl", *PROCESS)
    graded = codebudget("execute", "gens", *options)
    assert line in graded.stdout, graded.stderr
    answer = json.loads(codebudget("execute", "gens", *options, "--json").stdout)
    agreeing = 4 if verdicts[2] else 2
    assert answer["recorded"] == {"samples": 4, "passed": 2, "passed_here": 2, "agreeing": agreeing}
    rows = read(numbered / "gens" / "7b.json_results.jsonl")
    assert [(one["pass_at_1"], one["passed"]) for one in rows] == list(zip(verdicts, [True, False] * 2, strict=True))
    compared = codebudget("compare", "7b:1", "--samples", "7b=gens", *options, "--ranker", "first", "--json")
    assert any(told.startswith(f"7b:1: {line}") for told in said(compared)), compared.stderr
    ranked = codebudget("rank", "gens", *options, "--ranker", "first", "--k", "1", "--json")
    assert any(told.startswith(line) for told in said(ranked)), ranked.stderr


def test_the_first_tasks_are_taken_of_files_that_hold_later_ones(compare, tiny: Path) -> None:
    (tiny / "tests.jsonl").write_text(
        jsonl({"task_id": name, "completion": f"assert {name}(0) == 0\n"} for name in ("double", "square", "negate"))
    )
    result = compare(
        *("13b:1", "7b:2", "--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl", "--tasks", "2"),
        *("--tests", "tests.jsonl", "--ranker", "codet", "--json"),
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["tasks"] == 2
    lines = said(result)
    assert "13b:1: 1 row of tasks that were not selected, left out: big.jsonl:3" in lines
    assert "7b:2: 3 rows of tasks that were not selected, left out; the first: small.jsonl:7" in lines
    assert "tests: 1 row of tasks that were not selected, left out: tests.jsonl:3" in lines


def test_files_of_several_settings_are_said_to_count_as_one(codebudget, tiny: Path) -> None:
    for name in ("cold", "hot"):
        (tiny / "runs").mkdir(exist_ok=True)
        (tiny / "runs" / f"{name}.jsonl").write_text(bodies([("double", "return 2 * x")]))
    options = ("--benchmark", "tiny.jsonl", *PROCESS)
    line = "2 files have the same tasks (cold, hot), and their rows are treated as samples of one setting;"
    assert any(told.startswith(line) for told in said(codebudget("execute", "runs", *options)))
    assert any(
        told.startswith(line) for told in said(codebudget("rank", "runs", *options, "--ranker", "first", "--k", "1"))
    )
    (tiny / "runs" / "hot.jsonl").write_text(bodies([("square", "return x * x")]))
    assert not any("files have the same" in told for told in said(codebudget("execute", "runs", *options)))


def test_solutions_without_their_prompts_imports_are_counted(codebudget, tmp_path: Path) -> None:
    head = "from typing import List\nimport math\n\n\ndef helper(x):\n    return x\n\n\n"
    prompt = head + PROMPT.replace("xs", "xs: List[int]", 1)
    (tmp_path / "bench.jsonl").write_text(jsonl(sorting(place, prompt) for place in range(5)))
    solutions = [
        "def f(xs: List[int]):\n    return sorted(xs)\n",
        "def f(xs):\n    return sorted(map(helper, xs), key=math.floor)\n",
        "from typing import List\nfrom math import *\ndef f(xs: List[int]):\n    return sorted(xs)\n",
        "def f(xs):\n    return List\n",
        "def f(xs):\n    return xs\n",
    ]
    (tmp_path / "s.jsonl").write_text(
        jsonl({"task_id": f"T/{place}", "solution": text} for place, text in enumerate(solutions))
    )
    result = codebudget("execute", "s.jsonl", "--benchmark", "bench.jsonl", *PROCESS, "--json")
    assert json.loads(result.stdout)["passed"] == 1
    (hint,) = (line for line in said(result) if "solutions" in line)
    assert hint.startswith(
        "3 of 5 solutions fail here and use names that only their prompt imports or defines (List, helper, math); a"
        " solution"
    )
    ranked = codebudget(
        "rank", "s.jsonl", "--benchmark", "bench.jsonl", *PROCESS, "--ranker", "first", "--k", "1", "--json"
    )
    assert json.loads(ranked.stdout)["pass_at_k"]["1"]["value"] == pytest.approx(0.6)
