"""Parameter counts against the models that transformers builds from the same config, on the meta device."""

import json
import tomllib
import warnings
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from codebudget.budgets.architecture import Architecture
from codebudget.budgets.configs import SUPPORTED_MODEL_TYPES
from codebudget.budgets.configs.multimodal import PAIRS
from codebudget.budgets.models import config_of_entry

torch = pytest.importorskip("torch", reason="needs the extra [transformers]")
transformers = pytest.importorskip("transformers", reason="needs the extra [transformers]")


def catalogue_configs() -> dict[str, dict[str, Any]]:
    """The config of every packaged model, as it is written in the catalogue."""
    files = (resources.files("codebudget.budgets") / "catalogue").iterdir()
    tables = [tomllib.loads(file.read_text(encoding="utf-8")) for file in files if file.name.endswith(".toml")]
    return {model["name"]: config_of_entry(model) for table in tables for model in table["models"]}


CASES: dict[str, Any] = json.loads((Path(__file__).parent / "architectures.json").read_text(encoding="utf-8"))
# Classes whose own defaults build no model, or, for glm4_moe, one with heads that do not share the hidden size evenly.
UNUSABLE_DEFAULTS = {
    "deepseek_v2": {"num_experts_per_tok": 6},
    "dots1": {"n_routed_experts": 8, "n_shared_experts": 2, "num_experts_per_tok": 6},
    "hunyuan_v1_dense": {"head_dim": 128},
    "nemotron": {"num_key_value_heads": 8},
    # Every file of it names them, and one that does not is refused.
    "qwen2": {"num_key_value_heads": 8},
    "glm4_moe": {"head_dim": 128},
    "ministral": {"head_dim": 128},
}

