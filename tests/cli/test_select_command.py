"""`--select`: a limit split into programs and tests, on plans and comparisons."""

import json
from pathlib import Path

import pytest
from codebudget.budgets.flops import decode_flops, prefill_flops
from codebudget.budgets.models import find_model
from codebudget.experiment.selected import NEEDING, PLAIN, USING
from codebudget.rankers import available, is_foreign, load_ranker, uses_of
from codebudget.rankers.registry import parameters_of

from support.rows import jsonl, read_rows

LENGTHS = ("--prompt-tokens", "150", "--output-tokens", "120")


def answer_of(result) -> dict:
    assert result.returncode in (0, 1), result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def flops(model: str, texts: int) -> int:
    architecture = find_model(model).architecture
    return prefill_flops(architecture, 150) + texts * decode_flops(architecture, 150, 120)


def test_a_limit_pays_for_programs_and_tests_after_one_prompt(codebudget) -> None:
    select = ("--select", "codet,tests=4")
    first, small = answer_of(codebudget("plan", "34b:1", "7b", *LENGTHS, *select, "--json"))["arms"]
    # A single sample is never ranked.
    assert "tests" not in first
    assert first["cost"]["flops"] == flops("34b", 1)
    assert small["tests"] == 4
    assert small["cost"]["flops"] == flops("7b", small["k"] + 4) <= first["cost"]["flops"] < flops("7b", small["k"] + 5)
    (bare,) = answer_of(codebudget("plan", "34b:1", "7b", *LENGTHS, "--json"))["arms"][1:]
    assert bare["k"] == small["k"] + 4
    assert small["matched"]


def test_texts_of_tests_give_way_to_two_programs(codebudget) -> None:
    arguments = ("plan", "7b", *LENGTHS, "--select", "codet,tests=8", "--budget", f"flops={flops('7b', 6)}")
    (arm,) = answer_of(codebudget(*arguments, "--json"))["arms"]
    assert (arm["k"], arm["tests"], arm["tests_asked"]) == (2, 4, 8)
    assert "7b is planned with 4 of 8 texts of tests" in codebudget(*arguments).stdout
    (two,) = answer_of(codebudget(*arguments[:-1], f"flops={flops('7b', 2)}", "--json"))["arms"]
    assert (two["k"], two.get("tests"), two["tests_asked"]) == (2, None, 8)


def test_tests_of_another_model_pay_for_their_own_prompt(codebudget) -> None:
    select = ("--select", "codet,tests=2", "--tests", "7b=from:13b")
    small = answer_of(codebudget("plan", "34b:1", "7b", *LENGTHS, *select, "--json"))["arms"][1]
    assert small["cost"]["flops"] == flops("7b", small["k"]) + flops("13b", 2)


def test_auto_takes_the_split_that_scored_best(codebudget, tiny: Path) -> None:
    """In the table that ships, all of a limit is for programs."""
    limit = ("--budget", f"flops={flops('7b', 14)}", "--json")
    for on in ((), ("--benchmark", "tiny.jsonl")):
        (arm,) = answer_of(codebudget("plan", "7b", *LENGTHS, "--select", "auto", *on, *limit))["arms"]
        assert ("tests" in arm, arm["k"]) == (False, 14)
    assert "no tests are planned" in codebudget("plan", "7b", *LENGTHS, "--select", "auto", *limit[:-1]).stdout


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("codet", "say how many texts of tests, such as codet,tests=8"),
        ("nope", "unknown ranker 'nope'"),
        ("codet,tests=0", "say how many texts of tests"),
    ],
)
def test_a_selection_that_cannot_be_planned_is_one_line(codebudget, select: str, message: str) -> None:
    result = codebudget("plan", "34b:1", "7b", "--select", select)
    assert result.returncode == 2
    (said,) = result.stderr.splitlines()
    assert message in said


