"""Predicted bytes of checkpoints against those that llm-compressor writes, from a model made here."""

import contextlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from codebudget.budgets.architecture import Architecture
from codebudget.budgets.memory import weight_bytes

pytest.importorskip("llmcompressor", reason="needs pip install llmcompressor")


@pytest.fixture(scope="module")
def benchmark(repository: Path) -> ModuleType:
    path = repository / "benchmarks" / "budgets" / "checkpoint_bytes.py"
    spec = importlib.util.spec_from_file_location("checkpoint_bytes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "precision", ["bf16", "w4a16-g128", "int4", "w4a16-g128-asym", "int8", "fp8", "w3a16-g64-asym"]
)
def test_prediction_is_within_a_hundredth(benchmark: Any, precision: str, tmp_path: Path) -> None:
    config = {**benchmark.CONFIG, "num_hidden_layers": 1}
    method, settings = benchmark.RECIPES[precision]
    # llm-compressor leaves logs where it runs.
    with contextlib.chdir(tmp_path):
        written = benchmark.written_bytes(config, method, settings, tmp_path)
    assert weight_bytes(Architecture.from_config(config), precision) == pytest.approx(written, rel=0.01)
