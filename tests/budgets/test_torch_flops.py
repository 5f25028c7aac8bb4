"""FLOPs against torch's own counter, of prefill and of one decode step, for every class of architecture.

At full size on the meta device where a pass needs no values; a small model with real weights where routing does.
"""

import warnings
from typing import Any

import pytest
from codebudget.budgets.architecture import Architecture
from codebudget.budgets.flops import decode_flops, forward_flops, prefill_flops, reexpanded_step_flops
from codebudget.budgets.models import find_model

torch = pytest.importorskip("torch", reason="needs the extra [transformers]")
transformers = pytest.importorskip("transformers", reason="needs the extra [transformers]")
flop_counter = pytest.importorskip("torch.utils.flop_counter")

TOLERANCE = 1e-3
PROMPT = 100

SMALL: dict[str, Any] = {
    "num_hidden_layers": 3,
    "hidden_size": 256,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 384,
    "vocab_size": 640,
}
ROUTED: dict[str, dict[str, Any]] = {
    "mixtral": {**SMALL, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_moe": {
        **SMALL,
        "model_type": "qwen3_moe",
        "head_dim": 48,
        "num_experts": 8,
        "num_experts_per_tok": 3,
        "moe_intermediate_size": 96,
        "mlp_only_layers": [0],
    },
    "deepseek_v3": {
        **SMALL,
        "model_type": "deepseek_v3",
        "num_key_value_heads": 8,
        "q_lora_rank": 96,
        "kv_lora_rank": 64,
        "qk_nope_head_dim": 32,
        "qk_rope_head_dim": 16,
        "v_head_dim": 24,
        "moe_intermediate_size": 96,
        "n_routed_experts": 8,
        "n_shared_experts": 1,
        "num_experts_per_tok": 3,
        "first_k_dense_replace": 1,
        "n_group": 2,
        "topk_group": 2,
    },
}
DENSE: dict[str, dict[str, Any]] = {
    "gpt_bigcode": {
        "model_type": "gpt_bigcode",
        "n_layer": 40,
        "n_embd": 6144,
        "n_head": 48,
        "vocab_size": 49152,
        "n_positions": 8192,
    },
    "mistral with a short window": {
        "model_type": "mistral",
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "vocab_size": 32000,
        "sliding_window": 64,
    },
    "qwen3": {
        "model_type": "qwen3",
        "num_hidden_layers": 36,
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 12288,
        "vocab_size": 151936,
    },
}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 96}
GPT = {"n_layer": 3, "n_embd": 256, "n_head": 8, "vocab_size": 640, "n_positions": 256}
# Windows shorter than the prompt where there are any, and token ids within the vocabulary.
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
OTHERS: dict[str, dict[str, Any]] = {
    "cohere2": {**SMALL, "model_type": "cohere2", "sliding_window": 32},
    "deepseek_v2": {**ROUTED["deepseek_v3"], "model_type": "deepseek_v2", "topk_method": "greedy", "n_group": 1},
    "falcon, one key head": {**SMALL, "model_type": "falcon"},
    "falcon, newer": {**SMALL, "model_type": "falcon", "num_kv_heads": 2, "new_decoder_architecture": True},
    "gemma2": {**SMALL, "model_type": "gemma2", "head_dim": 48, "sliding_window": 32},
    "gemma3_text": {**SMALL, "model_type": "gemma3_text", "sliding_window": 32, "sliding_window_pattern": 2},
    "glm4": {**SMALL, "model_type": "glm4"},
    "glm4_moe": {**SMALL, **EXPERTS, "model_type": "glm4_moe", "n_routed_experts": 8, "head_dim": 48},
    "gpt2": {**GPT, "model_type": "gpt2"},
    "gpt_neox": {**SMALL, "model_type": "gpt_neox", "num_key_value_heads": 8},
    "gpt_oss": {**SMALL, "model_type": "gpt_oss", "num_local_experts": 4, "sliding_window": 32},
    "gptj": {**GPT, "model_type": "gptj", "rotary_dim": 16},
    "granite": {**SMALL, "model_type": "granite"},
    "granitemoeshared": {
        **SMALL,
        "model_type": "granitemoeshared",
        "num_local_experts": 4,
        "shared_intermediate_size": 96,
    },
    "minimax_m2": {**SMALL, "model_type": "minimax_m2", "num_local_experts": 4, "num_experts_per_tok": 2},
    "olmo2": {**SMALL, "model_type": "olmo2"},
    "olmoe": {**SMALL, "model_type": "olmoe", "num_experts": 4, "num_experts_per_tok": 2},
    "phi": {**SMALL, "model_type": "phi"},
    "phi3": {**SMALL, "model_type": "phi3", "sliding_window": 32},
    "phimoe": {**SMALL, "model_type": "phimoe", "num_local_experts": 4},
    "qwen2_moe": {
        **SMALL,
        **EXPERTS,
        "model_type": "qwen2_moe",
        "num_experts": 8,
        "shared_expert_intermediate_size": 96,
    },
    "smollm3": {**SMALL, "model_type": "smollm3"},
}
LINEAR: dict[str, Any] = {
    **SMALL,
    **EXPERTS,
    "model_type": "qwen3_next",
    "num_hidden_layers": 4,
    "head_dim": 48,
    "num_experts": 8,
    "shared_expert_intermediate_size": 96,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 24,
}
# One of each class: multi-head, grouped-query, tied, biased, and parallel blocks. `CATALOGUE` names configs of its own.
CATALOGUE = {
    "codellama-7b": ("llama", {"num_key_value_heads": 32}),
    "llama-3.1-405b": ("llama", {}),
    "qwen2.5-coder-1.5b": ("qwen2", {}),
    "qwen2.5-coder-32b": ("qwen2", {}),
    "deepseek-coder-33b": ("llama", {}),
    "starcoder2-7b": ("starcoder2", {"use_bias": True}),
    "starcoder2-15b": ("starcoder2", {"use_bias": True}),
}


