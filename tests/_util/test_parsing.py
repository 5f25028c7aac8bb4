"""Finding a function in a syntax tree, and what parsing keeps to itself."""

import warnings

import pytest
from codebudget._util.parsing import expression, find_function, module

TWICE = "def f(): return 1\nasync def f(): return 2\ndef g(): return 3\nclass C:\n    def h(self): return 4\n"


@pytest.mark.parametrize(("name", "nested", "line"), [("f", False, 2), ("f", True, 1), ("g", False, 3), ("h", True, 5)])
def test_the_last_at_the_top_or_the_first_anywhere(name: str, nested: bool, line: int) -> None:
    found = find_function(module(TWICE), name, nested=nested)
    assert found is not None
    assert found.lineno == line


def test_none_is_found_where_there_is_none() -> None:
    assert find_function(module(TWICE), "h") is None
    assert find_function(module("def f("), "f") is None


@pytest.mark.parametrize("text", ["def f(", "x\0", "x = '\ud800'", "(" * 9999, "1 +"])
def test_what_cannot_be_parsed_is_none(text: str) -> None:
    assert module(text) is None
    assert expression(text) is None


def test_a_foreign_text_warns_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert module(r"x = '\d'") is not None
        assert expression(r" '\d' ") is not None
