"""`--ray` on a cluster of two nodes with a processor each, on this machine: the same results, whatever ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("ray", reason="needs the extra [ray]")
pytest.importorskip("transformers", reason="needs the extra [transformers]")

# Before Ray is imported: a busy machine starts a node slowly.
os.environ.setdefault("RAY_raylet_start_wait_time_s", "600")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

from codebudget._util import ray_pool
from codebudget.errors import MachineError
from codebudget.records import Limits
from codebudget.sampler.engine import Draw, Sampling
from codebudget.sampler.engines import EngineOptions, choose_engine
from codebudget.sampler.engines.ray_engine import RayEngine, Wanted
from codebudget.sandbox import Job, choose_launcher
from codebudget.sandbox.ray_sandbox import RaySandbox
from codebudget.sandbox.ray_sandbox import Wanted as WantedSandbox
from codebudget.tasks import load_benchmark
from ray.cluster_utils import Cluster

from support.command import codebudget, started
from support.rows import read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = str(Path(__file__).resolve().parents[2] / "models" / "nano" / "250k")
NANO = ("--family", "nano", "--tasks", "6", "--engine", "transformers", "--max-tokens", "48")
LAUNCHER = """
import os

from codebudget.errors import SandboxError
from codebudget.sandbox.launchers.process import ProcessLauncher


class Breaking(ProcessLauncher):
    name = "breaking"

    def prepare(self):
        if os.environ.get("CODEBUDGET_TEST_NODE") == "unprepared":
            raise SandboxError("no boxes today")
        super().prepare()
        self.is_prepared = True

    def launch(self):
        if os.environ.get("CODEBUDGET_TEST_NODE") == "broken" and hasattr(self, "is_prepared"):
            raise SandboxError("the disk is gone")
        return super().launch()
"""


BOARD = """
schema_version = 1
name = "two"
description = "Two nodes."
family = "nano"
arms = ["250k@fp32:2"]
rankers = ["examples"]

[[benchmarks]]
name = "nano"
tasks = 4

[sampling]
engine = "transformers"
max_tokens = 48

