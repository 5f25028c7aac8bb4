"""Hugging Face `config.json` files, read into the fields of an `Architecture`, one reader per model type.

The field names and the defaults of absent fields are those of the configuration classes of transformers 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._util.printable import quoted
from ..errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Fields = dict[str, Any]

QWEN3_HEAD_DIM = 128
MISTRAL_WINDOW = 4096

MAX_LAYERS = 10_000
MAX_SIZE = 1 << 31
"""A hundred times the sizes of any existing model, so that nothing computed from them overflows."""


def read_config(config: Mapping[str, object]) -> Fields:
    """Read an `Architecture`'s fields.

    Raises:
        UserError: The `model_type` is not supported, or a field is missing or makes no sense.
    """
    model_type = config.get("model_type")
    reader = _READERS.get(model_type) if isinstance(model_type, str) else None
    if reader is None:
        raise UserError(
            f"model_type {quoted(model_type)} in config.json is not supported; supported: "
            + ", ".join(SUPPORTED_MODEL_TYPES)
        )
    return reader(config)


def _llama(config: Mapping[str, object]) -> Fields:
    fields = _grouped(config, kv_heads_required=False)
    return {**fields, "attention_bias": _flag(config, "attention_bias"), "mlp_bias": _flag(config, "mlp_bias")}


def _mistral(config: Mapping[str, object]) -> Fields:
    return {**_grouped(config), **_window(config, default=MISTRAL_WINDOW)}


def _mixtral(config: Mapping[str, object]) -> Fields:
    experts = {
        "count": _size(config, "num_local_experts"),
        "active": _size(config, "num_experts_per_tok"),
        "ffn_size": _size(config, "intermediate_size"),
    }
    return {**_grouped(config), **_window(config), "experts": _experts(experts)}


def _qwen2(config: Mapping[str, object]) -> Fields:
    return {**_grouped(config), **_late_window(config), "qkv_bias": True}


def _qwen3(config: Mapping[str, object]) -> Fields:
    return {
        **_grouped(config, head_dim=QWEN3_HEAD_DIM),
        **_late_window(config),
        "attention_bias": _flag(config, "attention_bias"),
        "qk_norm": True,
    }


def _qwen3_moe(config: Mapping[str, object]) -> Fields:
    layers = _layers(config)
    step = 1 if config.get("decoder_sparse_step") is None else _size(config, "decoder_sparse_step")
    dense = config.get("mlp_only_layers") or []
    if not isinstance(dense, list):
        raise UserError(f"config.json: mlp_only_layers must be a list of layer numbers, not {quoted(dense)}")
    plain = {layer for layer in dense if isinstance(layer, int)}
    experts = {
        # transformers 5 writes the second name.
        "count": _size(config, "num_experts" if "num_experts" in config else "num_local_experts"),
        "active": _size(config, "num_experts_per_tok"),
        "ffn_size": _size(config, "moe_intermediate_size"),
        "dense_layers": sum(layer in plain or (layer + 1) % step > 0 for layer in range(layers)),
    }
    return {
        **_grouped(config),
        **(_window(config) if _flag(config, "use_sliding_window") else {}),
        "attention_bias": _flag(config, "attention_bias"),
        "qk_norm": True,
        "experts": _experts(experts),
    }


def _starcoder2(config: Mapping[str, object]) -> Fields:
    bias = _flag(config, "use_bias", default=True)
    return {
        **_grouped(config, tied=True),
        **_window(config),
        "gated_ffn": False,
        "layer_norm": True,
        "attention_bias": bias,
        "mlp_bias": bias,
    }


def _deepseek_v3(config: Mapping[str, object]) -> Fields:
    if config.get("moe_layer_freq") not in (None, 1):
        raise UserError("config.json: moe_layer_freq other than 1 is not supported")
    layers, heads = _layers(config), _size(config, "num_attention_heads")
    latent = {
        "kv_rank": _size(config, "kv_lora_rank"),
        "rope_dim": _size(config, "qk_rope_head_dim"),
        "nope_dim": _size(config, "qk_nope_head_dim"),
        "value_dim": _size(config, "v_head_dim"),
        "query_rank": None if config.get("q_lora_rank") is None else _size(config, "q_lora_rank"),
    }
    inner = _size(config, "moe_intermediate_size")
    experts = {
        "count": _size(config, "n_routed_experts"),
        "active": _size(config, "num_experts_per_tok"),
        "ffn_size": inner,
        "shared_ffn_size": inner * _count(config, "n_shared_experts"),
        "dense_layers": min(_count(config, "first_k_dense_replace"), layers),
    }
    return {
        "layers": layers,
        "hidden_size": _size(config, "hidden_size"),
        "heads": heads,
        "kv_heads": heads,
        "head_dim": _size(config, "qk_nope_head_dim") + _size(config, "qk_rope_head_dim"),
        "ffn_size": _size(config, "intermediate_size"),
        "vocab_size": _size(config, "vocab_size"),
        "tied_embeddings": _flag(config, "tie_word_embeddings"),
        "attention_bias": _flag(config, "attention_bias"),
        "latent": latent,
        "experts": _experts(experts),
    }


def _codegen(config: Mapping[str, object]) -> Fields:
    return {**_gpt(config), "parallel_blocks": True, "head_bias": True, "mlp_bias": True}


def _gpt_bigcode(config: Mapping[str, object]) -> Fields:
    fields = _gpt(config)
    return {
        **fields,
        "kv_heads": 1 if _flag(config, "multi_query", default=True) else fields["heads"],
        "tied_embeddings": _flag(config, "tie_word_embeddings", default=True),
        "attention_bias": True,
        "mlp_bias": True,
        "learned_positions": _size(config, "n_positions"),
    }


def _grouped(
    config: Mapping[str, object], *, kv_heads_required: bool = True, head_dim: int | None = None, tied: bool = False
) -> Fields:
    """Read what all grouped-query decoders with Llama's names share."""
    hidden_size = _size(config, "hidden_size")
    heads = _size(config, "num_attention_heads")
    key = "num_key_value_heads"
    absent = config.get(key) is None and (key in config or not kv_heads_required)
    kv_heads = heads if absent else _size(config, key)
    if heads % kv_heads:
        raise UserError(f"config.json: num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}")
    return {
        "layers": _layers(config),
        "hidden_size": hidden_size,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": _head_dim(config, hidden_size, heads, head_dim),
        "ffn_size": _size(config, "intermediate_size"),
        "vocab_size": _size(config, "vocab_size"),
        "tied_embeddings": _flag(config, "tie_word_embeddings", default=tied),
    }


