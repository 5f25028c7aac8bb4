"""The codec carries plain data exactly, and nothing else."""

import copy
import datetime
import math
import random
import struct
import subprocess
import sys
import time
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction

import numpy as np
import pytest
from codebudget.sandbox.guest import canonical, codec
from hypothesis import given, settings
from hypothesis import strategies as st

ZONES = st.none() | st.builds(
    datetime.timezone, st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23))
)
STANDARD = (
    st.decimals(allow_nan=False)
    | st.fractions()
    | st.builds(range, st.integers(-99, 99), st.integers(-99, 99), st.integers(1, 9))
    | st.dates()
    | st.datetimes(timezones=ZONES)
    | st.times(timezones=ZONES)
    | st.timedeltas()
    | st.just(datetime.timezone(datetime.timedelta(hours=1), "CET"))
)
FACTORIES = st.sampled_from([None, int, float, str, list, dict, set, tuple, bool])
HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(1 << 4000), max_value=1 << 4000)
    | st.floats(allow_nan=False)
    | st.just(1.5 - 2j)
    | st.text()
    | st.binary()
    | STANDARD,
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4),
    max_leaves=4,
)
PLAIN = st.recursive(
    HASHABLE | st.sets(HASHABLE, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=4).map(OrderedDict)
        | st.dictionaries(HASHABLE, st.integers(), max_size=4).map(Counter)
        | st.builds(defaultdict, FACTORIES, st.dictionaries(HASHABLE, inner, max_size=4))
        | st.builds(deque, st.lists(inner, max_size=4), st.none() | st.integers(4, 9))
        | st.lists(st.integers(), min_size=8, max_size=12)
        | st.lists(st.floats(allow_nan=False), min_size=8, max_size=12)
    ),
    max_leaves=10,
)
MAPPINGS = (dict, Counter, OrderedDict, defaultdict)
CROSSING = (
    *(type(None), bool, int, float, complex, str, bytes, list, tuple, set, frozenset, *MAPPINGS, deque, Decimal),
    *(Fraction, range, datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone),
    *(type(iter([])), np.ndarray),
)


def types_within(value: object) -> object:
    """The exact types in a value, as nested as the value."""
    if type(value) in (list, tuple, deque):
        return type(value), getattr(value, "maxlen", None), [types_within(item) for item in value]
    if type(value) in (set, frozenset):
        return type(value), sorted(repr(types_within(item)) for item in value)
    if type(value) in MAPPINGS:
        factory = getattr(value, "default_factory", None)
        return type(value), factory, [(types_within(key), types_within(item)) for key, item in value.items()]
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


def is_value_or_malformed(data: bytes) -> bool:
    """Whether bytes decode to something that may cross, or are refused as they should be."""
    try:
        value = codec.decode(data)
    except codec.MalformedError:
        return True
    return type(value) in CROSSING or isinstance(value, np.generic)


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_any_bytes_are_a_value_or_malformed(data: bytes) -> None:
    assert is_value_or_malformed(data)


@given(PLAIN, st.randoms(use_true_random=False))
def test_damaged_bytes_are_a_value_or_malformed(value: object, generator: random.Random) -> None:
    data = bytearray(codec.encode(value))
    for _ in range(3):
        data[generator.randrange(len(data))] = generator.randrange(256)
    assert is_value_or_malformed(bytes(data))


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
        b"[\x01" * 200_000 + b"N",
        b"[\xff" + struct.pack("!I", 0xFFFFFFFF),
        b"[\xff" + struct.pack("!I", codec.MAX_ITEMS + 1) + b"N" * (codec.MAX_ITEMS + 1),
        b"I\xff" + struct.pack("!I", codec.MAX_INT_BYTES + 1) + b"\x01" * (codec.MAX_INT_BYTES + 1),
        b"{\x01[\x00N",
        b"S\x01[\x00",
        b"S\x01{\x00",
        b"s\x03\xed\xa0\x80",
        b"?",
        b"",
        b"{\x02NNTT",
        b"S\x02TT",
        b"Z\x02" + b"j\x01T",
        b"[\x08q" + bytes(63),
        b"o?N",
    ],
    ids=[
        *("depth", "length", "items", "digits", "key", "member", "member_dict", "surrogate", "tag", "nothing"),
        *("key_twice", "member_twice", "equal_members", "short_run", "kind"),
    ],
)
def test_hostile_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(codec.MalformedError):
        codec.decode(data)


