"""Texts that are the same for equal plain values, so that answers can be counted and compared without the values."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import math
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from fractions import Fraction
from typing import Any

from .codec import MAX_DEPTH, CannotCrossError


def canonical(value: Any) -> str:
    """A text that is the same for plain values that a user would call the same answer.

    Numbers are alike whatever their type, sets and dicts in any order, dicts of every kind, deques of any `maxlen`,
    ranges of the same numbers, times of the same instant, arrays of the same shape and elements. NaN is like itself.
    A text of more than 256 characters is cut and carries its SHA-256.
    """
    text = _canonical(value, MAX_DEPTH)
    if len(text) <= 256:
        return text
    return text[:180] + "...sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _canonical(value: Any, depth: int) -> str:
    if depth == 0:
        raise CannotCrossError(f"nested deeper than {MAX_DEPTH} levels")
    kind = type(value)
    if kind in (bool, int, float, complex, decimal.Decimal, Fraction):
        return _canonical_number(value)
    if kind in (list, tuple, deque):
        inner = ", ".join(_canonical(item, depth - 1) for item in value)
        return f"({inner},)" if kind is tuple else f"[{inner}]" if kind is list else f"deque[{inner}]"
    if kind in (set, frozenset):
        return "{" + ", ".join(sorted(_canonical(item, depth - 1) for item in value)) + "}"
    # What == says is not transitive: a Counter equals another without its zeros, and a dict only with them; an
    # OrderedDict equals another in the same order, and a dict in any. Tests mostly compare with a dict.
    if kind in (dict, Counter, OrderedDict, defaultdict):
        pairs = (f"{_canonical(key, depth - 1)}: {_canonical(item, depth - 1)}" for key, item in value.items())
        return "dict{" + ", ".join(sorted(pairs)) + "}"
    if kind is range:
        if len(value) < 2:
            return f"range{tuple(value)}"
        return f"range({value[0]}, {value[-1]}, {value.step})"
    if kind in (datetime.datetime, datetime.time):
        return _canonical_time(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        plain = value.item()
        return repr(value) if isinstance(plain, numpy.generic) else _canonical(plain, depth)
    if numpy is not None and kind is numpy.ndarray:
        return f"array{value.shape}" + _canonical(value.ravel().tolist(), depth - 1)
    if hasattr(kind, "__next__"):
        return "iterator" + _canonical(list(value), depth - 1)
    return repr(value)


def _canonical_number(value: Any) -> str:
    if type(value) is complex:
        real, imaginary = _canonical_number(value.real), _canonical_number(value.imag)
        return real if imaginary == "0" else f"complex({real}, {imaginary})"
    if type(value) is decimal.Decimal:
        if not value.is_finite():
            return "nan" if value.is_nan() else repr(float(value))
        sign, digits, exponent = value.as_tuple()
        if value and abs(int(exponent)) > 5000:
            # Its digits written out could take minutes.
            text = "".join(map(str, digits)).lstrip("0")
            short = text.rstrip("0")
            return f"{'-' * sign}{short}E{int(exponent) + len(text) - len(short)}"
    elif type(value) is float and not math.isfinite(value):
        return repr(value)
    numerator, denominator = value.as_integer_ratio() if value else (0, 1)
    if denominator == 1:
        return repr(numerator) if numerator.bit_length() <= 1024 else hex(numerator)
    try:
        nearest = numerator / denominator
    except OverflowError:
        nearest = 0.0
    if nearest.as_integer_ratio() == (numerator, denominator):
        return repr(nearest)
    return f"{numerator:#x}/{denominator:#x}"


def _canonical_time(value: datetime.datetime | datetime.time) -> str:
    offset = value.utcoffset()
    if offset is None:
        return repr(value.replace(fold=0))
    if isinstance(value, datetime.time):
        clock = datetime.timedelta(0, value.second, value.microsecond, 0, value.minute, value.hour)
        return f"aware time {clock - offset!r}"
    days = datetime.timedelta(value.toordinal(), value.second, value.microsecond, 0, value.minute, value.hour)
    return f"aware datetime {days - offset!r}"
