"""Interface of engines, which draw and score texts by a model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Protocol, runtime_checkable

from pydantic import Field

from .._util.bounded import is_number
from ..errors import EngineError
from ..records import LATER, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..records import Likelihood

ChatRole = Literal["system", "user", "assistant"]


class Message(NamedTuple):
    """One turn of a chat."""

    role: ChatRole
    content: str


Prompt = str | tuple[Message, ...]
"""Text to continue, or a chat to answer through the tokenizer's template."""


class Thinking(Record):
    """Choices about a chat's thought.

    `thinking` switches it on or off in the chat template; None leaves the model's own default. `max_thinking_tokens`
    ends a longer thought.
    """

    thinking: Annotated[bool | None, LATER] = None
    max_thinking_tokens: Annotated[Annotated[int, Field(ge=1)] | None, LATER] = None


class Sampling(Thinking):
    """Parameters of drawing; part of a stored candidate's key.

    `temperature` 0 is greedy decoding, and `top_p` then means nothing. A text ends before the first of the `stop`
    strings, at the model's own end, or after `max_tokens`.
    """

    temperature: Annotated[float, Field(ge=0)] = 0.8
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    max_tokens: Annotated[int, Field(ge=1)] = 512
    stop: tuple[str, ...] = ()
    logprobs: bool = True


class Draw(NamedTuple):
    """One sample to draw. It has its own seed, so it does not depend on what is drawn beside it."""

    prompt: Prompt
    seed: int


class Charged(NamedTuple):
    """Tokens that a server bills for one or more requests.

    `cached_tokens` are part of `prompt_tokens`, `reasoning_tokens` of `output_tokens`. `unanswered` counts requests
    that the server took and whose answer was lost: hosts bill them all the same, so each is among the `requests`, with
    the tokens of the answer that replaced it.
    """

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    unanswered: int = 0

    def plus(self, other: Charged) -> Charged:
        """Add two."""
        return Charged(*(mine + its for mine, its in zip(self, other, strict=True)))

    def with_unanswered(self, count: int) -> Charged:
        """Add unanswered requests for the same draw; whether their prompts were cached is unknown."""
        again = Charged(count, count * self.prompt_tokens, 0, count * self.output_tokens)
        return self.plus(again._replace(reasoning_tokens=count * self.reasoning_tokens, unanswered=count))


class BilledError(EngineError):
    """Drawing failed, and a server bills tokens that belong to no sample."""

    def __init__(self, message: str, charged: Charged) -> None:
        super().__init__(message)
        self.charged = charged


class Generation(NamedTuple):
    """One drawn text.

    `logprobs` has the natural logarithm of the probability of each output token under the model (temperature 1, no
    top-p), or is None where they were not asked for or the engine does not report them. Token counts are None where it
    does not report them. `finish_reason` is as in `records.FinishReason`. `thinking_tokens` are those of the output
    tokens up to the end of a thought. `charged` is what a server bills for it and for earlier requests that gave no
    text; None if nobody bills, or no counts are reported.
    """

    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    output_tokens: int | None
    logprobs: tuple[float, ...] | None
    thinking_tokens: int | None = None
    charged: Charged | None = None


def whole_logprobs(values: Iterable[object]) -> tuple[float, ...] | None:
    """Take the logprobs of all tokens; None if one is missing, null or NaN, or there are none."""
    found = []
    for value in values:
        if value != -math.inf and not is_number(value):
            return None
        found.append(float(value))  # type: ignore[arg-type]
    return tuple(found) or None


class NoAnswer(NamedTuple):
    """A draw without a text that can be stored, and why, in one line; `charged` is what a server bills all the same."""

    reason: str
    charged: Charged = Charged()


Outcome = Generation | NoAnswer

MayStart = Callable[[int], bool]
"""Tells whether the draw at a place may start now; True counts it as started."""


