"""`codebudget diverge`, `outliers` and `components` as a user types them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = "".join(
    json.dumps({"text": f'def f{number}(values):\n    """Return the sum, plus {number}."""\n'}) + "\n"
    for number in range(4)
)


@pytest.fixture(autouse=True)
def prompts(tmp_path: Path) -> Path:
    pytest.importorskip("torch", reason="needs torch (pip install 'codebudget[transformers]')")
    pytest.importorskip("transformers", reason="needs transformers")
    file = tmp_path / "prompts.jsonl"
    file.write_text(PROMPTS)
    return file


@pytest.fixture
def nano(codebudget: Any) -> Any:
    def run(command: str, *arguments: str) -> Any:
        return codebudget(command, *arguments, "--family", "nano", "--prompts", "prompts.jsonl", OMP_NUM_THREADS="1")

    return run


def last_json(result: Any) -> dict[str, Any]:
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer


def test_diverge_prints_metrics_floor_and_costs(nano: Any) -> None:
    answer = last_json(nano("diverge", "250k", "250k@w3a16", "--tokens", "8", "--usd-per-hour", "1", "--json"))
    assert (answer["prompts"], answer["tokens"], answer["base"]) == (4, 8, "250k")
    for metric in ("fdt", "sdt", "never", "dppl"):
        assert set(answer[metric]) == {"mean", "low", "high", "p25", "median", "p75"}
        assert answer["floor"][metric]["mean"] is not None
    assert answer["fdt"]["mean"] < 8
    assert all(answer["costs"][part]["usd"] > 0 for part in ("base", "other", "floor"))
    shown = nano("diverge", "250k", "250k", "--tokens", "4")
    assert shown.returncode == 0, shown.stderr
    assert "first divergent token (fdt)" in shown.stdout
    assert "noise floor" in shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 100


def test_outliers_say_whether_int8_will_do(nano: Any) -> None:
    answer = last_json(nano("outliers", "250k", "--json"))
    assert answer["plain_int8"] is True
    assert answer["dimensions"] == []
    assert answer["cost"]["flops"] > 0
    shown = nano("outliers", "250k")
    assert "Plain INT8 will do" in shown.stdout


def test_components_write_a_recipe_that_diverge_takes(nano: Any, tmp_path: Path) -> None:
    arguments = ("--recipe", "w4a16", "--target", "0.5", "--tokens", "6", "--out", "mixed.toml", "--report", "map.html")
    answer = last_json(nano("components", "250k", *arguments, "--json"))
    assert len(answer["quantised"]["scores"]) == 35
    assert [choice["order"] for choice in answer["quantised"]["choices"]] == ["fdt", "perplexity", "uniform"]
    assert (tmp_path / "map.html").read_text().startswith("<!doctype html>")
    assert last_json(nano("diverge", "250k", "250k@recipe:mixed.toml", "--tokens", "6", "--json"))["prompts"] == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("diverge", "250k", "1m"), "different architectures"),
        (("diverge", "250k", "250k", "--tokens", "5000"), "has room for"),
        (("components", "250k", "--recipe", "w4a16-gptq"), "codebudget quantise"),
        (("diverge", "250k", "250k@recipe:none.toml"), "none.toml"),
        (("components", "250k"), "--recipe w8a8"),
        (("components", "250k", "--recipe", "w8a8", "--out", "x.toml"), "--target"),
        (("components", "250k", "--recipe", "w8a8", "--sparsity", "0.5"), "not both"),
        (("outliers", "no-such-model"), "unknown model"),
    ],
)
def test_mistakes_end_with_one_line_and_exit_code_2(nano: Any, arguments: tuple[str, ...], said: str) -> None:
    result = nano(*arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stdout == ""
    assert len([line for line in result.stderr.splitlines() if "self-check" not in line]) == 1
