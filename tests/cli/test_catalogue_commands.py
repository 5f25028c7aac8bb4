"""`codebudget hardware` and `codebudget models`: what the catalogues hold, as tables and as JSON."""

import json
from pathlib import Path

import pytest
import typer
from codebudget.budgets.hardware import hardware_catalogue
from codebudget.cli import hardware, models
from codebudget.errors import UserError
from typer.testing import CliRunner


def run(app: typer.Typer, *arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_hardware_command() -> None:
    listed = json.loads(run(hardware.app, "list", "--json"))["hardware"]
    names = [entry.name for entry in hardware_catalogue()]
    assert [row["name"] for row in listed] == names
    table = run(hardware.app, "list")
    assert all(name in table for name in names)
    assert max(map(len, table.splitlines())) <= 100
    shown = json.loads(run(hardware.app, "show", "h100", "--json"))
    assert shown == next(row for row in listed if row["name"] == "h100")
    assert "datasheet" in run(hardware.app, "show", "h100")
    with pytest.raises(UserError, match="did you mean h100"):
        run(hardware.app, "show", "h1000")


def test_models_command() -> None:
    listed = json.loads(run(models.app, "list", "--json"))["models"]
    assert {"codellama-7b", "llama-65b"} <= {row["name"] for row in listed}
    assert all(row["parameters"] >= row["active_parameters"] > 0 and row["source"] for row in listed)
    assert max(map(len, run(models.app, "list").splitlines())) <= 100
    small = run(models.app, "list", "--family", "codellama")
    assert "6,738,546,688" in small
    assert "llama-65b" not in small
    shown = json.loads(run(models.app, "show", "7b", "--json"))
    assert (shown["name"], shown["parameters"]) == ("codellama-7b", 6_738_546_688)
    assert "6,738,546,688" in run(models.app, "show", "codellama/CodeLlama-7b-hf")
    with pytest.raises(UserError, match="did you mean"):
        run(models.app, "show", "codelama-7b")


def test_a_local_model_shows_its_cache_and_the_bits_of_its_weights(tmp_path: Path) -> None:
    config = {
        "model_type": "gemma2",
        "num_hidden_layers": 4,
        "hidden_size": 2304,
        "quantization_config": {"quant_method": "gptq", "bits": 8, "group_size": 32},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    shown = json.loads(run(models.app, "show", str(tmp_path), "--json"))
    assert shown["parameters"] == 256000 * 2304 + 2304 + 4 * (2304 * (2 * 8 + 2 * 4) * 256 + 3 * 2304 * 9216 + 4 * 2304)
    assert (shown["kv_bytes_per_token"], shown["precision"]) == (4 * 2 * 4 * 256 * 2, "w8a16-g32")
    assert shown["effective_bits"] == 8.5
    assert "8.5 per weight" in run(models.app, "show", str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "new"}}))
    shown = json.loads(run(models.app, "show", str(tmp_path), "--json"))
    assert (shown["precision"], shown["effective_bits"]) == (None, None)


def test_a_shape_that_was_recalled_says_so() -> None:
    assert "recalled from memory, unverified" in run(models.app, "show", "codestral-22b")
    assert json.loads(run(models.app, "show", "codestral-22b", "--json"))["unverified"] is True
    assert "unverified" in run(models.app, "list", "--family", "codestral")
    assert "unverified" not in run(models.app, "show", "phi-4-14b")
