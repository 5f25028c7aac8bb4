"""Which launcher is taken, what is said where one does not work, and what one removes that the dead have left."""

import contextlib
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from codebudget.errors import MachineError, UserError
from codebudget.records import HiddenTests, Task
from codebudget.sandbox import LAUNCHERS, Job, Sandbox, choose_launcher
from codebudget.sandbox.box import Launcher
from codebudget.sandbox.launchers.ownership import make_folder, owner_is_dead, owner_mark
from codebudget.sandbox.launchers.plugins import PROMISES, not_promised

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
    assert "`launcher` process" in str(message)
    assert "\n" not in str(message)


@pytest.mark.parametrize("name", ["docker", "bubblewrap"])
def test_a_launcher_named_that_does_not_work_says_why(nowhere: dict[str, str], name: str) -> None:
    code, message = choose(name, **nowhere)
    assert code == MachineError.exit_code
    assert str(message).startswith(f"{name}: ")


class Vanishing(BaseHTTPRequestHandler):
    """An engine that says hello, and hangs up on everything else."""

    def do_GET(self) -> None:
        if self.path.rsplit("/", 1)[-1] not in ("_ping", "version"):
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        body = b'{"ApiVersion": "1.44", "MinAPIVersion": "1.24"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_an_engine_that_goes_away_is_the_launchers_failure() -> None:
    # The path of a UNIX socket is short.
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/engine.sock"
        with socketserver.ThreadingUnixStreamServer(path, Vanishing) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            code, message = choose("docker", DOCKER_HOST=f"unix://{path}")
            server.shutdown()
    assert code == MachineError.exit_code
    assert str(message).startswith("docker: the engine cannot list its containers: ")
    assert "\n" not in str(message)


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


TASK = Task(
    id="t",
    benchmark="t",
    prompt="def f(x):\n",
    entry_point="f",
    tests=HiddenTests(style="asserts", code="assert f(1) == 1"),
    reference="def f(x):\n    return x\n",
)
MINE = """
import tempfile
from codebudget.sandbox.launchers.local import PYTHON_OPTIONS, interpreter, start_worker

class Mine:
    name = "mine"
    promise = "a test"
    not_promised = frozenset({"network"})
    def prepare(self):
        box = self.launch()
        box.try_out()
        box.close()
    def environment(self):
        return "mine"
    def launch(self):
        folder = tempfile.mkdtemp()
        configuration = {"separation": "none", "work_root": folder, "remove_work_root": True}
        return start_worker([str(interpreter()), *PYTHON_OPTIONS], configuration)
"""


def test_a_launcher_in_a_file_grades(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    launcher = choose_launcher(f"{tmp_path}/mine.py:Mine").launcher
    assert (launcher.name, not_promised(launcher)) == ("mine", {"network"})
    with Sandbox(launcher, workers=1) as sandbox:
        check = next(sandbox.check([TASK]))
        ((_, verdict),) = sandbox.grade([Job(TASK, check, "def f(x):\n    return 1\n")])
        assert verdict.status == "passed"
        assert sandbox.environment().startswith("mine ")


def test_a_launcher_of_a_distribution_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_launcher.py").write_text(MINE)
    (tmp_path / "mine-1.dist-info").mkdir()
    (tmp_path / "mine-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (tmp_path / "mine-1.dist-info" / "entry_points.txt").write_text(
        "[codebudget.launchers]\nmine = mine_launcher:Mine\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert choose_launcher("mine").launcher.name == "mine"
    with pytest.raises(
        UserError,
        match=r"choose from auto, docker, bubblewrap, process, docker-bigcodebench, .*-lean, mine, or FILE\.py:Class",
    ):
        choose_launcher("other")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Mine: name = 'mine'", "lacks promise, prepare, launch, environment"),
        ("Mine = 1", "must be a class"),
        ("class Other: pass", "no such class exists"),
        ("import no_such_module", "cannot be imported: ModuleNotFoundError"),
        (MINE.replace('{"network"}', '{"netwrok"}'), "not_promised must be a set drawn from: network"),
        (MINE.replace('frozenset({"network"})', "3"), "not_promised must be a set drawn from: network"),
        (MINE + "\n    def __init__(self): 1 / 0", "cannot be created without arguments: ZeroDivisionError"),
    ],
)
def test_a_file_without_a_usable_launcher_is_the_users_mistake(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UserError, match=message):
        choose_launcher(f"{tmp_path}/mine.py:Mine")


def test_a_file_that_is_not_there_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"no such file: none\.py"):
        choose_launcher("none.py:Mine")


def test_every_launcher_says_what_it_does_not_promise(launcher: Launcher) -> None:
    assert not_promised(launcher) <= PROMISES.keys()
    assert ("network" in not_promised(launcher)) is (launcher.name == "process")


