"""The bundled benchmark `nano`: small typed functions that the nano models were trained for but never saw."""

from __future__ import annotations

import json
from importlib import resources

from ..records import HiddenTests, Task
from .benchmark import Benchmark
from .examples import visible_examples

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Ends of a completion, as for HumanEval."""


def load_nano() -> Benchmark:
    """Load the 164 tasks from `models/nano/problems.py`."""
    text = (resources.files(__package__) / "nano.jsonl").read_text(encoding="utf-8")
    return Benchmark("nano", tuple(_task(json.loads(line)) for line in text.splitlines()))


def _task(row: dict[str, str]) -> Task:
    return Task(
        id=row["task_id"],
        benchmark="nano",
        prompt=row["prompt"],
        entry_point=row["entry_point"],
        examples=visible_examples(row["prompt"], row["entry_point"]),
        tests=HiddenTests(style="check", code=row["test"]),
        reference=row["prompt"] + row["canonical_solution"],
        stop=STOP,
    )
