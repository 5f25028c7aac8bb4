"""JSON files of rows in every layout, and what strangers put into them: each value once, or one line that says why."""

import gzip
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from codebudget._util import elements
from codebudget._util.elements import read_elements
from codebudget.errors import UserError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MIB = 1 << 20

READ = """
import sys
from pathlib import Path
from codebudget._util.elements import read_elements
from codebudget.errors import UserError
count = 0
try:
    for _ in read_elements(Path(sys.argv[1]), lambda key: True):
        count += 1
except UserError as error:
    print(error)
status = Path("/proc/self/status").read_text()
print(count, int(status.partition("VmHWM:")[2].split()[0]) >> 10)
"""

ROWS = [{"id": "a/0", "text": 'é\n😀 "[{,'}, {"id": 1, "n": [1, -2.5e3, None, True]}, {"id": "", "deep": {"a": [{}]}}]

LAYOUTS: dict[str, Callable[[list[Any]], str]] = {
    "lines": lambda rows: "".join(json.dumps(row) + "\n" for row in rows),
    "lines with blank ones between": lambda rows: "\n \r\n".join(json.dumps(row) for row in rows),
    "array": json.dumps,
    "array in UTF-8": lambda rows: json.dumps(rows, ensure_ascii=False),
    "array over lines": lambda rows: json.dumps(rows, indent=2),
    "arrays": lambda rows: json.dumps(rows[:1]) + "\n" + json.dumps([]) + json.dumps(rows[1:]),
    "array per line": lambda rows: json.dumps(rows[0]) + "\n" + json.dumps(rows[1:]),
    "objects one behind the other": lambda rows: "".join(map(json.dumps, rows)),
    "old ends of lines": lambda rows: "\r".join(map(json.dumps, rows)),
    "objects over lines": lambda rows: "\n".join(json.dumps(row, indent=1) for row in rows),
}


def values_in(path: Path) -> list[Any]:
    return [element.value for element in read_elements(path)]


