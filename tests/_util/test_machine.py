"""What the machine tells of itself: NVIDIA's tool is played by a script."""

import subprocess
from pathlib import Path

import pytest
from codebudget._util.machine import available_memory_bytes, cpu_field, cpu_name, nvidia_smi

ECHO = '#!/bin/sh\necho "$@" > "$(dirname "$0")/asked"\ncat <<END\n'


def tool(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = folder / "nvidia-smi"
    path.write_text(script)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_the_processor_has_a_name_and_memory_is_bounded_by_what_there_is() -> None:
    assert cpu_name() == (cpu_field("model name") or "CPU")
    assert cpu_field("no such field") is None
    available = available_memory_bytes()
    assert available is not None
    assert available > 1 << 20


def test_each_device_is_a_row_of_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, monkeypatch, f"{ECHO}NVIDIA H100, 81559 MiB\nNVIDIA L4, 23034 MiB\nno devices\nEND\n")
    assert nvidia_smi("name", "memory.total", units=True) == [("NVIDIA H100", "81559 MiB"), ("NVIDIA L4", "23034 MiB")]
    assert (tmp_path / "asked").read_text() == "--query-gpu=name,memory.total --format=csv,noheader\n"


def test_only_the_devices_that_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, monkeypatch, f"{ECHO}17\nEND\n")
    assert nvidia_smi("memory.used", devices="1") == [("17",)]
    assert (tmp_path / "asked").read_text() == "--query-gpu=memory.used --format=csv,noheader,nounits --id=1\n"


def test_a_tool_that_is_missing_fails_or_hangs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, monkeypatch, "#!/bin/sh\nexit 9\n")
    with pytest.raises(subprocess.CalledProcessError):
        nvidia_smi("name")
    tool(tmp_path, monkeypatch, "#!/bin/sh\nexec sleep 9\n")
    with pytest.raises(subprocess.TimeoutExpired):
        nvidia_smi("name", timeout_s=0.2)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError):
        nvidia_smi("name")
