"""What plug-ins do wrong by mistake: each is named and left out, prints apart, and lets the command end."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from support.command import started
from support.rows import jsonl, read_rows

RANKER = """
import atexit, ctypes, io, json, os, subprocess, sys, threading, time, warnings
from codebudget.records import Ranking

class Mine:
    \"\"\"Does what a test wants.\"\"\"
    name, version, needs, pointwise = "mine", "1", frozenset(), True

    def __init__(self):
        {made}

    def rank(self, task, candidates, context):
        {ranks}
        return Ranking(scores=tuple(float(len(candidate.program)) for candidate in candidates))
"""

FAILS = {
    "exit": ("sys.exit()", "SystemExit"),
    "exit 0": ("raise SystemExit(0)", "SystemExit: 0"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "generator": ("raise GeneratorExit", "GeneratorExit"),
    "stop": ("raise StopIteration", "StopIteration"),
    "group": ("raise BaseExceptionGroup('g', [SystemExit()])", "BaseExceptionGroup: g (1 sub-exception)"),
    "deep": ("f = lambda: f(); f()", "RecursionError"),
    "memory": ("raise MemoryError", "MemoryError"),
    "mute": ("raise type('Mute', (Exception,), {'__str__': lambda self: sys.exit()})", "Mute"),
    "own": (
        "return type('Own', (Ranking,), {'__getattribute__': lambda self, name: sys.exit()})(scores=(1.0,) * 3)",
        "SystemExit",
    ),
    "typer": ("import typer; raise typer.Exit(0)", "Exit"),
}
PRINTS = {
    "print": "print('NOISE')",
    "stdout": "sys.stdout.write('NOISE'); sys.stdout.flush()",
    "buffer": "sys.stdout.buffer.write(b'NOISE'); sys.stdout.flush()",
    "original": "sys.__stdout__.write('NOISE'); sys.__stdout__.flush()",
    "descriptor": "os.write(1, b'NOISE')",
    "fileno": "os.write(sys.stdout.fileno(), b'NOISE')",
    "C": "libc = ctypes.CDLL(None); libc.puts(b'NOISE'); libc.fflush(None)",
    "child": "subprocess.run(['echo', 'NOISE'])",
    "child of ours": "subprocess.run(['echo', 'NOISE'], stdout=sys.stdout)",
    "fork": "pid = os.fork()\n        if not pid: print('NOISE', flush=True); os._exit(0)\n        os.waitpid(pid, 0)",
    "thread": "thread = threading.Thread(target=print, args=('NOISE',)); thread.start(); thread.join()",
    "warning": "warnings.warn('NOISE')",
    "much": "print('NOISE' * 1_000_000)",
}
CHANGES = {
    "closes": "sys.stdout.close()",
    "closes for good": "sys.stdout.buffer.close()",
    "replaces": "sys.stdout = sys.stderr = io.StringIO()",
    "deletes": "sys.stdout = None",
    "goes": "os.chdir('/')",
    "closes both": "sys.stdout.buffer.close(); sys.stderr.buffer.close()",
    "closes the descriptors": "[os.close(number) for number in range(3) if os.path.exists(f'/proc/self/fd/{number}')]",
}


@pytest.fixture
def plugin(tiny: Path):
    """Writes a ranker file; names it."""

    def write(ranks: str = "pass", made: str = "pass", top: str = "") -> str:
        (tiny / "mine.py").write_text(RANKER.replace("{ranks}", ranks).replace("{made}", made) + top)
        return "mine.py:Mine"

    return write


@pytest.fixture
def rank(codebudget, tiny: Path):
    def run(*arguments: object, benchmark: str = "tiny.jsonl"):
        options = ("--benchmark", benchmark, "--sandbox", "process", "--workers", "1", "--k", "1", "--json")
        return codebudget("rank", "small.jsonl", *options, *arguments)

    return run


def only_json(result) -> dict[str, Any]:
    """The command's output, which is one line and no more."""
    assert result.returncode == 0, result.stderr
    (line,) = result.stdout.splitlines()
    return json.loads(line)


