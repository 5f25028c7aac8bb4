"""What servers refuse, and what is done without; several servers for one model."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
from codebudget.errors import EngineError, UserError
from codebudget.sampler.engine import Charged, Draw, Generation, Message, NoAnswer, Sampling
from codebudget.sampler.engines import EngineOptions, choose_engine
from codebudget.sampler.engines import openai_engine as module
from codebudget.sampler.engines.refusals import is_too_long, refused_name

from support.markov import Markov
from support.markov_server import MarkovServer, Reply, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codebudget.sampler.engine import Engine

CORPUS = ["def f(x):\n    return x\n\ndef g(x):\n    return 2 * x\n# end\n"]
STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
CHAT = (Message("user", "def f(x):\n"),)


@pytest.fixture
def servers() -> Iterator[Callable[[], MarkovServer]]:
    running: list[MarkovServer] = []

    def start(*models: str) -> MarkovServer:
        running.append(MarkovServer({name: Markov(CORPUS) for name in models or ("m",)}))
        return running[-1]

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(servers: Callable[..., MarkovServer]) -> MarkovServer:
    return servers()


def opened(*servers: MarkovServer, concurrency: int = 4) -> Engine:
    options = EngineOptions(base_url=[server.url for server in servers], concurrency=concurrency)
    return choose_engine("openai", "m", "bf16", options).engine


def drawn(engine: Engine, sampling: Sampling, prompt: Any = "def f(x):\n", count: int = 6) -> list[Any]:
    found = dict(engine.generate([Draw(prompt, seed) for seed in range(count)], sampling))
    engine.close()
    return [found[place] for place in range(count)]


def without_field(body: dict[str, Any]) -> Reply:
    detail = {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}
    return Reply(json.dumps({"detail": [{**detail, "input": body}]}).encode(), 422)


REFUSALS: dict[str, tuple[Callable[[dict[str, Any]], bool], Callable[[dict[str, Any]], Reply], str]] = {
    "max_tokens": (
        lambda body: "max_tokens" in body,
        lambda _: refused(
            "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        ),
        "takes max_completion_tokens instead of max_tokens",
    ),
    "seed": (lambda body: "seed" in body, lambda _: refused("seed is not supported"), "rejects seed"),
    "seed in a list": (lambda body: "seed" in body, without_field, "rejects seed"),
    "logprobs": (
        lambda body: "logprobs" in body,
        lambda _: refused("You are not allowed to request logprobs from this model", 422),
        "rejects logprobs",
    ),
    "log probabilities": (
        lambda body: "logprobs" in body,
        lambda _: refused("This model does not support log probabilities.", 501),
        "rejects logprobs",
    ),
    "five stop strings": (
        lambda body: len(body.get("stop", ())) > 4,
        lambda _: refused(
            "Invalid 'stop': array too long. Expected an array with maximum length 4, but got one with length 5.",
            param="stop",
            code="array_above_max_length",
        ),
        "rejects 5 stop strings: the first 4 are sent",
    ),
    "any stop string": (
        lambda body: "stop" in body,
        lambda _: refused("'stop' is not supported with this model", param="stop"),
        "rejects stop strings",
    ),
    "no stream": (
        lambda body: not body.get("stream"),
        lambda _: refused("This model only supports streaming"),
        "only answers in streams",
    ),
    "a temperature of 1": (
        lambda body: "temperature" in body,
        lambda _: refused("Unsupported parameter: 'temperature'", param="temperature"),
        "rejects temperature; it is 1",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused_is_left_out_once_and_said(
    name: str, server: MarkovServer, caplog: pytest.LogCaptureFixture
) -> None:
    sampling = Sampling(temperature=1, max_tokens=30, stop=STOP)
    expected = drawn(opened(server), sampling)
    is_refused, reply, words = REFUSALS[name]
    server.refuses = lambda body: reply(body) if is_refused(body) else None
    engine = opened(server)
    with caplog.at_level(logging.WARNING, "codebudget"):
        found = drawn(engine, sampling)
    said = [line for line in caplog.messages if words in line]
    assert len(said) == 1
    assert server.url in said[0]
    assert all(isinstance(one, Generation) for one in found)
    if "seed" in name:
        return
    # Markov draws the same where its settings are; texts are cut here as they would be there.
    assert [one.text for one in found] == [one.text for one in expected]
    assert ("logprobs" in server.requests[-1]) == ("log" not in name)


def test_a_chat_is_limited_by_the_other_name(server: MarkovServer) -> None:
    is_refused, reply, _ = REFUSALS["max_tokens"]
    server.refuses = lambda body: reply(body) if is_refused(body) else None
    assert all(one.output_tokens <= 9 for one in drawn(opened(server), Sampling(max_tokens=9), CHAT))
    assert server.requests[-1]["max_completion_tokens"] == 9


@pytest.mark.parametrize(
    ("reply", "sampling", "words"),
    [
        (refused("temperature: only 1 is supported", param="temperature"), Sampling(), "`temperature` 0.8"),
        (refused("'top_p' is not supported", param="top_p"), Sampling(), "`top_p` 0.95"),
        (
            refused("max_tokens is too large: 512. This model supports at most 256 completion tokens."),
            Sampling(),
            "`max_tokens` 512",
        ),
        (refused("Unknown field: chat_template_kwargs"), Sampling(thinking=False), "remove `thinking`"),
    ],
)
def test_what_the_samples_would_not_be_without_is_not_left_out(
    server: MarkovServer, reply: Reply, sampling: Sampling, words: str
) -> None:
    server.refuses = lambda body: reply
    with pytest.raises(UserError) as caught:
        drawn(opened(server), sampling, CHAT)
    assert words in str(caught.value)


CONTEXT = (
    "This model's maximum context length is 2048 tokens. However, you requested 2100 tokens (100 in the messages)",
    "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 2048 tokens",
    "the request exceeds the available context size. try increasing the context size or enable context shift",
    "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens",
    "prompt is too long: 201000 tokens > 200000 maximum",
    "The input token count (40000) exceeds the maximum number of tokens allowed (32768).",
)
NO_CONTEXT = (
    "Invalid 'stop[0]': string too long. Expected a string with maximum length 64",
    "The user name is too long",
    "max_tokens is too large: 100000. This model supports at most 4096 completion tokens",
    "Your request took too long",
    "seed is not supported",
)


@pytest.mark.parametrize("message", CONTEXT)
def test_a_context_that_is_too_short_is_told(message: str) -> None:
    assert is_too_long(message, None)


@pytest.mark.parametrize("message", NO_CONTEXT)
def test_other_things_that_are_too_long_are_no_context(message: str) -> None:
    assert not is_too_long(message, None)


@pytest.mark.parametrize(
    ("message", "param", "name"),
    [
        ("Unrecognized request argument supplied: seed", None, "seed"),
        ("Extra inputs are not permitted", "body.seed", "seed"),
        ("'top_logprobs' is not supported", None, "logprobs"),
        ("at most 4 stop sequences", None, "stop"),
        ("the prompt was refused, by policy", None, None),
        ("please reseed the garden", None, None),
        ("bad", "messages", None),
    ],
)
def test_the_parameter_of_a_refusal(message: str, param: str | None, name: str | None) -> None:
    assert refused_name(message, param) == name


def test_a_refused_prompt_costs_itself(server: MarkovServer) -> None:
    server.refuses = lambda body: refused("blocked by our policy") if body["seed"] == 2 else None
    found = drawn(opened(server), Sampling(max_tokens=9))
    assert found[2] == NoAnswer("the server rejected the request: blocked by our policy")
    assert sum(isinstance(one, Generation) for one in found) == 5


def test_what_is_in_flight_when_one_fails_is_yielded(server: MarkovServer) -> None:
    server.delay_s = 0.1
    server.refuses = lambda body: refused("no more", 401) if body["seed"] == 7 else None
    engine, found = opened(server), []
    answers = engine.generate([Draw("def f(x):\n", seed) for seed in range(40)], Sampling(max_tokens=5))
    with pytest.raises(UserError, match="rejected the key"):
        found.extend(answers)
    engine.close()
    assert len(found) == server.served > 3


def test_an_answer_that_breaks_off_is_asked_for_again(server: MarkovServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.twists = lambda body, answer, before: (
        Reply(json.dumps(answer).encode(), breaks=True) if before < 1 else answer
    )
    assert all(isinstance(one, Generation) for one in drawn(opened(server), Sampling(max_tokens=9), count=2))
    monkeypatch.setattr(module, "_MAX_RETRIES", 0)
    server.twists = lambda body, answer, before: Reply(json.dumps(answer).encode(), breaks=True)
    assert drawn(opened(server), Sampling(max_tokens=9), count=1) == [
        NoAnswer(
            f"{server.url} broke off its answer (1 request got no complete answer, and may be billed)",
            Charged(1, unanswered=1),
        )
    ]


def test_a_server_that_fails_costs_the_sample_alone(server: MarkovServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_RETRIES", 0)
    server.refuses = lambda body: refused("out of memory", 500) if body["seed"] == 1 else None
    found = drawn(opened(server), Sampling(max_tokens=9), count=3)
    assert found[1] == NoAnswer(f"{server.url} failed: out of memory")
    server.refuses = lambda body: refused("you have no credits left", 402)
    with pytest.raises(EngineError, match="wants payment"):
        drawn(opened(server), Sampling(max_tokens=9))
    server.refuses = lambda body: refused("Your input was flagged by moderation", 403)
    assert "flagged" in drawn(opened(server), Sampling(max_tokens=9), count=1)[0].reason


def test_a_context_error_of_any_status_is_one(server: MarkovServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_RETRIES", 0)
    for status in (400, 413, 500):
        server.refuses = lambda body, status=status: refused(CONTEXT[2], status)  # type: ignore[misc]
        with pytest.raises(UserError, match="is too long for m"):
            drawn(opened(server), Sampling(max_tokens=9))


def test_a_server_of_chats_alone_says_how_to_ask(server: MarkovServer) -> None:
    server.refuses = lambda body: refused("This is a chat model", 404) if "prompt" in body else None
    with pytest.raises(UserError, match="use `preset` chat"):
        drawn(opened(server), Sampling(max_tokens=9))
    assert len(drawn(opened(server), Sampling(max_tokens=9), CHAT)) == 6


def test_servers_share_by_what_they_have_in_flight(servers: Callable[..., MarkovServer]) -> None:
    quick, slow = servers(), servers()
    slow.delay_s = 0.15
    engine = opened(quick, slow)
    assert engine.describe().device == ", ".join(sorted([quick.url, slow.url]))
    since = time.monotonic()
    assert all(isinstance(one, Generation) for one in drawn(engine, Sampling(max_tokens=9), count=60))
    assert time.monotonic() - since < 0.15 * 60 / 4
    assert 4 <= slow.served < quick.served
    assert slow.served + quick.served == 60


def test_a_server_that_is_gone_is_done_without(
    servers: Callable[..., MarkovServer], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_MAX_RETRIES", 0)
    stays, goes = servers(), servers()
    engine = opened(stays, goes)
    goes.shutdown()
    goes.server_close()
    with caplog.at_level(logging.WARNING, "codebudget"):
        found = drawn(engine, Sampling(max_tokens=9), count=20)
    assert all(isinstance(one, Generation) for one in found)
    # A connection that was open may still be answered.
    assert stays.served + goes.served == 20
    assert stays.served > 10
    assert caplog.messages == [f"{goes.url} can no longer be reached: its samples now go to {stays.url}"]
    with pytest.raises(EngineError, match="cannot be reached"):
        opened(goes)


def test_a_server_without_the_model_gets_none_of_its_samples(
    servers: Callable[..., MarkovServer], caplog: pytest.LogCaptureFixture
) -> None:
    has, lacks = servers("m"), servers("other")
    with caplog.at_level(logging.WARNING, "codebudget"):
        drawn(opened(has, lacks), Sampling(max_tokens=9))
    assert (has.served, lacks.served) == (6, 0)
    assert f"{lacks.url} does not serve the model 'm'; it has other, so it gets none of its samples" in caplog.messages
    with pytest.raises(UserError, match="does not serve the model 'm'"):
        opened(lacks)


def test_the_template_is_told_about_thinking(server: MarkovServer) -> None:
    for thinking in (True, False):
        drawn(opened(server), Sampling(max_tokens=9, thinking=thinking), CHAT, count=1)
        assert server.requests[-1]["chat_template_kwargs"] == {"enable_thinking": thinking, "thinking": thinking}
    drawn(opened(server), Sampling(max_tokens=9), CHAT, count=1)
    assert "chat_template_kwargs" not in server.requests[-1]


def test_thinking_is_limited_where_the_server_can(server: MarkovServer) -> None:
    sampling = Sampling(max_tokens=9, max_thinking_tokens=4)
    with pytest.raises(UserError, match="remove `max_thinking_tokens`"):
        drawn(opened(server), sampling, CHAT, count=1)
    server.extra["/openapi.json"] = {"schemas": {"thinking_token_budget": {"type": "integer"}}}
    drawn(opened(server), sampling, CHAT, count=1)
    assert server.requests[-1]["thinking_token_budget"] == 4


def test_a_thought_is_kept_apart_and_counted(server: MarkovServer) -> None:
    message = {"role": "assistant", "content": "done", "reasoning_content": "let me see"}
    usage = {"prompt_tokens": 3, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 6}}
    server.twists = lambda body, answer, before: {
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": usage,
    }
    (found,) = drawn(opened(server), Sampling(max_tokens=9), CHAT, count=1)
    assert found == Generation("<think>\nlet me see\n</think>\n\ndone", "stop", 3, 9, None, 6, Charged(1, 3, 0, 9, 6))
    # A thought that is part of the content, which nobody counted.
    message |= {"content": "let me see</think>done", "reasoning_content": None}
    usage.pop("completion_tokens_details")
    (found,) = drawn(opened(server), Sampling(max_tokens=9), CHAT, count=1)
    assert found == Generation("let me see</think>done", "stop", 3, 9, None, None, Charged(1, 3, 0, 9))
