"""The files of a run directory, and the one way each is written."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import os
import stat
import zlib
from typing import TYPE_CHECKING, Any, Final

from .._util.redaction import redactor
from ..errors import UserError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

SCHEMA_VERSION: Final = 1

MANIFEST: Final = "manifest.json"
BOARD: Final = "board.toml"
CANDIDATES: Final = "candidates.jsonl.gz"
VERDICTS: Final = "verdicts.jsonl.gz"
RANKINGS: Final = "rankings.jsonl.gz"
RESULTS: Final = "results.json"
TIMINGS: Final = "timings.json"
REPORT: Final = "report.md"
TOKENS: Final = "tokens.jsonl.gz"
TESTS: Final = "tests.jsonl.gz"

HASHED: Final = (BOARD, CANDIDATES, VERDICTS, RANKINGS, RESULTS, TIMINGS, REPORT)
"""All files but the manifest, which names the SHA-256 of each."""

NAMES: Final = (*HASHED, MANIFEST)
"""Every file of a run, the manifest last."""

OPTIONAL: Final = (TOKENS, TESTS)
"""Files that only some runs have: with compressed arms, and with tests paid for. The manifest has their SHA-256 too."""

KNOWN: Final = (*NAMES, *OPTIONAL)
"""All names that a file of a run may have."""

DIGITS: Final = 12
"""Significant digits of numbers in results.json: beyond them, machines that add in another order differ."""

MOST_BYTES: Final[Mapping[str, int]] = {
    BOARD: 64 << 10,
    MANIFEST: 4 << 20,
    RESULTS: 64 << 20,
    TIMINGS: 256 << 20,
    REPORT: 64 << 20,
    CANDIDATES: 2 << 30,
    VERDICTS: 1 << 30,
    RANKINGS: 1 << 30,
    TOKENS: 1 << 30,
    TESTS: 1 << 30,
}
"""Most bytes of each file of a run as stored: several times the size for a million samples."""

MOST_FILE_BYTES: Final = 8 << 30
"""The same for any other file, such as an archive."""

MAX_ROWS: Final = 2_000_000
MAX_VALUES: Final = 64_000_000
MAX_ROWS_BYTES: Final = 2 << 30
MAX_ROW_BYTES: Final = 16 << 20
MAX_RATIO: Final = 200
FREE_BYTES: Final = 64 << 20
"""Bounds on a stranger's file of rows and on one row of it; past `FREE_BYTES`, also relative to its size.

Once read, a row takes a kilobyte and a number 32 bytes, however short they are in the file.
"""


def rounded(value: Any) -> Any:
    """Round fractions in a JSON value to `DIGITS` significant digits; non-finite ones become None."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


_JSON: Final = json.JSONEncoder(indent=1, sort_keys=True, allow_nan=False)


def json_bytes(value: object) -> bytes:
    """Encode a JSON file: sorted keys, ASCII, final line break."""
    return _JSON.encode(value).encode() + b"\n"


def is_json_bytes(data: bytes, value: object) -> bool:
    """Whether a file is as `json_bytes` writes the value, without holding its whole output in memory."""
    place = 0
    for part in _JSON.iterencode(value):
        if not data.startswith(written := part.encode(), place):
            return False
        place += len(written)
    return data[place:] == b"\n"


def row_bytes(value: object) -> bytes:
    """Encode a JSON Lines row."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def write_rows(path: Path, rows: Iterable[object]) -> None:
    """Write JSON Lines without secrets, through gzip. No time or name is stored: the same rows make the same bytes."""
    redact = redactor().data
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as file:
        for row in rows:
            file.write(redact(row_bytes(row)))


def open_file(path: Path) -> io.BufferedReader:
    """Open for reading a file that someone else put there.

    Only a plain file is opened: opening a pipe may take forever, opening a device may have effects, and a link leads
    elsewhere. Whatever takes the file's place meanwhile is refused too.

    Raises:
        UserError: It is no plain file, cannot be read, or exceeds `MOST_BYTES` for its name.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise UserError(f"{path} is not a regular file; get the run again")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); get the run again") from None
    file = os.fdopen(descriptor, "rb")
    found = os.fstat(descriptor)
    most = _most_bytes(path)
    if not stat.S_ISREG(found.st_mode) or found.st_size > most:
        file.close()
        raise UserError(
            f"{path} is larger than this file of a run may be ({most} bytes); codebudget did not write this run"
        )
    return file


def read_bytes(path: Path) -> bytes:
    """Read a whole file of a run.

    Raises:
        UserError: As `open_file`.
    """
    with open_file(path) as file:
        # It may grow while it is read.
        return file.read(_most_bytes(path))


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield lines of a run's gzip file, with their ends.

    Raises:
        UserError: As `open_file`; it is damaged, or unpacks to more than any run.
    """
    rows = values = total = 0
    with open_file(path) as raw:
        most = min(MAX_ROWS_BYTES, FREE_BYTES + MAX_RATIO * os.fstat(raw.fileno()).st_size)
        try:
            with gzip.open(raw, "rb") as file:
                while line := file.readline(MAX_ROW_BYTES + 1):
                    rows, values, total = rows + 1, values + line.count(b","), total + len(line)
                    if len(line) > MAX_ROW_BYTES or total > most or rows > MAX_ROWS or values > MAX_VALUES:
                        raise UserError(f"{path}: contains more than a run may; codebudget did not write this run")
                    yield line
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{path}: cannot be read ({error}); get the run again") from None


def file_sha256(path: Path) -> str:
    """Hash the bytes of a run's file: SHA-256 in hexadecimal.

    Raises:
        UserError: As `open_file`.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _most_bytes(path: Path) -> int:
    return MOST_BYTES.get(path.name, MOST_FILE_BYTES)


def is_run(path: Path) -> bool:
    """Whether a folder holds a manifest and nothing foreign to a run."""
    return path.is_dir() and (path / MANIFEST).is_file() and {entry.name for entry in path.iterdir()} <= set(KNOWN)
