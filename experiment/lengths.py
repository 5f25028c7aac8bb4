"""Lengths of samples: their token counts, or estimates from their texts if they have none."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..budgets.models import find_model, weights_of
from ..errors import CodebudgetError
from ..records import Workload
from ..tasks.benchmark import BYTES_PER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..records import Candidate, Task

_BATCH = 1000


class TokenCounter(NamedTuple):
    """A way to count the tokens of texts, and its name in a sentence: `estimated ...`."""

    name: str
    tokens: Callable[[Sequence[str]], list[int]]


def _by_bytes(texts: Sequence[str]) -> list[int]:
    return [round(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN) for text in texts]


BYTES = TokenCounter(f"from bytes, at {BYTES_PER_TOKEN} per token", _by_bytes)
"""Needs no files, and gives the same on every machine."""


class SampleLength(NamedTuple):
    """A candidate's token counts, and the cascade's stage that it was drawn for; a `Length`."""

    prompt_tokens: int
    output_tokens: int
    thinking_tokens: int | None
    stage: int | None


@dataclass(frozen=True)
class Counted:
    """Candidates with token counts, and how some of these were estimated; empty if none was.

    Attributes:
        given: As they came.
        tokens: Of each one's prompt and output.
    """

    given: tuple[Candidate, ...]
    tokens: tuple[tuple[int, int], ...]
    estimated: str = ""

    @property
    def lengths(self) -> list[SampleLength]:
        """The lengths of all."""
        return [
            SampleLength(*tokens, one.thinking_tokens, one.stage)
            for one, tokens in zip(self.given, self.tokens, strict=True)
        ]

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The candidates, all with their token counts."""
        return tuple(
            one
            if (one.prompt_tokens, one.output_tokens) == tokens
            else one.model_copy(update={"prompt_tokens": tokens[0], "output_tokens": tokens[1]})
            for one, tokens in zip(self.given, self.tokens, strict=True)
        )


def counter_of(model: str) -> TokenCounter:
    """Find a model's tokenizer in its folder or in the hub's cache; count by bytes if it is in neither.

    Args:
        model: The model's name in the catalogue, a folder or a hub id.
    """
    try:
        folder = _tokenizer_file(weights_of(find_model(model)))
    except CodebudgetError:
        return BYTES
    return BYTES if folder is None else _by_tokenizer(str(folder))


def counted(candidates: Sequence[Candidate], tasks: Mapping[str, Task], counter: TokenCounter) -> Counted:
    """Estimate the token counts that candidates lack; known counts are kept.

    A prompt is the candidate's own, else its task's. An output has at least the token that ends it.
    """
    promptless = [one for one in candidates if one.prompt_tokens is None]
    outputless = [one for one in candidates if one.output_tokens is None]
    distinct = list(dict.fromkeys(one.prompt or tasks[one.task_id].prompt for one in promptless))
    of_prompt = dict(zip(distinct, _in_batches(counter, distinct), strict=True))
    of_output = iter(_in_batches(counter, [one.raw for one in outputless]))
    tokens = tuple(
        (
            max(1, of_prompt[one.prompt or tasks[one.task_id].prompt])
            if one.prompt_tokens is None
            else one.prompt_tokens,
            max(1, next(of_output)) if one.output_tokens is None else one.output_tokens,
        )
        for one in candidates
    )
    if not promptless and not outputless:
        return Counted(tuple(candidates), tokens)
    what = "tokens" if promptless and outputless else "prompt tokens" if promptless else "output tokens"
    return Counted(tuple(candidates), tokens, f"{what} estimated {counter.name}")


def mean_lengths(found: Counted, what: str) -> Workload:
    """Average the lengths of samples with token counts: over each task's samples, then over tasks.

    Args:
        found: At least one sample.
        what: Their name, such as `recorded samples`.
    """
    by_task: dict[str, list[tuple[int, int]]] = {}
    for candidate, tokens in zip(found.given, found.tokens, strict=True):
        by_task.setdefault(candidate.task_id, []).append(tokens)

    def mean(part: int) -> int:
        means = [sum(tokens[part] for tokens in rows) / len(rows) for rows in by_task.values()]
        return max(1, round(sum(means) / len(means)))

    estimated = f", {found.estimated}" if found.estimated else ""
    return Workload(
        convention="tokens",
        prompt_tokens=mean(0),
        output_tokens=mean(1),
        source=f"mean of {len(found.given)} {what}{estimated}",
        estimated=bool(found.estimated),
    )


def _in_batches(counter: TokenCounter, texts: Sequence[str]) -> list[int]:
    return [
        tokens for start in range(0, len(texts), _BATCH) for tokens in counter.tokens(texts[start : start + _BATCH])
    ]


def _tokenizer_file(weights: str) -> Path | None:
    """Find a model's `tokenizer.json` on this machine if a library that reads it is installed; downloads nothing."""
    if importlib.util.find_spec("tokenizers") is None:
        return None
    if Path(weights).is_dir():
        file = Path(weights) / "tokenizer.json"
        return file if file.is_file() else None
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    # The library's own import takes longer than the look.
    constants: Any = importlib.import_module("huggingface_hub.constants")
    if not Path(constants.HF_HUB_CACHE, f"models--{weights.replace('/', '--')}").is_dir():
        return None
    hub: Any = importlib.import_module("huggingface_hub")
    try:
        found = hub.try_to_load_from_cache(weights, "tokenizer.json")
    except (OSError, ValueError):
        # The hub would refuse this name.
        return None
    return Path(found) if isinstance(found, str) else None


@cache
def _by_tokenizer(file: str) -> TokenCounter:
    tokenizers: Any = importlib.import_module("tokenizers")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(file)
    # The library raises nothing more specific.
    except Exception:
        return BYTES
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: Sequence[str]) -> list[int]:
        return [len(encoded.ids) for encoded in tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    return TokenCounter("by the model's tokenizer", count)
