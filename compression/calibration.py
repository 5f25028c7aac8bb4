"""Texts that a method of quantisation looks at, and the pieces of tokens that they are cut into."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._util.hashing import key_of
from ..errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._util.checkpoints import CalibrationKind

MOST_SEQUENCES: Final = 128
SEQUENCE_TOKENS: Final = 512
"""GPTQ (Frantar et al. 2022, arXiv 2210.17323, section 4) takes 128 pieces, of 2048 tokens; a quarter of that length
holds whole functions, and calibrates in a quarter of the time."""

LEAST_TOKENS: Final = 4096
"""About as many as the widest layers of common models have inputs; with fewer, second-order methods fit noise."""


class Calibration(NamedTuple):
    """Texts for calibration, made when they are first needed.

    `key` hashes the texts and the seed, or for a model's own texts how they are drawn. `source` names them in messages.
    """

    kind: CalibrationKind
    key: str
    seed: int
    source: str
    texts: Callable[[], Sequence[str]]


def of_texts(kind: CalibrationKind, source: str, texts: Sequence[str], seed: int) -> Calibration:
    """Calibrate with given texts."""
    return Calibration(kind, key_of(kind, seed, *texts), seed, source, lambda: texts)


def token_pieces(calibration: Calibration, tokenizer: Any, context: int | None) -> list[list[int]]:
    """Cut texts into pieces of equal length, in an order of the seed's.

    Texts are joined, each ended by the tokenizer's end token if it has one.

    Args:
        calibration: The texts.
        tokenizer: The model's, of transformers.
        context: Most tokens that the model takes at once; None for no limit.

    Raises:
        UserError: They have fewer than `LEAST_TOKENS` tokens.
    """
    joined: list[int] = []
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    for text in calibration.texts():
        joined += tokenizer(text, add_special_tokens=False)["input_ids"] + end
    if len(joined) < LEAST_TOKENS:
        raise UserError(
            f"{calibration.source} has {len(joined)} tokens, too few to calibrate with: give at least {LEAST_TOKENS} "
            "with `calibration`"
        )
    length = min(SEQUENCE_TOKENS, context or SEQUENCE_TOKENS)
    pieces = [joined[start : start + length] for start in range(0, len(joined) - length + 1, length)]
    random.Random(calibration.seed).shuffle(pieces)
    return pieces[:MOST_SEQUENCES]
