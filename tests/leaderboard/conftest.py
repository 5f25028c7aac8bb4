"""A board on a benchmark of four small tasks, run for real, and what tampers with its run."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from codebudget._util.progress import silent
from codebudget.experiment.grading import Grader
from codebudget.leaderboard.differences import difference
from codebudget.leaderboard.files import HASHED, json_bytes, row_bytes
from codebudget.leaderboard.manifest import sealed
from codebudget.leaderboard.verify.reading import read_run
from codebudget.leaderboard.verify.recheck import OwnRankers, Verification
from codebudget.leaderboard.verify.trust import Named, RunError, planned_of_run, rankers_of_run
from codebudget.leaderboard.verify.verify import verify
from codebudget.records import Limits
from codebudget.sampler.store import Store, open_store
from codebudget.sandbox import Sandbox
from codebudget.sandbox.launchers.process import ProcessLauncher

Command = Callable[..., "subprocess.CompletedProcess[str]"]

BODIES = {
    "double": ("return 2 * x", "return x + x", "return x + 2", "return 0"),
    "square": ("return x * x", "return x + x", "return x ** 2", "raise KeyError(x)"),
    "negate": ("return -x", "return 0", "return 1", "while True: pass"),
    "halve": ("return x // 2", "return x / 2", "return object()", "retrun x"),
}
EXAMPLES = {"double": (2, 4), "square": (2, 4), "negate": (2, -2), "halve": (4, 2)}
TESTS = {"double": (5, 10), "square": (3, 9), "negate": (0, 0), "halve": (6, 3)}
BIG = ("double", "square", "negate")

BOARD = """\
schema_version = 1
name = "tiny"
arms = ["13b:1", "7b:2"]
rankers = ["examples", "shortest"]

[[benchmarks]]
name = "tiny.jsonl"
[benchmarks.samples]
13b = ["big.jsonl"]
7b = ["small.jsonl"]

[sandbox]
launcher = "process"
workers = 1
check = false
"""


def jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_board(folder: Path, board: str = BOARD) -> Path:
    """A folder with a board, its benchmark, and samples of two arms; of the last task one arm has none."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [
        {
            "task_id": name,
            "prompt": f'def {name}(x):\n    """{name.title()} x.\n\n    >>> {name}({x})\n    {y}\n    """\n',
            "entry_point": name,
            "canonical_solution": f"    {BODIES[name][0]}\n",
            "test": f"def check(candidate):\n    assert candidate({x}) == {y}\n"
            f"    assert candidate({TESTS[name][0]}) == {TESTS[name][1]}\n",
        }
        for name, (x, y) in EXAMPLES.items()
    ]
    samples = [{"task_id": name, "completion": f"    {body}\n"} for name, listed in BODIES.items() for body in listed]
    big = [{"task_id": name, "completion": f"    {BODIES[name][0]}\n", "output_tokens": 9} for name in BIG]
    (folder / "tiny.jsonl").write_text(jsonl(tasks))
    (folder / "small.jsonl").write_text(jsonl([row | {"prompt_tokens": 20, "output_tokens": 8} for row in samples]))
    (folder / "big.jsonl").write_text(jsonl([row | {"prompt_tokens": 20} for row in big]))
    (folder / "board.toml").write_text(board)
    return folder


def codebudget(cwd: Path, *arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "codebudget", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def board(tmp_path: Path) -> Path:
    return write_board(tmp_path)


@pytest.fixture(scope="session")
def command() -> Command:
    return codebudget


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a board and of its run, `run`, which the command made."""
    folder = write_board(tmp_path_factory.mktemp("made"))
    done = codebudget(folder, "leaderboard", "run", "board.toml", "--out", "run", "--json")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def cascade_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a board with a cascade of the same two models."""
    board = BOARD.replace('"7b:2"', '"7b:1,13b:1", "7b:2"')
    folder = write_board(tmp_path_factory.mktemp("cascade"), board)
    done = codebudget(folder, "leaderboard", "run", "board.toml", "--out", "run")
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.fixture(scope="session")
def grader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grader]:
    """A stranger's grader: it has graded nothing that it is told, and remembers what it found itself."""
    launcher = ProcessLauncher()
    launcher.prepare()
    store: Store
    with open_store(tmp_path_factory.mktemp("verify") / "store.sqlite") as store, Sandbox(launcher, workers=1) as box:
        assert box.limits == Limits()
        yield Grader(box, store)


@pytest.fixture(scope="session")
def verified(made: Path, grader: Grader) -> Callable[..., Verification]:
    """Verifies a run, as the command does."""

    known: dict[tuple[str, ...], OwnRankers] = {}

    def run(path: Path, sample: int | None = None, named: Named | None = None) -> Verification:
        read = read_run(path)
        if read.run is None:
            return Verification(read.differences)
        trusted = named or Named(benchmark_files=[made / "tiny.jsonl"])
        try:
            benchmarks = planned_of_run(read.run, trusted)
        except RunError as error:
            return Verification([difference("board.toml", "", "", "", str(error))])
        # Looking up entry points takes longer than all the rest.
        names = read.run.board.board.selecting.bounded
        if named is None and names not in known:
            known[names] = rankers_of_run(read.run, trusted)
        rankers = known[names] if named is None else rankers_of_run(read.run, named)
        return verify(read.run, benchmarks, rankers, grader, sample=sample, seed=0, progress=silent)

    return run


class Tampered:
    """A copy of a run, to be changed."""

    def __init__(self, run: Path) -> None:
        self.path = run

    def rows(self, name: str, change: Callable[[list[dict[str, Any]]], object]) -> "Tampered":
        """Change the rows of a file."""
        with gzip.open(self.path / name, "rt") as file:
            rows = [json.loads(line) for line in file]
        change(rows)
        with gzip.open(self.path / name, "wb") as file:
            file.writelines(row_bytes(row) for row in rows)
        return self

    def json(self, name: str, change: Callable[[dict[str, Any]], object]) -> "Tampered":
        """Change a JSON file."""
        value = json.loads((self.path / name).read_text())
        change(value)
        (self.path / name).write_bytes(json_bytes(value))
        return self

    def hashed(self) -> "Tampered":
        """Hash every file again, and then the manifest, as a careful forger does."""

        def change(manifest: dict[str, Any]) -> None:
            manifest["files"] = {
                name: hashlib.sha256((self.path / name).read_bytes()).hexdigest()
                for name in HASHED
                if (self.path / name).is_file()
            }
            manifest |= sealed(manifest)

        return self.json("manifest.json", change)


@pytest.fixture
def tampered(made: Path, tmp_path: Path) -> Tampered:
    shutil.copytree(made / "run", tmp_path / "copy")
    return Tampered(tmp_path / "copy")
