"""Plain data across a border that is not trusted.

`encode` runs beside the candidate and takes exact values of builtin and standard types out of whatever it is given: an
instance of a subclass crosses as its base value, so that no method of the candidate's classes ever runs in the tester.
`decode` runs in the tester and bounds depth, item count, digits, size and the work that hashing can cost; it builds
objects of those types and nothing else. NumPy is imported only where a value needs it.
"""

from __future__ import annotations

import datetime
import decimal
import math
import re
import struct
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from fractions import Fraction
from typing import Any, Callable, Iterable

MAX_DEPTH = 100
MAX_ITEMS = 1_000_000
"""Most values of one message; each element of an array counts."""
MAX_INT_BYTES = 1 << 20
MAX_DRAINED = 100_000
"""Most items taken out of an iterator or generator."""
MAX_DECIMAL_DIGITS = 100_000
MAX_DECIMAL_EXPONENT = 1 << 20
"""Beyond every exponent that the default context makes."""
MAX_FRACTION_BYTES = 4096
"""Of either part: that a fraction is in lowest terms takes quadratic time to see."""
MAX_DIMENSIONS = 32
MAX_COMPARISONS = 50_000_000
"""Most elementary comparisons among dict keys and set members that share a hash, in one message."""

_LENGTH = struct.Struct("!I")
_SMALL_INT = struct.Struct("!q")
_FLOAT = struct.Struct("!d")
_COMPLEX = struct.Struct("!dd")
_TAGGED_INT = struct.Struct("!Bq")
_TAGGED_FLOAT = struct.Struct("!Bd")

_NONE, _TRUE, _FALSE, _BYTE, _SMALL, _BIG, _REAL, _COMPLEX_TAG, _TEXT, _BYTES = b"NTFjiIfcsb"
_LIST, _TUPLE, _DICT, _SET, _FROZENSET, _ITERATOR, _OBJECT = b"[({SZgo"
_INT_RUN, _FLOAT_RUN = b"qd"
"""In place of the items of a sequence: all of them are 64-bit integers, or floats."""
_RUN_LENGTH = 8
"""Shortest sequence that may be a run."""

_DEQUE, _COUNTER, _ORDERED, _DEFAULT, _DECIMAL, _FRACTION, _RANGE = b"qCOdDFr"
_DATE, _DATETIME, _TIME, _TIMEDELTA, _TIMEZONE, _ARRAY, _SCALAR = b"yYtTzAa"
"""Kinds of objects; the fields of one follow as values."""

_LONG = 255
"""A length from here on takes four bytes more."""


class CannotCrossError(Exception):
    """A value that plain data cannot carry."""


class MalformedError(Exception):
    """Bytes that no honest `encode` makes."""


def encode(value: Any) -> bytes:
    """The bytes of `value`.

    Raises:
        CannotCrossError: it holds something else than plain data, or too much of it.
    """
    if value is None or value is True or value is False:
        return b"N" if value is None else b"T" if value else b"F"
    if type(value) is int and -(1 << 63) <= value < 1 << 63:
        return _BYTE_INTS[value] if 0 <= value < 256 else _TAGGED_INT.pack(_SMALL, value)
    writer = _Writer()
    writer.items((value,), MAX_DEPTH)
    data = b"".join(writer.parts)
    if writer.reduced:
        # Members that their own class told apart may be equal as base values.
        try:
            decode(data)
        except MalformedError as error:
            raise CannotCrossError(f"a value that is none without its own classes: {error}") from None
    return data


def _heads(tag: int) -> list[bytes]:
    return [bytes((tag, length)) for length in range(_LONG)]


_BYTE_INTS = [bytes((_BYTE, value)) for value in range(256)]
_SHORT = {tag: _heads(tag) for tag in (_TEXT, _BYTES, _BIG, _LIST, _TUPLE, _DICT, _SET, _FROZENSET, _ITERATOR)}
_SHORT_TEXT, _SHORT_LIST, _SHORT_TUPLE = _SHORT[_TEXT], _SHORT[_LIST], _SHORT[_TUPLE]


def _head(tag: int, length: int) -> bytes:
    return _SHORT[tag][length] if length < _LONG else bytes((tag, _LONG)) + _LENGTH.pack(length)


