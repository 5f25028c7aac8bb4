"""Plain data across a border that is not trusted.

`encode` runs beside the candidate and takes exact builtin values out of whatever it is given: an instance of a
subclass crosses as its base value, so that no method of the candidate's classes ever runs in the tester. `decode` runs
in the tester and bounds depth, item count, digits and size; it builds builtin objects and nothing else.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any, Callable, Iterator

MAX_DEPTH = 100
MAX_ITEMS = 1_000_000
MAX_INT_BYTES = 1 << 20
MAX_DRAINED = 100_000
"""Most items taken out of an iterator or generator."""

_LENGTH = struct.Struct("!I")
_SMALL_INT = struct.Struct("!q")
_FLOAT = struct.Struct("!d")
_COMPLEX = struct.Struct("!dd")

_NONE, _TRUE, _FALSE, _SMALL, _BIG, _REAL, _COMPLEX_TAG, _TEXT, _BYTES = b"NTFiIfcsb"
_LIST, _TUPLE, _DICT, _SET, _FROZENSET, _ITERATOR = b"[({SZg"


class CannotCrossError(Exception):
    """A value that plain data cannot carry."""


class MalformedError(Exception):
    """Bytes that no honest `encode` makes."""


class Drained:
    """What a generator or iterator yielded; the other side sees an iterator again."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items


def encode(value: Any) -> bytes:
    """The bytes of `value`.

    Raises:
        CannotCrossError: it holds something else than plain data, or too much of it.
    """
    parts: list[bytes] = []
    budget = [MAX_ITEMS]
    _encode(value, parts, MAX_DEPTH, budget)
    return b"".join(parts)


def _encode(value: Any, parts: list[bytes], depth: int, budget: list[int]) -> None:
    budget[0] -= 1
    if budget[0] < 0:
        raise CannotCrossError(f"more than {MAX_ITEMS} items")
    if depth == 0:
        raise CannotCrossError(f"nested deeper than {MAX_DEPTH} levels, or within itself")
    # The type and not isinstance, which believes an object's own __class__.
    kind = type(value)
    if value is None:
        parts.append(b"N")
    elif value is True:
        parts.append(b"T")
    elif value is False:
        parts.append(b"F")
    elif issubclass(kind, int):
        _encode_int(int.__add__(value, 0), parts)
    elif issubclass(kind, float):
        parts.append(b"f" + _FLOAT.pack(float.__pos__(value)))
    elif issubclass(kind, str):
        _encode_text(str.__getitem__(value, slice(None)), parts)
    elif issubclass(kind, (list, tuple, set, frozenset)):
        _encode_sequence(value, parts, depth, budget)
    elif issubclass(kind, dict):
        items = list(dict.items(value))
        parts.append(b"{" + _LENGTH.pack(len(items)))
        for key, item in items:
            _encode(key, parts, depth - 1, budget)
            _encode(item, parts, depth - 1, budget)
    elif issubclass(kind, (bytes, bytearray)):
        data = bytes(memoryview(value))
        parts.append(b"b" + _LENGTH.pack(len(data)) + data)
    elif issubclass(kind, complex):
        exact = complex.__pos__(value)
        parts.append(b"c" + _COMPLEX.pack(exact.real, exact.imag))
    elif kind is Drained or hasattr(kind, "__next__"):
        items = value.items if kind is Drained else _drain(value)
        parts.append(b"g" + _LENGTH.pack(len(items)))
        for item in items:
            _encode(item, parts, depth - 1, budget)
    else:
        raise CannotCrossError(f"a value of type {kind.__name__}")


def _encode_int(value: int, parts: list[bytes]) -> None:
    if -(1 << 63) <= value < 1 << 63:
        parts.append(b"i" + _SMALL_INT.pack(value))
        return
    length = value.bit_length() // 8 + 1
    if length > MAX_INT_BYTES:
        raise CannotCrossError(f"an integer of {length} bytes")
    parts.append(b"I" + _LENGTH.pack(length) + value.to_bytes(length, "big", signed=True))


def _encode_text(value: str, parts: list[bytes]) -> None:
    try:
        data = value.encode("utf-8")
    except UnicodeEncodeError:
        raise CannotCrossError("a string with a lone surrogate") from None
    parts.append(b"s" + _LENGTH.pack(len(data)) + data)


def _encode_sequence(value: Any, parts: list[bytes], depth: int, budget: list[int]) -> None:
    bases: tuple[tuple[Any, bytes], ...] = ((list, b"["), (tuple, b"("), (set, b"S"), (frozenset, b"Z"))
    for base, tag in bases:
        if issubclass(type(value), base):
            items = list(base.__iter__(value))
            parts.append(tag + _LENGTH.pack(len(items)))
            for item in items:
                _encode(item, parts, depth - 1, budget)
            return