def hub_config(name: str) -> dict[str, Any]:
    model_type, extra = CATALOGUE[name]
    shape = find_model(name).architecture
    return {
        "model_type": model_type,
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.hidden_size,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "intermediate_size": shape.ffn_size,
        "vocab_size": shape.vocab_size,
        "tie_word_embeddings": shape.tied_embeddings,
        "sliding_window": shape.sliding_window,
        **extra,
    }


def built(config: dict[str, Any], device: str, attention: str = "eager") -> Any:
    with torch.device(device), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = transformers.AutoConfig.for_model(**config)
        settings._experts_implementation = "eager"
        model = transformers.AutoModelForCausalLM.from_config(settings, attn_implementation=attention)
    return model.eval()


def counted(model: Any, device: str) -> tuple[int, int]:
    """FLOPs of prefill up to the last position's logits, and of the decode step after it, by torch's counter."""
    prompt = torch.ones((1, PROMPT), dtype=torch.long, device=device)
    with torch.no_grad():
        with flop_counter.FlopCounterMode(display=False) as prefill:
            output = model(prompt, use_cache=True, logits_to_keep=1)
            cache = {name: value for name, value in output.items() if isinstance(value, transformers.Cache)}
        with flop_counter.FlopCounterMode(display=False) as step:
            model(prompt[:, :1], use_cache=True, **cache)
    return prefill.get_total_flops(), step.get_total_flops()


def check(config: dict[str, Any], device: str, attention: str = "eager") -> None:
    shape = Architecture.from_config(config)
    prefill, step = counted(built(config, device, attention), device)
    assert prefill_flops(shape, PROMPT) == pytest.approx(prefill, rel=TOLERANCE)
    assert reexpanded_step_flops(shape, PROMPT) == pytest.approx(step, rel=TOLERANCE)
    if shape.latent is None:
        assert forward_flops(shape, 1, past_tokens=PROMPT) == pytest.approx(step, rel=TOLERANCE)
        assert decode_flops(shape, PROMPT, 2) == pytest.approx(step, rel=TOLERANCE)


