"""Parameter counts against the models that transformers builds from the same config, on the meta device."""

import tomllib
import warnings
from importlib import resources
from typing import Any

import pytest
from codebudget.budgets.architecture import Architecture

torch = pytest.importorskip("torch", reason="needs the extra [transformers]")
transformers = pytest.importorskip("transformers", reason="needs the extra [transformers]")


def catalogue_configs() -> dict[str, dict[str, Any]]:
    """The config of every packaged model, as it is written in the catalogue."""
    files = (resources.files("codebudget.budgets") / "catalogue").iterdir()
    tables = [tomllib.loads(file.read_text(encoding="utf-8")) for file in files if file.name.endswith(".toml")]
    return {model["name"]: model["config"] for table in tables for model in table["models"]}


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
    "deepseek_v3": {**SMALL, **SMALL_LATENT},
    "deepseek_v3, full-rank queries": {**SMALL, **SMALL_LATENT, "q_lora_rank": None, "attention_bias": True},
}


def built_parameters(config: dict[str, Any]) -> int:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        built = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**config))
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
