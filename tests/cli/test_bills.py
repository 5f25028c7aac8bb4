"""A host's bill beside our tally, in many situations, by the real command: equal, and nothing is billed twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from codebudget.cli.main import run

from support import command
from support.billing_server import BillingServer, Rates
from support.markov import Markov
from support.rows import humaneval_row, jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MODEL, OTHER = "vendor/coder:free", "coder@2024-08-06"
PRICES = f"""
[[prices]]
model = "{MODEL}"
input = 2
output = 10
cached_input = 0.5
reasoning = 12
source = "the server's own rates"
date = 2026-11-20
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BillingServer]:
    """A host with two models, and in the folder a benchmark of four tasks that it knows, and its prices."""
    rows = [
        humaneval_row(name, f"return {body}", ("candidate(2) == 4",), (2, 4))
        for name, body in (("double", "2 * x"), ("square", "x * x"), ("add", "x + 2"), ("four", "4 + 0 * x"))
    ]
    (tmp_path / "tiny.jsonl").write_text(jsonl(rows))
    (tmp_path / "prices.toml").write_text(PRICES)
    corpus = [row["prompt"] + row["canonical_solution"] for row in rows]
    serving = BillingServer(Markov(corpus), {MODEL: Rates(), OTHER: Rates(fresh=100, shown=300)})
    yield serving
    serving.shutdown()
    serving.server_close()