class _Writer:
    """The bytes of one message. Values are read through the methods of the base types alone."""

    __slots__ = ("items_left", "parts", "reduced")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.items_left = MAX_ITEMS
        self.reduced = False

    def items(self, values: list[Any] | tuple[Any, ...], depth: int) -> None:
        """Write values one after another; `depth` levels of nesting are left."""
        count = len(values)
        self.items_left -= count
        if self.items_left < 0:
            raise CannotCrossError(f"more than {MAX_ITEMS} items")
        if depth == 0 and count:
            raise CannotCrossError(f"nested deeper than {MAX_DEPTH} levels, or within itself")
        append = self.parts.append
        if count >= _RUN_LENGTH and self._run(values, count):
            return
        for value in values:
            # The type and not isinstance, which believes an object's own __class__.
            kind = type(value)
            if kind is int:
                if 0 <= value < 256:
                    append(_BYTE_INTS[value])
                elif -(1 << 63) <= value < 1 << 63:
                    append(_TAGGED_INT.pack(_SMALL, value))
                else:
                    self.big_int(value)
            elif kind is str:
                try:
                    data = value.encode()
                except UnicodeEncodeError:
                    raise CannotCrossError("a string with a lone surrogate") from None
                length = len(data)
                append(_SHORT_TEXT[length] if length < _LONG else _head(_TEXT, length))
                append(data)
            elif kind is list:
                # A copy: what is drained below runs the candidate's code, which may change it.
                inner = value.copy()
                length = len(inner)
                append(_SHORT_LIST[length] if length < _LONG else _head(_LIST, length))
                self.items(inner, depth - 1)
            elif kind is tuple:
                length = len(value)
                append(_SHORT_TUPLE[length] if length < _LONG else _head(_TUPLE, length))
                self.items(value, depth - 1)
            elif kind is float:
                append(_TAGGED_FLOAT.pack(_REAL, value))
            elif value is None:
                append(b"N")
            elif value is True:
                append(b"T")
            elif value is False:
                append(b"F")
            elif kind is dict:
                self.pairs(list(value), list(value.values()), depth)
            else:
                # By identity: a metaclass of the candidate could say that its class equals a builtin one.
                (_EXACT.get(id(kind)) or self.base(kind))(self, value, depth)

    def _run(self, values: list[Any] | tuple[Any, ...], count: int) -> bool:
        kinds = set(map(type, values))
        if len(kinds) != 1:
            return False
        kind = kinds.pop()
        if kind is int:
            try:
                self.parts.append(b"q" + struct.pack(f"!{count}q", *values))
            except struct.error:
                return False
            return True
        if kind is float:
            self.parts.append(b"d" + struct.pack(f"!{count}d", *values))
            return True
        return False

    def base(self, kind: type) -> Callable[[_Writer, Any, int], None]:
        """How to write the base value of a type that is not exactly one of those that cross.

        Raises:
            CannotCrossError: it has no such base.
        """
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            if issubclass(kind, numpy.ndarray):
                return _write_array
            if issubclass(kind, numpy.generic):
                return _write_scalar
        for base, write in _BASES:
            if issubclass(kind, base):
                self.reduced = True
                return write
        if hasattr(kind, "__next__"):
            return _write_iterator
        raise CannotCrossError(f"a value of type {type.__getattribute__(kind, '__name__')}")

    def big_int(self, value: int) -> None:
        """Write an integer of more than 64 bits."""
        length = value.bit_length() // 8 + 1
        if length > MAX_INT_BYTES:
            raise CannotCrossError(f"an integer of {length} bytes")
        self.parts.append(_head(_BIG, length) + value.to_bytes(length, "big", signed=True))

    def sequence(self, tag: int, values: list[Any], depth: int) -> None:
        """Write a collection of `values`."""
        self.parts.append(_head(tag, len(values)))
        self.items(values, depth - 1)

    def pairs(self, keys: list[Any], values: list[Any], depth: int) -> None:
        """Write a dict."""
        self.parts.append(_head(_DICT, len(keys)))
        if keys:
            self.items(keys, depth - 1)
            self.items(values, depth - 1)

    def fields(self, kind: int, depth: int, *fields: Any) -> None:
        """Write an object of the standard library."""
        self.parts.append(bytes((_OBJECT, kind)))
        self.items(fields, depth - 1)


