"""The first thing that a new user runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from codebudget.models.nano import NAMES, nano_path


def test_the_demo_draws_grades_and_compares(repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra [transformers]")
    pytest.importorskip("transformers", reason="needs the extra [transformers]")
    # A copy, so that its store is not the checkout's.
    demo = tmp_path / "examples" / "demo"
    shutil.copytree(repository / "examples" / "demo", demo)
    environment = os.environ | {"CODEBUDGET": str(Path(sys.executable).parent / "codebudget"), "COLUMNS": "100"}
    command = [demo / "run.sh", "--tasks", "6"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nano, 6 tasks, graded in the" in done.stdout
    assert all(f"\n  {name}" in done.stdout for name in NAMES)
    assert "$ codebudget compare 4m:1 1m 250k --family nano --match flops" in done.stderr
    assert (tmp_path / ".codebudget" / "store.sqlite").is_file()


def test_the_demo_has_its_models() -> None:
    assert all((nano_path(name) / "model.safetensors").is_file() for name in NAMES)
