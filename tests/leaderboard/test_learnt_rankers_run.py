"""A board whose rankers use a reward model or a trained verifier: named by hash, charged, and verified by no other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from codebudget.errors import UserError
from codebudget.leaderboard.verify.recheck import Verification
from codebudget.leaderboard.verify.trust import Named
from codebudget.rankers.verifier.coefficients import Coefficients, View
from codebudget.rankers.verifier.features import GROUPS
from codebudget.sampler.engines.checkpoint import find_checkpoint

from support.networks import random_folder

from .conftest import BOARD, Tampered, codebudget, write_board

pytest.importorskip("torch", reason="needs the extra [transformers]")
transformers = pytest.importorskip("transformers", reason="needs the extra [transformers]")

Verify = Callable[..., Verification]

RANKERS = 4
"""Two by the model, the verifier, and `random`."""

VERIFIER = "verifier,model=v.json"


def coefficients(weight: float) -> str:
    """The file of a verifier that minds how long a program is."""
    features = {name: (0.0, 1.0, weight if name == "length" else 0.0) for name in GROUPS["text"]}
    return Coefficients(
        views=(View(groups=("text",), inverse_penalty=1.0, intercept=0.0, features=features),), tasks=()
    ).text()


@pytest.fixture(scope="module")
def rewarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a board, of its reward model, `rm`, its verifier, `v.json`, and its run, `run`."""
    folder = tmp_path_factory.mktemp("rewarded")
    transformers.set_seed(5)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.LlamaConfig(vocab_size=1024, num_labels=1, initializer_range=0.5, **sizes)
    model = random_folder(folder / "rm", transformers.LlamaForSequenceClassification(config))
    (folder / "v.json").write_text(coefficients(-1.0))
    rankers = f'rankers = ["reward,model={model}", "examples+reward,model={model}", "verifier,model=v.json"]'
    write_board(folder, BOARD.replace('rankers = ["examples", "shortest"]', rankers))
    done = codebudget(folder, "leaderboard", "run", "board.toml", "--out", "run")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def copied(rewarded: Path, tmp_path: Path) -> Tampered:
    shutil.copytree(rewarded / "run", tmp_path / "copy")
    return Tampered(tmp_path / "copy")


def trust(folder: Path, *models: Path, verifier: Path | None = None) -> Named:
    return Named(
        benchmark_files=[folder / "tiny.jsonl"],
        ranker_files=[verifier or folder / "v.json"],
        models=[str(model) for model in models],
    )


def differing(result: Verification) -> str:
    return "\n".join(map(str, result.differences))


def test_the_model_is_named_with_its_revision_and_charged(rewarded: Path) -> None:
    model = str(rewarded / "rm")
    manifest = json.loads((rewarded / "run" / "manifest.json").read_text())
    rewards = {name: part["rewards"] for name, part in manifest["rankers"].items()}
    assert rewards.pop("random") == rewards.pop(VERIFIER) == {}
    assert list(rewards.values()) == [{model: find_checkpoint(model).revision}] * 2
    arms = json.loads((rewarded / "run" / "results.json").read_text())["benchmarks"][0]["arms"]
    timings = json.loads((rewarded / "run" / "timings.json").read_text())["arms"]
    for name in rewards:
        # A single sample is not ranked.
        assert arms[0]["rankers"][name]["cost_flops"] == 0
        assert arms[1]["rankers"][name]["cost_flops"] > 0
        assert timings[1]["rankers"][name]["cost_s"] > 0
    assert arms[1]["rankers"][VERIFIER]["cost_flops"] == 0
    assert timings[1]["rankers"][VERIFIER]["cost_s"] > 0


def test_who_names_the_model_ranks_by_it_again(rewarded: Path, verified: Verify) -> None:
    result = verified(rewarded / "run", named=trust(rewarded, rewarded / "rm"))
    assert (differing(result), result.notes, result.ranked) == ("", [], result.rankings)


def test_it_is_not_looked_up_unless_named_and_what_follows_from_its_scores_still_counts(
    rewarded: Path, copied: Tampered, verified: Verify
) -> None:
    result = verified(rewarded / "run", named=trust(rewarded))
    assert (differing(result), result.ranked) == ("", result.rankings * 2 // RANKERS)
    assert any("looked up only if `models`" in note and str(rewarded / "rm") in note for note in result.notes)

    def better(rows: list[dict[str, Any]]) -> None:
        rows[0]["at_k"]["1"] = 0.123

    copied.rows("rankings.jsonl.gz", better).hashed()
    for named in (trust(rewarded), trust(rewarded, rewarded / "rm")):
        assert "at_k" in differing(verified(copied.path, named=named))


def test_other_scores_than_the_models_are_named(rewarded: Path, copied: Tampered, verified: Verify) -> None:
    def change(by: float) -> Verification:
        copied.rows("rankings.jsonl.gz", lambda rows: rows[0]["scores"].__setitem__(0, rows[0]["scores"][0] + by))
        return verified(copied.hashed().path, named=trust(rewarded, rewarded / "rm"))

    # As much as another device may round otherwise.
    assert differing(change(1e-4)) == ""
    assert "scores[0]" in differing(change(1.0))


def test_another_model_in_its_place_is_refused(rewarded: Path, copied: Tampered, verified: Verify) -> None:
    def other(manifest: dict[str, Any]) -> None:
        for part in manifest["rankers"].values():
            part["rewards"] = dict.fromkeys(part["rewards"], "0" * 40)

    copied.json("manifest.json", other).hashed()
    result = verified(copied.path, named=trust(rewarded, rewarded / "rm"))
    assert "manifest.json: " in differing(result)
    assert "rewards" in differing(result)
    assert result.ranked == result.rankings * 2 // RANKERS
    assert any("the reward model here differs" in note for note in result.notes)


def test_another_verifiers_file_is_refused(rewarded: Path, tmp_path: Path, verified: Verify) -> None:
    other = tmp_path / "v.json"
    other.write_text(coefficients(1.0))
    result = verified(rewarded / "run", named=trust(rewarded, rewarded / "rm", verifier=other))
    assert VERIFIER in differing(result)
    assert result.ranked == result.rankings * (RANKERS - 1) // RANKERS


def test_a_model_of_no_ranker_and_one_that_is_not_there_are_said(
    rewarded: Path, tmp_path: Path, verified: Verify
) -> None:
    with pytest.raises(UserError, match="no such arm or reward model"):
        verified(rewarded / "run", named=trust(rewarded, rewarded / "rm", tmp_path))
    folder = write_board(tmp_path, BOARD.replace('"shortest"', '"reward,model=./none"'))
    done = codebudget(folder, "leaderboard", "run", "board.toml")
    assert done.returncode == 2
    assert "board.toml:4" in done.stderr
    assert "neither a folder nor" in done.stderr
    assert done.stderr.count("\n") == 1
