"""Keys: the same parts make the same key, and no other parts do."""

import hashlib
from itertools import combinations

from codebudget._util.hashing import KeysAround, key_of, record_text
from codebudget.records import Example, PublicTask
from hypothesis import given
from hypothesis import strategies as st

PARTS = st.lists(
    st.text() | st.binary() | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none(), max_size=4
)


def typed(parts: list[object]) -> list[tuple[type, object]]:
    return [(type(part), part.hex() if isinstance(part, float) else part) for part in parts]


@given(PARTS, PARTS)
def test_keys_are_equal_just_where_the_parts_are(left: list[object], right: list[object]) -> None:
    assert (key_of(*left) == key_of(*right)) == (typed(left) == typed(right))  # type: ignore[arg-type]


def test_parts_that_look_alike_stay_apart() -> None:
    groups: list[tuple[str | bytes | int | float | None, ...]] = [
        (),
        ("",),
        ("", ""),
        (None,),
        ("a", "b"),
        ("ab",),
        ("a", "b", ""),
        (1,),
        (1.0,),
        (True,),
        ("1",),
        (b"1",),
        ("1:s1",),
    ]
    assert all(key_of(*one) != key_of(*two) for one, two in combinations(groups, 2))


def test_a_key_is_sha256_in_hex_and_stays_what_it_is() -> None:
    assert key_of("ab", 1) == hashlib.sha256(b"s2:abi1:1").hexdigest()
    assert len(key_of("\ud800")) == 64


def test_the_text_of_a_record_has_every_field_and_the_version_of_every_record() -> None:
    task = PublicTask(id="a", prompt="é", entry_point="f", examples=(Example(call="f(1)", expected="2"),))
    example = '{"schema_version":1,"call":"f(1)","expected":"2"}'
    assert record_text(task) == (
        f'{{"schema_version":1,"id":"a","prompt":"é","entry_point":"f","examples":[{example}]}}'
    )
    assert record_text(task, {"id", "examples"}) == f'{{"id":"a","examples":[{example}]}}'


def test_a_key_of_texts_between_the_same_parts_is_that_of_all_parts():
    texts = ("", "a", "a\ud800")
    around = KeysAround(("verdict", 1, None), ("x", 2))
    assert [around.key(text) for text in texts] == [key_of("verdict", 1, None, text, "x", 2) for text in texts]
    after = KeysAround(["verdict"])
    assert [after.key(text) for text in texts] == [key_of("verdict", text) for text in texts]
