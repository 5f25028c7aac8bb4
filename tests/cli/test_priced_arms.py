"""Models of which only the price is known, as arms of `plan`, `compare`, `curve` and boards, by the real command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.billing_server import BillingServer, Rates
from support.markov import Markov

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BIG, SMALL = "vendor/large:free", "small@2024-08-06"
PRICED = ("--usd-per-mtok", f"{BIG}=2,10,0.5", "--usd-per-mtok", f"{SMALL}=0.3,1")
LENGTHS = ("--prompt-tokens", "100", "--output-tokens", "50")
OFFLINE = {"HF_HUB_OFFLINE": "1"}


def last_json(result: Any) -> dict[str, Any]:
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer


@pytest.fixture
def recorded(tiny: Path) -> tuple[str, ...]:
    """Samples with token counts of both models."""
    for name, output in (("big", 50), ("small", 40)):
        lines = (tiny / f"{name}.jsonl").read_text().splitlines()
        rows = [{**json.loads(line), "prompt_tokens": 100, "output_tokens": output} for line in lines]
        (tiny / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ("--samples", f"{BIG}=big.jsonl", "--samples", f"{SMALL}=small.jsonl")


@pytest.fixture
def host(tiny_rows: list[dict[str, str]]) -> Iterator[BillingServer]:
    corpus = [row["prompt"] + row["canonical_solution"] for row in tiny_rows]
    serving = BillingServer(Markov(corpus), {BIG: Rates(), SMALL: Rates(fresh=300, shown=1000)})
    yield serving
    serving.shutdown()
    serving.server_close()


def test_an_open_k_is_what_the_first_arms_dollars_buy(codebudget: Any) -> None:
    command = ("plan", f"{BIG}:1", SMALL, "7b", *PRICED, "--usd-per-mtok", "7b=0.2,0.2", "--match", "usd", *LENGTHS)
    large, small, known = last_json(codebudget(*command, "--json", **OFFLINE))["arms"]
    assert (large["spec"], large["model"], large["precision"]) == (f"{BIG}:1", BIG, "unknown")
    assert large["cost"] == {"flops": None, "runtime_s": None, "memory_bytes": None, "usd": pytest.approx(0.0007)}
    assert (small["spec"], small["k"], small["matched"], small["binding"]) == (SMALL, 8, True, "usd")
    assert known["k"] == 23
    assert known["cost"]["flops"] > 0
    table = codebudget(*command, **OFFLINE)
    assert f"{BIG}:1 $2 in, $10 out, $0.5 cached" in " ".join(table.stdout.split())


def test_a_price_file_says_where_its_prices_are_from(codebudget: Any, repository: Path) -> None:
    file = repository / "examples" / "prices.toml"
    command = ("plan", "vendor/large-model:1", "vendor/small-model", "--match", "usd", "--prices", file, *LENGTHS)
    plain = codebudget(*command, **OFFLINE)
    assert plain.returncode == 0, plain.stderr
    assert "2026-" in plain.stdout
    large, small = last_json(codebudget(*command, "--json", **OFFLINE))["arms"]
    batch, _ = last_json(codebudget(*command, "--batch-prices", "--json", **OFFLINE))["arms"]
    assert batch["cost"]["usd"] == pytest.approx(large["cost"]["usd"] / 2)
    assert small["k"] > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plan", f"{BIG}:1", *PRICED[:2]), "its FLOPs cannot be counted: count dollars with --match usd"),
        (("plan", BIG, *PRICED[:2], "--budget", "memory=80GiB"), "its memory cannot be counted"),
        (("plan", f"{BIG}:1", "--usd-per-mtok", "1,1", "--match", "usd"), f"--usd-per-mtok {BIG}=IN,OUT"),
        (("plan", "7b:1", "--batch-prices", "--match", "usd", "--usd-per-mtok", "1,1"), "give one with --prices"),
        (("curve", BIG, *PRICED[:2], "--benchmark", "tiny.jsonl"), "with --by usd"),
        (
            ("compare", f"{BIG}:1", *PRICED[:2], "--match", "usd", "--benchmark", "tiny.jsonl"),
            f"only a server can draw it: add --engine openai, or give recorded generations with --samples {BIG}=FILES",
        ),
    ],
)
def test_what_a_price_alone_does_not_do_is_said_with_the_way_on(
    codebudget: Any, tiny: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = codebudget(*arguments, **OFFLINE)
    assert result.returncode == 2
    assert message in result.stderr.splitlines()[-1]


def test_recorded_samples_cost_their_tokens(compare: Any, recorded: tuple[str, ...], tiny: Path) -> None:
    reports = ("--report", "c.html", "--report", "c.md")
    arms = (f"{BIG}:1", f"{SMALL}:3")
    answer = last_json(compare(*arms, *PRICED, "--match", "usd", *LENGTHS, *recorded, *reports, "--json", **OFFLINE))
    large, small = answer["arms"]
    assert (large["cost"]["flops"], large["realised"]["flops"], small["realised"]["flops"]) == (None, None, None)
    assert small["cost"]["usd"] == pytest.approx(3 * (100 * 0.3 + 50) / 1e6)
    assert small["realised"]["usd"] == pytest.approx(3 * (100 * 0.3 + 40) / 1e6)
    assert small["pass_at_k"]["value"] == 1
    ratio = small["realised"]["usd"] / large["realised"]["usd"]
    assert f"for {ratio:.2f} of its dollars" in answer["verdict"]["with_tests"]
    assert "FLOPs" not in answer["verdict"]["with_tests"] + answer["verdict"]["without_tests"]
    assert (tiny / "c.html").stat().st_size > 1000
    assert BIG in (tiny / "c.md").read_text()
    shown = compare(*arms, *PRICED, "--match", "usd", *LENGTHS, *recorded, **OFFLINE)
    assert shown.returncode == 0, shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 100


def test_a_drawn_comparison_costs_what_is_billed(compare: Any, host: BillingServer) -> None:
    environment = {**OFFLINE, "OPENAI_BASE_URL": host.url, "OPENAI_API_KEY": ""}
    drawing = ("--engine", "openai", "--max-tokens", "40")
    command = (f"{BIG}:2", f"{SMALL}:6", *PRICED, "--match", "usd", *drawing, "--json")
    answer = last_json(compare(*command, **environment))
    assert sum(arm["realised"]["usd"] for arm in answer["arms"]) * 3 == pytest.approx(host.usd, abs=1e-9)
    asked = host.requests
    assert asked == 3 * 8
    costs = [arm["realised"] for arm in answer["arms"]]
    assert [arm["realised"] for arm in last_json(compare(*command, **environment))["arms"]] == costs
    assert host.requests == asked
    again = [part for part in command if part != "openai"]
    again.insert(again.index("--engine") + 1, "recorded")
    assert [arm["realised"] for arm in last_json(compare(*again, **environment))["arms"]] == costs


def test_a_curve_over_dollars(codebudget: Any, recorded: tuple[str, ...]) -> None:
    command = (
        "curve",
        BIG,
        SMALL,
        "7b",
        *PRICED,
        "--usd-per-mtok",
        "7b=1,1",
        "--by",
        "usd",
        "--benchmark",
        "tiny.jsonl",
    )
    command += (
        "--sandbox",
        "process",
        *LENGTHS,
        *recorded,
        "--samples",
        "7b=small.jsonl",
        "--budget",
        "$0.0001..$0.01",
    )
    answer = last_json(codebudget(*command, "--json", "--plot", "c.svg", **OFFLINE))
    assert answer["by"] == "usd"
    assert [arm["cost_of_one"] for arm in answer["arms"]] == pytest.approx([0.0007, 0.00008, 0.00015])
    shown = codebudget(*command, **OFFLINE)
    assert "budgets are dollars per task" in " ".join(shown.stdout.split())
    assert "one sample costs $0.0007" in " ".join(shown.stdout.split())


def test_a_board_of_priced_arms_is_run_and_verified_without_looking_anything_up(
    codebudget: Any, recorded: tuple[str, ...], tiny: Path
) -> None:
    (tiny / "board.toml").write_text(f"""
