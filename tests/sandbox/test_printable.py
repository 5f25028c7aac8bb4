"""What a candidate says is one printable line."""

from codebudget._util.printable import MAX_CHARACTERS, one_line
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(alphabet=st.characters(), max_size=500))
def test_any_text_becomes_one_short_printable_line(text: str) -> None:
    line = one_line(text)
    assert len(line) <= MAX_CHARACTERS
    assert line.isprintable() or not line
    line.encode("utf-8")


@given(st.text(alphabet=st.characters(whitelist_categories=("L", "N", "P", "S")), max_size=MAX_CHARACTERS))
def test_printable_text_stays_as_it_is(text: str) -> None:
    if len(text) <= MAX_CHARACTERS and text.isprintable():
        assert one_line(text) == text


def test_control_characters_and_bidi_marks_are_escaped() -> None:
    assert one_line("a\n\r\x1b[2J\u202eb\u2028\x00") == r"a\n\r\x1b[2J\u202eb\u2028\x00"
    assert one_line("\ud800") == r"\ud800"
