"""Predicted bytes of checkpoints against those that llm-compressor wrote, and writes for a model made here."""

import contextlib
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from codebudget.budgets.architecture import Architecture
from codebudget.budgets.memory import weight_bytes


@pytest.fixture(scope="module")
def benchmark(repository: Path) -> dict[str, Any]:
    return runpy.run_path(str(repository / "benchmarks" / "budgets" / "checkpoint_bytes.py"))


def test_the_recorded_table_holds(benchmark: dict[str, Any], repository: Path) -> None:
    text = (repository / "benchmarks" / "budgets" / "checkpoint_bytes.md").read_text(encoding="utf-8")
    config = re.search(r"`(\{.*\})`", text)
    assert config is not None
    assert json.loads(config[1]) == benchmark["CONFIG"]
    rows = re.findall(r"^\| ([\w-]+) \|.*\| ([\d,]+) \| ([\d,]+) \| [\d.]+ \|$", text, re.MULTILINE)
    assert [precision for precision, _, _ in rows] == list(benchmark["RECIPES"])
    architecture = Architecture.from_config(benchmark["CONFIG"])
    for precision, predicted, written in rows:
        assert weight_bytes(architecture, precision) == int(predicted.replace(",", ""))
        assert int(predicted.replace(",", "")) == pytest.approx(int(written.replace(",", "")), rel=0.01)


@pytest.mark.parametrize(
    "precision", ["bf16", "w4a16-g128", "int4", "w4a16-g128-asym", "int8", "fp8", "w3a16-g64-asym"]
)
def test_prediction_is_within_a_hundredth(benchmark: dict[str, Any], precision: str, tmp_path: Path) -> None:
    pytest.importorskip("llmcompressor", reason="needs llm-compressor: pip install llmcompressor")
    config = {**benchmark["CONFIG"], "num_hidden_layers": 1}
    method, settings = benchmark["RECIPES"][precision]
    # llm-compressor leaves logs where it runs.
    with contextlib.chdir(tmp_path):
        written = benchmark["written_bytes"](config, method, settings, tmp_path)
    assert weight_bytes(Architecture.from_config(config), precision) == pytest.approx(written, rel=0.01)
