"""Rows of a study, one per checkpoint, and the file that they are appended to as they finish."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, ValidationError

from ..._util.bounded import parse_json
from ...compression.divergence import Along, BaseTokens  # noqa: TC001 (pydantic reads it)
from ...errors import MachineError, UserError
from ...records import FileRecord, Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedRandom
    from pathlib import Path

ROWS: Final = "rows.jsonl"
UNQUANTISED: Final = "bf16"
"""The recipe of a row without one: all weights at 16 bits."""

Form = Literal["unquantised", "stored", "folded"]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


class StepSeconds(Record):
    """Seconds of the steps of a row; little where an earlier try had done a part."""

    making: Seconds = 0.0
    drawing: Seconds = 0.0
    scoring: Seconds = 0.0
    comparing: Seconds = 0.0
    grading: Seconds = 0.0

    @property
    def total(self) -> float:
        """Seconds of all steps."""
        return self.making + self.drawing + self.scoring + self.comparing + self.grading


class StudyRow(FileRecord):
    """One checkpoint, measured.

    `key` hashes what it was made of and how it was measured. `seed` is that of the calibration, None where the method
    looks at no texts. `planned_bytes` are those of all weights by the plan, `tensor_bytes` and `file_bytes` those
    written, None where the weights are not stored in the recipe's bits. `perplexity` is over `text_tokens` tokens.
    `sample_flops` are those of one sample of a task, None where token counts are not known. `passed` counts passing
    samples, of `samples`, by the tasks that could be graded, and `greedy` has a hash of each task's greedy output.
    `base_tokens` are an unquantised model's; `along` has a checkpoint's choices along those of its original.
    """

    key: str
    model: str
    parameters: Count
    recipe: str
    seed: Count | None = None
    form: Form
    planned_bytes: Count
    tensor_bytes: Count | None = None
    file_bytes: Count | None = None
    effective_bits: float
    perplexity: float
    text_tokens: Count
    sample_flops: float | None = None
    samples: Count
    passed: dict[str, Count]
    greedy: dict[str, str]
    left_out: dict[str, str]
    sandbox_errors: Count = 0
    base_tokens: BaseTokens | None = None
    along: Along | None = None
    seconds: StepSeconds
    device: str

    @property
    def size_bytes(self) -> int:
        """Bytes of its tensors: as written, or as planned where they are not stored in few bits."""
        return self.planned_bytes if self.tensor_bytes is None else self.tensor_bytes


class RowFile:
    """The file of rows, which one process may write to at a time."""

    def __init__(self, path: Path, opened: BufferedRandom) -> None:
        self._path = path
        self._opened = opened

    def rows(self) -> dict[str, StudyRow]:
        """Read all rows by key, the latest of each.

        A last line without its end is what a killed process had begun; it is cut off, and its row is made again.

        Raises:
            UserError: A line is no row.
        """
        self._opened.seek(0)
        whole = self._opened.read()
        kept = whole[: whole.rfind(b"\n") + 1]
        if len(kept) < len(whole):
            self._opened.truncate(len(kept))
        return {row.key: row for row in _parsed(kept, self._path)}

    def append(self, row: StudyRow) -> None:
        """Add a row; it is on the disk when this returns.

        Raises:
            MachineError: It cannot be written.
        """
        line = json.dumps(row.model_dump(mode="json"), sort_keys=True).encode() + b"\n"
        try:
            self._opened.seek(0, os.SEEK_END)
            self._opened.write(line)
            self._opened.flush()
            os.fsync(self._opened.fileno())
        except OSError as error:
            raise MachineError(
                f"cannot write {self._path} ({error.strerror}): free some space, then run again"
            ) from None


@contextmanager
def open_rows(folder: Path) -> Iterator[RowFile]:
    """Open the rows of a study's folder, which is made where it is missing.

    Raises:
        UserError: Another process has them open, or a link or something else is in their place.
        MachineError: The folder cannot be written.
    """
    path = folder / ROWS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise UserError(f"{folder} is not the folder of a study: choose another with `out`") from None
    except OSError as error:
        if path.is_symlink():
            raise UserError(f"{path} is a symbolic link, which is not followed: choose another with `out`") from None
        raise MachineError(f"cannot write {path} ({error.strerror}): choose another folder with `out`") from None
    with os.fdopen(number, "r+b") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"another process is writing {path}: wait for it, or choose another `out`") from None
        yield RowFile(path, opened)


def _parsed(text: bytes, path: Path) -> Iterator[StudyRow]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            yield StudyRow.model_validate(parse_json(line, f"{path}:{number}"))
        except (ValidationError, UserError):
            raise UserError(
                f"{path}:{number}: this is no row of a study: remove the line, or choose another `out`"
            ) from None
