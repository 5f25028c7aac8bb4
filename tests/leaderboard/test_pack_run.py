"""A run as one archive: the same bytes every time, and nothing hostile comes out of a stranger's."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from codebudget.errors import UserError
from codebudget.leaderboard import files
from codebudget.leaderboard.pack import FREE_BYTES, pack, unpack


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A folder with the files of a run; what they hold does not matter here."""
    run = tmp_path / "whole"
    run.mkdir()
    for number, name in enumerate(files.NAMES):
        (run / name).write_bytes(name.encode() * (300 * number))
    return run


def archive(path: Path, *members: tarfile.TarInfo, format: int = tarfile.USTAR_FORMAT) -> Path:  # noqa: A002
    """An archive of members that are as many zeros as they say."""
    with tarfile.open(path, "w:gz", format=format) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size if member.isreg() else 0)))
    return path


def member(name: str, size: int = 10, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size, found.type, found.linkname = size, kind, link
    return found


def test_what_is_packed_comes_out_again(whole: Path, tmp_path: Path) -> None:
    pack(whole, tmp_path / "a.tar.gz")
    unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    for name in files.NAMES:
        assert (tmp_path / "out" / name).read_bytes() == (whole / name).read_bytes()
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(files.NAMES)


def test_the_same_run_makes_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    pack(whole, tmp_path / "a.tar.gz")
    (whole / "report.md").touch()
    (whole / "report.md").chmod(0o600)
    pack(whole, tmp_path / "b.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()


def test_others_can_read_it(whole: Path, tmp_path: Path) -> None:
    pack(whole, tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert tar.getnames() == list(files.NAMES)


def test_half_a_run_is_not_packed(whole: Path, tmp_path: Path) -> None:
    (whole / "timings.json").unlink()
    with pytest.raises(UserError, match=r"lacks timings\.json"):
        pack(whole, tmp_path / "a.tar.gz")


HOSTILE: dict[str, Callable[[], tuple[tarfile.TarInfo, ...]]] = {
    "a path above": lambda: (member("../board.toml"),),
    "an absolute path": lambda: (member("/tmp/board.toml"),),
    "a folder of its own": lambda: (member("run/board.toml"),),
    "a folder": lambda: (member("board.toml", 0, tarfile.DIRTYPE),),
    "another file": lambda: (member("setup.py"),),
    "a link": lambda: (member("board.toml", 0, tarfile.SYMTYPE, "/etc/passwd"),),
    "a hard link": lambda: (member("board.toml", 0, tarfile.LNKTYPE, "/etc/passwd"),),
    "a device": lambda: (member("board.toml", 0, tarfile.CHRTYPE),),
    "a pipe": lambda: (member("board.toml", 0, tarfile.FIFOTYPE),),
    "a file twice": lambda: (member("board.toml"), member("board.toml")),
    "many files": lambda: tuple(member(f"{number}.json") for number in range(1000)),
    "a hidden name": lambda: (member("board.toml\x00.py"), member("./board.toml")),
    "too few files": lambda: (member("board.toml"),),
    "a bomb": lambda: (member("results.json", FREE_BYTES * 4),),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_leaves_nothing(what: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", *HOSTILE[what]())
    with pytest.raises(UserError, match="nothing was unpacked"):
        unpack(path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tar.gz"]


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_no_way_around(format: int, tmp_path: Path) -> None:  # noqa: A002
    path = archive(tmp_path / "a.tar.gz", member("x/" * 200 + "board.toml"), format=format)
    with pytest.raises(UserError, match="does not belong to a run"):
        unpack(path, tmp_path / "out")


def test_a_size_that_no_archive_has_is_refused_at_once(tmp_path: Path) -> None:
    header = member("results.json", 1 << 40).tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(header))
    with pytest.raises(UserError, match="larger than this file of a run may be"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-40], lambda data: data[:60], lambda data: b"PK" + data, lambda _: b""]
)
def test_a_damaged_archive_is_the_users_matter(damage: Callable[[bytes], bytes], whole: Path, tmp_path: Path) -> None:
    pack(whole, tmp_path / "a.tar.gz")
    (tmp_path / "a.tar.gz").write_bytes(damage((tmp_path / "a.tar.gz").read_bytes()))
    with pytest.raises(UserError, match="nothing was unpacked"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(whole: Path, tmp_path: Path) -> None:
    pack(whole, tmp_path / "a.tar.gz")
    with pytest.raises(UserError, match="already exists"):
        unpack(tmp_path / "a.tar.gz", whole)


def test_rows_that_unpack_to_a_bomb_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress((b"0" * 1023 + b"\n") * (200 << 10)))
    with pytest.raises(UserError, match="more than a run may"):
        for _ in files.read_lines(path):
            pass


@pytest.mark.parametrize("content", [b"0\n" * (files.MAX_ROWS + 1), b"[" + b"0," * (8 << 20)], ids=["rows", "a row"])
def test_more_rows_than_any_run_has_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(UserError, match="more than a run may"):
        for _ in files.read_lines(path):
            pass


def test_the_commands_pack_and_unpack(made: Path, tmp_path: Path, command) -> None:
    packed = command(tmp_path, "leaderboard", "pack", made / "run")
    assert (packed.returncode, packed.stdout) == (0, "run.tar.gz\n")
    unpacked = command(tmp_path, "leaderboard", "unpack", "run.tar.gz")
    assert (unpacked.returncode, unpacked.stdout) == (0, "run\n")
    assert (tmp_path / "run" / "manifest.json").read_bytes() == (made / "run" / "manifest.json").read_bytes()