def _gpt(config: Mapping[str, object]) -> Fields:
    """Read what decoders with GPT-2's names share."""
    hidden_size, heads = _size(config, "n_embd"), _size(config, "n_head")
    return {
        "layers": _layers(config, "n_layer"),
        "hidden_size": hidden_size,
        "heads": heads,
        "kv_heads": heads,
        "head_dim": _head_dim(config, hidden_size, heads, None),
        "ffn_size": 4 * hidden_size if config.get("n_inner") is None else _size(config, "n_inner"),
        "vocab_size": _size(config, "vocab_size"),
        "gated_ffn": False,
        "layer_norm": True,
        "tied_embeddings": _flag(config, "tie_word_embeddings"),
    }


def _head_dim(config: Mapping[str, object], hidden_size: int, heads: int, default: int | None) -> int:
    if config.get("head_dim") is not None:
        return _size(config, "head_dim")
    if default is not None:
        return default
    if hidden_size % heads:
        raise UserError(f"config.json: the hidden size {hidden_size} is not a multiple of {heads} heads; add head_dim")
    return hidden_size // heads


def _window(config: Mapping[str, object], default: int | None = None) -> Fields:
    """Read a sliding window in every layer, if any."""
    if "sliding_window" in config:
        window = None if config["sliding_window"] is None else _size(config, "sliding_window")
    else:
        window = default
    layers = _layers(config) if window else 0
    return {"sliding_window": window, "sliding_layers": layers}


def _late_window(config: Mapping[str, object]) -> Fields:
    """Read Qwen's sliding window, in layers from `max_window_layers` on or those that `layer_types` names."""
    if not _flag(config, "use_sliding_window") or config.get("sliding_window") is None:
        return {}
    layers = _layers(config)
    types = config.get("layer_types")
    if isinstance(types, list):
        sliding = sum(kind == "sliding_attention" for kind in types)
    else:
        sliding = max(layers - _count(config, "max_window_layers"), 0)
    return {"sliding_window": _size(config, "sliding_window"), "sliding_layers": sliding}


def _experts(fields: Fields) -> Fields:
    if fields["active"] > fields["count"]:
        raise UserError(f"config.json: num_experts_per_tok {fields['active']} exceeds the {fields['count']} experts")
    return fields


def _layers(config: Mapping[str, object], key: str = "num_hidden_layers") -> int:
    return _whole(config, key, 1, MAX_LAYERS)


def _size(config: Mapping[str, object], key: str) -> int:
    return _whole(config, key, 1)


def _count(config: Mapping[str, object], key: str) -> int:
    return _whole(config, key, 0)


def _whole(config: Mapping[str, object], key: str, least: int, most: int = MAX_SIZE) -> int:
    value = config.get(key)
    if value is None:
        raise UserError(f"config.json lacks {key}")
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"config.json: {key} must be a whole number of at least {least}, not {quoted(value)}")
    if value > most:
        raise UserError(f"config.json: {key} is {quoted(value)}, above the limit of {most}; fix the file")
    return value


def _flag(config: Mapping[str, object], key: str, default: bool = False) -> bool:
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise UserError(f"config.json: {key} must be true or false, not {quoted(value)}")
    return value


_READERS: dict[str, Callable[[Mapping[str, object]], Fields]] = {
    "llama": _llama,
    "mistral": _mistral,
    "mixtral": _mixtral,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "qwen3_moe": _qwen3_moe,
    "starcoder2": _starcoder2,
    "codegen": _codegen,
    "gpt_bigcode": _gpt_bigcode,
    "deepseek_v3": _deepseek_v3,
}
SUPPORTED_MODEL_TYPES = tuple(_READERS)
