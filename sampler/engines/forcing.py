"""Tokens through a transformers model as they are: greedy continuations, and a model's choices along a given text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import EngineError
from ..engine import Choices, Sampling
from .decoding import DecodingRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .decoding import Decoder

_LOGIT_BYTES: Final = 1 << 28
"""Most bytes of logits that one pass over texts returns."""


def greedy_continuations(
    decoder: Decoder, prompts: Sequence[Sequence[int]], tokens: int, fitting_rows: Callable[[int], int]
) -> list[tuple[int, ...]]:
    """Continue each prompt by exactly `tokens` likeliest tokens.

    Args:
        decoder: The model.
        prompts: Token ids.
        tokens: Number to add.
        fitting_rows: Tells how many rows of a length fit in a batch.
    """
    greedy = Sampling(temperature=0, max_tokens=tokens, logprobs=False)
    rows = [DecodingRow(place, list(prompt), 0) for place, prompt in enumerate(prompts)]
    waiting = sorted(rows, key=lambda row: -len(row.prompt))
    found: list[tuple[int, ...]] = [()] * len(rows)
    while waiting:
        most = max(1, fitting_rows(len(waiting[0].prompt) + tokens))
        some, waiting = waiting[:most], waiting[most:]
        batch, logits = decoder.prefill(some, greedy)
        picked = []
        while True:
            ids, _ = decoder.pick(batch, logits, greedy)
            picked.append(ids.tolist())
            if len(picked) == tokens:
                break
            logits = decoder.step(batch, ids)
        for row, ids in zip(some, zip(*picked, strict=True), strict=True):
            found[row.place] = ids
    return found


def forced_choices(
    decoder: Decoder, texts: Sequence[tuple[Sequence[int], Sequence[int]]], vocabulary: int, most_rows: int
) -> list[Choices]:
    """Read texts and take the model's choices at the tokens of their second part.

    Args:
        decoder: The model.
        texts: Prompts and continuations, none empty.
        vocabulary: Logits per token.
        most_rows: Most texts of a pass.

    Raises:
        EngineError: The model's scores are not numbers.
    """
    found: list[Choices] = [Choices((), ())] * len(texts)
    for some in batches(texts, vocabulary, most_rows):
        keep = 1 + max(len(texts[place][1]) for place in some)
        logits, ids = decoder.score([[*texts[place][0], *texts[place][1]] for place in some], keep)
        best, logprobs = _chosen(logits[:, :-1], ids[:, 1 - keep :])
        for place, likeliest, known in zip(some, best, logprobs, strict=True):
            count = len(texts[place][1])
            if any(value != value for value in known[-count:]):
                raise EngineError("the model's scores of tokens are not numbers (NaN): its weights are broken")
            found[place] = Choices(tuple(likeliest[-count:]), tuple(known[-count:]))
    return found


def batches(
    texts: Sequence[tuple[Sequence[int], Sequence[int]]], vocabulary: int, most_rows: int
) -> Iterator[list[int]]:
    """Yield places of texts that are read together, longest first."""
    order = sorted(range(len(texts)), key=lambda place: -len(texts[place][0]) - len(texts[place][1]))
    start = 0
    while start < len(order):
        longest = 1 + max(len(texts[place][1]) for place in order[start : start + most_rows])
        rows = max(1, min(most_rows, _LOGIT_BYTES // (4 * longest * vocabulary)))
        yield order[start : start + rows]
        start += rows


def _chosen(logits: Any, ids: Any) -> tuple[list[list[int]], list[list[float]]]:
    from .decoding import chosen_logprobs

    return logits.argmax(dim=-1).tolist(), chosen_logprobs(logits, ids).tolist()
