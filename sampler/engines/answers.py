"""What servers answer, read by what it holds: they differ in all that OpenAI's API leaves open, and in more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..endings import read_finish_reason
from ..engine import whole_logprobs
from ..thinking import with_thought
from .usage import charged_of

if TYPE_CHECKING:
    from ..engine import Charged

_THOUGHTS: Final = ("reasoning_content", "reasoning", "thinking", "thought", "reasoning_details")
_MOST_DEPTH: Final = 4
_MOST_CHARACTERS: Final = 200


class UnusableAnswer(Exception):  # noqa: N818 (it ends no run)
    """An answer without a text; the message says why, and is shown after "since".

    `charged` is what it is billed for by its own counts; None without them.
    """

    def __init__(self, reason: str, charged: Charged | None = None) -> None:
        super().__init__(reason)
        self.charged = charged


class Tokens(NamedTuple):
    """Tokens that a server says it counted; None where it does not, or says 0."""

    prompt: int | None = None
    output: int | None = None
    thinking: int | None = None


class Choice(NamedTuple):
    """One text of an answer.

    Attributes:
        text: With its thought before it where the server gave that apart.
        thought: The thought that was given apart; empty where there was none.
        finish_reason: As in `records.FinishReason`.
        logprobs: One per token; None unless all are there.
    """

    text: str
    thought: str
    finish_reason: str | None
    logprobs: tuple[float, ...] | None


class Answer(NamedTuple):
    """A whole answer: its texts, at least one, its tokens, those of all texts together, and what is billed for it."""

    choices: tuple[Choice, ...]
    tokens: Tokens
    charged: Charged | None


def read_answer(body: bytes) -> Answer:
    """Read an answer of completions or chat completions: JSON, or the events of a stream.

    Raises:
        UnusableAnswer: It holds no text.
    """
    text = body.decode("utf-8", "replace").lstrip("\ufeff").strip()
    if not text:
        raise UnusableAnswer("the server's answer was empty")
    answer = _of_stream(text) if text.startswith(("data:", "event:", "id:", ":")) else _parsed(text)
    if not isinstance(answer, dict):
        raise UnusableAnswer("the server's answer is not a JSON object")
    charged = charged_of(answer.get("usage"))
    choices = answer.get("choices")
    if not isinstance(choices, list) or not any(isinstance(choice, dict) for choice in choices):
        raise UnusableAnswer(_failure(answer) or "the server's answer has no choices", charged)
    if all(choice.get("error") for choice in choices if isinstance(choice, dict)):
        raise UnusableAnswer(_failure(choices[0]) or "the server's answer has no choices", charged)
    read = tuple(_choice(choice) for choice in choices if isinstance(choice, dict))
    return Answer(read, _tokens(answer.get("usage"), charged, read), charged)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        start = " ".join(text[:40].split())
        raise UnusableAnswer(f"the server's answer is not JSON or is cut off ({start!r}...)") from None


def _of_stream(text: str) -> dict[str, Any]:
    """Join the events of a stream to the answer that they are pieces of."""
    choices: dict[Any, dict[str, Any]] = {}
    usage = None
    is_done = False
    for line in text.splitlines():
        name, _, data = line.partition(":")
        if name != "data" or not data.strip():
            continue
        if data.strip() == "[DONE]":
            is_done = True
            break
        event = _parsed(data.strip())
        if not isinstance(event, dict):
            continue
        failure = _failure(event)
        if failure is not None and not event.get("choices"):
            raise UnusableAnswer(failure, charged_of(event.get("usage") or usage))
        usage = event.get("usage") or usage
        for piece in event.get("choices") or ():
            if isinstance(piece, dict):
                _add(choices.setdefault(piece.get("index") or 0, {}), piece)
    if not is_done and not all(choice.get("finish_reason") for choice in choices.values()):
        raise UnusableAnswer("the server broke off its answer", charged_of(usage))
    return {"choices": list(choices.values()), "usage": usage}


def _add(choice: dict[str, Any], piece: dict[str, Any]) -> None:
    """Add an event's piece to a choice."""
    if isinstance(piece.get("text"), str):
        choice["text"] = choice.get("text", "") + piece["text"]
    delta = piece.get("delta") or piece.get("message")
    if isinstance(delta, dict):
        message = choice.setdefault("message", {})
        thought, answer = _parts(delta.get("content"))
        message["content"] = message.get("content", "") + answer
        message["reasoning_content"] = message.get("reasoning_content", "") + thought + _thought(delta)
        for name in ("tool_calls", "function_call", "refusal"):
            if delta.get(name):
                message[name] = delta[name]
    if piece.get("finish_reason"):
        choice["finish_reason"] = piece["finish_reason"]
    found = piece.get("logprobs")
    if isinstance(found, dict):
        known = choice.setdefault("logprobs", {})
        for name in ("content", "token_logprobs"):
            if isinstance(found.get(name), list):
                known[name] = [*known.get(name, []), *found[name]]


