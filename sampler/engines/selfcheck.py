"""Self-check of an engine, once per loaded model, before its first sample.

Prompts of different length are continued greedily, as samples are: batched, padded, through the cache. One full pass
over each result, alone and without a cache, then says what each token should have been. A cache, a mask or positions
that do not arrive show at once, whatever a library has renamed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from ...errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMPTS: Final = (
    'def last_word(text):\n    """Return the last word of the text, or None if it has none."""\n',
    "def add(a, b):\n",
)
"""Prompts of different length: the shorter gets padded."""

TOKENS: Final = 24
"""Continuation length."""

TOLERANCE_32_BITS: Final = 1e-3
TOLERANCE_16_BITS: Final = 0.25
"""Largest gap between two computations of one logprob, in nats: sums round differently in different shapes."""

LIKELIEST: Final = 8
"""Tokens whose logprobs are compared besides the drawn one, which alone shows little where nearly certain."""

MEAN_SHARE: Final = 0.4
"""Share of the tolerance that deviations of the likeliest tokens may average. In bfloat16 they average less than 0.04
nats, and more than 0.16 where positions are off by one."""


class Continuation(NamedTuple):
    """A prompt continued greedily, one number per token drawn, all of them natural logarithms of probabilities.

    Attributes:
        prompt: Its text.
        drawn: The token's, in drawing.
        forced: The same token's, in one full pass.
        best: The highest of any token in that pass.
        apart: The gap between drawing and that pass, on average over the pass's `LIKELIEST` tokens; empty where the
            engine does not report it.
    """

    prompt: str
    drawn: Sequence[float]
    forced: Sequence[float]
    best: Sequence[float]
    apart: Sequence[float] = ()


def check_continuations(engine: str, model: str, continuations: Sequence[Continuation], tolerance: float) -> str:
    """Compare drawn texts with one full pass over each.

    Args:
        engine: With its version.
        model: As named.
        continuations: At least one, each of at least one token.
        tolerance: In nats.

    Returns:
        What was compared and how well it agrees, in a few words.

    Raises:
        EngineError: A token lies below the likeliest of the full pass by more than the tolerance, its logprob is
            another one there, or those of the likeliest tokens are.
    """
    largest, tokens = 0.0, 0
    for continuation in continuations:
        for place, (drawn, forced, best) in enumerate(
            zip(continuation.drawn, continuation.forced, continuation.best, strict=True)
        ):
            below, apart = best - forced, abs(drawn - forced)
            # Written so that NaN fails.
            if not below <= tolerance:
                found = f"is {below:.3g} nats below the likeliest token of one full pass over the same text"
            elif not apart <= tolerance:
                found = f"has the logprob {drawn:.4g}, and {forced:.4g} in one full pass over the same text"
            else:
                largest, tokens = max(largest, below, apart), tokens + 1
                continue
            found = f"token {place + 1} of the greedy continuation of {continuation.prompt!r} {found}"
            raise _failure(engine, model, f"{found} (limit {tolerance:g})")
        mean = math.fsum(continuation.apart) / max(1, len(continuation.apart))
        if not mean <= MEAN_SHARE * tolerance:
            raise _failure(
                engine,
                model,
                f"the {LIKELIEST} likeliest tokens of each place in the greedy continuation of "
                f"{continuation.prompt!r} differ by {mean:.3g} nats on average from one full pass over the same "
                f"text (limit {MEAN_SHARE * tolerance:g})",
            )
    return f"self-check: {tokens} tokens agree with one full pass within {math.ceil(largest * 1e6) / 1e6:g} nats"


def _failure(engine: str, model: str, found: str) -> EngineError:
    return EngineError(
        f"{engine} failed its self-check on {model}, so nothing was drawn: {found}. Its cache, attention mask or "
        "positions are not applied; install the versions that codebudget was tested with (docs/sampling.md)"
    )
