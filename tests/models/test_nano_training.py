"""The tokenizer's borders, the batches, and a short run of the training script."""

import csv
import itertools
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from codebudget.models.nano.programs import draw_function
from codebudget.models.nano.sizes import SIZES
from codebudget.models.nano.tokens import END_ID, VOCABULARY

tokenizers = pytest.importorskip("tokenizers", reason="needs the extra [transformers]")


@pytest.fixture(scope="module")
def tokenizer(repository: Path) -> "tokenizers.Tokenizer":
    return tokenizers.Tokenizer.from_file(str(repository / "models" / "nano" / "tokenizer" / "tokenizer.json"))


def test_no_token_crosses_from_prompt_to_body(tokenizer: "tokenizers.Tokenizer") -> None:
    assert tokenizer.get_vocab_size() == VOCABULARY
    rng = random.Random(0)
    for _ in range(300):
        function = draw_function(rng)
        whole = tokenizer.encode(function.prompt + function.body).ids
        assert whole == tokenizer.encode(function.prompt).ids + tokenizer.encode(function.body).ids
        assert tokenizer.decode(whole) == function.prompt + function.body


def test_any_text_survives_the_tokenizer(tokenizer: "tokenizers.Tokenizer") -> None:
    for text in ("\n\n    é\t🙂\r\n", "x = [1,  2]", "        deeper\n  odd\n", ""):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_batches_are_the_same_again_and_score_bodies_alone(tokenizer: "tokenizers.Tokenizer") -> None:
    from codebudget.models.nano.corpus import batches

    first, again = (list(itertools.islice(batches(tokenizer, 3, 2048, 10_000), 12)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert (one.tokens == other.tokens).all()
        assert one.tokens.size <= 2048
        for tokens, targets in zip(one.tokens, one.targets, strict=True):
            scored = [place for place, target in enumerate(targets) if target >= 0]
            assert scored == list(range(scored[0], scored[-1] + 1))
            assert targets[scored[-1]] == END_ID
            assert all(targets[place] == tokens[place + 1] for place in scored)
            assert tokenizer.decode(tokens[: scored[0] + 1].tolist()).endswith('    """\n')


def training(out: Path, *more: str) -> list[str]:
    """A command that trains a little on one thread, which makes it exact."""
    command = [sys.executable, "-m", "codebudget.models.nano.train", "250k", "--threads", "1", "--device", "cpu"]
    return [*command, "--tokens", "20000", "--batch-tokens", "1024", "--out", str(out), *more]


def test_a_short_training_run_writes_a_model_that_loads(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra [transformers]")
    transformers = pytest.importorskip("transformers", reason="needs the extra [transformers]")
    out = tmp_path / "model"
    done = subprocess.run(training(out), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    with (out / "loss.csv").open(encoding="utf-8", newline="") as stream:
        losses = [float(row["loss"]) for row in csv.DictReader(stream)]
    assert losses[-1] < 6.5
    model = transformers.AutoModelForCausalLM.from_pretrained(out)
    assert model.config.hidden_size == SIZES["250k"].hidden
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    prompt = 'def f(x: int) -> int:\n    """Add 1.\n    """\n'
    output = model.generate(**tokenizer(prompt, return_tensors="pt"), max_new_tokens=3, do_sample=False)
    assert tokenizer.decode(output[0]).startswith(prompt)


def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra [transformers]")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(training(whole), cwd=tmp_path, capture_output=True, check=True, timeout=600)
    run = subprocess.Popen(training(killed, "--checkpoint-s", "0"), cwd=tmp_path, stdout=subprocess.DEVNULL)
    while not (killed / "checkpoint.pt").exists() and run.poll() is None:
        time.sleep(0.01)
    run.kill()
    run.wait()
    assert not (killed / "model.safetensors").exists()
    subprocess.run(training(killed, "--resume"), cwd=tmp_path, capture_output=True, check=True, timeout=600)
    assert (killed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert not (killed / "checkpoint.pt").exists()
