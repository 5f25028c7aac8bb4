"""The first process of a box: forks one confined process per run and passes messages between it and the host."""

from __future__ import annotations

import _sitebuiltins
import builtins
import contextlib
import gc
import importlib
import json
import os
import platform
import random
import select
import signal
import sys
from typing import Any

from . import candidate, leftovers, script, separation, suite, tester, warm, wire, zygote
from .run import Buffers, Clock, Host, Run
from .script_run import ScriptRun

_PRELOADED = (
    "bisect", "collections", "copy", "dataclasses", "datetime", "decimal", "fractions", "functools", "hashlib",
    "heapq", "itertools", "json", "math", "operator", "random", "re", "statistics", "string", "typing",
)  # fmt: skip
"""Modules that programs import often: loaded once here instead of once per fork."""

_PREPARED_KEPT = 8
_ZYGOTES_KEPT = 2
"""One for the programs or tests at hand, and one for controls between them."""
_EXIT_S = 0.5
_CGROUP_FILE_BYTES = 4096
_PROGRAMS: dict[str, zygote.Target] = {"candidate": candidate.serve, "script": script.serve}
"""Roles that one zygote serves."""


class Worker:
    """Takes orders from the host, one run at a time."""

    def __init__(self, host: Host, apart: separation.Separation) -> None:
        self._host = host
        self._apart = apart
        self._buffers = Buffers()
        self._oom_kills = _OomKills()
        self._prepared: dict[str, suite.Prepared | suite.InvalidTestsError] = {}
        self._zygotes: list[tuple[Any, zygote.Zygote]] = []
        self._runs = 0

    def serve(self) -> None:
        """Work until the host closes the stream."""
        last, request = b"", {}
        while True:
            order = self._host.receive()
            kind, payload = order.kind, order.payload if order.kind == wire.RUN else b""
            order.wipe()
            # Anything else was meant for a run that had ended by itself.
            if kind == wire.RUN:
                if payload != last:
                    last, request = payload, json.loads(payload)
                self._run(request)

    def _run(self, request: dict[str, Any]) -> None:
        oom_kills = self._oom_kills.count()
        role, limits = request["role"], request["limits"]
        is_script = role == "script"
        try:
            forker = self._zygote_for(request)
            self._runs += 1
            child = forker.start(role, self._runs, _children_cpu_s(limits))
        except OSError as error:
            self._report("sandbox_error", f"no process could be started for the run: {error}", None, None)
            return
        watched = ScriptRun if is_script else Run
        run = watched(self._host, child, request["limits"], self._buffers)
        try:
            status, detail = run.watch()
            if status == "ended":
                _wait_for_exit(child.pidfd)
        finally:
            remains = forker.finish(child)
        if status == "ended":
            status, detail = _cause_of_death(remains.wait_status, self._oom_kills.count() > oom_kills)
            if is_script and remains.wait_status == 0:
                # The end that a script should come to.
                status, detail = "", ""
        self._report(status, detail, run.clock, remains)

    def _report(self, status: str, detail: str, clock: Clock | None, remains: separation.Remains | None) -> None:
        done = {
            "status": status,
            "detail": detail,
            "cpu_s": remains.cpu_s if remains else 0.0,
            "wall_s": clock.total_s if clock else 0.0,
            "peak_bytes": remains.peak_bytes if remains else 0,
            "case_cpu_s": clock.case_cpu_s if clock else 0.0,
            "case_wall_s": clock.case_wall_s if clock else 0.0,
        }
        self._host.send(wire.DONE, json.dumps(done).encode())

    def _zygote_for(self, request: dict[str, Any]) -> zygote.Zygote:
        """The zygote of runs of this kind with these limits; a fresh one, unless it is one of those there are."""
        role, tests = request["role"], request["tests"]
        kind = "program" if role in _PROGRAMS else role
        common = {name: request["limits"][name] for name in ("memory_bytes", "file_bytes", "open_files", "processes")}
        key = kind, common, tests
        for place, (other, found) in enumerate(self._zygotes):
            if other == key:
                self._zygotes.append(self._zygotes.pop(place))
                return found
        if len(self._zygotes) == _ZYGOTES_KEPT:
            self._zygotes.pop(0)[1].close()
        if role == "shared" or (tests and tests["style"] == "unittest"):
            _import_unittest()
        made = zygote.Zygote(self._apart, common, self._targets(role, tests))
        self._zygotes.append((key, made))
        return made

    def _targets(self, role: str, tests: dict[str, Any] | None) -> dict[str, zygote.Target]:
        if tests is None:
            return _PROGRAMS if role in _PROGRAMS else {"shared": tester.serve_shared}
        # Expressions may be anyone's: they are compiled in the process that evaluates them.
        prepared = None if role == "expressions" else self._prepare(tests)
        return {role: lambda link: tester.serve(link, tests, prepared)}

    def _prepare(self, tests: dict[str, Any]) -> suite.Prepared | suite.InvalidTestsError:
        key = json.dumps(tests, sort_keys=True)
        if key not in self._prepared:
            if len(self._prepared) == _PREPARED_KEPT:
                del self._prepared[next(iter(self._prepared))]
            try:
                self._prepared[key] = suite.prepare(tests)
            except suite.InvalidTestsError as error:
                self._prepared[key] = error
        return self._prepared[key]