[sandbox]
check = false
launcher = "process"
workers = 1
"""


class Nodes:
    """A cluster whose head has no processor."""

    def __init__(self) -> None:
        memory = {"object_store_memory": 10**8}
        since = time.monotonic()
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **memory})
        self.nodes: list[Any] = []
        self.start_s = time.monotonic() - since

    def add(self, role: str = "") -> Any:
        node = self.cluster.add_node(
            num_cpus=1, object_store_memory=10**8, env_vars={"CODEBUDGET_TEST_NODE": role, "OMP_NUM_THREADS": "1"}
        )
        self.nodes.append(node)
        return node

    def remove(self, node: Any) -> None:
        """End a node and at once its workers, which would otherwise go on for some seconds."""
        self.nodes.remove(node)
        (raylet,) = node.all_processes["raylet"]
        pid = raylet.process.pid
        workers = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        self.cluster.remove_node(node, allow_graceful=False)
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


@pytest.fixture(scope="module")
def running() -> Iterator[Nodes]:
    nodes = Nodes()
    yield nodes
    import ray

    ray.shutdown()
    nodes.cluster.shutdown()


@pytest.fixture
def two(running: Nodes) -> Nodes:
    """The cluster with two nodes, whatever a test did to them."""
    while len(running.nodes) < 2:
        running.add()
    return running


def wanted() -> Wanted:
    return Wanted("transformers", MODEL, "bf16", EngineOptions())


def draws(count: int) -> list[Draw]:
    return [Draw(f"def add_{place % 3}(a, b):\n", place) for place in range(count)]


SAMPLING = Sampling(max_tokens=24)


def test_replicas_draw_what_one_engine_draws(two: Nodes) -> None:
    choice = choose_engine("transformers", MODEL, "bf16")
    alone = dict(choice.engine.generate(draws(12), SAMPLING))
    since = time.monotonic()
    engine = RayEngine(two.cluster.address, wanted())
    print(f"cluster {two.start_s:.1f} s, replicas {time.monotonic() - since:.1f} s")
    try:
        assert engine.machines == 2
        assert engine.describe() == choice.engine.describe()
        found = list(engine.generate(draws(12), SAMPLING))
        assert sorted(place for place, _ in found) == list(range(12))
        assert {place: one.text for place, one in found} == {place: one.text for place, one in alone.items()}
        assert engine.memory().peak_bytes
        # Left in the middle, replicas end and come back.
        generation = engine.generate(draws(200), SAMPLING)
        next(generation)
        generation.close()
        assert sorted(place for place, _ in engine.generate(draws(4), SAMPLING)) == [0, 1, 2, 3]
    finally:
        engine.close()
        choice.engine.close()


def test_a_node_that_goes_loses_no_draw_and_gives_none_twice(two: Nodes, caplog) -> None:
    engine = RayEngine(two.cluster.address, wanted())
    try:
        places = []
        for place, _ in engine.generate(draws(60), SAMPLING):
            places.append(place)
            if len(places) == 3:
                two.remove(two.nodes[-1])
        assert sorted(places) == list(range(60))
        assert "is lost" in caplog.text
    finally:
        engine.close()


def test_without_a_node_it_is_said(two: Nodes, monkeypatch) -> None:
    monkeypatch.setattr(ray_pool, "PLACE_S", 5.0)
    engine = RayEngine(two.cluster.address, wanted())
    try:
        generation = engine.generate(draws(60), SAMPLING)
        next(generation)
        for node in list(two.nodes):
            two.remove(node)
        with pytest.raises(MachineError, match="no node of the Ray cluster is left"):
            list(generation)
    finally:
        engine.close()


def test_sandboxes_of_two_nodes_grade_what_one_grades(two: Nodes, tmp_path: Path) -> None:
    sandbox = RaySandbox(two.cluster.address, WantedSandbox("process", Limits(), 1))
    with sandbox:
        assert sandbox.workers == 2
        tasks = load_benchmark("nano").first(4).tasks
        checks = {check.task_id: check for check in sandbox.check(tasks)}
        assert all(check.ok for check in checks.values())
        good = [Job(task, checks[task.id], task.reference or "") for task in tasks]
        bad = [job._replace(program="raise ValueError(1)\n") for job in good]
        verdicts = dict(sandbox.grade([*good, *bad, *good]))
        assert [verdicts[place].status for place in range(12)] == ["passed"] * 4 + ["crashed"] * 4 + ["passed"] * 4


def test_why_a_sandbox_is_weaker_is_told_as_on_one_machine(two: Nodes) -> None:
    here = choose_launcher("auto")
    with RaySandbox(two.cluster.address, WantedSandbox("auto", Limits(), 1)) as sandbox:
        assert (sandbox.launcher.name, sandbox.passed_over) == (here.launcher.name, tuple(here.passed_over))


def test_a_node_whose_sandbox_does_not_start_is_refused_by_name(two: Nodes, tmp_path: Path) -> None:
    (tmp_path / "launcher.py").write_text(LAUNCHER)
    node = two.add("unprepared")
    try:
        with pytest.raises(MachineError, match=r"node .*\([0-9a-f]{8}\): .*no boxes today"):
            RaySandbox(two.cluster.address, WantedSandbox(f"{tmp_path}/launcher.py:Breaking", Limits(), 1))
    finally:
        two.remove(node)


def test_a_node_whose_launcher_breaks_gives_sandbox_errors_and_never_a_score(two: Nodes, tmp_path: Path) -> None:
    (tmp_path / "launcher.py").write_text(LAUNCHER)
    tasks = load_benchmark("nano").first(4).tasks
    launcher = f"{tmp_path}/launcher.py:Breaking"
    with RaySandbox(two.cluster.address, WantedSandbox(launcher, Limits(), 1)) as sound:
        checks = {check.task_id: check for check in sound.check(tasks)}
    jobs = [Job(task, checks[task.id], (task.reference or "") + f"\n# {n}\n") for task in tasks for n in range(4)]
    node = two.add("broken")
    try:
        with RaySandbox(two.cluster.address, WantedSandbox(launcher, Limits(), 1)) as sandbox:
            verdicts = dict(sandbox.grade(jobs))
        statuses = {verdict.status for verdict in verdicts.values()}
        assert len(verdicts) == len(jobs)
        assert statuses == {"passed", "sandbox_error"}
        details = {verdict.detail for verdict in verdicts.values() if verdict.status == "sandbox_error"}
        assert details == {"the disk is gone"}
    finally:
        two.remove(node)


def last_json(done) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def scores(answer: dict[str, Any]) -> dict[str, Any]:
    """A comparison without what clocks and meters say."""
    arms = [
        {
            "spec": arm["spec"],
            "n": arm["n"],
            "pass_at_k": arm["pass_at_k"],
            "flops": arm["realised"]["flops"],
            "rankers": {name: [one[part] for part in ("value", "low", "high")] for name, one in arm["rankers"].items()},
        }
        for arm in answer["arms"]
    ]
    return {"arms": arms, "paired": answer["paired"], "verdict": answer["verdict"]}


def test_the_command_draws_grades_and_compares_as_on_one_machine(two: Nodes, tmp_path: Path) -> None:
    # At 32 bits on one thread, batches of other shapes round alike but in the last digits.
    arms = ("250k@fp32:2", "1m@fp32:1", *NANO, "--sandbox", "process", "--workers", "1", "--seed", "3", "--json")
    ray = ("--ray", two.cluster.address)
    found = []
    for store, more in (("one", ()), ("ray", ray)):
        words = ("compare", *arms, *more, "--store", f"{store}.sqlite")
        found.append(scores(last_json(codebudget(tmp_path, *words, timeout_s=1200, OMP_NUM_THREADS="1"))))
        # The same samples, from the store.
        words = ("sample", *arms[:2], *NANO, "--seed", "3", "--out", f"{store}.jsonl", "--store", f"{store}.sqlite")
        assert codebudget(tmp_path, *words, *more, timeout_s=1200).returncode == 0
    assert found[0] == found[1]
    one, there = read_rows(tmp_path / "one.jsonl"), read_rows(tmp_path / "ray.jsonl")
    for mine, its in zip(one, there, strict=True):
        assert mine.pop("logprobs") == pytest.approx(its.pop("logprobs"), abs=1e-3)
    assert one == there


def test_files_are_graded_and_ranked_on_the_nodes_as_on_one_machine(two: Nodes, tmp_path: Path) -> None:
    tasks = load_benchmark("nano").first(4).tasks
    programs = {task.id: (task.reference or "", "raise ValueError(1)\n") for task in tasks}
    rows = [{"task_id": name, "solution": text} for name, texts in programs.items() for text in texts]
    write_rows(tmp_path / "s.jsonl", *rows)
    board = ("--benchmark", "nano", "--sandbox", "process", "--workers", "1", "--json")
    for words in (
        ("execute", "s.jsonl", *board),
        ("rank", "s.jsonl", *board),
        ("curve", "nano-1m", "--samples", "nano-1m=s.jsonl", *board),
    ):
        found = [
            untimed(last_json(codebudget(tmp_path, *words, "--store", f"{store}.sqlite", *more, timeout_s=600)))
            for store, more in (("one", ()), ("ray", ("--ray", two.cluster.address)))
        ]
        assert found[0] == found[1]


def untimed(answer: Any) -> Any:
    """An answer without seconds."""
    if isinstance(answer, dict):
        return {name: untimed(value) for name, value in answer.items() if not name.endswith("_s")}
    return [untimed(value) for value in answer] if isinstance(answer, list) else answer


def test_a_driver_that_is_killed_goes_on_where_it_was(two: Nodes, tmp_path: Path) -> None:
    words = ("sample", "250k:40", *NANO, "--ray", two.cluster.address, "--store", "store.sqlite")
    process = started(tmp_path, *words)
    drawn, deadline = 0, time.monotonic() + 900
    while drawn < 3 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
        if (tmp_path / "store.sqlite").exists():
            with sqlite3.connect(tmp_path / "store.sqlite", timeout=30) as store:
                found = store.execute("SELECT count(*) FROM sqlite_master WHERE name = 'candidates'").fetchone()[0]
                drawn = store.execute("SELECT count(*) FROM candidates").fetchone()[0] if found else 0
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 3 <= drawn < 240
    (arm,) = last_json(codebudget(tmp_path, *words, "--json", timeout_s=1200))["arms"]
    assert (arm["samples"], arm["missing"]) == (240, 0)
    assert arm["new"] <= 240 - drawn


def test_an_interrupt_ends_what_it_started(two: Nodes, tmp_path: Path) -> None:
    import ray
    from ray._private import state

    process = started(tmp_path, "sample", "250k:400", *NANO, "--ray", two.cluster.address, "--store", "s.sqlite")
    deadline = time.monotonic() + 900
    while not (tmp_path / "s.sqlite").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 130, errors
    ray_pool.connect(two.cluster.address)
    assert ray.is_initialized()
    while time.monotonic() < deadline:
        alive = [one for one in state.actors().values() if one["State"] == "ALIVE"]
        if not alive:
            return
        time.sleep(0.5)
    pytest.fail(f"still alive: {alive}")


def test_no_cluster_is_said(tmp_path: Path) -> None:
    done = codebudget(tmp_path, "sample", "250k:1", *NANO, "--ray", "127.0.0.1:9", timeout_s=600)
    assert done.returncode == 3
    assert "no Ray cluster answers at --ray 127.0.0.1:9" in done.stderr


def test_a_cluster_that_is_gone_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:9")
    since = time.monotonic()
    words = ("sample", "250k:1", *NANO, "--ray", "auto")
    done = codebudget(tmp_path, *words, timeout_s=600, RAY_TMPDIR=str(tmp_path), RAY_ADDRESS="")
    assert done.returncode == 3
    assert "no Ray cluster answers at --ray auto, which is 127.0.0.1:9" in done.stderr
    assert time.monotonic() - since < 60


def test_no_engine_to_place_is_said(tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [openai]")
    served = ("--engine", "openai", "--base-url", "http://127.0.0.1:9/v1")
    done = codebudget(tmp_path, "sample", "7b:1", "--benchmark", "nano", *served, "--ray", "auto")
    assert done.returncode == 2
    assert "--ray has no engine to place where servers draw" in done.stderr


def test_a_listener_that_is_no_cluster_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        since = time.monotonic()
        done = codebudget(tmp_path, "sample", "250k:1", *NANO, "--ray", address, timeout_s=600)
        thread.join()
    assert done.returncode == 3
    (line,) = (line for line in done.stderr.splitlines() if "--ray" in line)
    assert f"no Ray cluster answers at --ray {address} (what listens there is no head of a Ray cluster)" in line
    assert time.monotonic() - since < 60


def test_a_board_draws_and_grades_on_the_nodes(two: Nodes, tmp_path: Path) -> None:
    """The sandbox is open while it draws: both must fit on a node."""
    (tmp_path / "board.toml").write_text(BOARD)
    for name, more in (("one", ()), ("ray", ("--ray", two.cluster.address))):
        words = ("leaderboard", "run", "board.toml", "--out", name, "--store", f"{name}.sqlite", *more)
        done = codebudget(tmp_path, *words, timeout_s=600, OMP_NUM_THREADS="1")
        assert done.returncode == 0, done.stderr
    for name in ("results.json", "report.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "ray" / name).read_bytes()
