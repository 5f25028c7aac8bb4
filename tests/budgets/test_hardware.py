import json

import pytest
import typer
from codebudget.budgets.hardware import find_hardware, find_machine, hardware_catalogue
from codebudget.cli import hardware, models
from codebudget.errors import UserError
from typer.testing import CliRunner

NAMES = [entry.name for entry in hardware_catalogue()]


def run(app: typer.Typer, *arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_catalogue_has_what_it_promises() -> None:
    promised = {"a100-40", "a100-80", "h100", "h200", "b200", "l40s", "l4", "rtx4090", "rtx5090", "mi300x"}
    assert promised < set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_names_its_source_and_is_of_the_right_size(name: str) -> None:
    entry = find_hardware(name.upper())
    assert "datasheet" in entry.source or "data sheet" in entry.source or "whitepaper" in entry.source
    peaks = entry.peak_flops_per_s
    assert 1e12 < peaks.fp32 < peaks.bf16 < 1e16
    for narrow in (peaks.fp8, peaks.int8):
        assert narrow is None or 1.9 < narrow / peaks.bf16 < 4.1
    assert 1e11 < entry.memory_bytes_per_s < 1e13
    assert 1e10 < entry.memory_bytes < 1e13
    assert entry.link_bytes_per_s is None or entry.link_bytes_per_s < entry.memory_bytes_per_s


@pytest.mark.parametrize(
    ("text", "name", "count"),
    [
        *(("h100", "h100", 1), ("H100x8", "h100", 8), ("a100-80x4", "a100-80", 4)),
        *(("rtx4090", "rtx4090", 1), ("rtx4090x2", "rtx4090", 2), ("mi300x", "mi300x", 1), ("mi300xx8", "mi300x", 8)),
    ],
)
def test_a_machine_is_a_device_and_a_number(text: str, name: str, count: int) -> None:
    machine = find_machine(text)
    assert (machine.hardware.name, machine.count) == (name, count)
    assert find_machine(machine.name) == machine


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("h10", "unknown hardware 'h10'; did you mean h100"),
        ("a100", "did you mean a100-40 or a100-80"),
        ("h101x8", "unknown hardware 'h101x8'; did you mean h100"),
        ("", "known: .*h100"),
        ("x8", "known: .*h100"),
        ("h100x0", "h100x1 to h100x8"),
        ("h100x16", "h100x1 to h100x8"),
        ("epyc-9654x2", "no link"),
    ],
)
def test_a_mistyped_machine_is_the_users_mistake(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_machine(text)


def test_hardware_command() -> None:
    listed = json.loads(run(hardware.app, "list", "--json"))["hardware"]
    assert [row["name"] for row in listed] == NAMES
    table = run(hardware.app, "list")
    assert all(name in table for name in NAMES)
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
