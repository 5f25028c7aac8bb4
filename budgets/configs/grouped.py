"""Dense decoders with Llama's field names: grouped queries, rotary positions, and norms of various kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import UserError
from .fields import Config, Fields, count, flag, kinds, layer_count, size, size_or, whole_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

QWEN3_HEAD_DIM = 128
MISTRAL_WINDOW = 4096


def grouped(config: Config, *, kv_heads_required: bool = True, head_dim: int | None = None) -> Fields:
    """Read what all grouped-query decoders with Llama's names share."""
    hidden_size = size(config, "hidden_size")
    heads = size(config, "num_attention_heads")
    key = "num_key_value_heads"
    absent = config.get(key) is None and (key in config or not kv_heads_required)
    kv_heads = heads if absent else size(config, key)
    if heads % kv_heads:
        raise UserError(f"config.json: num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}")
    return {
        "layers": layer_count(config),
        "hidden_size": hidden_size,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": width_of_head(config, hidden_size, heads, head_dim),
        "ffn_size": size(config, "intermediate_size"),
        "vocab_size": size(config, "vocab_size"),
        "tied_embeddings": flag(config, "tie_word_embeddings"),
    }


def width_of_head(config: Config, hidden_size: int, heads: int, default: int | None = None) -> int:
    """Read `head_dim`; if absent, the default, or else the hidden size divided by the number of heads."""
    named = size_or(config, "head_dim", default)
    if named is not None:
        return named
    if hidden_size % heads:
        raise UserError(f"config.json: the hidden size {hidden_size} is not a multiple of {heads} heads; add head_dim")
    return hidden_size // heads


def llama(config: Config) -> Fields:
    """Read Llama and its kin (`granite`, and `ministral3`, whose biases are never set)."""
    fields = grouped(config, kv_heads_required=False)
    return {**fields, "attention_bias": flag(config, "attention_bias"), "mlp_bias": flag(config, "mlp_bias")}


def mistral(config: Config) -> Fields:
    """Read Mistral: a window in every layer, 4096 by default."""
    return {**grouped(config), **window(config, default=MISTRAL_WINDOW)}


def ministral(config: Config) -> Fields:
    """Read Ministral: a window in every layer, or in those that `layer_types` names."""
    return {**grouped(config), **layers_with_window(config, lambda _: True)}


def ministral3(config: Config) -> Fields:
    """Read Ministral 3: a window in every layer, if any."""
    return {**grouped(config), **window(config)}


def qwen2(config: Config) -> Fields:
    """Read Qwen2: biases on queries, keys and values."""
    return {**grouped(config), **late_window(config), "qkv_bias": True}


def qwen3(config: Config) -> Fields:
    """Read Qwen3: norms of each head's queries and keys."""
    fields = grouped(config, head_dim=QWEN3_HEAD_DIM)
    return {
        **fields,
        **late_window(config),
        "attention_bias": flag(config, "attention_bias"),
        "qk_norm_weights": 2 * fields["head_dim"],
    }


def starcoder2(config: Config) -> Fields:
    """Read StarCoder2: a plain FFN, LayerNorm, biases, tied embeddings."""
    bias = flag(config, "use_bias", default=True)
    return {
        **grouped(config),
        **window(config),
        "tied_embeddings": flag(config, "tie_word_embeddings", default=True),
        "gated_ffn": False,
        "layer_norm": True,
        "attention_bias": bias,
        "mlp_bias": bias,
    }


def gemma(config: Config) -> Fields:
    """Read Gemma 1."""
    return {**grouped(config), "attention_bias": flag(config, "attention_bias")}


def gemma2(config: Config) -> Fields:
    """Read Gemma 2: outputs of attention and FFN are normed too, every other layer has a window."""
    return {**gemma(config), **patterned_window(config, 2), "norms_per_layer": 4}


def gemma3(config: Config) -> Fields:
    """Read Gemma 3's text model: also norms of queries and keys, and a window in all layers but every sixth."""
    fields = {**gemma2(config), **patterned_window(config, size(config, "sliding_window_pattern"))}
    return {**fields, "qk_norm_weights": 2 * fields["head_dim"]}


def phi3(config: Config) -> Fields:
    """Read Phi 3 and 4: a window in every layer, if any."""
    return {**grouped(config, kv_heads_required=False), **window(config)}


def glm(config: Config) -> Fields:
    """Read GLM-4 as first released: biases on queries, keys and values."""
    return {**grouped(config), "qkv_bias": flag(config, "attention_bias")}


def glm4(config: Config) -> Fields:
    """Read GLM-4-0414: outputs of attention and FFN are normed too."""
    return {**glm(config), "norms_per_layer": 4}


def olmo(config: Config) -> Fields:
    """Read OLMo 1: norms without weights."""
    fields = grouped(config, kv_heads_required=False)
    return {**fields, "attention_bias": flag(config, "attention_bias"), "bare_norms": True}


def olmo2(config: Config) -> Fields:
    """Read OLMo 2: norms after attention and FFN, and over all queries and all keys."""
    fields = grouped(config, kv_heads_required=False)
    return {**fields, "attention_bias": flag(config, "attention_bias"), "qk_norm_weights": wide_norms(fields)}


