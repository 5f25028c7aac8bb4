"""`codebudget compare` on two tiny benchmarks: a comparison on each, and their means."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from support.rows import bodies, humaneval_row, jsonl, read_rows

BOTH = ("--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl")
PROCESS = ("--sandbox", "process", "--workers", "1")
SEVERAL = ("--benchmark", "tiny.jsonl", "--benchmark", "more.jsonl")
NAMES = ("tiny", "more")


@pytest.fixture
def several(tiny: Path) -> Path:
    """The tiny benchmark's folder with another of two tasks; the files of samples have rows of both."""
    more = [
        humaneval_row("half", "return x // 2", ("candidate(2) == 1", "candidate(9) == 4"), (4, 2)),
        humaneval_row("same", "return x", ("candidate(2) == 2", "candidate(3) == 3"), (2, 2)),
    ]
    (tiny / "more.jsonl").write_text(jsonl(more))
    big = [("half", "return 1"), ("same", "return x")]
    small = {"half": ("return x // 2", "return x / 2", "return 2"), "same": ("return x", "return 0 + x", "return 2")}
    with (tiny / "big.jsonl").open("a") as file:
        file.write(bodies(big))
    with (tiny / "small.jsonl").open("a") as file:
        file.write(bodies((name, body) for name, listed in small.items() for body in listed))
    return tiny


def last_json(result) -> dict:
    assert result.returncode in (0, 1), result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def without_seconds(arm: dict) -> dict:
    """Leave out what is measured anew."""
    for score in arm["rankers"].values():
        score["cost_s"] = None
    return arm


def test_json_has_each_benchmarks_own_comparison_and_the_means(codebudget, several: Path) -> None:
    texts = {
        "double": "assert double(2) == 4",
        "square": "assert square(3) == 9",
        "negate": "assert negate(2) == -2",
        "half": "assert half(9) == 4",
        "same": "assert same(7) == 7",
    }
    (several / "tests.jsonl").write_text(jsonl({"task_id": name, "samples": [text]} for name, text in texts.items()))
    rankers = ("--ranker", "shortest", "--ranker", "codet", "--tests", "tests.jsonl")
    common = ("compare", "13b:1", "7b:2", *BOTH, *PROCESS, *rankers)
    result = codebudget(*common, *SEVERAL, "--json")
    answer = last_json(result)
    assert list(answer) == ["benchmarks", "arms", "paired", "decisive_ranker", "verdict", "warnings", "doubts"]
    assert {name: one["tasks"] for name, one in answer["benchmarks"].items()} == {"tiny": 3, "more": 2}
    # No row of the other benchmark is unknown, or counted as left out.
    assert "left out" not in result.stderr
    assert "no model-written tests" not in result.stderr
    # As it is without the others, where the files have only its rows.
    rows = {name: read_rows(several / f"{name}.jsonl") for name in ("big", "small", "tests")}
    names = {row["task_id"] for row in read_rows(several / "more.jsonl")}
    for name, listed in rows.items():
        (several / f"{name}.jsonl").write_text(jsonl(row for row in listed if row["task_id"] in names))
    alone = last_json(codebudget(*common, "--benchmark", "more.jsonl", "--json"))
    for arm, own in zip(answer["arms"], alone["arms"], strict=True):
        assert without_seconds(arm["benchmarks"]["more"]) == without_seconds(own)
    own = {name: value for name, value in alone.items() if name not in ("benchmark", "arms", "decisive_ranker")}
    assert answer["benchmarks"]["more"] == own
    for arm in answer["arms"]:
        each = [arm["benchmarks"][name] for name in NAMES]
        assert arm["pass_at_k"]["value"] == pytest.approx(np.mean([one["pass_at_k"]["value"] for one in each]))
        assert arm["cost"]["flops"] == pytest.approx(np.mean([one["realised"]["flops"] for one in each]))
        for ranker, score in arm["rankers"].items():
            assert score["value"] == pytest.approx(np.mean([one["rankers"][ranker]["value"] for one in each]))
    assert answer["verdict"]["with_tests"].startswith("By the mean over 2 benchmarks, with unit tests to select by,")
    assert all(line.split(":")[0] in NAMES for line in answer["warnings"])
    check_differences(answer)


def check_differences(answer: dict) -> None:
    """Check the mean differences by enumeration; the scores are those of `several`, worked out by hand."""
    passes = {"tiny": ([1, 1, 0], [2 / 3, 2 / 3, 2 / 3]), "more": ([0, 1], [2 / 3, 1])}
    differences = [np.subtract(*passes[name]) for name in NAMES]
    (row,) = [row for row in answer["paired"] if row["metric"] == "pass_at_k"]
    assert row["difference"] == pytest.approx(np.mean([values.mean() for values in differences]))
    every = [[np.mean(drawn) for drawn in itertools.product(values, repeat=len(values))] for values in differences]
    means = np.add.outer(*every) / 2
    # With so few tasks the levels are those of the extremes.
    assert (row["low"], row["high"]) == (pytest.approx(means.min(), abs=1e-3), pytest.approx(means.max(), abs=1e-3))
    weighted = np.concatenate([values / len(values) for values in differences])
    flips = np.array(list(itertools.product((1, -1), repeat=weighted.size))) @ weighted
    p_value = np.mean(np.abs(flips) >= abs(weighted.sum()) - 1e-12)
    assert row["p_value"] == pytest.approx(min(1, p_value * len(answer["paired"])))


