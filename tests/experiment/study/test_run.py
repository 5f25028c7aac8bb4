"""A study run on a tiny model with weights rounded here: its rows, going on after a kill, and perplexity."""

import json
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from codebudget._util.progress import silent
from codebudget.budgets.models import find_model, weights_of
from codebudget.compression.folding import fold
from codebudget.compression.quantise import Source
from codebudget.compression.recipes import parse_recipe
from codebudget.errors import UserError
from codebudget.experiment.study.perplexity import PIECE_BYTES, perplexity, pieces_of, solutions_of
from codebudget.sampler.engines.checkpoint import find_checkpoint
from codebudget.sampler.engines.transformers_engine import TransformersEngine
from codebudget.tasks import load_benchmark

from support.command import codebudget, started

torch = pytest.importorskip("torch", reason="needs torch: install the extra [transformers]")
transformers = pytest.importorskip("transformers", reason="needs the extra [transformers]")

BOARD = """schema_version = 1
name = "tiny"
family = "nano"
models = ["250k"]
recipes = ["w8a16", "w2a16-g32-asym-lorc4"]
form = "folded"
tasks = 2
samples = 2
ks = [2]
tokens = 30

[sampling]
engine = "transformers"
max_tokens = 24

[sandbox]
launcher = "process"
"""


def texts() -> list[Any]:
    tasks = load_benchmark("nano").tasks[:4]
    return [*solutions_of(tasks), *pieces_of([f"{tasks[0].reference}\nx = 1\n", "one line of words"])]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_perplexity_is_that_of_transformers_own_loss(precision: str) -> None:
    weights = weights_of(find_model("250k", "nano"))
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    model = transformers.AutoModelForCausalLM.from_pretrained(weights, dtype=dtype)
    tokenizer = transformers.AutoTokenizer.from_pretrained(weights)
    total, count = 0.0, 0
    for before, text in texts():
        first = tokenizer(before)["input_ids"]
        rest = tokenizer(text, add_special_tokens=False)["input_ids"]
        labels = torch.tensor([[-100] * len(first) + rest])
        with torch.no_grad():
            loss = model(input_ids=torch.tensor([first + rest]), labels=labels).loss
        total, count = total + loss.item() * len(rest), count + len(rest)
    engine = TransformersEngine(weights, precision, most_rows=1)
    found = perplexity(engine, texts(), silent)
    engine.close()
    assert found.tokens == count
    assert found.value == pytest.approx(math.exp(total / count), rel=1e-4 if precision == "fp32" else 2e-2)


def test_pieces_are_short_and_lose_nothing_but_blanks() -> None:
    text = "".join(f"line {number} of a text\n" for number in range(200)) + "x" * 3000 + "\n" + "é" * 900 + "\n"
    pieces = pieces_of([text])
    assert "".join(piece.before + piece.text for piece in pieces) == text
    assert all(len((piece.before + piece.text).encode()) <= PIECE_BYTES for piece in pieces)
    assert all(piece.before and piece.text for piece in pieces)
    with pytest.raises(UserError, match="no text to score"):
        pieces_of(["", "\n \n"])


def source() -> Source:
    model = find_model("250k", "nano")
    checkpoint = find_checkpoint(weights_of(model))
    return Source(model.name, checkpoint.source, checkpoint.revision, checkpoint.commit, model.architecture)


def test_folded_weights_have_few_values_and_factors_bring_them_closer(tmp_path: Path) -> None:
    original = transformers.AutoModelForCausalLM.from_pretrained(source().weights, dtype=torch.bfloat16)
    plain = fold(source(), parse_recipe("w2a16"), tmp_path / "plain")
    closer = fold(source(), parse_recipe("w2a16-lorc8"), tmp_path / "closer")
    name = "model.layers.0.mlp.up_proj.weight"
    weight = dict(original.named_parameters())[name].float()
    folded = {
        path: dict(transformers.AutoModelForCausalLM.from_pretrained(path).named_parameters())[name].float()
        for path in (plain, closer)
    }
    assert max(len(row.unique()) for row in folded[plain]) <= 4
    assert (folded[closer] - weight).norm() < 0.9 * (folded[plain] - weight).norm()
    assert fold(source(), parse_recipe("w2a16"), tmp_path / "plain") == plain
    with pytest.raises(UserError, match="is there already"):
        fold(source(), parse_recipe("w4a16"), tmp_path / "plain")


def rows(folder: Path) -> list[dict[str, Any]]:
    text = (folder / ".codebudget" / "studies" / "tiny" / "rows.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def stable(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "seconds"}


def test_a_study_ends_and_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(BOARD)
    process = started(tmp_path, "study", "precision", "tiny.toml")
    file = tmp_path / ".codebudget" / "studies" / "tiny" / "rows.jsonl"
    deadline = time.monotonic() + 200
    while not (file.is_file() and file.read_bytes()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = rows(tmp_path)
    assert before
    # What a kill amid a write leaves.
    with file.open("a") as opened:
        opened.write('{"key": "half')
    done = codebudget(tmp_path, "study", "precision", "tiny.toml", "--json", "--report", "study.md")
    assert done.returncode == 0, done.stderr
    after = rows(tmp_path)
    assert after[: len(before)] == before
    assert [row["recipe"] for row in after] == ["bf16", "w8a16", "w2a16-g32-asym-lorc4"]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["complete"]
    assert [line["label"] for line in result["table"]] == [f"nano-250k@{row['recipe']}" for row in after]
    plain, eight, two = result["table"]
    assert plain["recovery_percent"]["value"] in (100, None)
    assert plain["agreement"]["value"] == 1
    assert eight["perplexity"] < two["perplexity"]
    assert eight["planned_bytes"] > two["planned_bytes"]
    assert two["tensor_bytes"] is None
    assert plain["sensitivity"] == "class-1"
    assert plain["divergence"]["fdt"]["mean"] >= eight["divergence"]["fdt"]["mean"] > two["divergence"]["fdt"]["mean"]
    assert two["divergence"]["tokens"] == 30
    # Two prompts tell nothing apart.
    assert "fdt" in two["within_floor"]
    assert set(plain["pass_at"]) == {"1", "2"}
    assert (tmp_path / "study.md").read_text().startswith("## tiny\n")
    again = codebudget(tmp_path, "study", "precision", "tiny.toml")
    assert (again.returncode, again.stderr) == (0, "")
    assert "Recommendation" in again.stdout
    assert rows(tmp_path) == after


def test_what_would_be_made_is_shown_without_making_it(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(BOARD)
    done = codebudget(tmp_path, "study", "precision", "tiny.toml", "--plan", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["recipe"] for one in found["checkpoints"]] == ["bf16", "w8a16", "w2a16-g32-asym-lorc4"]
    assert found["planned_bytes"] == sum(one["planned_bytes"] for one in found["checkpoints"][1:])
    assert not (tmp_path / ".codebudget").exists()


def test_without_llm_compressor_it_says_what_to_run(tmp_path: Path) -> None:
    from importlib.util import find_spec

    if find_spec("llmcompressor") is not None:
        pytest.skip("llm-compressor is installed")
    text = BOARD.replace('form = "folded"\n', "").replace("w8a16", "w4a16-gptq")
    (tmp_path / "tiny.toml").write_text(text)
    done = codebudget(tmp_path, "study", "precision", "tiny.toml")
    assert (done.returncode, done.stdout) == (3, "")
    assert "codebudget quantise 250k w4a16-gptq --family nano --calibration prompts --seed 0" in done.stderr
    assert "--compress-python" in done.stderr
