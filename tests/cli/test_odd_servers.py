"""What a user sees of servers that do odd things: one line each, and nothing that was paid for is lost."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.command import started
from support.markov_server import Reply, refused
from support.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.markov_server import MarkovServer

    Twist = Callable[[dict[str, Any]], dict[str, Any] | Reply]

FILTERED = {"finish_reason": "content_filter", "text": ""}
ODD_END = {"finish_reason": "insufficient_system_resource"}


def changed(**choice: Any) -> Twist:
    return lambda answer: {**answer, "choices": [{**answer["choices"][0], **choice}]}


def streamed(answer: dict[str, Any]) -> Reply:
    """The answer by events, without its end."""
    event = {"choices": [{"index": 0, "text": answer["choices"][0]["text"], "finish_reason": None}]}
    return Reply(f"data: {json.dumps(event)}\n\n".encode(), kind="text/event-stream")


def last_json(result: Any) -> dict[str, Any]:
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer


def lines(result: Any) -> list[str]:
    return [line for line in result.stderr.splitlines() if "drawing with" not in line]


def stored(store: Path) -> int:
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
        return int(connection.execute("SELECT count(*) FROM candidates").fetchone()[0])


@pytest.mark.parametrize(
    ("twist", "words"),
    [
        (changed(**FILTERED), "7b:2: ended by the server's content filter: 1 sample ("),
        (changed(text="", finish_reason="stop"), "7b:2: empty: 1 sample ("),
        (changed(text="", tool_calls=1, message={"tool_calls": [1]}), "7b:2: ended in a tool call: 1 sample ("),
        (changed(**ODD_END), "7b:2: ended for the server's reason 'insufficient_system_resource': 1 sample ("),
    ],
)
def test_a_bad_answer_costs_that_sample_alone(sample, server: MarkovServer, twist: Twist, words: str) -> None:
    server.twists = lambda asked, answer, before: twist(answer) if before == 2 else answer
    result = sample("7b:2", "--json")
    (arm,) = last_json(result)["arms"]
    (line,) = lines(result)
    assert line.startswith(f"codebudget: {words}")
    assert line.endswith("); stored and graded unchanged")
    assert (arm["samples"], arm["missing"], arm["lost"]) == (6, 0, {})
    # It was paid for, and is not drawn again.
    assert lines(sample("7b:2", "--json")) == [line]
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("twist", "words"),
    [
        (lambda answer: {**answer, "choices": []}, "since the server's answer has no choices"),
        (
            lambda answer: Reply(b"<html>oops</html>", kind="text/html"),
            "since the server's answer is not JSON or is cut off",
        ),
        (lambda answer: Reply(json.dumps(answer).encode()[:60]), "since the server's answer is not JSON or is cut off"),
        (lambda answer: {"error": {"message": "overloaded"}}, "since the server failed: overloaded"),
        (streamed, "since the server broke off its answer"),
    ],
)
def test_what_is_no_answer_is_asked_for_again(sample, server: MarkovServer, twist: Twist, words: str) -> None:
    server.twists = lambda asked, answer, before: twist(answer) if before == 2 else answer
    result = sample("7b:2", "--json")
    (arm,) = last_json(result)["arms"]
    (line,) = lines(result)
    assert line.startswith("codebudget: 7b:2: missing: 1 sample (")
    assert words in line
    assert line.endswith("; the same command requests them again")
    assert (arm["samples"], arm["missing"], len(arm["lost"])) == (5, 1, 1)
    again = sample("7b:2", "--json")
    (arm,) = last_json(again)["arms"]
    assert (lines(again), arm["new"], arm["missing"]) == ([], 1, 0)


def test_a_server_that_answers_nothing_ends_the_run(sample, server: MarkovServer) -> None:
    server.twists = lambda asked, answer, before: {"choices": []}
    few = sample("7b:2")
    assert few.returncode == 3
    assert lines(few) == [
        "codebudget: 7b:2: none of 6 samples could be drawn: the server's answer has no choices (1 request got no "
        "complete answer, and may be billed)"
    ]
    many = sample("7b:100")
    assert many.returncode == 3
    assert "7b:100: 50 samples in a row could not be drawn, so no more are requested" in many.stderr
    assert len(server.requests) < 6 + 50 + 2 * 64


def test_answers_that_are_all_cut_are_told(sample, server: MarkovServer) -> None:
    thought = {"role": "assistant", "content": "", "reasoning_content": "def double(x): ..."}
    usage = {"prompt_tokens": 9, "completion_tokens": 40, "completion_tokens_details": {"reasoning_tokens": 40}}
    server.twists = lambda asked, answer, before: {
        **changed(message=thought, finish_reason="length")(answer),  # type: ignore[dict-item]
        "usage": usage,
    }
    result = sample("7b:2", "--preset", "reasoning")
    assert lines(result) == [
        "codebudget: 7b:2: cut off by the limit of 40 tokens before an answer: all 6 samples; raise --max-tokens"
    ]
    assert "7b:2: the limit of 40 tokens cut off 6 of 6 samples." in result.stdout
    # Thinking has a column of its own.
    header = result.stdout.splitlines()[:2]
    assert "of them" in header[0]
    assert "thinking" in header[1]
    assert "  240  " in result.stdout
    (arm,) = last_json(sample("7b:2", "--preset", "reasoning", "--json"))["arms"]
    assert (arm["drawn"]["thinking_tokens"], arm["ended"]) == (240, {"length": 6})
    assert (arm["settings"]["temperature"], arm["settings"]["style"]) == (0.6, "chat")


def test_what_a_server_does_not_count_is_not_known(sample, server: MarkovServer, tiny: Path) -> None:
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    unknown = {"token_logprobs": [None, float("nan")]}
    server.twists = lambda asked, answer, before: {**changed(logprobs=unknown)(answer), "usage": nothing}  # type: ignore[dict-item]
    (arm,) = last_json(sample("7b:2", "--json", "--out", "out.jsonl"))["arms"]
    assert (arm["drawn"]["output_tokens"], arm["drawn"]["decode_flops"]) == (None, None)
    assert {(row["output_tokens"], row["logprobs"]) for row in read_rows(tiny / "out.jsonl")} == {(None, None)}


def test_no_logprobs_asks_for_none(sample, server: MarkovServer) -> None:
    assert sample("7b:1", "--no-logprobs").returncode == 0
    assert not any("logprobs" in asked for asked in server.requests)
    assert sample("7b:1").returncode == 0
    assert len(server.requests) == 6


def test_a_refused_parameter_is_told_once(sample, server: MarkovServer) -> None:
    server.refuses = lambda asked: refused("seed: extra fields not permitted", 422) if "seed" in asked else None
    (line,) = lines(sample("7b:2"))
    assert line == f"codebudget: {server.url} rejects seed, so it is omitted: redrawing a sample gives another one"


def test_a_prompt_that_is_too_long_keeps_the_others(sample, server: MarkovServer, tiny: Path) -> None:
    message = "This model's maximum context length is 30 tokens. However, you requested 60 tokens"
    server.refuses = lambda asked: refused(message) if "square" in asked["prompt"] else None
    result = sample("7b:2")
    assert result.returncode == 2
    (line,) = lines(result)
    assert "the prompt 'def square(x):" in line
    assert "lower --max-tokens" in line
    assert stored(tiny / ".codebudget" / "store.sqlite") == server.served


def test_an_interrupt_keeps_what_is_in_flight(server: MarkovServer, tiny: Path) -> None:
    server.delay_s = 0.5
    command = ["sample", "7b:100", "--benchmark", "tiny.jsonl", "--engine", "openai", "--max-tokens", "40"]
    process = started(tiny, *command, OPENAI_BASE_URL=server.url, OPENAI_API_KEY="")
    deadline = time.monotonic() + 60
    while server.served < 70 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "answers in flight, which are paid for" in err
    assert stored(tiny / ".codebudget" / "store.sqlite") == server.served == len(server.requests) < 300


def test_a_limit_keeps_what_is_in_flight(sample, server: MarkovServer, tiny: Path) -> None:
    server.delay_s = 0.2
    (arm,) = last_json(sample("7b:100", "--stop-after", "300tokens", "--json"))["arms"]
    assert arm["samples"] == server.served == len(server.requests) < 300
    assert stored(tiny / ".codebudget" / "store.sqlite") == server.served


def test_several_servers_share_an_arm(sample, server: MarkovServer, tiny_rows: Any) -> None:
    from support.markov import Markov
    from support.markov_server import MarkovServer

    corpus = [row["prompt"] + row["canonical_solution"] for row in tiny_rows]
    other = MarkovServer({name: Markov(corpus) for name in server.models})
    server.delay_s = other.delay_s = 0.05
    urls = ("--base-url", server.url, "--base-url", other.url)
    (arm,) = last_json(sample("7b:60", *urls, "--json", OPENAI_BASE_URL=""))["arms"]
    assert (arm["samples"], server.served + other.served) == (180, 180)
    assert min(server.served, other.served) > 45
    turned = (*urls[2:], *urls[:2])
    assert last_json(sample("7b:60", *turned, "--json", OPENAI_BASE_URL=""))["arms"][0]["new"] == 0
    other.shutdown()
    other.server_close()


def test_an_arm_says_whether_it_thinks(sample, codebudget, server: MarkovServer) -> None:
    chat = ("--preset", "reasoning")
    arms = last_json(sample("7b+think:1", "7b+nothink:1", "7b:1", "--thinking", "off", *chat, "--json"))["arms"]
    assert [arm["new"] for arm in arms] == [3, 3, 0]
    switched = [asked["chat_template_kwargs"]["enable_thinking"] for asked in server.requests]
    assert switched == [True] * 3 + [False] * 3
    (plain,) = last_json(sample("7b:1", *chat, "--json"))["arms"]
    assert (plain["new"], "chat_template_kwargs" in server.requests[-1]) == (3, False)
    assert plain["settings"]["thinking"] is None
    stored = ("--benchmark", "tiny.jsonl", "--engine", "recorded", "--max-tokens", "40")
    (again,) = last_json(codebudget("sample", "7b+think:1", *chat, *stored, "--json"))["arms"]
    assert (again["samples"], again["settings"]["thinking"]) == (3, True)
    wrong = sample("7b+think:1")
    assert wrong.returncode == 2
    assert "use a chat, with --preset reasoning or chat" in wrong.stderr
    limited = sample("7b:1", "--max-thinking-tokens", "9", *chat)
    assert limited.returncode == 2
    assert "remove --max-thinking-tokens" in limited.stderr


def test_compare_shows_what_thinking_took_and_what_is_missing(compare, server: MarkovServer) -> None:
    message = {"role": "assistant", "content": "```python\ndef f(x):\n    return x\n```", "reasoning_content": "hm"}
    usage = {"prompt_tokens": 9, "completion_tokens": 60, "completion_tokens_details": {"reasoning_tokens": 30}}

    def twist(asked: dict[str, Any], answer: dict[str, Any], before: int) -> dict[str, Any]:
        is_small, prompt = "7b" in asked["model"], asked["messages"][0]["content"]
        is_cut = not is_small and "double" in prompt and not cut
        cut.update([before] if is_cut else [])
        end = "length" if is_cut else "stop"
        choices = [] if is_small and "negate" in prompt else [{"index": 0, "finish_reason": end, "message": message}]
        return {**answer, "choices": choices, "usage": usage}

    cut: set[int] = set()
    server.twists = twist
    options = ("--engine", "openai", "--preset", "reasoning", "--usd-per-mtok", "1,2")
    result = compare("13b+nothink:3", "7b+think:1", *options, OPENAI_BASE_URL=server.url, OPENAI_API_KEY="")
    assert result.returncode == 0, result.stderr
    (missing,) = [line for line in result.stderr.splitlines() if "missing" in line]
    assert missing.startswith("codebudget: 7b+think:1: missing: 1 sample (")
    assert "13b+nothink:3: thinking should be off, but 9 of 9 samples have a thought" in result.stderr
    assert "the token limit cut off 1 of 6 samples of 13b+nothink:3" in result.stderr
    (header,) = [line for line in result.stdout.splitlines() if "tokens in + out" in line]
    real = [line.split() for line in result.stdout.splitlines() if line.split()[:1] == ["real"]]
    column = header.split().index("thinking") - header.split().index("tokens") - 1
    assert column == 3
    # Three samples of 60 tokens, 30 of them thought with; priced as output, and the prompt with each request.
    assert real[0][1:5] == ["9", "+", "180", "90"]
    assert real[1][1:5] == ["9", "+", "60", "30"]
    assert real[0][-1] == "0.00039"
    (left_out,) = [line for line in result.stdout.splitlines() if line.startswith("Left out")]
    assert left_out.endswith(": 1 (negate)")
