"""`codebudget compare` by measured lengths: recorded, piloted and realised."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.markov import Markov
from support.reciter import Reciter
from support.rows import bodies, humaneval_row, jsonl, read_rows

BIG, SMALL = "codellama/CodeLlama-13b-hf", "codellama/CodeLlama-7b-hf"
PROCESS = ("--sandbox", "process", "--workers", "1")
RANKERS = ("--ranker", "shortest")
FEW, MANY = 6, 40
"""Additions in a function's body: what makes a solution short or long."""


def answer_of(result) -> dict:
    assert result.returncode in (0, 1), result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def solution(number: int, additions: int) -> str:
    return f"return x * {number}" + " + 0" * additions


@pytest.fixture
def drawn(codebudget, tmp_path: Path, server) -> Callable[..., dict]:
    """Compares two arms on 24 tasks, drawn from a server whose models know solutions of the lengths given."""
    rows = [
        humaneval_row(f"times{n}", f"return x * {n}", [f"candidate(3) == {3 * n}"], (1, n)) for n in range(100, 124)
    ]
    (tmp_path / "many.jsonl").write_text(jsonl(rows))

    def run(*arguments: str, big: Callable[[int], int], small: Callable[[int], int]) -> dict:
        for model, length in ((BIG, big), (SMALL, small)):
            server.models[model] = Reciter(
                {row["prompt"]: f"    {solution(number + 100, length(number))}\n" for number, row in enumerate(rows)}
            )
        result = codebudget(
            *("compare", *arguments, "--benchmark", "many.jsonl", "--engine", "openai", *PROCESS, *RANKERS, "--json"),
            OPENAI_BASE_URL=server.url,
            OPENAI_API_KEY="",
        )
        answer = answer_of(result)
        answer["stderr"] = result.stderr
        return answer

    return run


def test_a_pilot_that_is_longer_than_the_rest_is_drawn_further(drawn, server) -> None:
    answer = drawn("13b:2", "7b", big=lambda _: FEW, small=lambda number: MANY if number < 8 else FEW)
    big, small = answer["arms"]
    assert big["pilot_k"] == big["k"] == 2
    assert small["k"] > small["pilot_k"] >= 1
    assert small["k_note"].startswith(f"7b: drawn further to k = {small['k']}")
    assert small["k_note"] in answer["stderr"]
    assert small["realised"]["matched"] is True
    assert small["n"] == small["k"]
    assert small["workload"]["source"] == "mean of 8 pilot samples"
    assert small["estimate"]["flops"] != small["cost"]["flops"] != small["realised"]["flops"]
    # Nothing is drawn twice: the pilot's samples are the first ones.
    assert len(server.requests) == 24 * (2 + small["k"])


def test_a_pilot_that_is_shorter_than_the_rest_is_cut(drawn) -> None:
    answer = drawn("13b:4", "7b", big=lambda _: FEW, small=lambda number: FEW if number < 8 else MANY)
    small = answer["arms"][1]
    assert small["k"] < small["pilot_k"] == small["n"]
    assert "7b: cut to k = " in small["k_note"]
    assert small["realised"]["matched"] is True
    low, high = small["realised"]["flops_over_tasks"]
    assert low < small["realised"]["flops"] < high
    assert small["realised"]["leftover"]["flops"] >= 0


def test_a_k_that_was_typed_stays(drawn) -> None:
    answer = drawn("13b:1", "7b:5", big=lambda _: FEW, small=lambda _: MANY)
    small = answer["arms"][1]
    assert (small["k"], small["k_note"], small["realised"]["matched"]) == (5, "", False)
    assert "not at equal cost: 7b x5 is not matched" in answer["verdict"]["with_tests"]


def test_the_papers_convention_measures_nothing_for_k(drawn, server) -> None:
    answer = drawn("13b:2", "7b", "--convention", "paper", big=lambda _: FEW, small=lambda _: MANY)
    small = answer["arms"][1]
    assert answer["convention"] == "paper"
    assert (small["k"], small["pilot_k"], small["k_note"], small["estimate"]) == (3, None, "", None)
    assert small["realised"]["matched"] is False
    assert len(server.requests) == 24 * 5


def test_lengths_that_were_given_hold(drawn) -> None:
    given = ("--prompt-tokens", "100", "--output-tokens", "20")
    answer = drawn("13b:2", "7b", *given, big=lambda _: FEW, small=lambda _: MANY)
    small = answer["arms"][1]
    assert small["workload"]["output_tokens"] == 20
    assert (small["pilot_k"], small["k_note"]) == (None, "")


@pytest.fixture
def recorded(compare, tiny: Path) -> Callable[..., dict]:
    """Compares `34b:1` with `7b` on recorded samples of these output tokens."""

    def run(big: int | None, small: int | None, *arguments: str, k: str = "", prompts: bool = True) -> dict:
        for name, tokens, copies in (("big", big, 1), ("small", small, 20)):
            counts = {} if tokens is None else {"output_tokens": tokens} | ({"prompt_tokens": 60} if prompts else {})
            rows = [row | counts for row in read_rows(tiny / "small.jsonl")[::3] for _ in range(copies)]
            (tiny / f"{name}20.jsonl").write_text(jsonl(rows))
        samples = ("--samples", "34b=big20.jsonl", "--samples", "7b=small20.jsonl")
        return answer_of(compare("34b:1", f"7b{k}", *samples, *RANKERS, *arguments, "--json"))

    return run


