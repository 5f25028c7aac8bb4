"""Train and measure the study of training recipes.

    python -m codebudget.models.nano.recipes --out study

trains the 20 models, each into a folder of its own, measures each when it is trained, and writes `results.jsonl`,
`table.md` and `plot.svg`. What is there is not done again, so that a stopped study goes on. Needs torch, transformers
and, for the plot, matplotlib.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import torch

from ...._util.outputs import write_text
from .cells import cells
from .effects import as_markdown, write_plot
from .measures import measure
from .training import CellTrainer


def main() -> None:
    """Read the command line, and do what is missing."""
    parser = argparse.ArgumentParser(description="Does training decide whether quantisation hurts?")
    parser.add_argument("--out", type=Path, required=True, help="folder of the study")
    parser.add_argument("--tokens", type=int, help="tokens to train each model on")
    parser.add_argument("--only", action="append", help="name of a cell; repeatable")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--prompts", help="prompts to measure on; nano's tasks if not given")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    chosen = [cell for cell in cells() if not arguments.only or cell.name in arguments.only]
    if not chosen:
        parser.error(f"no such cell; the cells are {', '.join(cell.name for cell in cells())}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = arguments.out / "results.jsonl"
    rows = _rows(results)
    options = () if arguments.prompts is None else ("--prompts", str(Path(arguments.prompts).resolve()))
    for cell in chosen:
        if cell.name in rows:
            continue
        folder = (arguments.out / cell.name).resolve()
        started = time.monotonic()
        if not (folder / "config.json").is_file():
            CellTrainer(cell, arguments.tokens, folder).train(resume=(folder / "checkpoint.pt").is_file())
        trained = time.monotonic()
        row = measure(cell, folder, _last_loss(folder), arguments.out, options)
        row |= {"train_s": round(trained - started, 1), "measure_s": round(time.monotonic() - trained, 1)}
        rows[cell.name] = row
        write_text(results, "".join(json.dumps(one) + "\n" for one in rows.values()), typed=False)
        print(json.dumps(row), flush=True)
    ordered = [rows[cell.name] for cell in cells() if cell.name in rows]
    write_text(arguments.out / "table.md", as_markdown(ordered), typed=False)
    write_plot(ordered, arguments.out / "plot.svg")


def _rows(file: Path) -> dict[str, dict[str, Any]]:
    if not file.is_file():
        return {}
    found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {row["cell"]: row for row in found}


def _last_loss(folder: Path) -> float:
    with (folder / "loss.csv").open(encoding="utf-8") as lines:
        return float(list(csv.DictReader(lines))[-1]["loss"])


if __name__ == "__main__":
    main()
