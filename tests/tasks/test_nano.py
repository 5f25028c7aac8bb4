"""The bundled benchmark: what it holds, that it is held out, and that it can be graded."""

import random
from typing import Any

import pytest
from codebudget.errors import UserError
from codebudget.models.nano.problems import draw_problem, neighbours, problems, results_of
from codebudget.models.nano.programs import draw_training_chain, is_held_out, names_of
from codebudget.records import Task
from codebudget.sandbox import Sandbox, choose_launcher
from codebudget.tasks import load_benchmark


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return list(problems())


def test_is_found_by_name_and_whole() -> None:
    benchmark = load_benchmark("Nano")
    assert benchmark.name == "nano"
    assert len(benchmark.tasks) == 164
    for task in benchmark.tasks:
        assert task.prompt.endswith('\n    """\n')
        assert len(task.examples) == 1
        assert task.tests is not None
        assert task.tests.style == "check"
        assert task.tests.code.count("assert candidate(") == 8
    with pytest.raises(UserError, match="own fields"):
        load_benchmark("nano", {"prompt": "text"})


def test_the_generator_makes_the_same_problems(rows: list[dict[str, str]]) -> None:
    tasks = load_benchmark("nano").tasks
    for row, task in zip(rows, tasks, strict=True):
        assert (row["task_id"], row["prompt"], row["entry_point"]) == (task.id, task.prompt, task.entry_point)
        assert row["prompt"] + row["canonical_solution"] == task.reference
        assert task.tests is not None
        assert row["test"] == task.tests.code


def test_every_composition_is_held_out_and_there_once(rows: list[dict[str, str]]) -> None:
    compositions = [tuple(sorted(row["composition"].split())) for row in rows]
    assert len(set(compositions)) == len(compositions)
    assert all(is_held_out(composition) for composition in compositions)
    rng = random.Random(0)
    trained = {tuple(sorted(names_of(draw_training_chain(rng)))) for _ in range(20_000)}
    assert trained.isdisjoint(compositions)


def fails(task: Task, program: str) -> bool:
    assert task.tests is not None
    namespace: dict[str, Any] = {}
    try:
        exec(program + "\n" + task.tests.code, namespace)
        namespace["check"](namespace[task.entry_point])
    except Exception:
        return True
    return False


def test_references_pass_and_wrong_bodies_fail() -> None:
    for task in load_benchmark("nano").tasks:
        assert task.reference is not None
        assert not fails(task, task.reference)
        argument = task.prompt.split("(")[1].split(":")[0]
        assert fails(task, f"{task.prompt}    return {argument}\n")


def test_tests_tell_a_chain_from_its_neighbours() -> None:
    rng = random.Random(0)
    for length in (2, 3, 4):
        chain, inputs, _ = draw_problem(rng, length, set())
        expected = results_of(chain, inputs)
        assert all(results_of(neighbour, inputs) != expected for neighbour in neighbours(chain, random.Random(1)))


def test_references_pass_in_the_sandbox() -> None:
    with Sandbox(choose_launcher("process").launcher, workers=2) as sandbox:
        checks = list(sandbox.check(load_benchmark("nano").tasks))
    assert [check for check in checks if not check.ok or check.integrity != "split"] == []
    assert not any(check.mutates_arguments for check in checks)
