"""Boards that people run: each by one word from the hub, or from a local file in the board's own format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...errors import UserError
from ..datasets_loader import load_dataset_benchmark
from ..rows import read_file
from . import apps, bigcodebench, codecontests, livecodebench
from .reading import Choice, Fields, Identity, collect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ...records import Task
    from ..benchmark import Benchmark
    from ..rows import Located

__all__ = ["BOARDS", "Choice", "choice_of", "load_board", "offered", "refuse", "split_spec"]


@dataclass(frozen=True)
class Board:
    """How a board's rows are found and read.

    Attributes:
        rows: Yields the hub's rows of a release.
        identify: Tells which task a row is.
        make: Makes a task of a row with an id, in a variant.
        default_release: The release where none is chosen; empty for the hub's main branch, whose revision may be
            chosen instead.
        releases: What `rows` takes, for messages.
        variants: Forms of prompts, the default first.
        has_dates: Whether its tasks have contest days.
        bad: Why tasks are known to be bad.
    """

    rows: Callable[[str], Iterator[Located]]
    identify: Callable[[Fields], Identity]
    make: Callable[[Fields, str, str], Task]
    default_release: str = ""
    variants: tuple[str, ...] = ()
    has_dates: bool = False
    bad: Mapping[str, str] | None = None


def _apps(difficulty: str) -> Board:
    name = f"apps-{difficulty}"
    return Board(
        rows=lambda release: apps.rows(release or None),
        identify=partial(apps.identify, difficulty=difficulty),
        make=lambda fields, task_id, _: apps.task_of(fields, task_id, name),
    )


def _bigcodebench(name: str) -> Board:
    return Board(
        rows=partial(bigcodebench.rows, name),
        identify=bigcodebench.identify,
        make=lambda fields, task_id, variant: bigcodebench.task_of(fields, task_id, name, variant),
        default_release=bigcodebench.DEFAULT_RELEASE,
        variants=bigcodebench.VARIANTS,
    )


_BY_ROWS: Final[Mapping[str, Board]] = {
    **{f"apps-{difficulty}": _apps(difficulty) for difficulty in apps.DIFFICULTIES},
    "livecodebench": Board(
        rows=livecodebench.rows,
        identify=livecodebench.identify,
        make=lambda fields, task_id, _: livecodebench.task_of(fields, task_id, "livecodebench"),
        default_release=f"release_v{livecodebench.RELEASES}",
        has_dates=True,
        bad=livecodebench.BAD,
    ),
    "codecontests": Board(
        rows=lambda release: codecontests.rows(release or None),
        identify=codecontests.identify,
        make=lambda fields, task_id, _: codecontests.task_of(fields, task_id, "codecontests"),
    ),
    **{name: _bigcodebench(name) for name in bigcodebench.HUB_IDS},
}

_PLUS: Final = {"humaneval+": ("evalplus/humanevalplus", "HumanEval"), "mbpp+": ("evalplus/mbppplus", "Mbpp")}
"""Boards in EvalPlus' form, which the loader of data sets reads: hub ids and the ids' first parts."""

BOARDS: Final = (*_BY_ROWS, *_PLUS)


def split_spec(spec: str) -> tuple[str, str] | None:
    """Split `BOARD` or `BOARD:FILE` into the board's name and the file, empty where there is none; None for others."""
    name, _, file = spec.strip().partition(":")
    name = name.strip().lower()
    return (name, file.strip()) if name in BOARDS else None


def choice_of(
    *,
    release: str | None = None,
    since: str | None = None,
    until: str | None = None,
    variant: str | None = None,
    clean: bool = False,
) -> Choice:
    """Read a choice as it is typed.

    Raises:
        UserError: A day is not written as one.
    """
    return Choice(release, _day("since", since), _day("until", until), variant, clean)


def offered(spec: str) -> frozenset[str]:
    """Name the choices that a benchmark offers, for one on its own or with a file."""
    named = split_spec(spec)
    board = None if named is None else _BY_ROWS.get(named[0])
    if board is None:
        return frozenset()
    found = {"release"}
    if board.has_dates:
        found |= {"since", "until"}
    if board.variants:
        found.add("variant")
    if board.bad is not None:
        found.add("clean")
    return frozenset(found)


def _day(name: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise UserError(f"`{name}` {text}: write a day as YYYY-MM-DD, such as 2024-08-01") from None


def load_board(
    name: str,
    file: str = "",
    choice: Choice = Choice(),  # noqa: B008
    fields: Mapping[str, str] | None = None,
    *,
    is_copy: bool = False,
) -> Benchmark:
    """Load a board.

    Args:
        name: One of `BOARDS`.
        file: A local file in the board's own format; from the hub where empty.
        choice: Which tasks, and in which form.
        fields: The row field for each part of a task; only for boards in EvalPlus' form.
        is_copy: Whether the file is a copy of what the hub has, and so of the release that is loaded from there.

    Raises:
        UserError: The choice is not one the board offers, or a row is wrong.
        MachineError: The hub does not answer.
    """
    if name in _PLUS:
        return _plus(name, file, choice, fields)
    if fields:
        raise UserError(f"{name} has its own fields; leave out `fields`")
    board = _BY_ROWS[name]
    _check(name, board, choice)
    release = choice.release or ("" if file and not is_copy else board.default_release)
    variant = choice.variant or next(iter(board.variants), "")
    rows = read_file(Path(file).expanduser()) if file else board.rows(release)
    benchmark = collect(
        name,
        rows,
        board.identify,
        lambda row, task_id: board.make(row, task_id, variant),
        choice,
        board.bad or {},
    )
    return replace(benchmark, version=release)


def _plus(name: str, file: str, choice: Choice, fields: Mapping[str, str] | None) -> Benchmark:
    hub_id, prefix = _PLUS[name]
    refuse(name, choice)
    source = str(Path(file).expanduser().absolute()) if file else hub_id
    return load_dataset_benchmark(source, fields, name=name, split="test", id_prefix=prefix)


def _check(name: str, board: Board, choice: Choice) -> None:
    if not board.has_dates and (choice.since is not None or choice.until is not None):
        raise UserError(f"the tasks of {name} have no contest dates; leave out `since` and `until`")
    if choice.variant is not None and choice.variant not in board.variants:
        offered = f"choose from {', '.join(board.variants)}" if board.variants else "leave out `variant`"
        raise UserError(f"{name} has no variant {choice.variant!r}; {offered}")
    if choice.clean and board.bad is None:
        raise UserError(f"no list of bad tasks is known for {name}; leave out `clean`")
    if name == "livecodebench" and choice.release is not None:
        livecodebench.release_files(choice.release)


def refuse(name: str, choice: Choice) -> None:
    """Refuse any choice, for a benchmark that offers none.

    Raises:
        UserError: Something is chosen.
    """
    chosen = next((part for part in choice._fields if getattr(choice, part)), None)
    if chosen is not None:
        raise UserError(f"{name} offers no choice of {chosen}; leave out `{chosen}`")
