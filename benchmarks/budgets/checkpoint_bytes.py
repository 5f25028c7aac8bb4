"""Bytes of checkpoints that llm-compressor writes, beside what `codebudget.budgets.memory.weight_bytes` predicts.

Makes a small Llama with random weights, quantises it with each recipe, saves it, and compares the safetensors files
with the prediction. Needs `pip install llmcompressor`; a GPU is not needed.

    python benchmarks/budgets/checkpoint_bytes.py --out benchmarks/budgets/checkpoint_bytes.md
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import tempfile
from pathlib import Path
from typing import Any

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 4,
    "hidden_size": 512,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "intermediate_size": 1536,
    "vocab_size": 2048,
    "max_position_embeddings": 256,
}

RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "bf16": ("none", {}),
    "w4a16-g128": ("round to nearest", {"scheme": "W4A16"}),
    "int4": ("GPTQ", {"scheme": "W4A16"}),
    "w4a16-g128-asym": ("round to nearest", {"scheme": "W4A16_ASYM"}),
    "w8a16-g128": ("round to nearest", {"scheme": "W8A16"}),
    "int8": ("round to nearest", {"scheme": "W8A8"}),
    "w8a8": ("GPTQ", {"scheme": "W8A8"}),
    "fp8": ("round to nearest", {"scheme": "FP8_DYNAMIC"}),
    "w3a16-g64-asym": ("round to nearest", {"bits": 3, "group": 64, "symmetric": False}),
}
"""What llm-compressor is told to do, by the precision that predicts its result."""


def written_bytes(config: dict[str, Any], method: str, settings: dict[str, Any], folder: Path) -> int:
    """Bytes of the safetensors files of a model made from `config` and quantised."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    made, quantised = folder / "made", folder / "quantised"
    AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), dtype=torch.bfloat16).save_pretrained(made)
    if method == "none":
        return checkpoint_bytes(made)
    model = AutoModelForCausalLM.from_pretrained(made, dtype=torch.bfloat16)
    quantise(model, method, settings, config["vocab_size"])
    model.save_pretrained(quantised, save_compressed=True)
    return checkpoint_bytes(quantised)


def checkpoint_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def quantise(model: Any, method: str, settings: dict[str, Any], vocab_size: int) -> None:
    from llmcompressor import oneshot
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier

    if "scheme" in settings:
        chosen: dict[str, Any] = {"targets": "Linear", "scheme": settings["scheme"]}
    else:
        weights = {
            "num_bits": settings["bits"],
            "type": "int",
            "strategy": "group",
            "group_size": settings["group"],
            "symmetric": settings["symmetric"],
        }
        chosen = {"config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}
    modifier = GPTQModifier if method == "GPTQ" else QuantizationModifier
    arguments: dict[str, Any] = {}
    if method == "GPTQ":
        arguments = {
            "dataset": random_tokens(vocab_size),
            "processor": numbers_tokenizer(vocab_size),
            "num_calibration_samples": 8,
            "max_seq_length": 64,
        }
    oneshot(model=model, recipe=modifier(ignore=["lm_head"], **chosen), **arguments)


def random_tokens(vocab_size: int) -> Any:
    import torch
    from datasets import Dataset

    tokens = torch.randint(0, vocab_size, (8, 64)).tolist()
    return Dataset.from_dict({"input_ids": tokens, "attention_mask": [[1] * 64 for _ in tokens]})


def numbers_tokenizer(vocab_size: int) -> Any:
    """A tokenizer that llm-compressor can pad with; the samples are tokens already."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = {str(number): number for number in range(vocab_size)}
    tokenizer = Tokenizer(WordLevel(words, unk_token="0"))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="0", unk_token="0")


def measure(config: dict[str, Any]) -> list[dict[str, Any]]:
    from codebudget.budgets.architecture import Architecture
    from codebudget.budgets.memory import weight_bytes

    architecture = Architecture.from_config(config)
    rows = []
    for precision, (method, settings) in RECIPES.items():
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            written = written_bytes(config, method, settings, Path(folder))
        predicted = weight_bytes(architecture, precision)
        rows.append(
            {
                "precision": precision,
                "recipe": settings.get("scheme", json.dumps(settings)),
                "method": method,
                "predicted_bytes": predicted,
                "written_bytes": written,
                "ratio": predicted / written,
            }
        )
    return rows


def table(config: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    version = importlib.metadata.version("llmcompressor")
    lines = [
        f"# Checkpoint bytes: predicted against written by llm-compressor {version}",
        "",
        "Made by `benchmarks/budgets/checkpoint_bytes.py` from a random Llama:",
        f"`{json.dumps(config)}`. Written bytes are whole safetensors files, headers included.",
        "",
        "| precision | recipe | method | predicted bytes | written bytes | predicted / written |",
        "|---|---|---|---:|---:|---:|",
    ]
    for row in rows:
        recipe = row["recipe"].replace('"', "")
        lines.append(
            f"| {row['precision']} | {recipe} | {row['method']} | {row['predicted_bytes']:,} | "
            f"{row['written_bytes']:,} | {row['ratio']:.4f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    out = parser.parse_args().out
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    text = table(CONFIG, measure(CONFIG))
    print(text, end="")
    if out is not None:
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
