"""A study as read from its rows: the table, the front of quality against bytes, and the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...records import FileRecord
from .answers import Answer, answers_of, pareto
from .table import TableLine, common_tasks, entries_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .board import StudyBoard
    from .rows import StudyRow


class StudyResult(FileRecord):
    """A study.

    `tasks` are those that every row could be graded on; `left_out` says why a row lacks others. `front` has, by k, the
    labels of lines that none of fewer or equal bytes beats in pass@k. `complete` says whether all rows are there, and
    `failures` why some are not.
    """

    name: str
    description: str
    benchmark_tasks: int
    left_out: dict[str, str]
    samples: int
    ks: tuple[int, ...]
    table: tuple[TableLine, ...]
    front: dict[int, tuple[str, ...]]
    answers: tuple[Answer, ...]
    complete: bool
    failures: dict[str, str]
    sandbox_errors: int


def result_of(
    board: StudyBoard, rows: Sequence[StudyRow], failures: dict[str, str], *, complete: bool = True
) -> StudyResult:
    """Read a study from its rows.

    Raises:
        UserError: The rows have no graded task in common.
    """
    ks = tuple(sorted({1, *board.ks}))
    entries = entries_of(rows, ks)
    return StudyResult(
        name=board.name,
        description=board.description,
        benchmark_tasks=len(common_tasks(rows)),
        left_out={task: why for row in rows for task, why in row.left_out.items()},
        samples=board.samples,
        ks=ks,
        table=tuple(entry.line for entry in entries),
        front={k: tuple(pareto(entries, k)) for k in ks},
        answers=tuple(answers_of(entries, board.memory_bytes)),
        complete=complete and not failures,
        failures=failures,
        sandbox_errors=sum(row.sandbox_errors for row in rows),
    )
