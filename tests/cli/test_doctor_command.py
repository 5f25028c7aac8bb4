"""`codebudget doctor`: what it reports, and that nothing about a machine makes it fail."""

import json
import os
import sys
from importlib import metadata
from importlib.util import find_spec

import pytest
from codebudget.sandbox import LAUNCHERS

DOCKER = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}


def test_it_reports_one_object(codebudget, tmp_path) -> None:
    result = codebudget("doctor", "--json", **DOCKER)
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["codebudget"] == metadata.version("codebudget")
    assert found["executable"] == sys.executable
    assert found["cores"] == len(os.sched_getaffinity(0))
    assert found["memory_available_bytes"] > 1 << 20
    assert found["disk_free_bytes"] > 0
    assert found["store"] == {"file": ".codebudget/store.sqlite", "bytes": None}
    assert {row["name"] for row in found["sandboxes"]} == set(LAUNCHERS)
    assert next(row for row in found["sandboxes"] if row["name"] == "process")["problem"] is None
    assert list(tmp_path.iterdir()) == []


def test_an_engine_has_a_version_or_the_line_that_installs_it(codebudget) -> None:
    found = json.loads(codebudget("doctor", "--json", **DOCKER).stdout)
    engines = {row["name"]: row for row in found["engines"]}
    assert engines.keys() == {"vllm", "transformers", "openai"}
    modules = {"vllm": ["vllm"], "transformers": ["torch", "transformers"], "openai": ["openai"]}
    for name, row in engines.items():
        if all(map(find_spec, modules[name])):
            assert (row["install"], bool(row["version"])) == (None, True)
        else:
            assert f"codebudget[{name}]" in row["install"]
            assert row["version"] is None
    assert bool(found["engine"]["name"]) == (found["engine"]["problem"] is None)


def test_docker_is_missed_by_name(codebudget) -> None:
    found = json.loads(codebudget("doctor", "--json", **DOCKER).stdout)
    assert "no Docker engine answers at unix:///nonexistent/docker.sock" in found["docker"]["problem"]


@pytest.mark.docker
def test_docker_is_found(codebudget) -> None:
    found = json.loads(codebudget("doctor", "--json").stdout)
    if found["docker"]["engine"] is None:
        pytest.skip("needs a Docker engine")
    assert found["docker"]["image"] or "codebudget sandbox build" in found["docker"]["problem"]


def test_a_reader_gets_lines(codebudget) -> None:
    result = codebudget("doctor", **DOCKER)
    assert (result.returncode, result.stderr) == (0, "")
    for word in ("processor", "GPU", "engine", "Docker", "model cache", "store", "vllm", "bubblewrap"):
        assert word in result.stdout


def test_what_is_to_be_typed_is_not_cut(codebudget) -> None:
    engines = json.loads(codebudget("doctor", "--json", **DOCKER).stdout)["engines"]
    words = set(codebudget("doctor", **DOCKER, COLUMNS="80").stdout.split())
    for row in engines:
        assert words >= set((row["install"] or row["name"]).split())


def test_a_store_is_weighed(codebudget, tmp_path) -> None:
    (tmp_path / "mine.sqlite").write_bytes(b"x" * 5)
    found = json.loads(codebudget("doctor", "--json", "--store", "mine.sqlite", **DOCKER).stdout)
    assert found["store"] == {"file": "mine.sqlite", "bytes": 5}


def test_gpus_are_those_of_nvidia_smi(codebudget, tmp_path_factory) -> None:
    tools = tmp_path_factory.mktemp("tools")
    tool = tools / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 81559, 81000, 570.1'\n")
    tool.chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    (gpu,) = json.loads(codebudget("doctor", "--json", **DOCKER, PATH=path).stdout)["gpus"]
    assert gpu == {
        "name": "NVIDIA H100 80GB HBM3",
        "memory_bytes": 81559 << 20,
        "free_bytes": 81000 << 20,
        "driver": "570.1",
    }
    tool.write_text("#!/bin/sh\nexit 9\n")
    broken = codebudget("doctor", "--json", **DOCKER, PATH=path)
    assert broken.returncode == 0
    assert "nvidia-smi failed" in json.loads(broken.stdout)["gpu_problem"]


def test_wrong_arguments_are_the_users(codebudget) -> None:
    result = codebudget("doctor", "--jsn")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
