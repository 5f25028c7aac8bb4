"""benchmarks/gpu/check.py refuses a machine without a GPU, and goes through its steps where it is rehearsed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ONE_GPU = """#!/bin/sh
echo "NVIDIA X, 80000 MiB"
"""


def check(
    repository: Path, folder: Path, *arguments: str, path: str | None = None
) -> "subprocess.CompletedProcess[str]":
    script = repository / "benchmarks" / "gpu" / "check.py"
    environment = os.environ if path is None else {**os.environ, "PATH": path}
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def test_without_a_gpu_it_says_so_and_writes_nothing(repository: Path, tmp_path: Path) -> None:
    done = check(repository, tmp_path, "--hardware", "h100", path=str(tmp_path))
    assert done.returncode == 3
    assert "no GPU here: nvidia-smi fails" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_vllm_it_says_how_to_install_it(repository: Path, tmp_path: Path) -> None:
    try:
        import vllm  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip("vllm is installed here")
    (tmp_path / "nvidia-smi").write_text(ONE_GPU)
    (tmp_path / "nvidia-smi").chmod(0o755)
    done = check(repository, tmp_path, "--hardware", "h100", path=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 3
    assert "the engine vllm" in done.stderr
    assert "pip install" in done.stderr


def test_its_steps_run(repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra [transformers]")
    done = check(repository, tmp_path, "--rehearse", "--tasks", "2", "--samples", "2")
    # Seconds are planned for no machine, so that they cannot hold.
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[0].startswith("| case | GPUs |")
    answer = json.loads((tmp_path / "gpu.json").read_text())
    assert answer["rehearsal"] is True
    for row in answer["rows"]:
        assert row["realised"]["samples"] == 4
        assert row["realised"]["with_logprobs"] == 4
        assert row["ratio"]["weight_bytes"] == pytest.approx(1, abs=0.1)
        assert row["why"] == ["runtime_s is not known on both sides"]


def test_the_readme_says_whether_it_was_run_on_a_gpu(repository: Path) -> None:
    results = list((repository / "benchmarks" / "gpu").glob("*.json"))
    was_run = any(not json.loads(path.read_text())["rehearsal"] for path in results)
    assert ("not yet run on a gpu" in (repository / "README.md").read_text().lower()) is not was_run
