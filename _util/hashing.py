"""Keys that name a thing by what made it: SHA-256 over typed, length-prefixed parts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pydantic_core import to_json

from ..records import LATER, Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

KeyPart = str | bytes | int | float | None


def key_of(*parts: KeyPart) -> str:
    """Hash some parts: SHA-256 as 64 hexadecimal digits.

    Every part is hashed with its type and length, so different parts never make the same key: `("ab", "c")`,
    `("a", "bc")`, `("abc",)`, and `1`, `1.0`, `True` and `"1"` all differ.

    Args:
        parts: Texts, bytes, numbers, booleans or None, in an order fixed by the caller.

    Returns:
        The digest in hexadecimal.
    """
    return hashlib.sha256(_bytes_of(parts)).hexdigest()


class KeysAround:
    """Keys of texts between the same parts: `KeysAround(a, b).key(text)` is `key_of(*a, text, *b)`."""

    def __init__(self, before: Iterable[KeyPart], after: Iterable[KeyPart] = ()) -> None:
        self._state = hashlib.sha256(_bytes_of(before))
        self._after = _bytes_of(after)

    def key(self, text: str) -> str:
        """Hash the parts with a text between them."""
        state = self._state.copy()
        state.update(_bytes_of((text,)) + self._after)
        return state.hexdigest()


def record_text(record: Record, fields: Collection[str] | None = None) -> str:
    """Write a record for a key: compact JSON, fields in order, `schema_version` first in every record.

    Args:
        record: The record; a change of any field makes another text. Fields marked `LATER` are left out at their
            default.
        fields: Only these fields of the record itself, and no version there; all if None.
    """
    return to_json(_versioned(record, fields), inf_nan_mode="null").decode()


def key_of_files(paths: Iterable[Path]) -> str:
    """Hash some files' bytes as `key_of` does, holding none whole.

    Raises:
        OSError: One cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            left = path.stat().st_size
            digest.update(b"b%d:" % left)
            while left and (data := file.read(min(left, 1 << 20))):
                digest.update(data)
                left -= len(data)
    return digest.hexdigest()


def _versioned(value: object, fields: Collection[str] | None = None) -> object:
    if isinstance(value, Record):
        members = {
            name: getattr(value, name)
            for name, field in type(value).model_fields.items()
            if (fields is None or name in fields)
            and not (LATER in field.metadata and getattr(value, name) == field.default)
        }
        return {name: _versioned(member) for name, member in members.items()}
    if isinstance(value, dict):
        return {key: _versioned(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_versioned(item) for item in value]
    return value


def _bytes_of(parts: Iterable[KeyPart]) -> bytes:
    found = []
    for part in parts:
        if type(part) is str and part.isascii():
            # As below, in half the time.
            found.append(f"s{len(part)}:{part}".encode())
            continue
        tag, data = _encoded(part)
        found.append(b"%b%d:%b" % (tag, len(data), data))
    return b"".join(found)


def _encoded(part: KeyPart) -> tuple[bytes, bytes]:
    if isinstance(part, str):
        return b"s", part.encode("utf-8", "surrogatepass")
    if isinstance(part, bytes):
        return b"b", part
    if part is None:
        return b"n", b""
    if isinstance(part, bool):
        return b"t", b"1" if part else b"0"
    if isinstance(part, int):
        return b"i", str(part).encode()
    return b"f", float(part).hex().encode()
