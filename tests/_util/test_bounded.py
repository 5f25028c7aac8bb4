"""Files, JSON and texts of strangers: whatever they are, they end in what they hold or in one line."""

import gzip
import json
import math
import os
import random
import string
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from codebudget._util import bounded
from codebudget.errors import UserError

MIB = 1 << 20

READ = """
import sys
from pathlib import Path
from codebudget._util import bounded
from codebudget.errors import UserError
try:
    for _ in bounded.read_lines(Path(sys.argv[1])):
        pass
except UserError as error:
    print(error)
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) >> 10)
"""


def bomb(path: Path, block: bytes, size: int) -> Path:
    """A gzip file that comes to `size` bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block *= MIB // len(block)
    with path.open("wb") as file:
        for _ in range(size // len(block)):
            file.write(packer.compress(block))
        file.write(packer.flush())
    return path


def message_of(work: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        work()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    return str(caught.value)


def lines_of(path: Path) -> list[bytes]:
    return [line for _, line in bounded.read_lines(path)]


@pytest.mark.parametrize("block", [b"\0", b"\n", b'{"task_id": "HumanEval/0", "completion": ""}\n'])
def test_a_gzip_bomb_ends_early_and_takes_little_memory(tmp_path: Path, block: bytes) -> None:
    path = bomb(tmp_path / "bomb.jsonl.gz", block, 300 * MIB)
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=60)
    said, peak_mib = done.stdout.strip().splitlines()
    assert f"{path}:" in said
    assert "than the limit of" in said
    assert int(peak_mib) < 300


def test_what_compresses_well_is_read_all_the_same(tmp_path: Path) -> None:
    rows = b'{"task_id": "HumanEval/0", "completion": "    return 1\\n"}\n' * 30_000
    (tmp_path / "same.jsonl.gz").write_bytes(gzip.compress(rows))
    assert b"".join(lines_of(tmp_path / "same.jsonl.gz")) == rows


def test_a_line_has_a_bound_and_one_below_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MAX_LINE_BYTES", 100)
    for name, pack in (("a.jsonl", bytes), ("a.jsonl.gz", gzip.compress)):
        path = tmp_path / name
        path.write_bytes(pack(b"x" * 99 + b"\n" + b"y" * 100))
        assert [len(line) for line in lines_of(path)] == [100, 100]
        path.write_bytes(pack(b"\n" + b"x" * 200 + b"\n"))
        assert message_of(lambda path=path: lines_of(path)).startswith(f"{path}:2: longer than 256 MiB")


def test_lines_are_those_of_python(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbfa\n\nb\r\nc"
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfa\n") + gzip.compress(b"\nb\r\nc"))
    for name in ("a", "a.gz"):
        assert list(bounded.read_lines(tmp_path / name)) == [(1, b"a\n"), (2, b"\n"), (3, b"b\r\n"), (4, b"c")]


@pytest.mark.parametrize("read", [lines_of, bounded.read_whole, lambda path: list(bounded.read_table(path))])
def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in message_of(lambda: read(tmp_path / "pipe"))
    assert "not a regular file" in message_of(lambda: read(tmp_path))
    assert "not a regular file" in message_of(lambda: read(Path("/dev/zero")))
    assert "no such file" in message_of(lambda: read(tmp_path / "none"))


def test_a_whole_file_has_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("\ufeff{}\n", encoding="utf-8")
    assert bounded.read_whole(path) == "{}\n"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "longer than 4 MiB" in message_of(lambda: bounded.read_whole(path))
    path.write_bytes(b"a\nb\xff")
    assert message_of(lambda: bounded.read_whole(path)).startswith(f"{path}:2: not UTF-8")
    packed = bomb(tmp_path / "bomb.json.gz", b"\0", 200 * MIB)
    assert "expands to more than the limit" in message_of(lambda: bounded.read_whole(packed, 1 << 28))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[" + "1" * 5000 + "]", "more than 4300 digits"),
        ("{", "Expecting"),
        ("[1,]", "broken JSON"),
        ("[[]," * 3_000_000 + "1", "more values than"),
        ("[" + "1," * 5_000_000 + "1]", "more values than"),
    ],
)
def test_broken_and_monstrous_json_is_one_line(text: str, why: str) -> None:
    for data in (text, text.encode()):
        said = message_of(lambda data=data: bounded.parse_json(data, "f:3"))
        assert said.startswith("f:3")
        assert why in said
    assert "not UTF-8" in message_of(lambda: bounded.parse_json(b'"\xff"', "f:3"))


def test_numbers_that_are_computed_with_are_finite_and_moderate() -> None:
    assert bounded.parse_json("[1, -2.5, 0.0, 1e18, 1e-30]", "f", is_computed=True) == [1, -2.5, 0.0, 1e18, 1e-30]
    for text in ("NaN", "Infinity", "-Infinity", "1e999", "-1e19", "1e-31", "1" * 20, "1" * 400, "1" * 5000):
        assert "broken JSON" in message_of(lambda text=text: bounded.parse_json(f"[{text}]", "f", is_computed=True))
    assert math.isnan(bounded.parse_json("NaN", "f"))


def test_python_without_its_limit_of_digits_has_ours() -> None:
    code = (
        "from codebudget._util import bounded\nfrom codebudget.errors import UserError\n"
        "assert bounded.parse_json('[12, -3]', 'f') == [12, -3]\n"
        "try:\n    bounded.parse_json('1' * 2000000, 'f')\nexcept UserError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONINTMAXSTRDIGITS": "0"},
    )
    assert "more than 4300 digits" in done.stdout, done.stderr


def test_numbers_of_rows() -> None:
    assert bounded.is_whole(0)
    assert bounded.is_whole(2**63 - 1)
    assert bounded.is_whole(-5, least=-5)
    assert not any(bounded.is_whole(value) for value in (-1, 2**63, True, 1.0, "1", None))
    assert bounded.is_number(1.5)
    assert bounded.is_number(-(2**70))
    assert not any(bounded.is_number(value) for value in (10**400, math.inf, math.nan, True, "1", None))


def test_samples_are_counted_against_the_size_of_their_files(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 3200)
    count = bounded.SampleCount([path, path])
    count.add(200_200, "a:1")
    assert message_of(lambda: count.add(1, "a:7")).startswith("a:7: more samples than the limit of 200000")


def write_table(path: Path, **columns: pyarrow.Array) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def test_tables_are_read_as_they_are(tmp_path: Path) -> None:
    rows = [
        {"a": "é", "n": 1, "f": [0.5, None], "s": ["x"]},
        {"a": None, "n": None, "f": None, "s": []},
        {"a": "".join(random.Random(1).choices(string.printable, k=5000)), "n": -3, "f": [math.inf], "s": ["y", "z"]},
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows * 50), tmp_path / "t.parquet")
    assert list(bounded.read_table(tmp_path / "t.parquet")) == list(enumerate(rows * 50, 1))
    categories = pyarrow.array(["a", "b", "a"]).dictionary_encode()
    path = write_table(tmp_path / "c.parquet", c=categories)
    assert [row for _, row in bounded.read_table(path)] == [{"c": "a"}, {"c": "b"}, {"c": "a"}]


def test_a_table_that_comes_to_far_more_than_it_takes_ends_early(tmp_path: Path) -> None:
    text = pyarrow.array(["x" * MIB])
    many = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 100_000, pyarrow.int32()), text)
    for column in (many, pyarrow.array(["x" * MIB] * 100)):
        path = write_table(tmp_path / "bomb.parquet", c=column)
        assert path.stat().st_size < MIB
        read = []
        said = message_of(lambda path=path, read=read: [read.append(row) for row in bounded.read_table(path)])
        assert "it expands to more than" in said
        assert len(read) < 100


def test_a_table_that_is_none_says_so(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.parquet", c=pyarrow.array(["a"] * 1000))
    data = path.read_bytes()
    for broken in (b"", b"PAR1", data[:-20], data[:20] + b"\xff" * 20 + data[40:], b"PAR1" + b"\0" * 100 + b"PAR1"):
        path.write_bytes(broken)
        assert "not a readable Parquet file" in message_of(lambda: list(bounded.read_table(path)))


def test_reading_a_table_imports_nothing_from_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(tmp_path / "t.parquet", c=pyarrow.array(["a"]))
    for name in ("pyarrow", "json", "resource"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} of a stranger')")
    monkeypatch.chdir(tmp_path)
    assert list(bounded.read_table(Path("t.parquet"))) == [(1, {"c": "a"})]


def test_a_table_may_be_left_in_the_middle(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.parquet", c=pyarrow.array([json.dumps(number) for number in range(50_000)]))
    rows = bounded.read_table(path)
    assert next(rows) == (1, {"c": "0"})
    rows.close()