def _choice(choice: dict[str, Any]) -> Choice:
    message = choice.get("message") or choice.get("delta")
    if not isinstance(message, dict):
        message = {}
    thought, answer = _parts(message.get("content"))
    thought += _thought(message)
    if not answer and isinstance(choice.get("text"), str):
        answer = choice["text"]
    answer = answer or _text(message.get("refusal"))
    reason = read_finish_reason(choice.get("finish_reason"))
    if not answer and (message.get("tool_calls") or message.get("function_call")):
        reason = "tool_calls"
    return Choice(
        text=with_thought(thought, answer) if thought else answer,
        thought=thought,
        finish_reason=reason,
        logprobs=_logprobs(choice.get("logprobs")),
    )


def _parts(content: Any, depth: int = 0) -> tuple[str, str]:
    """Split a message's content, a text or a list of parts, into thought and answer."""
    if isinstance(content, str):
        return "", content
    if depth == _MOST_DEPTH:
        return "", ""
    if isinstance(content, list):
        pairs = [_parts(part, depth + 1) for part in content]
        return "".join(thought for thought, _ in pairs), "".join(answer for _, answer in pairs)
    if isinstance(content, dict):
        if any(word in str(content.get("type")).lower() for word in ("think", "reason", "thought")):
            return "".join(_parts(content.get(name), depth + 1)[1] for name in ("thinking", "reasoning", "text")), ""
        return _parts(content.get("text", content.get("content")), depth + 1)
    return "", ""


def _thought(message: dict[str, Any]) -> str:
    """Find a thought beside a message's content; some servers give it under two names."""
    for name in _THOUGHTS:
        found = message.get(name)
        if isinstance(found, list):
            found = "".join(part.get("text") or "" for part in found if isinstance(part, dict))
        if isinstance(found, str) and found:
            return found
    return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _logprobs(found: Any) -> tuple[float, ...] | None:
    if not isinstance(found, dict):
        return None
    content = found.get("content")
    if isinstance(content, list):
        return whole_logprobs(part.get("logprob") if isinstance(part, dict) else None for part in content)
    listed = found.get("token_logprobs")
    return whole_logprobs(listed) if isinstance(listed, list) else None


def _tokens(usage: Any, charged: Charged | None, choices: tuple[Choice, ...]) -> Tokens:
    if not isinstance(usage, dict):
        return Tokens()
    if charged is None:
        # Not all counts are there; some may be.
        prompt = _count(usage, "prompt_tokens", "input_tokens")
        output = _count(usage, "completion_tokens", "output_tokens")
        details = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
        thinking = _count(details, "reasoning_tokens") or _count(usage, "reasoning_tokens")
        if thinking is not None and output is not None and thinking > output:
            output += thinking
    else:
        # A count of 0 is what servers say that do not count.
        prompt = charged.prompt_tokens or None
        output = charged.output_tokens or None
        thinking = charged.reasoning_tokens or None
    if output is None and prompt is not None and not any(choice.text for choice in choices):
        output = 0
    if thinking is None and output is not None and not any(choice.thought for choice in choices):
        # Whether a thought stands in the text is for the engine to see.
        thinking = 0
    return Tokens(prompt, output, thinking)


def _count(usage: Any, *names: str) -> int | None:
    """Read a count of tokens; 0 is what servers say that do not count."""
    for name in names:
        value = usage.get(name) if isinstance(usage, dict) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1 << 53:
            return int(value)
    return None


def _failure(answer: dict[str, Any]) -> str | None:
    """Read the error that some servers answer in place of choices."""
    error = answer.get("error")
    if not error:
        return None
    message = error.get("message") if isinstance(error, dict) else error
    return f"the server failed: {' '.join(str(message or error).split())[:_MOST_CHARACTERS]}"