def test_what_a_plan_knows_of_own_rankers_is_what_they_say() -> None:
    own = {info.name: ranker for info in available() if not is_foreign(ranker := load_ranker(info.name))}
    assert own.keys() >= NEEDING | USING
    for name, ranker in own.items():
        if name in NEEDING | USING:
            assert ("tests" in ranker.needs, "tests" in uses_of(ranker)) == (name in NEEDING, True)
            assert {"tests", "asserts"} <= parameters_of(type(ranker)).keys()
        else:
            # Of these, no number of tests can be chosen.
            assert "tests" not in parameters_of(type(ranker))
        if name in PLAIN:
            assert not uses_of(ranker) & {"tests", "scorer", "reward"}


def test_tests_without_a_selection_are_not_ignored(codebudget) -> None:
    result = codebudget("plan", "34b:1", "7b", "--tests", "7b=from:13b")
    assert result.returncode == 2
    assert "--tests are planned for with --select" in result.stderr


def test_a_comparison_counts_both_and_uses_no_more_texts_than_planned(compare, tiny: Path) -> None:
    counts = {"prompt_tokens": 40, "output_tokens": 60}
    tests = [
        {"task_id": name, "samples": [f" {name}(5) == {right}\n" for right in (10, 25, -5, 0)]} | counts
        for name in ("double", "square", "negate")
    ]
    (tiny / "tests.jsonl").write_text(jsonl(tests))
    rows = [row | {"prompt_tokens": 40} for row in read_rows(tiny / "small.jsonl")]
    (tiny / "small.jsonl").write_text(jsonl(rows))
    samples = ("--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl", "--tests", "7b=tests.jsonl")
    arms = ("13b:1", "7b:3", "7b:2,13b:1")
    answer = answer_of(compare(*arms, *samples, "--select", "codet,tests=2", "--json"))
    assert answer["decisive_ranker"] == "codet,tests=2"
    small = answer["arms"][1]
    assert small["tests"] == 2
    score = small["rankers"]["codet,tests=2"]
    # All of the total is in what the arm took: programs, and two of four texts.
    assert score["total_flops"] == pytest.approx(small["realised"]["flops"])
    assert score["total_ratio"] == pytest.approx(small["realised"]["budget_ratio"]["flops"])
    # The prompt is as long as that of the programs, and its pass is theirs.
    assert score["cost_flops"] == pytest.approx(2 * decode_flops(find_model("7b").architecture, 40, 15))
    plain = answer_of(compare(*arms, "--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl", "--json"))
    assert small["realised"]["flops"] == pytest.approx(plain["arms"][1]["realised"]["flops"] + score["cost_flops"])
    cascade, bare = answer["arms"][2], plain["arms"][2]
    assert cascade["tests"] == 2
    assert cascade["realised"]["flops"] == pytest.approx(bare["realised"]["flops"] + score["cost_flops"])
    assert cascade["rankers"]["codet,tests=2"]["total_flops"] == pytest.approx(cascade["realised"]["flops"])


def test_an_open_k_is_what_tests_of_the_given_length_leave(compare, tiny: Path) -> None:
    def k_with(tokens: int) -> int:
        tests = [
            {"task_id": name, "samples": [f" {name}(5) == 1\n"] * 2, "prompt_tokens": 40, "output_tokens": 2 * tokens}
            for name in ("double", "square", "negate")
        ]
        (tiny / "tests.jsonl").write_text(jsonl(tests))
        rows = [row | {"prompt_tokens": 40, "output_tokens": 50} for row in read_rows(tiny / "small.jsonl")]
        (tiny / "many.jsonl").write_text(jsonl(rows * 5))
        (tiny / "one.jsonl").write_text(
            jsonl(row | {"prompt_tokens": 40, "output_tokens": 50} for row in read_rows(tiny / "big.jsonl"))
        )
        samples = ("--samples", "34b=one.jsonl", "--samples", "7b=many.jsonl", "--tests", "7b=tests.jsonl")
        answer = answer_of(compare("34b:1", "7b", *samples, "--select", "codet,tests=2", "--json"))
        small = answer["arms"][1]
        assert small["realised"]["matched"]
        assert small["realised"]["budget_ratio"]["flops"] <= 1.0
        return small["k"]

    short, long = k_with(10), k_with(50)
    assert short > long > 1


