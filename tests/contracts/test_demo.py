"""The first thing that a new user runs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from codebudget.models.nano import NAMES, nano_path
from codebudget.models.nano.card import card_scores


def test_the_demo_draws_grades_and_compares(repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra [transformers]")
    pytest.importorskip("transformers", reason="needs the extra [transformers]")
    # A copy, so that its store is not the checkout's.
    demo = tmp_path / "examples" / "demo"
    shutil.copytree(repository / "examples" / "demo", demo)
    environment = os.environ | {"CODEBUDGET_PYTHON": sys.executable, "COLUMNS": "100"}
    command = [demo / "run.sh", "--tasks", "6"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nano, 6 tasks, graded in the" in done.stdout
    assert all(f"\n{name}" in done.stdout for name in ("4m", "1m", "250k"))
    assert done.stdout.endswith("which covers all 164 tasks, not 6.\n")
    assert "$ codebudget compare 4m:1 1m 250k --family nano --match flops" in done.stderr
    assert (tmp_path / ".codebudget" / "store.sqlite").is_file()


def comparison(shift: float) -> dict[str, Any]:
    """A comparison whose arms all pass `shift` more tasks than the card has."""
    arms = [
        {"spec": f"{name}:1", "model": f"nano-{name}", "rankers": {"random": {"value": scores["pass@1"].value + shift}}}
        for name, scores in card_scores().items()
    ]
    return {"tasks": 164, "arms": arms}


@pytest.mark.parametrize(("shift", "code", "words"), [(0.0, 0, "agree"), (-0.3, 1, "not those"), (0.3, 1, "not those")])
def test_the_demo_ends_with_1_where_its_scores_are_not_the_cards(
    shift: float, code: int, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "comparison.json"
    file.write_text(json.dumps(comparison(shift)), encoding="utf-8")
    command = [sys.executable, "-m", "codebudget.models.nano.card", "check", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert words in done.stdout
    assert code == 0 or all(name in done.stdout for name in NAMES)


def test_the_demo_has_its_models() -> None:
    assert all((nano_path(name) / "model.safetensors").is_file() for name in NAMES)
