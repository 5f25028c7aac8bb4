"""The store: what is put is there again, also after kill -9, and every way it can fail says how to go on."""

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from codebudget._util.hashing import key_of
from codebudget.errors import CodebudgetError, MachineError, UserError
from codebudget.records import Candidate, Verdict
from codebudget.sampler.signing import user_key
from codebudget.sampler.store import Store, open_store

PASSED = Verdict(status="passed", integrity="split", tests_run=3, tests_expected=3, cpu_s=0.25, detail="é ☃")
WRONG = Verdict(status="wrong", integrity="split")


def test_what_is_put_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "store.sqlite"
    candidate = Candidate(task_id="a", arm="7b", index=2, raw="r\0", program="p", logprobs=(-0.1, -2.0))
    with open_store(path) as store:
        store.put_verdicts({"k1": WRONG, "k2": WRONG})
        store.put_verdicts({"k1": PASSED})
        store.put_candidates({"k1": candidate})
        store.put_records("reference", {"k1": {"ok": True, "n": [1, 2.5, None]}})
        store.put_records("other", {"k1": 7})
    with open_store(path) as store:
        assert store.verdicts(["k1", "k2", "k3"]) == {"k1": PASSED, "k2": WRONG}
        assert store.candidates(["k1"]) == {"k1": candidate}
        assert store.records("reference", ["k1", "k2"]) == {"k1": {"ok": True, "n": [1, 2.5, None]}}
        assert store.records("other", ["k1"]) == {"k1": 7}
        store.clear()
        assert not store.verdicts(["k1"])
        assert not store.candidates(["k1"])
        assert not store.records("reference", ["k1"])


def test_many_keys_are_read_at_once(tmp_path: Path) -> None:
    keys = [key_of(number) for number in range(5000)]
    with open_store(tmp_path / "s") as store:
        store.put_verdicts(dict.fromkeys(keys, PASSED))
        assert store.verdicts(iter(keys)) == dict.fromkeys(keys, PASSED)
        assert store.verdicts([]) == {}


def test_a_sandbox_error_is_never_stored(tmp_path: Path) -> None:
    with open_store(tmp_path / "s") as store:
        store.put_verdicts({"k1": Verdict(status="sandbox_error", integrity="split"), "k2": PASSED})
        assert store.verdicts(["k1", "k2"]) == {"k2": PASSED}


def test_a_reader_sees_what_another_process_has_written(tmp_path: Path) -> None:
    with open_store(tmp_path / "s") as writer, open_store(tmp_path / "s") as reader:
        writer.put_verdicts({"k": PASSED})
        assert reader.verdicts(["k"]) == {"k": PASSED}


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path / "s").close()
    with sqlite3.connect(tmp_path / "s") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(UserError, match="newer codebudget"):
        open_store(tmp_path / "s")


def test_what_is_written_together_is_there_together_or_not(tmp_path: Path) -> None:
    def half(store: Store) -> None:
        with store.together():
            store.put_verdicts({"k": PASSED})
            raise ZeroDivisionError

    with open_store(tmp_path / "s") as store:
        with pytest.raises(ZeroDivisionError):
            half(store)
        assert store.verdicts(["k"]) == {}
        with store.together():
            store.put_verdicts({"k": PASSED})
            store.put_records("kind", {"k": 1, "l": 2})
        assert store.verdicts(["k"]) == {"k": PASSED}
        assert store.all_records("kind") == {"k": 1, "l": 2}
        assert store.all_records("other") == {}


def test_other_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"this is not a database, it is a text\n" * 50)
    other = tmp_path / "other"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (a)")
    for path, message in [(garbage, "not a codebudget store"), (other, "another program's")]:
        before = path.read_bytes()
        with pytest.raises(UserError, match=message):
            open_store(path)
        assert path.read_bytes() == before


