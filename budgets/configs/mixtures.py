"""Mixtures of experts, and features found with them: latent attention, linear attention, shared experts, sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import UserError
from .fields import Config, Fields, count, flag, kinds, layer_count, size, size_or, whole_numbers
from .grouped import grouped, layers_with_window, patterned_window, wide_norms, window

if TYPE_CHECKING:
    from collections.abc import Container


def mixtral(config: Config) -> Fields:
    """Read Mixtral: experts in every layer."""
    return {**grouped(config), **window(config), "experts": _experts(config, "num_local_experts", "intermediate_size")}


def phimoe(config: Config) -> Fields:
    """Read Phi-3.5-MoE: LayerNorm, and biases on attention and head if the file says so."""
    return {
        **mixtral(config),
        "layer_norm": True,
        "attention_bias": flag(config, "attention_bias"),
        "head_bias": flag(config, "lm_head_bias"),
    }


def gpt_oss(config: Config) -> Fields:
    """Read gpt-oss: attention sinks, a window in every other layer, biases on experts and their router."""
    experts = {**_experts(config, "num_local_experts", "intermediate_size"), "router_bias": True}
    return {
        **grouped(config),
        **patterned_window(config, 2),
        "attention_bias": flag(config, "attention_bias"),
        "mlp_bias": True,
        "attention_sinks": True,
        "experts": experts,
    }


def qwen2_moe(config: Config) -> Fields:
    """Read Qwen1.5-MoE and Qwen2-MoE: a gated shared expert, biases on queries, keys and values."""
    sliding: Fields = {}
    if flag(config, "use_sliding_window"):
        late = count(config, "max_window_layers")
        sliding = layers_with_window(config, lambda layer: layer % 2 == 0 and layer < late)
    return {
        **grouped(config),
        **sliding,
        "qkv_bias": flag(config, "qkv_bias"),
        "experts": _with_gated_shared(config, _sparse_experts(config)),
    }


def qwen3_moe(config: Config) -> Fields:
    """Read Qwen3-MoE: norms of queries and keys, some layers dense if the file says so."""
    fields = grouped(config)
    return {
        **fields,
        **(window(config) if flag(config, "use_sliding_window") else {}),
        "attention_bias": flag(config, "attention_bias"),
        "qk_norm_weights": 2 * fields["head_dim"],
        "experts": _sparse_experts(config),
    }


def qwen3_5(config: Config) -> Fields:
    """Read Qwen3.5's dense text model: linear attention in three layers of four, gated attention in the others."""
    fields = grouped(config)
    return {
        **fields,
        **_linear_layers(config),
        "attention_bias": flag(config, "attention_bias"),
        "gated_attention": True,
        "qk_norm_weights": 2 * fields["head_dim"],
    }


def qwen3_next(config: Config) -> Fields:
    """Read Qwen3-Next, and Qwen3.5's text model with experts: that, with a gated shared expert."""
    return {**qwen3_5(config), "experts": _with_gated_shared(config, _sparse_experts(config))}


def deepseek_v3(config: Config) -> Fields:
    """Read DeepSeek-V2 and V3 and Kimi K2: latent attention, shared experts, the first layers dense."""
    if config.get("moe_layer_freq") not in (None, 1):
        raise UserError("config.json: moe_layer_freq other than 1 is not supported")
    return {
        **_latent_attention(config),
        "attention_bias": flag(config, "attention_bias"),
        "experts": _deepseek_experts(config),
    }


def glm4_moe_lite(config: Config) -> Fields:
    """Read GLM-4.7-Flash: latent attention, and dense layers as `mlp_layer_types` says."""
    layers = layer_count(config)
    named = kinds(config, "mlp_layer_types", ("dense", "sparse"), layers)
    dense = 1 if named is None else named.count("dense")
    return deepseek_v3({**config, "first_k_dense_replace": dense})


def glm4_moe(config: Config) -> Fields:
    """Read GLM-4.5 to 4.7: shared experts, the first layers dense, norms of queries and keys if the file says so."""
    fields = grouped(config)
    return {
        **fields,
        "qkv_bias": flag(config, "attention_bias"),
        "qk_norm_weights": 2 * fields["head_dim"] if flag(config, "use_qk_norm") else 0,
        "experts": _deepseek_experts(config),
    }


def dots1(config: Config) -> Fields:
    """Read dots.llm1: norms of queries and keys, shared experts, first layers dense, maybe windows in late ones."""
    fields = grouped(config)
    late = count(config, "max_window_layers")
    return {
        **fields,
        **layers_with_window(config, lambda layer: layer >= late),
        "attention_bias": flag(config, "attention_bias"),
        "qk_norm_weights": 2 * fields["head_dim"],
        "experts": _deepseek_experts(config),
    }


