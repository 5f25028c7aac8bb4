"""The models that ship: that they are there, as large as they say, and as the catalogue has them."""

import json
import struct
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
