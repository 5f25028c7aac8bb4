"""Reading of someone else's run: its shape, its hashes and its schemas, before anything else is done with it.

A failure here ends the reading: no board with a wrong hash is parsed, and nothing is graded, ranked or computed of a
run that is not one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ...errors import UserError
from .. import files
from ..board import parse_board
from ..differences import Difference, difference
from ..manifest import RUN_ID, Manifest, run_id_of
from ..reading import MOST_NAMED, JsonFile, RunFileError, RunFolder
from ..rows import CandidateRow, RankingRow, TestsRow, Timings, TokenRow, VerdictRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..board import BoardFile

Value = TypeVar("Value")


class RecordedRun(NamedTuple):
    """A run, as its files say. `results` is the JSON, whose every value is compared, whatever it is."""

    path: Path
    manifest: Manifest
    board: BoardFile
    candidates: list[CandidateRow]
    verdicts: list[VerdictRow]
    rankings: list[RankingRow]
    results: dict[str, Any]
    timings: Timings
    report: str
    tokens: list[TokenRow]
    tests: list[TestsRow]


class Read(NamedTuple):
    """A run, None if something is wrong with its files, its id if its manifest has one, and what is wrong."""

    run: RecordedRun | None
    run_id: str | None
    differences: list[Difference]


def read_run(path: Path) -> Read:
    """Read a run directory, and check what can be checked without running anything.

    Raises:
        UserError: It is no readable folder.
    """
    if not path.is_dir():
        raise UserError(f"{path} is not a folder; give a run directory (unpack an archive first)")
    folder = RunFolder(path, exact=True)
    found = list(_shape(folder))
    if found:
        return Read(None, None, found)
    try:
        file = folder.json(files.MANIFEST)
        manifest = _manifest(file)
    except RunFileError as error:
        return Read(None, None, list(error.differences))
    run_id = run_id_of(file.value)
    if manifest.run_id != run_id:
        return Read(None, manifest.run_id, [difference(files.MANIFEST, "", RUN_ID, manifest.run_id, run_id)])
    found = list(_hashes(folder, manifest))
    if found:
        return Read(None, manifest.run_id, found)
    return _contents(folder, manifest)


def _shape(folder: RunFolder) -> Iterator[Difference]:
    """Find missing or extra files, and non-files."""
    lacking = folder.lacking()
    for name in (*lacking, *folder.there()):
        if name in lacking:
            yield difference(name, "", "", "a file", "no such file")
            continue
        try:
            folder.open(name).close()
        except UserError as error:
            yield difference(name, "", "", "a regular file", str(error))
    for name in folder.strangers():
        yield difference(name, "", "", "not part of a run", "there")


def _manifest(file: JsonFile) -> Manifest:
    """Parse it; RunFileError if it is none of this version."""
    version = file.value.get("schema_version")
    if version != files.SCHEMA_VERSION:
        wrong = difference(files.MANIFEST, "", "schema_version", version, files.SCHEMA_VERSION)
        raise RunFileError(str(wrong), [wrong])
    return file.model(Manifest)


def _hashes(folder: RunFolder, manifest: Manifest) -> Iterator[Difference]:
    optional = {name for name in files.OPTIONAL if name in manifest.files or name in folder.there()}
    for name in sorted(manifest.files.keys() - set(files.HASHED) - optional)[:MOST_NAMED]:
        yield difference(name, "", "SHA-256", manifest.files[name], "not a file of a run")
    for name in (*files.HASHED, *sorted(optional)):
        recorded = manifest.files.get(name, "no hash")
        try:
            now = folder.sha256(name)
        except UserError as error:
            now = str(error)
        if recorded != now:
            yield difference(name, "", "SHA-256", recorded, now)


class _Reading:
    """Reads on past whatever is wrong, and records it."""

    def __init__(self) -> None:
        self.differences: list[Difference] = []

    def of(self, read: Callable[[], Value]) -> Value | None:
        """Return `read()`; None if it finds something wrong."""
        try:
            return read()
        except RunFileError as error:
            self.differences += error.differences
            return None


def _contents(folder: RunFolder, manifest: Manifest) -> Read:
    """Read a run whose files match its manifest; None if one is not as such a file of a run must be."""
    reading = _Reading()
    board = reading.of(lambda: _board(folder))
    candidates = reading.of(lambda: list(folder.rows(files.CANDIDATES, CandidateRow)))
    verdicts = reading.of(lambda: list(folder.rows(files.VERDICTS, VerdictRow)))
    rankings = reading.of(lambda: list(folder.rows(files.RANKINGS, RankingRow)))
    has_tokens = files.TOKENS in manifest.files
    tokens = reading.of(lambda: list(folder.rows(files.TOKENS, TokenRow)) if has_tokens else [])
    has_tests = files.TESTS in manifest.files
    tests = reading.of(lambda: list(folder.rows(files.TESTS, TestsRow)) if has_tests else [])
    results = reading.of(lambda: folder.json(files.RESULTS).value)
    timings = reading.of(lambda: folder.model(files.TIMINGS, Timings))
    report = reading.of(lambda: folder.text(files.REPORT))
    if candidates is None or verdicts is None or rankings is None or tokens is None:
        return Read(None, manifest.run_id, reading.differences)
    if results is None or timings is None or board is None or report is None or tests is None:
        return Read(None, manifest.run_id, reading.differences)
    run = RecordedRun(
        folder.path, manifest, board, candidates, verdicts, rankings, results, timings, report, tokens, tests
    )
    return Read(run, manifest.run_id, [])


def _board(folder: RunFolder) -> BoardFile:
    """Parse it; RunFileError if it is none."""
    text = folder.text(files.BOARD)
    try:
        return parse_board(folder.path / files.BOARD, text)
    except UserError as error:
        raise RunFileError(str(error), [difference(files.BOARD, "", "", "a board", str(error))]) from None