@pytest.mark.parametrize("misdeed", FAILS)
def test_a_ranker_that_ends_the_command_is_left_out(rank, plugin, misdeed: str) -> None:
    code, cause = FAILS[misdeed]
    both = ("--ranker", plugin(code), "--ranker", "first")
    result = rank(*both)
    assert set(only_json(result)["rankers"]) == {"first"}
    assert (
        f"ranker 'mine' (file {Path('mine.py')}" in result.stderr.replace(f"{os.getcwd()}/", "")
        or "mine.py" in result.stderr
    )
    assert "is left out" in result.stderr
    assert cause in result.stderr
    strict = rank(*both, "--strict")
    assert (strict.returncode, strict.stdout) == (2, "")
    assert cause in strict.stderr.splitlines()[-1]


def test_the_decisive_one_ends_a_comparison(compare, plugin, tiny: Path) -> None:
    result = compare("7b:2", "--samples", "7b=small.jsonl", "--ranker", plugin("sys.exit()"), "--json")
    assert (result.returncode, result.stdout) == (2, "")
    assert "SystemExit" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("misdeed", ["sys.exit()", "raise KeyboardInterrupt"])
@pytest.mark.parametrize("where", ["made", "top"])
def test_a_ranker_that_cannot_be_loaded_is_one_line(rank, plugin, codebudget, where: str, misdeed: str) -> None:
    spec = plugin(**{where: misdeed})
    for result in (rank("--ranker", spec), codebudget("rankers", "show", spec)):
        assert (result.returncode, result.stdout) == (2, "")
        assert "mine.py" in result.stderr.splitlines()[-1]
        assert ("SystemExit" if "exit" in misdeed else "KeyboardInterrupt") in result.stderr.splitlines()[-1]
    checked = codebudget("rankers", "check", spec, "--json")
    assert checked.returncode == 1
    assert not json.loads(checked.stdout)["rankers"][0]["ok"]


@pytest.mark.parametrize("misdeed", PRINTS)
def test_what_a_ranker_prints_is_kept_apart(rank, plugin, misdeed: str) -> None:
    result = rank("--ranker", plugin(PRINTS[misdeed], made=PRINTS[misdeed]))
    assert set(only_json(result)["rankers"]) == {"mine.py:Mine"}
    assert "NOISE" in result.stderr


@pytest.mark.parametrize("misdeed", CHANGES)
@pytest.mark.parametrize("tested", [True, False])
def test_what_a_ranker_changes_is_put_back(rank, plugin, tiny: Path, misdeed: str, tested: bool) -> None:
    if not tested:
        rows = read_rows(tiny / "tiny.jsonl")
        (tiny / "untested.jsonl").write_text(jsonl({**row, "test": None} for row in rows))
    spec = plugin(made=CHANGES[misdeed]) if tested else plugin(CHANGES[misdeed])
    result = rank("--ranker", spec, "--out", "ranked.jsonl", benchmark="tiny.jsonl" if tested else "untested.jsonl")
    assert only_json(result)["out"] == "ranked.jsonl"
    assert len((tiny / "ranked.jsonl").read_text().splitlines()) == 9


LEFT = {
    "a thread": "threading.Thread(target=time.sleep, args=(600,), name='lazy').start()",
    "a pool": "import concurrent.futures; concurrent.futures.ThreadPoolExecutor().submit(time.sleep, 600)",
    "a handler": "atexit.register(time.sleep, 600)",
    "a printing handler": "atexit.register(print, 'NOISE')",
    "a printing thread": (
        "threading.Thread(target=lambda: [(time.sleep(0.01), print('NOISE')) for _ in range(60_000)]).start()"
    ),
}


