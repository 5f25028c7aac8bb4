"""`codebudget hardware` and `codebudget models`: what the catalogues hold, as tables and as JSON."""

import json

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
