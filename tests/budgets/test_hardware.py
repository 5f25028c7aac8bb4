import pytest
from codebudget.budgets.hardware import find_hardware, find_machine, hardware_catalogue
from codebudget.errors import UserError

NAMES = [entry.name for entry in hardware_catalogue()]


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
        ("h10", "unknown hardware 'h10': did you mean h100"),
        ("a100", "did you mean a100-40 or a100-80"),
        ("h101x8", "unknown hardware 'h101x8': did you mean h100"),
        ("", "choose from .*h100"),
        ("x8", "choose from .*h100"),
        ("h100x0", "h100x1 to h100x8"),
        ("h100x16", "h100x1 to h100x8"),
        ("epyc-9654x2", "no link"),
    ],
)
def test_a_mistyped_machine_is_the_users_mistake(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_machine(text)