def _import_unittest() -> None:
    """Import what takes 30 ms here, once, and not in each process that runs such tests."""
    importlib.import_module("unittest.mock")


def _children_cpu_s(limits: dict[str, Any]) -> int:
    """Processor seconds for the children of a run; 0 is no limit."""
    return 0 if limits["lasting"] else int(limits["cpu_s"] * max(limits["cases"], 1)) + 2


def _wait_for_exit(pidfd: int) -> None:
    """Give a process that closed its channel a moment to die, so that its own exit is what is reported."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll(_EXIT_S * 1000)


def _cause_of_death(wait_status: int, oom_killed: bool) -> tuple[str, str]:
    if oom_killed:
        return "memory", "killed by the kernel for lack of memory"
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        if number == signal.SIGXCPU:
            return "timeout", "over its CPU time"
        if number == signal.SIGXFSZ:
            return "crashed", "wrote a file larger than allowed"
        return "crashed", f"died of signal {number}"
    return "crashed", f"exited with code {os.WEXITSTATUS(wait_status)}"


class _OomKills:
    """How often the kernel killed a process of this box for memory; always 0 where no cgroup file says."""

    def __init__(self) -> None:
        self._fd = -1
        for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
            with contextlib.suppress(OSError):
                self._fd = os.open(path, os.O_RDONLY)
                return

    def count(self) -> int:
        """The number so far."""
        if self._fd < 0:
            return 0
        try:
            rows = dict(line.split() for line in os.pread(self._fd, _CGROUP_FILE_BYTES, 0).splitlines())
            return int(rows.get(b"oom_kill", 0))
        except (OSError, ValueError):
            return 0


def main(configuration: dict[str, Any]) -> None:
    """Serve the host on standard input and output until it closes them."""
    read_fd, write_fd = os.dup(0), os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    host = Host(read_fd, write_fd)
    separation.harden_worker()
    for name in _PRELOADED:
        importlib.import_module(name)
    # No box has a display.
    os.environ.setdefault("MPLBACKEND", "Agg")
    libraries = configuration.get("libraries", [])
    library_bytes = _preload(libraries)
    _define_exit()
    warm.warm_up()
    # Programs that draw without a seed draw alike in every box.
    random.seed(0)
    if "numpy" in libraries:
        sys.modules["numpy"].random.seed(0)
    gc.collect()
    gc.freeze()
    host.send(wire.HELLO, json.dumps({"python": platform.python_version(), "pid": os.getpid()}).encode())
    try:
        Worker(host, _separation(configuration, library_bytes)).serve()
    except (wire.EndOfStreamError, BrokenPipeError, zygote.ZygoteLostError):
        # Even where the host was killed and cannot do it.
        if configuration.get("remove_work_root"):
            leftovers.remove_tree(configuration["work_root"])
        sys.exit(0)


def _define_exit() -> None:
    """Give programs the `exit` and `quit` that `site`, which a box may leave out, would have given them."""
    for name in ("exit", "quit"):
        if not hasattr(builtins, name):
            setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D"))


def _preload(libraries: list[str]) -> int:
    """Import libraries for all runs to come; return the bytes of address space that they take."""
    before = _address_space_bytes()
    for name in libraries:
        importlib.import_module(name)
    return _address_space_bytes() - before


def _address_space_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as numbers:
        return int(numbers.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _separation(configuration: dict[str, Any], library_bytes: int) -> separation.Separation:
    kind, root = configuration["separation"], configuration["work_root"]
    if kind == "uid":
        first_uid, uid_count = configuration["first_uid"], configuration["uid_count"]
        return separation.UidSeparation(root, first_uid, uid_count, library_bytes)
    if kind == "namespaces":
        return separation.NamespaceSeparation(root, library_bytes)
    return separation.Separation(root, library_bytes)
