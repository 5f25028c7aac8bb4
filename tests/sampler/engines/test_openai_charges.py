"""Which requests of the openai engine are charged, where answers are late, lost or refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from codebudget.errors import EngineError
from codebudget.sampler.engine import Charged, Draw, NoAnswer, Sampling
from codebudget.sampler.engines import EngineOptions, choose_engine

from support.billing_server import BillingServer, Rates
from support.markov import Markov

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from codebudget.sampler.engine import Engine, Outcome

PROMPT = "def double(x):\n"


@pytest.fixture
def server() -> Iterator[BillingServer]:
    serving = BillingServer(Markov([f"{PROMPT}    return 2 * x\n"]), {"m": Rates()})
    yield serving
    serving.shutdown()
    serving.server_close()


@pytest.fixture
def opened(server: BillingServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Engine]]:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    engines: list[Engine] = []

    def make(**options: float) -> Engine:
        chosen = choose_engine("openai", "m", "unknown", EngineOptions(base_url=server.url)._replace(**options))
        engines.append(chosen.engine)
        return chosen.engine

    yield make
    for engine in engines:
        engine.close()


def draw(engine: Engine, count: int = 1) -> list[Outcome]:
    found = engine.generate([Draw(PROMPT, seed) for seed in range(count)], Sampling(max_tokens=40))
    return [generation for _, generation in found]


def sum_of(outcomes: Sequence[Outcome]) -> Charged:
    total = Charged()
    for outcome in outcomes:
        assert outcome.charged is not None
        total = total.plus(outcome.charged)
    return total


def usd(charged: Charged) -> float:
    rates = Rates()
    return (charged.prompt_tokens * rates.fresh + charged.output_tokens * rates.shown) / 1e9


def test_an_answer_that_comes_too_late_is_charged(opened: Callable[..., Engine], server: BillingServer) -> None:
    engine = opened(timeout_s=0.4)
    server.fate = lambda number: time.sleep(1.0) if number == 0 else None
    charged = sum_of(draw(engine))
    deadline = time.monotonic() + 10
    while server.billed < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (charged.requests, charged.unanswered) == (2, 1)
    assert usd(charged) == pytest.approx(server.usd, abs=1e-12)


def test_what_never_gets_an_answer_is_said(
    opened: Callable[..., Engine], server: BillingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codebudget.sampler.engines.openai_engine._MAX_RETRIES", 1)
    engine = opened()
    server.fate = lambda number: "hang up"
    ((_, lost),) = engine.generate([Draw(PROMPT, 0)], Sampling(max_tokens=40))
    assert isinstance(lost, NoAnswer)
    assert lost.reason.endswith("broke off its answer (2 requests got no complete answer, and may be billed)")
    assert lost.charged == Charged(2, unanswered=2)


def test_a_server_that_is_gone_was_never_asked(
    opened: Callable[..., Engine], server: BillingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codebudget.sampler.engines.openai_engine._MAX_RETRIES", 1)
    server.keeps_alive = False
    engine = opened()
    server.shutdown()
    server.server_close()
    with pytest.raises(EngineError, match=r"check its address$"):
        draw(engine)


def test_many_at_once_are_each_charged_for_their_own(opened: Callable[..., Engine], server: BillingServer) -> None:
    server.fate = {1: "refuse", 2: "hang up", 4: "cut", 5: "hang up", 11: "cut"}.get
    generations = draw(opened(concurrency=8), 24)
    charged = sum_of(generations)
    assert (charged.requests, charged.unanswered) == (24 + 4, 4)
    assert usd(charged) == pytest.approx(server.usd, abs=1e-12)


def test_what_may_not_start_is_not_asked(opened: Callable[..., Engine], server: BillingServer) -> None:
    engine, asked = opened(), []

    def may_start(place: int) -> bool:
        asked.append(place)
        return place < 3

    found = engine.generate([Draw(PROMPT, seed) for seed in range(9)], Sampling(max_tokens=40), may_start)
    assert sorted(place for place, _ in found) == [0, 1, 2]
    assert server.requests == 3
    assert set(asked) == {0, 1, 2, 3}


@pytest.mark.parametrize("counts", [True, False])
def test_an_answer_without_a_text_is_charged(
    opened: Callable[..., Engine], server: BillingServer, *, counts: bool
) -> None:
    server.fate = lambda number: ("empty" if counts else "uncounted") if number == 2 else None
    found = dict(opened().generate([Draw(PROMPT, seed) for seed in range(6)], Sampling(max_tokens=40)))
    (lost,) = [outcome for outcome in found.values() if isinstance(outcome, NoAnswer)]
    assert (lost.charged.requests, lost.charged.unanswered) == (1, 0 if counts else 1)
    assert ("may be billed" in lost.reason) is not counts
    if counts:
        assert usd(sum_of(list(found.values()))) == pytest.approx(server.usd, abs=1e-12)


def test_a_failure_is_raised_after_what_was_paid_for(opened: Callable[..., Engine], server: BillingServer) -> None:
    server.delay_s = 0.1
    server.fate = lambda number: "unpaid" if number == 2 else None
    found = opened(concurrency=8).generate([Draw(PROMPT, seed) for seed in range(8)], Sampling(max_tokens=40))
    kept: list[Outcome] = []
    with pytest.raises(EngineError, match="wants payment"):
        kept.extend(outcome for _, outcome in found)
    assert len(kept) == 7
    assert usd(sum_of(kept)) == pytest.approx(server.usd, abs=1e-12)
