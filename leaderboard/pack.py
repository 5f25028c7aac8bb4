"""A run as one archive: the same run makes the same bytes, and only the files of a run come out."""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from typing import TYPE_CHECKING, Final

from .._util.outputs import check_output_folder, replacing, replacing_folder
from ..errors import UserError
from . import files
from .reading import RunFolder

if TYPE_CHECKING:
    import io
    from pathlib import Path

ENDING: Final = ".tar.gz"
MAX_BYTES: Final = 8 << 30
MAX_RATIO: Final = 100
FREE_BYTES: Final = 16 << 20
"""An archive may come to `MAX_BYTES`, and past `FREE_BYTES` to no more than `MAX_RATIO` times its own size."""

_BLOCK: Final = tarfile.BLOCKSIZE
_PORTION: Final = 1 << 20


def pack(run: Path, archive: Path, *, typed: bool = True) -> None:
    """Write a run to an archive: its files alone, without times, owners or folders.

    Args:
        run: A run directory.
        archive: The file to write.
        typed: The user typed its name; else it is the default.

    Raises:
        UserError: It is not a whole run, a file of it is not a plain file, the archive's name has another ending,
            or `check_output` refuses it.
        MachineError: The archive cannot be written.
    """
    if not archive.name.endswith(ENDING):
        raise UserError(f"{archive}: an archive's name must end in {ENDING}")
    folder = RunFolder(run)
    lacking = folder.lacking()
    if lacking:
        raise UserError(f"{run} is not a complete run: it lacks {', '.join(lacking)}; make the run again")
    with (
        replacing(archive, typed=typed) as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in folder.there():
            member = tarfile.TarInfo(name)
            member.mode = 0o644
            with folder.open(name) as file:
                member.size = os.fstat(file.fileno()).st_size
                tar.addfile(member, file)


def unpack(archive: Path, out: Path, *, typed: bool = True) -> None:
    """Take a run out of an archive that a stranger made.

    Only plain files named as in a run are accepted, each once: no folder, link, device or path. Sizes are checked while
    reading. The folder appears once it is complete.

    Args:
        archive: The file.
        out: The folder to make.
        typed: The user typed its name; else it is the default.

    Raises:
        UserError: It is no such archive, or `out` already exists.
        MachineError: The files cannot be written.
    """
    check_output_folder(out, typed=typed)
    if os.path.lexists(out):
        raise UserError(f"{out} already exists; choose another folder with `out` DIR")
    with replacing_folder(out, typed=typed) as folder:
        _extract(archive, folder)


class _Stream:
    """An archive's decompressed bytes, within the bounds of an archive."""

    def __init__(self, archive: Path, raw: io.BufferedReader) -> None:
        self._archive, self._raw = archive, raw
        self._unzipped = gzip.GzipFile(fileobj=raw)
        self._total = 0

    def read(self, size: int) -> bytes:
        """Read exactly `size` bytes, at most a portion."""
        try:
            data = self._unzipped.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self.refused(f"it is damaged ({error})") from None
        if len(data) < size:
            raise self.refused("it is truncated")
        self._total += len(data)
        if self._total > MAX_BYTES or self._total > FREE_BYTES + MAX_RATIO * self._raw.tell():
            raise self.refused("it unpacks to more than a run may take")
        return data

    def refused(self, why: str) -> UserError:
        """Make the error that nothing came out."""
        return UserError(f"{self._archive} is not an archive of a run: {why}; nothing was unpacked")


def _extract(archive: Path, folder: Path) -> None:
    try:
        # Whoever names a link means its target.
        whole = archive.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "its links lead nowhere"
        raise UserError(f"cannot read {archive} ({reason}); give an archive of a run") from None
    with files.open_file(whole) as raw:
        stream = _Stream(archive, raw)
        seen: set[str] = set()
        while any(header := stream.read(_BLOCK)):
            member = _member(header, stream)
            if member.name in seen:
                raise stream.refused(f"it contains {member.name} twice")
            seen.add(member.name)
            with (folder / member.name).open("xb") as file:
                left = member.size
                while left:
                    portion = stream.read(min(left, _PORTION))
                    file.write(portion)
                    left -= len(portion)
            stream.read(-member.size % _BLOCK)
        lacking = [name for name in files.NAMES if name not in seen]
        if lacking:
            raise stream.refused(f"it lacks {', '.join(lacking)}")


def _member(header: bytes, stream: _Stream) -> tarfile.TarInfo:
    """Parse one header; refuse all but plain files of a run: long names and other extensions too."""
    try:
        member = tarfile.TarInfo.frombuf(header, "ascii", "backslashreplace")
    except tarfile.HeaderError as error:
        raise stream.refused(f"a header is invalid ({error})") from None
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.name not in files.KNOWN:
        raise stream.refused(f"{member.name!a} does not belong to a run")
    if not 0 <= member.size <= files.MOST_BYTES[member.name]:
        raise stream.refused(f"{member.name} is larger than this file of a run may be")
    return member