@pytest.mark.parametrize("misdeed", LEFT)
def test_what_a_ranker_leaves_running_does_not_keep_the_command(rank, plugin, misdeed: str) -> None:
    since = time.monotonic()
    result = rank("--ranker", plugin(made=LEFT[misdeed]))
    assert set(only_json(result)["rankers"]) == {"mine.py:Mine"}
    assert time.monotonic() - since < 60
    if misdeed == "a thread":
        assert (
            "exited without waiting for what the file mine.py left running (threads lazy)"
            in result.stderr.splitlines()[-1]
        )


def test_the_exit_code_stays_what_it_is(rank, plugin) -> None:
    result = rank("--ranker", plugin(made=LEFT["a thread"]), "--ranker", "nobody")
    assert (result.returncode, result.stdout) == (2, "")


def interrupted(folder: Path, *arguments: str) -> str:
    """What a command says that is interrupted once its ranker has started."""
    process = started(folder, *arguments, "--sandbox", "process")
    deadline = time.monotonic() + 60
    while not (folder / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    return err


def test_an_interrupt_of_the_users_is_one_though_the_ranker_swallows_it(tiny: Path, plugin) -> None:
    rows = read_rows(tiny / "tiny.jsonl")
    (tiny / "untested.jsonl").write_text(jsonl({**row, "test": None} for row in rows))
    stubborn = """
        try:
            open('started', 'w').close(); time.sleep(60)
        except BaseException: pass
"""
    spec = plugin(stubborn.strip())
    err = interrupted(tiny, "rank", "small.jsonl", "--benchmark", "untested.jsonl", "--ranker", spec)
    assert "interrupted" in err


def test_a_ranker_that_never_returns_can_be_interrupted(tiny: Path, plugin) -> None:
    spec = plugin("open('started', 'w').close(); time.sleep(600)")
    err = interrupted(tiny, "rank", "small.jsonl", "--benchmark", "tiny.jsonl", "--ranker", spec)
    assert "interrupted" in err


LAUNCHER = """
import sys
from codebudget.sandbox.launchers.process import ProcessLauncher

class Mine(ProcessLauncher):
    name = "mine"
    def {method}(self):
        {does}
"""


@pytest.mark.parametrize("method", ["__init__", "prepare", "launch", "environment"])
@pytest.mark.parametrize("does", ["sys.exit()", "raise RuntimeError('no luck')"])
def test_a_launcher_that_ends_the_command_is_one_line(codebudget, tiny: Path, method: str, does: str) -> None:
    (tiny / "box.py").write_text(LAUNCHER.replace("{method}", method).replace("{does}", does))
    result = codebudget("execute", "small.jsonl", "--benchmark", "tiny.jsonl", "--sandbox", "box.py:Mine")
    assert (result.returncode, result.stdout) == (2 if method == "__init__" else 3, "")
    last = result.stderr.splitlines()[-1]
    assert "box.py" in last
    assert ("SystemExit" if "exit" in does else "no luck") in last


def test_a_launcher_prints_apart(codebudget, tiny: Path) -> None:
    noisy = "print('NOISE'); return super().launch()"
    (tiny / "box.py").write_text(LAUNCHER.replace("{method}", "launch").replace("{does}", noisy))
    result = codebudget("execute", "small.jsonl", "--benchmark", "tiny.jsonl", "--sandbox", "box.py:Mine", "--json")
    assert only_json(result)["passed"] == 3
    assert "NOISE" in result.stderr


def test_a_plug_in_that_exits_while_it_is_listed_breaks_no_list(codebudget, tiny: Path) -> None:
    info = tiny / "installed" / "bad_rankers-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-rankers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[codebudget.rankers]\nbad = bad_rankers:Bad\n")
    (info.parent / "bad_rankers.py").write_text("print('NOISE'); import sys; sys.exit(0)")
    result = codebudget("rankers", "list", "--json", PYTHONPATH=str(info.parent))
    (bad,) = [row for row in only_json(result)["rankers"] if row["name"] == "bad"]
    assert "of the distribution bad-rankers cannot be imported: SystemExit: 0" in bad["summary"]
    used = codebudget("rankers", "show", "bad", PYTHONPATH=str(info.parent))
    assert (used.returncode, used.stdout) == (2, "")
