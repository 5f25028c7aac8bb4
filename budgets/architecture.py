"""The shape of a decoder, as its Hugging Face `config.json` gives it, and its exact number of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field

from ..errors import UserError
from ..records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

SUPPORTED_MODEL_TYPES = ("llama",)

Size = Annotated[int, Field(ge=1)]


class Architecture(Record):
    """A dense pre-norm decoder with rotary positions and RMS norms (Touvron et al. 2023, arXiv 2302.13971, s. 2.2).

    `hidden_size` is the width of the residual stream, `ffn_size` that between a block's FFN matrices, `head_dim` the
    width of one head. Each group of `heads / kv_heads` query heads shares one key and one value head (grouped-query
    attention, Ainslie et al. 2023, arXiv 2305.13245). A gated FFN has three matrices, a plain one two.
    """

    layers: Size
    hidden_size: Size
    heads: Size
    kv_heads: Size
    head_dim: Size
    ffn_size: Size
    vocab_size: Size
    gated_ffn: bool = True
    tied_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Read a Llama-type `config.json`.

        Args:
            config: The parsed file. `num_key_value_heads` and `head_dim` may be absent or null, as in older files.

        Raises:
            UserError: The `model_type` is not supported, or a field is missing or makes no sense.
        """
        model_type = config.get("model_type")
        if model_type not in SUPPORTED_MODEL_TYPES:
            raise UserError(
                f"model_type {model_type!r} in config.json is not supported; supported: "
                + ", ".join(SUPPORTED_MODEL_TYPES)
            )
        hidden_size = _size(config, "hidden_size")
        heads = _size(config, "num_attention_heads")
        kv_heads = heads if config.get("num_key_value_heads") is None else _size(config, "num_key_value_heads")
        if heads % kv_heads:
            raise UserError(
                f"config.json: num_attention_heads {heads} is no multiple of num_key_value_heads {kv_heads}"
            )
        if config.get("head_dim") is not None:
            head_dim = _size(config, "head_dim")
        elif hidden_size % heads == 0:
            head_dim = hidden_size // heads
        else:
            raise UserError(
                f"config.json: hidden_size {hidden_size} is no multiple of num_attention_heads {heads}; add head_dim"
            )
        return cls(
            layers=_size(config, "num_hidden_layers"),
            hidden_size=hidden_size,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            ffn_size=_size(config, "intermediate_size"),
            vocab_size=_size(config, "vocab_size"),
            tied_embeddings=_flag(config, "tie_word_embeddings"),
            attention_bias=_flag(config, "attention_bias"),
            mlp_bias=_flag(config, "mlp_bias"),
        )

    @property
    def query_width(self) -> int:
        """Width of all query heads together, and of the input of the attention's output projection."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Width of all key heads together, and of all value heads together."""
        return self.kv_heads * self.head_dim

    @property
    def ffn_matrices(self) -> int:
        """Matrices in one FFN: gate, up and down, or up and down."""
        return 3 if self.gated_ffn else 2

    @property
    def embedding_weights(self) -> int:
        """Weights of the token embedding, and as many again in the output head (the same ones where they are tied)."""
        return self.vocab_size * self.hidden_size

    @property
    def layer_matmul_weights(self) -> int:
        """Weights of one layer that every token is multiplied by: query, key, value, output and FFN matrices."""
        attention = 2 * self.hidden_size * (self.query_width + self.kv_width)
        return attention + self.ffn_matrices * self.hidden_size * self.ffn_size

    def parameter_count(self) -> int:
        """Number of parameters, to the unit; tied weights count once."""
        norms = 2 * self.hidden_size
        attention_biases = self.query_width + 2 * self.kv_width + self.hidden_size
        ffn_biases = (self.ffn_matrices - 1) * self.ffn_size + self.hidden_size
        layer = (
            self.layer_matmul_weights
            + norms
            + (attention_biases if self.attention_bias else 0)
            + (ffn_biases if self.mlp_bias else 0)
        )
        embeddings = self.embedding_weights * (1 if self.tied_embeddings else 2)
        return embeddings + self.layers * layer + self.hidden_size


def _size(config: Mapping[str, object], key: str) -> int:
    value = config.get(key)
    if value is None:
        raise UserError(f"config.json lacks {key}")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(f"config.json: {key} must be a whole number of at least 1, not {value!r}")
    return value


def _flag(config: Mapping[str, object], key: str) -> bool:
    value = config.get(key)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise UserError(f"config.json: {key} must be true or false, not {value!r}")
    return value
