"""Boards of scripts and methods, from files in their own formats: checked, executed, ranked and compared."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from codebudget.tasks import load_benchmark

from support.command import Ran
from support.markov_server import MarkovServer
from support.reciter import Reciter
from support.rows import jsonl, read_rows

Command = Callable[..., Ran]

MODEL = "codellama/CodeLlama-7b-hf"
TASKS = Path(__file__).parents[1] / "tasks" / "boards"
SAMPLES = Path(__file__).parent / "boards"

FILES = {
    "livecodebench": "livecodebench",
    "apps-introductory": "apps",
    "apps-interview": "apps",
    "codecontests": "codecontests",
}
COUNTS = {"livecodebench": 6, "apps-introductory": 5, "apps-interview": 5, "codecontests": 5}
"""Tasks of each board's file."""

PICKING = ["livecodebench", "apps-interview"]
"""Boards with samples of two arms, and with tests that a model wrote: most wrong programs pass the examples."""


@pytest.fixture
def on(codebudget: Command) -> Callable[..., Ran]:
    """Runs a command on a board in the process sandbox."""

    def run(board: str, *arguments: object) -> Ran:
        benchmark = f"{board}:{TASKS / FILES[board]}.jsonl"
        done = codebudget(*arguments, "--benchmark", benchmark, "--sandbox", "process", "--workers", "1")
        assert "Traceback" not in done.stderr
        return done

    return run


def answer(done: Ran) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def programs(board: str, folder: Path) -> Path:
    """Samples of a board's own programs: of each task two wrong ones and a right one."""
    rows = read_rows(TASKS / f"{FILES[board]}_programs.jsonl")
    path = folder / "programs.jsonl"
    path.write_text(jsonl(row for row in rows for _ in range(1 if row["right"] else 2)))
    return path


@pytest.mark.parametrize("board", ["livecodebench", "apps-interview", "codecontests"])
def test_a_board_is_checked(codebudget: Command, board: str) -> None:
    file, count = FILES[board], COUNTS[board]
    check = ("benchmarks", "check", f"{board}:{TASKS / file}.jsonl", "--sandbox", "process", "--workers", "1")
    checked = answer(codebudget(*check, "--json"))
    assert (checked["tasks"], checked["ok"], checked["split"], checked["failed"]) == (count, count, count, {})
    # LiveCodeBench has no solutions: its own limit grades its tasks.
    assert len(checked["no_reference"]) == (count if board == "livecodebench" else 0)
    if board == "livecodebench":
        said = codebudget(*check).stdout
        assert said.startswith("livecodebench: 0 of 6 references pass in process (0 split, 0 shared, 0 failed)")
        assert "graded by their own time limits, without a reference to verify them: 6" in said


@pytest.mark.parametrize("board", ["livecodebench", "apps-interview", "codecontests"])
def test_a_board_is_executed_and_picked_from_by_its_examples(
    on: Callable[..., Ran], board: str, tmp_path: Path
) -> None:
    count, files = COUNTS[board], programs(board, tmp_path)
    executed = answer(on(board, "execute", files, "--json"))
    # APPS takes lines in any order.
    lenient = ("4006",)
    assert (executed["tasks"], executed["programs"]) == (count, 3 * count)
    for row in read_rows(tmp_path / "programs.jsonl_results.jsonl"):
        assert row["passed"] == (row["right"] or row["task_id"] in lenient)
    rankers = ("--ranker", "examples", "--ranker", "majority", "--ranker", "codebudget")
    ranked = answer(on(board, "rank", files, *rankers, "--k", "1,3", "--json"))
    assert (ranked["tasks"], ranked["n"]) == (count, 3)
    scores = {name: found["3"]["value"] for name, found in ranked["rankers"].items()}
    # APPS shows no examples of functions, and one wrong script passes its example.
    assert scores["examples"] > (0.55 if board == "apps-interview" else 0.85)
    assert scores["codebudget"] >= 0.6
    assert scores["majority"] < scores["examples"]
    assert ranked["pass_at_k"]["3"]["value"] == 1.0


@pytest.mark.parametrize("board", PICKING)
def test_generated_tests_pick_where_examples_cannot(on: Callable[..., Ran], board: str) -> None:
    file, count = FILES[board], COUNTS[board]
    small, tests = SAMPLES / f"{file}_small.jsonl", SAMPLES / f"{file}_tests.jsonl"
    names = ("examples", "codet", "maxpass", "codebudget")
    rankers = [part for name in names for part in ("--ranker", name)]
    ranked = answer(on(board, "rank", small, "--tests", tests, *rankers, "--k", "3", "--json"))
    scores = {name: found["3"]["value"] for name, found in ranked["rankers"].items()}
    assert scores["examples"] == pytest.approx(1 / 3)
    assert scores["codet"] == scores["maxpass"] == scores["codebudget"] == 1.0

    large = SAMPLES / f"{file}_large.jsonl"
    given = ("--samples", f"13b={large}", "--samples", f"7b={small}", "--tests", tests)
    compared = answer(on(board, "compare", "13b:1", "7b:3", *given, "--ranker", "codebudget", "--json"))
    assert (compared["tasks"], compared["left_out"], compared["doubts"]) == (count, {}, [])
    one, three = compared["arms"]
    assert one["pass_at_k"]["value"] == one["rankers"]["codebudget"]["value"] == 2 / count
    assert three["pass_at_k"]["value"] == three["rankers"]["codebudget"]["value"] == 1.0