def _drain(iterator: Any) -> list[Any]:
    items: list[Any] = []
    for item in iterator:
        if len(items) == MAX_DRAINED:
            raise CannotCrossError(f"an iterator of more than {MAX_DRAINED} items")
        items.append(item)
    return items


def decode(data: bytes) -> Any:
    """The value of `data`, made of builtin objects alone.

    Raises:
        MalformedError: the bytes are not those of one value within the limits.
    """
    reader = _Reader(data)
    value = reader.value(MAX_DEPTH)
    if reader.position != len(data):
        raise MalformedError("bytes after the value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.items_left = MAX_ITEMS

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise MalformedError("cut short")
        chunk = self.data[self.position : end]
        self.position = end
        return chunk

    def length(self) -> int:
        (length,) = _LENGTH.unpack(self.take(4))
        if length > len(self.data) - self.position:
            raise MalformedError("a length beyond the end")
        return int(length)

    def value(self, depth: int) -> Any:
        self.items_left -= 1
        if depth == 0 or self.items_left < 0:
            raise MalformedError("too deep or too many items")
        tag = self.take(1)[0]
        if tag == _SMALL:
            return _SMALL_INT.unpack(self.take(8))[0]
        if tag == _TEXT:
            try:
                return self.take(self.length()).decode("utf-8")
            except UnicodeDecodeError:
                raise MalformedError("text that is not UTF-8") from None
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag == _REAL:
            return _FLOAT.unpack(self.take(8))[0]
        if tag in _COLLECTIONS:
            return _COLLECTIONS[tag]([self.value(depth - 1) for _ in range(self.length())])
        if tag == _DICT:
            return self.mapping(depth)
        if tag in (_SET, _FROZENSET):
            return self.unordered(depth, set if tag == _SET else frozenset)
        if tag == _BIG:
            length = self.length()
            if length > MAX_INT_BYTES:
                raise MalformedError("an integer beyond the limit")
            return int.from_bytes(self.take(length), "big", signed=True)
        if tag == _BYTES:
            return self.take(self.length())
        if tag == _COMPLEX_TAG:
            return complex(*_COMPLEX.unpack(self.take(16)))
        raise MalformedError("an unknown tag")

    def mapping(self, depth: int) -> dict[Any, Any]:
        try:
            return {self.value(depth - 1): self.value(depth - 1) for _ in range(self.length())}
        except TypeError:
            raise MalformedError("an unhashable key") from None

    def unordered(self, depth: int, kind: Callable[[list[Any]], Any]) -> Any:
        items = [self.value(depth - 1) for _ in range(self.length())]
        try:
            return kind(items)
        except TypeError:
            raise MalformedError("an unhashable member") from None


def _iterator(items: list[Any]) -> Iterator[Any]:
    return iter(items)


_CONSTANTS: dict[int, Any] = {_NONE: None, _TRUE: True, _FALSE: False}
_COLLECTIONS: dict[int, Callable[[list[Any]], Any]] = {_LIST: list, _TUPLE: tuple, _ITERATOR: _iterator}


def canonical(value: Any) -> str:
    """A text that is the same for equal plain values: sets and dicts in sorted order, 1.0 and True as 1.

    NaN is like itself.
    A text of more than 256 characters is cut and carries its SHA-256.
    """
    text = _canonical(value, MAX_DEPTH)
    if len(text) <= 256:
        return text
    return text[:180] + "...sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _canonical(value: Any, depth: int) -> str:
    if depth == 0:
        raise CannotCrossError(f"nested deeper than {MAX_DEPTH} levels")
    if type(value) is bool or (type(value) is float and value.is_integer()):
        value = int(value)
    if type(value) is int and value.bit_length() > 1024:
        return hex(value)
    if type(value) in (list, tuple):
        inner = ", ".join(_canonical(item, depth - 1) for item in value)
        return f"[{inner}]" if type(value) is list else f"({inner},)"
    if type(value) in (set, frozenset):
        return "{" + ", ".join(sorted(_canonical(item, depth - 1) for item in value)) + "}"
    if type(value) is dict:
        pairs = (f"{_canonical(key, depth - 1)}: {_canonical(item, depth - 1)}" for key, item in value.items())
        return "dict{" + ", ".join(sorted(pairs)) + "}"
    if hasattr(type(value), "__next__"):
        return "iterator" + _canonical(list(value), depth - 1)
    return repr(value)
