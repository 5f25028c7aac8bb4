"""Several benchmarks at once: each under a name of its own, with its own rows of shared files."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from .._util.printable import one_line, quoted
from .._util.progress import notice, noticed_about
from ..errors import CodebudgetError, UserError
from ..settings import Slicing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._util.progress import Progress
    from ..records import Task
    from ..tasks import Benchmark


def check_names(typed: Sequence[str]) -> None:
    """Refuse a benchmark that is named twice.

    Raises:
        UserError: One is.
    """
    for place, name in enumerate(typed):
        if name in typed[:place]:
            raise UserError(f"the benchmark {name} is listed twice; remove one")


def part_of_each(typed: Sequence[str], slicing: Slicing) -> list[Slicing]:
    """Choose the part of each benchmark: by what it offers, with a notice where that is less than others do.

    A choice that none of them offers stays, so that it is refused on loading.
    """
    from ..tasks.boards import offered

    chosen = {name: value for name, value in slicing.slicing.items() if value}
    offers = [offered(name) for name in typed]
    anywhere = frozenset().union(*offers)
    parts = []
    for name, offer in zip(typed, offers, strict=True):
        without = [choice for choice in chosen if choice in anywhere - offer]
        if without:
            notice(f"{one_line(name)} offers no choice of {' or '.join(without)}, and is used without")
        parts.append(Slicing(**{choice: value for choice, value in chosen.items() if choice not in without}))
    return parts


def told_apart(benchmarks: Sequence[Benchmark], typed: Sequence[str] = ()) -> list[Benchmark]:
    """Make each benchmark know the others' task ids, whose rows may be in the same files.

    Args:
        benchmarks: One or more.
        typed: What the user called them; their names if nothing is given.

    Raises:
        UserError: Two have one name or the same tasks.
    """
    names = typed or [benchmark.name for benchmark in benchmarks]
    for (earlier, other), (name, benchmark) in combinations(zip(names, benchmarks, strict=True), 2):
        if benchmark.name == other.name:
            raise UserError(
                f"the benchmarks {earlier} and {name} are both called {benchmark.name}; remove one, or rename its file"
            )
        if benchmark.content_hash == other.content_hash:
            raise UserError(f"the benchmarks {earlier} and {name} have the same tasks; remove one")
    ids = [benchmark.by_id.keys() | benchmark.beyond for benchmark in benchmarks]
    return [
        replace(benchmark, elsewhere=frozenset().union(*ids[:place], *ids[place + 1 :]))
        for place, benchmark in enumerate(benchmarks)
    ]


def check_shared_ids(benchmarks: Sequence[Benchmark]) -> None:
    """Refuse benchmarks with different tasks of one id, if files are to be read: a row could be of either.

    Editions of a benchmark share the samples of a task with one id.

    Raises:
        UserError: There are such tasks.
    """
    for place, benchmark in enumerate(benchmarks):
        for other in benchmarks[:place]:
            for task in benchmark.tasks:
                same = other.by_id.get(task.id)
                if same is not None and not _is_same(task, same):
                    raise UserError(
                        f"{other.name} and {benchmark.name} have different tasks with the id {quoted(task.id)}, so a "
                        "row of `samples` or `tests` could be of either; compare one of them at a time"
                    )


def _is_same(task: Task, other: Task) -> bool:
    """Whether two tasks ask for one function; editions word their prompts differently."""
    if task.prompt == other.prompt:
        return True
    header = f"def {task.entry_point}("
    return task.entry_point == other.entry_point and header in task.prompt and header in other.prompt


@contextmanager
def about(benchmark: Benchmark, benchmarks: Sequence[Benchmark]) -> Iterator[None]:
    """Start notices and errors inside with a benchmark's name, if there are several."""
    if len(benchmarks) == 1:
        yield
        return
    try:
        with noticed_about(benchmark.name):
            yield
    except CodebudgetError as error:
        error.args = (f"{benchmark.name}: {error}",)
        raise


def progress_about(benchmark: Benchmark, benchmarks: Sequence[Benchmark], progress: Progress) -> Progress:
    """Start the names of steps with a benchmark's name, if there are several."""
    if len(benchmarks) == 1:
        return progress
    return lambda step, done, total: progress(f"{benchmark.name}: {step}", done, total)