def test_rows_of_other_tasks_are_left_out(on: Callable[..., Ran], tmp_path: Path) -> None:
    done = on("apps-introductory", "execute", programs("apps-introductory", tmp_path), "--json")
    assert answer(done)["tasks"] == 5
    assert "30 rows of tasks that were not selected, left out" in done.stderr


def test_completions_on_boards_of_whole_answers_are_programs(on: Callable[..., Ran], tmp_path: Path) -> None:
    text = "```python\nimport sys\nprint(''.join(reversed(sys.stdin.read().strip().splitlines(True))))\n```\n"
    spread = "        return max(xs) - min(xs)\n"
    function = f"def spread(xs):\n{spread}"
    rows = [
        {"task_id": "cup0_a", "completion": text},
        {"task_id": "9003", "completion": spread},
        {"task_id": "9003", "completion": function},
    ]
    (tmp_path / "s.jsonl").write_text(jsonl(rows))
    executed = answer(on("livecodebench", "execute", "s.jsonl", "--json"))
    assert executed["statuses"] == {"wrong": 1, "passed": 2}


def test_files_that_a_board_writes_itself_are_read(on: Callable[..., Ran], tmp_path: Path) -> None:
    right = "import sys\nprint('\\n'.join(reversed(sys.stdin.read().splitlines())))\n"
    # As a model goes on from starter code, whose imports the board's own runner adds.
    method = "class Solution:\n    def spread(self, xs: List[int]) -> int:\n        return max(xs) - min(xs)\n"
    own = [
        {"question_id": "cup0_a", "code_list": [right, "print()"], "graded_list": [True, False], "pass@1": 0.5},
        {"question_id": "9003", "code_list": [method], "graded_list": [True], "pass@1": 1.0},
    ]
    (tmp_path / "s.json").write_text(json.dumps(own))
    executed = answer(on("livecodebench", "execute", "s.json", "--json"))
    assert executed["statuses"] == {"passed": 2, "wrong": 1}
    assert [row["task_id"] for row in read_rows(tmp_path / "s.json_results.jsonl")] == ["cup0_a", "cup0_a", "9003"]


def test_a_ranker_that_needs_functions_says_so_before_anything_is_drawn(on: Callable[..., Ran]) -> None:
    asked = ("--ranker", "coder-reviewer", "--scorer", "7b")
    small = SAMPLES / "livecodebench_small.jsonl"
    for done in (
        on("livecodebench", "rank", small, *asked),
        on("livecodebench", "compare", "13b:1", "7b:1", "--samples", f"7b={small}", *asked),
    ):
        assert done.returncode == 2
        (line,) = [line for line in done.stderr.splitlines() if "coder-reviewer" in line]
        assert "works only where programs define a function, and tasks of livecodebench such as 'cup0_a' ask" in line


def test_tests_of_scripts_and_methods_are_drawn(
    codebudget: Command, on: Callable[..., Ran], server: MarkovServer, tmp_path: Path
) -> None:
    ids = ("cup0_a", "9003")
    rows = {row["question_id"]: row for row in read_rows(TASKS / "livecodebench.jsonl") if row["question_id"] in ids}
    (tmp_path / "two.jsonl").write_text(jsonl(rows.values()))
    header = load_benchmark(f"livecodebench:{TASKS / 'livecodebench.jsonl'}").task("9003").prompt
    question = rows["cup0_a"]["question_content"]
    server.models[MODEL] = Reciter(
        {
            f"QUESTION:\n{question}\nUse Standard Input format\nTESTS:\nInput:\n": (
                "one two\nthree\nOutput:\nthree\none two\n\nInput:\na b\nOutput:\na b\n"
            ),
            f"{header}        pass\n\n# check the correctness of Solution().spread\nassert ": (
                "Solution().spread([5, 1, 5]) == 4\nassert Solution().spread([1]) == 0\n"
            ),
        }
    )
    drawn = codebudget(
        *("sample", "7b:2", "--tests", "--out", "tests.jsonl", "--benchmark", "livecodebench:two.jsonl"),
        *("--engine", "openai", "--json"),
        OPENAI_BASE_URL=server.url,
        OPENAI_API_KEY="",
    )
    assert answer(drawn)["usable"] == [{"asserts": 8, "tasks": 2}]
    small = [row for row in read_rows(SAMPLES / "livecodebench_small.jsonl") if row["task_id"] in ids]
    (tmp_path / "small.jsonl").write_text(jsonl(small))
    ranked = answer(
        on(
            "livecodebench",
            "rank",
            "small.jsonl",
            "--tests",
            "tests.jsonl",
            "--ranker",
            "maxpass",
            "--k",
            "3",
            "--json",
        )
    )
    assert ranked["rankers"]["maxpass"]["3"]["value"] == 1.0
    assert ranked["costs"]["maxpass"]["flops"] > 0
