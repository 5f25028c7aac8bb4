"""Nothing is left when codebudget ends, however it ends, and a run goes on when a worker does not."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from codebudget.records import Limits, Task
from codebudget.sandbox import Job, Sandbox
from codebudget.sandbox.box import Launcher

MakeTask = Callable[..., Task]

GRADE = """
import sys
from codebudget.records import HiddenTests, Limits, Task
from codebudget.sandbox import Job, Sandbox, choose_launcher
task = Task(id="t", benchmark="t", prompt="def f(x):\\n", entry_point="f",
            tests=HiddenTests(style="asserts", code="assert f(1) == 1"), reference="def f(x):\\n    return x\\n")
program = '''
import os, time
if os.fork() == 0:
    os.setsid()
print("MARK")
time.sleep(600)
'''
with Sandbox(choose_launcher(sys.argv[1]).launcher, limits=Limits(wall_s=60), workers=1) as sandbox:
    check = next(sandbox.check([task]))
    from codebudget.sandbox.launchers.docker import _RUN_ID
    print("ready", _RUN_ID, flush=True)
    list(sandbox.grade([Job(task, check, program)]))
"""


def descendants(pid: int) -> set[int]:
    """Every process below one."""
    found: set[int] = set()
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in listing.read_text(encoding="ascii").split():
            found |= {int(child)} | descendants(int(child))
    return found


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that still run."""
    left = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            left.add(pid)
    return left


def work_folders(pids: set[int]) -> set[Path]:
    """The folders that boxes of `process` work in."""
    found = set()
    for pid in pids:
        try:
            folder = Path(os.readlink(f"/proc/{pid}/cwd")).parent
        except OSError:
            continue
        if folder.name.startswith("codebudget-"):
            found.add(folder)
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> bool:
    """Poll until something holds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def containers(run_id: str) -> set[str]:
    """All containers of one run of codebudget."""
    from codebudget.sandbox.launchers.docker import LABEL, connect

    filters = {"label": f"{LABEL}={run_id}"}
    return {found.id for found in connect().containers.list(all=True, sparse=True, filters=filters)}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_nothing_is_left_when_codebudget_ends(launcher: Launcher, number: signal.Signals) -> None:
    docker = launcher.name == "docker"
    run = subprocess.Popen(
        [sys.executable, "-c", GRADE, launcher.name],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert run.stdout is not None
        ready, _, run_id = run.stdout.readline().decode().strip().partition(" ")
        assert ready == "ready"
        assert not docker or containers(run_id)
        if not docker:
            assert wait_for(lambda: len(descendants(run.pid)) >= 4)
        time.sleep(0.3)
        pids = descendants(run.pid)
        folders = work_folders(pids)
        assert folders or launcher.name != "process"
        run.send_signal(number)
        if number == signal.SIGINT:
            # The lane in progress is waited for; a second interrupt does not wait.
            time.sleep(0.5)
            run.send_signal(number)
            time.sleep(0.5)
            run.send_signal(number)
        run.wait(timeout=90)
    finally:
        run.kill()
        run.wait()
    assert wait_for(lambda: not alive(pids)), alive(pids)
    if docker:
        assert wait_for(lambda: not containers(run_id))
    assert wait_for(lambda: not any(folder.exists() for folder in folders))


def test_a_worker_killed_from_outside_costs_no_verdict(launcher: Launcher, make_task: MakeTask) -> None:
    task = make_task("assert f(1) == 1", reference="def f(x):\n    return x\n")
    programs = [f"import time\ntime.sleep(0.05)\ndef f(x):\n    return {n % 3}\n" for n in range(20)]
    programs = [program + f"# {n}\n" for n, program in enumerate(programs)]
    with Sandbox(launcher, limits=Limits(wall_s=2), workers=1) as sandbox:
        check = next(sandbox.check([task]))
        statuses = {}
        for place, verdict in sandbox.grade([Job(task, check, program) for program in programs]):
            statuses[place] = verdict.status
            if len(statuses) == 5:
                kill_workers(launcher)
    assert statuses == {n: "passed" if n % 3 == 1 else "wrong" for n in range(20)}


def kill_workers(launcher: Launcher) -> None:
    """Kill the boxes of this process from outside."""
    if launcher.name == "docker":
        from codebudget.sandbox.launchers.docker import _RUN_ID, LABEL, connect
        from docker.errors import APIError

        for container in connect().containers.list(filters={"label": f"{LABEL}={_RUN_ID}"}):
            # The lane removes the other box as soon as it misses the first.
            with contextlib.suppress(APIError):
                container.kill()
        return
    for pid in sorted(descendants(os.getpid())):
        command = Path(f"/proc/{pid}/cmdline")
        if command.exists() and b"guest" in command.read_bytes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_sandbox_leaves_no_file_descriptor(launcher: Launcher, make_task: MakeTask) -> None:
    task = make_task("assert f(1) == 1", reference="def f(x):\n    return x\n")

    def grade_once() -> None:
        with Sandbox(launcher, limits=Limits(wall_s=1), workers=1) as sandbox:
            check = next(sandbox.check([task]))
            assert [v.status for _, v in sandbox.grade([Job(task, check, "def f(x):\n    return 1\n")])] == ["passed"]

    # The client of a Docker engine keeps some connections.
    for _ in range(4):
        grade_once()
    files = len(os.listdir("/proc/self/fd"))
    for _ in range(4):
        grade_once()
    assert len(os.listdir("/proc/self/fd")) <= files


def test_a_sandbox_can_be_closed_twice(launcher: Launcher, make_task: MakeTask) -> None:
    before = set(descendants(os.getpid()))
    sandbox = Sandbox(launcher, workers=1)
    assert next(sandbox.check([make_task("assert f(1) == 1", reference="def f(x):\n    return x\n")])).ok
    sandbox.close()
    sandbox.close()
    assert set(descendants(os.getpid())) <= before