def message_of(work: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        work()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    return str(caught.value)


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.json.gz"])
@pytest.mark.parametrize("dress", ["plain", "byte order mark", "carriage returns", "blank lines first"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_holds_the_same_rows(tmp_path: Path, layout: str, dress: str, name: str) -> None:
    text = LAYOUTS[layout](ROWS)
    data = {
        "plain": text.encode(),
        "byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "carriage returns": text.replace("\n", "\r\n").encode(),
        "blank lines first": b"\n\r\n  " + text.encode(),
    }[dress]
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert values_in(tmp_path / name) == ROWS


def test_an_object_is_a_row_or_a_table_of_rows_by_its_first_key(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    for indent in (None, 2):
        path.write_text(json.dumps({"a/0": [1], "a/1": {"x": 2}, "a/0 ": None}, indent=indent))
        assert [(one.key, one.value) for one in read_elements(path, lambda key: key == "a/0")] == [
            ("a/0", [1]),
            ("a/1", {"x": 2}),
            ("a/0 ", None),
        ]
        assert values_in(path) == [{"a/0": [1], "a/1": {"x": 2}, "a/0 ": None}]


def test_a_key_that_is_there_twice_is_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('{"a": [1], "a": [2]}')
    assert [one.value for one in read_elements(path, lambda _: True)] == [[1], [2]]


def test_places_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    places = {
        '{"a": 1}\n\n{"a": 2}': [f"{path}:1", f"{path}:3"],
        '[{"a": 1},\n{"a": 2}]': [f"{path}:1: row 1", f"{path}:2: row 2"],
        '{\n"k": {}, "b": {}}': [f"{path}:2: 'k'", f"{path}:2: 'b'"],
    }
    for text, expected in places.items():
        path.write_text(text)
        assert [one.where for one in read_elements(path, lambda key: key == "k")] == expected


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(VALUES, max_size=6),
    st.sampled_from([1, 2, 7, 64]),
    st.sampled_from([None, 0, 3]),
    st.booleans(),
)
def test_whatever_the_window_the_values_are_pythons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[Any], chunk: int, indent: int | None, plain: bool
) -> None:
    monkeypatch.setattr(elements, "_CHUNK_BYTES", chunk)
    path = tmp_path / "values.json"
    text = json.dumps(values, indent=indent, ensure_ascii=plain)
    path.write_bytes(text.encode("utf-8", "surrogatepass" if plain else "replace"))
    assert values_in(path) == json.loads(path.read_bytes())
    by_key = {f"{place}\u2028": value for place, value in enumerate([None, *values])}
    path.write_text(json.dumps(by_key, indent=indent))
    assert {one.key: one.value for one in read_elements(path, lambda _: True)} == by_key


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"task_id,completion\na,b\n", ":1: not a JSON object"),
        (b"\n\n'a'", ":3: not a JSON object"),
        (b'[{"a": 1}, {"a"', ":1: row 2: broken JSON (the file ends too early, line 1"),
        (b'[{"a": 1},\n{"a": "x', ":2: row 2: broken JSON (the file ends too early, line 2"),
        (b'[{"a": 1}\n', ":1: row 1: broken JSON (the file ends too early, line 2"),
        (b'[{"a": 1}\n{"a": 2}]', ":1: row 1: broken JSON (',' is missing, line 2"),
        (b'[{"a": 1},]', ":1: row 2: broken JSON (Expecting value, line 1"),
        (b'[{"a": 1},\n\n{a: 1}]' + b" " * 99, ":3: row 2: broken JSON (Expecting property name"),
        (b'[{"a": 1}]]' + b" " * 99, ":1: row 2: broken JSON (Expecting value"),
        (b'{"k": 1, 2: 3}', ":1: row 2: broken JSON (a key in double quotes is missing"),
        (b'{"k" 1}', ":1: broken JSON"),
        (b'{"k": 1, "l" 3}', ":1: 'l': broken JSON (':' is missing"),
        (b'{\n"a": 1,\n"b" 2}', ":1: row 1: broken JSON (Expecting ':' delimiter, line 3"),
        (b'["' + b"\xff" * 99 + b'"]', ":1: row 1 or shortly after it: not UTF-8"),
        (b'{"a": "\xff"}', ":1: not UTF-8"),
        ("[1]".encode("utf-16"), ": this is UTF-16"),
        (gzip.compress(b"[1]"), ": this is gzip, although its name does not end in .gz"),
        (b"PAR1" + b"\0" * 99, ": this is Parquet"),
        (b"PK\x03\x04" + b"\0" * 99, ": this is a zip archive"),
        (b"[" * 100_000, ":1: row 1: broken JSON (nested too deeply"),
        (b'{\n"a": ' + b"[" * 100_000, ":1: row 1: broken JSON (nested too deeply"),
        (b"[[" + b"1" * 5000 + b"]]", ":1: row 1: broken JSON (a number of more than 4300 digits"),
        (b"[[" + b"[]," * 3_000_000 + b"1]]", ":1: row 1: more values than the limit of 2000000"),
        (b'[{"a": ' + b"1," * 5_000_000, ":1: row 1: broken JSON"),
    ],
)
def test_what_is_broken_or_something_else_is_one_line(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(data)
    said = message_of(lambda: list(read_elements(path, lambda key: key == "k")))
    assert said.startswith(f"{path}{why}"), said


def test_an_element_has_the_bound_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(elements, "_CHUNK_BYTES", 64)
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(["x" * 900] * 9))
    assert values_in(path) == ["x" * 900] * 9
    for text in (json.dumps([1, "x" * 1100]), '[1, "' + "x" * 5000, '{\n"a": "' + "x" * 5000 + '"}'):
        path.write_text(text)
        assert "longer than" in message_of(lambda: values_in(path))


def test_a_large_array_is_never_held_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    row = json.dumps({"task_id": "a/0", "samples": ["x" * 200_000]})
    for start, after in (("[", "]"), ("{", "}")):
        with path.open("w") as file:
            file.write(start)
            for place in range(500):
                file.write(("" if not place else ",") + ("" if start == "[" else f'"a/{place}":') + row)
            file.write(after)
        done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=60)
        count, peak_mib = done.stdout.split()
        assert int(count) == 500
        assert path.stat().st_size > 95 * MIB
        assert int(peak_mib) < 80


@pytest.mark.parametrize(
    ("head", "block"),
    [
        (b"[", b" "),
        (b"[", b"null,"),
        (b'["', b"x"),
        (b"[", b'{"task_id": "a/0", "completion": ""},'),
        (b'{"k": "', b"x"),
    ],
)
def test_a_bomb_ends_early_and_takes_little_memory(tmp_path: Path, head: bytes, block: bytes) -> None:
    path = tmp_path / "bomb.json.gz"
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block *= MIB // len(block)
    with path.open("wb") as file:
        file.write(packer.compress(head))
        for _ in range(150 * MIB // len(block)):
            file.write(packer.compress(block))
        file.write(packer.flush())
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=120)
    said, counted = done.stdout.strip().splitlines()
    assert str(path) in said
    assert "limit" in said
    assert int(counted.split()[1]) < 500