def _write_int(writer: _Writer, value: Any, depth: int) -> None:
    writer.items_left += 1
    writer.items((int.__add__(value, 0),), depth)


def _write_float(writer: _Writer, value: Any, depth: int) -> None:
    writer.items_left += 1
    writer.items((float.__pos__(value),), depth)


def _write_text(writer: _Writer, value: Any, depth: int) -> None:
    writer.items_left += 1
    writer.items((str.__getitem__(value, slice(None)),), depth)


def _write_bytes(writer: _Writer, value: Any, depth: int) -> None:
    data = bytes.__getitem__(value, slice(None))
    writer.parts.append(_head(_BYTES, len(data)) + data)


def _write_bytearray(writer: _Writer, value: Any, depth: int) -> None:
    _write_bytes(writer, bytes(bytearray.__getitem__(value, slice(None))), depth)


def _write_complex(writer: _Writer, value: Any, depth: int) -> None:
    exact = complex.__pos__(value)
    writer.parts.append(b"c" + _COMPLEX.pack(exact.real, exact.imag))


def _write_list(writer: _Writer, value: Any, depth: int) -> None:
    writer.sequence(_LIST, list(list.__iter__(value)), depth)


def _write_tuple(writer: _Writer, value: Any, depth: int) -> None:
    writer.sequence(_TUPLE, list(tuple.__iter__(value)), depth)


def _write_set(writer: _Writer, value: Any, depth: int) -> None:
    writer.sequence(_SET, list(set.__iter__(value)), depth)


def _write_frozenset(writer: _Writer, value: Any, depth: int) -> None:
    writer.sequence(_FROZENSET, list(frozenset.__iter__(value)), depth)


def _write_iterator(writer: _Writer, value: Any, depth: int) -> None:
    writer.sequence(_ITERATOR, _drain(value), depth)


def _write_dict(writer: _Writer, value: Any, depth: int) -> None:
    items = list(dict.items(value))
    writer.pairs([key for key, _ in items], [item for _, item in items], depth)


def _write_counter(writer: _Writer, value: Any, depth: int) -> None:
    writer.fields(_COUNTER, depth, dict(dict.items(value)))


def _write_ordered(writer: _Writer, value: Any, depth: int) -> None:
    # Its own order, which dict's methods do not know.
    writer.fields(_ORDERED, depth, dict(OrderedDict.items(value)))


def _write_default(writer: _Writer, value: Any, depth: int) -> None:
    # Equality does not ask for the factory, so one that cannot cross is left out and a missing key is a KeyError.
    factory = _member(defaultdict, "default_factory", value)
    name = next((name for name, kind in _FACTORIES.items() if kind is factory), None)
    writer.fields(_DEFAULT, depth, name, dict(dict.items(value)))


def _write_deque(writer: _Writer, value: Any, depth: int) -> None:
    writer.fields(_DEQUE, depth, list(deque.__iter__(value)), _member(deque, "maxlen", value))


def _write_decimal(writer: _Writer, value: Any, depth: int) -> None:
    sign, digits, exponent = decimal.Decimal.as_tuple(value)
    if len(digits) > MAX_DECIMAL_DIGITS or (type(exponent) is int and abs(exponent) > MAX_DECIMAL_EXPONENT):
        raise CannotCrossError("a Decimal of too many digits or too large an exponent")
    text = "".join(map(str, digits))
    if type(exponent) is int:
        text = f"{text}E{exponent}"
    else:
        text = "Infinity" if exponent == "F" else ("NaN" if exponent == "n" else "sNaN") + text
    writer.fields(_DECIMAL, depth, "-" * sign + text)


def _write_fraction(writer: _Writer, value: Any, depth: int) -> None:
    parts = [_member(Fraction, name, value) for name in ("_numerator", "_denominator")]
    if any(type(part) is not int or part.bit_length() > 8 * MAX_FRACTION_BYTES for part in parts):
        raise CannotCrossError("a Fraction of too many digits")
    writer.fields(_FRACTION, depth, *parts)


def _write_range(writer: _Writer, value: Any, depth: int) -> None:
    parts = [_member(range, name, value) for name in ("start", "stop", "step")]
    if not all(-(1 << 63) <= part < 1 << 63 for part in parts):
        raise CannotCrossError("a range beyond 64 bits")
    writer.fields(_RANGE, depth, *parts)


