"""Cascades on the command line: planned, replayed from files, and drawn from a server."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.reciter import Reciter
from support.rows import bodies, humaneval_row, jsonl, read_rows

BIG, SMALL = "codellama/CodeLlama-13b-hf", "codellama/CodeLlama-7b-hf"
PROCESS = ("--sandbox", "process", "--workers", "1")


def answer_of(result) -> dict:
    assert result.returncode in (0, 1), result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_a_plan_states_the_cost_at_none_all_and_a_share(codebudget) -> None:
    lengths = ("--prompt-tokens", "150", "--output-tokens", "120")
    arms = ("34b:1", "7b:5", "7b:5,34b:1")
    single, small, cascade = answer_of(codebudget("plan", *arms, *lengths, "--escalate", "0.25", "--json"))["arms"]
    flops = [one["cost"]["flops"] for one in (single, small)]
    assert cascade["cost"]["flops"] == pytest.approx(flops[1] + 0.25 * flops[0])
    assert cascade["cost_at"]["none"]["flops"] == pytest.approx(flops[1])
    assert cascade["cost_at"]["all"]["flops"] == pytest.approx(sum(flops))
    assert cascade["cost"]["memory_bytes"] == single["cost"]["memory_bytes"]
    assert [(stage["spec"], stage["k"], stage["reached"]) for stage in cascade["stages"]] == [
        ("7b:5", 5, 1.0),
        ("34b:1", 1, 0.25),
    ]
    assert cascade["k"] == 6
    everything = answer_of(codebudget("plan", *arms, *lengths, "--json"))["arms"][2]
    assert everything["cost"] == everything["cost_at"]["all"]
    table = codebudget("plan", *arms, *lengths, "--escalate", "0.25").stdout
    assert "if no task goes on" in table
    assert "if 25% do" in table
    assert "5 + 1" in table


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ("7b,34b:1", "every stage of a cascade states its k"),
        ("7b:5,34b", "every stage of a cascade states its k"),
        ("7b:2,7b:5", "two stages draw samples of 7b"),
        ("7b:2,", "no model"),
        ("7b:2,9b:1", "9b"),
    ],
)
def test_a_wrong_cascade_is_one_line(codebudget, arm: str, message: str) -> None:
    result = codebudget("plan", "34b:1", arm)
    assert (result.returncode, result.stdout) == (2, "")
    (said,) = result.stderr.splitlines()
    assert message in said


def test_pools_that_are_made_score_and_cost_what_is_expected_and_the_advice_names_the_cascade(
    repository: Path, tmp_path: Path
) -> None:
    """Three sizes, some of whose wrong programs hold the visible example, against closed forms."""
    spec = importlib.util.spec_from_file_location("cascades", repository / "benchmarks" / "rankers" / "cascades.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = script.make(tmp_path, 40, 12, 6)
    arms = ("34b:1", "7b:2,34b:greedy", "13b:3,34b:greedy", "7b:5,34b:1")
    answer = script.compare(tmp_path, arms, ("examples",))
    assert [arm["spec"] for arm in answer["arms"]] == ["34b:1", "34b:greedy", *arms[1:]]
    for arm in answer["arms"]:
        want = script.expected(arm["spec"], made)
        assert arm["rankers"]["examples"]["value"] == pytest.approx(want.score, abs=4 * want.error + 1e-9), arm["spec"]
        assert arm["realised"]["flops"] == pytest.approx(want.flops, rel=0.03)
    best = max(answer["arms"], key=lambda arm: arm["rankers"]["examples"]["value"])
    assert best["spec"] == "13b:3,34b:greedy"
    assert best["realised"]["budget_ratio"]["flops"] <= 1.05
    without = answer["verdict"]["without_tests"]
    # The cheapest of the cascades that the data do not separate, all within the limit.
    assert "where none of them holds all visible examples" in without.partition(": 0.")[0]
    assert without.index("34b greedy [") < without.index("one 34b [")


def test_commands_on_one_model_refuse_a_cascade(codebudget) -> None:
    result = codebudget("sample", "7b:2,13b:1", "--engine", "recorded")
    assert result.returncode == 2
    assert "'7b:2,13b:1' is a cascade of several models; name one of them" in result.stderr


def test_stages_share_the_samples_of_their_models(compare) -> None:
    arms = ("13b:1", "7b:1,13b:1", "7b")
    answer = answer_of(compare(*arms, "--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl", "--json"))
    cascade = answer["arms"][1]
    assert [stage["spec"] for stage in cascade["stages"]] == ["7b:1", "13b:1"]
    # The example of double holds for two of three programs, that of square too, and that of negate for one.
    assert cascade["stages"][1]["reached"] == pytest.approx((1 / 3 + 1 / 3 + 2 / 3) / 3)
    # double: both that hold the example go no further, one of them right; else the large one is right. Likewise square.
    assert cascade["rankers"]["examples"]["value"] == pytest.approx((2 / 3 + 2 / 3 + 1 / 3) / 3)
    assert cascade["escalation"]["tasks_shown"] == 3
    flops = {one["spec"]: one["realised"]["flops"] for one in answer["arms"]}
    assert flops["7b:1,13b:1"] < flops["13b:1"] + flops["7b"]
    table = compare(*arms, "--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl").stdout
    assert "A cascade goes on where none of them holds all visible examples." in table
    assert max(map(len, table.splitlines())) <= 100


def test_a_curve_has_a_cascade_from_its_realised_cost_on(codebudget, tiny: Path) -> None:
    samples = ("--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl", "--benchmark", "tiny.jsonl")
    ran = ("--sandbox", "process", "--workers", "1", "--ranker", "examples", "--json")
    drawn = answer_of(codebudget("curve", "13b", "7b", "7b:1,13b:1", *samples, *ran))
    compared = answer_of(codebudget("compare", "13b:1", "7b:1,13b:1", *samples, *ran))
    cascade, point = drawn["arms"][2], compared["arms"][1]
    assert (cascade["n"], cascade["cost_of_one"]) == (2, pytest.approx(point["realised"]["flops"]))
    assert cascade["reached"] == [1.0, pytest.approx(point["stages"][1]["reached"])]
    for metric, score in (("pass_at_k", point["pass_at_k"]), ("examples", point["rankers"]["examples"])):
        for one in cascade["metrics"][metric]:
            if one["budget"] < cascade["cost_of_one"]:
                assert (one["k"], one["undefined"]) == (None, "below")
            else:
                assert (one["k"], one["value"]) == (2, pytest.approx(score["value"]))


def test_one_may_answer_only_where_one_is_sure(compare, tiny: Path) -> None:
    samples = ("--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl")
    arms = ("13b:1", "7b:2", "7b:1,13b:1")
    options = ("--abstain", "--ranker", "examples")
    answer = answer_of(compare(*arms, *samples, *options, "--json"))
    for arm in answer["arms"]:
        everything, shown, *_ = arm["abstention"]["by_agreement"]
        assert everything["answered"] == 1
        assert everything["error"] == pytest.approx(1 - arm["rankers"]["examples"]["value"])
        assert arm["abstention"]["by_rule"] | {"agreement": 0.0} == shown
    # Pairs of double and square always hold one that fits the example, those of negate two in three times.
    small = answer["arms"][1]["abstention"]["by_rule"]
    assert small["answered"] == pytest.approx((1 + 1 + 2 / 3) / 3)
    assert small["error"] == pytest.approx(1 - (1 / 2 + 1 / 2 + 2 / 3) / 3 / small["answered"])
    pytest.importorskip("matplotlib")
    table = compare(*arms, *samples, *options, "--report", "sure.svg").stdout
    picture = (tiny / "sure.svg").read_text()
    assert all(text in picture for text in (*arms, "share of tasks answered", "errors among the answers"))
    refused = compare(*arms, *samples, "--report", "sure.png")
    assert (refused.returncode, "ending in .html, .md or .json" in refused.stderr) == (2, True)
    assert "Answered only where candidates agree, picked by examples" in table
    assert max(map(len, table.splitlines())) <= 100


def test_greedy_samples_stand_beside_those_of_the_first_arm(compare, tiny: Path) -> None:
    (tiny / "greedy.jsonl").write_text(
        bodies([("double", "return x + x"), ("square", "return x * x"), ("negate", "return -x")])
    )
    samples = ("--samples", "13b=big.jsonl", "--samples", "13b:greedy=greedy.jsonl", "--samples", "7b=small.jsonl")
    answer = answer_of(compare("13b:1", "7b:2,13b:greedy", *samples, "--json"))
    assert [arm["spec"] for arm in answer["arms"]] == ["13b:1", "13b:greedy", "7b:2,13b:greedy"]
    assert [arm["pass_at_k"]["value"] for arm in answer["arms"][:2]] == [pytest.approx(2 / 3), 1.0]
    assert "13b greedy" in answer["verdict"]["without_tests"]


def test_a_stage_without_samples_leaves_the_task_out(compare, tiny: Path) -> None:
    (tiny / "part.jsonl").write_text(bodies([("double", "return x + x"), ("square", "return 0")]))
    result = compare("7b:2,13b:1", "--samples", "13b=part.jsonl", "--samples", "7b=small.jsonl", "--json")
    assert answer_of(result)["left_out"] == {"negate": "no sample of 13b:1, a stage of 7b:2,13b:1"}


@pytest.fixture
def drawn(codebudget, tmp_path: Path, server) -> Callable[..., dict]:
    """Compares on 6 tasks, drawn from a server whose small model solves the first 4 and the large one the last 3."""
    rows = [humaneval_row(f"times{n}", f"return x * {n}", [f"candidate(3) == {3 * n}"], (1, n)) for n in range(2, 8)]
    (tmp_path / "six.jsonl").write_text(jsonl(rows))
    for model, solved in ((SMALL, range(2, 6)), (BIG, range(5, 8))):
        server.models[model] = Reciter(
            {
                row["prompt"]: f"    return x * {n if n in solved else 0}\n"
                for n, row in zip(range(2, 8), rows, strict=True)
            }
        )

    def run(*arguments: str, engine: str = "openai") -> dict:
        result = codebudget(
            *("compare", *arguments, "--benchmark", "six.jsonl", "--engine", engine, *PROCESS, "--json"),
            OPENAI_BASE_URL=server.url,
            OPENAI_API_KEY="",
        )
        return answer_of(result)

    return run


def test_a_later_stage_is_drawn_only_where_it_is_needed(drawn, server) -> None:
    answer = drawn("7b:2,13b:1")
    (cascade,) = answer["arms"]
    asked = [request["model"] for request in server.requests]
    assert (asked.count(SMALL), asked.count(BIG)) == (12, 2)
    assert [stage["reached"] for stage in cascade["stages"]] == [1.0, pytest.approx(2 / 6)]
    assert (answer["tasks"], cascade["pass_at_k"]["value"]) == (6, 1.0)
    assert cascade["realised"]["runtime_s"] > 0
    again = drawn("7b:2,13b:1")
    assert len(server.requests) == 14
    assert again["arms"][0]["pass_at_k"] == cascade["pass_at_k"]
    # What the store has replays it, though the second stage was drawn for two tasks alone.
    replayed = drawn("7b:2,13b:1", engine="recorded")
    assert len(server.requests) == 14
    assert replayed["arms"][0]["stages"][1]["reached"] == pytest.approx(2 / 6)
    assert replayed["tasks"] == 6


def test_a_stage_that_nothing_reaches_is_not_drawn(drawn, server, tmp_path: Path) -> None:
    rows = read_rows(tmp_path / "six.jsonl")
    (tmp_path / "six.jsonl").write_text(jsonl(rows[:4]))
    (cascade,) = drawn("7b:1,13b:greedy")["arms"]
    assert {request["model"] for request in server.requests} == {SMALL}
    assert [stage["reached"] for stage in cascade["stages"]] == [1.0, 0.0]
