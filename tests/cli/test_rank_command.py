"""`codebudget rank`: picks without hidden tests, scored by them where there are any."""

import json
from pathlib import Path

import pytest

from support.rows import bodies, jsonl, read_rows

RIGHT, WRONG, CRASHES = "return 2 * x", "return x * x", "return undefined"


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Six candidates of one task, of which two are right in different words."""
    path = tmp_path / "samples.jsonl"
    texts = [RIGHT, "return x + x", WRONG, CRASHES, "return x ** 2", "return x"]
    path.write_text(bodies(("double", text) for text in texts), encoding="utf-8")
    return path


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    """What a model wrote behind `assert `: mostly right, once wrong, once no assert at all."""
    path = tmp_path / "tests.jsonl"
    texts = ["double(3) == 6\nassert double(5) == 10\n", "double(0) == 0\n", "double(4) == 9\n", " the end\n"]
    path.write_text(json.dumps({"task_id": "double", "samples": texts}) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def rank(codebudget, tiny: Path):
    def run(*arguments: object):
        return codebudget("rank", "--benchmark", "tiny.jsonl", "--sandbox", "process", "--workers", "1", *arguments)

    return run


def answer(result) -> dict:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_scores_by_ranker_and_k(rank, samples: Path, tests: Path) -> None:
    named = ("random", "codet", "codet,tests=1", "examples+codet", "codebudget")
    rankers = [part for name in named for part in ("--ranker", name)]
    found = answer(rank(samples, "--tests", tests, *rankers, "--k", "1,3,6", "--json"))
    assert (found["tasks"], found["n"]) == (1, 6)
    assert set(found["rankers"]) == set(named)
    for scores in found["rankers"].values():
        assert scores["1"]["value"] == pytest.approx(2 / 6)
        assert all(scores[k]["value"] <= found["pass_at_k"][k]["value"] + 1e-9 for k in ("1", "3", "6"))
    assert found["rankers"]["random"]["6"]["value"] == pytest.approx(2 / 6)
    assert found["rankers"]["codet"]["6"]["value"] == 1.0
    assert found["rankers"]["codebudget"]["6"]["value"] == 1.0
    assert found["pass_at_k"]["6"]["value"] == 1.0
    assert found["costs"]["random"]["executions"] == 0
    # Two programs differ in no more than their words, and every text is run once.
    assert found["costs"]["codet"]["executions"] == 7


def test_ranked_candidates_come_best_first(rank, samples: Path, tests: Path, tmp_path: Path) -> None:
    answer(rank(samples, "--tests", tests, "--ranker", "codet", "--k", "2", "--out", "ranked.jsonl", "--json"))
    rows = read_rows(tmp_path / "ranked.jsonl")
    assert [row["place"] for row in rows][:3] == [1, 1, 3]
    assert {row["index"] for row in rows[:2]} == {0, 1}
    assert sorted(row["index"] for row in rows) == list(range(6))
    assert [row["copies"] for row in rows if row["index"] in (0, 1)] == [1, 1]
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


def test_without_hidden_tests_candidates_are_ranked_and_written(
    codebudget, samples: Path, tests: Path, tmp_path: Path, tiny_rows
) -> None:
    bare = [{key: row[key] for key in ("task_id", "prompt", "entry_point")} for row in tiny_rows]
    (tmp_path / "bare.jsonl").write_text(jsonl(bare), encoding="utf-8")
    result = codebudget("rank", samples, "--benchmark", "bare.jsonl", "--tests", tests, "--sandbox", "process")
    assert result.returncode == 0, result.stderr
    assert "no hidden tests to score with" in result.stdout
    rows = read_rows(tmp_path / "samples.jsonl_ranked.jsonl")
    best = [row for row in rows if row["ranker"] == "codebudget" and row["place"] == 1]
    assert {row["index"] for row in best} == {0, 1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--ranker", "codet"], "--tests"),
        (["--ranker", "codet,test=5"], "has no parameter 'test'; it has: tests=0, asserts=5"),
        (["--ranker", "codet,tests=many"], "must be a whole number"),
        (["--ranker", "coder-reviewer"], "--scorer ARM"),
        (["--ranker", "mean-logprob"], "have none; draw them with an engine that reports logprobs"),
        (["--ranker", "examples+"], "a name is missing"),
        (["--k", "0"], "whole numbers from 1"),
        (["--k", "7"], "only 6 candidates"),
        (["--tests", "nowhere.jsonl"], "no such file"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_fix(rank, samples: Path, arguments, says: str) -> None:
    result = rank(samples, *arguments)
    assert result.returncode in (2, 3)
    assert says in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
