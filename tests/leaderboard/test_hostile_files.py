"""Whatever lies in a run directory, its readers end with one line: no traceback, no waiting, no other file opened."""

import gzip
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from codebudget._util.progress import silent
from codebudget.errors import UserError
from codebudget.leaderboard import files
from codebudget.leaderboard.pack import pack, unpack
from codebudget.leaderboard.site.build import build_site
from codebudget.leaderboard.verify.reading import read_run

from .conftest import Tampered, codebudget

ROWS = (files.CANDIDATES, files.VERDICTS, files.RANKINGS)
SHOWN = (files.RESULTS, files.MANIFEST, *ROWS)
"""What a site cannot do without."""

Place = Callable[[Path], object]


def gone_to(path: Path, other: Path) -> None:
    shutil.move(path, other)
    path.symlink_to(other)


def replaced(path: Path, make: Place) -> None:
    path.unlink()
    make(path)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def bound(path: Path) -> None:
    # The path of a socket has at most some hundred characters.
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


KINDS: dict[str, Place] = {
    "a link": lambda path: gone_to(path, path.parent.parent / f"moved-{path.name}"),
    "a link to nothing": lambda path: replaced(path, lambda place: place.symlink_to("nowhere")),
    "a link to itself": lambda path: replaced(path, lambda place: place.symlink_to(place.name)),
    "a link to a device": lambda path: replaced(path, lambda place: place.symlink_to("/dev/zero")),
    "a link to this process": lambda path: replaced(path, lambda place: place.symlink_to("/proc/self/environ")),
    "a pipe": lambda path: replaced(path, os.mkfifo),
    "a folder": lambda path: replaced(path, lambda place: place.mkdir()),
    "a socket": lambda path: replaced(path, bound),
    "a sparse file": sparse,
}


@pytest.fixture
def run(tampered: Tampered) -> Path:
    """A copy of a run, without what its hashes are checked by."""
    return tampered.path