def test_a_locked_store_says_so(tmp_path: Path) -> None:
    with open_store(tmp_path / "s", busy_s=0.05) as store:
        other = sqlite3.connect(tmp_path / "s", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(MachineError, match="another process is writing"):
            store.put_verdicts({"k": PASSED})
        assert store.verdicts(["k"]) == {}
        other.execute("ROLLBACK")
        other.close()
        store.put_verdicts({"k": PASSED})
        assert store.verdicts(["k"]) == {"k": PASSED}


def test_a_folder_in_the_way_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot create the folder"):
        open_store(tmp_path / "file" / "store.sqlite")
    with pytest.raises(MachineError, match="cannot be opened"):
        open_store(tmp_path)


def in_child(work: Callable[[], None]) -> str:
    """Run some work in a forked process without root's rights; the message of codebudget's error there."""
    user_key()  # which the child may not read
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        text = "no error"
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            work()
        except CodebudgetError as error:
            text = f"{type(error).__name__}: {error}"
        except BaseException as error:
            text = repr(error)
        finally:
            os.write(write_end, text.encode())
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def reachable(folder: Path) -> None:
    """Let any user walk to a folder of pytest's."""
    for parent in folder.parents:
        if parent.stat().st_uid == os.geteuid() and str(parent) not in ("/", "/tmp"):
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH)


def test_a_read_only_folder_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    reachable(folder)
    assert in_child(lambda: open_store(folder / "s").close()).startswith("MachineError: store ")
    assert in_child(lambda: open_store(folder / "sub" / "s").close()).startswith(
        "MachineError: cannot create the folder"
    )


def test_a_read_only_store_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    reachable(folder)
    open_store(folder / "s").close()
    (folder / "s").chmod(0o444)
    folder.chmod(0o555)
    assert in_child(lambda: open_store(folder / "s").put_verdicts({"k": PASSED})).startswith("MachineError: store ")


def test_a_disk_without_room_says_so_and_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    reachable(folder)
    folder.chmod(0o777)

    def fill() -> None:
        # A limit on the size of files stands in for a full disk: writes fail, and reads go on.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        with open_store(folder / "s") as store:
            for number in range(10_000):
                store.put_verdicts({f"k{number}": PASSED})

    message = in_child(fill)
    assert message.startswith("MachineError: store ")
    assert "space" in message
    with open_store(folder / "s") as store:
        kept = store.verdicts([f"k{number}" for number in range(10_000)])
        assert kept == {f"k{number}": PASSED for number in range(len(kept))}
        assert kept


WRITER = """
import sys
from codebudget.records import Verdict
from codebudget.sampler.store import open_store
verdict = Verdict(status="passed", integrity="split")
with open_store(sys.argv[1]) as store:
    for batch in range(1_000_000):
        store.put_verdicts({f"{batch}/{row}": verdict for row in range(10)})
        print(batch, flush=True)
"""


@pytest.mark.parametrize("alive_s", [0.01, 0.05, 0.2])
def test_kill_9_loses_at_most_the_batch_in_flight(tmp_path: Path, alive_s: float) -> None:
    path = tmp_path / "s"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(alive_s)
    process.kill()
    rest = [line for line in process.stdout.read().split("\n") if line]
    process.wait()
    written = int(rest[-1]) + 1 if rest else 1
    with open_store(path) as store:
        keys = [f"{batch}/{row}" for batch in range(written + 2) for row in range(10)]
        kept = store.verdicts(keys)
        assert set(keys[: written * 10]) <= set(kept)
        assert len(kept) % 10 == 0
        store.put_verdicts({"after": PASSED})


OPENER = """
import sys
from codebudget.sampler.store import open_store
for line in sys.stdin:
    open_store(line.strip()).close()
    print("opened", flush=True)
"""


def test_processes_may_make_the_same_store_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENER]
    openers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for number in range(50):
        for opener in openers:
            assert opener.stdin is not None
            opener.stdin.write(f"{tmp_path / str(number)}\n")
            opener.stdin.flush()
        for opener in openers:
            assert opener.stdout is not None
            assert opener.stdout.readline() == "opened\n"
    for opener in openers:
        opener.communicate()
        assert opener.returncode == 0


def test_processes_may_write_to_the_same_store(tmp_path: Path) -> None:
    code = WRITER.replace("1_000_000", "20").replace("{batch}", "{sys.argv[2]}/{batch}")
    path = tmp_path / "s"
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name], stdout=subprocess.DEVNULL) for name in "abc"
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with open_store(path) as store:
        keys = [f"{name}/{batch}/{row}" for name in "abc" for batch in range(20) for row in range(10)]
        assert len(store.verdicts(keys)) == len(keys)