def crafted(kind: bytes, *fields: object) -> bytes:
    """The bytes of an object with these fields, whatever they are."""
    return b"o" + kind + b"".join(codec.encode(field) for field in fields)


def test_crafting_follows_the_format() -> None:
    assert crafted(b"F", 1, 3) == codec.encode(Fraction(1, 3))
    assert crafted(b"D", "15E-1") == codec.encode(Decimal("1.5"))


@pytest.mark.parametrize(
    "data",
    [
        crafted(b"F", 1, 0),
        crafted(b"F", 2, 4),
        crafted(b"F", 1, -3),
        crafted(b"F", 1.0, 3),
        crafted(b"F", 1, (1 << (8 * codec.MAX_FRACTION_BYTES)) + 1),
        crafted(b"D", "1" * (codec.MAX_DECIMAL_DIGITS + 30) + "E0"),
        crafted(b"D", f"1E{codec.MAX_DECIMAL_EXPONENT + 1}"),
        crafted(b"D", "1E-9999999"),
        crafted(b"D", "1_0E0"),
        crafted(b"D", 1),
        crafted(b"r", 0, 1, 0),
        crafted(b"r", 0, 1 << 63, 1),
        crafted(b"r", 0, 1.5, 1),
        crafted(b"y", 2023, 2, 29),
        crafted(b"y", 1 << 80, 2, 2),
        crafted(b"y", True, 2, 2),
        crafted(b"Y", 2023, 2, 2, 24, 0, 0, 0, 0, None),
        crafted(b"Y", 2023, 2, 2, 2, 0, 0, 0, 0, "UTC"),
        crafted(b"Y", 2023, 2, 2, 2, 0, 0, 0, 2, None),
        crafted(b"t", 1, 60, 0, 0, 0, None),
        crafted(b"T", 10**10, 0, 0),
        crafted(b"z", datetime.timedelta(days=1), None),
        crafted(b"z", 1, None),
        crafted(b"q", [1, 2], 1),
        crafted(b"q", [1, 2], True),
        crafted(b"q", (1, 2), None),
        crafted(b"C", [1]),
        crafted(b"O", [("a", 1)]),
        crafted(b"d", "eval", {}),
        crafted(b"d", ["int"], {}),
        crafted(b"A", "|O", (1,), bytes(8)),
        crafted(b"A", "<M8[s]", (1,), bytes(8)),
        crafted(b"A", "<i8", (2,), bytes(8)),
        crafted(b"A", "<i8", (-1,), b""),
        crafted(b"A", "<i8", (1 << 70, 0), b""),
        crafted(b"A", "<i8", (1,) * 33, bytes(8)),
        crafted(b"A", "<i8", [1], bytes(8)),
        crafted(b"A", "<U0", (codec.MAX_ITEMS,) * 30, b""),
        crafted(b"A", "|i1", (codec.MAX_ITEMS + 1,), bytes(codec.MAX_ITEMS + 1)),
        crafted(b"A", "|b1", (1,), b"\2"),
        crafted(b"A", "<U1", (1,), b"\0\xd8\0\0"),
        crafted(b"A", "<U1", (1,), b"\xff\xff\xff\xff"),
        b"S\x01" + crafted(b"A", "<i8", (1,), bytes(8)),
        b"S\x01" + crafted(b"D", "sNaN"),
        b"[\x02" + crafted(b"A", "|i1", (codec.MAX_ITEMS - 9,), bytes(codec.MAX_ITEMS - 9)) * 2,
    ],
)
def test_objects_that_cannot_be_are_malformed(data: bytes) -> None:
    with pytest.raises(codec.MalformedError):
        codec.decode(data)


