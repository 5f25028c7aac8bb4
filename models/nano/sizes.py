"""The shapes of the nano models, and how each was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .tokens import CONTEXT_TOKENS, END_ID, VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Mapping


class Size(NamedTuple):
    """One model of the family: its shape, and the learning rate that it is trained with."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    learning_rate: float


TOKENS = 3_000_000
BATCH_TOKENS = 2048
"""Of training, and at most of one step of it; prompts and fill are counted. The same for all, as is the data."""

SIZES: Mapping[str, Size] = {
    "250k": Size(64, 176, 4, 4, 0.01),
    "1m": Size(128, 384, 4, 4, 0.008),
    "4m": Size(256, 640, 5, 8, 0.005),
}


def config_of(size: Size) -> dict[str, Any]:
    """The arguments of transformers' `LlamaConfig`."""
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
