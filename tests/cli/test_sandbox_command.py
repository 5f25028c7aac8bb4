"""`codebudget sandbox check` and `clean`."""

import json
import os
from pathlib import Path

import pytest
from codebudget.sandbox.conformance import corpus
from codebudget.sandbox.images import IMAGES
from codebudget.sandbox.launchers.ownership import make_folder, owner_mark

HONEST = """
from codebudget.sandbox.launchers.process import ProcessLauncher

class Mine(ProcessLauncher):
    name = "mine"
"""
BROKEN = """
import itertools
from codebudget.sandbox.launchers.process import ProcessLauncher

class Broken(ProcessLauncher):
    name = "broken"
    numbers = itertools.count()
    def environment(self):
        return f"broken {next(self.numbers)}"
"""


def test_check_attacks_a_launcher_of_ones_own(codebudget, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HONEST)
    ran = codebudget("sandbox", "check", "--sandbox", "mine.py:Mine", "--json", timeout_s=600)
    report = json.loads(ran.stdout.splitlines()[-1])
    assert [result for result in report["results"] if result["outcome"] == "FAILED"] == []
    assert ran.returncode == 0
    assert report["sandbox"] == "mine"
    assert report["environment"].startswith("process ")
    assert report["ok"] + report["not_promised"] == len(report["results"])
    assert report["not_promised"] > 0
    groups = {result["name"].partition("/")[0] for result in report["results"]}
    assert groups == {"launcher", *(attack.name.partition("/")[0] for attack in corpus())}
    assert len(report["result_hash"]) == len(report["corpus"]) == 64


def test_check_of_a_launcher_that_fails_is_exit_code_one(codebudget, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    result = codebudget("sandbox", "check", "--sandbox", "broken.py:Broken")
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert "launcher" in lines
    assert any(line.startswith("has_one_environment") and line.endswith("FAILED") for line in lines)
    assert "its environment changes from one call to the next" in result.stdout
    assert lines[-2].startswith("broken: 4 ok, 0 not promised, 1 failed in ")
    assert lines[-1].startswith("result hash ")


@pytest.mark.parametrize("name", ["auto", "docker"])
def test_check_without_a_sandbox_that_works_is_exit_code_three(codebudget, tmp_path: Path, name: str) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "PATH": str(tmp_path)}
    result = codebudget("sandbox", "check", "--sandbox", name, **nowhere)
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.count("\n") == 1


def test_check_of_an_unknown_sandbox_is_the_users_mistake(codebudget) -> None:
    result = codebudget("sandbox", "check", "--sandbox", "gvisor")
    assert result.returncode == 2
    assert "FILE.py:Class" in result.stderr


def test_clean_removes_what_dead_owners_left_and_nothing_else(codebudget, tmp_path: Path) -> None:
    # Whatever else runs on this machine removes what the dead left in /tmp, as this does.
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "TMPDIR": str(tmp_path)}
    machine, pid, start = owner_mark().split("-")
    dead = f"{tmp_path}/codebudget-{machine}-{pid}-{int(start) + 1}-abcdefgh"
    mine = make_folder(str(tmp_path))
    try:
        os.makedirs(f"{dead}/run-1")
        result = codebudget("sandbox", "clean", "--json", **nowhere)
        report = json.loads(result.stdout)
        assert result.returncode == 0
        assert f"folder {dead}" in report["removed"]
        assert f"folder {mine}" not in report["removed"]
        assert list(report["unreachable"]) == ["docker"]
        assert (os.path.exists(dead), os.path.exists(mine)) == (False, True)
        again = codebudget("sandbox", "clean", **nowhere)
        assert again.returncode == 0
        assert again.stdout == "nothing was left over\n" or "removed folder /tmp/codebudget-" in again.stdout
        assert "docker was not checked: no Docker engine answers" in again.stderr
    finally:
        os.rmdir(mine)


def test_build_knows_its_images(codebudget, tmp_path: Path) -> None:
    unknown = codebudget("sandbox", "build", "--image", "fat")
    assert unknown.returncode == 2
    assert "choose from plain, bigcodebench, bigcodebench-lean" in unknown.stderr
    nowhere = codebudget("sandbox", "build", "--image", "bigcodebench", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert (nowhere.returncode, nowhere.stdout) == (3, "")
    assert "no Docker engine answers" in nowhere.stderr


def test_every_image_has_its_file_and_full_pins_its_versions(repository: Path) -> None:
    folder = repository / "sandbox" / "image"
    for image in IMAGES.values():
        assert (folder / image.dockerfile).read_text().startswith("# ")
    full = (folder / IMAGES["bigcodebench"].dockerfile).read_text()
    assert full.startswith("# NEVER BUILT HERE.")
    pins = [line for line in (folder / "bigcodebench.txt").read_text().splitlines() if not line.startswith("#")]
    assert pins == sorted(set(pins))
    assert [pin for pin in pins if "==" not in pin] == ["python-levenshtein-wheels"]
    assert {"numpy==1.21.2", "pandas==2.0.3", "tensorflow==2.11.1"} <= set(pins)
