"""The example files for schedulers: their syntax, their shells' syntax, and the commands in them."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from contracts.test_docs import mistake

if TYPE_CHECKING:
    from pathlib import Path

BATCH = ("board.sbatch", "board-apptainer.sbatch", "merge.sbatch")
NUMBERS = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "16", "SKYPILOT_NUM_NODES": "8", "shard": "1"}


@pytest.fixture
def examples(repository: Path) -> Path:
    return repository / "examples" / "cluster"


def loaded(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def scripts(folder: Path) -> dict[str, str]:
    """Every shell script in the examples, by where it is."""
    found = {name: (folder / name).read_text() for name in BATCH}
    sky = loaded(folder / "skypilot.yaml")[0]
    found |= {f"skypilot.yaml {part}": sky[part] for part in ("setup", "run")}
    _, job = loaded(folder / "kubernetes.yaml")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    found["kubernetes.yaml"] = container["args"][0]
    return found


def test_every_file_is_looked_at(examples: Path) -> None:
    assert {path.name for path in examples.iterdir()} == {*BATCH, "kubernetes.yaml", "skypilot.yaml"}


def test_shells_can_read_them(examples: Path) -> None:
    for name, text in scripts(examples).items():
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
        assert (name, done.returncode, done.stderr) == (name, 0, "")


def test_their_commands_parse(examples: Path) -> None:
    parsed = 0
    for name, text in scripts(examples).items():
        joined = re.sub(r"\\\n\s*", "", text)
        for line in joined.splitlines():
            found = re.search(r"(?<![\w/.-])codebudget (leaderboard|merge|sandbox) .*", line)
            if found is None or line.startswith("#"):
                continue
            words = re.sub(r"\$\{?(\w+)\}?", lambda one: NUMBERS.get(one[1], one[1]), found[0]).removesuffix("&")
            assert (name, mistake(tuple(shlex.split(words)))) == (name, None)
            parsed += 1
    assert parsed == 6


def test_slurm_reads_directives_before_the_first_command(examples: Path) -> None:
    for name in BATCH:
        lines = (examples / name).read_text().splitlines()
        assert lines[0] == "#!/bin/bash"
        first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
        directives = [number for number, line in enumerate(lines) if line.startswith("#SBATCH ")]
        assert directives
        assert max(directives) < first
        for number in directives:
            assert re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", lines[number])


def test_the_job_is_indexed_with_as_many_shards_as_completions(examples: Path) -> None:
    claim, job = loaded(examples / "kubernetes.yaml")
    assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    assert f'--shard "$shard/{spec["completions"]}"' in container["args"][0]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert claim["metadata"]["name"] in [
        volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume
    ]


def test_skypilot_counts_its_nodes_from_zero(examples: Path) -> None:
    (task,) = loaded(examples / "skypilot.yaml")
    assert set(task) <= {"name", "num_nodes", "resources", "workdir", "file_mounts", "envs", "setup", "run"}
    assert "SKYPILOT_NODE_RANK + 1" in task["run"]
    assert "$SKYPILOT_NUM_NODES" in task["run"]
