"""Progress of long steps on standard error: a bar in a terminal, nothing where output is kept."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from ..errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._util.progress import Progress


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Show progress while a command runs."""
    if not sys.stderr.isatty():
        from .._util.progress import silent

        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from .._util.printable import printable

    columns = (
        # A step may be named after what a stranger's file says.
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        started: dict[str, TaskID] = {}

        def advance(step: str, done: int, total: int) -> None:
            if step not in started:
                for earlier in started.values():
                    bars.update(earlier, visible=False)
                started[step] = bars.add_task(printable(step), total=total, rate="")
            bars.update(started[step], completed=done, total=total)
            speed = bars.tasks[started[step]].speed
            bars.update(started[step], rate="" if speed is None else f"{speed:.1f}/s")

        yield advance


def print_json(answer: object) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(answer))


def warn(message: str) -> None:
    """Print one bounded line on standard error; a name in it cannot control the terminal."""
    from .._util.printable import message as one_message
    from .flags import as_flags

    print(f"codebudget: {one_message(as_flags(message))}", file=sys.stderr)


def check_sandbox_errors(programs: int, consequence: str = "so their tasks are left out") -> None:
    """Fail if the machine failed to grade programs.

    Raises:
        MachineError: It did.
    """
    if programs:
        raise MachineError(f"the sandbox failed on {programs} programs, {consequence}; run the command again")


def check_strictly(unmatched: list[str], doubts: tuple[str, ...]) -> None:
    """Fail under --strict if arms are not matched, or no advice can be given."""
    if unmatched:
        warn(f"--strict: not matched: {', '.join(unmatched)}")
    if doubts:
        warn("--strict: no advice can be given")
    if unmatched or doubts:
        raise typer.Exit(1)


class Notices(logging.Handler):
    """Prints the library's notices as it runs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        warn(record.getMessage())
