"""The real command in a process of its own, and a benchmark small enough to run it often."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

REFERENCES = {"double": "    return 2 * x\n", "square": "    return x * x\n", "negate": "    return -x\n"}
EXAMPLES = {"double": "4", "square": "4", "negate": "-2"}
TESTS = {
    "double": ("candidate(2) == 4", "candidate(5) == 10"),
    "square": ("candidate(2) == 4", "candidate(3) == 9"),
    "negate": ("candidate(1) == -1", "candidate(0) == 0"),
}


def jsonl(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def bodies(samples: Iterable[tuple[str, str]], **fields: Any) -> str:
    """Samples as JSONL, from task ids and function bodies."""
    return jsonl({"task_id": name, "completion": f"    {body}\n"} | fields for name, body in samples)


@pytest.fixture(name="bodies")
def bodies_fixture() -> Callable[..., str]:
    return bodies


@pytest.fixture
def tiny_rows() -> list[dict[str, Any]]:
    """A benchmark of three tasks, in HumanEval's shape."""
    return [
        {
            "task_id": name,
            "prompt": f'def {name}(x):\n    """{name.title()} x.\n\n    >>> {name}(2)\n    {EXAMPLES[name]}\n    """\n',
            "entry_point": name,
            "canonical_solution": REFERENCES[name],
            "test": "def check(candidate):\n" + "".join(f"    assert {test}\n" for test in TESTS[name]),
        }
        for name in REFERENCES
    ]


@pytest.fixture
def codebudget(tmp_path: Path) -> Command:
    """Runs `codebudget` in an empty folder."""

    def run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "codebudget", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture
def tiny(tmp_path: Path, tiny_rows: list[dict[str, Any]]) -> Path:
    """A folder with `tiny.jsonl`, one sample per task in `big.jsonl` and three in `small.jsonl`."""
    (tmp_path / "tiny.jsonl").write_text(jsonl(tiny_rows))
    (tmp_path / "big.jsonl").write_text(
        bodies([("double", "return x + x"), ("square", "return x * x"), ("negate", "return 0")])
    )
    small = {
        "double": ("return x + x", "return x + 2", "return 0"),
        "square": ("return x + x", "return x * x", "return 0"),
        "negate": ("return 0", "return 1", "return -x"),
    }
    (tmp_path / "small.jsonl").write_text(bodies((name, body) for name, listed in small.items() for body in listed))
    return tmp_path


@pytest.fixture
def compare(codebudget: Command, tiny: Path) -> Command:
    """Runs `codebudget compare` on the tiny benchmark in the process sandbox."""

    def run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        return codebudget(
            "compare", *arguments, "--benchmark", "tiny.jsonl", "--sandbox", "process", "--workers", "1", **environment
        )

    return run


def helper(name: str) -> ModuleType:
    """A module beside the folders of tests."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent.parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BIG, SMALL = "codellama/CodeLlama-13b-hf", "codellama/CodeLlama-7b-hf"


@pytest.fixture
def server(tiny_rows: list[dict[str, Any]]) -> Iterator[Any]:
    """A server of OpenAI's API with two models under the names of real ones, which know the tiny benchmark by heart."""
    pytest.importorskip("openai")
    markov = helper("markov").Markov
    corpus = [row["prompt"] + row["canonical_solution"] for row in tiny_rows]
    serving = helper("markov_server").MarkovServer({name: markov(corpus) for name in (BIG, SMALL, "markov")})
    yield serving
    serving.shutdown()
    serving.server_close()


@pytest.fixture
def sample(codebudget: Command, tiny: Path, server: Any) -> Command:
    """Runs `codebudget sample` on the tiny benchmark, with that server."""

    def run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        environment = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": ""} | environment
        options = ("--benchmark", "tiny.jsonl", "--engine", "openai", "--max-tokens", "40")
        return codebudget("sample", *arguments, *options, **environment)

    return run
