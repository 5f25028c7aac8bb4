"""Texts packed as LiveCodeBench packs its private tests: pickled, compressed by zlib, in base64.

Nothing is unpickled. A pickle is a program for a small machine; the only one accepted here pushes one text and stops,
and the text is read off its instructions without running them.
"""

from __future__ import annotations

import base64
import binascii
import pickletools
import zlib
from typing import Final

from ..._util.bounded import MIB
from .reading import UnfitError

FREE_BYTES: Final = 256 * MIB
MAX_RATIO: Final = 100
"""Most that tests may expand to: `FREE_BYTES` plus `MAX_RATIO` times their compressed size."""

_STRINGS: Final = frozenset({"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
_IDLE: Final = frozenset({"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"})
"""Instructions that name a version, a length or a place to remember a value at, or end the pickle."""


def unpacked(text: str) -> str:
    """Unpack a text.

    Raises:
        UnfitError: It is not packed so, its pickle holds anything but one text, or it expands beyond the bound.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UnfitError("its private tests cannot be decoded: neither JSON nor base64") from None
    return _pickled_text(_expanded(data))


def _expanded(data: bytes) -> bytes:
    most = FREE_BYTES + MAX_RATIO * len(data)
    stream = zlib.decompressobj()
    try:
        expanded = stream.decompress(data, most + 1)
    except zlib.error as error:
        raise UnfitError(f"its private tests cannot be decoded: broken zlib ({error})") from None
    if len(expanded) > most:
        raise UnfitError(
            f"its private tests cannot be decoded: they expand to more than the limit of {FREE_BYTES // MIB} MiB plus "
            f"{MAX_RATIO} times their size"
        )
    if not stream.eof:
        raise UnfitError("its private tests cannot be decoded: their zlib data are cut off")
    return expanded


def _pickled_text(data: bytes) -> str:
    texts: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name in _STRINGS and not texts:
                texts.append(str(argument))
            elif opcode.name not in _IDLE:
                raise UnfitError(
                    f"its private tests cannot be decoded: their pickle holds more than one text ({opcode.name})"
                )
    except (ValueError, IndexError, EOFError, OverflowError, MemoryError) as error:
        raise UnfitError(f"its private tests cannot be decoded: broken pickle ({error})") from None
    if not texts:
        raise UnfitError("its private tests cannot be decoded: their pickle holds no text")
    return texts[0]
