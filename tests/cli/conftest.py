"""The real command in a process of its own, and a benchmark small enough to run it often."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from support import command
from support.markov import Markov
from support.markov_server import MarkovServer
from support.rows import bodies, humaneval_row, jsonl

Command = Callable[..., command.Ran]


@pytest.fixture
def tiny_rows() -> list[dict[str, str]]:
    """A benchmark of three tasks, in HumanEval's shape."""
    return [
        humaneval_row("double", "return 2 * x", ("candidate(2) == 4", "candidate(5) == 10"), (2, 4)),
        humaneval_row("square", "return x * x", ("candidate(2) == 4", "candidate(3) == 9"), (2, 4)),
        humaneval_row("negate", "return -x", ("candidate(1) == -1", "candidate(0) == 0"), (2, -2)),
    ]


@pytest.fixture
def codebudget(tmp_path: Path) -> Command:
    """Runs `codebudget` in an empty folder."""
    return partial(command.codebudget, tmp_path, timeout_s=120)


@pytest.fixture
def tiny(tmp_path: Path, tiny_rows: list[dict[str, str]]) -> Path:
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

    def run(*arguments: object, **environment: str) -> command.Ran:
        return codebudget(
            "compare", *arguments, "--benchmark", "tiny.jsonl", "--sandbox", "process", "--workers", "1", **environment
        )

    return run


BIG, SMALL = "codellama/CodeLlama-13b-hf", "codellama/CodeLlama-7b-hf"


@pytest.fixture
def server(tiny_rows: list[dict[str, str]]) -> Iterator[MarkovServer]:
    """A server of OpenAI's API with two models under the names of real ones, which know the tiny benchmark by heart."""
    corpus = [row["prompt"] + row["canonical_solution"] for row in tiny_rows]
    serving = MarkovServer({name: Markov(corpus) for name in (BIG, SMALL, "markov")})
    yield serving
    serving.shutdown()
    serving.server_close()


@pytest.fixture
def sample(codebudget: Command, tiny: Path, server: MarkovServer) -> Command:
    """Runs `codebudget sample` on the tiny benchmark, with that server."""

    def run(*arguments: object, **environment: str) -> command.Ran:
        environment = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": ""} | environment
        options = ("--benchmark", "tiny.jsonl", "--engine", "openai", "--max-tokens", "40")
        return codebudget("sample", *arguments, *options, **environment)

    return run
