"""Options of commands that rank, and the rankers that they come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .progress import warn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..records import GeneratedTests, Task

RankerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ranker",
        metavar="RANKER",
        help="NAME[,PARAMETER=VALUE...] or FILE.py:Class; joined by + the next breaks ties. Repeatable.",
    ),
]
TestsOption = Annotated[
    list[str] | None,
    typer.Option("--tests", metavar="FILES", help="Tests that a model wrote, for rankers that use them. Repeatable."),
]


def tests_from(patterns: Sequence[str] | None, tasks: Mapping[str, Task]) -> dict[str, GeneratedTests] | None:
    """What `--tests` names, by task id; None where it is not given. Tasks without any are said on standard error.

    Raises:
        UserError: a file or a row is wrong.
    """
    if not patterns:
        return None
    from ..sampler.generated_tests import read_tests

    found = read_tests(patterns, tasks)
    if len(found) < len(tasks):
        warn(f"--tests: {len(tasks) - len(found)} of {len(tasks)} tasks have no generated tests in these files")
    return found
