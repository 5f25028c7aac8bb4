"""The shapes of the nano models, and how each was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .tokens import CONTEXT_TOKENS, END_ID, VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Mapping


class Size(NamedTuple):
    """One model of the family: its shape, and how it is trained.

    `tokens` is the whole of training, prompts and fill counted, and `batch_tokens` at most one step of it.
    """

    hidden: int
    intermediate: int
    layers: int
    heads: int
    learning_rate: float
    batch_tokens: int
    tokens: int


SIZES: Mapping[str, Size] = {
    "250k": Size(64, 176, 4, 4, 0.01, 2048, 4_000_000),
    "1m": Size(128, 384, 4, 4, 0.008, 2048, 5_000_000),
    "4m": Size(256, 640, 5, 8, 0.005, 3072, 5_000_000),
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
