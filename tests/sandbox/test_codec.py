"""The codec carries plain data exactly, and nothing else."""

import contextlib
import math
import random
import struct
from collections import Counter, OrderedDict, namedtuple
from collections.abc import Callable
from enum import IntEnum

import pytest
from codebudget.sandbox.guest import codec
from hypothesis import given, settings
from hypothesis import strategies as st

HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(1 << 4000), max_value=1 << 4000)
    | st.floats(allow_nan=False)
    | st.just(1.5 - 2j)
    | st.text()
    | st.binary(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4),
    max_leaves=4,
)
PLAIN = st.recursive(
    HASHABLE | st.sets(HASHABLE, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=4)
    ),
    max_leaves=10,
)
BUILTIN = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)


def types_within(value: object) -> object:
    """The exact types in a value, as nested as the value."""
    if type(value) in (list, tuple):
        return type(value), [types_within(item) for item in value]
    if type(value) in (set, frozenset):
        return type(value), sorted(repr(types_within(item)) for item in value)
    if type(value) is dict:
        return dict, [(types_within(key), types_within(item)) for key, item in value.items()]
    return type(value)


@given(PLAIN)
def test_plain_data_crosses_exactly(value: object) -> None:
    back = codec.decode(codec.encode(value))
    assert back == value
    assert repr(types_within(back)) == repr(types_within(value))


@pytest.mark.parametrize(
    "text",
    ["-0.0", "math.inf", "-math.inf", "5e-324", "1 << 63", "-(1 << 63)", "-(1 << 63) - 1", "10**6000", "-(10**6000)"],
)
def test_edges_of_numbers(text: str) -> None:
    value = eval(text)
    back = codec.decode(codec.encode(value))
    assert back == value
    assert type(back) is type(value)
    assert str(back)[:1] == str(value)[:1] if abs(value) < 10**100 else (back < 0) == (value < 0)


def test_nan_crosses() -> None:
    assert math.isnan(codec.decode(codec.encode(math.nan)))


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_any_bytes_are_a_value_or_malformed(data: bytes) -> None:
    try:
        value = codec.decode(data)
    except codec.MalformedError:
        return
    assert type(value) in BUILTIN or type(value) is type(iter([]))


@given(PLAIN, st.randoms(use_true_random=False))
def test_damaged_bytes_are_a_value_or_malformed(value: object, generator: random.Random) -> None:
    data = bytearray(codec.encode(value))
    for _ in range(3):
        data[generator.randrange(len(data))] = generator.randrange(256)
    with contextlib.suppress(codec.MalformedError):
        codec.decode(bytes(data))