def olmoe(config: Config) -> Fields:
    """Read OLMoE: norms over all queries and all keys."""
    fields = grouped(config, kv_heads_required=False)
    return {
        **fields,
        "attention_bias": flag(config, "attention_bias"),
        "qk_norm_weights": wide_norms(fields),
        "experts": _experts(config, "num_experts", "intermediate_size"),
    }


def granitemoe(config: Config) -> Fields:
    """Read Granite's mixtures: a shared expert if the file gives its width."""
    shared = 0 if config.get("shared_intermediate_size") is None else count(config, "shared_intermediate_size")
    return {
        **grouped(config, kv_heads_required=False),
        "attention_bias": flag(config, "attention_bias"),
        "experts": {**_experts(config, "num_local_experts", "intermediate_size"), "shared_ffn_size": shared},
    }


def minimax_m2(config: Config) -> Fields:
    """Read MiniMax-M2: norms over all queries and all keys."""
    fields = grouped(config)
    experts = _experts(config, "num_local_experts", "intermediate_size")
    return {**fields, "qk_norm_weights": wide_norms(fields), "experts": experts}


def _experts(config: Config, how_many: str, width: str) -> Fields:
    fields = {
        "count": size(config, how_many),
        "active": size(config, "num_experts_per_tok"),
        "ffn_size": size(config, width),
    }
    if fields["active"] > fields["count"]:
        raise UserError(f"config.json: num_experts_per_tok {fields['active']} exceeds the {fields['count']} experts")
    return fields


def _sparse_experts(config: Config) -> Fields:
    """Read Qwen's experts, in every `decoder_sparse_step`-th layer that `mlp_only_layers` does not name."""
    step = size_or(config, "decoder_sparse_step", 1) or 1
    plain: Container[int] = set(whole_numbers(config, "mlp_only_layers"))
    dense = sum(layer in plain or (layer + 1) % step > 0 for layer in range(layer_count(config)))
    return {**_experts(config, "num_experts", "moe_intermediate_size"), "dense_layers": dense}


def _with_gated_shared(config: Config, experts: Fields) -> Fields:
    return {**experts, "shared_ffn_size": size(config, "shared_expert_intermediate_size"), "shared_gate": True}


def _deepseek_experts(config: Config) -> Fields:
    experts = _experts(config, "n_routed_experts", "moe_intermediate_size")
    return {
        **experts,
        "shared_ffn_size": experts["ffn_size"] * _or_none(config, "n_shared_experts"),
        "dense_layers": min(count(config, "first_k_dense_replace"), layer_count(config)),
    }


def _or_none(config: Config, key: str) -> int:
    return 0 if key in config and config[key] is None else count(config, key)


def _latent_attention(config: Config) -> Fields:
    heads = size(config, "num_attention_heads")
    nope_dim, rope_dim = size(config, "qk_nope_head_dim"), size(config, "qk_rope_head_dim")
    latent = {
        "kv_rank": size(config, "kv_lora_rank"),
        "rope_dim": rope_dim,
        "nope_dim": nope_dim,
        "value_dim": size(config, "v_head_dim"),
        "query_rank": size_or(config, "q_lora_rank", None),
    }
    return {
        "layers": layer_count(config),
        "hidden_size": size(config, "hidden_size"),
        "heads": heads,
        "kv_heads": heads,
        "head_dim": nope_dim + rope_dim,
        "ffn_size": size(config, "intermediate_size"),
        "vocab_size": size(config, "vocab_size"),
        "tied_embeddings": flag(config, "tie_word_embeddings"),
        "latent": latent,
    }


def _linear_layers(config: Config) -> Fields:
    """Read the linear attention of all layers but every `full_attention_interval`-th, or as `layer_types` says."""
    layers, every = layer_count(config), size(config, "full_attention_interval")
    named = kinds(config, "layer_types", ("full_attention", "linear_attention"), layers)
    found = layers - layers // every if named is None else named.count("linear_attention")
    if not found:
        return {}
    linear = {
        "layers": found,
        "key_heads": size(config, "linear_num_key_heads"),
        "value_heads": size(config, "linear_num_value_heads"),
        "key_dim": size(config, "linear_key_head_dim"),
        "value_dim": size(config, "linear_value_head_dim"),
        "kernel": size(config, "linear_conv_kernel_dim"),
    }
    if linear["value_heads"] % linear["key_heads"]:
        raise UserError(
            f"config.json: linear_num_value_heads {linear['value_heads']} is not a multiple of linear_num_key_heads "
            f"{linear['key_heads']}"
        )
    return {"linear": linear}
