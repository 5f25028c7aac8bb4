"""Arms whose precision is a recipe: made and drawn from where that can be done, one line where it cannot."""

import gzip
import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from support.command import codebudget

SAMPLE = ("sample", "250k@W8A8-rtn:2", "--family", "nano", "--tasks", "2", "--max-tokens", "16")


def test_without_llm_compressor_it_says_what_to_run(tmp_path: Path) -> None:
    for module in ("torch", "transformers"):
        pytest.importorskip(module, reason="needs the extra [transformers]")
    if importlib.util.find_spec("llmcompressor") is not None:
        pytest.skip("llm-compressor is installed")
    done = codebudget(tmp_path, *SAMPLE, "--engine", "transformers")
    assert (done.returncode, done.stdout) == (3, "")
    assert "codebudget quantise nano-250k w8a8 --family nano --compress-python" in done.stderr


def test_recorded_samples_need_no_checkpoint(tmp_path: Path) -> None:
    done = codebudget(tmp_path, *SAMPLE, "--engine", "recorded")
    assert done.returncode == 3
    assert "has no samples of nano-250k@w8a8" in done.stderr


def test_an_arm_draws_from_the_checkpoint_that_it_makes(tmp_path: Path) -> None:
    pytest.importorskip("llmcompressor", reason="needs llm-compressor: install the extra [compress]")
    done = codebudget(tmp_path, *SAMPLE, "--out", "samples.jsonl")
    assert done.returncode == 0, done.stderr
    (checkpoint,) = (tmp_path / ".codebudget" / "checkpoints").iterdir()
    record = json.loads((checkpoint / "codebudget-checkpoint.json").read_text())
    assert record["recipe"] == "w8a8"
    planned = f"weights planned {record['predicted_bytes']:,} bytes, written {record['tensor_bytes']:,} as tensors"
    assert planned in done.stderr
    again = codebudget(tmp_path, *SAMPLE, "--engine", "recorded", "--json")
    assert again.returncode == 0, again.stderr


def test_compare_shows_where_the_tokens_leave_the_originals(tmp_path: Path) -> None:
    pytest.importorskip("llmcompressor", reason="needs llm-compressor: install the extra [compress]")
    arms = ("250k@w3a16-g32:1", "250k@w8a8:1", "250k@bf16:1")
    options = ("--family", "nano", "--match", "memory", "--tasks", "12", "--sandbox", "process", "--ranker", "first")
    done = codebudget(tmp_path, "compare", *arms, *options, "--engine", "transformers", "--report", "c.md", "--json")
    assert done.returncode == 0, done.stderr
    three, eight, plain = json.loads(done.stdout.splitlines()[-1])["arms"]
    assert plain["compression"] is None
    found = [one["compression"]["divergence"] for one in (three, eight)]
    assert found[0]["fdt"]["mean"] < found[1]["fdt"]["mean"] <= eight["compression"]["floor"]["fdt"]["mean"]
    assert (found[0]["tokens"], found[0]["prompts"]) == (100, 12)
    ratio = three["pass_at_k"]["value"] / plain["pass_at_k"]["value"]
    assert three["compression"]["recovery_percent"]["value"] == pytest.approx(100 * ratio)
    assert "Compressed arms beside their models at 16 bits" in (tmp_path / "c.md").read_text()
    assert "first divergent token" in codebudget(tmp_path, "compare", *arms, *options).stdout


MIXED = """version = 1
recipe = "w3a16-g32"
components = ["model.layers.0.mlp.up_proj", "model.layers.4.self_attn.q_proj"]
"""


def test_a_mixed_recipe_is_an_arm(tmp_path: Path) -> None:
    pytest.importorskip("llmcompressor", reason="needs llm-compressor: install the extra [compress]")
    (tmp_path / "mixed.toml").write_text(MIXED)
    arms = ("250k@recipe:mixed.toml:1", "250k@w3a16-g32:1", "250k@bf16:1")
    options = ("--family", "nano", "--match", "memory", "--tasks", "8", "--sandbox", "process", "--ranker", "first")
    done = codebudget(tmp_path, "compare", *arms, *options, "--engine", "transformers", "--json")
    assert done.returncode == 0, done.stderr
    mixed, three, plain = json.loads(done.stdout.splitlines()[-1])["arms"]
    assert mixed["model"] == "nano-250k@recipe:mixed.toml"
    assert mixed["precision"] == "w3a16-g32"
    made = [json.loads(file.read_text()) for file in tmp_path.glob(".codebudget/checkpoints/*/codebudget-*.json")]
    (record,) = [one for one in made if one["components"]]
    assert abs(record["tensor_bytes"] - record["predicted_bytes"]) < 0.01 * record["predicted_bytes"]
    assert f"weights planned {record['predicted_bytes']:,} bytes" in done.stderr
    fdt = [one["compression"]["divergence"]["fdt"]["mean"] for one in (mixed, three)]
    assert fdt[0] > fdt[1]
    ratio = mixed["pass_at_k"]["value"] / plain["pass_at_k"]["value"]
    assert mixed["compression"]["recovery_percent"]["value"] == pytest.approx(100 * ratio)


BOARD = """schema_version = 1
name = "compressed"
family = "nano"
arms = ["250k@w4a16-g32:1", "250k@bf16:1"]
seed = 0
rankers = ["first"]

[[benchmarks]]
name = "nano"
tasks = 10

[budget]
match = "memory"

[sampling]
engine = "transformers"

[sandbox]
launcher = "process"
check = false
"""


def test_a_run_keeps_tokens_and_its_metrics_are_computed_from_them_again(tmp_path: Path) -> None:
    pytest.importorskip("llmcompressor", reason="needs llm-compressor: install the extra [compress]")
    (tmp_path / "board.toml").write_text(BOARD)
    made = codebudget(tmp_path, "leaderboard", "run", "board.toml", "--out", "run")
    assert made.returncode == 0, made.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    four, plain = results["benchmarks"][0]["arms"]
    assert (four["compression"]["divergence"]["tokens"], plain["compression"]) == (100, None)
    with gzip.open(tmp_path / "run" / "tokens.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    firsts = [min((place for place, _ in row["differing"]), default=100) for row in rows]
    assert len(rows) == 10
    assert four["compression"]["divergence"]["fdt"]["mean"] == pytest.approx(sum(firsts) / 10)
    assert "| compressed arm | FDT |" in (tmp_path / "run" / "report.md").read_text()
    # Without weights or checkpoints.
    shutil.rmtree(tmp_path / ".codebudget")
    for command in (("pack", "run", "--out", "run.tar.gz"), ("unpack", "run.tar.gz", "--out", "again")):
        done = codebudget(tmp_path, "leaderboard", *command)
        assert done.returncode == 0, done.stderr
    checked = codebudget(tmp_path, "leaderboard", "verify", "again", "--sandbox", "process", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert json.loads(checked.stdout.splitlines()[-1])["verified"]
    (tmp_path / "again" / "tokens.jsonl.gz").unlink()
    refused = codebudget(tmp_path, "leaderboard", "verify", "again", "--sandbox", "process")
    assert refused.returncode == 1
    assert "tokens.jsonl.gz" in refused.stdout
