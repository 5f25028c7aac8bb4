"""`codebudget benchmarks check`, and what compare does with a task that fails it."""

import json
from pathlib import Path

from support.rows import bodies, jsonl, read_rows

BOTH = ("--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl")


def test_references_that_pass_are_exit_code_zero(codebudget, tiny: Path) -> None:
    result = codebudget("benchmarks", "check", "tiny.jsonl", "--sandbox", "process")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "tiny: 3 of 3 references pass in process (3 split, 0 shared, 0 failed)\n"


def test_a_failing_reference_is_listed_and_left_out(codebudget, compare, tiny: Path) -> None:
    rows = read_rows(tiny / "tiny.jsonl")
    rows[1]["canonical_solution"] = "    return x + x\n"
    (tiny / "tiny.jsonl").write_text(jsonl(rows))
    check = ("benchmarks", "check", "tiny.jsonl", "--sandbox", "process")
    result = codebudget(*check)
    assert result.returncode == 1
    summary, *listed = result.stdout.splitlines()
    assert summary == "tiny: 2 of 3 references pass in process (2 split, 0 shared, 1 failed)"
    assert len(listed) == 1
    assert "left out of scores: square (wrong: a test failed" in listed[0]
    answer = codebudget(*check, "--json")
    assert answer.returncode == 1
    report = json.loads(answer.stdout.splitlines()[-1])
    assert (report["tasks"], report["ok"], report["split"], report["shared"]) == (3, 2, 2, {})
    assert list(report["failed"]) == ["square"]
    assert "a test failed" in report["failed"]["square"]
    scored = compare("13b:1", "7b:2", *BOTH)
    assert scored.returncode == 0
    assert "tiny, 2 tasks" in scored.stdout
    assert "reference solution fails" in scored.stdout
    assert "square" in scored.stdout


def test_a_task_that_must_share_its_process_is_scored_only_when_asked(codebudget, compare, tiny: Path) -> None:
    # A function cannot cross between processes.
    row = {
        "task_id": "count",
        "prompt": "def count(x):\n",
        "entry_point": "count",
        "canonical_solution": "    return lambda: x\n",
        "test": "def check(candidate):\n    assert candidate(3)() == 3\n",
    }
    with (tiny / "tiny.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    with (tiny / "big.jsonl").open("a") as file:
        file.write(bodies([("count", "return lambda: x")]))
    check = ("benchmarks", "check", "tiny.jsonl", "--sandbox", "process")
    result = codebudget(*check)
    assert result.returncode == 0
    summary, *listed = result.stdout.splitlines()
    assert summary.endswith("(3 split, 1 shared, 0 failed)")
    assert len(listed) == 1
    assert "only with --allow-shared: count (" in listed[0]
    report = json.loads(codebudget(*check, "--json").stdout.splitlines()[-1])
    assert (report["ok"], report["split"], list(report["shared"])) == (4, 3, ["count"])
    assert report["shared"]["count"]
    one = ("13b:1", "--samples", "13b=big.jsonl", "--json")
    answer = json.loads(compare(*one).stdout)
    assert answer["tasks"] == 3
    assert "--allow-shared" in answer["left_out"]["count"]
    assert json.loads(compare(*one, "--allow-shared").stdout)["tasks"] == 4


def test_a_boards_task_that_cannot_grade_is_listed_and_left_out(codebudget, tmp_path: Path, repository: Path) -> None:
    rows = read_rows(repository / "tests" / "tasks" / "boards" / "bigcodebench.jsonl")[:2]
    rows[1]["test"] = ""
    path = tmp_path / "bcb.jsonl"
    path.write_text(jsonl(rows))
    result = codebudget("benchmarks", "check", f"bigcodebench:{path}", "--sandbox", "process", "--json")
    report = json.loads(result.stdout.splitlines()[-1])
    assert result.returncode == 1
    assert (report["benchmark"], report["tasks"]) == ("bigcodebench", 2)
    assert report["failed"]["BigCodeBench/9001"] == "it has no tests"
    assert "bigcodebench: 1 task is left out (BigCodeBench/9001): it has no tests" in result.stderr


def test_boards_are_listed_and_a_choice_they_do_not_offer_is_the_users_mistake(codebudget) -> None:
    assert "livecodebench" in codebudget("benchmarks", "list").stdout.splitlines()
    result = codebudget("benchmarks", "check", "humaneval", "--since", "2024-01-01")
    assert result.returncode == 2
    assert result.stderr.strip() == "codebudget: humaneval offers no choice of since; leave out --since"
