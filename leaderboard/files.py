"""The files of a run directory, and the one way in which each is written."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import zlib
from typing import TYPE_CHECKING, Any, Final

from ..errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
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

HASHED: Final = (BOARD, CANDIDATES, VERDICTS, RANKINGS, RESULTS, TIMINGS, REPORT)
"""All files but the manifest, which names the SHA-256 of each."""

NAMES: Final = (*HASHED, MANIFEST)
"""Every file of a run, the manifest last."""

DIGITS: Final = 12
"""Significant digits of numbers in results.json: past them, machines that add in another order differ."""

MAX_ROWS_BYTES: Final = 8 << 30
MAX_ROW_BYTES: Final = 64 << 20
MAX_RATIO: Final = 200
FREE_BYTES: Final = 64 << 20
"""What a stranger's file of rows, and one row of it, may come to; past `FREE_BYTES` also in relation to its size."""


def rounded(value: Any) -> Any:
    """A JSON value whose fractions have `DIGITS` significant digits; what is not finite is None."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def json_bytes(value: object) -> bytes:
    """A JSON file: keys sorted, ASCII, a line break at the end."""
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"


def row_bytes(value: object) -> bytes:
    """A row of a JSON Lines file."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def write_rows(path: Path, rows: Iterable[object]) -> None:
    """Write JSON Lines through gzip; the same rows make the same bytes: no time and no name is stored."""
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as file:
        for row in rows:
            file.write(row_bytes(row))


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a gzip file, each with its end.

    Raises:
        UserError: It is damaged, or larger than any run.
    """
    total = 0
    most = min(MAX_ROWS_BYTES, FREE_BYTES + MAX_RATIO * path.stat().st_size)
    try:
        with gzip.open(path, "rb") as file:
            while line := file.readline(MAX_ROW_BYTES + 1):
                total += len(line)
                if len(line) > MAX_ROW_BYTES or total > most:
                    raise UserError(f"{path}: holds more than a run may; it is no run of codebudget's")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error}); get the run again") from None


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_run(path: Path) -> bool:
    """Whether a folder holds a manifest, and nothing that a run does not."""
    return path.is_dir() and (path / MANIFEST).is_file() and {entry.name for entry in path.iterdir()} <= set(NAMES)
