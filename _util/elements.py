"""JSON files of rows in every layout: lines, one array or one object, read as a stream and within limits."""

from __future__ import annotations

import codecs
import json
import os
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import UserError
from .bounded import (
    ANY_JSON,
    FREE_LINES,
    MAX_LINE_BYTES,
    MIB,
    check_values,
    parse_json,
    read_lines,
    reading,
    why_broken,
)
from .printable import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

_PEEK_BYTES: Final = 1 << 16
_CHUNK_BYTES: Final = 1 << 20
_CUT_CHARACTERS: Final = 16
"""No token but a string is longer, so an error farther from the end is not caused by missing text."""

_BYTE_ORDER_MARK: Final = "\ufeff"
_BLANKS: Final = re.compile(rf"[ \t\r\n{_BYTE_ORDER_MARK}]*")

_FOREIGN: Final = {
    b"\x1f\x8b": "gzip, although its name does not end in .gz; rename it",
    b"PAR1": "Parquet; convert it to JSON Lines, or use codebudget import",
    b"PK\x03\x04": "a zip archive; unpack it and give the files in it",
    b"\x28\xb5\x2f\xfd": "zstd; decompress it, or use gzip instead",
    b"\xfd7zXZ": "xz; decompress it, or use gzip instead",
    b"BZh": "bzip2; decompress it, or use gzip instead",
    b"\xff\xfe": "UTF-16; save the file as UTF-8",
    b"\xfe\xff": "UTF-16; save the file as UTF-8",
}
"""First bytes of files in other formats, and the advice for each."""


class Element(NamedTuple):
    """A value of a file.

    Attributes:
        where: Its place, for messages: `a.jsonl:3`, or with the line that it begins on, `a.json:1: row 3` or
            `a.json:1: 'KEY'`.
        value: Any JSON value.
        key: Its key if the file is one object and this is a member of it.
    """

    where: str
    value: Any
    key: str | None = None


def no_key(key: str) -> bool:
    """Treat no object as a table of rows."""
    return False


def read_elements(path: Path, is_key: Callable[[str], bool] = no_key) -> Iterator[Element]:
    """Yield the values of a file, plain or `.gz`: its lines', its array's elements, or its object's members.

    The layout is recognised by the content, not by the name. An array on one line counts as its elements. A file is
    never held whole; an element or member has the same limit as a line.

    Args:
        path: The file.
        is_key: Whether an object's first key means that its members are the values; otherwise the object is one
            value.

    Raises:
        UserError: The file cannot be read, is not JSON, or exceeds a limit; the message names file and place.
    """
    layout = _layout(path, is_key)
    if layout != "lines":
        with reading(path, lambda: str(path)) as file:
            yield from _Document(path, file, by_key=layout == "members").elements()
        return
    for number, line in read_lines(path):
        if line.isspace() or not line:
            continue
        where = f"{path}:{number}"
        value = parse_json(line.removeprefix(codecs.BOM_UTF8), where)
        if isinstance(value, list):
            yield from (Element(where, item) for item in value)
        else:
            yield Element(where, value)


def _layout(path: Path, is_key: Callable[[str], bool]) -> str:
    """Recognise a file's layout by its first bytes: `lines`, `array`, `objects` (over several lines) or `members`."""
    with reading(path, lambda: f"{path}:1") as file:
        data = file.read(_PEEK_BYTES)
    foreign = next((said for mark, said in _FOREIGN.items() if data.startswith(mark)), None)
    if foreign is not None:
        raise UserError(f"{path}: this is {foreign}")
    # Invalid UTF-8 is reported when its row is read.
    text = data.decode("utf-8", "replace")
    start = _after_blanks(text, 0)
    mark = text[start : start + 1]
    if mark == "[":
        return "array"
    if mark != "{":
        if mark:
            raise UserError(
                f"{path}:{1 + text.count(chr(10), 0, start)}: not a JSON object; write JSON Lines, an array of "
                "objects, or one object with the rows by id"
            )
        return "lines"
    key = _first_key(text, start)
    if key is not None and is_key(key):
        return "members"
    line, newline, _ = text[start:].partition("\n")
    try:
        end = ANY_JSON.raw_decode(line)[1]
    except json.JSONDecodeError as error:
        # The object begins on this line and continues on the next ones.
        return "objects" if newline and error.pos >= len(line.rstrip()) else "lines"
    except (RecursionError, ValueError):
        return "lines"
    # Lines may end in carriage returns alone, or not at all.
    return "objects" if line[_after_blanks(line, end) :][:1] == "{" else "lines"


