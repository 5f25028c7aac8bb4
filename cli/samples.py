"""`--samples ARM=FILES`: recorded generations, and which arm they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ..errors import UserError
from .progress import warn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..records import Arm, Candidate, Task

SamplesOption = Annotated[
    list[str] | None,
    typer.Option("--samples", metavar="ARM=FILES", help="Recorded generations: a file, folder or glob. Repeatable."),
]


class NamedArm(NamedTuple):
    """An arm with the precision that it comes to."""

    arm: Arm
    precision: str


def files_by_arm(options: Sequence[str], arms: Sequence[NamedArm]) -> dict[str, list[str]]:
    """`--samples` by the spec of the arm that each is for.

    Raises:
        UserError: one cannot be read, or means no arm or several.
    """
    specs = [named.arm.spec for named in arms]
    twice = next((spec for spec in specs if specs.count(spec) > 1), None)
    if twice is not None:
        raise UserError(f"the arm {twice} is there twice; leave one out")
    files: dict[str, list[str]] = {}
    for option in options:
        name, _, pattern = option.partition("=")
        if not name or not pattern:
            raise UserError(f"--samples {option}: write it ARM=FILES, such as {arms[0].arm.name}=samples.jsonl")
        meant = next((found for way in _NAMINGS if (found := [n.arm.spec for n in arms if name == way(n)])), [])
        if not meant:
            known = ", ".join(dict.fromkeys(named.arm.name for named in arms))
            raise UserError(f"--samples {option}: no arm is called {name!r}; the arms are {known}")
        if len(meant) > 1:
            raise UserError(f"--samples {option}: {name!r} may be {' or '.join(meant)}; write the arm as it is there")
        files.setdefault(meant[0], []).append(pattern)
    return files


def read_arm(spec: str, patterns: Sequence[str], tasks: Mapping[str, Task]) -> tuple[Candidate, ...]:
    """The candidates of one arm; tasks without any are said on standard error.

    Raises:
        UserError: a file or a row is wrong.
    """
    from ..sampler.files import read_samples

    recorded = read_samples(patterns, tasks, spec)
    if recorded.missing:
        some = ", ".join(recorded.missing[:3]) + (", ..." if len(recorded.missing) > 3 else "")
        warn(f"{spec}: no sample for {len(recorded.missing)} of {len(tasks)} tasks ({some}); they are left out")
    return recorded.candidates


def without_k(arm: Arm) -> str:
    """The arm as typed, without its number of samples."""
    return arm.spec if arm.k is None else arm.spec.rpartition(":")[0]


_NAMINGS: tuple[Callable[[NamedArm], str], ...] = (
    lambda named: named.arm.spec,
    lambda named: without_k(named.arm),
    lambda named: f"{named.arm.name}@{named.precision}",
    lambda named: named.arm.name,
)
"""What an arm may be called: as typed, without its k, with its precision, by its model; the first that fits counts."""
