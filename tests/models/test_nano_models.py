"""The models that ship: that they are there, as large as they say, and as the catalogue has them."""

import json
import struct
import subprocess
import sys
import tomllib
from math import prod
from pathlib import Path

import pytest
from codebudget.budgets.architecture import Architecture
from codebudget.budgets.models import find_family, find_model
from codebudget.errors import UserError
from codebudget.models.nano import NAMES, nano_path
from codebudget.models.nano.sizes import SIZES

FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
MOST_BYTES = 12_000_000

SOLVED = """
import json, signal, sys

def late(*_):
    raise TimeoutError

signal.signal(signal.SIGALRM, late)
solved = 0
for program, check in zip(*json.load(sys.stdin)):
    signal.alarm(2)
    try:
        exec(program + chr(10) + check, {})
    except Exception:
        continue
    finally:
        signal.alarm(0)
    solved += 1
print(solved)
"""


def tensors(folder: Path) -> dict[str, tuple[str, list[int]]]:
    """Type and shape of every tensor of the weights file, from its header."""
    with (folder / "model.safetensors").open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    return {name: (entry["dtype"], entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


def test_names_are_those_of_the_family() -> None:
    assert tuple(model.alias for model in find_family("nano").models) == NAMES == tuple(SIZES)
    assert nano_path("nano-4M") == nano_path("4m")
    with pytest.raises(UserError, match="250k, 1m, 4m"):
        nano_path("7b")


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_what_the_catalogue_counts(name: str, repository: Path) -> None:
    folder = nano_path(name)
    model = find_model(name, "nano")
    assert model.path == f"package:{folder.relative_to(repository).as_posix()}"
    assert all((folder / file).is_file() for file in FILES)
    found = tensors(folder)
    assert {dtype for dtype, _ in found.values()} == {"BF16"}
    count = sum(prod(shape) for _, shape in found.values())
    assert count == model.published_parameters == model.architecture.parameter_count()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert Architecture.from_config(config) == model.architecture


@pytest.mark.parametrize("name", NAMES)
def test_every_model_has_the_one_tokenizer(name: str) -> None:
    for file in ("tokenizer.json", "tokenizer_config.json"):
        assert (nano_path(name) / file).read_bytes() == (nano_path(name).parent / "tokenizer" / file).read_bytes()


def test_all_together_are_small() -> None:
    assert sum(path.stat().st_size for name in NAMES for path in nano_path(name).iterdir()) <= MOST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_every_model_solves_some_of_its_benchmark(name: str, tmp_path: Path) -> None:
    """Greedily, and run without a sandbox: these models know nothing harmful."""
    pytest.importorskip("torch", reason="needs the extra [transformers]")
    pytest.importorskip("transformers", reason="needs the extra [transformers]")
    from codebudget.sampler.engine import Draw, Sampling
    from codebudget.sampler.engines import choose_engine
    from codebudget.tasks import load_benchmark

    tasks = load_benchmark("nano").tasks[:40]
    engine = choose_engine("transformers", str(nano_path(name)), "bf16").engine
    drawn = dict(engine.generate([Draw(task.prompt, 0) for task in tasks], Sampling(temperature=0, max_tokens=160)))
    engine.close()
    assert all(generation.output_tokens <= 160 for generation in drawn.values())
    assert sum(generation.finish_reason == "stop" for generation in drawn.values()) >= 30
    programs = [task.prompt + drawn[place].text for place, task in enumerate(tasks)]
    checks = [f"{task.tests.code}\ncheck({task.entry_point})" for task in tasks]
    script = tmp_path / "solved.py"
    script.write_text(SOLVED, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", script],
        input=json.dumps([programs, checks]),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert int(done.stdout) >= 3


def test_a_wheel_holds_the_models(repository: Path) -> None:
    """Every file of a model, with its weights, is package data."""
    patterns = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert {f"{name}/*" for name in NAMES} <= set(patterns["package-data"]["codebudget.models.nano"])
