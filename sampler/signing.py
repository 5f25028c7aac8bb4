"""This user's own key, and the proofs it puts on the rows of a store.

Whoever can write into a folder can put a store there. A store is believed row by row, where the row carries a proof
that only this user's key makes: verdicts and programs that somebody else made up are made again.
"""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
import stat
from pathlib import Path
from typing import Final, NamedTuple

from ..errors import UserError

VARIABLE: Final = "CODEBUDGET_KEY_FILE"
"""Environment variable that names the key file."""

_OWNER_BYTES: Final = 8
_PROOF_BYTES: Final = 16
_LEAST_BYTES: Final = 32
_MOST_BYTES: Final = 1 << 16


class UserKey(NamedTuple):
    """This user's key. `lacking` says why it lasts only as long as this process, if so."""

    secret: bytes
    lacking: str | None = None


class Signer:
    """Maker of proofs of rows with a key, which tells whose a proof is.

    A proof is keyed BLAKE2b over all values of a row, after a mark of the key that reveals nothing of it.
    """

    def __init__(self, secret: bytes) -> None:
        key = hashlib.blake2b(secret).digest()
        self.owner: Final = hashlib.blake2b(b"owner", key=key, digest_size=_OWNER_BYTES).digest()
        self._keyed = hashlib.blake2b(key=key, digest_size=_PROOF_BYTES)

    def proof(self, *values: object) -> bytes:
        """Prove a row of numbers, texts and None."""
        state = self._keyed.copy()
        # `ascii` writes different values differently, and alike in every version of Python.
        state.update(ascii(values).encode("ascii"))
        return self.owner + state.digest()

    def proof_of_text(self, head: tuple[object, ...], text: str, blob: bytes) -> bytes:
        """Prove a row of numbers, texts and None with a long text and bytes."""
        state = self._keyed.copy()
        encoded = text.encode("utf-8", "surrogatepass")
        # The lengths come first, so that no part can be taken for the next.
        state.update(ascii((head, len(encoded), len(blob))).encode("ascii") + encoded + blob)
        return self.owner + state.digest()

    def proof_behind(self, proof: bytes, maker: str, text: str) -> bytes:
        """Prove what a maker took out of another proof's row."""
        state = self._keyed.copy()
        state.update(b"behind" + proof + f"{len(maker)}:{maker}{text}".encode("utf-8", "surrogatepass"))
        return self.owner + state.digest()

    def is_own(self, proof: object) -> bool:
        """Whether a proof claims to be by this key. Its fit to its row remains to be checked."""
        return isinstance(proof, bytes) and proof.startswith(self.owner)


def user_key() -> UserKey:
    """Read this user's key, or make one if none exists.

    It is in the file that CODEBUDGET_KEY_FILE names, or in `codebudget/store.key` under $XDG_STATE_HOME or
    ~/.local/state, never in the working folder. Where no file can be kept, the key is for this process only.

    Raises:
        UserError: The named file cannot be used, or others may read the existing one.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if not os.path.isabs(named):
            raise UserError(
                f"{VARIABLE}={named}: give the absolute path of the key file, since a relative one depends on the "
                "folder"
            )
        return _named_key(Path(named))
    state = os.environ.get("XDG_STATE_HOME", "")
    folder = state if os.path.isabs(state) else os.path.join(os.path.expanduser("~"), ".local", "state")
    if not os.path.isabs(folder):
        return UserKey(_passing(), "HOME is not set")
    return _own_key(Path(folder, "codebudget", "store.key"))


@functools.cache
def _named_key(path: Path) -> UserKey:
    try:
        return UserKey(_read(path) or _made(path))
    except OSError as error:
        raise UserError(f"{VARIABLE}={path}: cannot be used ({error.strerror or error}); choose another file") from None


@functools.cache
def _own_key(path: Path) -> UserKey:
    try:
        known = _read(path)
        if known is None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            known = _made(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise UserError(f"{path}: other users can read the key that marks stores as yours: chmod 600 {path}")
    except OSError as error:
        return UserKey(_passing(), f"{path} cannot be kept: {error.strerror or error}")
    return UserKey(known)


@functools.cache
def _passing() -> bytes:
    """Make an unkept key."""
    return secrets.token_bytes(_LEAST_BYTES)


def _read(path: Path) -> bytes | None:
    """Read a file; None where there is none."""
    try:
        # Do not wait if it is a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        is_plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
        secret = file.read(_MOST_BYTES).strip() if is_plain else b""
    if len(secret) < _LEAST_BYTES:
        raise UserError(
            f"{path} contains no key of at least {_LEAST_BYTES} bytes; move it away, and a new one will be made"
        )
    return secret


def _made(path: Path) -> bytes:
    """Make a new key in a new file, or read one that another process made since."""
    secret = secrets.token_hex(_LEAST_BYTES).encode()
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret + b"\n")
            file.flush()
            os.fsync(descriptor)
        # Unlike a rename, a link never replaces an existing key.
        os.link(partial, path)
    except FileExistsError:
        return _read(path) or secret
    except OSError:
        # File system without links.
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return secret