def _write_date(writer: _Writer, value: Any, depth: int) -> None:
    writer.fields(_DATE, depth, *(_member(datetime.date, name, value) for name in _DAY))


def _write_datetime(writer: _Writer, value: Any, depth: int) -> None:
    day = [_member(datetime.date, name, value) for name in _DAY]
    clock = [_member(datetime.datetime, name, value) for name in _CLOCK]
    writer.fields(_DATETIME, depth, *day, *clock, _fixed(_member(datetime.datetime, "tzinfo", value)))


def _write_time(writer: _Writer, value: Any, depth: int) -> None:
    clock = [_member(datetime.time, name, value) for name in _CLOCK]
    writer.fields(_TIME, depth, *clock, _fixed(_member(datetime.time, "tzinfo", value)))


def _write_timedelta(writer: _Writer, value: Any, depth: int) -> None:
    writer.fields(_TIMEDELTA, depth, *(_member(datetime.timedelta, name, value) for name in _SPAN))


def _write_timezone(writer: _Writer, value: Any, depth: int) -> None:
    offset, *name = datetime.timezone.__getinitargs__(value)  # type: ignore[attr-defined]
    writer.fields(_TIMEZONE, depth, offset, *(name or [None]))


def _write_array(writer: _Writer, value: Any, depth: int) -> None:
    numpy = sys.modules["numpy"]
    shape = _member(numpy.ndarray, "shape", value)
    dtype = _member(numpy.ndarray, "dtype", value).str
    if not _DTYPE.fullmatch(dtype) or len(shape) > MAX_DIMENSIONS or max(shape, default=0) > MAX_ITEMS:
        raise CannotCrossError(f"an array of dtype {dtype} and shape {shape}")
    writer.items_left -= math.prod(shape)
    if writer.items_left < 0:
        raise CannotCrossError(f"more than {MAX_ITEMS} items")
    data = numpy.ndarray.tobytes(value)
    if not _are_elements(dtype, data):
        raise CannotCrossError("an array of strings with lone surrogates")
    writer.fields(_ARRAY, depth, dtype, shape, data)


def _write_scalar(writer: _Writer, value: Any, depth: int) -> None:
    numpy = sys.modules["numpy"]
    dtype = _member(numpy.generic, "dtype", value).str
    # An empty string says that it is of no size, and has one all the same.
    data = b"" if dtype[1:] in ("U0", "S0") else numpy.generic.tobytes(value)
    if not _DTYPE.fullmatch(dtype) or not _are_elements(dtype, data):
        raise CannotCrossError(f"a NumPy scalar of dtype {dtype}")
    writer.fields(_SCALAR, depth, dtype, data)


def _member(kind: type, name: str, value: Any) -> Any:
    """An attribute of `value` as `kind` itself defines it, whatever a subclass says."""
    return kind.__dict__[name].__get__(value)


def _fixed(zone: Any) -> datetime.timezone | None:
    if zone is None or type(zone) is datetime.timezone:
        return zone
    raise CannotCrossError("a time zone that is no fixed offset")


def _drain(iterator: Any) -> list[Any]:
    items: list[Any] = []
    for item in iterator:
        if len(items) == MAX_DRAINED:
            raise CannotCrossError(f"an iterator of more than {MAX_DRAINED} items")
        items.append(item)
    return items


_DAY = ("year", "month", "day")
_CLOCK = ("hour", "minute", "second", "microsecond", "fold")
_SPAN = ("days", "seconds", "microseconds")
_FACTORIES: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "list": list,
    "dict": dict,
    "set": set,
    "tuple": tuple,
    "bool": bool,
}
_DECIMAL_TEXT = re.compile(r"-?(?:(\d+)E(-?\d{1,7})|Infinity|s?NaN\d*)", re.ASCII)
_DTYPE = re.compile(r"[<>|](?:b1|[iu][1248]|f[248]|c8|c16|[US]\d{1,8})", re.ASCII)

