"""Reading what others wrote, within bounds: lines, JSON, whole files and tables.

Every limit is far above what honest files hold; docs/limits.md lists them. What is beyond one is refused in one line
that names the file, the place and the limit.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import stat
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import UserError
from .printable import MAX_MESSAGE, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from _typeshed import WriteableBuffer

MIB: Final = 1 << 20

MAX_LINE_BYTES: Final = 256 * MIB
"""Limit for a line, or a JSON file read whole: 200 samples of more than 1 MiB each."""

MAX_SMALL_BYTES: Final = 4 * MIB
"""Limit of a settings file: config.json, calibration."""

FREE_BYTES: Final = 64 * MIB
MAX_RATIO: Final = 100
"""Most that a compressed file may expand to: `FREE_BYTES` plus `MAX_RATIO` times its bytes read so far."""

FREE_LINES: Final = 1_000_000
"""Lines allowed in a file, plus one for each byte it has on disk."""

FREE_SAMPLES: Final = 200_000
BYTES_PER_SAMPLE: Final = 32
"""Samples in files together: `FREE_SAMPLES`, plus one for every `BYTES_PER_SAMPLE` they have on disk."""

FREE_VALUES: Final = 2_000_000
BYTES_PER_VALUE: Final = 16
"""Lists, objects and commas in a JSON text: `FREE_VALUES`, plus one for every `BYTES_PER_VALUE` of it."""

MOST_NUMBER: Final = 1e18
LEAST_NUMBER: Final = 1e-30
"""Range that costs are computed in without overflow."""

MAX_DIGITS: Final = 4300
"""Digits in a JSON integer: Python's own limit, above which reading one takes quadratic time."""

_BUFFER_BYTES: Final = 1 << 17
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_TOO_LONG_A_LINE: Final = (
    f"longer than {MAX_LINE_BYTES // MIB} MiB, the limit for one line; write each sample as its own row"
)
_TOO_MANY_LINES: Final = f"more lines than the limit of {FREE_LINES} plus one per byte of the file"
_TOO_MUCH: Final = (
    f"expands to more than the limit of {FREE_BYTES // MIB} MiB plus {MAX_RATIO} times its size on disk; if you "
    "trust it, decompress it yourself and use the result"
)


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a text file, plain or `.gz`, numbered from 1, without holding the file whole.

    Lines keep their ends; a byte order mark is left out.

    Raises:
        UserError: The file cannot be read, or is beyond a bound.
    """
    number = 0
    with reading(path, lambda: f"{path}:{number + 1}") as lines:
        most_lines = FREE_LINES + path.stat().st_size
        while line := lines.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise UserError(f"{path}:{number}: {_TOO_LONG_A_LINE}")
            if number > most_lines:
                raise UserError(f"{path}:{number}: {_TOO_MANY_LINES}")
            yield number, line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line


@contextmanager
def reading(path: Path, place: Callable[[], str]) -> Iterator[BinaryIO]:
    """Open a plain or `.gz` file as a stream; how far a compressed file may expand depends on how much of it was read.

    Args:
        path: The file.
        place: Names the current place in the file, for messages.

    Raises:
        UserError: The file cannot be read, or expands beyond the bound.
    """
    try:
        with _opened(path) as file:
            yield _unzipped(file) if path.name.lower().endswith(".gz") else file
    except _TooMuchError:
        raise UserError(f"{place()}: {_TOO_MUCH}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{place()}: broken gzip ({error}); copy or compress the file again") from None
    except OSError as error:
        raise UserError(_unreadable(path, error)) from None


def read_table(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a Parquet file, numbered from 1.

    A separate process with bounded memory decodes them; their size limit is that of a compressed file's lines.

    Raises:
        UserError: The file cannot be read, or is beyond a bound.
    """
    import subprocess
    import tempfile

    import pyarrow
    import pyarrow.ipc

    try:
        with _opened(path) as file:
            disk_bytes = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise UserError(_unreadable(path, error)) from None
    script = Path(__file__).with_name("parquet_rows.py")
    # -P: import nothing from the user's current folder.
    command = [sys.executable, "-P", str(script), str(path.absolute()), str(FREE_BYTES + MAX_RATIO * disk_bytes)]
    number = 0
    reason = ""
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as child,
    ):
        try:
            for batch in pyarrow.ipc.open_stream(child.stdout):
                for row in batch.to_pylist():
                    number += 1
                    if number > FREE_LINES + disk_bytes:
                        raise UserError(f"{path}: row {number}: {_TOO_MANY_LINES}")
                    yield number, row
            if not child.wait():
                return
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            # The process's own message takes precedence.
            reason = str(error)
            child.wait()
        finally:
            child.kill()
        said.seek(0)
        reason = (
            said.read(MAX_MESSAGE).decode("utf-8", "replace").strip() or reason or f"it ended with {child.returncode}"
        )
    raise UserError(f"{path}: not a readable Parquet file ({one_line(reason)}); write it again")


def read_whole(path: Path, most_bytes: int = MAX_SMALL_BYTES) -> str:
    """Read a text file, plain or `.gz`, less a byte order mark.

    Args:
        path: The file.
        most_bytes: Most bytes to read, once decompressed; a longer file is refused.

    Raises:
        UserError: The file cannot be read, is longer, or is not UTF-8.
    """
    try:
        with _opened(path) as file:
            data = (_unzipped(file) if path.name.lower().endswith(".gz") else file).read(most_bytes + 1)
    except _TooMuchError:
        raise UserError(f"{path}: {_TOO_MUCH}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: broken gzip ({error}); copy or compress the file again") from None
    except OSError as error:
        raise UserError(_unreadable(path, error)) from None
    if len(data) > most_bytes:
        raise UserError(f"{path}: longer than {_size(most_bytes)}, the limit for such a file; choose another")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8; save the file as UTF-8") from None


