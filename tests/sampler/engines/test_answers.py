"""What servers answer, in all the shapes that they have been seen to use."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from codebudget.sampler.engines.answers import Tokens, UnusableAnswer, read_answer

USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


def answered(choice: dict[str, Any], usage: Any = None) -> bytes:
    return json.dumps({"choices": [{"index": 0, "finish_reason": "stop", **choice}], "usage": usage}).encode()


def said(message: dict[str, Any], **choice: Any) -> bytes:
    return answered({"message": {"role": "assistant", **message}, **choice})


def streamed(*events: Any, end: str = "data: [DONE]\n\n") -> bytes:
    return (": keep-alive\n\n" + "".join(f"data: {json.dumps(event)}\n\n" for event in events) + end).encode()


@pytest.mark.parametrize(
    ("body", "text", "reason"),
    [
        (answered({"text": "a"}), "a", "stop"),
        (b"\xef\xbb\xbf" + answered({"text": "a"}), "a", "stop"),
        (said({"content": "a"}), "a", "stop"),
        (said({"content": None}), "", "stop"),
        (said({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}), "ab", "stop"),
        (said({"content": ["a", {"type": "output_text", "text": "b"}]}), "ab", "stop"),
        (said({"content": {"type": "text", "text": "a"}}), "a", "stop"),
        (said({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, "a"]}), "a", "stop"),
        (said({"content": "a", "reasoning_content": "t"}), "a", "stop"),
        (said({"content": "a", "reasoning_content": None, "reasoning": "t"}), "a", "stop"),
        (said({"content": "a", "reasoning": "t", "reasoning_details": [{"text": "t"}]}), "a", "stop"),
        (said({"content": None, "refusal": "I will not"}), "I will not", "stop"),
        (said({"content": None, "tool_calls": [{"id": "1"}]}), "", "tool_calls"),
        (said({"content": None, "function_call": {"name": "f"}}, finish_reason="function_call"), "", "tool_calls"),
        (said({"content": "a"}, finish_reason="MAX_TOKENS"), "a", "length"),
        (said({"content": "a"}, finish_reason="model_length"), "a", "length"),
        (said({"content": "a"}, finish_reason="eos_token"), "a", "stop"),
        (said({"content": "a"}, finish_reason="SAFETY"), "a", "content_filter"),
        (said({"content": "a"}, finish_reason=None), "a", None),
        (said({"content": "a"}, finish_reason=7), "a", None),
        (said({"content": "a"}, finish_reason="<b>out of power</b>"), "a", "b_out_of_power_b"),
        (streamed({"choices": [{"text": "a"}]}, {"choices": [{"text": "b", "finish_reason": "stop"}]}), "ab", "stop"),
        (
            streamed(
                {"choices": [{"delta": {"role": "assistant", "reasoning_content": "t"}}]},
                {"choices": [{"delta": {"content": "a"}}]},
                {"choices": [{"delta": {}, "finish_reason": "length"}]},
                end="",
            ),
            "a",
            "length",
        ),
    ],
)
def test_every_shape_is_read(body: bytes, text: str, reason: str | None) -> None:
    ((found, thought, ended, _),) = read_answer(body).choices
    assert ended == reason
    assert (found, thought) == (text, "") or (found, thought) == (f"<think>\nt\n</think>\n\n{text}", "t")
    assert (thought == "t") == (b'"t"' in body)


def test_a_thought_that_was_cut_has_no_answer() -> None:
    body = said({"content": None, "reasoning_content": "def f(): ..."}, finish_reason="length")
    assert read_answer(body).choices[0].text == "<think>\ndef f(): ..."


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "answer was empty"),
        (b"<html>Bad gateway</html>", "not JSON"),
        (answered({"text": "a"})[:50], "is cut off"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "no choices"),
        (b'{"choices": []}', "no choices"),
        (b'{"choices": null}', "no choices"),
        (b'{"choices": [null]}', "no choices"),
        (b'{"error": {"message": "upstream\\noverloaded"}}', "failed: upstream overloaded"),
        (b'{"error": "out of memory"}', "failed: out of memory"),
        (b'{"choices": [{"error": {"message": "gone"}}]}', "failed: gone"),
        (streamed({"choices": [{"text": "a"}]}, end=""), "broke off its answer"),
        (streamed({"error": {"message": "gone"}}), "failed: gone"),
        (streamed({"choices": [{"text": "a"}]}, end="data: {"), "not JSON"),
        (streamed(), "no choices"),
    ],
)
def test_what_holds_no_text_says_why(body: bytes, words: str) -> None:
    with pytest.raises(UnusableAnswer) as caught:
        read_answer(body)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("logprobs", "expected"),
    [
        (None, None),
        ({}, None),
        ({"token_logprobs": None}, None),
        ({"token_logprobs": []}, None),
        ({"token_logprobs": [-1, -0.5]}, (-1.0, -0.5)),
        ({"token_logprobs": [None, -0.5]}, None),
        ({"token_logprobs": [math.nan, -0.5]}, None),
        ({"token_logprobs": [-math.inf, -0.5]}, (-math.inf, -0.5)),
        ({"token_logprobs": ["-1"]}, None),
        ({"content": [{"token": "a", "logprob": -0.25}]}, (-0.25,)),
        ({"content": [{"token": "a", "logprob": -0.25}, {"token": "b", "logprob": None}]}, None),
        ({"content": [{"token": "a"}]}, None),
        ([-1.0], None),
    ],
)
def test_logprobs_are_all_there_or_none(logprobs: Any, expected: tuple[float, ...] | None) -> None:
    assert read_answer(answered({"text": "ab", "logprobs": logprobs})).choices[0].logprobs == expected


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Tokens()),
        ([], Tokens()),
        (USAGE, Tokens(5, 7, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, Tokens()),
        ({"prompt_tokens": 5, "completion_tokens": 0}, Tokens(5)),
        ({"prompt_tokens": "5", "completion_tokens": -1}, Tokens()),
        ({"input_tokens": 5, "output_tokens": 7}, Tokens(5, 7, 0)),
        ({**USAGE, "completion_tokens_details": {"reasoning_tokens": 4}}, Tokens(5, 7, 4)),
        ({**USAGE, "completion_tokens_details": None, "reasoning_tokens": 4}, Tokens(5, 7, 4)),
        # Beside the output, and not in it.
        ({**USAGE, "total_tokens": 16, "completion_tokens_details": {"reasoning_tokens": 4}}, Tokens(5, 11, 4)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "reasoning_tokens": 40}, Tokens(5, 47, 40)),
    ],
)
def test_a_count_of_nothing_is_not_known(usage: Any, expected: Tokens) -> None:
    assert read_answer(answered({"text": "a"}, usage)).tokens == expected


def test_tokens_of_a_thought_that_nobody_counted_are_not_known() -> None:
    body = json.dumps({"choices": [{"message": {"content": "a", "reasoning": "t"}}], "usage": USAGE}).encode()
    assert read_answer(body).tokens == Tokens(5, 7, None)
    empty = json.dumps(
        {"choices": [{"text": ""}], "usage": {**USAGE, "completion_tokens": 0, "total_tokens": 5}}
    ).encode()
    assert read_answer(empty).tokens == Tokens(5, 0, 0)
