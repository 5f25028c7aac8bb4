"""What a stopped run keeps, and what a store that cannot be written says."""

import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from support.command import codebudget, started
from support.rows import bodies, jsonl

TASKS = 6
DRAWS = 3
COMPARE = (
    *("compare", "7b:1", "--samples", "7b=samples.jsonl", "--benchmark", "slow.jsonl", "--ranker", "first"),
    *("--sandbox", "process", "--workers", "1"),
)


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A benchmark whose programs take a fifth of a second each."""
    rows = [
        {
            "task_id": f"add{number}",
            "prompt": f"def add{number}(x):\n",
            "entry_point": f"add{number}",
            "canonical_solution": f"    return x + {number}\n",
            "test": f"def check(candidate):\n    assert candidate(1) == {number + 1}\n",
        }
        for number in range(TASKS)
    ]
    (tmp_path / "slow.jsonl").write_text(jsonl(rows))
    late = "import time; time.sleep(0.2); return x +"
    samples = [
        (f"add{number}", f"{late} {number * (draw % 2)}  # {draw}") for number in range(TASKS) for draw in range(DRAWS)
    ]
    (tmp_path / "samples.jsonl").write_text(bodies(samples))
    return tmp_path


def verdicts(store: Path) -> int:
    if not store.exists():
        return 0
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM verdicts").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_stopped_run_goes_on_where_it_was(slow: Path, number: signal.Signals, code: int) -> None:
    store = slow / ".codebudget" / "store.sqlite"
    process = started(slow, *COMPARE, "--json")
    deadline = time.monotonic() + 60
    while verdicts(store) == 0 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    if number == signal.SIGINT:
        assert [line for line in err.splitlines() if "weak" not in line] == [
            "codebudget: interrupted; finished work is kept, and the same command continues from there"
        ]
    kept = verdicts(store)
    assert 0 < kept < DRAWS * TASKS
    resumed = codebudget(slow, *COMPARE, "--json")
    assert resumed.returncode == 0, resumed.stderr
    # Two draws of three add 0, which only the first task's tests take.
    answer = json.loads(resumed.stdout)
    assert answer["tasks"] == TASKS
    assert answer["arms"][0]["statuses"] == {"passed": TASKS + 2, "wrong": 2 * TASKS - 2}
    assert verdicts(store) == DRAWS * TASKS


def test_fresh_runs_again_and_finds_the_same(compare) -> None:
    one = ("7b:2", "--samples", "7b=small.jsonl", "--json")
    first, warm, fresh = (json.loads(compare(*one, *more).stdout) for more in ([], [], ["--fresh"]))
    timed = ("cost_s",)

    def untimed(answer: dict) -> dict:
        for score in answer["arms"][0]["rankers"].values():
            for key in timed:
                score.pop(key)
        return answer

    assert untimed(first) == untimed(warm) == untimed(fresh)


def test_a_store_that_cannot_be_made_is_the_machines_matter(compare) -> None:
    result = compare("7b:2", "--samples", "7b=small.jsonl", "--store", "/proc/nowhere/store.sqlite")
    assert (result.returncode, result.stdout) == (3, "")
    assert "--store" in result.stderr.splitlines()[-1]


def test_another_programs_file_is_not_overwritten(compare, tiny: Path) -> None:
    before = (tiny / "small.jsonl").read_bytes()
    result = compare("7b:2", "--samples", "7b=small.jsonl", "--store", "small.jsonl")
    assert result.returncode == 2
    assert "not a codebudget store" in result.stderr.splitlines()[-1]
    assert (tiny / "small.jsonl").read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(compare, tiny: Path) -> None:
    tiny.chmod(0o555)
    try:
        result = compare("7b:2", "--samples", "7b=small.jsonl")
    finally:
        tiny.chmod(0o755)
    assert result.returncode == 3
    assert "--store" in result.stderr.splitlines()[-1]
