"""Outputs take the place of a name and never go through what lies there; what was there before stays until the end."""

import gzip
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from codebudget._util.outputs import (
    check_output,
    check_output_folder,
    replacing,
    replacing_folder,
    write_rows,
    write_text,
)
from codebudget.errors import MachineError, UserError

Lay = Callable[[Path], None]


def victim(path: Path) -> Path:
    """What a stranger's file would have us write to."""
    other = path.parent.parent / "home"
    other.mkdir(exist_ok=True)
    (other / "precious").write_text("precious")
    return other / "precious"


LAID: dict[str, Lay] = {
    "link": lambda path: path.symlink_to(victim(path)),
    "link to nothing": lambda path: path.symlink_to(victim(path).with_name("new")),
    "link to itself": lambda path: path.symlink_to(path),
    "relative link": lambda path: path.symlink_to(f"../home/{victim(path).name}"),
    "link to a device": lambda path: path.symlink_to("/dev/null"),
    "pipe": lambda path: os.mkfifo(path),
    "folder": lambda path: path.mkdir(),
}


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    folder = tmp_path / "theirs"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("laid", LAID)
def test_nothing_is_written_through_what_lies_at_a_default_place(theirs: Path, laid: str) -> None:
    path = theirs / "out.json"
    LAID[laid](path)
    for write in (lambda: write_text(path, "x", typed=False), lambda: check_output(path, typed=False)):
        with pytest.raises(UserError, match="`out`") as caught:
            write()
        assert "\n" not in str(caught.value)
    assert victim(path).read_text() == "precious"
    assert not victim(path).with_name("new").exists()
    assert [entry.name for entry in theirs.iterdir()] == ["out.json"]


@pytest.mark.parametrize("laid", [name for name in LAID if "link" in name])
def test_a_typed_link_that_leads_away_is_refused(theirs: Path, laid: str) -> None:
    LAID[laid](theirs / "out.json")
    with pytest.raises(UserError, match="symbolic link to"):
        write_text(theirs / "out.json", "x")
    assert victim(theirs / "out.json").read_text() == "precious"


def test_a_typed_link_beside_its_file_stands_for_it(theirs: Path) -> None:
    (theirs / "run-7.json").write_text("old")
    (theirs / "latest.json").symlink_to("run-7.json")
    write_text(theirs / "latest.json", "new")
    assert (theirs / "latest.json").is_symlink()
    assert (theirs / "run-7.json").read_text() == "new"
    # Links above are the user's way to a place.
    (theirs.parent / "short").symlink_to("theirs")
    write_text(theirs.parent / "short" / "a.json", "a", typed=False)
    assert (theirs / "a.json").read_text() == "a"


def test_another_name_of_a_file_is_not_written_through(theirs: Path) -> None:
    path = theirs / "out.json"
    os.link(victim(path), path)
    write_text(path, "new", typed=False)
    assert (path.read_text(), victim(path).read_text()) == ("new", "precious")


def test_the_mode_is_the_users(theirs: Path) -> None:
    (theirs / "a").write_text("")
    (theirs / "a").chmod(0o666)
    before = os.umask(0o027)
    try:
        write_text(theirs / "a", "x")
        with replacing_folder(theirs / "b"):
            pass
    finally:
        os.umask(before)
    assert [stat.S_IMODE((theirs / name).stat().st_mode) for name in "ab"] == [0o640, 0o750]


def test_what_fails_leaves_what_was_there(theirs: Path) -> None:
    (theirs / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(theirs / "a") as file:
        file.write(b"new" * (1 // 0))
    assert (theirs / "a").read_text() == "old"
    assert os.listdir(theirs) == ["a"]
    with pytest.raises(MachineError, match=r"cannot write .*none/a \(No such file.*`out`"):
        write_text(theirs / "none" / "a", "x")


def test_names_may_be_as_long_as_names_can_be(theirs: Path) -> None:
    write_text(theirs / ("n" * 255), "x")
    assert (theirs / ("n" * 255)).read_text() == "x"


def test_rows_are_packed_the_same_way_each_time(theirs: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        assert write_rows(theirs / name, ({"n": number} for number in range(3))) == 3
    packed = (theirs / "a.jsonl.gz").read_bytes()
    assert packed == (theirs / "b.jsonl.gz").read_bytes()
    assert [json.loads(line) for line in gzip.decompress(packed).splitlines()] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_a_pipe_and_a_device_that_were_typed_are_written_to(theirs: Path) -> None:
    pipe = theirs / "pipe.json"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "through")
    reader.join()
    assert read == ["through"]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    write_text(Path("/dev/null"), "x")
    assert stat.S_ISCHR(os.lstat("/dev/null").st_mode)


TYPED = """
import sys
from pathlib import Path
from codebudget._util.outputs import write_text
print(1)
write_text(Path(sys.argv[1]), "2\\n")
print(3)
"""


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_may_be_typed(tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-c", TYPED, name]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n2\n3\n"
    with (tmp_path / "kept").open("w") as file:
        subprocess.run(command, stdout=file, check=True)
    assert (tmp_path / "kept").read_text() == "1\n2\n3\n"


def test_a_folder_appears_when_it_is_whole_and_replaces_the_old_one(theirs: Path) -> None:
    for text in ("one", "two"):
        with replacing_folder(theirs / "run") as folder:
            (folder / "a").write_text(text)
            assert not (theirs / "run").exists() or (theirs / "run" / "a").read_text() == "one"
    assert (theirs / "run" / "a").read_text() == "two"
    with pytest.raises(ZeroDivisionError), replacing_folder(theirs / "run") as folder:
        (folder / "a").write_text("three" * (1 // 0))
    assert (theirs / "run" / "a").read_text() == "two"
    assert os.listdir(theirs) == ["run"]


def test_leftovers_of_dead_processes_go_and_those_of_living_ones_stay(theirs: Path) -> None:
    dead = theirs / f".run.{'0' * 16}.partial"
    dead.mkdir()
    (theirs / f".run.{'1' * 16}.partial").symlink_to(victim(theirs / "run").parent)
    with replacing_folder(theirs / "run") as living:
        assert not dead.exists()
        with replacing_folder(theirs / "run"):
            assert living.exists()
    assert victim(theirs / "run").parent.exists()


@pytest.mark.parametrize("typed", [True, False])
def test_a_folder_is_not_put_behind_a_link(theirs: Path, typed: bool) -> None:
    home = victim(theirs / "run").parent
    (theirs / "run").symlink_to(home)
    for refused in (
        lambda: check_output_folder(theirs / "run", typed=typed),
        lambda: replacing_folder(theirs / "run", typed=typed).__enter__(),
    ):
        with pytest.raises(UserError, match="`out`"):
            refused()
    assert (home / "precious").exists()
