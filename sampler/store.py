"""The store: candidates, verdicts and other records in one SQLite file, each under the key of what made it.

One process writes at a time and any number read (SQLite's write-ahead log). A batch that `put_*` returned from survives
a killed process; after a power cut the last batches may be missing, never half there.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from array import array
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ..errors import MachineError, UserError
from ..records import Candidate, Record, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

APPLICATION_ID = 0x63646267
"""`cdbg`: marks a SQLite file as a codebudget store."""

STORE_VERSION = 2
"""The layout of the tables, in SQLite's `user_version`."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (kind TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
DROP TABLE IF EXISTS candidates;
CREATE TABLE candidates (key TEXT PRIMARY KEY, extractor TEXT NOT NULL, task_id, arm, place, raw, program, seed, \
stratum, prompt, finish_reason, prompt_tokens, output_tokens, logprobs BLOB);
"""
"""Version 1 had candidates in another form, and nothing ever wrote any."""

CANDIDATE_FIELDS: Final = (
    *("task_id", "arm", "index", "raw", "program", "seed", "stratum", "prompt"),
    *("finish_reason", "prompt_tokens", "output_tokens", "logprobs"),
)
CANDIDATE_COLUMNS: Final = ", ".join("place" if field == "index" else field for field in CANDIDATE_FIELDS)
"""`index` is a word of SQL's."""

KEYS_PER_QUERY = 500
"""Below SQLITE_MAX_VARIABLE_NUMBER of every build, which was 999 once."""


