"""`codebudget curve` on a tiny benchmark with recorded samples, in a process of its own."""

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

BOTH = ("--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl")


@pytest.fixture
def curve(codebudget, tiny: Path):
    def run(*arguments: object):
        return codebudget("curve", *arguments, "--benchmark", "tiny.jsonl", "--sandbox", "process")

    return run


def last_json(result) -> dict:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_json_csv_and_plot_hold_the_same_curve(curve, tiny: Path) -> None:
    answer = last_json(
        curve(
            "13b", "7b", *BOTH, "--json", "--out", "c.json", "--out", "c.csv", "--plot", "c.svg", "--ranker", "shortest"
        )
    )
    big, small = answer["arms"]
    assert (answer["by"], answer["tasks"], answer["every_step"]) == ("flops", 3, True)
    assert [arm["spec"] for arm in answer["arms"]] == ["13b", "7b"]
    assert (big["n"], small["n"]) == (1, 3)
    assert answer["budgets"] == sorted(answer["budgets"])
    assert answer["budgets"][0] == min(small["cost_of_one"], big["cost_of_one"])
    assert list(small["metrics"]) == ["pass_at_k", "shortest"]
    first = small["metrics"]["pass_at_k"][0]
    assert (first["k"], first["value"]) == (1, pytest.approx(1 / 3))
    assert {row["metric"] for row in answer["crossings"]} == {"pass_at_k", "shortest"}
    assert all(row["sentence"] for row in answer["crossings"])
    assert "schema_version" not in json.dumps(answer)

    kept = json.loads((tiny / "c.json").read_text())
    assert kept["schema_version"] == 1
    assert kept["budgets"] == answer["budgets"]
    with (tiny / "c.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * len(answer["budgets"])
    assert {row["arm"] for row in rows} == {"13b", "7b"}
    svg = "".join(ElementTree.parse(tiny / "c.svg").getroot().itertext())
    assert "13b" in svg
    assert "7b" in svg


def test_the_table_has_budgets_costs_and_crossings(curve) -> None:
    result = curve("13b", "7b", *BOTH)
    assert result.returncode == 0, result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 100
    for text in ("pass_flops@f", "rank-score_flops@f by codebudget", "one sample costs", "no crossing found between"):
        assert text in " ".join(result.stdout.split())
    assert "convention tokens" in result.stdout


def test_seconds_need_a_machine_and_are_named(curve) -> None:
    assert "--hardware" in curve("13b", "7b", *BOTH, "--by", "runtime").stderr
    answer = last_json(curve("13b", "7b", *BOTH, "--by", "runtime", "--hardware", "h100", "--json"))
    assert answer["by"] == "runtime"
    assert answer["crossings"][0]["sentence"].startswith("pass_time@t: ")


def test_a_range_is_kept_to(curve) -> None:
    whole = last_json(curve("13b", "7b", *BOTH, "--json"))["budgets"]
    low, high = whole[0] * 1.01, whole[-1] * 1.5
    cut = last_json(curve("13b", "7b", *BOTH, "--json", "--budget", f"{low}..{high}"))["budgets"]
    assert (cut[0], cut[-1]) == (low, high)
    assert set(whole[1:]) <= set(cut)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["13b:1", "7b", *BOTH], 2, "13b:1: a curve covers every k up to the number of samples; write 13b"),
        (["13b", "7b:greedy", *BOTH], 2, "write 7b"),
        (["13b", "7b", *BOTH, "--out", "c.yaml"], 2, "ending in .json or .csv"),
        (["13b", "7b", *BOTH, "--out", "none/c.csv"], 2, "the folder none does not exist"),
        (["13b", "7b", *BOTH, "--plot", "c.pdf"], 2, "ending in .png or .svg"),
        (["13b", "7b", *BOTH, "--budget", "1e12"], 2, "write LOW..HIGH"),
        (["13b", "7b", *BOTH, "--budget", "2e12..1e12"], 2, "smaller than the second"),
        (["13b", "7b", *BOTH, "--budget", "1..2"], 2, "has no k in the range"),
        (["13b", "7b", *BOTH[:2]], 3, "--samples 7b=FILES"),
        (["13b", "13b", *BOTH[:2]], 2, "is listed twice"),
    ],
)
def test_a_mistake_is_one_line(curve, arguments: list[str], code: int, message: str) -> None:
    result = curve(*arguments)
    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr.splitlines()[-1]
