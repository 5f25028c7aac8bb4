"""Whose a store is: rows that this user's key did not prove are not believed, however they came there."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from codebudget.errors import UserError
from codebudget.records import Candidate, Verdict
from codebudget.sampler.store import DRAWN, Store, open_store

MINE, THEIRS = b"m" * 32, b"t" * 32
PASSED = Verdict(status="passed", integrity="split")
WRONG = Verdict(status="wrong", integrity="split")
SAMPLE = Candidate(task_id="a", arm="7b", index=0, raw="raw", program="good", logprobs=(-0.5,), prompt="p")
Notices = list[str]


@pytest.fixture
def notices() -> Notices:
    return []


@pytest.fixture
def opened(tmp_path: Path, notices: Notices) -> Callable[..., Store]:
    """Opens the one store of a test, as me unless said otherwise."""

    def open_(key: bytes = MINE, *, named: bool = True) -> Store:
        return open_store(tmp_path / "s", key=key, named=named, notice=notices.append)

    return open_


def edit(folder: Path, *statements: str) -> None:
    with sqlite3.connect(folder / "s") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def fill(store: Store) -> None:
    with store:
        store.put_verdicts({"v": WRONG})
        store.put_records("reference_check", {"r": {"ok": True}})
        store.put_records(DRAWN, {"d": {"a": 1}})
        store.put_candidates({"k/0": SAMPLE}, extractor="e")


def test_what_is_mine_is_believed_without_a_word(opened: Callable[..., Store], notices: Notices) -> None:
    fill(opened())
    with opened(named=False) as store:
        assert store.verdicts(["v"]) == {"v": WRONG}
        assert store.records("reference_check", ["r"]) == {"r": {"ok": True}}
        assert store.all_records(DRAWN) == {"d": {"a": 1}}
        assert store.has_candidates(["k/0"]) == {"k/0"}
        assert store.extracted(["k/0"])["k/0"][:2] == (SAMPLE, "e")
    assert notices == []


def test_verdicts_of_another_are_made_again(opened: Callable[..., Store], notices: Notices) -> None:
    fill(opened(THEIRS))
    with opened() as store:
        assert store.verdicts(["v"]) == {}
        assert store.records("reference_check", ["r"]) == {}
        assert len(notices) == 1
        assert "they are recomputed" in notices[0]
        store.put_verdicts({"v": PASSED})
        assert store.verdicts(["v"]) == {"v": PASSED}
    assert len(notices) == 1


def test_samples_of_another_are_used_where_the_store_was_named(opened: Callable[..., Store], notices: Notices) -> None:
    fill(opened(THEIRS))
    with opened() as store:
        found = store.extracted(["k/0"])["k/0"]
        # The program beside the text may be any; it is to be taken out again.
        assert found[:2] == (SAMPLE.model_copy(update={"program": ""}), "")
        store.put_programs({"k/0": found._replace(candidate=SAMPLE, extractor="mine")})
        assert store.extracted(["k/0"])["k/0"][:2] == (SAMPLE, "mine")
        assert store.all_records(DRAWN) == store.records(DRAWN, ["d"]) == {"d": {"a": 1}}
    assert len(notices) == 1
    assert "they are used, since you chose the store" in notices[0]
    for read in (
        lambda store: store.extracted(["k/0"]),
        lambda store: store.has_candidates(["k/0"]),
        lambda store: store.keys_under("k/"),
        lambda store: store.all_records(DRAWN),
        lambda store: store.records(DRAWN, ["d"]),
    ):
        with opened(named=False) as store, pytest.raises(UserError, match=r"give `store` .*/s to use them"):
            read(store)


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE verdicts SET value = replace(value, 'wrong', 'passed')",
        "UPDATE verdicts SET proof = CAST(substr(proof, 1, 8) || zeroblob(16) AS BLOB)",
        # Genuine rows under the keys of others.
        "UPDATE verdicts SET key = 'other'",
        "INSERT INTO verdicts SELECT key || '2', value, proof FROM verdicts",
        "UPDATE verdicts SET value = x'00'",
        "UPDATE verdicts SET proof = NULL",
        "UPDATE verdicts SET proof = 'text'",
    ],
)
def test_a_forged_verdict_is_none(tmp_path: Path, opened: Callable[..., Store], notices: Notices, forgery: str) -> None:
    fill(opened())
    edit(tmp_path, forgery)
    with opened(named=False) as store:
        assert all(verdict == WRONG for verdict in store.verdicts(["v"]).values())
        assert store.verdicts(["v2", "other"]) == {}
    assert len(notices) == 1


def test_a_record_is_of_its_kind_alone(tmp_path: Path, opened: Callable[..., Store]) -> None:
    fill(opened())
    edit(tmp_path, "UPDATE records SET kind = 'outcomes' WHERE kind = 'reference_check'")
    with opened() as store:
        assert store.records("outcomes", ["r"]) == {}


@pytest.mark.parametrize("column", ["raw", "task_id", "arm", "prompt", "finish_reason", "stratum"])
def test_a_sample_that_was_changed_is_no_longer_mine(tmp_path: Path, opened: Callable[..., Store], column: str) -> None:
    fill(opened())
    edit(tmp_path, f"UPDATE candidates SET {column} = 'stop'")
    with opened(named=False) as store, pytest.raises(UserError, match="samples that were not made with your key"):
        store.candidates(["k/0"])


@pytest.mark.parametrize("change", ["program = 'bad'", "extractor = 'f'", "program_proof = NULL"])
def test_a_program_that_was_changed_is_taken_out_again(
    tmp_path: Path, opened: Callable[..., Store], notices: Notices, change: str
) -> None:
    fill(opened())
    edit(tmp_path, f"UPDATE candidates SET {change}")
    with opened(named=False) as store:
        assert store.extracted(["k/0"])["k/0"][:2] == (SAMPLE.model_copy(update={"program": ""}), "")
    assert notices == []


def older(folder: Path) -> None:
    """The store as version 2 had it."""
    columns = (("verdicts", "proof"), ("records", "proof"), ("candidates", "proof"), ("candidates", "program_proof"))
    without_thinking(folder)
    edit(folder, *(f"ALTER TABLE {table} DROP COLUMN {name}" for table, name in columns), "PRAGMA user_version = 2")


def without_thinking(folder: Path) -> None:
    """The store as version 3 had it."""
    edit(folder, "ALTER TABLE candidates DROP COLUMN thinking_tokens", "PRAGMA user_version = 3")


def test_a_store_from_before_thinking_was_counted_is_still_mine(
    tmp_path: Path, opened: Callable[..., Store], notices: Notices
) -> None:
    fill(opened())
    without_thinking(tmp_path)
    with opened(named=False) as store:
        assert store.extracted(["k/0"])["k/0"][:2] == (SAMPLE, "e")
        thought = SAMPLE.model_copy(update={"thinking_tokens": 7})
        store.put_candidates({"k/1": thought})
        assert store.candidates(["k/1"]) == {"k/1": thought}
    assert notices == []
    edit(tmp_path, "UPDATE candidates SET thinking_tokens = 8 WHERE key = 'k/1'")
    with opened(named=False) as store, pytest.raises(UserError, match="not made with your key"):
        store.candidates(["k/1"])


def test_an_older_store_keeps_its_samples_and_nothing_is_believed(
    tmp_path: Path, opened: Callable[..., Store], notices: Notices
) -> None:
    fill(opened())
    older(tmp_path)
    with opened(named=False) as store:
        assert store.verdicts(["v"]) == {}
        assert len(notices) == 1
        with pytest.raises(UserError, match="an earlier codebudget"):
            store.candidates(["k/0"])
    with opened() as store:
        assert store.candidates(["k/0"])["k/0"].raw == "raw"


def test_a_store_of_the_first_version_opens(tmp_path: Path, opened: Callable[..., Store]) -> None:
    fill(opened())
    older(tmp_path)
    edit(
        tmp_path,
        "DROP TABLE candidates",
        "CREATE TABLE candidates (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "PRAGMA user_version = 1",
    )
    with opened() as store:
        assert store.verdicts(["v"]) == {}
        store.put_candidates({"k/0": SAMPLE})
        assert store.candidates(["k/0"]) == {"k/0": SAMPLE}


@pytest.mark.parametrize(
    "trap",
    [
        "CREATE TRIGGER t AFTER INSERT ON verdicts BEGIN UPDATE verdicts SET value = ''; END",
        "CREATE VIEW v AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r",
        "CREATE INDEX i ON verdicts (length(value))",
        "DROP TABLE verdicts",
        "ALTER TABLE verdicts DROP COLUMN proof",
        "ALTER TABLE verdicts ADD COLUMN more",
    ],
)
def test_a_store_with_other_tables_is_refused(tmp_path: Path, opened: Callable[..., Store], trap: str) -> None:
    fill(opened())
    edit(tmp_path, trap)
    with pytest.raises(UserError, match="is damaged"):
        opened()


@pytest.mark.parametrize(
    "damage",
    ["place = -1", "place = 'x'", "logprobs = x'00'", "finish_reason = 'N o'", "raw = 5", "raw = CAST(x'ff' AS TEXT)"],
)
def test_a_value_that_nobody_could_have_written_is_one_line(
    tmp_path: Path, opened: Callable[..., Store], damage: str
) -> None:
    fill(opened(THEIRS))
    edit(tmp_path, f"UPDATE candidates SET {damage}")
    with opened() as store, pytest.raises(UserError, match="is damaged") as caught:
        store.candidates(["k/0"])
    assert "\n" not in str(caught.value)


KEY = """
from codebudget.sampler.signing import user_key
print(user_key().secret.hex())
print(user_key().lacking)
"""


def key(**environment: str | None) -> "subprocess.CompletedProcess[str]":
    whole = {**os.environ, **environment}
    whole = {name: value for name, value in whole.items() if value is not None}
    return subprocess.run([sys.executable, "-c", KEY], env=whole, capture_output=True, text=True, check=False)


def test_the_key_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    first, second = (key(XDG_STATE_HOME=None, HOME=str(tmp_path)).stdout for _ in range(2))
    assert first == second
    assert first.endswith("\nNone\n")
    file = tmp_path / ".local" / "state" / "codebudget" / "store.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["store.key"]
    other = key(XDG_STATE_HOME=str(tmp_path / "state")).stdout
    assert other != first
    file.chmod(0o644)
    assert f"chmod 600 {file}" in key(XDG_STATE_HOME=None, HOME=str(tmp_path)).stderr


def test_many_processes_make_one_key(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "new")}
    makers = [
        subprocess.Popen([sys.executable, "-c", KEY], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    assert len({maker.communicate()[0] for maker in makers}) == 1


def test_without_a_home_the_key_is_a_passing_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for home in (str(tmp_path / "file"), "/proc/nowhere"):
        first, second = (key(XDG_STATE_HOME=None, HOME=home).stdout.splitlines() for _ in range(2))
        assert first[0] != second[0]
        assert "cannot be kept" in first[1]
    # A folder would decide over a key that is named by half its path.
    assert "cannot be kept" in key(XDG_STATE_HOME="state", HOME="/proc/nowhere").stdout


def test_the_keys_file_may_be_named(tmp_path: Path) -> None:
    file = tmp_path / "key"
    made = key(CODEBUDGET_KEY_FILE=str(file), HOME="/proc/nowhere", XDG_STATE_HOME=None).stdout
    assert key(CODEBUDGET_KEY_FILE=str(file)).stdout == made
    # A secret that a service mounts is as it is.
    file.write_text("s" * 40 + "\n")
    file.chmod(0o444)
    assert key(CODEBUDGET_KEY_FILE=str(file)).stdout.splitlines() == [b"s".hex() * 40, "None"]
    file.unlink()
    file.write_text("short")
    assert "contains no key" in key(CODEBUDGET_KEY_FILE=str(file)).stderr
    assert "absolute path" in key(CODEBUDGET_KEY_FILE="key").stderr
    assert "cannot be used" in key(CODEBUDGET_KEY_FILE="/proc/nowhere/key").stderr
    os.mkfifo(tmp_path / "pipe")
    assert "contains no key" in key(CODEBUDGET_KEY_FILE=str(tmp_path / "pipe")).stderr