schema_version = 1
name = "priced"
arms = ["{BIG}:1", "{SMALL}:3", "7b:3"]
rankers = ["shortest"]

[budget]
match = "usd"
usd_per_mtok = ["{BIG}=2,10,0.5", "{SMALL}=0.3,1", "7b=0.2,0.2"]
prompt_tokens = 100
output_tokens = 140

[[benchmarks]]
name = "tiny.jsonl"
samples = {{ "{BIG}" = ["big.jsonl"], "{SMALL}" = ["small.jsonl"], "7b" = ["small.jsonl"] }}

[sandbox]
launcher = "process"
workers = 1
check = false
""")
    done = codebudget("leaderboard", "run", "board.toml", "--out", "run", **OFFLINE)
    assert done.returncode == 0, done.stderr
    large, small, known = json.loads((tiny / "run" / "results.json").read_text())["benchmarks"][0]["arms"]
    assert (large["parameters"], large["plan"]["cost"]["flops"]) == (None, None)
    assert small["realised"]["usd"] == pytest.approx(3 * (100 * 0.3 + 40) / 1e6)
    assert known["parameters"] > 6e9
    checked = codebudget("leaderboard", "verify", "run", "--benchmark-file", "tiny.jsonl", **OFFLINE)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    built = codebudget("leaderboard", "build", "run", "--out", "site", **OFFLINE)
    assert built.returncode == 0, built.stderr
    board = (tiny / "board.toml").read_text()
    (tiny / "board.toml").write_text(board.replace("usd_per_mtok =", 'prices = "prices.toml"\nusd_per_mtok ='))
    refused = codebudget("leaderboard", "run", "board.toml", "--out", "other", **OFFLINE)
    assert refused.returncode == 2
    assert "whoever verifies a run has only its board" in refused.stderr
