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


class LinearAttention(Record):
    """Layers of linear attention by the gated delta rule (Yang et al. 2024, arXiv 2412.06464), which keep no keys.

    In `layers` layers, each of `value_heads` heads holds a state of `key_dim` x `value_dim` whatever the context;
    `key_heads` heads of keys and queries are shared among them. Queries, keys and values pass a convolution over the
    latest `kernel` tokens.
    """

    layers: Size
    key_heads: Size
    value_heads: Size
    key_dim: Size
    value_dim: Size
    kernel: Size

    @property
    def value_width(self) -> int:
        """Width of all value heads together."""
        return self.value_heads * self.value_dim

    @property
    def mixed_width(self) -> int:
        """Width of queries, keys and values together, which the convolution runs over."""
        return 2 * self.key_heads * self.key_dim + self.value_width

    @property
    def state_size(self) -> int:
        """Numbers in the states of one layer."""
        return self.value_heads * self.key_dim * self.value_dim


class Experts(Record):
    """A mixture of experts in place of the FFN (Shazeer et al. 2017, arXiv 1701.06538).

    A router picks `active` of `count` FFNs of width `ffn_size` for each token. Shared experts (DeepSeekMoE, arXiv
    2401.06066) serve every token; `shared_ffn_size` is their width together, and with `shared_gate` one number per
    token weighs them. `dense_layers` layers keep a plain FFN.
    """

    count: Size
    active: Size
    ffn_size: Size
    shared_ffn_size: Count = 0
    shared_gate: bool = False
    router_bias: bool = False
    dense_layers: Count = 0


class Linear(NamedTuple):
    """A kind of matrix of the layers: `copies` of it in the model, `active` of which each token passes through.

    Quantisers leave those that are not `quantisable` (routers, gates and convolutions) at 16 bits.
    """

    role: str
    inputs: int
    outputs: int
    copies: int
    active: int
    bias: bool = False
    quantisable: bool = True

    @property
    def weights(self) -> int:
        """Weights of one copy, without its bias."""
        return self.inputs * self.outputs


