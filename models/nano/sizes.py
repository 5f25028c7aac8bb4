"""The shapes of the nano models, and how each was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .tokens import CONTEXT_TOKENS, END_ID, VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Mapping


class Size(NamedTuple):
    """One model of the family: its shape and its training settings."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    learning_rate: float
    tokens: int


BATCH_TOKENS = 4096
"""Most tokens of one step; prompts and padding count here and in `tokens`."""

SIZES: Mapping[str, Size] = {
    "250k": Size(64, 192, 5, 2, 0.006, 3_000_000),
    "1m": Size(128, 256, 4, 4, 0.004, 3_000_000),
    "2m": Size(192, 512, 4, 6, 0.003, 3_600_000),
    "4m": Size(256, 704, 5, 8, 0.0025, 5_500_000),
}
"""Heads are of 32 and all widths multiples of 64, as kernels and groups of weights need them. Each size at 4 bits
(embeddings at 16) takes no more bytes than the next smaller one at 16."""


def config_of(size: Size) -> dict[str, Any]:
    """Build transformers' `LlamaConfig` arguments."""
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": size.hidden,
        "intermediate_size": size.intermediate,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.heads,
        "max_position_embeddings": CONTEXT_TOKENS,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": END_ID,
        "pad_token_id": END_ID,
    }
