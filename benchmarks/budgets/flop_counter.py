"""FLOPs of packaged models by `torch.utils.flop_counter.FlopCounterMode` on the meta device, beside codebudget's.

Needs torch and transformers. Mixtures of experts need values to route by, so tests count small ones with real weights.

    python benchmarks/budgets/flop_counter.py --out benchmarks/budgets/flop_counter.md
"""

from __future__ import annotations

import argparse
import importlib.metadata
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

MODELS = [
    "codellama-7b",
    "codellama-70b",
    "llama-3.1-405b",
    "qwen2.5-coder-0.5b",
    "qwen2.5-coder-32b",
    "deepseek-coder-33b",
    "starcoder2-15b",
    "codegen-16b",
]
PROMPT_TOKENS = 512


def catalogue_configs() -> dict[str, dict[str, Any]]:
    from codebudget.budgets.models import config_of_entry

    files = (resources.files("codebudget.budgets") / "catalogue").iterdir()
    tables = [tomllib.loads(file.read_text(encoding="utf-8")) for file in files if file.name.endswith(".toml")]
    return {model["name"]: config_of_entry(model) for table in tables for model in table["models"]}


def counted(config: dict[str, Any]) -> tuple[int, int]:
    """FLOPs of prefill, with the last position's logits, and of the decode step after it."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoConfig, AutoModelForCausalLM, Cache

    with torch.device("meta"), torch.no_grad():
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), attn_implementation="eager").eval()
        prompt = torch.ones((1, PROMPT_TOKENS), dtype=torch.long)
        with FlopCounterMode(display=False) as prefill:
            output = model(prompt, use_cache=True, logits_to_keep=1)
            cache = {name: value for name, value in output.items() if isinstance(value, Cache)}
        with FlopCounterMode(display=False) as step:
            model(prompt[:, :1], use_cache=True, **cache)
    return prefill.get_total_flops(), step.get_total_flops()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    out = parser.parse_args().out
    from codebudget.budgets.architecture import Architecture
    from codebudget.budgets.flops import decode_flops, prefill_flops

    versions = " and ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers"))
    lines = [
        f"# FLOPs: codebudget against FlopCounterMode ({versions})",
        "",
        f"Made by `benchmarks/budgets/flop_counter.py`; a prompt of {PROMPT_TOKENS} tokens, then one decode step.",
        "",
        "| model | prefill, counted | codebudget / counted | step, counted | codebudget / counted |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in MODELS:
        config = catalogue_configs()[name]
        shape = Architecture.from_config(config)
        prefill, step = counted(config)
        ratios = prefill_flops(shape, PROMPT_TOKENS) / prefill, decode_flops(shape, PROMPT_TOKENS, 2) / step
        lines.append(f"| {name} | {prefill:.5e} | {ratios[0]:.8f} | {step:.5e} | {ratios[1]:.8f} |")
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if out is not None:
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
