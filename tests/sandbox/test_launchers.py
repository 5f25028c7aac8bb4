"""Which launcher is taken, and what is said where one does not work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from codebudget.errors import MachineError, UserError
from codebudget.sandbox import LAUNCHERS, Sandbox, choose_launcher

CHOOSE = """
import json, sys
from codebudget.errors import CodebudgetError
from codebudget.sandbox import choose_launcher
try:
    choice = choose_launcher(sys.argv[1])
    print(json.dumps([choice.launcher.name, list(choice.passed_over)]))
except CodebudgetError as error:
    print(json.dumps([error.exit_code, str(error)]))
"""


def choose(name: str, **environment: str) -> list[object]:
    """Choose in a fresh process; gives [name, reasons] or [exit code, message]."""
    ran = subprocess.run(
        [sys.executable, "-c", CHOOSE, name],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    result: list[object] = json.loads(ran.stdout)
    return result


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment without an engine and without programs."""
    return {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "PATH": str(tmp_path)}


def test_an_unknown_name_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"'gvisor'.*auto, docker, bubblewrap, process"):
        choose_launcher("gvisor")


def test_auto_says_why_nothing_works_and_what_to_do(nowhere: dict[str, str]) -> None:
    code, message = choose("auto", **nowhere)
    assert code == MachineError.exit_code
    assert "no Docker engine answers at unix://" in str(message)
    assert "bwrap is not installed" in str(message)
    assert "--sandbox process" in str(message)
    assert "\n" not in str(message)


@pytest.mark.parametrize("name", ["docker", "bubblewrap"])
def test_a_launcher_named_that_does_not_work_says_why(nowhere: dict[str, str], name: str) -> None:
    code, message = choose(name, **nowhere)
    assert code == MachineError.exit_code
    assert str(message).startswith(f"{name}: ")


def test_process_works_anywhere_and_says_that_it_is_weak(nowhere: dict[str, str]) -> None:
    assert choose("process", **nowhere) == ["process", []]
    assert choose_launcher("process").launcher.promise.startswith("weak")


@pytest.mark.bubblewrap
def test_auto_takes_bubblewrap_where_no_engine_answers(nowhere: dict[str, str]) -> None:
    try:
        choose_launcher("bubblewrap")
    except MachineError as error:
        pytest.skip(str(error))
    name, passed_over = choose("auto", DOCKER_HOST=nowhere["DOCKER_HOST"])
    assert name == "bubblewrap"
    assert isinstance(passed_over, list)
    assert passed_over[0].startswith("docker: no Docker engine")


def test_every_launcher_has_its_name_and_promise() -> None:
    for name, make in LAUNCHERS.items():
        launcher = make()
        assert launcher.name == name
        assert launcher.promise.isprintable()


def test_the_environment_names_launcher_and_guest(sandbox: Sandbox) -> None:
    assert sandbox.environment().startswith(sandbox.launcher.name)
    assert "guest" in sandbox.environment()


def test_no_workers_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="at least 1"):
        Sandbox(LAUNCHERS["process"](), workers=0)
