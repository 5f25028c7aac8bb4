"""Writing files where somebody else may interfere: nothing is written through whatever already has the name.

Output goes to a new file with an unpredictable name in the same folder, which replaces the target once complete: a
link there, soft or hard, loses its name to it, and what it led to stays as it was. This user's secrets are replaced by
`***` on the way (see `redaction`).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gzip
import json
import os
import re
import secrets
import shutil
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

from ..errors import MachineError, UserError
from .redaction import redactor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_STDOUT: Final = frozenset({"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
_OPEN_FILE: Final = re.compile(r"/dev/stderr|/(dev|proc/self|proc/\d+)/fd/\d+", re.ASCII)
"""System links to open files; whoever types one means that file."""


def check_output(path: Path, option: str = "`out`", *, typed: bool = True) -> None:
    """Refuse a path that no file can be written to, before any work is done.

    Anything but a plain file is refused, except a pipe or a character device that the user typed, and /dev/stdout and
    the like. A link that the user typed may stand for a file beside or below it; any other link is refused.

    Args:
        path: The file to write.
        option: How the user names another, for the message.
        typed: Whether the user typed the path; else it is a default, beside files that may be anyone's.

    Raises:
        UserError: A link, a folder or a device is there.
    """
    if not (typed and _is_channel(path)):
        _place(path, option, typed)


@contextmanager
def replacing(path: Path, option: str = "`out`", *, typed: bool = True) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` at the end, or is deleted if that is not reached.

    Args:
        path: The file to write.
        option: How the user names another, for messages.
        typed: As `check_output`.

    Raises:
        UserError: As `check_output`.
        MachineError: The file cannot be written.
    """
    if typed and _is_channel(path):
        with _explained(path, option), _channel(path) as file:
            yield file
        return
    target = _place(path, option, typed)
    # Not named after the target, whose name may already have the maximum length.
    partial = target.with_name(f".codebudget-{secrets.token_hex(8)}.partial")
    with _explained(path, option):
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str, option: str = "`out`", *, typed: bool = True) -> None:
    """Write a whole text file, as `replacing`."""
    with replacing(path, option, typed=typed) as file:
        file.write(redactor().data(text.encode("utf-8", "surrogatepass")))


def write_rows(path: Path, rows: Iterable[object], option: str = "`out`", *, typed: bool = True) -> int:
    """Write JSON Lines, gzip where the name ends in `.gz`, as `replacing`; returns the number of rows."""
    count, redact = 0, redactor().data
    with replacing(path, option, typed=typed) as raw, _packed(path, raw) as file:
        for row in rows:
            file.write(redact(json.dumps(row).encode() + b"\n"))
            count += 1
    return count


def check_output_folder(path: Path, option: str = "`out`", *, typed: bool = True) -> None:
    """Refuse a path where no folder can go, before any work is done; links as in `check_output`.

    Raises:
        UserError: A link or a file is there, or the parent folder is missing.
        MachineError: The parent folder cannot be written.
    """
    _folder_place(path, option, typed)


@contextmanager
def replacing_folder(path: Path, option: str = "`out`", *, typed: bool = True) -> Iterator[Path]:
    """Make a new folder that replaces `path` at the end, or is deleted if that is not reached.

    What is there is removed only then; the caller decides whether it may be. Leftovers of an earlier try by a killed
    process are removed too.

    Raises:
        UserError: As `check_output_folder`.
        MachineError: As `check_output_folder`, or the folder cannot be written.
    """
    target = _folder_place(path, option, typed)
    with _explained(path, option):
        _remove_leftovers(target)
        partial = target.with_name(f".{target.name}.{secrets.token_hex(8)}.partial")
        aside = partial.with_suffix(".replaced")
        partial.mkdir()
        lock = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            # Where a file system has no locks, a killed process's leftovers stay there.
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield partial
            if target.is_dir():
                target.rename(aside)
            partial.rename(target)
        finally:
            os.close(lock)
            for leftover in (partial, aside):
                shutil.rmtree(leftover, ignore_errors=True)


def _place(path: Path, option: str, typed: bool) -> Path:
    """Resolve the file to replace, which is not a link."""
    target = _unlinked(path, option, typed)
    try:
        mode = target.lstat().st_mode
    except OSError:
        return target
    if not stat.S_ISREG(mode):
        raise UserError(
            f"{path} is not a regular file and would be replaced by the output; choose another with {option}"
        )
    return target


def _folder_place(path: Path, option: str, typed: bool) -> Path:
    """Resolve the folder to replace, which is not a link."""
    target = _unlinked(path, option, typed)
    if target.exists() and not target.is_dir():
        raise UserError(f"{path} is a file; choose a folder with {option}")
    if not target.parent.is_dir():
        raise UserError(f"the folder {target.parent} does not exist; create it, or choose another with {option}")
    if not os.access(target.parent, os.W_OK):
        raise MachineError(f"the folder {target.parent} is not writable; choose another with {option}")
    return target


def _unlinked(path: Path, option: str, typed: bool) -> Path:
    """Follow a path's links, those above it freely, since the user named them or works there."""
    if not path.is_symlink():
        # Resolve all but the last name, which may have become a link since.
        return path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name
    try:
        path.stat()
    except OSError as error:
        # `resolve` itself raises for a loop up to Python 3.12 only.
        if error.errno == errno.ELOOP:
            raise UserError(f"{path} is a symbolic link to itself; choose another with {option}") from None
    target, folder = path.resolve(), path.parent.resolve()
    # A link that leads away lets its author choose what gets overwritten; a stranger's archive may hold one.
    if typed and target.is_relative_to(folder):
        return target
    raise UserError(
        f"{path} is a symbolic link to {target}, and output does not follow links; give the target itself, or "
        f"another file, with {option}"
    )


def _is_channel(path: Path) -> bool:
    """Whether a path is a pipe, a character device, or a system link to an open file."""
    if _OPEN_FILE.fullmatch(str(path)) or str(path) in _STDOUT:
        return True
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


@contextmanager
def _channel(path: Path) -> Iterator[BinaryIO]:
    buffer = getattr(sys.stdout, "buffer", None) if str(path) in _STDOUT else None
    if buffer is None:
        with path.open("wb") as file:
            yield file
        return
    sys.stdout.flush()
    yield buffer
    buffer.flush()


@contextmanager
def _packed(path: Path, raw: BinaryIO) -> Iterator[BinaryIO | gzip.GzipFile]:
    if path.suffix != ".gz":
        yield raw
        return
    # No name or time, so that the same rows make the same bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
        yield file


def _remove_leftovers(path: Path) -> None:
    """Remove what processes that are gone have left beside a folder; a live one holds a lock on its own."""
    ours = re.compile(rf"\.{re.escape(path.name)}(\.[0-9a-f]{{16}})?\.(partial|replaced)")
    for entry in path.parent.iterdir():
        if ours.fullmatch(entry.name) and entry.is_dir() and not entry.is_symlink():
            with contextlib.suppress(OSError):
                lock = os.open(entry, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(entry, ignore_errors=True)
                finally:
                    os.close(lock)


@contextmanager
def _explained(path: Path, option: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise MachineError(
            f"cannot write {path} ({error.strerror or error}); free some space, fix the permissions, or choose "
            f"another with {option}"
        ) from None
