"""What is measured of one trained cell, by the commands that users have."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from .cells import Cell

RECIPES: Final = ("w8a8", "w4a16")
METRICS: Final = ("fdt", "sdt", "never", "dppl")


def measure(cell: Cell, folder: Path, loss: float, work: Path, options: tuple[str, ...] = ()) -> dict[str, Any]:
    """Measure a model by `codebudget outliers` and `codebudget diverge`.

    Args:
        cell: Its settings.
        folder: The model.
        loss: The last of its training.
        work: Where the commands keep what they store.
        options: Further options of both commands, such as `--prompts FILE`.

    Raises:
        CalledProcessError: A command failed; it has said why.
    """
    found = _said("outliers", str(folder), *options, work=work)
    row: dict[str, Any] = {
        "cell": cell.name,
        "weight_decay": cell.weight_decay,
        "dropout": cell.dropout,
        "clip": cell.clip,
        "bf16": cell.bf16,
        "seed": cell.seed,
        "loss": loss,
        "outliers": sorted({dimension["index"] for dimension in found["dimensions"]}),
        "plain_int8": found["plain_int8"],
        "max": max(activations["max"] for activations in found["activations"]),
        "kurtosis": max(activations["kurtosis"] for activations in found["activations"]),
        "token_std": max(activations["token_std"] for activations in found["activations"]),
        "gain_std": max(norm["std"] for norm in found["norms"]),
        "gain_peak": max(norm["peak"] or 0.0 for norm in found["norms"]),
        "spectral_norm": max(projection["value"] for projection in found["attention"]),
        "int8_error": max(error["relative"] for error in found["int8"]),
    }
    for recipe in RECIPES:
        diverged = _said("diverge", str(folder), f"{folder}@{recipe}", "--sandbox", "process", *options, work=work)
        row |= {f"{recipe}_{metric}": diverged[metric]["mean"] for metric in METRICS}
        row |= {f"floor_{metric}": diverged["floor"][metric]["mean"] for metric in METRICS}
        programs = diverged["programs"]
        if programs is not None:
            tasks = len(programs["gained"]) + len(programs["lost"]) + programs["kept"] + programs["unsolved"]
            row["pass_at_1"] = (programs["kept"] + len(programs["lost"])) / tasks
            row[f"{recipe}_pass_at_1"] = (programs["kept"] + len(programs["gained"])) / tasks
    return row


def _said(command: str, *arguments: str, work: Path) -> Any:
    """Run a command of codebudget; returns the JSON that it prints last."""
    words = [sys.executable, "-m", "codebudget", command, *arguments, "--family", "nano", "--json"]
    done = subprocess.run(words, cwd=work, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
