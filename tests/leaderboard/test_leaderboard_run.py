"""`codebudget leaderboard run`: what it writes, that it writes the same again, and how it ends."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from codebudget.leaderboard import files, strict_json
from codebudget.leaderboard.board import load_board
from codebudget.leaderboard.files import json_bytes
from codebudget.leaderboard.prepare import load_benchmarks, plan_board, rankers_of_board
from codebudget.leaderboard.results_file import Results

from support.command import started
from support.rows import jsonl

SAME = ("board.toml", "candidates.jsonl.gz", "verdicts.jsonl.gz", "rankings.jsonl.gz", "results.json", "report.md")


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in SAME}


def rows(run: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in files.read_lines(run / name)]


def test_a_run_holds_all_its_files_and_nothing_else(made: Path) -> None:
    assert {path.name for path in (made / "run").iterdir()} == set(files.NAMES)
    manifest = json.loads((made / "run" / "manifest.json").read_text())
    assert manifest["files"] == {name: files.file_sha256(made / "run" / name) for name in files.HASHED}
    assert manifest["argv"] == ["leaderboard", "run", "board.toml", "--out", "run", "--json"]
    assert manifest["models"][0]["files"] == [{"name": "big.jsonl", "sha256": files.file_sha256(made / "big.jsonl")}]


def test_scores_are_those_worked_out_by_hand(made: Path) -> None:
    results = json.loads((made / "run" / "results.json").read_text())
    (section,) = results["benchmarks"]
    assert section["tasks"] == ["double", "square", "negate"]
    assert section["left_out"] == {"halve": "no sample of 13b:1"}
    big, small = section["arms"]
    assert (big["spec"], big["k"], big["n"], small["n"]) == ("13b:1", 1, 1, 4)
    assert (list(big["pass_at_k"]), big["pass_at_k"]["1"]["value"]) == (["1"], 1.0)
    # Two, two and one of four are right: pass@2 is 1 - C(4 - c, 2) / 6.
    assert small["per_task"]["passed"] == [2, 2, 1]
    assert small["per_task"]["pass_at_k"] == pytest.approx([5 / 6, 5 / 6, 1 / 2])
    assert small["pass_at_k"]["1"]["value"] == pytest.approx(5 / 12)
    assert small["ks"] == [1, 2]
    # In double and square one wrong program of two that look right; in negate the example tells all apart.
    assert small["rankers"]["examples"]["rank_score_at_k"]["2"]["value"] <= small["pass_at_k"]["2"]["value"]
    assert small["rankers"]["examples"]["cost_flops"] == 0
    assert small["realised"]["output_tokens"] == 16
    assert small["statuses"] == {"passed": 5, "wrong": 5, "crashed": 1, "timeout": 1}


def test_nothing_that_a_clock_measured_is_outside_timings(made: Path) -> None:
    for name in ("results.json", "rankings.jsonl.gz", "verdicts.jsonl.gz"):
        text = (
            (made / "run" / name).read_bytes()
            if name.endswith("json")
            else b"".join(files.read_lines(made / "run" / name))
        )
        assert set(re.findall(rb'"(\w+_s)":', text)) <= {b"runtime_s"}, name
    timings = json.loads((made / "run" / "timings.json").read_text())
    assert timings["steps"]["grading"] > 0
    assert [len(timings["arms"][1]["verdicts"][task]) for task in ("double", "square", "negate")] == [4, 4, 4]


def test_rows_join_by_benchmark_arm_task_and_index(made: Path) -> None:
    def keys(name: str) -> list[tuple]:
        return [(row["benchmark"], row["arm"], row["task_id"], row["index"]) for row in rows(made / "run", name)]

    candidates, verdicts = keys("candidates.jsonl.gz"), keys("verdicts.jsonl.gz")
    assert len(candidates) == 3 + 16
    # The task that one arm has no sample of is kept, and not graded.
    assert verdicts == [key for key in candidates if key[2] != "halve"]
    rankings = rows(made / "run", "rankings.jsonl.gz")
    assert len(rankings) == 3 * 2 * 3
    assert {len(row["scores"]) for row in rankings if row["arm"] == "7b:2"} == {4}


@pytest.mark.parametrize(
    "again", [[], ["--store", "other.sqlite"], ["--fresh"]], ids=["same-store", "new-store", "fresh"]
)
def test_a_second_run_writes_the_same_bytes(made: Path, command, again: list[str]) -> None:
    done = command(made, "leaderboard", "run", "board.toml", "--out", "second", *again)
    assert done.returncode == 0, done.stderr
    assert contents(made / "second") == contents(made / "run")
    shutil.rmtree(made / "second")


def test_an_interrupted_run_leaves_nothing_half_there_and_goes_on(board: Path, command) -> None:
    slow = [
        {"task_id": "double", "completion": f"    import time; time.sleep(.3)\n    return {i} + x\n"} for i in range(20)
    ]
    (board / "small.jsonl").write_text(jsonl(slow))
    arguments = ("leaderboard", "run", "board.toml", "--out", "run")
    process = started(board, *arguments)
    store = board / ".codebudget" / "store.sqlite"
    deadline = time.monotonic() + 60
    while not store.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    assert [path.name for path in board.iterdir() if "run" in path.name] == []
    done = command(board, *arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads((board / "run" / "results.json").read_text())["benchmarks"][0]["tasks"] == ["double"]


def test_what_a_killed_run_left_is_no_obstacle(board: Path, command) -> None:
    (board / ".run.partial").mkdir()
    (board / ".run.partial" / "results.json").write_text("half")
    assert command(board, "leaderboard", "run", "board.toml", "--out", "run").returncode == 0
    assert not (board / ".run.partial").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('"13b:1"', '"13x:1"'), "board.toml:3: arms[0]: unknown model '13x'"),
        (
            ('"examples"', '"exampels"'),
            "board.toml:4: rankers[0]: unknown ranker 'exampels': did you mean 'examples'?",
        ),
        (('"examples"', '"codet"'), "board.toml:4: rankers[0]: codet needs tests, which a board does not offer"),
        (("tiny.jsonl", "tinny.jsonl"), "board.toml:7: benchmarks[0].name: "),
        (('7b = ["small.jsonl"]', '8b = ["small.jsonl"]'), "no arm is called '8b'"),
        (("big.jsonl", "small2.jsonl"), "board.toml:8: benchmarks[0].samples: "),
        (('"process"', '"chroot"'), "unknown sandbox 'chroot'"),
        (('7b = ["small.jsonl"]', ""), "samples"),
    ],
)
def test_a_mistake_is_one_line(board: Path, command, change: tuple[str, str], says: str) -> None:
    (board / "board.toml").write_text((board / "board.toml").read_text().replace(*change))
    done = command(board, "leaderboard", "run", "board.toml", "--out", "run", HF_HUB_OFFLINE="1")
    assert done.returncode in (2, 3)
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (board / "run").exists()


def test_results_are_what_their_schema_says(made: Path) -> None:
    data = (made / "run" / "results.json").read_bytes()
    assert json_bytes(strict_json.read_as(data, Results).value()) == data


def test_another_folder_is_not_replaced(board: Path, command) -> None:
    (board / "mine").mkdir()
    (board / "mine" / "thesis.txt").write_text("years")
    done = command(board, "leaderboard", "run", "board.toml", "--out", "mine")
    assert done.returncode == 2
    assert "is not a run" in done.stderr
    assert (board / "mine" / "thesis.txt").read_text() == "years"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_said_before_any_work(board: Path, command) -> None:
    board.chmod(0o555)
    try:
        assert command(board, "leaderboard", "run", "board.toml", "--out", "run").returncode == 3
    finally:
        board.chmod(0o755)


def test_the_example_board_can_be_planned(repository: Path) -> None:
    file = load_board(repository / "examples" / "nano.toml")
    (planned,) = plan_board(file, load_benchmarks(file), None)
    assert [plan.arm.spec for plan in planned.plans] == ["4m:1", "1m", "250k"]
    assert all(plan.matched for plan in planned.plans)
    assert list(rankers_of_board(file)) == ["codebudget", "examples", "majority", "shortest", "first", "random"]