START = """
import sys, time
from codebudget.sandbox import choose_launcher
from codebudget.sandbox.launchers.ownership import make_folder, owner_mark
launcher = choose_launcher(sys.argv[1]).launcher
if sys.argv[1] == "docker":
    import docker
    from codebudget.sandbox.launchers.docker import OWNER_LABEL
    engine = docker.from_env()
    # One that does not end with its input, as one that was not started in time would not.
    labels = {OWNER_LABEL: owner_mark(), "codebudget.test": "yes"}
    left = engine.containers.create(launcher._image_id, ["sleep", "600"], labels=labels).id
    box = launcher.launch()
else:
    left = make_folder()
    box = launcher.launch()
print(owner_mark(), left, flush=True)
time.sleep(600)
"""


@pytest.fixture
def owner(launcher: Launcher) -> Iterator["tuple[subprocess.Popen[str], str, str]"]:
    """A process that owns a box and something that outlives it; its mark, and what that is."""
    process = subprocess.Popen([sys.executable, "-c", START, launcher.name], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    mark, left = process.stdout.readline().split()
    try:
        yield process, mark, left
    finally:
        process.kill()
        process.wait()
        remove(launcher, left)


def is_there(launcher: Launcher, left: str) -> bool:
    if launcher.name != "docker":
        return Path(left).is_dir()
    from codebudget.sandbox.launchers.docker import connect
    from docker.errors import NotFound

    try:
        connect().containers.get(left)
    except NotFound:
        return False
    return True


def remove(launcher: Launcher, left: str) -> None:
    if launcher.name != "docker":
        with contextlib.suppress(OSError):
            Path(left).rmdir()
    elif is_there(launcher, left):
        from codebudget.sandbox.launchers.docker import connect

        connect().containers.get(left).remove(force=True)


def test_the_next_start_removes_what_a_killed_owner_left(
    launcher: Launcher, owner: "tuple[subprocess.Popen[str], str, str]"
) -> None:
    process, mark, left = owner
    assert not owner_is_dead(mark)
    choose_launcher(launcher.name)
    assert is_there(launcher, left), "its owner is alive"
    process.send_signal(signal.SIGKILL)
    # A process that nobody has waited for yet is dead all the same.
    deadline = time.monotonic() + 10
    while not owner_is_dead(mark) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert owner_is_dead(mark)
    assert is_there(launcher, left)
    choose_launcher(launcher.name)
    assert not is_there(launcher, left)


def test_what_another_machine_owns_is_not_removed(launcher: Launcher) -> None:
    machine, pid, start = owner_mark().split("-")
    other = f"{'0' * len(machine)}-{pid}-{int(start) + 1}"
    assert not owner_is_dead(other)
    assert owner_is_dead(f"{machine}-{pid}-{int(start) + 1}"), "its number was given out again"
    assert not owner_is_dead("")
    assert not owner_is_dead(f"{machine}-{pid}-x")
    assert not owner_is_dead(owner_mark())


def test_only_folders_of_dead_owners_go(tmp_path: Path) -> None:
    launcher = LAUNCHERS["process"]()
    machine, pid, start = owner_mark().split("-")
    mine = make_folder()
    dead, strange = f"/tmp/codebudget-{machine}-{pid}-{int(start) + 1}-abcdefgh", "/tmp/codebudget-strange-folder"
    link = f"/tmp/codebudget-{machine}-{pid}-{int(start) + 1}-ijklmnop"
    try:
        for folder in (dead, strange):
            os.makedirs(f"{folder}/deep/er")
        os.symlink(tmp_path, link)
        (tmp_path / "kept").touch()
        launcher.prepare()
        assert [os.path.lexists(path) for path in (mine, dead, strange, link)] == [True, False, True, True]
        assert (tmp_path / "kept").exists()
    finally:
        os.unlink(link)
        os.rmdir(mine)
        os.removedirs(f"{strange}/deep/er")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs as other users")
def test_processes_that_outlive_a_killed_box_are_killed() -> None:
    launcher = LAUNCHERS["process"]()
    machine, pid, start = owner_mark().split("-")
    uid = (1 << 30) + 255
    orphan = subprocess.Popen(["sleep", "600"], user=uid, group=uid, extra_groups=[])
    folder = Path(f"/tmp/codebudget-{machine}-{pid}-{int(start) + 1}-abcdefgh")
    folder.mkdir()
    try:
        os.chown(folder, -1, 1 << 30)
        launcher.prepare()
        assert orphan.wait(timeout=5) == -signal.SIGKILL
        assert not folder.exists()
    finally:
        orphan.kill()
        orphan.wait()
