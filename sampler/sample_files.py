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


def find_files(patterns: Sequence[str]) -> tuple[Path, ...]:
    """The files that some paths mean, in the order given.

    Args:
        patterns: Files; folders, which stand for their `*.jsonl` and `*.jsonl.gz`, sorted; and globs, sorted.

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
        for match in matches:
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
    data, failure = _read_bytes(path)
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if failure is not None:
        raise UserError(f"{path}:{len(lines)}: broken gzip ({failure}); copy or compress the file again")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError:
            raise UserError(f"{path}:{number}: not UTF-8; save the file as UTF-8") from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}:{number}: broken JSON ({error}); mend the line or leave it out") from None
        if not isinstance(row, dict):
            raise UserError(f"{path}:{number}: not a JSON object; a row is one object with a task_id")
        yield number, row


def _read_bytes(path: Path) -> tuple[bytes, str | None]:
    """A file's bytes, unpacked, and what stopped the unpacking if anything did."""
    try:
        if not path.name.endswith(".gz"):
            return path.read_bytes(), None
        parts: list[bytes] = []
        with gzip.open(path, "rb") as file:
            try:
                while part := file.read1(1 << 20):
                    parts.append(part)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                return b"".join(parts), str(error)
        return b"".join(parts), None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; check the file and its permissions") from None
