"""Reading a run that somebody else made: its shape, its hashes and its schemas, before anything else is done with it.

What fails here ends the reading: no board is parsed whose hash is wrong, and nothing is graded, ranked or computed of a
run that is not one.
"""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from ...errors import UserError
from .. import files, strict_json
from ..board import parse_board
from ..manifest import RUN_ID, Manifest, run_id_of
from ..rows import CandidateRow, RankingRow, Timings, VerdictRow, parse_row
from .differences import Difference, difference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..board import BoardFile
    from ..rows import AnyRow
    from ..strict_json import Model

MOST_NAMED = 100
"""Strange files or fields that are told one by one."""


class Run(NamedTuple):
    """A run as its files say."""

    path: Path
    manifest: Manifest
    board: BoardFile
    candidates: list[CandidateRow]
    verdicts: list[VerdictRow]
    rankings: list[RankingRow]
    results: dict[str, Any]
    timings: Timings
    report: str


class Read(NamedTuple):
    """A run, None where something is wrong with its files, its id where its manifest has one, and what is wrong."""

    run: Run | None
    run_id: str | None
    differences: list[Difference]


def read_run(path: Path) -> Read:
    """Read a run directory, and check what can be checked without running anything.

    Raises:
        UserError: It is no folder that can be read.
    """
    if not path.is_dir():
        raise UserError(f"{path} is no folder; name a run directory (unpack an archive first)")
    found = _shape(path)
    if found:
        return Read(None, None, found)
    manifest = _manifest(path, found)
    if manifest is None or found:
        return Read(None, None if manifest is None else manifest.run_id, found)
    found += _hashes(path, manifest)
    run = None if found else _contents(path, manifest, found)
    return Read(None if found else run, manifest.run_id, found)


def _shape(path: Path) -> list[Difference]:
    """Which files are missing, too many, or no files."""
    found = []
    for name in files.NAMES:
        if not os.path.lexists(path / name):
            found.append(difference(name, "", "", "a file", "no such file"))
            continue
        try:
            files.open_file(path / name).close()
        except UserError as error:
            found.append(difference(name, "", "", "a plain file", str(error)))
    try:
        with os.scandir(path) as entries:
            # There may be millions that do not belong there.
            there = {entry.name for entry in islice(entries, len(files.NAMES) + MOST_NAMED)}
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); mend its permissions") from None
    return found + [difference(name, "", "", "no part of a run", "there") for name in sorted(there - set(files.NAMES))]


def _manifest(path: Path, found: list[Difference]) -> Manifest | None:
    data, raw = _json(path / files.MANIFEST, found)
    if raw is None:
        return None
    version = raw.get("schema_version")
    if version != files.SCHEMA_VERSION:
        found.append(difference(files.MANIFEST, "", "schema_version", version, files.SCHEMA_VERSION))
        return None
    manifest = _validated(files.MANIFEST, data, Manifest, found)
    if manifest is not None and manifest.run_id != run_id_of(raw):
        found.append(difference(files.MANIFEST, "", RUN_ID, manifest.run_id, run_id_of(raw)))
    return manifest


def _hashes(path: Path, manifest: Manifest) -> Iterator[Difference]:
    for name in sorted(manifest.files.keys() - set(files.HASHED))[:MOST_NAMED]:
        yield difference(name, "", "SHA-256", manifest.files[name], "no file of a run")
    for name in files.HASHED:
        recorded = manifest.files.get(name, "no hash")
        try:
            now = files.file_sha256(path / name)
        except UserError as error:
            now = str(error)
        if recorded != now:
            yield difference(name, "", "SHA-256", recorded, now)


def _contents(path: Path, manifest: Manifest, found: list[Difference]) -> Run | None:
    """A run whose files are what its manifest says; None where one is not what such a file of a run is."""
    board = _board(path, found)
    candidates = _rows(path, files.CANDIDATES, CandidateRow, found)
    verdicts = _rows(path, files.VERDICTS, VerdictRow, found)
    rankings = _rows(path, files.RANKINGS, RankingRow, found)
    _, results = _json(path / files.RESULTS, found)
    data, raw = _json(path / files.TIMINGS, found)
    timings = None if raw is None else _validated(files.TIMINGS, data, Timings, found)
    report = _text(path / files.REPORT, found)
    if candidates is None or verdicts is None or rankings is None:
        return None
    if results is None or timings is None or board is None or report is None:
        return None
    return Run(path, manifest, board, candidates, verdicts, rankings, results, timings, report)


def _rows(path: Path, name: str, kind: type[AnyRow], found: list[Difference]) -> list[AnyRow] | None:
    rows: list[AnyRow] = []
    try:
        for number, line in enumerate(files.read_lines(path / name), 1):
            try:
                row = parse_row(line, kind)
            except ValueError as error:
                found.append(difference(name, f"row {number}", "", "a row of a run", str(error)))
                return None
            if line != files.row_bytes(row.dump()):
                shown = line[:MOST_NAMED].decode("utf-8", "replace")
                found.append(difference(name, f"row {number}", "", shown, "written otherwise"))
                return None
            rows.append(row)
    except UserError as error:
        found.append(difference(name, "", "", "rows", str(error)))
        return None
    return rows


def _json(file: Path, found: list[Difference]) -> tuple[bytes, dict[str, Any] | None]:
    """A file's bytes and its value."""
    data = b""
    try:
        data = files.read_bytes(file)
        value = strict_json.parse(data)
    except ValueError as error:
        found.append(difference(file.name, "", "", "JSON", str(error)))
        return data, None
    if not isinstance(value, dict):
        found.append(difference(file.name, "", "", "an object", type(value).__name__))
        return data, None
    if not files.is_json_bytes(data, value):
        found.append(difference(file.name, "", "", "JSON with sorted keys", "written otherwise"))
        return data, None
    return data, value


def _validated(name: str, data: bytes, kind: type[Model], found: list[Difference]) -> Model | None:
    try:
        return kind.model_validate_json(data, strict=True)
    except ValidationError as error:
        for one in error.errors(include_url=False)[:MOST_NAMED]:
            found.append(difference(name, "", ".".join(map(str, one["loc"])), one.get("input"), one["msg"]))
        return None


def _text(file: Path, found: list[Difference]) -> str | None:
    try:
        return files.read_bytes(file).decode("utf-8")
    except ValueError as error:
        found.append(difference(file.name, "", "", "UTF-8 text", str(error)))
        return None


def _board(path: Path, found: list[Difference]) -> BoardFile | None:
    text = _text(path / files.BOARD, found)
    if text is None:
        return None
    try:
        return parse_board(path / files.BOARD, text)
    except UserError as error:
        found.append(difference(files.BOARD, "", "", "a board", str(error)))
        return None
