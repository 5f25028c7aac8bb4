"""Drawn texts of tests as rows of a file, which `test_files` reads back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..budgets.flops import decode_flops, prefill_flops
from ..errors import MachineError, UserError
from ..outputs import check_output, write_rows
from .prompting import prompt_of_task
from .test_prompts import asserts_of_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ..budgets.architecture import Architecture
    from ..records import Candidate, Task
    from .origins import Series

ENDINGS: Final = (".jsonl", ".jsonl.gz")


def check_tests_file(path: Path) -> None:
    """Refuse a file that would not say what it is, or that lies behind a link or is none.

    Raises:
        UserError: its name ends in none of `ENDINGS`; or as `check_output`.
    """
    if not path.name.endswith(ENDINGS):
        raise UserError(f"{path}: a file of tests ends in {' or '.join(ENDINGS)}; name one like tests.jsonl")
    check_output(path)


def rows_of_tests(
    tasks: Sequence[Task], series: Series, texts: Sequence[Candidate], architecture: Architecture | None
) -> Iterator[dict[str, Any]]:
    """The rows of an arm's texts of tests.

    Each row has what its text took, so that the sum over a task's rows is what drawing all of them took: the prompt is
    read once per task, which its first row is charged. FLOPs are left out where they cannot be known.

    Args:
        tasks: Of one benchmark.
        series: What made the texts.
        texts: As they were drawn; a chat answer becomes what continues `assert `.
        architecture: What FLOPs are counted by.
    """
    settings, usage = series.origin.settings, series.tally.usage
    by_id = {task.id: task for task in tasks}
    seconds = None if usage.wall_s is None or not series.tally.samples else usage.wall_s / series.tally.samples
    charged: set[str] = set()
    for text in texts:
        prompt = prompt_of_task(by_id[text.task_id], settings)
        row: dict[str, Any] = {
            "task_id": text.task_id,
            "prompt": prompt if isinstance(prompt, str) else prompt[-1].content,
            "completion": asserts_of_answer(text.raw) if settings.is_chat else text.raw,
            "index": text.index,
            "seed": text.seed,
            "finish_reason": text.finish_reason,
            "model": series.model,
            "precision": series.precision,
        }
        read, drawn = text.prompt_tokens, text.output_tokens
        if read is not None and drawn is not None:
            first = text.task_id not in charged
            charged.add(text.task_id)
            row |= {"prompt_tokens": read if first else 0, "output_tokens": drawn}
            if architecture is not None:
                row["prefill_flops"] = prefill_flops(architecture, read) if first else 0
                row["decode_flops"] = decode_flops(architecture, read, drawn)
        yield row if seconds is None else row | {"wall_s": seconds}


def write_test_rows(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write rows to a file, which takes its place when it is complete; returns their number.

    Raises:
        UserError: as `check_tests_file`.
        MachineError: the file cannot be written.
    """
    check_tests_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"cannot write {path} ({error.strerror or error}); name another with --out FILE") from None
    return write_rows(path, rows)