@pytest.mark.parametrize("name", files.NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_plain_files_is_opened(kind: str, name: str, run: Path, tmp_path: Path) -> None:
    KINDS[kind](run / name)
    read = read_run(run)
    assert read.run is None
    assert [one.file for one in read.differences] == [name]
    with pytest.raises(UserError, match=name):
        pack(run, tmp_path / "a.tar.gz")
    assert not (tmp_path / "a.tar.gz").exists()
    if name in SHOWN:
        with pytest.raises(UserError, match=name):
            build_site([run], tmp_path / "site", title=None, progress=silent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
@pytest.mark.parametrize("name", [files.MANIFEST, files.CANDIDATES])
def test_a_device_is_not_opened(name: str, run: Path) -> None:
    (run / name).unlink()
    try:
        os.mknod(run / name, 0o20666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no devices can be made here")
    assert [one.file for one in read_run(run).differences] == [name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_may_not_be_read_is_named(run: Path) -> None:
    (run / files.RESULTS).chmod(0)
    assert [one.file for one in read_run(run).differences] == [files.RESULTS]


@pytest.mark.parametrize("kind", ["a pipe", "a link to a device", "a sparse file"])
def test_the_commands_end_at_once(kind: str, run: Path, tmp_path: Path) -> None:
    KINDS[kind](run / files.CANDIDATES)
    verified = codebudget(tmp_path, "leaderboard", "verify", run)
    assert verified.returncode == 1, verified.stderr
    assert verified.stdout.startswith("differs: candidates.jsonl.gz: ")
    for arguments in (("pack", run), ("build", run, "--out", "site")):
        done = codebudget(tmp_path, "leaderboard", *arguments)
        assert done.returncode in (2, 3), done.stdout
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a link to a device", "a link to itself", "a link to nothing"])
def test_an_archive_is_a_plain_file(kind: str, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(b"")
    KINDS[kind](archive)
    with pytest.raises(UserError, match=r"a\.tar\.gz|/dev/zero"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_to_an_archive_is_followed(run: Path, tmp_path: Path) -> None:
    """It is its user's own argument, not a part of a run."""
    pack(run, tmp_path / "a.tar.gz")
    (tmp_path / "link.tar.gz").symlink_to("a.tar.gz")
    unpack(tmp_path / "link.tar.gz", tmp_path / "out")
    assert (tmp_path / "out" / files.MANIFEST).is_file()


def test_of_a_million_extra_files_some_are_named(run: Path) -> None:
    for number in range(2000):
        (run / f"{number}.txt").touch()
    read = read_run(run)
    assert read.run is None
    assert 0 < len(read.differences) < 200


def test_names_that_are_no_text_are_printed_as_one_line(run: Path) -> None:
    (run / os.fsdecode(b"\xff\n\x1b[31m")).touch()
    (line,) = map(str, read_run(run).differences)
    assert line.isprintable()


HOSTILE = {
    "digits": b"9" * 400,
    "thousands of digits": b"9" * 5000,
    "not a number": b"NaN",
    "infinite": b"-Infinity",
    "past infinite": b"1e999",
    "an integer of more than 64 bits": b"18446744073709551616",
    "text": b'"0.5"',
    "nothing": b"null",
    "a truth value": b"true",
    "a list": b"[0.5]",
    "deep": b"[" * 5000 + b"]" * 5000,
    "deep enough": b"[" * 40 + b"]" * 40,
    "twice": b'{"1": 0.5, "1": 0.5}',
    "half a surrogate": b'"\\ud800"',
    "bytes": b'"\xff"',
    "nul": b'"\x00"',
    "cut off": b'{"1": ',
}
"""What may stand in JSON in the place of a score."""


def put(run: Path, name: str, place: bytes, value: bytes) -> None:
    """Put a value in the place of the first that has a key."""

    def change(data: bytes) -> bytes:
        start = data.index(place) + len(place)
        end = min(found for found in (data.find(mark, start) for mark in (b",", b"}", b"\n")) if found >= 0)
        return data[:start] + value + data[end:]

    path = run / name
    if name in ROWS:
        path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))
    else:
        path.write_bytes(change(path.read_bytes()))


SCORES = {
    files.RESULTS: b'"value": ',
    files.RANKINGS: b'"at_k":{"1":',
    files.VERDICTS: b'"tests_run":',
    files.CANDIDATES: b'"index":',
    files.TIMINGS: b'"cost_s": ',
}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_that_is_none_is_named(
    value: str, name: str, tampered: Tampered, verified: Any, tmp_path: Path
) -> None:
    put(tampered.path, name, SCORES[name], HOSTILE[value])
    result = verified(tampered.hashed().path)
    assert result.differences
    assert {one.file for one in result.differences} <= {name, files.REPORT}
    # A number of results.json is compared with what follows from the rows; all else ends before anything is graded.
    if name != files.RESULTS or value in ("digits", "not a number", "deep", "twice", "half a surrogate", "bytes"):
        assert result.graded == 0
    # A score that is not known is none, and neither a timing nor how many tests held is one.
    if name == files.TIMINGS or value == "nothing":
        return
    with pytest.raises(UserError, match=name):
        build_site([tampered.path], tmp_path / "site", title=None, progress=silent)


@pytest.mark.parametrize("name", [files.MANIFEST, files.RESULTS, *ROWS])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x1f\x8b\x08",
        b"[" * 100_000,
        b"\xff\xfe",
        b"{}\n",
        b"null",
        b"[]",
        b"\x00" * 1000,
        gzip.compress(b"x")[:-4],
    ],
    ids=["empty", "gz", "deep", "bytes", "object", "null", "list", "nul", "truncated"],
)
def test_a_site_of_a_damaged_run_is_refused_in_one_line(content: bytes, name: str, run: Path, tmp_path: Path) -> None:
    if name in ROWS and content[:2] != b"\x1f\x8b" and content:
        content = gzip.compress(content)
    (run / name).write_bytes(content)
    if name in ROWS and not content:
        # A run of which nothing could be graded: what there is of it is shown.
        build_site([run], tmp_path / "site", title=None, progress=silent)
        return
    with pytest.raises(UserError, match=name) as error:
        build_site([run], tmp_path / "site", title=None, progress=silent)
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "site").exists()


def first_arm(value: dict[str, Any]) -> dict[str, Any]:
    arm: dict[str, Any] = value["benchmarks"][0]["arms"][0]
    return arm


def without_ranker(value: dict[str, Any]) -> None:
    del first_arm(value)["per_task"]["rankers"]["examples"]


INCOMPLETE: dict[str, Callable[[dict[str, Any]], object]] = {
    "a ranker missing from the rows by task": without_ranker,
    "a list that is too short": lambda value: first_arm(value)["per_task"]["passed"].pop(),
    "no arm": lambda value: value["benchmarks"][0].update(arms=[]),
    "no task": lambda value: value["benchmarks"][0].update(tasks=[]),
    "a task twice": lambda value: value["benchmarks"][0]["tasks"].__setitem__(1, value["benchmarks"][0]["tasks"][0]),
    "an arm twice": lambda value: value["benchmarks"][0]["arms"].append(first_arm(value)),
    "more passed than drawn": lambda value: first_arm(value)["per_task"]["passed"].__setitem__(0, 2),
    "a trillion samples": lambda value: first_arm(value)["per_task"]["n"].__setitem__(0, 10**12),
    "a k beyond the samples": lambda value: first_arm(value).update(k=2),
    "k out of order": lambda value: value["benchmarks"][0]["arms"][1].update(ks=[2, 1]),
    "a cost past all": lambda value: first_arm(value)["costs"]["1"].update(flops=1e308),
    "a thousand arms": lambda value: value["benchmarks"][0].update(
        arms=[first_arm(value) | {"spec": f"13b:{number}"} for number in range(1, 1000)]
    ),
    "a key missing": lambda value: first_arm(value).pop("plan"),
    "no benchmark": lambda value: value.update(benchmarks=[]),
}


@pytest.mark.parametrize("what", INCOMPLETE)
def test_results_that_do_not_fit_together_are_refused(
    what: str, tampered: Tampered, verified: Any, tmp_path: Path
) -> None:
    tampered.json(files.RESULTS, INCOMPLETE[what]).hashed()
    with pytest.raises(UserError, match=files.RESULTS):
        build_site([tampered.path], tmp_path / "site", title=None, progress=silent)
    assert {one.file for one in verified(tampered.path).differences} == {files.RESULTS}


BOARDS = {
    "digits": "seed = " + "9" * 400,
    "thousands of digits": "seed = " + "9" * 5000,
    "hexadecimal": "seed = 0x" + "f" * 5000,
    "not a number": "[budget]\ntolerance = nan",
    "infinite": "[budget]\ntolerance = inf",
    "deep": "x = " + "[" * 2000,
    "deep in tables": "x" + ".a" * 2000 + " = 1",
    "a long key": ("a" * 9000) + " = 1",
    "a date": "seed = 1979-05-27",
    "free tokens": '[budget]\nmatch = "usd"\nusd_per_mtok = ["0,0"]',
    "prices past all": '[budget]\nusd_per_mtok = ["1e308,1e308"]',
    "no time at all": "[sandbox.limits]\ncpu_s = 1e-9",
    "a part that no task has": "[benchmarks.fields]\nx = 'y'",
    "a thousand arms": "x = 1",
    "large": "# " + "x" * 70_000,
    "many lines": "\n" * 70_000,
}


@pytest.mark.parametrize("what", BOARDS)
def test_a_board_that_cannot_be_is_named_in_one_line(what: str, tampered: Tampered, verified: Any) -> None:
    board = tampered.path / files.BOARD
    text = board.read_text()
    if what == "a thousand arms":
        text = text.replace('"7b:2"', ", ".join(f'"7b:{k}"' for k in range(1, 1000)))
    first, rest = text.split("\n", 1)
    board.write_text(f"{first}\n{rest}\n{BOARDS[what]}\n" if BOARDS[what][0] == "[" else f"{BOARDS[what]}\n{text}")
    result = verified(tampered.hashed().path)
    (one,) = result.differences
    assert one.file == files.BOARD
    assert str(one).isprintable()
    assert len(str(one)) < 1000


def test_a_hostile_run_is_told_of_in_lines_that_command_no_terminal(tampered: Tampered, made: Path) -> None:
    evil = "\x1b]0;owned\x07[/red]\u202e"
    tampered.json("manifest.json", lambda value: value["rankers"].update({evil: value["rankers"].pop("shortest")}))
    tampered.json("results.json", lambda value: value.update(name=evil))
    board = tampered.path / files.BOARD
    board.write_text(board.read_text().replace('"shortest"', json.dumps(evil)))
    tampered.rows(
        files.RANKINGS,
        lambda rows: [row.update(ranker=evil) for row in rows if row["ranker"] == "shortest"],
    ).hashed()
    done = codebudget(
        made, "leaderboard", "verify", tampered.path, "--sandbox", "process", "--benchmark-file", "tiny.jsonl"
    )
    assert done.returncode == 1, done.stderr
    assert all(line.isprintable() for line in (done.stdout + done.stderr).splitlines())
    assert "Traceback" not in done.stderr


def test_differences_beyond_counting_are_cut_off(tampered: Tampered, verified: Any) -> None:
    tampered.json(files.RESULTS, lambda value: value.update({f"x{number}": 0 for number in range(50_000)})).hashed()
    assert len(verified(tampered.path).differences) == 10_000
