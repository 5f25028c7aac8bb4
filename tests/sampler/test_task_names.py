"""Tasks by the names that files give them: every spelling of an id is that task, and nothing else is."""

import pytest
from codebudget.errors import UserError
from codebudget.records import Task
from codebudget.sampler.task_names import TaskNames


def names_of(*ids: str, beyond: tuple[str, ...] = (), elsewhere: tuple[str, ...] = ()) -> TaskNames:
    tasks = {name: Task(id=name, benchmark="b", prompt="def f():\n", entry_point="f") for name in ids}
    return TaskNames(tasks, beyond, elsewhere)


HUMANEVAL = names_of(*(f"HumanEval/{place}" for place in range(164)))
MBPP = names_of("Mbpp/2", "Mbpp/17", "Mbpp/601")


@pytest.mark.parametrize(
    "name",
    [
        "HumanEval/17",
        "humaneval/17",
        "HUMANEVAL/17",
        "HumanEval_17",
        "HumanEval-17",
        "human_eval/17",
        "human-eval 17",
        "openai_humaneval/17",
        "HumanEvalPlus/17",
        "HumanEval/017",
        " HumanEval/17\n",
        '"HumanEval/17"',
        "HumanEval,17",
        "HumanEval/17,",
        "17",
        "0017",
        17,
        17.0,
    ],
)
def test_a_task_of_humaneval_in_every_spelling(name: object) -> None:
    assert HUMANEVAL.find(name) == "HumanEval/17"


@pytest.mark.parametrize(
    "name",
    [
        "MBPP/17",
        "mbpp/17",
        "Mbpp/17",
        "MBPP_17",
        "sanitized-mbpp/17",
        "mbpp-mb/17",
        "MbppPlus/17",
        "google-research-datasets/mbpp:sanitized/17",
        17,
        "17",
    ],
)
def test_a_task_of_mbpp_in_every_spelling(name: object) -> None:
    assert MBPP.find(name) == "Mbpp/17"
    assert names_of("mbpp-mb/2", "mbpp-mb/17").find(name) == "mbpp-mb/17"


@pytest.mark.parametrize(
    "name",
    [
        "Mbpp/17",
        "nano/17",
        "test/17",
        "HumanEval",
        "HumanEval/164",
        "HumanEval/1.7",
        "HumanEval/17/0",
        "HumanEval/1_7",
        "HumanEval2/17",
        "",
        "/",
        "x" * 100_000 + "17",
        -17,
        17.5,
        float("nan"),
        float("inf"),
        True,
        None,
        ["HumanEval/17"],
        10**400,
        "9" * 5000,
    ],
)
def test_what_is_another_task_is_none(name: object) -> None:
    assert HUMANEVAL.find(name) is None
    with pytest.raises(UserError, match=r"^f:3: ") as caught:
        HUMANEVAL.of_row({"task_id": name}, "f:3")
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def test_an_id_as_it_stands_comes_first() -> None:
    names = names_of("MBPP/17", "Mbpp/17", "17")
    assert [names.find(name) for name in ("MBPP/17", "Mbpp/17", "17")] == ["MBPP/17", "Mbpp/17", "17"]
    assert names.find("mbpp/17") is None
    with pytest.raises(UserError, match="it could be 'MBPP/17' or 'Mbpp/17'; write the full id"):
        names.of_row({"task_id": "mbpp_17"}, "f:1")


def test_a_number_alone_is_not_guessed_between_two_benchmarks() -> None:
    names = names_of("HumanEval/1", "Mbpp/1", "Mbpp/2")
    assert (names.find(1), names.find(2), names.find("mbpp/1")) == (None, "Mbpp/2", "Mbpp/1")


def test_names_without_a_number_are_spelt_freely_too() -> None:
    names = names_of("two_sum", "is-prime")
    assert (names.find("Two_Sum"), names.find("is_prime")) == ("two_sum", "is-prime")
    with pytest.raises(UserError, match="unknown task 'is_prim'; did you mean 'is-prime'"):
        names.of_row({"task_id": "is_prim"}, "f:1")


def test_tasks_beyond_those_asked_for_are_known() -> None:
    names = names_of("T/0", beyond=("T/1", "T/10"))
    assert [names.find(name) for name in ("T/1", 1, "t_10", 2)] == ["T/1", "T/1", "T/10", None]


def test_rows_of_other_benchmarks_are_theirs() -> None:
    names = names_of("MBPP/1", "MBPP/2", elsewhere=("1", "HumanEval/2", "Mbpp/1"))
    assert [names.find(name) for name in ("MBPP/1", "1", "HumanEval/2", "humaneval_2")] == [
        *("MBPP/1", "1", "HumanEval/2", "HumanEval/2")
    ]
    # Another edition's spelling means the benchmark's own task; a number alone could be anyone's.
    assert [names.find(name) for name in ("Mbpp/1", "mbpp_2", 1, 2)] == ["MBPP/1", "MBPP/2", None, None]
    with pytest.raises(UserError, match="it could be 'MBPP/2' or 'HumanEval/2'; write the full id"):
        names.of_row({"task_id": 2}, "f:1")


def test_a_wrong_number_is_told_what_there_is_and_no_near_miss() -> None:
    with pytest.raises(UserError) as caught:
        HUMANEVAL.of_row({"task_id": "HumanEval/164"}, "f:1")
    assert "164 tasks, 'HumanEval/0' to 'HumanEval/163'" in str(caught.value)
    assert "did you mean" not in str(caught.value)