def test_tables_and_reports_have_each_benchmark_and_the_means(codebudget, several: Path) -> None:
    reports = ("--report", "out.md", "--report", "out.json")
    result = codebudget("compare", "13b:1", "7b:2", *BOTH, *SEVERAL, *PROCESS, "--strict", *reports)
    assert result.returncode == 1
    assert "--strict: not matched: 7b:2 on tiny, 7b:2 on more" in result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 100
    text = result.stdout
    assert (
        text.index("tiny, 3 tasks") < text.index("more, 2 tasks") < text.index("Mean over 2 benchmarks (tiny, 3 tasks")
    )
    rows = [line.split() for line in text[text.index("Mean over") :].splitlines()]
    assert ["7b:2", "tiny", "2"] in [row[:3] for row in rows]
    assert ["more", "2"] in [row[:2] for row in rows]
    assert ["mean", "of", "2", "0.750"] in [[*row[:3], row[4]] for row in rows if len(row) == 7]
    written = json.loads((several / "out.json").read_text())
    said = (several / "out.md").read_text()
    assert written["verdict"]["with_tests"].split(":")[0] in said
    assert said.count("| `7b:2` | `more` | 2 |") == 1
    assert "## On `tiny`" in said
    assert said.count("## `13b:1` or `7b:2`?") == 1


def test_a_page_shows_the_means_first_and_each_benchmark(codebudget, several: Path, visit) -> None:
    result = codebudget("compare", "13b:1", "7b:2", *BOTH, *SEVERAL, *PROCESS, "--report", "out.html")
    assert result.returncode == 0, result.stderr
    seen = visit(several / "out.html")
    page = seen.page
    assert page.title() == "13b:1 or 7b:2? mean of 2 benchmarks"
    assert page.locator("#subtitle").inner_text() == "1 run · 4 arms · 2 benchmarks"
    assert "By the mean over 2 benchmarks" in page.locator("#advice").inner_text()
    assert "75 % [55, 88]" in page.locator("table.ranking").inner_text()
    page.locator("select[name=benchmark]").select_option(label="more")
    page.locator("#shown", has_text="more: 2 of 2 arms").wait_for()
    page.locator("table.ranking caption", has_text="more, pass@k").wait_for()
    assert "83 %" in page.locator("table.ranking").inner_text()
    assert seen.complaints == []


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (("tiny.jsonl", "tiny.jsonl"), "the benchmark tiny.jsonl is listed twice; remove one"),
        (("tiny.jsonl", "./tiny.jsonl"), "tiny.jsonl and ./tiny.jsonl are both called tiny; remove one, or rename"),
        (("tiny.jsonl", "copy.jsonl"), "the benchmarks tiny.jsonl and copy.jsonl have the same tasks; remove one"),
        (("tiny.jsonl", "other.jsonl"), "tiny and other have different tasks with the id 'double'"),
        (("tiny.jsonl", "unknown"), "unknown benchmark 'unknown'"),
        (
            ("tiny.jsonl", "more.jsonl", "third.jsonl"),
            "third: big.jsonl: contains no samples of this benchmark's tasks",
        ),
    ],
)
def test_benchmarks_that_do_not_go_together_are_one_line(codebudget, several: Path, tiny_rows, named, message) -> None:
    (several / "copy.jsonl").write_text(jsonl(tiny_rows))
    other = humaneval_row("triple", "return 3 * x", ("candidate(2) == 6",), (1, 3)) | {"task_id": "double"}
    (several / "other.jsonl").write_text(jsonl([other]))
    (several / "third.jsonl").write_text(
        jsonl([humaneval_row("third", "return x / 3", ("candidate(3) == 1",), (3, 1))])
    )
    options = [f"--benchmark={name}" for name in named]
    result = codebudget("compare", "13b:1", "7b:2", *BOTH, *options, *PROCESS)
    assert (result.returncode, result.stdout) == (2, "")
    (said,) = result.stderr.splitlines()
    assert message in said


def test_arms_are_drawn_on_each_and_then_found_in_the_store(codebudget, several: Path, server) -> None:
    common = ("compare", "13b:1", "7b", *SEVERAL, *PROCESS, "--max-tokens", "30", "--ranker", "shortest", "--json")
    environment = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": ""}
    drawn = codebudget(*common, "--engine", "openai", **environment)
    answer = last_json(drawn)
    small = answer["arms"][1]["benchmarks"]
    for name, tasks in (("tiny", 3), ("more", 2)):
        # Its own pilot, and the k that its samples pay for there.
        assert small[name]["pilot_k"] >= 1
        assert small[name]["n"] >= small[name]["k"]
        assert small[name]["workload"]["source"] == f"mean of {tasks} pilot samples"
    assert "tiny: drawing with" in drawn.stderr
    requests = len(server.requests)
    again = last_json(codebudget(*common, "--engine", "openai", **environment))
    assert len(server.requests) == requests
    assert [arm["pass_at_k"] for arm in again["arms"]] == [arm["pass_at_k"] for arm in answer["arms"]]


def test_drawing_stops_at_one_limit_over_all_benchmarks(codebudget, several: Path, server) -> None:
    common = ("compare", "13b:1", "7b:1", *SEVERAL, *PROCESS, "--max-tokens", "30", "--ranker", "first", "--json")
    environment = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": ""}
    stopped = codebudget(*common, "--engine", "openai", "--stop-after", "1tokens", **environment)
    # The first sample reaches it, and the other benchmark's arms are not begun.
    assert len(server.requests) == 1
    for name, missing in (("tiny", 5), ("more", 4)):
        assert f"{name}: stopped after 30 tokens, 29 tokens beyond the limit of 1 tokens; {missing} " in stopped.stderr
    assert (stopped.returncode, stopped.stdout) == (2, "")
    assert stopped.stderr.splitlines()[-1].startswith("codebudget: tiny: 7b:1: pass@1 needs 1 samples per task")
