"""The models that ship: that they are there, as large as they say, and as the catalogue has them."""

import json
import re
import struct
import subprocess
import sys
import tomllib
from itertools import pairwise
from math import prod
from pathlib import Path

import pytest
from codebudget.budgets.architecture import Architecture
from codebudget.budgets.models import find_family, find_model
from codebudget.errors import UserError
from codebudget.models.nano import NAMES, nano_path
from codebudget.models.nano.card import card_scores
from codebudget.models.nano.sizes import SIZES
from codebudget.models.nano.tokens import VOCABULARY

FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
MOST_BYTES = 20_000_000
SAMPLES = 4

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
    with pytest.raises(UserError, match="250k, 1m, 2m, 4m"):
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


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_those_that_kernels_and_groups_of_weights_take(name: str) -> None:
    size = SIZES[name]
    assert size.hidden // size.heads in (32, 64)
    assert size.hidden % 64 == size.intermediate % 64 == 0


@pytest.mark.parametrize(("smaller", "name"), list(pairwise(NAMES)))
def test_each_size_at_4_bits_takes_no_more_than_the_next_smaller_at_16(smaller: str, name: str) -> None:
    """With a 16-bit scale for each group of 32 weights, and embeddings and norms at 16 bits."""
    embedded = SIZES[name].hidden * VOCABULARY
    shapes = {tensor: shape for tensor, (_, shape) in tensors(nano_path(name)).items()}
    matrices = sum(prod(shape) for shape in shapes.values() if len(shape) == 2) - embedded
    rest = sum(prod(shape) for shape in shapes.values()) - matrices
    at_16_bits = 2 * sum(prod(shape) for _, shape in tensors(nano_path(smaller)).values())
    assert matrices * (4 + 16 / 32) / 8 + rest * 2 <= at_16_bits


def test_all_together_are_small() -> None:
    assert sum(path.stat().st_size for name in NAMES for path in nano_path(name).iterdir()) <= MOST_BYTES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", ["transformers", "vllm"])
def test_an_engines_scores_are_the_cards(
    engine: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pass@1 from a few samples per problem, run without a sandbox: these models know nothing harmful."""
    pytest.importorskip(engine, reason=f"needs {engine}")
    pytest.importorskip("torch", reason="needs torch")
    from codebudget.sampler.engine import Draw, Sampling
    from codebudget.sampler.engines import choose_engine
    from codebudget.tasks import load_benchmark

    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "2")
    tasks = [task for task in load_benchmark("nano").tasks for _ in range(SAMPLES)]
    opened = choose_engine(engine, str(nano_path(name)), "bf16").engine
    draws = [Draw(task.prompt, seed) for seed, task in enumerate(tasks)]
    drawn = dict(opened.generate(draws, Sampling(temperature=0.8, top_p=0.95, max_tokens=160, logprobs=False)))
    opened.close()
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
        timeout=600,
        cwd=tmp_path,
    )
    card = card_scores()[name]["pass@1"]
    assert card.low <= int(done.stdout) / len(tasks) <= card.high


def test_the_card_shows_its_scores(repository: Path) -> None:
    text = (repository / "models" / "nano" / "README.md").read_text(encoding="utf-8")
    for name, scores in card_scores().items():
        (row,) = re.findall(rf"^\| `{name}` \| (?:\S+ \| )?(0\.\d+ \[.*) \|$", text, flags=re.MULTILINE)
        assert row.split(" | ") == [f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" for one in scores.values()]


def test_scores_rise_with_size_in_steps_that_can_be_seen() -> None:
    scores = [card_scores()[name] for name in NAMES]
    assert all(larger["pass@1"].value - smaller["pass@1"].value >= 0.08 for smaller, larger in pairwise(scores))
    assert scores[0]["pass@1"].value >= 0.15
    assert scores[-1]["pass@1"].value <= 0.85
    assert scores[0]["pass@8"].value < scores[-1]["pass@8"].value


def test_a_wheel_holds_the_models(repository: Path) -> None:
    """Every file of a model, with its weights, is package data."""
    patterns = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert {f"{name}/*" for name in NAMES} <= set(patterns["package-data"]["codebudget.models.nano"])
