from typing import Literal

import pytest
from codebudget.experiment.advice import doubts_of_lengths, doubts_of_statuses
from codebudget.records import Candidate


def drawn(reason: Literal["stop", "length"] | None, count: int) -> list[Candidate]:
    return [
        Candidate(task_id="t", arm="7b", index=index, raw="", program="", finish_reason=reason)
        for index in range(count)
    ]


def test_an_arm_that_passes_something_is_believed() -> None:
    assert doubts_of_statuses("7b", {"passed": 1, "wrong": 999}) == []
    assert doubts_of_statuses("7b", {"passed": 1, "invalid": 1}) == []


def test_nothing_passed_is_doubtful() -> None:
    assert doubts_of_statuses("7b", {"wrong": 3, "crashed": 1}) == ["7b passes nothing: 0 of 4 programs"]


def test_mostly_invalid_is_doubtful() -> None:
    (doubt,) = doubts_of_statuses("7b", {"passed": 4, "invalid": 6})
    assert doubt.startswith("6 of 10 programs of 7b are invalid")


def test_programs_that_the_machine_failed_on_are_no_evidence() -> None:
    assert doubts_of_statuses("7b", {"sandbox_error": 5}) == []
    assert doubts_of_statuses("7b", {}) == []


@pytest.mark.parametrize(
    ("stopped", "cut", "unknown", "doubtful"), [(8, 2, 0, False), (7, 2, 9, True), (0, 0, 9, False)]
)
def test_more_than_a_fifth_cut_by_the_limit_is_doubtful(stopped: int, cut: int, unknown: int, doubtful: bool) -> None:
    found = doubts_of_lengths("7b", [*drawn("stop", stopped), *drawn("length", cut), *drawn(None, unknown)])
    assert bool(found) == doubtful
    assert not doubtful or found == [
        f"the token limit cut off {cut} of {cut + stopped} samples of 7b: raise --max-tokens"
    ]