MODULUS = sys.hash_info.modulus


def same_hash_sets(depth: int) -> object:
    """Two frozensets that differ deep inside, have one hash, and take long to compare."""
    if depth == 0:
        return 0, MODULUS, 2 * MODULUS
    one, other, third = same_hash_sets(depth - 1)
    return frozenset({one, other}), frozenset({other, third}), frozenset({one, third})


def flood(members: list[object], tag: bytes = b"S") -> bytes:
    return tag + b"\xff" + struct.pack("!I", len(members)) + b"".join(map(codec.encode, members))


@pytest.mark.parametrize(
    "data",
    [
        flood([k * MODULUS for k in range(100_000)]),
        flood([(k * MODULUS,) for k in range(50_000)], b"Z"),
        flood([1 + MODULUS * k for k in range(100_000)], b"{") + b"N" * 100_000,
        flood([Decimal(1 + MODULUS), 1 + MODULUS * ((1 << (8 * codec.MAX_INT_BYTES - 80)) // MODULUS)]),
        flood(list(same_hash_sets(14))),
    ],
    ids=["ints", "tuples", "keys", "decimal", "nested"],
)
def test_hash_floods_are_malformed(data: bytes) -> None:
    started = time.process_time()
    with pytest.raises(codec.MalformedError):
        codec.decode(data)
    # Not a matter of speed: built as they are they take minutes to days.
    assert time.process_time() - started < 20


def test_honest_values_of_few_hashes_cross() -> None:
    for value in (
        {2**k for k in range(3000)},
        {(x, y) for x in range(-40, 40) for y in range(-40, 40)},
        {frozenset({a, b, c}) for a in range(-5, 5) for b in range(-5, 5) for c in range(-5, 5)},
        {Decimal(k) / 8 for k in range(500)},
    ):
        assert codec.decode(codec.encode(value)) == value


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
    [
        *(object(), lambda: None, int, "\ud800", 1 << (8 * codec.MAX_INT_BYTES), {"a": [object()]}),
        Decimal("1" * (codec.MAX_DECIMAL_DIGITS + 1)),
        Decimal(f"1E{codec.MAX_DECIMAL_EXPONENT + 1}"),
        Fraction(1, 1 << (8 * codec.MAX_FRACTION_BYTES)),
        range(1 << 63),
        datetime.datetime(2020, 1, 1, tzinfo=type("Zone", (datetime.tzinfo,), {})()),
        np.array([object()]),
        np.array(["2020-01-01"], "M8[D]"),
        np.zeros(codec.MAX_ITEMS + 1, "i1"),
        np.array(["\ud800"]),
        np.longdouble(1),
        np.datetime64("2020-01-01"),
    ],
    ids=[
        *("object", "function", "class", "surrogate", "huge", "inside", "decimal_digits", "decimal_exponent"),
        *("fraction", "range", "zone", "array_object", "array_time", "array_size", "array_surrogate"),
        *("longdouble", "datetime64"),
    ],
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


class EqualDeque(Equal, deque):
    maxlen = None


class EqualDecimal(Equal, Decimal):
    as_tuple = None


class EqualFraction(Equal, Fraction):
    numerator = denominator = None


class EqualDate(Equal, datetime.date):
    year = None


class EqualDatetime(Equal, datetime.datetime):
    year = tzinfo = None


class EqualCounter(Equal, Counter):
    pass


class EqualOrdered(Equal, OrderedDict):
    pass


class EqualDefault(Equal, defaultdict):
    default_factory = None


def counted() -> EqualCounter:
    value = EqualCounter.__new__(EqualCounter)
    dict.__setitem__(value, "a", 1)
    return value


class Name(str, Enum):  # noqa: UP042
    RED = "red"


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
        (Name, "red"),
        (lambda base: EqualDeque(base, 4), deque([1, 2], 4)),
        (EqualDecimal, Decimal("1.50")),
        (EqualFraction, Fraction(1, 3)),
        (lambda base: EqualDate(2020, 1, 2), datetime.date(2020, 1, 2)),
        (
            lambda base: EqualDatetime(2020, 1, 2, 3, tzinfo=datetime.UTC),
            datetime.datetime(2020, 1, 2, 3, 0, 0, 0, datetime.UTC),
        ),
        (lambda base: counted(), Counter(a=1)),
        (lambda base: EqualOrdered(a=1, b=2), OrderedDict(a=1, b=2)),
        (lambda base: EqualDefault(int, a=1), defaultdict(int, a=1)),
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


def test_members_that_only_their_class_tells_apart_cannot_cross() -> None:
    class Identity(int):
        __hash__ = object.__hash__

        def __eq__(self, other: object) -> bool:
            return self is other

    for value in ({Identity(1), Identity(1)}, {Identity(1): 0, 1: 0}):
        with pytest.raises(codec.CannotCrossError):
            codec.encode(value)


def test_the_order_of_an_ordered_dict_crosses() -> None:
    value = OrderedDict(a=1, b=2)
    value.move_to_end("a")
    back = codec.decode(codec.encode(value))
    assert back == value
    assert back != OrderedDict(a=1, b=2)


@pytest.mark.parametrize("factory", [lambda: 0, type("Loud", (), {}), object(), frozenset])
def test_a_factory_that_cannot_cross_is_left_out(factory: object) -> None:
    value = defaultdict(int, a=1)
    value.default_factory = factory if callable(factory) else None
    back = codec.decode(codec.encode(value))
    assert back == {"a": 1}
    assert type(back) is defaultdict
    assert back.default_factory is None


@pytest.mark.parametrize("text", ["NaN", "-sNaN", "NaN123", "-Infinity", "-0", "0E+5", "1.500", "-1E-1000"])
def test_decimals_cross_digit_by_digit(text: str) -> None:
    assert codec.decode(codec.encode(Decimal(text))).as_tuple() == Decimal(text).as_tuple()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.arange(6).reshape(2, 3).T,
        np.array([True, False]),
        np.array([[1.5, math.inf], [math.nan, -0.0]], ">f4"),
        np.array([1 + 2j], "c8"),
        np.array([1, 2], "u2"),
        np.array(["a", "grün", ""]),
        np.array([b"ab", b""]),
        np.array(5),
        np.zeros((0, 3)),
        np.arange(20)[::3],
    ],
)
def test_arrays_cross_exactly(array: np.ndarray) -> None:
    back = codec.decode(codec.encode([array]))[0]
    assert type(back) is np.ndarray
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)
    assert back.flags.writeable