_BASES: tuple[tuple[type, Callable[[_Writer, Any, int], None]], ...] = (
    (int, _write_int),
    (float, _write_float),
    (str, _write_text),
    (list, _write_list),
    (tuple, _write_tuple),
    (Counter, _write_counter),
    (OrderedDict, _write_ordered),
    (defaultdict, _write_default),
    (dict, _write_dict),
    (set, _write_set),
    (frozenset, _write_frozenset),
    (bytes, _write_bytes),
    (bytearray, _write_bytearray),
    (complex, _write_complex),
    (deque, _write_deque),
    (decimal.Decimal, _write_decimal),
    (Fraction, _write_fraction),
    (datetime.datetime, _write_datetime),
    (datetime.date, _write_date),
    (datetime.time, _write_time),
    (datetime.timedelta, _write_timedelta),
    (datetime.timezone, _write_timezone),
    (range, _write_range),
)
_EXACT = {id(kind): write for kind, write in _BASES}


def decode(data: bytes) -> Any:
    """The value of `data`, made of objects of builtin, standard and NumPy types alone.

    Raises:
        MalformedError: the bytes are not those of one value within the limits.
    """
    size = len(data)
    if size <= 2 and data in _WHOLE:
        return _WHOLE[data]
    if size == 9 and data[0] == _SMALL:
        return _SMALL_INT.unpack_from(data, 1)[0]
    reader = _Reader(data)
    try:
        (value,) = reader.items(1, MAX_DEPTH)
    except (IndexError, struct.error):
        raise MalformedError("cut short") from None
    except UnicodeDecodeError:
        raise MalformedError("text that is not UTF-8") from None
    if reader.position != size:
        raise MalformedError("bytes after the value")
    return value


