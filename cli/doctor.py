"""`codebudget doctor`: what this machine can do, and what to install for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..report.tables import Column, print_facts, print_table
from ..settings import DEFAULT_STORE
from .arguments import Json
from .progress import print_json


def doctor(
    store: Annotated[str, typer.Option("--store", metavar="FILE", help="Store to inspect.")] = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Show what this machine can do: processor, GPUs, engines, sandboxes, Docker, disk, model cache."""
    from .. import __version__
    from ..experiment.checkup import examine

    found = {"codebudget": __version__, **examine(Path(store))}
    if as_json:
        print_json(found)
        return
    gpus = [f"{gpu['name']}, {_size(gpu['memory_bytes'])}, driver {gpu['driver']}" for gpu in found["gpus"]]
    docker = found["docker"]
    print_facts(
        {
            "codebudget": f"{found['codebudget']} on Python {found['python']}",
            "processor": f"{found['cpu']}, {found['cores']} core{'' if found['cores'] == 1 else 's'} usable",
            "memory": f"{_size(found['memory_available_bytes'])} available",
            "disk": f"{_size(found['disk_free_bytes'])} free here",
            "GPU": "; ".join(gpus) or found["gpu_problem"],
            "engine": found["engine"]["reason"] or found["engine"]["problem"],
            "Docker": docker["problem"] or f"engine {docker['engine']}, image {docker['image']}",
            "model cache": f"{found['hub_cache']['folder']}, {_size(found['hub_cache']['bytes'])}",
            "store": f"{found['store']['file']}, {_size(found['store']['bytes'])}",
        }
    )
    print()
    print_table(
        (Column("engine"), Column("version"), Column("works"), Column("to have it", folds=True)),
        [
            (
                row["name"],
                row["version"] or "missing",
                "yes" if row["version"] and row["problem"] is None else "no",
                row["problem"] or row["install"] or "",
            )
            for row in found["engines"]
        ],
    )
    print()
    print_table(
        (Column("sandbox"), Column("works"), Column("promise, or what is missing", folds=True)),
        [
            (row["name"], "yes" if row["problem"] is None else "no", row["problem"] or row["promise"])
            for row in found["sandboxes"]
        ],
    )


def _size(count: int | None) -> str:
    return "does not exist yet" if count is None else f"{count / 1e9:.3g} GB"
