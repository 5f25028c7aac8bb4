"""`compare --select` where everything is drawn: programs, tests and the first arm's greedy answer, by nano on a CPU."""

import json
from pathlib import Path
from typing import Any

import pytest
from codebudget.budgets.flops import decode_flops, prefill_flops
from codebudget.budgets.models import find_model

from support.command import codebudget

pytest.importorskip("transformers")

DRAWN = (
    *("--family", "nano", "--engine", "transformers", "--tasks", "3", "--max-tokens", "64", "--temperature", "0.4"),
    *("--sandbox", "process", "--workers", "1", "--store", "store.sqlite", "--ranker", "examples"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a store is shared: what one comparison drew, the next one has."""
    return tmp_path_factory.mktemp("select")


def compared(folder: Path, *arguments: str) -> dict[str, Any]:
    result = codebudget(folder, "compare", *arguments, *DRAWN, "--json", OMP_NUM_THREADS="1")
    assert result.returncode in (0, 1), result.stderr
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer


def test_tests_are_drawn_from_the_arm_itself_and_its_total_is_stated(folder: Path) -> None:
    select = ("--select", "codet,tests=2")
    answer = compared(folder, "1m:1", "250k", *select)
    first, greedy, small = answer["arms"]
    assert [arm["spec"] for arm in answer["arms"]] == ["1m:1", "1m:greedy", "250k"]
    assert ("tests" in first, "tests" in greedy, small["tests"]) == (False, False, 2)
    assert small["k"] > 1
    score = small["rankers"]["codet,tests=2"]
    assert score["uses_tests"]
    # Planned and realised are of programs and tests together, and ranking by tests costs no more.
    assert score["total_flops"] == pytest.approx(small["realised"]["flops"])
    assert score["cost_flops"] == pytest.approx(small["realised"]["tests_flops"])
    assert small["cost"]["flops"] == pytest.approx(small["realised"]["flops"], rel=0.5)
    bare = small["rankers"]["examples"]["total_flops"]
    assert bare + score["cost_flops"] == pytest.approx(score["total_flops"])
    assert greedy["rankers"]["codet,tests=2"]["total_flops"] == pytest.approx(greedy["realised"]["flops"])
    without = answer["verdict"]["without_tests"]
    assert "1m greedy" in without or "draw 1m once, greedily" in without
    if "draw 250k" in without.partition(":")[0]:
        # Beside the sample, and before it.
        assert without.index("1m greedy [") < without.index("one 1m [")


def test_tests_of_another_model_are_drawn_by_it_and_read_their_own_prompt(folder: Path) -> None:
    answer = compared(folder, "1m:1", "250k:2", "--select", "codet,tests=2", "--tests", "250k=from:1m")
    small = answer["arms"][2]
    assert small["tests"] == 2
    author = find_model("1m", "nano").architecture
    tests_flops = small["realised"]["tests_flops"]
    # As much as a prompt of 40 tokens and two texts of one token, and no more than two texts of 64 take.
    assert prefill_flops(author, 40) + 2 * decode_flops(author, 40, 1) < tests_flops
    assert tests_flops < prefill_flops(author, 400) + 2 * decode_flops(author, 400, 64)
    own = compared(folder, "1m:1", "250k:2", "--select", "codet,tests=2")["arms"][2]
    assert own["tests"] == 2
    assert own["realised"]["tests_flops"] < tests_flops
    assert own["rankers"]["examples"]["total_flops"] == pytest.approx(small["rankers"]["examples"]["total_flops"])


def test_an_arm_that_is_left_no_tests_needs_none_of_another_model(folder: Path) -> None:
    """Two texts of the larger model cost more than its one sample, so that the small one has a single program."""
    answer = compared(folder, "1m:1", "250k", "--select", "codet,tests=2", "--tests", "250k=from:1m")
    small = answer["arms"][2]
    assert ("tests" in small, small["k"]) == (False, 1)


def test_a_table_shows_the_total_by_ranker(folder: Path) -> None:
    arguments = ("compare", "1m:1", "250k:2", "--select", "codet,tests=2", *DRAWN)
    result = codebudget(folder, *arguments, OMP_NUM_THREADS="1", COLUMNS="100")
    assert result.returncode in (0, 1), result.stderr
    assert "total: FLOPs of drawing and ranking, over the limit" in result.stdout
    table = result.stdout.partition("Picked without hidden tests")[2].rpartition("Paired differences")[0]
    lines = [line.split() for line in table.splitlines() if "]" in line]
    # The small arm's are those of the last table that has any.
    totals = {line[0]: float(line[-2]) for line in lines}
    assert totals["codet,tests=2"] > totals["examples"]