@pytest.mark.parametrize("name", CATALOGUE)
def test_dense_models_of_the_catalogue_at_full_size(name: str) -> None:
    assert Architecture.from_config(hub_config(name)) == find_model(name).architecture
    check(hub_config(name), "meta")


@pytest.mark.parametrize("name", DENSE)
def test_other_dense_classes_at_full_size(name: str) -> None:
    check(DENSE[name], "meta")


@pytest.mark.parametrize("name", ["350m", "16b"])
def test_parallel_blocks_at_full_size(name: str) -> None:
    shape = find_model(name, "codegen").architecture
    config = {"model_type": "codegen", "n_layer": shape.layers, "n_embd": shape.hidden_size, "n_head": shape.heads}
    check({**config, "rotary_dim": 32, "vocab_size": shape.vocab_size}, "meta")


@pytest.mark.parametrize("name", ROUTED)
def test_mixtures_of_experts_with_real_weights(name: str) -> None:
    check(ROUTED[name], "cpu")


@pytest.mark.parametrize("name", OTHERS)
def test_other_classes_with_real_weights(name: str) -> None:
    check(OTHERS[name] | TOKENS, "cpu")


@pytest.mark.parametrize("model_type", ["qwen3_next", "qwen3_5_text"])
def test_linear_attention_with_real_weights(model_type: str) -> None:
    """transformers writes a step's products with the states element by element, which torch's counter leaves out."""
    shape = Architecture.from_config(LINEAR | {"model_type": model_type})
    assert shape.linear is not None
    prefill, step = counted(built(LINEAR | {"model_type": model_type}, "cpu"), "cpu")
    assert prefill_flops(shape, PROMPT) == pytest.approx(prefill, rel=TOLERANCE)
    by_element = 3 * 2 * 4 * 16 * 24 * 3
    # The convolution is counted over its padding, too.
    padding = 2 * 3 * shape.linear.kernel * shape.linear.mixed_width
    assert decode_flops(shape, PROMPT, 2) - by_element == pytest.approx(step - padding, rel=TOLERANCE)


@pytest.mark.parametrize("name", ["llama-3.1-405b", "starcoder2-7b"])
def test_fused_attention_counts_the_same(name: str) -> None:
    check(hub_config(name), "meta", "sdpa")


def test_latent_attention_decodes_on_the_latent_vectors() -> None:
    """One layer's decode step as engines run it (DeepSeek-V2, section 2.1.2), in torch, by torch's counter."""
    config = {**ROUTED["deepseek_v3"], "num_hidden_layers": 1}
    shape = Architecture.from_config(config)
    assert shape.latent is not None
    latent, heads = shape.latent, shape.heads
    layer = built(config, "cpu").model.layers[0]
    up = layer.self_attn.kv_b_proj.weight.view(heads, latent.nope_dim + latent.value_dim, latent.kv_rank)
    to_key, to_value = up.split([latent.nope_dim, latent.value_dim], dim=1)
    cached = torch.randn(PROMPT + 1, latent.kv_rank)
    rotary = torch.randn(PROMPT + 1, latent.rope_dim)
    hidden = torch.randn(1, shape.hidden_size)
    attention, head = layer.self_attn, torch.randn(shape.hidden_size, shape.vocab_size)
    with torch.no_grad(), flop_counter.FlopCounterMode(display=False) as step:
        query = attention.q_b_proj(attention.q_a_proj(hidden)).view(heads, 1, shape.head_dim)
        attention.kv_a_proj_with_mqa(hidden)
        plain, rotated = query.split([latent.nope_dim, latent.rope_dim], dim=-1)
        scores = (plain @ to_key) @ cached.T + rotated @ rotary.T
        values = (scores.softmax(-1) @ cached) @ to_value.transpose(1, 2)
        hidden = attention.o_proj(values.reshape(1, -1))
        layer.mlp(hidden) @ head
    assert forward_flops(shape, 1, past_tokens=PROMPT) == pytest.approx(step.get_total_flops(), rel=TOLERANCE)
