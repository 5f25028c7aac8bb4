"""The study of training recipes: its cells, its tables, and one run of it that trains next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from codebudget.models.nano.recipes.cells import ROUGHEST, SMOOTHEST, cells
from codebudget.models.nano.recipes.effects import MEASURES, as_markdown, effects, seed_ranges

if TYPE_CHECKING:
    from pathlib import Path


def rows() -> list[dict[str, Any]]:
    """Results in which weight decay lowers kurtosis by 2, whatever else is set, and nothing else does anything."""
    found = []
    for cell in cells():
        row: dict[str, Any] = dict.fromkeys(MEASURES, 1.0) | cell._asdict() | {"cell": cell.name, "outliers": []}
        row["kurtosis"] = (3.0 if cell.weight_decay == 0.1 else 5.0) + 0.5 * cell.seed
        found.append(row)
    return found


def test_there_are_twenty_runs_of_different_names() -> None:
    assert len(cells()) == len({cell.name for cell in cells()}) == 20
    assert {cell for cell in cells() if cell.seed} == {
        extreme._replace(seed=seed) for extreme in (ROUGHEST, SMOOTHEST) for seed in (1, 2)
    }
    assert len({cell[:4] for cell in cells()}) == 16


def test_effects_are_those_of_one_factor_all_else_equal() -> None:
    found = {(effect.factor, effect.measure): effect for effect in effects(rows())}
    assert found["weight_decay", "kurtosis"][2:] == (-2, -2, -2)
    assert all(effect.difference == 0 for key, effect in found.items() if key != ("weight_decay", "kurtosis"))
    assert seed_ranges(rows())[SMOOTHEST.name.rpartition("-s")[0]]["kurtosis"] == (3, 4)
    table = as_markdown(rows())
    assert table.count("\n| wd") == 22
    assert "-2 [-2, -2]" in table


def test_a_study_that_is_not_finished_has_no_effects_of_lone_cells() -> None:
    assert effects(rows()[:1]) == []
    assert "| weight_decay: 0.1 instead of 0.001 | - |" in as_markdown(rows()[:1])


def test_a_short_study_trains_measures_and_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs torch (pip install 'codebudget[transformers]')")
    pytest.importorskip("transformers", reason="needs transformers")
    pytest.importorskip("matplotlib", reason="needs matplotlib (pip install 'codebudget[report]')")
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"text": "def f(x):\\n    \\"\\"\\"Return x.\\"\\"\\"\\n"}\n' * 3)
    name = ROUGHEST.name
    command = [sys.executable, "-m", "codebudget.models.nano.recipes", "--out", "study", "--tokens", "8000"]
    command += ["--only", name, "--threads", "1", "--prompts", str(prompts)]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert first.returncode == 0, first.stderr
    (row,) = [json.loads(line) for line in (tmp_path / "study" / "results.jsonl").read_text().splitlines()]
    assert row["cell"] == name
    assert {"kurtosis", "w8a8_fdt", "w4a16_sdt", "floor_dppl", "loss"} <= set(row)
    assert (tmp_path / "study" / "plot.svg").is_file()
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=600)
    assert again.stdout == ""