@pytest.mark.parametrize("author", ["7b", "13b"])
def test_a_limit_in_dollars_pays_for_tests_at_their_authors_price(compare, tiny: Path, author: str) -> None:
    lengths = {"prompt_tokens": 40, "output_tokens": 50}
    for name, copies in (("big", 1), ("small", 6)):
        rows = [row | lengths for row in read_rows(tiny / f"{name}.jsonl")]
        (tiny / f"{name}.jsonl").write_text(jsonl(rows * copies))
    tests = [
        {"task_id": name, "samples": [f" {name}(5) == {right}\n"] * 3, "prompt_tokens": 40, "output_tokens": 60}
        for name, right in (("double", 10), ("square", 25), ("negate", -5))
    ]
    (tiny / "tests.jsonl").write_text(jsonl(tests))
    own = "7b=tests.jsonl" if author == "7b" else "7b=from:13b"
    given = [word for text in (own, "13b=tests.jsonl") for word in ("--tests", text)]
    samples = ("--samples", "34b=big.jsonl", "--samples", "13b=small.jsonl", "--samples", "7b=small.jsonl", *given)
    prices = [f"--usd-per-mtok={arm}" for arm in ("34b=1,6", "13b=0.3,0.9", "7b=0.1,0.4")]
    limit = ("--match", "usd", *prices, "--select", "codet,tests=2")
    answer = answer_of(compare("34b:1", "7b", "13b:3", *samples, *limit, "--json"))
    small = answer["arms"][1]
    of_test = 0.1 * 40 + 0.4 * 20 if author == "7b" else 0.3 * 40 + 0.9 * 20
    expected = (small["k"] * (0.1 * 40 + 0.4 * 50) + 2 * of_test) / 1e6
    assert small["tests"] == 2
    assert small["realised"]["usd"] == pytest.approx(expected)
    assert small["cost"]["usd"] == pytest.approx(small["realised"]["usd"], rel=0.2)
    limit_usd = (40 + 6 * 50) / 1e6
    assert small["realised"]["budget_ratio"]["usd"] == pytest.approx(expected / limit_usd)
    assert expected <= limit_usd < expected + (0.1 * 40 + 0.4 * 50) / 1e6
    assert small["realised"]["matched"]


def test_a_curve_has_a_line_that_pays_for_tests(codebudget, tiny: Path) -> None:
    tests = [
        {"task_id": name, "samples": [f" {name}(5) == {right}\n"] * 4, "prompt_tokens": 40, "output_tokens": 60}
        for name, right in (("double", 10), ("square", 25), ("negate", -5))
    ]
    (tiny / "tests.jsonl").write_text(jsonl(tests))
    rows = [row | {"prompt_tokens": 40} for row in read_rows(tiny / "small.jsonl")]
    (tiny / "small.jsonl").write_text(jsonl(rows))
    ran = ("--benchmark", "tiny.jsonl", "--sandbox", "process", "--workers", "1", "--json")
    options = ("--samples", "7b=small.jsonl", "--tests", "7b=tests.jsonl", "--select", "codet,tests=2")
    free, paid = answer_of(codebudget("curve", "7b", *options, *ran))["arms"]
    assert (free["spec"], paid["spec"]) == ("7b", "7b with 2 tests")
    assert paid["cost_of_one"] == free["cost_of_one"]
    extra = 2 * decode_flops(find_model("7b").architecture, 40, 15)
    assert paid["cost_of_all"] == pytest.approx(free["cost_of_all"] + extra)
    assert list(paid["metrics"]) == ["pass_at_k", "codet,tests=2"]
