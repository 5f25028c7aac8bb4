"""Numbers that transformers caches for a prompt against those that are counted."""

import warnings
from typing import Any

import pytest
from codebudget.budgets.architecture import Architecture
from codebudget.budgets.memory import kv_bytes, kv_bytes_per_token
from codebudget.records import Workload

torch = pytest.importorskip("torch", reason="needs the extra [transformers]")
transformers = pytest.importorskip("transformers", reason="needs the extra [transformers]")

WINDOW = 16
SMALL: dict[str, Any] = {
    "num_hidden_layers": 4,
    "hidden_size": 48,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
    "vocab_size": 96,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
SLIDING = {"sliding_window": WINDOW}
CONFIGS: dict[str, dict[str, Any]] = {
    "cohere2": {**SLIDING, "sliding_window_pattern": 2},
    "falcon": {},
    "gemma2": {**SLIDING, "head_dim": 16},
    "gemma3_text": {**SLIDING, "sliding_window_pattern": 2},
    "glm4_moe": {"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8, "head_dim": 16},
    "gpt_oss": {**SLIDING, "num_local_experts": 4, "num_experts_per_tok": 2},
    "gptj": {"n_layer": 4, "n_embd": 48, "n_head": 6, "n_positions": 64, "rotary_dim": 8},
    "mistral": SLIDING,
    "olmo2": {},
    "phi3": SLIDING,
    "qwen3": {**SLIDING, "use_sliding_window": True, "max_window_layers": 1, "head_dim": 16},
}


def cached_numbers(config: dict[str, Any], tokens: int) -> int:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        settings = transformers.AutoConfig.for_model(**config)
        settings._experts_implementation = "eager"
        model = transformers.AutoModelForCausalLM.from_config(settings, attn_implementation="eager").eval()
        cache = model(torch.ones((1, tokens), dtype=torch.long), use_cache=True).past_key_values
    return sum(layer.keys.numel() + layer.values.numel() for layer in cache.layers)


@pytest.mark.parametrize("model_type", CONFIGS)
def test_a_prompt_takes_as_many_numbers_as_transformers_caches(model_type: str) -> None:
    config = {**SMALL, **CONFIGS[model_type], "model_type": model_type}
    shape = Architecture.from_config(config)
    short, long = WINDOW // 2, 3 * WINDOW
    assert cached_numbers(config, short) == short * kv_bytes_per_token(shape, 8)
    # transformers drops the token that leaves the window as the next one comes, one step before it is counted here.
    dropped = shape.windowed_layers * shape.kv_cache_width
    prompt = Workload(convention="tokens", prompt_tokens=long, output_tokens=1, source="test")
    assert cached_numbers(config, long) == kv_bytes(shape, prompt, 1, kv_bits=8) - dropped
