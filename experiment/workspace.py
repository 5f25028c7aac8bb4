"""The store of an experiment: the one named, or that of the working folder, which may be anybody's."""

from __future__ import annotations

import functools
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .._util.progress import notice
from ..errors import UserError
from ..sampler.merging import merge_stores
from ..sampler.signing import VARIABLE, user_key
from ..sampler.store import open_store
from ..settings import DEFAULT_STORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._util.progress import Progress
    from ..sampler.merging import Merged
    from ..sampler.store import Store


@contextmanager
def open_workspace(store: str | None) -> Iterator[Store]:
    """Open the store named, or that of the working folder, for as long as the block lasts.

    Anything in it that is not this user's is told as a notice, each kind once.

    Raises:
        UserError: The working folder's store is a link or no plain file, or not one of codebudget's.
        MachineError: It cannot be made, read or written.
    """
    if store is None:
        _check_default()
    key = user_key()
    if key.lacking is not None:
        _notice_once(
            f"your key cannot be kept ({key.lacking}), so the next command will treat what this one stores as "
            f"somebody else's; set {VARIABLE} to a persistent file outside the working folder"
        )
    with open_store(store or DEFAULT_STORE, named=store is not None, key=key.secret, notice=_notice_once) as opened:
        yield opened


def merge_into(store: str | None, stores: Sequence[Path], progress: Progress) -> Merged:
    """Make the store named, or that of the working folder, of several others; see `merging.merge_stores`.

    Raises:
        UserError: As `open_workspace` and `merge_stores`.
        MachineError: As `merge_stores`.
    """
    if store is None:
        _check_default()
    return merge_stores(
        stores, Path(store or DEFAULT_STORE), key=user_key().secret, notice=_notice_once, progress=progress
    )


def _check_default() -> None:
    """Refuse a working folder in which the store's names lead elsewhere."""
    file = Path(DEFAULT_STORE)
    beside = [file.with_name(file.name + ending) for ending in ("", "-wal", "-shm", "-journal")]
    for path in (file.parent, *beside):
        try:
            found = path.lstat()
        except OSError:
            continue
        if stat.S_ISLNK(found.st_mode):
            raise UserError(f"{path} is a symbolic link, which is not followed; choose another file with `store`")
        if path != file.parent and not stat.S_ISREG(found.st_mode):
            raise UserError(f"{path} is not a regular file; move it away, or choose another one with `store`")
        if path != file.parent and found.st_nlink > 1:
            raise UserError(f"{path} has hard links under other names; choose another file with `store`, or copy it")


@functools.cache
def _notice_once(line: str) -> None:
    notice(line)