def parse_json(data: bytes | str, where: str, *, is_computed: bool = False) -> Any:
    """Parse a JSON text.

    Args:
        data: A line in UTF-8, or the text of a whole file.
        where: The file and line number, for messages.
        is_computed: Whether its numbers are computed with: refuse NaN and infinities, which only Python's JSON has,
            and numbers beyond `MOST_NUMBER` or, if not 0, below `LEAST_NUMBER`.

    Raises:
        UserError: It is not JSON, or beyond a bound.
    """
    check_values(data, where)
    fix = "fix the line or remove it" if isinstance(data, bytes) else "fix the file"
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        return (_COMPUTED if is_computed else ANY_JSON).decode(text)
    except UnicodeDecodeError:
        raise UserError(f"{where}: not UTF-8; save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"{where}:{error.lineno}" if isinstance(data, str) else where
        raise UserError(f"{where}: broken JSON ({error}); {fix}") from None
    except (RecursionError, ValueError) as error:
        raise UserError(f"{where}: broken JSON ({why_broken(error)}); {fix}") from None


def check_values(data: bytes | str, where: str) -> None:
    """Refuse a JSON text that may have more values than the limit.

    Raises:
        UserError: It may have more.
    """
    if len(data) > FREE_VALUES:
        marks = (b"[", b"{", b",") if isinstance(data, bytes) else ("[", "{", ",")
        if sum(map(data.count, marks)) > FREE_VALUES + len(data) // BYTES_PER_VALUE:  # type: ignore[arg-type]
            raise UserError(
                f"{where}: more values than the limit of {FREE_VALUES} plus one per {BYTES_PER_VALUE} characters; "
                "split it into several rows"
            )


def why_broken(error: RecursionError | ValueError) -> str:
    """Say why a text is not JSON if its syntax is not the reason."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error) if isinstance(error, _NumberError) else f"a number of more than {MAX_DIGITS} digits"


class SampleCount:
    """Counter of the samples of some files, up to as many as their size allows."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._left = FREE_SAMPLES + sum(path.stat().st_size for path in paths) // BYTES_PER_SAMPLE

    def add(self, samples: int, where: str) -> None:
        """Count more samples.

        Raises:
            UserError: There are too many.
        """
        self._left -= samples
        if self._left < 0:
            raise UserError(
                f"{where}: more samples than the limit of {FREE_SAMPLES} plus one per {BYTES_PER_SAMPLE} bytes of the "
                "files; decompress the files, or remove repeated samples"
            )


def is_whole(value: object, least: int = 0) -> bool:
    """Whether a JSON value is a whole number of at least `least` that 64 bits hold."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 1 << 63


def is_number(value: object) -> bool:
    """Whether a JSON value is a finite number that a float holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def encodable(text: str) -> str:
    """Replace each half of a surrogate pair, which UTF-8 cannot carry, with a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


class _TooMuchError(Exception):
    """A compressed file expands beyond its limit."""


class _NumberError(ValueError):
    """A JSON number that is invalid or too long."""


class _Unzipped(io.RawIOBase):
    """Decompressed gzip contents, as long as they are in proportion to the bytes read."""

    def __init__(self, file: BinaryIO) -> None:
        self._compressed = file
        self._file = gzip.GzipFile(fileobj=file)
        self._bytes = 0

    def readable(self) -> bool:
        """Declare it readable."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read some bytes.

        Raises:
            _TooMuchError: There are too many.
        """
        count = self._file.readinto(buffer)
        self._bytes += count
        if self._bytes > FREE_BYTES + MAX_RATIO * self._compressed.tell():
            raise _TooMuchError
        return count


def _unzipped(file: BinaryIO) -> io.BufferedReader:
    return io.BufferedReader(_Unzipped(file), _BUFFER_BYTES)


def _opened(path: Path) -> BinaryIO:
    """Open a plain file; not a pipe, which could block, or a device, which need not end.

    Raises:
        UserError: It is not a plain file.
        OSError: It cannot be opened.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise UserError(f"{path}: not a regular file; choose one that is")
    return path.open("rb", buffering=_BUFFER_BYTES)


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: no such file; check the path"
    return f"{path}: {error.strerror or error}; check the file and its permissions"


def _size(count: int) -> str:
    return f"{count // MIB} MiB" if count % MIB == 0 else f"{count} bytes"


def _no_constant(name: str) -> Any:
    raise _NumberError(f"{name} is not a number")


def _within(digits: str) -> float:
    value = float(digits)
    if value and not LEAST_NUMBER <= abs(value) <= MOST_NUMBER:
        raise _NumberError(f"{one_line(digits, 40)} is above {MOST_NUMBER:g} or below {LEAST_NUMBER:g}")
    return value


def _whole_within(digits: str) -> int:
    _within(digits)
    return int(digits)


def _short_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS + 1:
        raise _NumberError(f"a number of more than {MAX_DIGITS} digits")
    return int(digits)


# Python's limit may have been lifted; the hook costs time, so it is used only then.
_INTEGERS: Final = None if 0 < sys.get_int_max_str_digits() <= MAX_DIGITS else _short_int
ANY_JSON: Final = json.JSONDecoder(parse_int=_INTEGERS)
_COMPUTED: Final = json.JSONDecoder(parse_int=_whole_within, parse_float=_within, parse_constant=_no_constant)
