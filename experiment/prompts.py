"""Prompts for looking into models: a file of texts, or a benchmark's tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .._util.bounded import parse_json, read_lines
from ..errors import UserError
from .planning import load_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..tasks import Benchmark

FIELDS = ("text", "prompt")
_TASK_FIELD = "entry_point"
"""Present in rows of tasks, which have tests, and not in rows of texts."""


class Prompts(NamedTuple):
    """Texts, what they are called, and the benchmark they are the prompts of, if so."""

    name: str
    texts: tuple[str, ...]
    benchmark: Benchmark | None

    @property
    def references(self) -> tuple[str, ...] | None:
        """What the reference solutions add to each prompt, empty where one does not continue it; None if none does."""
        if self.benchmark is None:
            return None
        programs = [(task.prompt, task.reference or "") for task in self.benchmark.tasks]
        added = tuple(text.removeprefix(prompt) if text.startswith(prompt) else "" for prompt, text in programs)
        return added if any(added) else None


def load_prompts(source: str | None, family: str) -> Prompts:
    """Load prompts.

    Args:
        source: A file of JSON Lines, each row with a `text` or a `prompt`, plain or gzip; else a benchmark: its name, a
            hub id, or a file of its tasks. None for the family's own benchmark, or HumanEval.
        family: Whose benchmark that is.

    Raises:
        UserError: A row has neither, or nothing is there; or there is no such benchmark.
        MachineError: A package or the hub is out of reach.
    """
    path = None if source is None else Path(source)
    if path is not None and path.is_file() and ".json" in path.name and not _holds_tasks(path):
        texts = tuple(_texts(path))
        if not texts:
            raise UserError(f'{path} has no prompts: write one row per prompt, such as {{"text": "..."}}')
        return Prompts(path.name, texts, None)
    benchmark = load_tasks(source, family)
    return Prompts(benchmark.name, tuple(task.prompt for task in benchmark.tasks), benchmark)


def _rows(path: Path) -> Iterator[tuple[str, object]]:
    for number, line in read_lines(path):
        if line.strip():
            where = f"{path}:{number}"
            yield where, parse_json(line, where)


def _holds_tasks(path: Path) -> bool:
    _, first = next(_rows(path), ("", None))
    return isinstance(first, dict) and _TASK_FIELD in first


def _texts(path: Path) -> Iterator[str]:
    for where, row in _rows(path):
        found = [row[field] for field in FIELDS if field in row] if isinstance(row, dict) else []
        if len(found) != 1 or not isinstance(found[0], str) or not found[0]:
            raise UserError(f'{where}: a row of prompts needs one text, as "text" or as "prompt"')
        yield found[0]