class Store:
    """An open store; `open_store` makes one. Threads may share it.

    Keys come from `hashing.key_of`; a candidate's is its task's, a slash and its index. Reading a key that is not there
    leaves it out of the answer; writing one again replaces its value.

    Raises:
        MachineError: From every method, where the disk is full, the file read-only, or another process keeps it locked.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the store cannot be used after it."""
        with self._lock:
            self._connection.close()

    def candidates(self, keys: Iterable[str]) -> dict[str, Candidate]:
        """The candidates of some keys."""
        rows = self._read(f"SELECT key, {CANDIDATE_COLUMNS} FROM candidates WHERE key IN", keys)
        return {row[0]: _candidate(row[1:]) for row in rows}

    def has_candidates(self, keys: Iterable[str]) -> set[str]:
        """Those of some keys that there is a candidate of."""
        return {row[0] for row in self._read("SELECT key FROM candidates WHERE key IN", keys)}

    def keys_under(self, prefix: str) -> list[str]:
        """The keys of candidates that start with `prefix`."""
        with self._lock, _explained(self.path):
            rows = self._connection.execute(
                "SELECT key FROM candidates WHERE key >= ? AND key < ?", (prefix, f"{prefix}\U0010ffff")
            ).fetchall()
        return [row[0] for row in rows]

    def put_candidates(self, candidates: Mapping[str, Candidate], *, extractor: str = "") -> None:
        """Write a batch of candidates, all or none; `extractor` names what took their programs out of their texts."""
        rows = [(key, extractor, *_row(candidate)) for key, candidate in candidates.items()]
        self._write(f"INSERT OR REPLACE INTO candidates VALUES ({','.join('?' * 14)})", rows)

    def extractors(self, keys: Iterable[str]) -> dict[str, str]:
        """What took the programs of some keys' candidates out of their texts; empty where nothing did yet."""
        return dict(self._read("SELECT key, extractor FROM candidates WHERE key IN", keys))

    def put_programs(self, programs: Mapping[str, str], *, extractor: str) -> None:
        """Replace the programs of some candidates, all or none."""
        rows = [(program, extractor, key) for key, program in programs.items()]
        self._write("UPDATE candidates SET program = ?, extractor = ? WHERE key = ?", rows)

    def verdicts(self, keys: Iterable[str]) -> dict[str, Verdict]:
        """The verdicts of some keys."""
        rows = self._read("SELECT key, value FROM verdicts WHERE key IN", keys)
        return {key: Verdict.model_validate_json(value) for key, value in rows}

    def put_verdicts(self, verdicts: Mapping[str, Verdict]) -> None:
        """Write a batch of verdicts, all or none.

        A `sandbox_error` is about the machine and not about the program, and is never stored: a second run tries again.
        """
        lasting = {key: verdict for key, verdict in verdicts.items() if verdict.status != "sandbox_error"}
        self._write("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", _dumped(lasting))

    def records(self, kind: str, keys: Iterable[str]) -> dict[str, Any]:
        """The JSON values of some keys, of one kind."""
        rows = self._read("SELECT key, value FROM records WHERE kind = ? AND key IN", keys, (kind,))
        return {key: json.loads(value) for key, value in rows}

    def put_records(self, kind: str, records: Mapping[str, Any]) -> None:
        """Write a batch of JSON values of one kind, all or none."""
        rows = [(kind, key, json.dumps(value)) for key, value in records.items()]
        self._write("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", rows)

    def all_records(self, kind: str) -> dict[str, Any]:
        """The JSON values of one kind, by key."""
        with self._lock, _explained(self.path):
            rows = self._connection.execute("SELECT key, value FROM records WHERE kind = ?", (kind,)).fetchall()
        return {key: json.loads(value) for key, value in rows}

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside is written all or none; other threads wait."""
        with self._lock, _explained(self.path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield

    def clear(self) -> None:
        """Forget everything."""
        with self._lock, _explained(self.path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for table in ("candidates", "verdicts", "records"):
                self._connection.execute(f"DELETE FROM {table}")

    def _read(self, query: str, keys: Iterable[str], before: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
        wanted = list(keys)
        for start in range(0, len(wanted), KEYS_PER_QUERY):
            some = wanted[start : start + KEYS_PER_QUERY]
            marks = ",".join("?" * len(some))
            with self._lock, _explained(self.path):
                rows = self._connection.execute(f"{query} ({marks})", (*before, *some)).fetchall()
            yield from rows

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if not rows:
            return
        with self._lock:
            if self._connection.in_transaction:
                self._connection.executemany(statement, rows)
                return
            with self.together():
                self._connection.executemany(statement, rows)


def open_store(path: str | Path, *, busy_s: float = 10.0) -> Store:
    """Open a store, or make a new one with its folder.

    Args:
        path: The SQLite file.
        busy_s: How long to wait for another process that is writing.

    Raises:
        UserError: If the file is something else, or was written by a newer codebudget.
        MachineError: If the file cannot be made, read or written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(
            f"cannot make the folder of the store {path} ({error.strerror}); name another file with --store FILE"
        ) from None
    with _explained(path):
        # Transactions are begun by hand, so that every batch is one.
        connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    try:
        with _explained(path):
            _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return Store(path, connection)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Set the connection up, and make the tables of a new file."""
    version = _pragma(connection, "user_version")
    application = _pragma(connection, "application_id")
    is_empty = not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    if application != APPLICATION_ID and not is_empty:
        raise UserError(f"{path} is another program's SQLite file; name another store with --store FILE")
    if version > STORE_VERSION:
        raise UserError(
            f"{path} was written by a newer codebudget (store version {version}, this one reads {STORE_VERSION}); "
            "upgrade codebudget, or name another store with --store FILE"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have made the tables since.
    if _pragma(connection, "user_version") < STORE_VERSION:
        for statement in SCHEMA.replace("\\\n", "").strip().split("\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {STORE_VERSION}")
    connection.execute("COMMIT")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _dumped(records: Mapping[str, Record]) -> list[tuple[str, ...]]:
    return [(key, record.model_dump_json()) for key, record in records.items()]


def _row(candidate: Candidate) -> tuple[object, ...]:
    """A candidate's fields in the order of `CANDIDATE_FIELDS`.

    Logprobs go in as they lie in memory: a third of their JSON, and minus infinity is one of them.
    """
    logprobs = None if candidate.logprobs is None else array("d", candidate.logprobs).tobytes()
    return (*(getattr(candidate, field) for field in CANDIDATE_FIELDS[:-1]), logprobs)


def _candidate(row: Sequence[Any]) -> Candidate:
    fields = dict(zip(CANDIDATE_FIELDS, row, strict=True))
    if fields["logprobs"] is not None:
        fields["logprobs"] = tuple(array("d", fields["logprobs"]))
    return Candidate(**fields)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say what SQLite's errors mean for a user."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise UserError(
                f"{path} is not a codebudget store, or is damaged ({error}); "
                "move it away, or name another store with --store FILE"
            ) from None
        causes = {
            sqlite3.SQLITE_BUSY: "another process is writing to it; wait for that one, or name another --store FILE",
            sqlite3.SQLITE_LOCKED: "another process is writing to it; wait for that one, or name another --store FILE",
            sqlite3.SQLITE_FULL: "the disk is full; make room, or name a --store FILE on another disk",
            sqlite3.SQLITE_READONLY: "it is read-only; make it writable, or name another --store FILE",
            sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check its folder's permissions, or name a --store FILE",
            sqlite3.SQLITE_IOERR: "reading or writing failed; check the disk's room and health, or name a --store FILE",
        }
        cause = causes.get(code)
        if cause is None:
            raise
        raise MachineError(f"store {path}: {cause} ({error})") from None
