"""Reading a run that somebody else made: its shape and its hashes, before anything of it is believed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from ..errors import UserError
from . import files
from .board import parse_board
from .differences import Difference, difference
from .manifest import RUN_ID, Manifest, run_id_of
from .rows import CandidateRow, RankingRow, VerdictRow, read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from .board import BoardFile
    from .rows import AnyRow

MAX_JSON_BYTES = 1 << 30


class Run(NamedTuple):
    """A run as its files say."""

    path: Path
    manifest: Manifest
    board: BoardFile
    candidates: list[CandidateRow]
    verdicts: list[VerdictRow]
    rankings: list[RankingRow]
    results: dict[str, Any]
    timings: dict[str, Any]
    report: str


class Read(NamedTuple):
    """A run, None where some file of it cannot be used, and what is wrong with its files."""

    run: Run | None
    run_id: str | None
    differences: list[Difference]


def read_run(path: Path, beside: Path) -> Read:
    """Read a run directory, and check what can be checked without running anything.

    Args:
        path: The run directory.
        beside: The folder that paths in its board are relative to.

    Raises:
        UserError: It is no folder, or holds no manifest.
    """
    if not path.is_dir():
        raise UserError(f"{path} is no folder; name a run directory (unpack an archive first)")
    found = _files(path)
    raw = _json(path / files.MANIFEST, found)
    if raw is None:
        return Read(None, None, found)
    version = raw.get("schema_version")
    if version != files.SCHEMA_VERSION:
        found.append(difference(files.MANIFEST, "", "schema_version", version, files.SCHEMA_VERSION))
        return Read(None, None, found)
    try:
        manifest = Manifest.model_validate(raw)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            name = ".".join(map(str, one["loc"]))
            found.append(difference(files.MANIFEST, "", name, one.get("input"), one["msg"]))
        return Read(None, None, found)
    if manifest.run_id != run_id_of(raw):
        found.append(difference(files.MANIFEST, "", RUN_ID, manifest.run_id, run_id_of(raw)))
    found += _hashes(path, manifest)
    candidates = _rows(path, files.CANDIDATES, CandidateRow, found)
    verdicts = _rows(path, files.VERDICTS, VerdictRow, found)
    rankings = _rows(path, files.RANKINGS, RankingRow, found)
    results, timings = _json(path / files.RESULTS, found), _json(path / files.TIMINGS, found)
    board = _board(path, beside, found)
    report = _text(path / files.REPORT, found)
    if candidates is None or verdicts is None or rankings is None:
        return Read(None, manifest.run_id, found)
    if results is None or timings is None or board is None or report is None:
        return Read(None, manifest.run_id, found)
    run = Run(path, manifest, board, candidates, verdicts, rankings, results, timings, report)
    return Read(run, manifest.run_id, found)


def _files(path: Path) -> list[Difference]:
    there = {entry.name for entry in path.iterdir()}
    missing = [difference(name, "", "", "a file", "no such file") for name in files.NAMES if name not in there]
    extra = sorted(there - set(files.NAMES))
    strange = [
        difference(name, "", "", "a plain file", "something else")
        for name in sorted(there & set(files.NAMES))
        if (path / name).is_symlink() or not (path / name).is_file()
    ]
    return missing + strange + [difference(name, "", "", "no part of a run", "there") for name in extra]


def _hashes(path: Path, manifest: Manifest) -> list[Difference]:
    found = []
    for name in sorted({*manifest.files, *files.HASHED}):
        recorded = manifest.files.get(name, "no hash")
        usable = name in files.HASHED and (path / name).is_file()
        now = files.file_sha256(path / name) if usable else "no file of a run"
        if recorded != now:
            found.append(difference(name, "", "SHA-256", recorded, now))
    return found


def _rows(path: Path, name: str, kind: type[AnyRow], found: list[Difference]) -> list[AnyRow] | None:
    if not (path / name).is_file():
        return None
    try:
        rows = list(read_rows(path / name, kind))
    except UserError as error:
        found.append(difference(name, "", "", "rows", str(error)))
        return None
    for number, (line, row) in enumerate(zip(files.read_lines(path / name), rows, strict=True), 1):
        if line != files.row_bytes(row.dump()):
            found.append(difference(name, f"row {number}", "", line.decode("utf-8", "replace"), "written otherwise"))
            break
    return rows


def _json(file: Path, found: list[Difference]) -> dict[str, Any] | None:
    text = _text(file, found)
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        found.append(difference(file.name, "", "", "JSON", str(error)))
        return None
    if not isinstance(value, dict):
        found.append(difference(file.name, "", "", "an object", type(value).__name__))
        return None
    if text.encode() != files.json_bytes(value):
        found.append(difference(file.name, "", "", "JSON with sorted keys", "written otherwise"))
    return value


def _text(file: Path, found: list[Difference]) -> str | None:
    if not file.is_file():
        return None
    if file.stat().st_size > MAX_JSON_BYTES:
        found.append(difference(file.name, "", "", "a file of a run", "larger than any"))
        return None
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        found.append(difference(file.name, "", "", "UTF-8 text", str(error)))
        return None


def _board(path: Path, beside: Path, found: list[Difference]) -> BoardFile | None:
    text = _text(path / files.BOARD, found)
    if text is None:
        return None
    try:
        return parse_board(beside / files.BOARD, text)
    except UserError as error:
        found.append(difference(files.BOARD, "", "", "a board", str(error)))
        return None