@given(PLAIN)
def test_every_cut_is_malformed(value: object) -> None:
    data = codec.encode(value)
    for end in {0, 1, len(data) // 2, len(data) - 1} - {len(data)}:
        with pytest.raises(codec.MalformedError):
            codec.decode(data[:end])
    with pytest.raises(codec.MalformedError):
        codec.decode(data + b"N")


@pytest.mark.parametrize(
    "data",
    [
        b"[\x00\x00\x00\x01" * 200_000 + b"N",
        b"[" + struct.pack("!I", 0xFFFFFFFF),
        b"[" + struct.pack("!I", codec.MAX_ITEMS + 1) + b"N" * (codec.MAX_ITEMS + 1),
        b"I" + struct.pack("!I", codec.MAX_INT_BYTES + 1) + b"\x01" * (codec.MAX_INT_BYTES + 1),
        b"{\x00\x00\x00\x01[\x00\x00\x00\x00N",
        b"S\x00\x00\x00\x01[\x00\x00\x00\x00",
        b"S\x00\x00\x00\x01{\x00\x00\x00\x00",
        b"s\x00\x00\x00\x03\xed\xa0\x80",
        b"?",
        b"",
    ],
    ids=["depth", "length", "items", "digits", "key", "member", "member_dict", "surrogate", "tag", "nothing"],
)
def test_hostile_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(codec.MalformedError):
        codec.decode(data)


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_depth_is_bounded_on_both_sides_alike() -> None:
    assert codec.decode(codec.encode(nested(codec.MAX_DEPTH))) == nested(codec.MAX_DEPTH)
    with pytest.raises(codec.CannotCrossError):
        codec.encode(nested(codec.MAX_DEPTH + 1))


def test_a_value_within_itself_cannot_cross() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(codec.CannotCrossError):
        codec.encode(value)


def test_shared_structure_cannot_grow_without_bound() -> None:
    value: list[object] = []
    for _ in range(60):
        value = [value, value]
    with pytest.raises(codec.CannotCrossError):
        codec.encode(value)


@pytest.mark.parametrize(
    "value",
    [object(), lambda: None, int, "\ud800", 1 << (8 * codec.MAX_INT_BYTES), {"a": [object()]}],
    ids=["object", "function", "class", "surrogate", "huge", "inside"],
)
def test_what_is_not_plain_cannot_cross(value: object) -> None:
    with pytest.raises(codec.CannotCrossError):
        codec.encode(value)


class Equal:
    """Says yes to every comparison, and lies about all else."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        raise RuntimeError

    def __iter__(self) -> object:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError

    __index__ = __int__ = __float__ = __str__ = __len__
    items = __iter__


class EqualInt(Equal, int):
    pass


class EqualFloat(Equal, float):
    pass


class EqualText(Equal, str):
    pass


class EqualBytes(Equal, bytes):
    pass


class EqualList(Equal, list):
    pass


class EqualTuple(Equal, tuple):
    pass


class EqualDict(Equal, dict):
    pass


class EqualSet(Equal, set):
    pass


class EqualFrozenset(Equal, frozenset):
    pass


class EqualComplex(Equal, complex):
    pass


class Colour(IntEnum):
    RED = 3


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (EqualInt, 7),
        (EqualFloat, 1.5),
        (EqualText, "a"),
        (EqualBytes, b"a"),
        (EqualList, [1]),
        (EqualTuple, (1,)),
        (EqualDict, {1: 2}),
        (EqualSet, {1}),
        (EqualFrozenset, frozenset({1})),
        (EqualComplex, 1j),
        (Colour, 3),
        (Point._make, (1, 2)),
        (Counter, {"a": 2, "b": 1}),
        (OrderedDict, {"a": 1}),
        (bytearray, b"ab"),
    ],
)
def test_subclasses_cross_as_their_base_value(kind: Callable[[object], object], base: object) -> None:
    back = codec.decode(codec.encode([kind(base)]))[0]
    assert type(back) is type(base)
    assert base == back


def test_a_class_that_an_object_claims_is_not_believed() -> None:
    class Claims(Equal):
        @property  # type: ignore[misc]
        def __class__(self) -> type:
            return int

    with pytest.raises(codec.CannotCrossError):
        codec.encode(Claims())


def test_iterators_are_drained_within_a_limit() -> None:
    def endless() -> object:
        while True:
            yield 1

    assert list(codec.decode(codec.encode(iter([1, "a"])))) == [1, "a"]
    assert list(codec.decode(codec.encode(x * x for x in range(3)))) == [0, 1, 4]
    with pytest.raises(codec.CannotCrossError):
        codec.encode(endless())


@given(PLAIN)
def test_canonical_text_is_the_same_after_crossing(value: object) -> None:
    assert codec.canonical(codec.decode(codec.encode(value))) == codec.canonical(value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({3, 1, 2}, {2, 3, 1}, True),
        ({"b": 1, "a": [2.0]}, {"a": [2], "b": 1.0}, True),
        (frozenset({1}), {1}, True),
        (0.0, -0.0, True),
        (math.nan, math.nan, True),
        ([1, 2], (1, 2), False),
        ((1,), 1, False),
        ("1", 1, False),
        (True, 1, True),
        ([1, 2], [2, 1], False),
        ("a" * 1000, "a" * 1001, False),
        (1e300, 10**300, False),
    ],
)
def test_canonical_text_tells_values_apart(one: object, other: object, same: bool) -> None:
    assert (codec.canonical(one) == codec.canonical(other)) is same


def test_canonical_text_of_huge_integers() -> None:
    assert codec.canonical(10**5000) == codec.canonical(10**5000)
    assert codec.canonical(10**5000) != codec.canonical(10**5000 + 1)


@given(PLAIN)
def test_canonical_text_is_short(value: object) -> None:
    assert len(codec.canonical(value)) <= 256