class Architecture(Record):
    """A decoder: attention, full, sliding or linear, and an FFN, or experts, in every layer.

    `hidden_size` is the width of the residual stream, `ffn_size` that between a block's FFN matrices, `head_dim` the
    width of one query head. Each group of `heads / kv_heads` query heads shares one key and one value head
    (grouped-query attention, Ainslie et al. 2023, arXiv 2305.13245; multi-query where there is one). A gated FFN has
    three matrices (SwiGLU, Shazeer 2020, arXiv 2002.05202), a plain one two.

    `attention_bias` is a bias on the query, key, value and output matrices, `qkv_bias` on the first three alone,
    `output_bias` on the last; `mlp_bias` is one on the FFN's matrices, of experts too. `gated_attention`: queries come
    with a gate of their width for the output. `attention_sinks`: each head has a learned logit that no key has.

    `norms_per_layer` are of the hidden size: 1 where attention and FFN read the same (parallel blocks), 2 where each
    has its own, 4 where their outputs are normed too. `layer_norm`: they have a weight and a bias, not a weight alone;
    `bare_norms`: neither. `qk_norm_weights` are the weights of the norms of queries and keys in one layer.

    `learned_positions` is the number of position embeddings, 0 where positions are rotary. `sliding_layers` of the
    layers see only the latest `sliding_window` tokens. `vision_parameters` belong to an image encoder that is loaded
    with the decoder, and that text does not pass. `unquantised` has the roles of matrices that the quantisation of
    this checkpoint leaves at 16 bits, each with the share of its copies.
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
    output_bias: bool = False
    mlp_bias: bool = False
    head_bias: bool = False
    gated_attention: bool = False
    attention_sinks: bool = False
    layer_norm: bool = False
    bare_norms: bool = False
    norms_per_layer: Count = 2
    qk_norm_weights: Count = 0
    learned_positions: Count = 0
    sliding_window: Size | None = None
    sliding_layers: Count = 0
    latent: LatentAttention | None = None
    linear: LinearAttention | None = None
    experts: Experts | None = None
    vision_parameters: Count = 0
    unquantised: tuple[tuple[str, float], ...] = ()

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Read a Hugging Face `config.json`.

        Args:
            config: The parsed file. Where a field is absent, transformers' default for that model type holds. Its
                `quantization_config` says what a quantised checkpoint leaves at 16 bits.

        Raises:
            UserError: The `model_type` is not supported, or a field is missing or makes no sense.
        """
        from .configs import read_config
        from .ignored import unquantised_roles
        from .quantised import read_quantisation

        architecture = cls.model_validate(read_config(config))
        quantisation = read_quantisation(config)
        if quantisation is None:
            return architecture
        return architecture.model_copy(update={"unquantised": unquantised_roles(architecture, quantisation)})

    @property
    def attention_layers(self) -> int:
        """Layers that keep keys and values: all but those of linear attention."""
        return self.layers - (self.linear.layers if self.linear else 0)

    @property
    def windowed_layers(self) -> int:
        """Layers with a sliding window."""
        return self.sliding_layers if self.sliding_window else 0

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
        return (*self._attention(), *self._linear_attention(), *self._ffns())

    def parameter_count(self) -> int:
        """Number of parameters, to the unit; tied weights count once."""
        linears = self.linears()
        biases = sum(linear.copies * linear.outputs for linear in linears if linear.bias)
        matrices = sum(linear.copies * linear.weights for linear in linears)
        return matrices + biases + self._norms() + self._lone_weights() + self._embeddings() + self.vision_parameters

    def active_parameter_count(self) -> int:
        """Number of parameters that one token of text uses: all but experts it is not routed to, and image encoders."""
        idle = sum((linear.copies - linear.active) * linear.weights for linear in self.linears())
        return self.parameter_count() - idle - self.vision_parameters

    def _attention(self) -> tuple[Linear, ...]:
        hidden, every = self.hidden_size, self.attention_layers
        if not every:
            return ()
        output_bias = self.attention_bias or self.output_bias
        output = Linear("output", self.value_width, hidden, every, every, output_bias)
        if self.latent is None:
            bias = self.attention_bias or self.qkv_bias
            queries = self.query_width * (2 if self.gated_attention else 1)
            widths = (("query", queries), ("key", self.kv_width), ("value", self.kv_width))
            return (*(Linear(role, hidden, width, every, every, bias) for role, width in widths), output)
        latent, bias = self.latent, self.attention_bias
        down = Linear("kv_down", hidden, latent.kv_rank + latent.rope_dim, every, every, bias)
        up = Linear("kv_up", latent.kv_rank, self.heads * (latent.nope_dim + latent.value_dim), every, every)
        if latent.query_rank is None:
            to_queries: tuple[Linear, ...] = (Linear("query", hidden, self.query_width, every, every),)
        else:
            to_queries = (
                Linear("query_down", hidden, latent.query_rank, every, every, bias),
                Linear("query_up", latent.query_rank, self.query_width, every, every),
            )
        return (*to_queries, down, up, output)

    def _linear_attention(self) -> tuple[Linear, ...]:
        linear = self.linear
        if linear is None:
            return ()
        every, hidden = linear.layers, self.hidden_size
        return (
            Linear("linear_in", hidden, linear.mixed_width + linear.value_width, every, every),
            Linear("linear_gates", hidden, 2 * linear.value_heads, every, every),
            Linear("linear_conv", linear.kernel, linear.mixed_width, every, every, quantisable=False),
            Linear("linear_out", linear.value_width, hidden, every, every),
        )

    def _ffns(self) -> tuple[Linear, ...]:
        experts = self.experts
        if experts is None:
            return self._ffn("", self.ffn_size, self.layers, self.layers)
        sparse, hidden = self.layers - experts.dense_layers, self.hidden_size
        found: list[Linear] = []
        if sparse:
            found += [
                Linear("router", hidden, experts.count, sparse, sparse, experts.router_bias, quantisable=False),
                *self._ffn("expert_", experts.ffn_size, sparse * experts.count, sparse * experts.active),
            ]
            if experts.shared_ffn_size:
                found += self._ffn("shared_", experts.shared_ffn_size, sparse, sparse)
            if experts.shared_gate:
                found.append(Linear("shared_gate", hidden, 1, sparse, sparse, quantisable=False))
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
        per_norm = 0 if self.bare_norms else self.hidden_size * (2 if self.layer_norm else 1)
        inner = self.qk_norm_weights
        if self.latent is not None:
            inner += self.latent.kv_rank + (self.latent.query_rank or 0)
        return (self.layers * self.norms_per_layer + 1) * per_norm + self.attention_layers * inner

    def _lone_weights(self) -> int:
        """Count what is neither a matrix nor of the hidden size: sinks; decays, time steps and norms of states."""
        sinks = self.attention_layers * self.heads if self.attention_sinks else 0
        linear = self.linear
        return sinks + (linear.layers * (2 * linear.value_heads + linear.value_dim) if linear else 0)

    def _embeddings(self) -> int:
        head = (0 if self.tied_embeddings else self.embedding_weights) + (self.vocab_size if self.head_bias else 0)
        return self.embedding_weights + self.learned_positions * self.hidden_size + head
