"""The shape of a decoder, and its exact number of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple, Self

from pydantic import Field

from ..records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

Size = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]


class LatentAttention(Record):
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).

    Keys and values of all heads are made from one latent vector of `kv_rank`, and every head shares one rotary key of
    `rope_dim`. A query head has `nope_dim + rope_dim` dimensions and a value head `value_dim`. Queries go through a
    rank of their own, `query_rank`, unless it is None.
    """

    kv_rank: Size
    rope_dim: Size
    nope_dim: Size
    value_dim: Size
    query_rank: Size | None = None


class Experts(Record):
    """A mixture of experts in place of the FFN (Shazeer et al. 2017, arXiv 1701.06538).

    A router picks `active` of `count` FFNs of width `ffn_size` for each token. Shared experts (DeepSeekMoE, arXiv
    2401.06066) serve every token; `shared_ffn_size` is their width together. `dense_layers` layers keep a plain FFN.
    """

    count: Size
    active: Size
    ffn_size: Size
    shared_ffn_size: Count = 0
    dense_layers: Count = 0


class Linear(NamedTuple):
    """A kind of matrix of the layers: `copies` of it in the model, `active` of which each token passes through."""

    role: str
    inputs: int
    outputs: int
    copies: int
    active: int
    bias: bool = False

    @property
    def weights(self) -> int:
        """Weights of one copy, without its bias."""
        return self.inputs * self.outputs


class Architecture(Record):
    """A pre-norm decoder: attention and an FFN, or experts, in every layer.

    `hidden_size` is the width of the residual stream, `ffn_size` that between a block's FFN matrices, `head_dim` the
    width of one query head. Each group of `heads / kv_heads` query heads shares one key and one value head
    (grouped-query attention, Ainslie et al. 2023, arXiv 2305.13245; multi-query where there is one). A gated FFN has
    three matrices (SwiGLU, Shazeer 2020, arXiv 2002.05202), a plain one two.

    `attention_bias` is a bias on the query, key, value and output matrices, `qkv_bias` on the first three alone.
    `layer_norm`: norms have a weight and a bias, not a weight alone. `qk_norm`: query and key heads are normed.
    `parallel_blocks`: attention and FFN read the same norm. `learned_positions` is the number of position embeddings,
    0 where positions are rotary. The last `sliding_layers` layers see only the latest `sliding_window` tokens.
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
    qkv_bias: bool = False
    mlp_bias: bool = False
    head_bias: bool = False
    layer_norm: bool = False
    qk_norm: bool = False
    parallel_blocks: bool = False
    learned_positions: Count = 0
    sliding_window: Size | None = None
    sliding_layers: Count = 0
    latent: LatentAttention | None = None
    experts: Experts | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Read a Hugging Face `config.json`.

        Args:
            config: The parsed file. Where a field is absent, transformers' default for that model type holds.

        Raises:
            UserError: The `model_type` is not supported, or a field is missing or makes no sense.
        """
        from .configs import read_config

        return cls.model_validate(read_config(config))

    @property
    def query_width(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_dim

    @property
    def value_width(self) -> int:
        """Width of the weighted values of all query heads, the input of the attention's output projection."""
        return self.heads * (self.latent.value_dim if self.latent else self.head_dim)

    @property
    def kv_width(self) -> int:
        """Width of all key heads together, and of all value heads together, where they are not latent."""
        return self.kv_heads * self.head_dim

    @property
    def kv_cache_width(self) -> int:
        """Numbers that one layer keeps per token: keys and values, or the latent vector and the rotary key."""
        return self.latent.kv_rank + self.latent.rope_dim if self.latent else 2 * self.kv_width

    @property
    def ffn_matrices(self) -> int:
        """Matrices in one FFN: gate, up and down, or up and down."""
        return 3 if self.gated_ffn else 2

    @property
    def embedding_weights(self) -> int:
        """Weights of the token embedding, and as many again in the output head (the same ones where they are tied)."""
        return self.vocab_size * self.hidden_size

    @property
    def active_matmul_weights(self) -> int:
        """Weights of all layers that a token is multiplied by; the output head is not among them."""
        return sum(linear.active * linear.weights for linear in self.linears())

    def linears(self) -> tuple[Linear, ...]:
        """Every matrix of the layers, by role; embeddings and output head are not among them."""
        return (*self._attention(), *self._ffns())

    def parameter_count(self) -> int:
        """Number of parameters, to the unit; tied weights count once."""
        linears = self.linears()
        biases = sum(linear.copies * linear.outputs for linear in linears if linear.bias)
        matrices = sum(linear.copies * linear.weights for linear in linears)
        return matrices + biases + self._norms() + self._embeddings()

    def active_parameter_count(self) -> int:
        """Number of parameters that one token uses: all but those of the experts that it is not routed to."""
        idle = sum((linear.copies - linear.active) * linear.weights for linear in self.linears())
        return self.parameter_count() - idle

    def _attention(self) -> tuple[Linear, ...]:
        hidden, every = self.hidden_size, self.layers
        output = Linear("output", self.value_width, hidden, every, every, self.attention_bias)
        if self.latent is None:
            bias = self.attention_bias or self.qkv_bias
            widths = (("query", self.query_width), ("key", self.kv_width), ("value", self.kv_width))
            return (*(Linear(role, hidden, width, every, every, bias) for role, width in widths), output)
        latent, bias = self.latent, self.attention_bias
        down = Linear("kv_down", hidden, latent.kv_rank + latent.rope_dim, every, every, bias)
        up = Linear("kv_up", latent.kv_rank, self.heads * (latent.nope_dim + latent.value_dim), every, every)
        if latent.query_rank is None:
            queries: tuple[Linear, ...] = (Linear("query", hidden, self.query_width, every, every),)
        else:
            queries = (
                Linear("query_down", hidden, latent.query_rank, every, every, bias),
                Linear("query_up", latent.query_rank, self.query_width, every, every),
            )
        return (*queries, down, up, output)

    def _ffns(self) -> tuple[Linear, ...]:
        experts = self.experts
        if experts is None:
            return self._ffn("", self.ffn_size, self.layers, self.layers)
        sparse = self.layers - experts.dense_layers
        found = [
            Linear("router", self.hidden_size, experts.count, sparse, sparse),
            *self._ffn("expert_", experts.ffn_size, sparse * experts.count, sparse * experts.active),
        ]
        if experts.shared_ffn_size:
            found += self._ffn("shared_", experts.shared_ffn_size, sparse, sparse)
        if experts.dense_layers:
            found += self._ffn("", self.ffn_size, experts.dense_layers, experts.dense_layers)
        return tuple(found)

    def _ffn(self, prefix: str, width: int, copies: int, active: int) -> tuple[Linear, ...]:
        inward = ("gate", "up") if self.gated_ffn else ("up",)
        return (
            *(Linear(prefix + role, self.hidden_size, width, copies, active, self.mlp_bias) for role in inward),
            Linear(f"{prefix}down", width, self.hidden_size, copies, active, self.mlp_bias),
        )

    def _norms(self) -> int:
        per_norm = self.hidden_size * (2 if self.layer_norm else 1)
        inner = 2 * self.head_dim if self.qk_norm else 0
        if self.latent is not None:
            inner += self.latent.kv_rank + (self.latent.query_rank or 0)
        return self.layers * ((1 if self.parallel_blocks else 2) * per_norm + inner) + per_norm

    def _embeddings(self) -> int:
        head = (0 if self.tied_embeddings else self.embedding_weights) + (self.vocab_size if self.head_bias else 0)
        return self.embedding_weights + self.learned_positions * self.hidden_size + head