def olmo3(config: Config) -> Fields:
    """Read OLMo 3: a window in three layers of four."""
    return {**olmo2(config), **patterned_window(config, 4)}


def smollm3(config: Config) -> Fields:
    """Read SmolLM3: a window, if any, in layers without rotary positions."""
    if not flag(config, "use_sliding_window"):
        return llama(config)
    # A list of this name says 1 for layers with rotary positions.
    rotary, every = whole_numbers(config, "no_rope_layers"), size(config, "no_rope_layer_interval")

    def slides(layer: int) -> bool:
        return not rotary[layer] if layer < len(rotary) else (layer + 1) % every == 0

    return {**llama(config), **layers_with_window(config, slides)}


def arcee(config: Config) -> Fields:
    """Read Arcee's AFM: Llama with a plain FFN."""
    return {**llama(config), "gated_ffn": False}


def nemotron(config: Config) -> Fields:
    """Read Nemotron and Minitron: LayerNorm and a plain FFN."""
    return {**arcee(config), "layer_norm": True}


def ernie4_5(config: Config) -> Fields:
    """Read ERNIE 4.5: biases on all matrices, if the file says so."""
    bias = flag(config, "use_bias")
    return {**grouped(config, kv_heads_required=False), "attention_bias": bias, "mlp_bias": bias}


def hunyuan(config: Config) -> Fields:
    """Read dense Hunyuan models: norms of queries and keys."""
    fields = grouped(config, kv_heads_required=False)
    attention_bias = flag(config, "attention_bias")
    return {**fields, "attention_bias": attention_bias, "qk_norm_weights": 2 * fields["head_dim"]}


def exaone4(config: Config) -> Fields:
    """Read EXAONE 4: norms after attention and FFN and of queries and keys, and a window in three layers of four."""
    fields = grouped(config)
    if config.get("layer_types") is not None or config.get("sliding_window") is None:
        window_fields = layers_with_window(config, lambda _: False)
    else:
        window_fields = patterned_window(config, size(config, "sliding_window_pattern"))
    return {**fields, **window_fields, "qk_norm_weights": 2 * fields["head_dim"]}


def seed_oss(config: Config) -> Fields:
    """Read Seed-OSS: biases on queries, keys and values, and one on the output with its own field."""
    return {
        **grouped(config, kv_heads_required=False),
        "qkv_bias": flag(config, "attention_bias"),
        "output_bias": flag(config, "attention_out_bias"),
        "mlp_bias": flag(config, "mlp_bias"),
    }


def cohere(config: Config) -> Fields:
    """Read Command R: parallel blocks, and norms of each head, if any."""
    fields = grouped(config, kv_heads_required=False)
    return {
        **fields,
        "attention_bias": flag(config, "attention_bias"),
        "norms_per_layer": 1,
        "qk_norm_weights": wide_norms(fields) if flag(config, "use_qk_norm") else 0,
    }


def cohere2(config: Config) -> Fields:
    """Read Command R7B and A: a window in three layers of four, no norms of heads."""
    pattern = patterned_window(config, size(config, "sliding_window_pattern"))
    return {**cohere({**config, "use_qk_norm": False}), **pattern}


def stablelm(config: Config) -> Fields:
    """Read StableLM 2: LayerNorm, and parallel blocks or norms of each head, if the file says so."""
    fields = grouped(config)
    return {
        **fields,
        "layer_norm": True,
        "qkv_bias": flag(config, "use_qkv_bias"),
        "norms_per_layer": 1 if flag(config, "use_parallel_residual") else 2,
        "qk_norm_weights": wide_norms(fields) if flag(config, "qk_layernorm") else 0,
    }


def wide_norms(fields: Fields) -> int:
    """Count the weights of norms as wide as all queries and as all keys."""
    return int((fields["heads"] + fields["kv_heads"]) * fields["head_dim"])


def window(config: Config, default: int | None = None) -> Fields:
    """Read a sliding window in every layer, if any."""
    if "sliding_window" in config:
        width = None if config["sliding_window"] is None else size(config, "sliding_window")
    else:
        width = default
    layers = layer_count(config) if width else 0
    return {"sliding_window": width, "sliding_layers": layers}


def late_window(config: Config) -> Fields:
    """Read Qwen's sliding window, in layers from `max_window_layers` on or those that `layer_types` names."""
    if not flag(config, "use_sliding_window") or config.get("sliding_window") is None:
        return {}
    late = None if config.get("layer_types") is not None else count(config, "max_window_layers")
    return layers_with_window(config, lambda layer: late is not None and layer >= late)


def patterned_window(config: Config, every: int) -> Fields:
    """Read a window in all layers but every n-th, or as `layer_types` says."""
    return layers_with_window(config, lambda layer: (layer + 1) % every > 0)


def layers_with_window(config: Config, sliding: Callable[[int], bool]) -> Fields:
    """Read a sliding window in the layers that `layer_types` names, or else in those that a rule picks."""
    layers, width = layer_count(config), size_or(config, "sliding_window", None)
    named = kinds(config, "layer_types", ("full_attention", "sliding_attention"), layers)
    if width is None:
        return {"sliding_window": None, "sliding_layers": 0}
    found = sum(sliding(layer) for layer in range(layers)) if named is None else named.count("sliding_attention")
    return {"sliding_window": width if found else None, "sliding_layers": found}