class _Reader:
    __slots__ = ("comparisons_left", "costly", "data", "decimals", "items_left", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.items_left = MAX_ITEMS
        self.comparisons_left = MAX_COMPARISONS
        # Whether even a few members could take long to compare.
        self.costly = False
        self.decimals = False

    def items(self, count: int, depth: int) -> list[Any]:
        """Read `count` values; `depth` levels of nesting are left."""
        self.items_left -= count
        if self.items_left < 0 or (depth == 0 and count):
            raise MalformedError("too deep or too many items")
        data, position = self.data, self.position
        if count >= _RUN_LENGTH and data[position] in _RUNS:
            self.position = position + 1 + 8 * count
            return list(struct.unpack_from(f"!{count}{_RUNS[data[position]]}", data, position + 1))
        values: list[Any] = []
        append = values.append
        for _ in range(count):
            tag = data[position]
            position += 1
            if tag == _BYTE:
                append(data[position])
                position += 1
                continue
            if tag == _SMALL:
                append(_SMALL_INT.unpack_from(data, position)[0])
                position += 8
                continue
            if tag not in _SHORT:
                if tag == _REAL:
                    append(_FLOAT.unpack_from(data, position)[0])
                    position += 8
                elif tag in _CONSTANTS:
                    append(_CONSTANTS[tag])
                elif tag == _COMPLEX_TAG:
                    append(complex(*_COMPLEX.unpack_from(data, position)))
                    position += 16
                elif tag == _OBJECT:
                    kind = data[position]
                    self.position = position + 1
                    append(self.object(kind, depth - 1))
                    position = self.position
                else:
                    raise MalformedError("an unknown tag")
                continue
            length = data[position]
            position += 1
            if length == _LONG:
                (length,) = _LENGTH.unpack_from(data, position)
                position += 4
            end = position + length
            if end > len(data):
                raise MalformedError("a length beyond the end")
            if tag == _TEXT:
                append(data[position:end].decode())
                position = end
                continue
            if tag == _BYTES:
                append(data[position:end])
                position = end
                continue
            if tag == _BIG:
                if length > MAX_INT_BYTES:
                    raise MalformedError("an integer beyond the limit")
                append(int.from_bytes(data[position:end], "big", signed=True))
                position = end
                continue
            self.position = position
            if tag == _LIST:
                append(self.items(length, depth - 1))
            elif tag == _TUPLE:
                append(tuple(self.items(length, depth - 1)))
            elif tag == _DICT:
                append(self.mapping(length, depth - 1) if length else {})
            elif tag in (_SET, _FROZENSET):
                append(self.unordered(length, depth - 1, tag))
            else:
                append(iter(self.items(length, depth - 1)))
            position = self.position
        self.position = position
        return values

    def mapping(self, count: int, depth: int) -> dict[Any, Any]:
        """Read a dict."""
        keys = self.items(count, depth)
        values = self.items(count, depth)
        try:
            if count > 16 or self.costly:
                self.bound_comparisons(keys)
            result = dict(zip(keys, values))
        except (TypeError, ValueError, ArithmeticError):
            raise MalformedError("an unhashable key") from None
        if len(result) != count:
            raise MalformedError("a key twice")
        return result

    def unordered(self, count: int, depth: int, tag: int) -> Any:
        """Read a set or frozenset."""
        members = self.items(count, depth)
        try:
            if count > 16 or self.costly:
                self.bound_comparisons(members)
            result = set(members) if tag == _SET else frozenset(members)
        except (TypeError, ValueError, ArithmeticError):
            raise MalformedError("an unhashable member") from None
        if len(result) != count:
            raise MalformedError("a member twice")
        if tag == _FROZENSET:
            self.costly = True
        return result

    def bound_comparisons(self, members: list[Any]) -> None:
        """Refuse members that share hashes so often that comparing them would take long."""
        if len(set(map(hash, members))) == len(members):
            return
        for alike in _by_hash(members):
            if len(alike) > 1:
                self.spend(len(alike) * sum(map(self.weight, alike)))

    def weight(self, value: Any) -> int:
        """How many elementary comparisons it may take to compare `value` with one of the same hash."""
        kind = type(value)
        weight = 1
        if kind is int:
            weight += self.int_weight(value)
        elif kind is str or kind is bytes:
            weight += len(value) >> 9
        elif kind is tuple:
            weight += sum(map(self.weight, value))
        elif kind is frozenset:
            weight += sum(len(alike) * sum(map(self.weight, alike)) for alike in _by_hash(value))
        elif kind is Fraction:
            weight += 50 + self.int_weight(value.numerator) + self.int_weight(value.denominator)
        else:
            weight += 50
        self.spend(1)
        return weight

    def int_weight(self, value: int) -> int:
        """What an integer's digits add; to be compared with a Decimal it is turned into one, in quadratic time."""
        bits = value.bit_length()
        return (bits >> 12) + ((bits >> 7) ** 2 if self.decimals else 0)

    def spend(self, comparisons: int) -> None:
        """Take from the comparisons that are left."""
        self.comparisons_left -= comparisons
        if self.comparisons_left < 0:
            raise MalformedError("too many keys or members of one hash")

    def object(self, kind: int, depth: int) -> Any:
        """Read an object of the standard library, or NumPy's."""
        if kind not in _BUILDERS:
            raise MalformedError("an unknown kind of object")
        count, build = _BUILDERS[kind]
        fields = self.items(count, depth)
        try:
            value = build(*fields)
        except (TypeError, ValueError, ArithmeticError):
            raise MalformedError("an object that cannot be") from None
        if kind == _ARRAY:
            self.items_left -= value.size
            if self.items_left < 0:
                raise MalformedError("too many items")
        elif kind == _DECIMAL:
            self.costly = self.decimals = True
        return value


def _by_hash(members: Iterable[Any]) -> list[list[Any]]:
    """The members in groups of one hash each."""
    groups: dict[int, list[Any]] = {}
    for member in members:
        groups.setdefault(hash(member), []).append(member)
    return list(groups.values())


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError


def _require_ints(*values: Any) -> None:
    _require(all(type(value) is int for value in values))


def _build_deque(items: Any, maxlen: Any) -> deque[Any]:
    _require(type(items) is list and (maxlen is None or (type(maxlen) is int and maxlen >= len(items))))
    return deque(items, maxlen)


def _build_counter(items: Any) -> Counter[Any]:
    _require(type(items) is dict)
    result: Counter[Any] = Counter()
    dict.update(result, items)
    return result


def _build_ordered(items: Any) -> OrderedDict[Any, Any]:
    _require(type(items) is dict)
    return OrderedDict(items)


def _build_default(factory: Any, items: Any) -> defaultdict[Any, Any]:
    _require(type(items) is dict and (factory is None or (type(factory) is str and factory in _FACTORIES)))
    return defaultdict(None if factory is None else _FACTORIES[factory], items)


def _build_decimal(text: Any) -> decimal.Decimal:
    _require(type(text) is str and len(text) <= MAX_DECIMAL_DIGITS + 20)
    match = _DECIMAL_TEXT.fullmatch(text)
    _require(match is not None and abs(int(match[2] or 0)) <= MAX_DECIMAL_EXPONENT)
    return decimal.Decimal(text)


def _build_fraction(numerator: Any, denominator: Any) -> Fraction:
    _require_ints(numerator, denominator)
    _require(max(numerator.bit_length(), denominator.bit_length()) <= 8 * MAX_FRACTION_BYTES)
    result = Fraction(numerator, denominator)
    _require(result.denominator == denominator)
    return result


def _build_range(start: Any, stop: Any, step: Any) -> range:
    _require_ints(start, stop, step)
    _require(all(-(1 << 63) <= part < 1 << 63 for part in (start, stop, step)))
    return range(start, stop, step)


def _build_date(year: Any, month: Any, day: Any) -> datetime.date:
    _require_ints(year, month, day)
    return datetime.date(year, month, day)


def _build_datetime(*fields: Any) -> datetime.datetime:
    return datetime.datetime.combine(_build_date(*fields[:3]), _build_time(*fields[3:]))


def _build_time(hour: Any, minute: Any, second: Any, microsecond: Any, fold: Any, zone: Any) -> datetime.time:
    _require_ints(hour, minute, second, microsecond, fold)
    _require(zone is None or type(zone) is datetime.timezone)
    return datetime.time(hour, minute, second, microsecond, zone, fold=fold)


def _build_timedelta(days: Any, seconds: Any, microseconds: Any) -> datetime.timedelta:
    _require_ints(days, seconds, microseconds)
    return datetime.timedelta(days, seconds, microseconds)


def _build_timezone(offset: Any, name: Any) -> datetime.timezone:
    _require(type(offset) is datetime.timedelta and (name is None or type(name) is str))
    return datetime.timezone(offset) if name is None else datetime.timezone(offset, name)


def _build_array(dtype: Any, shape: Any, data: Any) -> Any:
    _require(type(dtype) is str and type(data) is bytes and type(shape) is tuple)
    _require(len(shape) <= MAX_DIMENSIONS)
    _require(all(type(size) is int and 0 <= size <= MAX_ITEMS for size in shape))
    _require(_DTYPE.fullmatch(dtype) is not None and _are_elements(dtype, data))
    try:
        import numpy
    except ImportError:
        raise MalformedError("an array where NumPy is not installed") from None
    size = math.prod(shape)
    _require(size <= MAX_ITEMS and len(data) == size * numpy.dtype(dtype).itemsize)
    return numpy.ndarray(shape, dtype, buffer=data).copy()


def _build_scalar(dtype: Any, data: Any) -> Any:
    return _build_array(dtype, (), data)[()]


def _are_elements(dtype: str, data: bytes) -> bool:
    """Whether the bytes of an array are such as NumPy itself makes."""
    if dtype[1] == "b":
        return not data.translate(None, b"\0\1")
    if dtype[1] == "U":
        try:
            data.decode("utf-32-be" if dtype[0] == ">" else "utf-32-le")
        except UnicodeDecodeError:
            return False
    return True


_CONSTANTS: dict[int, Any] = {_NONE: None, _TRUE: True, _FALSE: False}
_WHOLE: dict[bytes, Any] = {b"N": None, b"T": True, b"F": False, **{data: data[1] for data in _BYTE_INTS}}
_RUNS = {_INT_RUN: "q", _FLOAT_RUN: "d"}
_BUILDERS: dict[int, tuple[int, Callable[..., Any]]] = {
    _DEQUE: (2, _build_deque),
    _COUNTER: (1, _build_counter),
    _ORDERED: (1, _build_ordered),
    _DEFAULT: (2, _build_default),
    _DECIMAL: (1, _build_decimal),
    _FRACTION: (2, _build_fraction),
    _RANGE: (3, _build_range),
    _DATE: (3, _build_date),
    _DATETIME: (9, _build_datetime),
    _TIME: (6, _build_time),
    _TIMEDELTA: (3, _build_timedelta),
    _TIMEZONE: (2, _build_timezone),
    _ARRAY: (3, _build_array),
    _SCALAR: (2, _build_scalar),
}
