"""What others wrote is short, printable and on one line where it is shown."""

from codebudget._util.printable import MAX_CHARACTERS, MAX_MESSAGE, listed, message, nearest, one_line, quoted
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


@given(st.text(max_size=50) | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl"]), min_size=300, max_size=4000))
def test_foreign_texts_are_short_and_printable_in_messages(text: str) -> None:
    for said in (one_line(text), quoted(text), message(text)):
        assert said.isprintable()
        said.encode()
    assert len(one_line(text)) <= MAX_CHARACTERS
    assert len(message(text)) <= MAX_MESSAGE + 10
    assert len(quoted(text)) <= 11 * MAX_CHARACTERS
    if text.isprintable() and len(text) <= MAX_CHARACTERS:
        assert one_line(text) == text
        assert quoted(text) == repr(text)


def test_foreign_values_are_named_whatever_they_are() -> None:
    shown = {None: "None", True: "True", -3: "-3", 2.5: "2.5"}
    assert {value: quoted(value) for value in shown} == shown
    assert quoted(16**9000 - 1) == "a number of 36000 bits"
    assert quoted([1, 2]) == "a list of 2"
    assert quoted({"a": 1}) == "an object of 1"
    assert quoted(b"x") == "bytes"


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    said = message("file.jsonl:3: " + "x" * 20_000_000 + "; fix the line")
    assert said.startswith("file.jsonl:3: xxx")
    assert said.endswith("xxx; fix the line")


def test_names_are_listed_up_to_a_number() -> None:
    assert listed(["a", "b\n"]) == "a, b\\n"
    said = listed("x" * 1000 for _ in range(100_000))
    assert said.endswith("..., and 99980 more")
    assert len(said) < 2000


def test_a_long_name_is_near_to_none() -> None:
    assert nearest("HumanEval/1O", ["HumanEval/10", "HumanEval/9"]) == "HumanEval/10"
    assert nearest("HumanEval/1" * 1_000_000, ["HumanEval/10", "x" * 1_000_000]) is None