def test_an_open_k_follows_from_recorded_lengths(recorded) -> None:
    same, longer = recorded(57, 57)["arms"][1], recorded(57, 210)["arms"][1]
    assert same["k"] > 2 * longer["k"]
    for arm in (same, longer):
        assert arm["matched"] is True
        assert arm["realised"]["matched"] is True
        assert arm["realised"]["budget_ratio"]["flops"] <= 1
        assert arm["realised"]["flops"] == pytest.approx(arm["cost"]["flops"], rel=0.02)
        assert arm["workload"] == {
            "convention": "tokens",
            "prompt_tokens": 60,
            "output_tokens": 57 if arm is same else 210,
            "source": "mean of 60 recorded samples",
            "estimated": False,
        }
    assert recorded(57, 210, "--convention", "paper")["arms"][1]["k"] == 5


def test_files_with_fewer_samples_than_the_limit_allows_are_used_whole(recorded) -> None:
    answer = recorded(500, 20)
    small = answer["arms"][1]
    assert (small["k"], small["n"], small["realised"]["matched"]) == (20, 20, False)
    assert small["k_note"].startswith("7b: the limit allows k = ")
    assert small["k_note"].endswith("but there are only 20 samples of each task")
    assert small["k_note"] in answer["warnings"]
    assert "the limit allows more samples of 7b" in answer["verdict"]["with_tests"]


def test_counts_that_are_missing_are_estimated_and_marked(recorded, compare) -> None:
    answer = recorded(None, None, k=":8")
    assert all(arm["realised"]["usage"]["estimated"] for arm in answer["arms"])
    assert ", for about " in answer["verdict"]["with_tests"]
    part = recorded(57, 210, prompts=False)["arms"][1]
    assert part["workload"]["output_tokens"] == 210
    assert "prompt tokens estimated from bytes" in part["workload"]["source"]
    samples = ("--samples", "34b=big20.jsonl", "--samples", "7b=small20.jsonl")
    assert "~ estimated: " in compare("34b:1", "7b:4", *samples, *RANKERS).stdout


def test_three_tasks_are_few(recorded) -> None:
    assert "On 3 tasks a 95 % interval covers less than it claims" in recorded(57, 57)["verdict"]["without_tests"]


CALLS = {"double": "double(3) == 6", "square": "square(3) == 9", "negate": "negate(3) == -3"}


@pytest.fixture
def with_tests(compare, tiny: Path) -> Callable[..., object]:
    (tiny / "asserts.jsonl").write_text(bodies((name, f"assert {call}") for name, call in CALLS.items()))

    def run(*arguments: str):
        files = ("--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl")
        return compare("13b:1", "7b:3", *files, *arguments, "--ranker", "maxpass", "--json")

    return run


def test_tests_belong_to_arms_and_are_charged_by_their_model(with_tests) -> None:
    both = answer_of(with_tests("--tests", "13b=asserts.jsonl", "--tests", "7b=from:13b"))
    one, costs = (arm["rankers"]["maxpass"]["cost_flops"] for arm in both["arms"])
    # A single sample is not ranked.
    assert (one, both["arms"][0]["rankers"]["maxpass"]["uses_tests"]) == (0, False)
    own = answer_of(with_tests("--tests", "13b=asserts.jsonl", "--tests", "7b=asserts.jsonl"))
    score = own["arms"][1]["rankers"]["maxpass"]
    assert 0 < score["cost_flops"] < costs
    assert (score["uses_tests"], score["cost_estimated"]) == (True, True)
    assert score["total_flops"] == pytest.approx(own["arms"][1]["realised"]["flops"] + score["cost_flops"])
    assert score["left"] is not None
    assert "tests included" in own["verdict"]["without_tests"]
    assert ", for about " in own["verdict"]["without_tests"]


def test_token_counts_of_tests_are_used(with_tests, tiny: Path) -> None:
    rows = [row | {"prompt_tokens": 60, "output_tokens": 30} for row in read_rows(tiny / "asserts.jsonl")]
    (tiny / "counted.jsonl").write_text(jsonl(rows))
    score = answer_of(with_tests("--tests", "counted.jsonl"))["arms"][1]["rankers"]["maxpass"]
    assert (score["cost_estimated"], score["cost_flops"] > 0) == (False, True)


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        (["7b=asserts.jsonl"], "13b:1 has none: give some with --tests 13b:1=FILES"),
        (["9b=asserts.jsonl"], "no arm is called '9b'"),
        (["7b=from:"], "write FILES, ARM=FILES or ARM=from:OTHER"),
        (["asserts.jsonl", "7b=from:13b", "7b=from:34b"], "already has tests from 13b"),
        (["asserts.jsonl", "7b=from:13b", "7b=asserts.jsonl"], "has both files and from:13b"),
        (["asserts.jsonl", "7b=from:34b"], "has no samples of codellama-34b@bf16"),
    ],
)
def test_tests_that_cannot_be_had_are_said(with_tests, tests: list[str], message: str) -> None:
    result = with_tests(*(word for text in tests for word in ("--tests", text)))
    assert result.returncode in (2, 3)
    assert message in result.stderr.splitlines()[-1]


def test_tests_are_drawn_from_the_model_named(sample, codebudget, server, tiny: Path) -> None:
    server.models[SMALL] = Markov(f"assert {call}\nassert {call}\n" for call in CALLS.values())
    result = codebudget(
        *("compare", "13b:1", "13b@fp16:3", "--samples", "13b:1=big.jsonl", "--samples", "13b@fp16=small.jsonl"),
        *("--benchmark", "tiny.jsonl", "--engine", "openai", "--max-tokens", "40", *PROCESS),
        *("--tests", "13b:1=from:7b:2", "--tests", "13b@fp16=from:7b:2", "--ranker", "maxpass", "--json"),
        OPENAI_BASE_URL=server.url,
        OPENAI_API_KEY="",
    )
    score = answer_of(result)["arms"][1]["rankers"]["maxpass"]
    assert (score["uses_tests"], score["cost_estimated"]) == (True, False)
    # Drawn once for both arms.
    assert len(server.requests) == 3 * 2