def _first_key(text: str, start: int) -> str | None:
    try:
        key, end = ANY_JSON.raw_decode(text, _after_blanks(text, start + 1))
    except (RecursionError, ValueError):
        return None
    is_member = isinstance(key, str) and text[_after_blanks(text, end) :][:1] == ":"
    return key if is_member else None


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


class _Document:
    """The text of a file, of which only a window is held."""

    def __init__(self, path: Path, file: BinaryIO, *, by_key: bool) -> None:
        self._path = path
        self._file = file
        self._by_key = by_key
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._line = 1
        self._upto = 0
        self._is_end = False
        self._count = 0
        self._most = FREE_LINES + os.stat(path).st_size

    def elements(self) -> Iterator[Element]:
        """Yield the values of all arrays and objects in turn."""
        while mark := self._peek():
            if mark == "[":
                yield from self._listed("]")
            elif mark == "{" and self._by_key:
                yield from self._listed("}")
            else:
                where = self._counted()
                yield Element(where, self._value(where))

    def _listed(self, end: str) -> Iterator[Element]:
        """Yield the elements or members up to the closing bracket."""
        self._at += 1
        if self._peek() == end:
            self._at += 1
            return
        while True:
            mark = self._peek()
            where, key = self._counted(), None
            if end == "}":
                if mark != '"':
                    raise self._broken(where, "a key in double quotes is missing")
                key = self._value(where)
                where = f"{self._path}:{self._line}: {quoted(key)}"
                self._pass(":", where)
                self._peek()
            yield Element(where, self._value(where), key)
            if self._peek() == end:
                self._at += 1
                return
            self._pass(",", where)

    def _counted(self) -> str:
        self._count += 1
        self._line += self._text.count("\n", self._upto, self._at)
        self._upto = self._at
        where = f"{self._path}:{self._line}: row {self._count}"
        if self._count > self._most:
            raise UserError(f"{where}: more rows than the limit of {FREE_LINES} plus one per byte of the file")
        return where

    def _pass(self, mark: str, where: str) -> None:
        if self._peek() != mark:
            raise self._broken(where, f"{mark!r} is missing" if self._peek() else "the file ends too early")
        self._at += 1

    def _peek(self) -> str:
        """Find the next character that is not blank; empty at the end of the file."""
        while True:
            self._at = _after_blanks(self._text, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if self._is_end:
                return ""
            self._read(_CHUNK_BYTES)

    def _value(self, where: str) -> Any:
        """Parse the value that begins here, reading on until it is whole."""
        while True:
            held = len(self._text) - self._at
            try:
                value, end = ANY_JSON.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._is_end or not self._is_cut(error):
                    raise self._broken(where, self._why(error), error) from None
            except (RecursionError, ValueError) as error:
                raise self._broken(where, why_broken(error)) from None
            else:
                # A number may continue in what is not read yet, after its point or its e.
                is_open = isinstance(value, int | float) and end >= len(self._text) - _CUT_CHARACTERS
                if self._is_end or not is_open:
                    self._at = end
                    return value
            if held > MAX_LINE_BYTES:
                raise UserError(
                    f"{where}: longer than {MAX_LINE_BYTES // MIB} MiB, the limit for one row; write each sample "
                    "as its own row"
                )
            self._read(min(max(_CHUNK_BYTES, held), MAX_LINE_BYTES + 1 - held))
            check_values(self._text, where)

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether an error may only mean that the rest is not read yet."""
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - _CUT_CHARACTERS

    def _why(self, error: json.JSONDecodeError) -> str:
        is_whole = not error.msg.startswith("Unterminated string") and error.pos < len(self._text.rstrip())
        return error.msg if is_whole else "the file ends too early"

    def _read(self, size: int) -> None:
        """Drop what was parsed, and read more."""
        data = self._file.read(size)
        try:
            more = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError:
            where = f"{self._path}:{self._line}: row {self._count or 1}"
            raise UserError(f"{where} or shortly after it: not UTF-8; save the file as UTF-8") from None
        self._line += self._text.count("\n", self._upto, self._at)
        self._text = self._text[self._at :] + more
        self._at = self._upto = 0
        self._is_end = not data

    def _broken(self, where: str, why: str, error: json.JSONDecodeError | None = None) -> UserError:
        line = self._line + self._text.count("\n", self._upto, self._at if error is None else error.pos)
        return UserError(f"{where}: broken JSON ({why}, line {line} of the file); fix the file")
