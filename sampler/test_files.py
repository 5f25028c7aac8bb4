"""Generated tests from files: the texts in which a model was to write asserts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..bounded import SampleCount, encodable, is_number, quoted
from ..errors import UserError
from ..records import GeneratedTests, Usage
from .recorded import task_id_of, texts_of
from .sample_files import find_files, read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from ..records import Task

MAX_CHARACTERS: Final = 1 << 20
"""Of one text."""

_MOST = 1e30
_COSTS = ("prompt_tokens", "output_tokens", "prefill_flops", "decode_flops", "wall_s")


def read_tests(patterns: Sequence[str], tasks: Mapping[str, Task]) -> dict[str, GeneratedTests]:
    """Texts of generated tests by task id, with what drawing them took where every row says it.

    Rows are those of samples: one text as `completion`, or a list of them as `samples`. `prompt_tokens`,
    `output_tokens`, `prefill_flops`, `decode_flops` and `wall_s` of a row are what its texts took.

    Args:
        patterns: Files, folders and globs; see `sample_files.find_files`.
        tasks: The benchmark's tasks by their ids.

    Raises:
        UserError: A pattern means no file, a row is wrong, or a file is beyond a bound; the message names file and
            line.
    """
    files = find_files(patterns)
    count = SampleCount(files)
    texts: dict[str, list[str]] = {}
    costs: dict[str, list[dict[str, float | None]]] = {}
    for path in files:
        for number, row in read_rows(path):
            task_id = task_id_of(row, tasks, path, number)
            found = texts_of(row, path, number)[1]
            count.add(len(found), path, number)
            if any(len(text) > MAX_CHARACTERS for text in found):
                raise UserError(f"{path}:{number}: a text of tests is longer than 1 MiB; cut it or leave it out")
            texts.setdefault(task_id, []).extend(map(encodable, found))
            costs.setdefault(task_id, []).append({name: _amount(row, name, path, number) for name in _COSTS})
    return {
        task_id: GeneratedTests(samples=tuple(samples), usage=_total(costs[task_id]))
        for task_id, samples in texts.items()
    }


def _amount(row: Mapping[str, Any], name: str, path: Path, number: int) -> float | None:
    value = row.get(name)
    if value is None:
        return None
    if not is_number(value) or not 0 <= value <= _MOST:
        raise UserError(f"{path}:{number}: {name} is {quoted(value)}; write a number from 0 to 1e30 or leave it out")
    return float(value)


def _total(rows: Sequence[Mapping[str, float | None]]) -> Usage:
    sums: dict[str, float] = {}
    for name in _COSTS:
        amounts = [amount for row in rows if (amount := row[name]) is not None]
        if len(amounts) == len(rows):
            sums[name] = sum(amounts)
    return Usage.model_validate(sums)
