"""Writing files that somebody else may have a hand in: nothing is written through what lies at a name already.

What is written goes to a new file of an unpredictable name in the same folder, which takes the place of the target when
it is whole: a link or another name of a file there loses its name to it, and what it led to stays as it was. Secrets of
this user's are replaced by `***` on the way (see `redaction`).
"""

from __future__ import annotations

import contextlib
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
"""Links that the system makes to files that are open; whoever types one means that file."""


def check_output(path: Path, option: str = "`out`", *, typed: bool = True) -> None:
    """Refuse a place that no file can be written to, before any work is done for it.

    What is no plain file is refused, but for a pipe or a character device that the user typed, and /dev/stdout and its
    like. A link that the user typed stands for a file beside or below it; any other link is refused.

    Args:
        path: Where the file is to be.
        option: How the user names another, for the message.
        typed: The user typed the path; else it is a default, beside files that may be anyone's.

    Raises:
        UserError: A link, a folder or a device is there.
    """
    if not (typed and _is_channel(path)):
        _place(path, option, typed)


@contextmanager
def replacing(path: Path, option: str = "`out`", *, typed: bool = True) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` at the end, or is gone where that is not reached.

    Args:
        path: Where the file is to be.
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
    # Not named after the target, whose name may be as long as names can be.
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
    """Refuse a place that no folder can take, before any work is done for it; links as in `check_output`.

    Raises:
        UserError: A link or a file is there, or the folder that it is to be in is missing.
        MachineError: That folder cannot be written.
    """
    _folder_place(path, option, typed)


@contextmanager
def replacing_folder(path: Path, option: str = "`out`", *, typed: bool = True) -> Iterator[Path]:
    """A new folder that takes the place of `path` at the end, or is gone where that is not reached.

    What is there is removed only then; whether it may be is for the caller to know. What a killed process has left of
    an earlier try is removed too.

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
            # Where a file system has no locks, what a killed process leaves stays there.
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
    """The file that is to be replaced, which is not a link."""
    target = _unlinked(path, option, typed)
    try:
        mode = target.lstat().st_mode
    except OSError:
        return target
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} is no plain file, which what is written would replace; name another with {option}")
    return target


def _folder_place(path: Path, option: str, typed: bool) -> Path:
    """The folder that is to be replaced, which is not a link."""
    target = _unlinked(path, option, typed)
    if target.exists() and not target.is_dir():
        raise UserError(f"{path} is a file; name a folder with {option}")
    if not target.parent.is_dir():
        raise UserError(f"there is no folder {target.parent}; make it, or name another with {option}")
    if not os.access(target.parent, os.W_OK):
        raise MachineError(f"the folder {target.parent} cannot be written; name another with {option}")
    return target


def _unlinked(path: Path, option: str, typed: bool) -> Path:
    """A path with its links followed, those above it freely, since the user named them or works there."""
    if not path.is_symlink():
        # Resolved without the name itself, which may have become a link since.
        return path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name
    try:
        target, folder = path.resolve(), path.parent.resolve()
    except (OSError, RuntimeError):
        raise UserError(f"{path} is a symbolic link to itself; name another with {option}") from None
    # Whoever laid a link that leads away decided what is lost there; a stranger's archive may hold one.
    if typed and target.is_relative_to(folder):
        return target
    raise UserError(
        f"{path} is a symbolic link to {target}, which is not written through it; name that itself, or another, with "
        f"{option}"
    )


def _is_channel(path: Path) -> bool:
    """Whether a path is a pipe or a character device, or a link of the system's to a file that is open."""
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
    # Without name and time, so that the same rows make the same bytes.
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
            f"cannot write {path} ({error.strerror or error}); make room or mend the permissions, or name another with "
            f"{option}"
        ) from None
