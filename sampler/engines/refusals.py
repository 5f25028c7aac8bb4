"""Parameters that a server refuses, and how to do without them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUSES: Final = frozenset({400, 413, 415, 422, 501})
"""HTTP statuses of refusals."""

MOST_STOPS: Final = 4
"""Stop strings that OpenAI takes (API reference, `stop`), and servers after it."""


class Takes(NamedTuple):
    """What a server takes; all until it refuses something.

    Attributes:
        limit: Its name for the most tokens of an answer.
        stops: The most stop strings; None for any number.
        streams: Whether it answers by streams alone.
    """

    limit: str = "max_tokens"
    seed: bool = True
    logprobs: bool = True
    stops: int | None = None
    temperature: bool = True
    top_p: bool = True
    streams: bool = False
    stream_options: bool = True

    def settings(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out of a request what the server does not take."""
        given = {**wanted, "extra_body": dict(wanted.get("extra_body", {}))}
        if self.limit != "max_tokens":
            # The SDK has no such name for completions.
            given["extra_body"][self.limit] = given.pop("max_tokens")
        for name in ("seed", "logprobs", "temperature", "top_p"):
            if not getattr(self, name):
                given.pop(name, None)
        stop = given.pop("stop", None)
        if stop and self.stops != 0:
            given["stop"] = list(stop)[: self.stops]
        if self.streams:
            given["extra_body"]["stream"] = True
            if self.stream_options:
                given["extra_body"]["stream_options"] = {"include_usage": True}
        return given


class Without(NamedTuple):
    """How to go on after a refusal, and what to tell the user: `{url}` stands for the server."""

    takes: Takes
    note: str


_NAMES: Final = {
    "stream_options": r"stream_options",
    "logprobs": r"log[ _-]?prob",
    "seed": r"\bseed\b",
    "stop": r"\bstop\b|stop_(words|sequences|strings)",
    "limit": r"\bmax_(completion_)?tokens\b",
    "temperature": r"\btemperature\b",
    "top_p": r"\btop[_-]p\b",
    "thinking": r"chat_template_kwargs|enable_thinking|thinking_token_budget|\bthinking\b",
    "streams": r"non-?stream|\bstream['\"`]?( \w+)? (must|should|is required|to be)|only \w* ?stream|"
    r"stream(ing)? (only|mode)|stream ?[=:] ?true",
}
_NO: Final = re.compile(
    r"not? (be )?(support|allow|permit|accept|avail|recogni|implement)|n't (support|allow|accept)|unsupported|unknown|"
    r"unrecogni|unexpected|extra|invalid|use '?\"?max_|only|must|at most|too many|too long|maximum|exceed|disabled"
)
_LIMIT_NAMES: Final = ("max_tokens", "max_completion_tokens")

_TOO_LONG: Final = re.compile(
    r"context[_ ](length|size|window)|exceed_context|maximum model length|max_model_len|max_seq_len|max_total_tokens|"
    r"input token count|too many tokens|\b(prompt|inputs?)`?( \w+){0,3} (is |are )?(too long|longer than|too large)|"
    r"`inputs` tokens"
)


def is_too_long(message: str, code: object) -> bool:
    """Whether a refusal says that prompt and output do not fit the model's context.

    The words of OpenAI, vLLM, SGLang, llama.cpp, TGI, Ollama, Mistral and Gemini; "too long" alone may be said of
    anything, a stop string or a user's name.
    """
    return code in ("context_length_exceeded", "exceed_context_size_error") or bool(_TOO_LONG.search(message.lower()))


def refused_name(message: str, param: object) -> str | None:
    """Name the parameter that a refusal is about; None where it says nothing of any.

    Args:
        message: The server's words.
        param: What it names as the parameter, if anything.
    """
    plain = message.lower()
    if isinstance(param, str) and param:
        plain_param = param.lower().rpartition(".")[2]
        return next((name for name, words in _NAMES.items() if re.search(words, plain_param)), None)
    if not _NO.search(plain):
        return None
    return next((name for name, words in _NAMES.items() if re.search(words, plain)), None)


def without_refused(takes: Takes, name: str, message: str, wanted: Mapping[str, Any]) -> Without | None:
    """Do without a parameter that was refused; None where the samples would no longer be those asked for.

    Args:
        takes: What the server was taken to take.
        name: As `refused_name` gives it.
        message: The server's words.
        wanted: The request as wanted.
    """
    if name == "limit":
        other = next(one for one in _LIMIT_NAMES if one != takes.limit)
        is_other_meant = other in message.lower() or "maximum" not in message.lower()
        if takes.limit != _LIMIT_NAMES[0] or not is_other_meant or "large" in message.lower():
            return None
        return Without(takes._replace(limit=other), f"{{url}} takes {other} instead of {takes.limit}")
    if name == "stop" and takes.stops != 0 and wanted.get("stop"):
        if takes.stops is None and len(wanted["stop"]) > MOST_STOPS:
            return Without(
                takes._replace(stops=MOST_STOPS),
                f"{{url}} rejects {len(wanted['stop'])} stop strings: the first {MOST_STOPS} are sent, and texts are "
                "cut at the others afterwards",
            )
        note = "{url} rejects stop strings: texts are cut at them afterwards, and what follows them is paid for"
        return Without(takes._replace(stops=0), note)
    if name in ("seed", "logprobs") and getattr(takes, name) and name in wanted:
        means = {
            "seed": "redrawing a sample gives another one",
            "logprobs": "its samples have none; --no-logprobs does not request them",
        }
        return Without(_lacking(takes, name), f"{{url}} rejects {name}, so it is omitted: {means[name]}")
    if name in ("temperature", "top_p") and getattr(takes, name) and wanted.get(name) == 1:
        # It is what they are where nothing is said.
        return Without(_lacking(takes, name), f"{{url}} rejects {name}; it is 1 and omitted")
    if name == "stream_options" and takes.streams and takes.stream_options:
        return Without(
            takes._replace(stream_options=False), "{url} rejects stream_options: it may not report token counts"
        )
    if name == "streams" and not takes.streams:
        return Without(takes._replace(streams=True), "{url} only answers in streams, which are read to their end")
    return None


def _lacking(takes: Takes, name: str) -> Takes:
    return Takes(**{**takes._asdict(), name: False})
