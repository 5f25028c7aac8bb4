"""Checkpoints of mixed recipes that prune: zeros where they belong, nothing else changed, drawn from by arms."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from codebudget import Running
from codebudget.budgets.mixed import MixedRecipe
from codebudget.errors import UserError
from codebudget.experiment.quantising import quantise

from support.command import codebudget

torch = pytest.importorskip("torch", reason="needs torch: install the extra [transformers]")
transformers = pytest.importorskip("transformers", reason="needs the extra [transformers]")

SHARES = {"model.layers.0.mlp.up_proj": 0.5, "model.layers.3.self_attn.q_proj": 0.25}


def write(file: Path, method: Any, shares: dict[str, float] = SHARES) -> str:
    file.write_text(MixedRecipe(pruning=method, sparsity=shares).as_toml())
    return f"recipe:{file}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def weights(folder: str | Path) -> dict[str, Any]:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("method", ["magnitude", "wanda"])
def test_zeros_are_where_the_recipe_says_and_nothing_else_changes(here: Path, repository: Path, method: str) -> None:
    made = quantise("250k", write(here / "m.toml", method), Running(family="nano"))
    found, original = weights(made.path), weights(repository / "models" / "nano" / "250k")
    assert set(found) == set(original)
    for name, weight in found.items():
        share = SHARES.get(name.removesuffix(".weight"))
        if share is None:
            assert torch.equal(weight, original[name]), name
            continue
        zero = weight == 0
        assert float(zero.float().mean()) == pytest.approx(share, abs=0.01)
        assert torch.equal(weight[~zero], original[name][~zero])
        if method == "magnitude":
            assert original[name][zero].abs().max() <= original[name][~zero].abs().min()
        else:
            rows = zero.float().mean(dim=1)
            assert float(rows.max() - rows.min()) == 0
    assert (made.record.recipe, made.record.components) == (method, tuple(SHARES))
    assert made.record.tensor_bytes == made.record.predicted_bytes
    assert (made.record.calibration is None) == (method == "magnitude")


def test_the_same_is_found_again_and_another_share_is_another_checkpoint(here: Path) -> None:
    first = quantise("250k", write(here / "m.toml", "magnitude"), Running(family="nano"))
    again = quantise("250k", write(here / "other.toml", "magnitude"), Running(family="nano"))
    assert (first.found, again.found) == (False, True)
    assert again.path == first.path
    less = quantise(
        "250k",
        write(here / "m.toml", "magnitude", {**SHARES, "model.layers.0.mlp.up_proj": 0.4}),
        Running(family="nano"),
    )
    assert less.path != first.path


def test_a_component_of_another_model_leaves_nothing(here: Path) -> None:
    with pytest.raises(UserError, match=r"the model has no model\.layers\.9\.mlp\.up_proj"):
        quantise(
            "250k", write(here / "m.toml", "magnitude", {"model.layers.9.mlp.up_proj": 0.5}), Running(family="nano")
        )
    assert list((here / ".codebudget" / "checkpoints").iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(here: Path) -> None:
    recipe = write(here / "m.toml", "magnitude")
    # No file may grow beyond what a tokenizer takes.
    most = 100_000
    done = subprocess.run(
        [sys.executable, "-m", "codebudget", "quantise", "250k", recipe, "--family", "nano", "--out", "made"],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "free some space" in done.stderr
    assert [file.name for file in here.iterdir()] == ["m.toml"]


def test_an_arm_draws_from_it_and_its_tokens_are_compared(here: Path) -> None:
    shares = {f"model.layers.{layer}.mlp.down_proj": 0.8 for layer in range(5)}
    write(here / "sparse.toml", "magnitude", shares)
    arms = ("250k@recipe:sparse.toml:1", "250k:1")
    options = (
        "--family",
        "nano",
        "--tasks",
        "8",
        "--sandbox",
        "process",
        "--ranker",
        "first",
        "--engine",
        "transformers",
    )
    done = codebudget(here, "compare", *arms, *options, "--json")
    assert done.returncode == 0, done.stderr
    sparse, plain = json.loads(done.stdout.splitlines()[-1])["arms"]
    assert (sparse["model"], sparse["precision"]) == ("nano-250k@recipe:sparse.toml", "bf16")
    assert plain["compression"] is None
    compression = sparse["compression"]
    assert compression["divergence"]["fdt"]["mean"] < compression["floor"]["fdt"]["mean"]
