"""The board of a study: what it is of, and lines of what is wrong with it."""

from pathlib import Path

import pytest
from codebudget.errors import UserError
from codebudget.experiment.study.board import load_study
from codebudget.experiment.study.planned import checkpoints_of

GOOD = """schema_version = 1
name = "a study"
family = "nano"
models = ["1m", "250k"]
recipes = ["w8a8"]
seeds = [3, 4]
samples = 8
ks = [1, 8]
memory = ["1MB"]

[[grids]]
bits = ["w4a16", "w3a16"]
groups = [0, 32]
methods = ["rtn", "gptq"]

[sampling]
engine = "transformers"
"""


def load(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(text)
    return path


def test_models_by_recipes_by_seeds_of_what_is_calibrated(tmp_path: Path) -> None:
    found = checkpoints_of(load_study(load(tmp_path, GOOD)))
    assert [one.label for one in found[:4]] == ["nano-1m@bf16", "nano-1m@w8a8", "nano-1m@w4a16", "nano-1m@w4a16-gptq"]
    assert [one.seed for one in found if one.precision == "w4a16-g32-gptq"] == [3, 4, 3, 4]
    assert [one.seed for one in found if one.precision == "w4a16-g32"] == [None, None]
    assert len(found) == 2 * (1 + 1 + 4 + 4 * 2)
    assert found[0].planned_bytes > found[1].planned_bytes > found[2].planned_bytes


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('name = "a study"', 'nome = "x"', 1, "name: this key is missing"),
        ("samples = 8", 'samples = "8"', 7, "samples"),
        ("samples = 8", "samples = 4", 8, "pass@8 needs 8 samples"),
        ('recipes = ["w8a8"]', 'recipes = ["w8a8", "w4a16-gtpq"]', 5, "cannot read '-gtpq'"),
        ('recipes = ["w8a8"]', 'recipes = ["w16a16"]', 5, "quantises nothing"),
        ('models = ["1m", "250k"]', 'models = ["1m", "9m"]', 4, "unknown model"),
        ('models = ["1m", "250k"]', 'models = ["1m", "1m"]', 4, "listed twice"),
        ("groups = [0, 32]", "groups = [0, 48]", 11, "groups of 48 do not divide"),
        ('methods = ["rtn", "gptq"]', 'methods = ["gtpq"]', 14, "methods[0]"),
        ('methods = ["rtn", "gptq"]', 'methods = ["smoothquant"]', 11, "smoothquant"),
        ('memory = ["1MB"]', 'memory = ["1 parrot"]', 9, "cannot read '1 parrot' as memory"),
        ('engine = "transformers"', 'engine = "openai"', 17, "openai cannot load a checkpoint"),
        ('engine = "transformers"', "temperature = 0.0", 17, "temperature"),
        ('family = "nano"', 'family = "nano"\nform = "folded"', 6, "cannot be folded"),
        ('engine = "transformers"', "[sandbox]\ncheck = true", 18, "does not attack the sandbox"),
        ('family = "nano"', "family = nano", 3, "this is not TOML"),
        ('family = "nano"', 'parrot = "nano"', 3, "unknown key"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD
    path = load(tmp_path, GOOD.replace(old, new))
    with pytest.raises(UserError) as caught:
        checkpoints_of(load_study(path))
    assert str(caught.value).startswith(f"{path}:{line}: "), caught.value
    assert message in str(caught.value)


def test_a_missing_board_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the board"):
        load_study(tmp_path / "absent.toml")


@pytest.mark.parametrize("name", ["nano-precision", "qwen-precision", "main-precision"])
def test_examples_can_be_planned(repository: Path, name: str) -> None:
    found = checkpoints_of(load_study(repository / "examples" / f"{name}.toml"))
    recipes = [one.recipe for one in found if one.recipe is not None]
    assert len({one.key for one in recipes}) >= (24 if name.startswith("nano") else 5)
    if name.startswith("nano"):
        assert {one.method for one in recipes} == {"rtn", "gptq", "awq", "smoothquant"}
        assert {8, 4, 3, 2} <= {one.weight_bits for one in recipes}
        assert {None, 32, 64} <= {one.group for one in recipes}
        assert {16, 8} <= {one.activation_bits for one in recipes}
