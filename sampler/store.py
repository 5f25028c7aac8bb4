"""The store: candidates, verdicts and other records in one SQLite file, each under the key of what made it.

One process writes at a time and any number read (SQLite's write-ahead log). A batch that `put_*` returned from survives
a killed process; after a power cut the last batches may be missing, never half there.

A row carries a proof by the key of the user who wrote it (see `signing`), since anybody may lay a store into a folder.
Rows of others are not believed: what can be remade is treated as missing, and samples are used only where the user
named the store.
"""

from __future__ import annotations

import functools
import json
import sqlite3
import threading
import time
import warnings
from array import array
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from pydantic import ValidationError

from .._util.redaction import redactor
from ..errors import MachineError, UserError
from ..records import Candidate, Verdict
from .signing import Signer, user_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

APPLICATION_ID = 0x63646267
"""`cdbg`: marks a SQLite file as a codebudget store."""

STORE_VERSION = 4
"""The layout of the tables, in SQLite's `user_version`."""

DRAWN: Final = "drawn"
"""Kind of the records that belong to samples, and are used wherever those are."""

_TABLES = """
CREATE TABLE verdicts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE records (kind TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
"""
_CANDIDATES = """
DROP TABLE IF EXISTS candidates;
CREATE TABLE candidates (key TEXT PRIMARY KEY, extractor TEXT NOT NULL, task_id, arm, place, raw, program, seed, \
stratum, prompt, finish_reason, prompt_tokens, output_tokens, logprobs BLOB);
"""
_PROOFS = """
ALTER TABLE verdicts ADD COLUMN proof BLOB;
ALTER TABLE records ADD COLUMN proof BLOB;
ALTER TABLE candidates ADD COLUMN proof BLOB;
ALTER TABLE candidates ADD COLUMN program_proof BLOB;
"""
_THINKING = """
ALTER TABLE candidates ADD COLUMN thinking_tokens;
"""
_STEPS: Final = (_TABLES, _CANDIDATES, _PROOFS, _THINKING)
"""Steps to each version from the previous one. Version 1 had candidates in another form, but nothing wrote any."""

CANDIDATE_FIELDS: Final = (
    *("task_id", "arm", "index", "raw", "seed", "stratum", "prompt"),
    *("finish_reason", "prompt_tokens", "output_tokens", "thinking_tokens", "logprobs"),
)
_THINKING_TOKENS: Final = CANDIDATE_FIELDS.index("thinking_tokens")
_RAW: Final = CANDIDATE_FIELDS.index("raw")
CANDIDATE_COLUMNS: Final = ", ".join("place" if field == "index" else field for field in CANDIDATE_FIELDS)
"""All but the program, extracted later; `index` is a keyword in SQL."""

KEYS_PER_QUERY = 500
"""Below every build's SQLITE_MAX_VARIABLE_NUMBER, which was once 999."""

_MOST_BYTES = 1 << 28
"""Value limit; a stranger's file may hold any."""

_RESULTS = "verdicts or other results"
_SAMPLES = "samples"


class Extracted(NamedTuple):
    """A candidate, and what extracted its program from its text: empty where nothing has yet.

    `proof` is this user's key's proof of the sample, whoever drew it; a program is proven with it.
    """

    candidate: Candidate
    extractor: str
    proof: bytes


class Columns(NamedTuple):
    """A table's columns, and those of its key."""

    names: tuple[str, ...]
    key: tuple[str, ...]