@pytest.mark.parametrize(
    "scalar",
    [
        np.int64(-5),
        np.float64(1.5),
        np.float32(0.1),
        np.True_,
        np.complex64(1j),
        np.str_("é"),
        np.str_(""),
        np.bytes_(b""),
    ],
)
def test_scalars_of_numpy_keep_their_type(scalar: np.generic) -> None:
    for back in (codec.decode(codec.encode(scalar)), codec.decode(codec.encode({scalar: [scalar]})).popitem()[0]):
        assert type(back) is type(scalar)
        assert back == scalar


@given(PLAIN, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_damaged_arrays_are_a_value_or_malformed(value: object, generator: random.Random) -> None:
    data = bytearray(codec.encode([value, np.arange(4).reshape(2, 2), np.array(["ab"]), np.float32(1)]))
    for _ in range(3):
        data[-generator.randrange(1, 90) % len(data)] = generator.randrange(256)
    assert is_value_or_malformed(bytes(data))


WITHOUT_NUMPY = """
import importlib.util, sys
sys.modules["numpy"] = None
spec = importlib.util.spec_from_file_location("codec", sys.argv[1])
codec = importlib.util.module_from_spec(spec)
spec.loader.exec_module(codec)
assert codec.decode(codec.encode([1, {2.5}])) == [1, {2.5}]
try:
    codec.decode(bytes.fromhex(sys.argv[2]))
except codec.MalformedError as error:
    print(error)
"""


def test_numpy_is_needed_for_arrays_alone() -> None:
    arguments = [codec.__file__, codec.encode(np.arange(3)).hex()]
    run = subprocess.run([sys.executable, "-c", WITHOUT_NUMPY, *arguments], capture_output=True, text=True, check=True)
    assert "NumPy is not installed" in run.stdout


@given(PLAIN)
def test_canonical_text_is_the_same_after_crossing(value: object) -> None:
    assert canonical.canonical(codec.decode(codec.encode(value))) == canonical.canonical(value)


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
        (Decimal("1.50"), 1.5, True),
        (Decimal("0.1"), 0.1, False),
        (Decimal("0.1"), Fraction(1, 10), True),
        (Decimal("1E+5"), 100000, True),
        (Decimal("10E+6000"), Decimal("1E+6001"), True),
        (Decimal("-0"), 0, True),
        (Decimal("Infinity"), math.inf, True),
        (Decimal("sNaN"), math.nan, True),
        (Fraction(1, 2), 0.5, True),
        (Fraction(1, 3), 1 / 3, False),
        (Fraction(10**999, 3), Fraction(10**999 + 2, 3), False),
        (2 + 0j, 2, True),
        (2 + 1j, 2, False),
        (Counter("aab"), {"b": 1, "a": 2}, True),
        (OrderedDict(a=1, b=2), {"b": 2, "a": 1}, True),
        (defaultdict(int, a=1), {"a": 1}, True),
        (Counter(a=1), Counter(a=2), False),
        (deque([1], 3), deque([1]), True),
        (deque([1]), [1], False),
        (range(0, 3, 2), range(0, 4, 2), True),
        (range(1), range(0, 1, 5), True),
        (range(3), [0, 1, 2], False),
        (range(0), range(5, 5), True),
        (range(0), range(1), False),
        (datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.UTC), datetime.datetime(2020, 1, 1, 12), False),
        (datetime.datetime(2020, 1, 1), datetime.date(2020, 1, 1), False),
        (datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, fold=1), True),
        (np.arange(2), np.array([0.0, 1.0]), True),
        (np.arange(2), [0, 1], False),
        (np.zeros((2, 1)), np.zeros((1, 2)), False),
        (np.int64(3), 3, True),
        (np.float64("nan"), math.nan, True),
    ],
)
def test_canonical_text_tells_values_apart(one: object, other: object, same: bool) -> None:
    assert (canonical.canonical(one) == canonical.canonical(other)) is same


