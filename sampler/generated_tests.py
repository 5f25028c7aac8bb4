"""Generated tests in files, written and read: texts in which a model was to write asserts, or pairs for a script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._util.bounded import SampleCount, encodable, is_number
from .._util.outputs import check_output, write_rows
from .._util.printable import quoted
from ..budgets.flops import decode_flops, prefill_flops
from ..errors import MachineError, UserError
from ..records import GeneratedTests, Usage
from .files import find_files
from .prompting import drawn_tests, prompt_of_task
from .rows import TEST_FORMS, Remarks, number_of, read_rows, samples_of
from .task_names import TaskNames

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from ..budgets.architecture import Architecture
    from ..records import Candidate, Task
    from .series import Series

MAX_CHARACTERS: Final = 1 << 20
"""Text limit."""

_MOST = 1e30
_COSTS = ("prompt_tokens", "output_tokens", "prefill_flops", "decode_flops", "wall_s")


class RowOfTests(NamedTuple):
    """A row of test texts: its prompt and model if it has them, and what drawing the texts took.

    `costs` are by the names of `_COSTS`, None where unknown; `estimated`: some were estimated from text.
    """

    task_id: str
    texts: Sequence[str]
    costs: Mapping[str, float | None]
    prompt: str | None = None
    model: str | None = None
    estimated: bool = False


def read_tests(
    patterns: Sequence[str],
    tasks: Mapping[str, Task],
    beyond: Collection[str] = (),
    remarks: Remarks | None = None,
    *,
    elsewhere: Collection[str] = (),
) -> dict[str, GeneratedTests]:
    """Read generated tests by task id, with the usage of drawing them where every row has it; as `read_test_rows`."""
    return tests_by_task(read_test_rows(patterns, tasks, beyond, remarks, elsewhere=elsewhere))


def read_test_rows(
    patterns: Sequence[str],
    tasks: Mapping[str, Task],
    beyond: Collection[str] = (),
    remarks: Remarks | None = None,
    *,
    elsewhere: Collection[str] = (),
) -> list[RowOfTests]:
    """Read rows of generated tests that have a text.

    Rows are as for samples: one text as `completion`, or a list of them as `samples`. A row's `prompt_tokens`,
    `output_tokens`, `prefill_flops`, `decode_flops` and `wall_s` are what its texts took.

    Args:
        patterns: Files, folders and globs; see `files.find_files`.
        tasks: The selected tasks, by their ids.
        beyond: Ids of the benchmark's other tasks, whose rows are left out.
        remarks: Receives what is left out.
        elsewhere: Ids of other benchmarks' tasks, whose rows in the same files are theirs.

    Raises:
        UserError: A pattern means no file, a row is wrong, or a file is beyond a bound; the message names file and
            line.
    """
    files = find_files(patterns)
    count = SampleCount(files)
    found: list[RowOfTests] = []
    names = TaskNames(tasks, beyond, elsewhere)
    remarks = Remarks() if remarks is None else remarks
    for path in files:
        for where, task, row in read_rows(path, names, remarks):
            samples = samples_of(row, where, remarks, count, TEST_FORMS)[1]
            texts = [sample.text for sample in samples if sample.text is not None]
            if any(len(text) > MAX_CHARACTERS for text in texts):
                raise UserError(f"{where}: a text of tests is longer than 1 MiB; shorten or remove it")
            if not texts:
                continue
            found.append(
                RowOfTests(
                    task.id,
                    tuple(map(encodable, texts)),
                    {name: _amount(row, name, where) for name in _COSTS},
                    _text(row, "prompt"),
                    _text(row, "model"),
                )
            )
    return found


def tests_of_rows(
    tasks: Sequence[Task], series: Series, texts: Sequence[Candidate], architecture: Architecture | None
) -> dict[str, GeneratedTests]:
    """Make generated tests of drawn texts, by task id, as `read_tests` does from a file with their `rows_of_tests`."""
    rows = rows_of_tests(tasks, series, texts, architecture)
    return tests_by_task(
        [RowOfTests(row["task_id"], (row["completion"],), {name: row.get(name) for name in _COSTS}) for row in rows]
    )


def tests_by_task(rows: Sequence[RowOfTests]) -> dict[str, GeneratedTests]:
    """Join rows by task id, with the usage of drawing them where every row of a task has it."""
    by_task: dict[str, list[RowOfTests]] = {}
    for row in rows:
        by_task.setdefault(row.task_id, []).append(row)
    return {
        task_id: GeneratedTests(
            samples=tuple(text for row in mine for text in row.texts),
            usage=_total([row.costs for row in mine], estimated=any(row.estimated for row in mine)),
            # The prompt is charged to a task's first row.
            prompt_tokens=max((row.costs["prompt_tokens"] or 0.0 for row in mine), default=0.0) or None,
        )
        for task_id, mine in by_task.items()
    }


def _text(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return encodable(value) if isinstance(value, str) else None


def _amount(row: Mapping[str, Any], name: str, where: str) -> float | None:
    value = number_of(row.get(name))
    if value is None:
        return None
    if not is_number(value) or not 0 <= value <= _MOST:
        raise UserError(f"{where}: {name} is {quoted(row[name])}; write a number from 0 to 1e30 or remove it")
    return float(value)


def _total(rows: Sequence[Mapping[str, float | None]], *, estimated: bool) -> Usage:
    sums: dict[str, float | bool] = {"estimated": estimated}
    for name in _COSTS:
        amounts = [amount for row in rows if (amount := row[name]) is not None]
        if len(amounts) == len(rows):
            sums[name] = sum(amounts)
    return Usage.model_validate(sums)


ENDINGS: Final = (".jsonl", ".jsonl.gz")


def check_tests_file(path: Path) -> None:
    """Refuse a file whose name hides its type, or that is behind a link or is none.

    Raises:
        UserError: its name ends in none of `ENDINGS`; or as `check_output`.
    """
    if not path.name.endswith(ENDINGS):
        raise UserError(f"{path}: a file of tests must end in {' or '.join(ENDINGS)}; use a name such as tests.jsonl")
    check_output(path)


def rows_of_tests(
    tasks: Sequence[Task], series: Series, texts: Sequence[Candidate], architecture: Architecture | None
) -> Iterator[dict[str, Any]]:
    """Make an arm's rows of test texts.

    Each row has its text's usage, so that the sum over a task's rows is the usage of drawing them all: the prompt is
    read once per task and charged to its first row. FLOPs are left out where they cannot be known.

    Args:
        tasks: Of one benchmark.
        series: The making of the texts.
        texts: As drawn; a chat answer becomes what continues `assert `, or a script's pairs.
        architecture: Used to count FLOPs.
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
            "completion": drawn_tests(by_id[text.task_id], text, settings),
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
    """Write rows to a file, put in place once complete; returns their number.

    Raises:
        UserError: as `check_tests_file`.
        MachineError: the file cannot be written.
    """
    check_tests_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"cannot write {path} ({error.strerror or error}); choose another with `out`") from None
    return write_rows(path, rows)