class Store:
    """An open store; `open_store` makes one. Threads may share it.

    Keys come from `hashing.key_of`; a candidate's is its task's, a slash and its index. A missing key is left out when
    reading; writing a key again replaces its value. This user's secrets never get in (see `redaction`).

    Raises:
        UserError: From methods that read, where samples are not this user's and the store was not named, or where a
            value is not codebudget's.
        MachineError: From every method, where the disk is full, the file read-only, or another process keeps it locked.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, signer: Signer, notice: Callable[[str], None], *, named: bool
    ) -> None:
        self.path = path
        self._connection = connection
        self._signer = signer
        self._notice = notice
        self._named = named
        self._said: set[str] = set()
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the store cannot be used after."""
        with self._lock:
            self._connection.close()

    def candidates(self, keys: Iterable[str]) -> dict[str, Candidate]:
        """Read some keys' candidates."""
        return {key: found.candidate for key, found in self.extracted(keys).items()}

    def extracted(self, keys: Iterable[str]) -> dict[str, Extracted]:
        """Read some keys' candidates, each with what extracted its program from the text."""
        columns = f"key, proof, program_proof, extractor, program, {CANDIDATE_COLUMNS}"
        found = {}
        for key, proof, program_proof, extractor, program, *fields in self._read(
            f"SELECT {columns} FROM candidates WHERE key IN", keys
        ):
            own = self._proof_of_sample(key, fields)
            if proof != own:
                self._use_of_others()
            # A program put beside a text by somebody else need not be the one in it.
            if program_proof != self._signer.proof_behind(own, str(extractor), str(program)):
                extractor = program = ""
            found[key] = Extracted(self._checked(_candidate, (fields, program)), extractor, own)
        return found

    def has_candidates(self, keys: Iterable[str]) -> set[str]:
        """Find the keys that have a candidate."""
        found = set()
        for key, proof in self._read("SELECT key, proof FROM candidates WHERE key IN", keys):
            self._has_owner(proof)
            found.add(key)
        return found

    def keys_under(self, prefix: str) -> list[str]:
        """List candidates' keys that start with `prefix`."""
        with self._lock, _explained(self.path):
            rows = self._connection.execute(
                "SELECT key, proof FROM candidates WHERE key >= ? AND key < ?", (prefix, f"{prefix}\U0010ffff")
            ).fetchall()
        for _, proof in rows:
            self._has_owner(proof)
        return [key for key, _ in rows]

    def put_candidates(self, candidates: Mapping[str, Candidate], *, extractor: str = "") -> None:
        """Write a batch of candidates, all or none; `extractor` names what extracted their programs."""
        redact = redactor().text
        rows = []
        for key, candidate in candidates.items():
            fields, program = _fields(candidate, redact), redact(candidate.program)
            proof = self._proof_of_sample(key, fields)
            program_proof = self._signer.proof_behind(proof, extractor, program)
            rows.append((key, proof, program_proof, extractor, program, *fields))
        columns = f"key, proof, program_proof, extractor, program, {CANDIDATE_COLUMNS}"
        marks = ",".join("?" * (5 + len(CANDIDATE_FIELDS)))
        self._write(f"INSERT OR REPLACE INTO candidates ({columns}) VALUES ({marks})", rows)

    def put_programs(self, found: Mapping[str, Extracted]) -> None:
        """Replace the programs of some candidates that were read by their present ones, all or none.

        Somebody else's sample stays so.
        """
        redact = redactor().text
        rows = []
        for key, (candidate, extractor, proof) in found.items():
            program = redact(candidate.program)
            rows.append((program, extractor, self._signer.proof_behind(proof, extractor, program), key))
        self._write("UPDATE candidates SET program = ?, extractor = ?, program_proof = ? WHERE key = ?", rows)

    def verdicts(self, keys: Iterable[str]) -> dict[str, Verdict]:
        """Read some keys' verdicts."""
        rows = self._read("SELECT key, value, proof FROM verdicts WHERE key IN", keys)
        return {
            key: self._checked(Verdict.model_validate_json, value)
            for key, value, proof in rows
            if self._is_proven(proof, "verdict", key, value)
        }

    def put_verdicts(self, verdicts: Mapping[str, Verdict]) -> None:
        """Write a batch of verdicts, all or none.

        A `sandbox_error` is about the machine and not about the program, and is never stored: a second run tries again.
        """
        redact = redactor().text
        lasting = {
            key: redact(verdict.model_dump_json())
            for key, verdict in verdicts.items()
            if verdict.status != "sandbox_error"
        }
        rows = [(key, value, self._signer.proof("verdict", key, value)) for key, value in lasting.items()]
        self._write("INSERT OR REPLACE INTO verdicts (key, value, proof) VALUES (?, ?, ?)", rows)

    def records(self, kind: str, keys: Iterable[str]) -> dict[str, Any]:
        """Read some keys' JSON values of one kind."""
        rows = self._read("SELECT key, value, proof FROM records WHERE kind = ? AND key IN", keys, (kind,))
        return {
            key: self._checked(json.loads, value)
            for key, value, proof in rows
            if self._is_proven(proof, "record", kind, key, value, is_sample=kind == DRAWN)
        }

    def put_records(self, kind: str, records: Mapping[str, Any]) -> None:
        """Write a batch of JSON values of one kind, all or none."""
        redact = redactor().text
        values = {key: redact(json.dumps(value)) for key, value in records.items()}
        rows = [(kind, key, value, self._signer.proof("record", kind, key, value)) for key, value in values.items()]
        self._write("INSERT OR REPLACE INTO records (kind, key, value, proof) VALUES (?, ?, ?, ?)", rows)

    def all_records(self, kind: str) -> dict[str, Any]:
        """Read all values of one kind, by key."""
        with self._lock, _explained(self.path):
            return {
                key: self._checked(json.loads, value)
                for key, value, proof in self._connection.execute(
                    "SELECT key, value, proof FROM records WHERE kind = ?", (kind,)
                )
                if self._is_proven(proof, "record", kind, key, value, is_sample=kind == DRAWN)
            }

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make writes inside all or none; other threads wait."""
        with self._lock, _explained(self.path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield

    @functools.cached_property
    def tables(self) -> dict[str, Columns]:
        """The columns of each table."""
        with self._lock, _explained(self.path):
            names = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            found = {}
            for (name,) in names.fetchall():
                listed = self._connection.execute(f"PRAGMA table_info({name})").fetchall()
                keys = sorted((place, column) for _, column, _, _, _, place in listed if place)
                found[name] = Columns(tuple(row[1] for row in listed), tuple(column for _, column in keys))
            return found

    def rows_of(self, table: str) -> Iterator[dict[str, Any]]:
        """Yield a table's rows as they are, proofs included, in the order of their keys."""
        columns, keys = self.tables[table]
        order, after = ", ".join(keys), ""
        values: tuple[Any, ...] = ()
        while True:
            query = f"SELECT {', '.join(columns)} FROM {table} {after} ORDER BY {order} LIMIT {KEYS_PER_QUERY}"
            with self._lock, _explained(self.path):
                rows = self._connection.execute(query, values).fetchall()
            found = [dict(zip(columns, row, strict=True)) for row in rows]
            yield from found
            if len(found) < KEYS_PER_QUERY:
                return
            after = f"WHERE ({order}) > ({', '.join('?' * len(keys))})"
            values = tuple(found[-1][key] for key in keys)

    def row_of(self, table: str, key: Sequence[Any]) -> dict[str, Any] | None:
        """Read a row as it is, by the values of its key; None if there is none."""
        columns, keys = self.tables[table]
        wanted = " AND ".join(f"{name} IS ?" for name in keys)
        with self._lock, _explained(self.path):
            row = self._connection.execute(
                f"SELECT {', '.join(columns)} FROM {table} WHERE {wanted}", tuple(key)
            ).fetchone()
        return None if row is None else dict(zip(columns, row, strict=True))

    def put_rows(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows as they are, all or none; whoever's they were, they stay so."""
        columns, _ = self.tables[table]
        marks = ",".join("?" * len(columns))
        self._write(
            f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({marks})",
            [tuple(row[column] for column in columns) for row in rows],
        )

    def is_own_row(self, table: str, row: Mapping[str, Any]) -> bool:
        """Whether a row's proof is this user's, and fits what the row says."""
        proof = row["proof"]
        if table == "candidates":
            fields = [row["place" if field == "index" else field] for field in CANDIDATE_FIELDS]
            return bool(proof == self._proof_of_sample(row["key"], fields))
        if table == "verdicts":
            return bool(proof == self._signer.proof("verdict", row["key"], row["value"]))
        return bool(proof == self._signer.proof("record", row["kind"], row["key"], row["value"]))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock, _explained(self.path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for table in ("candidates", "verdicts", "records"):
                self._connection.execute(f"DELETE FROM {table}")

    def _proof_of_sample(self, key: object, fields: Sequence[Any]) -> bytes:
        """Prove a sample; the proof is empty where a field has a type that no sample has."""
        raw, blob = fields[_RAW], fields[-1]
        if not isinstance(raw, str) or not isinstance(blob, bytes | None):
            return b""
        head = ("sample", key, *fields[:_RAW], *fields[_RAW + 1 : _THINKING_TOKENS], blob is None)
        if fields[_THINKING_TOKENS] is not None:
            # A sample from before there were any keeps its proof.
            head = (*head, fields[_THINKING_TOKENS])
        return self._signer.proof_of_text(head, raw, blob or b"")

    def _has_owner(self, proof: object) -> None:
        """Notice others' samples before drawing the ones missing beside them.

        Whether proofs fit is checked where rows are read.
        """
        if not self._signer.is_own(proof):
            self._use_of_others()

    def _is_proven(self, proof: object, *values: object, is_sample: bool = False) -> bool:
        """Whether to use a row; says once where rows are not this user's."""
        if proof == self._signer.proof(*values):
            return True
        if is_sample:
            self._use_of_others()
            return True
        self._say(_RESULTS, "they are recomputed")
        return False

    def _use_of_others(self) -> None:
        """Allow or refuse using others' samples."""
        if not self._named:
            raise UserError(
                f"{self.path} contains {_SAMPLES} that were not made with your key, but by another user or an "
                f"earlier codebudget; give `store` {self.path} to use them (its verdicts are recomputed), or move "
                "it away"
            )
        self._say(_SAMPLES, "they are used, since you chose the store")

    def _say(self, what: str, then: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._notice(
                f"{self.path} contains {what} that were not made with your key, but by another user or an earlier "
                f"codebudget; {then}"
            )

    def _checked(self, make: Callable[[Any], Any], value: Any) -> Any:
        """Read a value with `make`, whoever may have made it."""
        try:
            return make(value)
        except (ValidationError, ValueError, TypeError, RecursionError) as error:
            why = " ".join(str(error).split())[:200]
            raise UserError(
                f"{self.path} is damaged (a value in it cannot be read: {why}); move it away, or choose another "
                "store with `store`"
            ) from None

    def _read(self, query: str, keys: Iterable[str], before: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
        # In the order of the table, so that each of its pages is read once.
        wanted = sorted(keys)
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


def open_store(
    path: str | Path,
    *,
    busy_s: float = 10.0,
    named: bool = True,
    key: bytes | None = None,
    notice: Callable[[str], None] = warnings.warn,
) -> Store:
    """Open a store, or make a new one with its folder.

    Args:
        path: The SQLite file.
        busy_s: How long to wait for another process that is writing.
        named: Whether the user named this file, so that others' samples in it may be used.
        key: Key to prove rows with; None for this user's own, see `signing.user_key`.
        notice: Told once, in a line, that rows are not believed, and once that others' samples are used.

    Raises:
        UserError: If the file is something else, or was written by a newer codebudget; or as `user_key`.
        MachineError: If the file cannot be made, read or written.
    """
    path = Path(path)
    signer = Signer(user_key().secret if key is None else key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(
            f"cannot create the folder for the store {path} ({error.strerror}); choose another file with `store`"
        ) from None
    with _explained(path):
        # Begin transactions by hand, so that every batch is one.
        connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    try:
        with _explained(path):
            _prepare(connection, path, busy_s)
    except BaseException:
        connection.close()
        raise
    return Store(path, connection, signer, notice, named=named)


def _prepare(connection: sqlite3.Connection, path: Path, busy_s: float) -> None:
    """Set the connection up, and make the tables of a new file."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
    connection.execute("PRAGMA trusted_schema = OFF")
    # First, for another process may be making the tables, and marks the file as ours in the same transaction.
    is_empty = not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    version = _pragma(connection, "user_version")
    application = _pragma(connection, "application_id")
    if application != APPLICATION_ID and not is_empty:
        raise UserError(f"{path} is another program's SQLite file; choose another store with `store`")
    if version > STORE_VERSION:
        raise UserError(
            f"{path} was written by a newer codebudget (store version {version}; this one reads {STORE_VERSION}); "
            "upgrade codebudget, or choose another store with `store`"
        )
    _use_wal(connection, busy_s)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have made the tables since.
    version = _pragma(connection, "user_version")
    if version < STORE_VERSION:
        _make(connection, version)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {STORE_VERSION}")
    if _schema(connection) != _own_schema():
        # A stranger's views and triggers run whenever a table is touched.
        raise UserError(
            f"{path} is not a codebudget store, or is damaged (it has other tables); move it away, or choose "
            "another store with `store`"
        )
    connection.execute("COMMIT")


def _use_wal(connection: sqlite3.Connection, busy_s: float) -> None:
    """Journal ahead of writing; SQLite itself does not wait for others here, whatever the connection's timeout."""
    deadline = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _make(connection: sqlite3.Connection, version: int) -> None:
    """Make this version's tables out of those of an earlier one, which is 0 for none."""
    for step in _STEPS[max(version, 0) :]:
        for statement in step.strip().split("\n"):
            connection.execute(statement)


def _schema(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    return set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


@functools.cache
def _own_schema() -> set[tuple[str, ...]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        _make(connection, 0)
        return _schema(connection)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _fields(candidate: Candidate, redact: Callable[[str], str]) -> tuple[Any, ...]:
    """List a candidate's fields in `CANDIDATE_FIELDS` order.

    Logprobs are stored as in memory: a third of their JSON, and able to hold minus infinity.
    """
    values = [getattr(candidate, field) for field in CANDIDATE_FIELDS[:-1]]
    logprobs = None if candidate.logprobs is None else array("d", candidate.logprobs).tobytes()
    return (*(redact(value) if isinstance(value, str) else value for value in values), logprobs)


def _candidate(row: tuple[Sequence[Any], str]) -> Candidate:
    fields = dict(zip(CANDIDATE_FIELDS, row[0], strict=True))
    if fields["logprobs"] is not None:
        fields["logprobs"] = tuple(array("d", fields["logprobs"]))
    return Candidate(program=row[1], **fields)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Explain SQLite's errors to a user."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        # Missing or different tables, or a value beyond any bound.
        damages = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG)
        # Non-UTF-8 text has no code.
        if code in damages or (code == 0 and isinstance(error, sqlite3.OperationalError)):
            raise UserError(
                f"{path} is not a codebudget store, or is damaged ({error}); move it away, or choose another store "
                "with `store`"
            ) from None
        causes = {
            sqlite3.SQLITE_BUSY: "another process is writing to it; wait for that one, or choose another `store`",
            sqlite3.SQLITE_LOCKED: "another process is writing to it; wait for that one, or choose another `store`",
            sqlite3.SQLITE_FULL: "the disk is full; free some space, or choose a `store` on another disk",
            sqlite3.SQLITE_READONLY: "it is read-only; make it writable, or choose another `store`",
            sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check its folder's permissions, or choose another `store`",
            sqlite3.SQLITE_IOERR: "reading or writing failed; check disk space and health, or choose another `store`",
        }
        cause = causes.get(code)
        if cause is None:
            raise
        raise MachineError(f"store {path}: {cause} ({error})") from None