@given(
    st.datetimes(min_value=datetime.datetime(2, 1, 1), max_value=datetime.datetime(9998, 1, 1), timezones=ZONES), ZONES
)
def test_canonical_text_of_one_instant(value: datetime.datetime, zone: datetime.timezone | None) -> None:
    other = value.astimezone(zone) if value.tzinfo and zone else copy.copy(value)
    assert canonical.canonical(other) == canonical.canonical(value)


NUMBERS = st.integers(-9, 9) | st.sampled_from([0.5, 1.0, -2.25, True, Decimal("0.5"), Decimal("2.0"), 3 + 0j])


@given(NUMBERS | st.fractions(-2, 2, max_denominator=4), NUMBERS | st.fractions(-2, 2, max_denominator=4))
def test_canonical_text_of_numbers_says_what_equality_says(one: object, other: object) -> None:
    assert (canonical.canonical(one) == canonical.canonical(other)) is (one == other)


def test_canonical_text_of_huge_integers() -> None:
    assert canonical.canonical(10**5000) == canonical.canonical(10**5000)
    assert canonical.canonical(10**5000) != canonical.canonical(10**5000 + 1)


@given(PLAIN)
def test_canonical_text_is_short(value: object) -> None:
    assert len(canonical.canonical(value)) <= 256