@pytest.fixture
def arguments(server: BillingServer) -> tuple[tuple[str, ...], dict[str, str]]:
    """What every run has in common: options and environment."""
    options = ("--benchmark", "tiny.jsonl", "--engine", "openai", "--max-tokens", "60")
    return ("sample", *options, "--json"), {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "", "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def sample(
    tmp_path: Path,
    arguments: tuple[tuple[str, ...], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., command.Ran]:
    """The command in this process, which has imported everything already; prices can be left out."""
    first, environment = arguments
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def made(*rest: str, priced: bool = True) -> command.Ran:
        words = [*first, *(("--prices", "prices.toml") if priced else ()), *rest]
        code = run(words)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    return made


def told(result: command.Ran) -> dict[str, Any]:
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer


def ours(answer: dict[str, Any]) -> float:
    """The dollars of all arms, over all sessions."""
    return sum(arm["drawn"]["usd"] for arm in answer["arms"])


def agrees(answer: dict[str, Any], server: BillingServer, situation: str) -> None:
    """Both bills are the same, and no answer that arrived was asked for again."""
    if "CODEBUDGET_SHOW_BILLS" in os.environ:
        with open(os.environ["CODEBUDGET_SHOW_BILLS"], "a", encoding="utf-8") as file:
            print(f"{situation}: host ${server.usd:.9f}, ours ${ours(answer):.9f}", file=file)
    assert server.usd > 0
    assert ours(answer) == pytest.approx(server.usd, abs=1e-9), situation
    assert set(server.delivered.values()) == {1}


def test_one_request_per_task(sample: Callable[..., command.Ran], server: BillingServer) -> None:
    answer = told(sample(f"{MODEL}:1"))
    (arm,) = answer["arms"]
    assert (arm["model"], arm["k"], arm["samples"]) == (MODEL, 1, 4)
    assert arm["drawn"]["bill"]["requests"] == server.requests == 4
    agrees(answer, server, "one request per task")


def test_every_sample_of_a_task_pays_its_prompt(sample: Callable[..., command.Ran], server: BillingServer) -> None:
    answer = told(sample(f"{MODEL}:9"))
    (arm,) = answer["arms"]
    bill = arm["drawn"]["bill"]
    assert bill["requests"] == 36
    assert bill["prompt_tokens"] == 9 * arm["drawn"]["prompt_tokens"]
    agrees(answer, server, "n > 1: nine samples of each task")


def test_a_refusal_that_is_tried_again_is_free(sample: Callable[..., command.Ran], server: BillingServer) -> None:
    server.fate = lambda number: "refuse" if number % 3 == 0 else None
    answer = told(sample(f"{MODEL}:4"))
    assert answer["arms"][0]["drawn"]["bill"]["unanswered"] == 0
    assert server.requests > 16
    agrees(answer, server, "retries after 429")


@pytest.mark.parametrize("fate", ["hang up", "cut"])
def test_an_answer_that_is_lost_is_billed_as_the_one_that_came(
    sample: Callable[..., command.Ran], server: BillingServer, fate: str
) -> None:
    server.fate = lambda number: fate if number % 5 == 0 else None
    answer = told(sample(f"{MODEL}:4"))
    bill = answer["arms"][0]["drawn"]["bill"]
    assert bill["requests"] == server.requests == 16 + bill["unanswered"]
    assert bill["unanswered"] >= 4
    agrees(answer, server, f"connections that {fate}")


def test_cached_prompts_have_their_price(sample: Callable[..., command.Ran], server: BillingServer) -> None:
    server.caches = True
    answer = told(sample(f"{MODEL}:6"))
    assert answer["arms"][0]["drawn"]["bill"]["cached_tokens"] > 0
    agrees(answer, server, "cached prompts")


@pytest.mark.parametrize("beside", [False, True])
def test_tokens_of_reasoning_count_once(
    sample: Callable[..., command.Ran], server: BillingServer, *, beside: bool
) -> None:
    server.hidden, server.beside = 3, beside
    answer = told(sample(f"{MODEL}:3"))
    bill = answer["arms"][0]["drawn"]["bill"]
    assert bill["reasoning_tokens"] == 3 * (bill["output_tokens"] - bill["reasoning_tokens"])
    agrees(answer, server, f"reasoning, counted {'beside' if beside else 'within'} the output")


def test_a_stop_is_within_one_request_of_the_limit_and_is_gone_on_from(
    sample: Callable[..., command.Ran], server: BillingServer
) -> None:
    server.delay_s = 0.02
    limit = 0.02
    answer = told(sample(f"{MODEL}:20", "--stop-after", f"{limit}usd"))
    (arm,) = answer["arms"]
    assert arm["missing"] > 0
    assert answer["stop_after"]["reached"]
    assert answer["stop_after"]["spent"] == pytest.approx(server.usd, abs=1e-9)
    assert limit <= server.usd <= limit + server.dearest_usd
    agrees(answer, server, "a stop")
    server.delay_s = 0.0
    rest = told(sample(f"{MODEL}:20"))
    assert rest["arms"][0]["new"] == arm["missing"]
    assert server.requests == 80
    agrees(rest, server, "a stop and a resumed run")


def test_a_stop_holds_where_thoughts_pass_the_most_tokens(
    sample: Callable[..., command.Ran], server: BillingServer
) -> None:
    server.delay_s, server.hidden = 0.02, 20
    limit = 0.1
    answer = told(sample(f"{MODEL}:20", "--stop-after", f"{limit}usd"))
    assert limit <= server.usd <= limit + server.dearest_usd
    agrees(answer, server, "a stop with thoughts beyond the most tokens")


def test_a_stop_is_over_all_arms_each_at_its_price(sample: Callable[..., command.Ran], server: BillingServer) -> None:
    server.delay_s = 0.01
    prices = ("--usd-per-mtok", f"{OTHER}=0.1,0.3")
    limit = 0.006
    answer = told(sample(f"{OTHER}:30", f"{MODEL}:20", *prices, "--stop-after", f"{limit}usd"))
    first, second = answer["arms"]
    assert (first["model"], first["missing"]) == (OTHER, 0)
    assert 0 < second["missing"] < 80
    assert limit <= server.usd <= limit + server.dearest_usd
    agrees(answer, server, "a stop over two arms with prices of their own")


def test_more_samples_pay_only_for_those_that_are_missing(
    sample: Callable[..., command.Ran], server: BillingServer
) -> None:
    told(sample(f"{MODEL}:2"))
    assert told(sample(f"{MODEL}:2"))["arms"][0]["new"] == 0
    answer = told(sample(f"{MODEL}:5"))
    assert server.requests == 20
    agrees(answer, server, "k raised in a later run")


def test_an_interrupt_keeps_what_is_in_flight(
    tmp_path: Path,
    arguments: tuple[tuple[str, ...], dict[str, str]],
    sample: Callable[..., command.Ran],
    server: BillingServer,
) -> None:
    server.delay_s = 0.5
    first, environment = arguments
    running = command.started(tmp_path, *first, "--prices", "prices.toml", f"{MODEL}:40", **environment)
    deadline = time.monotonic() + 60
    while server.requests < 80 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert "waiting for" in errors
    asked = server.requests
    assert 80 <= asked < 160
    server.delay_s = 0.0
    answer = told(sample(f"{MODEL}:40"))
    assert answer["arms"][0]["new"] == 160 - asked
    assert server.requests == 160
    agrees(answer, server, "an interrupt and a resumed run")


@pytest.mark.parametrize(("fate", "missing"), [("filter", 0), ("reject", 1), ("empty", 1)])
def test_a_bad_answer_costs_its_own_sample_and_what_is_billed_for_it(
    sample: Callable[..., command.Ran], server: BillingServer, fate: str, missing: int
) -> None:
    server.fate = lambda number: fate if number == 20 else None
    answer = told(sample(f"{MODEL}:10"))
    assert answer["arms"][0]["missing"] == missing
    agrees(answer, server, f"an answer that ends by '{fate}'")
    server.fate = lambda number: None
    rest = told(sample(f"{MODEL}:10"))
    assert rest["arms"][0]["new"] == missing
    agrees(rest, server, f"an answer that ends by '{fate}', and a resumed run")


def test_a_failure_keeps_what_is_in_flight(sample: Callable[..., command.Ran], server: BillingServer) -> None:
    server.delay_s = 0.05
    server.fate = lambda number: "unpaid" if number == 70 else None
    failed = sample(f"{MODEL}:60")
    assert failed.returncode == 3, failed.stderr
    asked = server.requests
    assert 70 < asked < 240
    server.fate = lambda number: None
    answer = told(sample(f"{MODEL}:60"))
    assert answer["arms"][0]["new"] == 240 - (asked - 1)
    agrees(answer, server, "a request that ends the run, and a resumed run")


def test_a_limit_in_dollars_needs_a_price_before_anything_is_billed(
    sample: Callable[..., command.Ran], server: BillingServer
) -> None:
    result = sample(f"{OTHER}:5", "--stop-after", "1usd")
    assert (result.returncode, server.requests) == (2, 0)
    assert "needs a price" in result.stderr


def test_a_self_check_is_on_the_bill(sample: Callable[..., command.Ran], server: BillingServer) -> None:
    server.tokenizes = True
    answer = told(sample(f"{MODEL}:2"))
    assert answer["arms"][0]["drawn"]["bill"]["requests"] == server.requests == 8 + 4
    agrees(answer, server, "a self-check of a server that scores")


def test_dollars_of_a_run_without_a_price_are_counted_later(
    sample: Callable[..., command.Ran], server: BillingServer
) -> None:
    answer = told(sample(f"{MODEL}:2", priced=False))
    assert answer["arms"][0]["drawn"]["usd"] is None
    agrees(told(sample(f"{MODEL}:3")), server, "a first run without a price")