SMALL: dict[str, Any] = {
    "num_hidden_layers": 4,
    "hidden_size": 48,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
    "vocab_size": 96,
}
SMALL_GPT = {"n_layer": 3, "n_embd": 64, "n_head": 4, "vocab_size": 96, "n_positions": 32}
SMALL_LATENT = {
    "model_type": "deepseek_v3",
    "num_key_value_heads": 6,
    "kv_lora_rank": 12,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 6,
    "q_lora_rank": 10,
    "moe_intermediate_size": 10,
    "n_routed_experts": 8,
    "n_shared_experts": 2,
    "num_experts_per_tok": 3,
    "first_k_dense_replace": 1,
    "n_group": 2,
    "topk_group": 1,
}
SMALL_LINEAR: dict[str, Any] = {
    "head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 12,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 12,
    "shared_expert_intermediate_size": 20,
}
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 50,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
}
TEXT = {**SMALL, "model_type": "gemma3_text", "sliding_window": 8}
NESTED: dict[str, dict[str, Any]] = {
    "gemma3": {
        "model_type": "gemma3",
        "text_config": TEXT,
        "vision_config": {**VISION, "model_type": "siglip_vision_model", "vision_use_head": False},
        "mm_tokens_per_image": 4,
    },
    "gemma3, untied, with the encoder's head": {
        "model_type": "gemma3",
        "text_config": TEXT,
        "vision_config": {**VISION, "model_type": "siglip_vision_model"},
        "mm_tokens_per_image": 4,
        "tie_word_embeddings": False,
    },
    "mistral3": {
        "model_type": "mistral3",
        "text_config": {**SMALL, "model_type": "mistral", "sliding_window": None},
        "vision_config": {**VISION, "model_type": "pixtral"},
        "spatial_merge_size": 3,
        "multimodal_projector_bias": True,
        "tie_word_embeddings": False,
    },
    "mistral3 with ministral3": {
        "model_type": "mistral3",
        "text_config": {**SMALL, "model_type": "ministral3"},
        "vision_config": {**VISION, "model_type": "pixtral"},
        "vision_feature_layer": [-2, -1],
    },
    "mistral3 by default": {"model_type": "mistral3"},
    "qwen3_5": {"model_type": "qwen3_5", "text_config": {**SMALL, **SMALL_LINEAR, "model_type": "qwen3_5_text"}},
    "qwen3_5_moe": {
        "model_type": "qwen3_5_moe",
        "text_config": {**SMALL, **SMALL_LINEAR, "model_type": "qwen3_5_moe_text"},
        "tie_word_embeddings": True,
    },
}
VARIANTS: dict[str, dict[str, Any]] = {
    "llama with biases": {**SMALL, "model_type": "llama", "attention_bias": True, "mlp_bias": True},
    "llama tied, wide heads": {**SMALL, "model_type": "llama", "tie_word_embeddings": True, "head_dim": 16},
    "mistral": {**SMALL, "model_type": "mistral", "sliding_window": 8},
    "qwen2": {**SMALL, "model_type": "qwen2", "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
    "qwen3": {**SMALL, "model_type": "qwen3", "attention_bias": True},
    "qwen3_moe with dense layers": {
        **SMALL,
        "model_type": "qwen3_moe",
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 12,
        "decoder_sparse_step": 2,
        "mlp_only_layers": [3],
    },
    "mixtral": {**SMALL, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2},
    "starcoder2 by default": {**SMALL, "model_type": "starcoder2"},
    "starcoder2 without biases": {**SMALL, "model_type": "starcoder2", "use_bias": False, "tie_word_embeddings": False},
    "codegen": {**SMALL_GPT, "model_type": "codegen", "rotary_dim": 8, "n_inner": 80},
    "gpt_bigcode, one key head": {**SMALL_GPT, "model_type": "gpt_bigcode"},
    "gpt_bigcode, all key heads": {**SMALL_GPT, "model_type": "gpt_bigcode", "multi_query": False},
    "gemma": {**SMALL, "model_type": "gemma", "attention_bias": True},
    "gemma2": {**SMALL, "model_type": "gemma2", "head_dim": 16, "sliding_window": 8},
    "gemma3_text": {**SMALL, "model_type": "gemma3_text", "head_dim": 16, "sliding_window": 8},
    "gemma3_text by an older pattern": {**SMALL, "model_type": "gemma3_text", "sliding_window_pattern": 2},
    "phi": {**SMALL, "model_type": "phi", "qk_layernorm": True},
    "phi3": {**SMALL, "model_type": "phi3", "sliding_window": 8, "pad_token_id": 0, "tie_word_embeddings": True},
    "phimoe": {
        **SMALL,
        "model_type": "phimoe",
        "num_local_experts": 4,
        "attention_bias": True,
        "lm_head_bias": True,
    },
    "gpt_oss": {**SMALL, "model_type": "gpt_oss", "head_dim": 16, "num_local_experts": 8, "sliding_window": 8},
    "gpt_oss without biases, all windows": {
        **SMALL,
        "model_type": "gpt_oss",
        "num_local_experts": 8,
        "attention_bias": False,
        "layer_types": ["sliding_attention"] * 4,
    },
    "deepseek_v2": {**SMALL, **SMALL_LATENT, "model_type": "deepseek_v2", "topk_method": "greedy"},
    "deepseek_v2, full-rank queries": {**SMALL, **SMALL_LATENT, "model_type": "deepseek_v2", "q_lora_rank": None},
    "glm": {**SMALL, "model_type": "glm", "head_dim": 16, "pad_token_id": 0},
    "glm4": {**SMALL, "model_type": "glm4", "attention_bias": False, "pad_token_id": 0},
    "glm4_moe": {
        **SMALL,
        "model_type": "glm4_moe",
        "n_routed_experts": 8,
        "n_shared_experts": 2,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 12,
        "first_k_dense_replace": 2,
        "use_qk_norm": True,
        "attention_bias": True,
    },
    "glm4_moe_lite": {**SMALL, **SMALL_LATENT, "model_type": "glm4_moe_lite", "n_group": 1, "topk_group": 1},
    "falcon, one key head": {**SMALL, "model_type": "falcon", "bias": True, "tie_word_embeddings": False},
    "falcon, all key heads in sequence": {
        **SMALL,
        "model_type": "falcon",
        "multi_query": False,
        "parallel_attn": False,
        "alibi": True,
    },
    "falcon, newer": {**SMALL, "model_type": "falcon", "new_decoder_architecture": True, "num_kv_heads": 2},
    "falcon, newer with one norm": {
        **SMALL,
        "model_type": "falcon",
        "new_decoder_architecture": True,
        "num_kv_heads": 2,
        "num_ln_in_parallel_attn": 1,
        "ffn_hidden_size": 100,
    },
    "olmo": {**SMALL, "model_type": "olmo"},
    "olmo2": {**SMALL, "model_type": "olmo2", "attention_bias": True},
    "olmo3": {**SMALL, "model_type": "olmo3", "sliding_window": 8},
    "olmoe": {**SMALL, "model_type": "olmoe", "num_experts": 8, "num_experts_per_tok": 2},
    "granite": {**SMALL, "model_type": "granite", "attention_bias": True, "mlp_bias": True},
    "granitemoe": {**SMALL, "model_type": "granitemoe", "num_local_experts": 4},
    "granitemoeshared": {**SMALL, "model_type": "granitemoeshared", "shared_intermediate_size": 20},
    "qwen2_moe": {
        **SMALL,
        "model_type": "qwen2_moe",
        "num_experts": 8,
        "moe_intermediate_size": 12,
        "shared_expert_intermediate_size": 20,
        "mlp_only_layers": [0],
        "use_sliding_window": True,
        "sliding_window": 8,
        "max_window_layers": 3,
    },
    "qwen3_next": {**SMALL, **SMALL_LINEAR, "model_type": "qwen3_next", "mlp_only_layers": [0]},
    "qwen3_next, other layers": {
        **SMALL,
        **SMALL_LINEAR,
        "model_type": "qwen3_next",
        "attention_bias": True,
        "layer_types": ["linear_attention", "full_attention"] * 2,
    },
    "qwen3_5_text": {**SMALL, **SMALL_LINEAR, "model_type": "qwen3_5_text", "tie_word_embeddings": True},
    "qwen3_5_moe_text": {**SMALL, **SMALL_LINEAR, "model_type": "qwen3_5_moe_text"},
    "smollm3": {**SMALL, "model_type": "smollm3", "pad_token_id": 0},
    "smollm3 with windows": {
        **SMALL,
        "model_type": "smollm3",
        "use_sliding_window": True,
        "sliding_window": 8,
        "no_rope_layer_interval": 2,
        "pad_token_id": 0,
    },
    "gpt2": {**SMALL_GPT, "model_type": "gpt2"},
    "gpt2 by other names": {
        "model_type": "gpt2",
        "num_hidden_layers": 3,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "max_position_embeddings": 40,
    },
    "gpt_oss by another name": {**SMALL, "model_type": "gpt_oss", "num_experts": 4},
    "glm4_moe by another name": {
        **SMALL,
        "model_type": "glm4_moe",
        "num_local_experts": 8,
        "moe_intermediate_size": 12,
        "head_dim": 16,
    },
    "gpt2 untied": {**SMALL_GPT, "model_type": "gpt2", "n_inner": 80, "tie_word_embeddings": False},
    "gptj": {**SMALL_GPT, "model_type": "gptj", "rotary_dim": 8},
    "gpt_neo": {
        "model_type": "gpt_neo",
        "num_layers": 4,
        "hidden_size": 48,
        "num_heads": 6,
        "vocab_size": 96,
        "max_position_embeddings": 32,
        "window_size": 8,
        "attention_types": [[["global", "local"], 1], [["local"], 2]],
    },
    "gpt_neox": {**SMALL, "model_type": "gpt_neox", "num_key_value_heads": 6},
    "gpt_neox without biases on attention": {
        **SMALL,
        "model_type": "gpt_neox",
        "num_key_value_heads": 6,
        "attention_bias": False,
        "use_parallel_residual": False,
    },
    "ministral": {**SMALL, "model_type": "ministral", "head_dim": 16, "sliding_window": 8},
    "ministral3": {**SMALL, "model_type": "ministral3", "tie_word_embeddings": True},
    "seed_oss": {**SMALL, "model_type": "seed_oss", "attention_out_bias": True, "mlp_bias": True},
    "cohere": {**SMALL, "model_type": "cohere", "use_qk_norm": True},
    "cohere2": {**SMALL, "model_type": "cohere2", "sliding_window": 8, "attention_bias": True},
    "stablelm": {**SMALL, "model_type": "stablelm", "use_qkv_bias": True, "qk_layernorm": True},
    "stablelm, parallel": {**SMALL, "model_type": "stablelm", "use_parallel_residual": True},
    "minimax_m2": {**SMALL, "model_type": "minimax_m2", "num_local_experts": 8, "num_experts_per_tok": 2},
    "arcee": {**SMALL, "model_type": "arcee", "mlp_bias": True},
    "dots1": {
        **SMALL,
        "model_type": "dots1",
        "n_routed_experts": 8,
        "n_shared_experts": 2,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 12,
        "first_k_dense_replace": 1,
        "sliding_window": 8,
        "max_window_layers": 3,
        "attention_bias": True,
    },
    "ernie4_5": {**SMALL, "model_type": "ernie4_5", "use_bias": True},
    "exaone4": {**SMALL, "model_type": "exaone4", "sliding_window": 8},
    "exaone4 without windows": {
        **SMALL,
        "model_type": "exaone4",
        "sliding_window": None,
        "layer_types": ["full_attention"] * 4,
    },
    "hunyuan_v1_dense": {**SMALL, "model_type": "hunyuan_v1_dense", "attention_bias": True, "head_dim": 16},
    "nemotron": {**SMALL, "model_type": "nemotron", "attention_bias": True, "mlp_bias": True},
    "deepseek_v3": {**SMALL, **SMALL_LATENT},
    "deepseek_v3, full-rank queries": {**SMALL, **SMALL_LATENT, "q_lora_rank": None, "attention_bias": True},
}


def built_parameters(config: dict[str, Any]) -> int:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = transformers.AutoConfig.for_model(**config)
        try:
            built = transformers.AutoModelForCausalLM.from_config(settings)
        except ValueError:
            built = transformers.AutoModelForImageTextToText.from_config(settings)
    built.tie_weights()
    return sum(parameter.numel() for parameter in built.parameters())


@pytest.mark.parametrize("name", sorted(catalogue_configs()))
def test_every_packaged_model_has_as_many_parameters_as_transformers_builds(name: str) -> None:
    config = catalogue_configs()[name]
    assert Architecture.from_config(config).parameter_count() == built_parameters(config)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_supported_variant_has_as_many_parameters_as_transformers_builds(name: str) -> None:
    assert Architecture.from_config(VARIANTS[name]).parameter_count() == built_parameters(VARIANTS[name])


@pytest.mark.parametrize("name", VARIANTS)
def test_a_config_that_transformers_wrote_out_reads_the_same(name: str) -> None:
    written = transformers.AutoConfig.for_model(**VARIANTS[name]).to_dict()
    assert Architecture.from_config(written) == Architecture.from_config(VARIANTS[name])


@pytest.mark.parametrize("name", NESTED)
def test_a_decoder_with_an_image_encoder_has_as_many_parameters_as_transformers_builds(name: str) -> None:
    assert Architecture.from_config(NESTED[name]).parameter_count() == built_parameters(NESTED[name])
    written = json.loads(transformers.AutoConfig.for_model(**NESTED[name]).to_json_string(use_diff=False))
    assert Architecture.from_config(written) == Architecture.from_config(NESTED[name])


@pytest.mark.parametrize("name", CASES)
def test_known_models_have_as_many_parameters_as_transformers_builds(name: str) -> None:
    config = CASES[name]["config"]
    # transformers has no kimi_k2: the model's own code is that of deepseek_v3.
    config = {**config, "model_type": "deepseek_v3"} if config["model_type"] == "kimi_k2" else config
    assert CASES[name]["parameters"] == built_parameters(config)


@pytest.mark.parametrize("model_type", sorted({*SUPPORTED_MODEL_TYPES} - {"kimi_k2", *PAIRS}))
def test_what_a_config_leaves_out_is_what_transformers_puts_in(model_type: str) -> None:
    written = transformers.AutoConfig.for_model(model_type).to_dict()
    named = {"model_type", "num_hidden_layers", "hidden_size", "n_layer", "n_embd", "num_layers"}
    least = {key: value for key, value in written.items() if key in named} | UNUSABLE_DEFAULTS.get(model_type, {})
    assert Architecture.from_config(least) == Architecture.from_config({**written, **least})
    assert Architecture.from_config(least).parameter_count() == built_parameters(least)
