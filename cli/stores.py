"""`--store FILE`: the store that was named, or the one of the working folder, which may be anybody's."""

from __future__ import annotations

import functools
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UserError
from .progress import warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..sampler.store import Store

DEFAULT_STORE = ".codebudget/store.sqlite"

StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="FILE", help="Where samples and verdicts are kept.", show_default=DEFAULT_STORE),
]


@contextmanager
def open_workspace(store: str | None) -> Iterator[Store]:
    """The store of `--store`, or of the working folder, for as long as the block lasts.

    What in it is not this user's is said on standard error, each kind once in a command.

    Raises:
        UserError: The working folder's store is a link or no plain file, or it is none of codebudget's.
        MachineError: It cannot be made, read or written.
    """
    from ..sampler.signing import VARIABLE, user_key
    from ..sampler.store import open_store

    if store is None:
        _check_default()
    key = user_key()
    if key.lacking is not None:
        _warn_once(
            f"no key of yours can be kept ({key.lacking}), so that the next command will take what this one stores for "
            f"a stranger's; set {VARIABLE} to a file that lasts, outside the working folder"
        )
    with open_store(store or DEFAULT_STORE, named=store is not None, key=key.secret, notice=_warn_once) as opened:
        yield opened


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
            raise UserError(f"{path} is a symbolic link, which is not followed; name the store with --store FILE")
        if path != file.parent and not stat.S_ISREG(found.st_mode):
            raise UserError(f"{path} is no plain file; move it away, or name a store with --store FILE")
        if path != file.parent and found.st_nlink > 1:
            raise UserError(f"{path} has other names, hard links; name the store with --store FILE, or copy it")


@functools.cache
def _warn_once(line: str) -> None:
    warn(line)
