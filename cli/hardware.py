"""`codebudget hardware`: machines that runtime can be planned for."""

from __future__ import annotations

from typing import Annotated

import typer

from ..report.tables import Column, print_facts, print_table
from .arguments import Json
from .progress import print_json

app = typer.Typer(no_args_is_help=True, help="List the hardware that runtime can be planned for.")


@app.command("list")
def list_hardware(as_json: Json = False) -> None:
    """List the packaged hardware."""
    from ..budgets.hardware import hardware_catalogue

    found = hardware_catalogue()
    if as_json:
        print_json({"hardware": [hardware.model_dump() for hardware in found]})
        return
    rows = [
        (
            hardware.name,
            hardware.title,
            f"{hardware.peak_flops_per_s.bf16 / 1e12:.4g}",
            f"{hardware.memory_bytes / 1e9:.4g}",
            f"{hardware.memory_bytes_per_s / 1e9:.4g}",
        )
        for hardware in found
    ]
    figures = (Column(header, right=True) for header in ("bf16 TFLOP/s", "memory GB", "memory GB/s"))
    print_table((Column("name"), Column("device", folds=True), *figures), rows)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A name from codebudget hardware list.", metavar="NAME")],
    as_json: Json = False,
) -> None:
    """Show the figures of one device and the datasheet they come from."""
    from ..budgets.hardware import find_hardware

    hardware = find_hardware(name)
    if as_json:
        print_json(hardware.model_dump())
        return
    peaks = hardware.peak_flops_per_s.model_dump(exclude_none=True)
    link = hardware.link_bytes_per_s
    facts = {
        "name": hardware.name,
        "device": hardware.title,
        **{f"{name} peak, dense": f"{peak / 1e12:.4g} TFLOP/s" for name, peak in peaks.items()},
        "memory": f"{hardware.memory_bytes / 1e9:.4g} GB",
        "memory bandwidth": f"{hardware.memory_bytes_per_s / 1e9:.4g} GB/s",
        "link, one direction": "none" if link is None else f"{link / 1e9:.4g} GB/s",
        "source": hardware.source,
    }
    print_facts(facts)
