"""Decoders with GPT-2's field names or design: plain FFNs, LayerNorm, biases, parallel blocks, one key head."""

from __future__ import annotations

from ..._util.printable import quoted
from ...errors import UserError
from .fields import Config, Fields, flag, layer_count, size, size_or
from .grouped import grouped, width_of_head


def gpt2(config: Config) -> Fields:
    """Read GPT-2: learned positions, biases everywhere."""
    fields = _gpt(config)
    return {**fields, "attention_bias": True, "mlp_bias": True, "learned_positions": size(config, "n_positions")}


def gpt_bigcode(config: Config) -> Fields:
    """Read SantaCoder and StarCoder: GPT-2 with one key head."""
    fields = gpt2(config)
    return {
        **fields,
        "kv_heads": 1 if flag(config, "multi_query", default=True) else fields["heads"],
        "tied_embeddings": flag(config, "tie_word_embeddings", default=True),
    }


def gptj(config: Config) -> Fields:
    """Read GPT-J and CodeGen: parallel blocks, rotary positions, no biases on attention."""
    return {**_gpt(config), "norms_per_layer": 1, "head_bias": True, "mlp_bias": True}


def gpt_neo(config: Config) -> Fields:
    """Read GPT-Neo: a window in the layers called local."""
    hidden_size, heads, layers = (
        size(config, "hidden_size"),
        size(config, "num_heads"),
        layer_count(config, "num_layers"),
    )
    window, local = size(config, "window_size"), _local_layers(config, layers)
    return {
        "layers": layers,
        "hidden_size": hidden_size,
        "heads": heads,
        "kv_heads": heads,
        "head_dim": width_of_head(config, hidden_size, heads),
        "ffn_size": size_or(config, "intermediate_size", 4 * hidden_size),
        "vocab_size": size(config, "vocab_size"),
        "gated_ffn": False,
        "layer_norm": True,
        "tied_embeddings": flag(config, "tie_word_embeddings"),
        "output_bias": True,
        "mlp_bias": True,
        "learned_positions": size(config, "max_position_embeddings"),
        "sliding_window": window if local else None,
        "sliding_layers": local,
    }


def gpt_neox(config: Config) -> Fields:
    """Read GPT-NeoX and Pythia: separate norms for attention and FFN, even if they are parallel."""
    return {
        **grouped(config, kv_heads_required=False),
        "gated_ffn": False,
        "layer_norm": True,
        "attention_bias": flag(config, "attention_bias"),
        "mlp_bias": True,
    }


def phi(config: Config) -> Fields:
    """Read Phi 1 and 2: parallel blocks, biases everywhere, on the head too."""
    fields = grouped(config, kv_heads_required=False)
    return {
        **fields,
        "gated_ffn": False,
        "layer_norm": True,
        "norms_per_layer": 1,
        "attention_bias": True,
        "mlp_bias": True,
        "head_bias": True,
        # A weight and a bias, of queries and of keys.
        "qk_norm_weights": 4 * fields["head_dim"] if flag(config, "qk_layernorm") else 0,
    }


def falcon(config: Config) -> Fields:
    """Read Falcon: one key head, or in its newer design groups of them and two norms of parallel blocks."""
    newer, parallel = flag(config, "new_decoder_architecture"), flag(config, "parallel_attn")
    heads = size(config, "num_attention_heads")
    hidden_size = size(config, "n_embed" if config.get("n_embed") is not None else "hidden_size")
    if newer or not flag(config, "multi_query"):
        kv_heads = size_or(config, "num_kv_heads", heads)
        # The older design always has as many key heads as query heads.
        kv_heads = kv_heads if newer else heads
    else:
        kv_heads = 1
    norms = size_or(config, "num_ln_in_parallel_attn", 2 if newer else 1) if parallel else 2
    bias = flag(config, "bias")
    return {
        "layers": layer_count(config),
        "hidden_size": hidden_size,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": width_of_head({**config, "head_dim": None}, hidden_size, heads),
        "ffn_size": size_or(config, "ffn_hidden_size", 4 * hidden_size),
        "vocab_size": size(config, "vocab_size"),
        "gated_ffn": False,
        "layer_norm": True,
        "norms_per_layer": 2 if norms == 2 else 1,
        "tied_embeddings": flag(config, "tie_word_embeddings"),
        "attention_bias": bias,
        "mlp_bias": bias,
    }


def _gpt(config: Config) -> Fields:
    """Read what decoders with GPT-2's names share."""
    hidden_size, heads = size(config, "n_embd"), size(config, "n_head")
    return {
        "layers": layer_count(config, "n_layer"),
        "hidden_size": hidden_size,
        "heads": heads,
        "kv_heads": heads,
        "head_dim": width_of_head(config, hidden_size, heads),
        "ffn_size": size_or(config, "n_inner", 4 * hidden_size),
        "vocab_size": size(config, "vocab_size"),
        "gated_ffn": False,
        "layer_norm": True,
        "tied_embeddings": flag(config, "tie_word_embeddings"),
    }


def _local_layers(config: Config, layers: int) -> int:
    """Count GPT-Neo's local layers: `attention_types` is [[kinds, times], ...], global and local in turn by default."""
    types = config.get("attention_types")
    if types is None:
        types = [[["global", "local"], 12]]
    try:
        named = [kind for pattern, times in types for _ in range(min(times, layers)) for kind in pattern]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        named = []
    if len(named) != layers or any(kind not in ("global", "local") for kind in named):
        raise UserError(
            f"config.json: attention_types must give global or local for each of the {layers} layers, "
            f"not {quoted(types)}"
        )
    return named.count("local")
