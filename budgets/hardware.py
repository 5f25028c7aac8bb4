"""The packaged catalogue of hardware, and how `h100x8` becomes a machine."""

from __future__ import annotations

import difflib
import functools
import re
from typing import Annotated

from pydantic import Field

from ..errors import UserError
from ..records import Record

MAX_DEVICES = 8
"""Devices sharing one fast link in the datasheets' servers; links between servers are not known."""

_COUNTED = re.compile(r"(?P<name>.+)x(?P<count>[0-9]{1,4})")

Positive = Annotated[float, Field(gt=0)]


class Peaks(Record):
    """Dense peak rates of matrix products in FLOP/s by format, None without a unit; `bf16` is fp16's too."""

    fp32: Positive
    bf16: Positive
    fp8: Positive | None = None
    int8: Positive | None = None


class Hardware(Record):
    """One device, by its datasheet.

    `memory_bytes_per_s` is its memory bandwidth; `link_bytes_per_s` is its bandwidth to its neighbours in one
    direction, None without a link. Sizes are the datasheet's, a GB being 1e9 bytes: devices hold slightly more.
    """

    name: str
    title: str
    peak_flops_per_s: Peaks
    memory_bytes: Positive
    memory_bytes_per_s: Positive
    link_bytes_per_s: Positive | None = None
    source: str


class Machine(Record):
    """`count` equal devices in one server that share a model (tensor parallelism)."""

    hardware: Hardware
    count: Annotated[int, Field(ge=1, le=MAX_DEVICES)] = 1

    @property
    def name(self) -> str:
        """Name as typed: `h100`, `h100x8`."""
        return self.hardware.name if self.count == 1 else f"{self.hardware.name}x{self.count}"

    @property
    def memory_bytes(self) -> float:
        """Memory of all devices together."""
        return self.count * self.hardware.memory_bytes


@functools.cache
def hardware_catalogue() -> tuple[Hardware, ...]:
    """All packaged hardware, by file and place in it."""
    import tomllib
    from importlib import resources

    folder = resources.files(__package__) / "catalogue" / "hardware"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    tables = [tomllib.loads(file.read_text(encoding="utf-8")) for file in files]
    return tuple(Hardware.model_validate(entry) for table in tables for entry in table["hardware"])


def find_hardware(name: str) -> Hardware:
    """Find a device by name, in any case.

    Raises:
        UserError: There is none; the message names the nearest.
    """
    by_name = {hardware.name: hardware for hardware in hardware_catalogue()}
    found = by_name.get(name.lower())
    if found is None:
        wanted = name.lower()
        near = [known for known in by_name if len(wanted) > 1 and known.startswith(wanted)]
        near = near or difflib.get_close_matches(wanted, by_name, n=3, cutoff=0.6)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise UserError(f"unknown hardware {name!r}: {meant}choose from {', '.join(by_name)}")
    return found


def find_machine(text: str) -> Machine:
    """Read `NAME[xN]`, such as `h100` or `h100x8`.

    Raises:
        UserError: The name is unknown, N is not 1 to `MAX_DEVICES`, or the device has no link to others of its kind.
    """
    # A name may itself end in x and digits (rtx4090), so try the whole text first.
    counted = _COUNTED.fullmatch(text)
    names = {hardware.name for hardware in hardware_catalogue()}
    if counted is None or text.lower() in names or counted["name"].lower() not in names:
        return Machine(hardware=find_hardware(text))
    hardware, count = find_hardware(counted["name"]), int(counted["count"])
    if not 1 <= count <= MAX_DEVICES:
        raise UserError(
            f"{text}: write {hardware.name}x1 to {hardware.name}x{MAX_DEVICES}; links between servers are not modelled"
        )
    if count > 1 and hardware.link_bytes_per_s is None:
        raise UserError(f"{text}: {hardware.name} devices have no link to one another; use one, {hardware.name}")
    return Machine(hardware=hardware, count=count)
