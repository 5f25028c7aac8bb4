"""Interface of engines, which draw and score texts by a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Protocol

from pydantic import Field

from ..records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..records import Likelihood

ChatRole = Literal["system", "user", "assistant"]


class Message(NamedTuple):
    """One turn of a chat."""

    role: ChatRole
    content: str


Prompt = str | tuple[Message, ...]
"""Text to continue, or a chat to answer through the tokenizer's template."""


class Sampling(Record):
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


class Generation(NamedTuple):
    """One drawn text.

    `logprobs` has the natural logarithm of the probability of each output token under the model (temperature 1, no
    top-p), or is None where they were not asked for or the engine does not report them. Token counts are None where it
    does not report them.
    """

    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int | None
    output_tokens: int | None
    logprobs: tuple[float, ...] | None


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

    def generate(self, draws: Sequence[Draw], sampling: Sampling) -> Iterator[tuple[int, Generation]]:
        """Draw every sample; yields each one's place in `draws` as it finishes, in any order.

        All draws are handed over at once, so that the engine stays full; when a caller stops iterating, only what is in
        flight is finished.

        Raises:
            UserError: a prompt leaves no room for an output in the model's context.
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