class Description(Record):
    """All that decides an engine's texts besides prompts, settings and seeds; part of a stored candidate's key.

    `revision` is the commit of a model of the hub, or the SHA-256 over a local model's files. `exact` says whether the
    engine promises the same text for the same seed on the same machine.
    """

    engine: str
    engine_version: str
    model: str
    revision: str
    precision: str
    device: str
    max_model_tokens: int | None = None
    exact: bool = False


class EngineMemory(NamedTuple):
    """The memory that an engine's model has taken so far; None if unknown.

    `place` is where the model is: `host` for main memory, `device` for a GPU, None elsewhere. `weight_bytes` are the
    resident weights, `kv_bytes` the most that the key-value cache held or was given, `peak_bytes` the most of
    everything on the fullest device; all are per device.
    """

    place: Literal["host", "device"] | None = None
    weight_bytes: int | None = None
    kv_bytes: int | None = None
    peak_bytes: int | None = None


class Engine(Protocol):
    """Draws and scores with one model, which it holds until `close`. Not safe to share between threads."""

    def describe(self) -> Description:
        """Describe it."""

    def check(self) -> str:
        """Prove, once per loaded model, that drawing step by step agrees with one full pass over the text.

        `generate` and `score` do it before their first answer.

        Returns:
            What was compared and how well it agrees; or why that cannot be known.

        Raises:
            EngineError: it does not agree; the message says what was compared.
        """

    def generate(
        self, draws: Sequence[Draw], sampling: Sampling, may_start: MayStart | None = None
    ) -> Iterator[tuple[int, Outcome]]:
        """Draw every sample; yields each one's place in `draws` as it finishes, in any order.

        All draws are handed over at once, so that the engine stays full; when a caller stops iterating, what is in
        flight is abandoned. An engine that is billed for every draw it starts asks `may_start` before each; after a
        refusal it asks again once another has finished, and ends when none is in flight. It yields everything it
        started, even before it raises an error. Other engines need not ask.

        Raises:
            UserError: a prompt leaves no room for an output in the model's context, or the model or engine does not
                know what `sampling` says of thinking.
            EngineError: the engine failed; the message ends with its reason.
        """

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Score each completion, given its prompt.

        Raises:
            EngineError: the engine cannot score, or failed.
        """

    def memory(self) -> EngineMemory:
        """Measure the memory that the model takes."""

    def close(self) -> None:
        """Free the model's memory."""


def machines_of(engine: object) -> int:
    """Count the machines that an engine draws on at once: 1, unless its `machines` says more."""
    return int(getattr(engine, "machines", 1))


class Choices(NamedTuple):
    """Reading of a text's tokens: at each, the likeliest id given those before, and the natural logprob of its own."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]


@runtime_checkable
class TokenEngine(Engine, Protocol):
    """An engine that continues and reads tokens as they are, with neither text nor an end of it in between."""

    def vocabulary(self) -> str:
        """Key the tokenizer's tokens and their ids: equal for models whose ids mean the same."""

    def prompt_ids(self, prompts: Sequence[str], tokens: int) -> list[list[int]]:
        """Tokenize prompts.

        Raises:
            UserError: a prompt has no tokens, or leaves no room in the model's context for `tokens` more.
        """

    def continue_greedily(self, prompts: Sequence[Sequence[int]], tokens: int) -> list[tuple[int, ...]]:
        """Continue each prompt by exactly `tokens` likeliest tokens; an end of text is one like any other.

        Raises:
            EngineError: the engine failed.
        """

    def choices(
        self, texts: Sequence[tuple[Sequence[int], Sequence[int]]], *, most_rows: int | None = None
    ) -> list[Choices]:
        """Read each prompt with its continuation in one pass; returns the choices at the continuation's tokens.

        Args:
            texts: Prompts and continuations.
            most_rows: Most texts of a pass; None for as many as the engine takes.

        Raises:
            EngineError: the engine failed, or the model's scores are not numbers.
        """
