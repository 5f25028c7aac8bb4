"""The corpus as endless batches of functions, grouped by length, with the loss on their bodies."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .programs import EASY, FULL, draw_function
from .tokens import END_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

POOL = 1024
"""Functions sorted by length at a time."""


class Batch(NamedTuple):
    """Token ids, one function per row, padded at the end; `targets` has -100 where no loss is taken.

    Attributes:
        tokens: (rows, length).
        targets: (rows, length): the next token, where it is part of a body or ends it.
    """

    tokens: NDArray[np.int64]
    targets: NDArray[np.int64]


def batches(tokenizer: Tokenizer, seed: int, batch_tokens: int, easy_tokens: int) -> Iterator[Batch]:
    """Yield endless batches of at most `batch_tokens` tokens, the same for the same arguments.

    The first `easy_tokens` are mostly of one operation: there the models learn to find arguments and carry names over.
    Prompt and body are tokenized apart, as when the model is asked to continue.
    """
    rng = random.Random(seed)
    done = 0
    while True:
        lengths = EASY if done < easy_tokens else FULL
        functions = [draw_function(rng, lengths) for _ in range(POOL)]
        prompts = tokenizer.encode_batch([function.prompt for function in functions])
        bodies = tokenizer.encode_batch([function.body for function in functions])
        pairs = sorted(
            ((prompt.ids, [*body.ids, END_ID]) for prompt, body in zip(prompts, bodies, strict=True)),
            key=lambda pair: len(pair[0]) + len(pair[1]),
        )
        pool: list[Batch] = []
        while pairs:
            longest = len(pairs[-1][0]) + len(pairs[-1][1])
            rows = max(1, batch_tokens // longest)
            pool.append(_batch(pairs[-rows:], longest))
            del pairs[-rows:]
        rng.shuffle(pool)
        done += sum(batch.tokens.size for batch in pool)
        yield from pool


def _batch(pairs: list[tuple[list[int], list[int]]], longest: int) -> Batch:
    tokens = np.full((len(pairs), longest), END_ID, dtype=np.int64)
    targets = np.full((len(pairs), longest), -100, dtype=np.int64)
    for row, (prompt, body) in enumerate(pairs):
        whole = prompt + body
        tokens[row, : len(whole)] = whole
        targets[row, len(prompt) - 1 : len(whole) - 1] = body
    return Batch(tokens, targets)
