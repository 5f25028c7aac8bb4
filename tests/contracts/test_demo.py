"""The first thing that a new user runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def test_every_line_says_whose_programs_these_are(repository: Path, tmp_path: Path) -> None:
    # A copy, so that its store is not the checkout's.
    demo = tmp_path / "examples" / "demo"
    shutil.copytree(repository / "examples" / "demo", demo)
    environment = os.environ | {"CODEBUDGET": str(Path(sys.executable).parent / "codebudget")}
    done = subprocess.run([demo / "run.sh"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) > 20
    assert all(line.startswith("not a model's | ") for line in lines)
    # What codebudget says on standard error is one line, however long.
    assert all(len(line) <= 100 for line in lines if "| codebudget: " not in line)
    assert "large:1" in done.stdout
    assert "small:4" in done.stdout
    assert done.stderr == ""
