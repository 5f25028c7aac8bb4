"""The board file, which declares a run, and the lines of its keys."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .._util.bounded import read_whole
from .._util.printable import one_line
from .._util.toml_lines import line_of, named_place, parse_board_text, place_in_file
from ..errors import MachineError, UserError
from ..experiment.escalation import rule_of
from ..experiment.selected import chosen, use_by_own
from ..settings import (
    AUTO,
    DEFAULT_FAMILY,
    DEFAULT_RANKERS,
    ORACLE,
    Drawing,
    Grading,
    Planning,
    Selecting,
    Slicing,
    Text,
    Whole,
)
from .files import BOARD, MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .._util.toml_lines import Place

MOST_LINE: Final = 8192
"""Characters of a line of a board: the time to read a dotted key grows with the square of its length."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class BenchmarkTable(Slicing):
    """`[[benchmarks]]`: tasks, and recorded samples of arms that are not to be drawn.

    `samples` are files, folders and globs by arm, relative to the board's folder, as is a benchmark's file. `tasks`
    takes only the first that many.
    """

    name: Text
    tasks: Whole | None = None
    fields: dict[str, str] = Field({})
    samples: dict[str, list[Text]] = Field({})


class Board(_Table):
    """A whole board file.

    `select` is the ranker whose tests the limit pays for, as of `compare`, and `tests` are where they come from; files
    are relative to the board's folder.
    """

    schema_version: Literal[1]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: str = ""
    family: Text = DEFAULT_FAMILY
    arms: Annotated[list[Text], Field(min_length=1, max_length=100)]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    rankers: Annotated[list[Text], Field(min_length=1, max_length=50)] = list(DEFAULT_RANKERS)
    agreement: Text | None = None
    select: Text | None = None
    tests: Annotated[list[Text], Field(max_length=100)] = Field([])
    ks: Annotated[list[Whole], Field(max_length=100)] | None = None
    benchmarks: Annotated[list[BenchmarkTable], Field(min_length=1, max_length=50)]
    budget: Planning = Planning()
    sampling: Drawing = Drawing()
    sandbox: Grading = Grading()

    @property
    def selecting(self) -> Selecting:
        """The rankers, the first or the selected one of which decides, their tests, and the agreement of cascades."""
        return Selecting(rankers=self.rankers, agreement=self.agreement, select=self.select, tests=self.tests)


@dataclass(frozen=True)
class BoardFile:
    """A board with the file that it was read from."""

    path: Path
    text: str
    board: Board

    @contextmanager
    def at(self, *place: str | int) -> Iterator[None]:
        """Attribute an error inside to the value at `place`, with its line."""
        try:
            yield
        except UserError as error:
            raise UserError(f"{self._where(place)}: {_as_keys(str(error))}") from error
        except MachineError as error:
            raise type(error)(f"{self._where(place)}: {_as_keys(str(error))}") from error

    def _where(self, place: Place) -> str:
        return f"{self.path}:{line_of(self.text, place)}: {named_place(place)}"


def _as_keys(message: str) -> str:
    """Replace parameters in backticks in a library's message by a board's keys, which have the same names."""
    return re.sub(r"`(\w+)`", r"\1", message)


def load_board(path: Path) -> BoardFile:
    """Read a board file.

    Raises:
        UserError: It cannot be read, is not TOML, or says something a board cannot; the message names the line.
    """
    try:
        text = read_whole(path)
    except UserError as error:
        raise UserError(f"cannot read the board: {error}; give a .toml file") from None
    return parse_board(path, text)


def parse_board(path: Path, text: str) -> BoardFile:
    """Parse as `load_board` a text read from `path`, which may be a stranger's.

    Raises:
        UserError: See there.
    """
    data = parse_board_text(path, text, most_characters=MOST_BYTES[BOARD], most_line=MOST_LINE)
    try:
        board = Board.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # A union's branch is not in the file.
        place = place_in_file(data, first["loc"])
        raise UserError(f"{path}:{line_of(text, place)}: {named_place(place)}: {_explained(first)}") from None
    file = BoardFile(path, text, board)
    _check(file)
    return file


def _check(file: BoardFile) -> None:
    """Check what no value alone shows."""
    board = file.board
    for place, arm in enumerate(board.arms):
        if arm in board.arms[:place]:
            with file.at("arms", place):
                raise UserError(f"the arm {arm} is listed twice; remove one")
    if not set(board.rankers) - {ORACLE}:
        with file.at("rankers"):
            raise UserError("oracle picks by the hidden tests and is always shown; add one that works without them")
    with file.at("agreement"):
        rule_of(board.selecting)
    with file.at("select"):
        # Whoever verifies a run plans by this, and nothing is loaded just because a run names it.
        if board.select not in (None, AUTO) and use_by_own(str(board.select)) is None:
            raise UserError(
                f"`select` {board.select}: on a board it is {AUTO} or a ranker of codebudget's own that takes a number "
                "of tests, such as codet,tests=8"
            )
        chosen(board.selecting, shown=False)
    if board.tests and board.select is None:
        with file.at("tests"):
            raise UserError("`tests` are paid for with `select`: name the ranker that uses them, such as codet,tests=8")
    names = [(table.name, table.tasks) for table in board.benchmarks]
    for place, name in enumerate(names):
        if name[0] in [earlier for earlier, _ in names[:place]]:
            with file.at("benchmarks", place, "name"):
                raise UserError(f"the benchmark {name[0]} is listed twice; remove one")


def _explained(error: Any) -> str:
    kind = error["type"]
    if kind == "missing":
        return "this key is missing; add it"
    if kind == "extra_forbidden":
        return "unknown key; docs/leaderboard.md lists all keys"
    message = _as_keys(str(error["msg"]).removeprefix("Value error, "))
    return f"{message[0].lower()}{message[1:]}" + ("" if kind == "value_error" else f", not {_shown(error['input'])}")


def _shown(value: object) -> str:
    try:
        return one_line(repr(value))
    except (ValueError, RecursionError):
        # An integer of thousands of digits, written in hexadecimal, or as many nested tables.
        return type(value).__name__
