"""The openai engine against what servers do that no healthy vLLM does: refuse, throttle, fail, leave things out."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from codebudget.errors import EngineError, UserError
from codebudget.sampler.engine import Draw, Message, NoAnswer, Sampling
from codebudget.sampler.engines import EngineOptions, choose_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codebudget.sampler.engine import Engine

KEY = "sk-very-secret-key"
Answer = tuple[int, dict[str, str], dict[str, Any]]


def completion(text: str = " done", reason: str = "stop") -> Answer:
    choice = {"index": 0, "text": text, "finish_reason": reason, "logprobs": None}
    return 200, {}, {"id": "1", "object": "text_completion", "created": 0, "model": "m", "choices": [choice]}


def failure(status: int, message: str, **headers: str) -> Answer:
    return status, headers, {"error": {"message": message, "type": "x", "code": None}}


class Server(ThreadingHTTPServer):
    """Lists one model, and answers completions as a test wants; remembers what it was asked."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Callable[[dict[str, Any]], Answer] = lambda body: completion()
        self.tokenizes = False
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        found = {"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "x"}]}
        self.reply(200 if self.path == "/v1/models" else 404, {}, found if self.path == "/v1/models" else {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tokenize" and self.server.tokenizes:
            self.reply(200, {}, {"tokens": [ord(character) for character in body["prompt"]]})
            return
        if self.path != "/v1/completions":
            self.reply(404, {}, {"error": {"message": f"nothing at {self.path}"}})
            return
        server = self.server
        with server.lock:
            server.keys.add(self.headers["Authorization"])
            server.asked.append(body)
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
        answer = server.answer(body)
        with server.lock:
            server.in_flight -= 1
        self.reply(*answer)

    def reply(self, status: int, headers: dict[str, str], body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def drawn_and_forced(body: dict[str, Any], *, below: float = 0.0, apart: float = 0.0) -> Answer:
    """What vLLM answers to a self-check: drawn and forced logprobs are `apart`, the likeliest is above by `below`."""
    status, headers, answer = completion("x")
    if body.get("echo"):
        count = len(body["prompt"])
        known = [None] + [-1.0 - apart] * count
        likeliest = [None] + [{"a": -1.0 - apart + below, "b": -9.0}] * count
    else:
        count = body["max_tokens"]
        known = [-1.0] * count
        likeliest = [{"a": -1.0}] * count
    tokens = ["token_id:65"] * len(known)
    answer["choices"][0]["logprobs"] = {"tokens": tokens, "token_logprobs": known, "top_logprobs": likeliest}
    return status, headers, answer


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def engine(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    opened = choose_engine("openai", "m", "bf16", EngineOptions(base_url=server.url, concurrency=4)).engine
    yield opened
    opened.close()


def test_every_sample_is_a_request_with_its_own_seed(engine: Engine, server: Server) -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, max_tokens=7, stop=("\ndef",))
    found = dict(engine.generate([Draw("x", seed) for seed in range(5)], sampling))
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert sorted(body["seed"] for body in server.asked) == [0, 1, 2, 3, 4]
    expected = {"model": "m", "prompt": "x", "temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "stop": ["\ndef"]}
    assert all(expected.items() <= body.items() for body in server.asked)
    assert server.keys == {f"Bearer {KEY}"}


def test_what_a_server_does_not_tell_is_none(engine: Engine) -> None:
    _, generation = next(iter(engine.generate([Draw("x", 0)], Sampling())))
    assert generation == (" done", "stop", None, None, None, None, None)


def test_no_more_requests_than_allowed_are_in_flight(engine: Engine, server: Server) -> None:
    def slow(body: dict[str, Any]) -> Answer:
        time.sleep(0.02)
        return completion()

    server.answer = slow
    assert len(list(engine.generate([Draw("x", seed) for seed in range(30)], Sampling()))) == 30
    assert 1 < server.most_in_flight <= 4


def test_a_caller_that_stops_asks_no_more(engine: Engine, server: Server) -> None:
    drawing = engine.generate([Draw("x", seed) for seed in range(200)], Sampling())
    next(iter(drawing))
    drawing.close()  # type: ignore[attr-defined]
    assert len(server.asked) <= 10


def test_a_throttled_request_is_tried_again_when_the_server_says(engine: Engine, server: Server) -> None:
    answers = iter([failure(429, "slow down", **{"Retry-After": "0.01"}), failure(503, "busy"), completion("ok")])
    server.answer = lambda body: next(answers)
    assert [g.text for _, g in engine.generate([Draw("x", 0)], Sampling())] == ["ok"]
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (failure(401, f"bad key {KEY}"), UserError, "OPENAI_API_KEY"),
        (failure(403, f"bad key {KEY}"), UserError, "OPENAI_API_KEY"),
        (failure(400, "This model's maximum context length is 64 tokens"), UserError, "too long"),
        (failure(404, "The model does not exist"), UserError, "'m'"),
    ],
)
def test_a_refusal_is_one_line_without_the_key(
    engine: Engine, server: Server, answer: Answer, error: type[Exception], words: str
) -> None:
    server.answer = lambda body: answer
    with pytest.raises(error) as caught:
        list(engine.generate([Draw("x", 0)], Sampling()))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_refusal_of_one_request_is_no_answer_without_the_key(engine: Engine, server: Server) -> None:
    server.answer = lambda body: failure(400, f"what is {KEY}?")
    assert list(engine.generate([Draw("x", 0)], Sampling())) == [
        (0, NoAnswer("the server rejected the request: what is ***?"))
    ]


def test_a_server_that_scores_tokens_is_checked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.tokenizes, server.answer = True, drawn_and_forced
    chosen = choose_engine("openai", "m", "bf16", EngineOptions(base_url=server.url))
    assert "48 tokens agree with one full pass" in chosen.reason
    chosen.engine.close()
    assert len(server.asked) == 4


def test_other_servers_are_asked_nothing_that_they_may_bill(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    chosen = choose_engine("openai", "m", "bf16", EngineOptions(base_url=server.url))
    assert "no self-check, since this server does not score tokens" in chosen.reason
    chosen.engine.close()
    assert server.asked == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"below": 0.3}, "0.3 nats below"), ({"apart": 0.3}, "has the logprob -1, and -1.3")],
)
def test_a_server_whose_samples_do_not_agree_is_refused(
    wrong: dict[str, float], words: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.tokenizes, server.answer = True, lambda body: drawn_and_forced(body, **wrong)
    with pytest.raises(EngineError, match="failed its self-check on m") as caught:
        choose_engine("openai", "m", "bf16", EngineOptions(base_url=server.url))
    assert words in str(caught.value)
    assert server.url in str(caught.value)


def test_a_server_that_only_looks_like_vllm_is_one_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.tokenizes = True
    with pytest.raises(EngineError, match="does not return logprobs of tokens as vLLM does"):
        choose_engine("openai", "m", "bf16", EngineOptions(base_url=server.url))


def test_the_key_is_in_no_description(engine: Engine) -> None:
    assert KEY not in engine.describe().model_dump_json() + repr(vars(engine.describe()))


def test_a_server_without_echo_cannot_score(engine: Engine) -> None:
    with pytest.raises(EngineError, match="cannot score"):
        engine.score([("x", "y")])
    with pytest.raises(EngineError, match="chats"):
        engine.score([((Message("user", "x"),), "y")])


def test_scores_without_tokenize_need_a_border(engine: Engine, server: Server) -> None:
    def echo(body: dict[str, Any]) -> Answer:
        status, headers, answer = completion(body["prompt"] + "!")
        known = {"tokens": ["a", "b", "c", "!"], "token_logprobs": [None, -1.0, -2.0, -9.0]}
        answer["choices"][0]["logprobs"] = {**known, "text_offset": [0, 1, 2, 3], "top_logprobs": None}
        return status, headers, answer

    server.answer = echo
    found = engine.score([("a", "bc"), ("ab", "c"), ("x", "")])
    assert [(one.logprobs, one.prompt_tokens) for one in found] == [((-1.0, -2.0), 1), ((-2.0,), 2), ((), None)]
    with pytest.raises(EngineError, match="spans the end of a prompt"):
        engine.score([("abcd", "e")])


def test_an_unknown_model_is_named_with_those_that_are_there(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(UserError, match="does not serve the model 'other'; it has m"):
        choose_engine("openai", "other", "bf16", EngineOptions(base_url=server.url))


def test_no_server_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(EngineError, match="cannot be reached"):
        choose_engine("openai", "m", "bf16", EngineOptions(base_url="http://user:pass@127.0.0.1:9/v1"))
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(UserError, match="OPENAI_BASE_URL"):
        choose_engine("openai", "m", "bf16")


def test_the_server_may_come_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    opened = choose_engine("openai", "m", "bf16").engine
    assert opened.describe().device == server.url
    opened.close()
