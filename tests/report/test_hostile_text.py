"""Names of others in Markdown and in terminals: they are shown, and do nothing."""

import re

import pytest
from codebudget._util.printable import printable
from codebudget.report.markdown import code, plain
from hypothesis import given
from hypothesis import strategies as st

NASTY = st.text(st.one_of(st.characters(), st.sampled_from("`|<>&@\\*_[]()#\x1b\n\r\u202e\u2028\0")), max_size=40)


@given(NASTY)
def test_terminal_text_is_printable_and_says_the_same(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


def test_ansi_is_shown_and_not_done() -> None:
    assert printable("a\x1b[2Jb\r\u202ec\n") == "a\\x1b[2Jb\\r\\u202ec\\n"


@given(NASTY)
def test_code_cannot_be_left_from_inside(text: str) -> None:
    spanned = code(text)
    fence = re.match("`+", spanned)
    assert fence is not None
    inside = spanned[len(fence[0]) : -len(fence[0])]
    assert spanned.endswith(fence[0])
    assert fence[0] not in re.findall("`+", inside)
    # A bar would end a table's cell.
    assert not re.search(r"(?<!\\)\|", inside)
    assert spanned.isprintable()


@pytest.mark.parametrize(
    "text", ["<img src=x onerror=1>", "[a](http://b)", "**a**", "# a", "`a`", "a|b", "&lt;", "$x$"]
)
def test_plain_text_has_no_markup_left(text: str) -> None:
    assert re.sub(r"\\[^\w\s]", "", plain(text)) == re.sub(r"[\\`*_{}\[\]()#+!|~<>&$^=-]", "", text).replace(
        "://", ":\u2060//"
    )


def test_nobody_is_mentioned_or_linked() -> None:
    assert "@octocat" not in plain("@octocat")
    assert "http://x" not in plain("http://x")
    assert plain("#12") == "\\#12"
