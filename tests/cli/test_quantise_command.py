"""`codebudget quantise` where there is nothing to quantise, or nothing to do it with: one line each."""

import importlib.util
import sys
from pathlib import Path

import pytest

from support.command import codebudget


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("250k", "w4a16-g12x"), "recipe 'w4a16-g12x': cannot read '-g12x'"),
        (("250k", "w4a16-gtpq"), "recipe 'w4a16-gtpq': cannot read '-gtpq'"),
        (("250k", "q4_0"), "recipe 'q4_0': cannot read 'q4_0'"),
        (("250k", "w16a16"), "recipe w16a16 quantises nothing"),
        (("250k", "w4a16-g128"), "groups of 128 do not divide the 64 inputs of the query layers of nano-250k"),
        (("250k", "w4a16-lorc100"), "have 64 singular values; write -lorc64 or less"),
        (("9m", "w4a16"), "unknown model '9m'"),
        (("250k", "w4a16-gptq", "--calibration", "absent.txt"), "absent.txt"),
        (
            ("250k", "w4a16-gptq", "--calibration", "rows.jsonl"),
            'rows.jsonl:1: a row for calibration needs a field "text"',
        ),
        (("250k", "w4a16", "--out", "taken"), "taken is there already, not a checkpoint made here"),
        (("250k", "w4a16", "--out", "no/such/folder"), "the folder"),
        (("250k", "w4a16", "--compress-python", "./absent"), "cannot run ./absent"),
    ],
)
def test_the_users_mistake(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "x"}\n')
    (tmp_path / "taken").mkdir()
    done = codebudget(tmp_path, "quantise", *arguments, "--family", "nano")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert message in done.stderr


def test_without_llm_compressor_it_says_what_to_run(tmp_path: Path) -> None:
    if importlib.util.find_spec("llmcompressor") is not None:
        pytest.skip("llm-compressor is installed")
    done = codebudget(tmp_path, "quantise", "250k", "w4a16-gptq", "--family", "nano", "--seed", "3")
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert "codebudget[compress]" in done.stderr
    wanted = "codebudget quantise 250k w4a16-gptq --family nano --calibration prompts --seed 3 --compress-python"
    assert wanted in done.stderr


def test_an_interpreter_without_codebudget_is_named(tmp_path: Path) -> None:
    python = tmp_path / "python"
    # Isolated from what is installed here.
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    python.chmod(0o755)
    done = codebudget(tmp_path, "quantise", "250k", "w8a8", "--family", "nano", "--compress-python", python)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"{python} failed to quantise" in done.stderr.splitlines()[-1]
    assert "codebudget[compress]" in done.stderr.splitlines()[-1]
