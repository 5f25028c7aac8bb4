"""Asserts out of what models write: which are kept, as what, and what is refused."""

import pytest
from codebudget.rankers.asserts import asserts_in


def kept(*samples, **options):
    return [found.holds for found in asserts_in(samples, "f", **options)]


def test_a_text_begins_within_its_first_assert():
    (found,) = asserts_in(("f(1, 2) == [3]\n",), "f")
    assert found == ("f(1, 2) == [3]", "f(1, 2)", "[3]", 1)


def test_the_first_five_valid_ones_of_each_text_count():
    text = "f(1) == 1\nassert broken(\nassert True\n" + "".join(f"assert f({x}) == {x}\n" for x in range(2, 9))
    assert kept(text) == [f"f({x}) == {x}" for x in range(1, 6)]
    assert kept(text, per_sample=2) == ["f(1) == 1", "f(2) == 2"]


def test_equal_asserts_are_one_with_their_copies():
    found = asserts_in(("f( 1 )==2\nassert f(3) == 4", "f(1) == 2", "f(1) == 2\nassert f(1)  ==  2"), "f")
    assert [(one.holds, one.copies) for one in found] == [("f(1) == 2", 4), ("f(3) == 4", 1)]


@pytest.mark.parametrize(
    ("text", "call", "expected"),
    [
        ("f(1) == 2", "f(1)", "2"),
        ("2 == f(1)", "f(1)", "2"),
        ("f(1) is None", "f(1)", None),
        ("f(1)", "f(1)", None),
        ("not f(1)", "f(1)", None),
        ("f(1) == f(2)", "f(1)", None),
        ("f(f(1)) == 2", "f(f(1))", None),
        ("abs(f(1) - 0.5) < 1e-6", "f(1)", None),
        ("f(1) == 1 == 1.0", "f(1)", None),
        ("f(1) != 2", "f(1)", None),
        ("sorted(f([2, 1])) == [1, 2]", "f([2, 1])", None),
        ("f(x=1, *[2]) == {'a': (1, None)}", "f(*[2], x=1)", "{'a': (1, None)}"),
    ],
)
def test_the_call_and_what_it_is_to_equal(text, call, expected):
    (found,) = asserts_in((text,), "f")
    assert (found.call, found.expected) == (call, expected)


TRIVIAL = ["True", "1 == 1", "f == f", "f is not None", "'f(1)' == 'f(1)'", "callable(f)", "g(1) == 2"]


@pytest.mark.parametrize("text", TRIVIAL)
def test_what_any_program_passes_is_refused(text):
    assert kept(text) == []


UNSAFE = [
    "f(open('/etc/passwd').read()) == ''",
    "eval('f(1)') == f(1) or True",
    "f(1) == 2 or exit(0)",
    "f.__globals__['x'] == f(1)",
    "f(1).__class__ == int",
    "__import__('os')._exit(f(1)) == 0",
    "f((x := 3)) == x",
    "(yield f(1)) == 2",
    "getattr(f, 'name') == f(1)",
    "f(vars()) == {}",
]


@pytest.mark.parametrize("text", UNSAFE)
def test_what_reaches_for_more_than_values_is_refused(text):
    assert kept(text) == []


UGLY = [
    ("f([1, 2], 3) == True, 'Test failed'\nassert f([4]", ["f([1, 2], 3) == True"]),
    ("f('a') == 'b' # comes first\nassert  f('c')=='d'\n\n\n", ["f('a') == 'b'", "f('c') == 'd'"]),
    ("f(\n    [1,\n     2]) == 3\nassert f(0) == 0", ["f([1, 2]) == 3", "f(0) == 0"]),
    ("f(1) == 2\n\ndef f(x):\n    assert f(3) == 4\n", ["f(1) == 2"]),
    ("f(1) == 2\n```\nassert f(2) == 3", ["f(1) == 2"]),
    ("f(1) == 2\nprint('ok')\nassert f(2) == 3", ["f(1) == 2"]),
    ("f('assert f(1) == 2') == 3", []),
    ("f(1) == 2; import os\nassert f(2) == 3", ["f(1) == 2", "f(2) == 3"]),
    ("f('\N{SNOWMAN}') == '\\ud800'", ["f('\N{SNOWMAN}') == '\\ud800'"]),
    ("f(" + "(" * 300 + "1" + ")" * 300 + ") == 1\nassert f(1) == 1", ["f(1) == 1"]),
    ("f(1) == " + "9" * 3000 + "\nassert f(1) == 1", ["f(1) == 1"]),
    ("f(1) == 2\x00\nassert f(2) == 3", ["f(2) == 3"]),
    ("\t f(1) == 2\r\nassert f(2) == 3", ["f(1) == 2", "f(2) == 3"]),
    ("", []),
    ("assert assert f(1) == 2", ["f(1) == 2"]),
    ("f(1) == 2 and f(2) == 3", ["f(1) == 2 and f(2) == 3"]),
]


@pytest.mark.parametrize(("text", "expected"), UGLY, ids=range(len(UGLY)))
def test_ugly_texts(text, expected):
    assert kept(text) == expected


def test_an_entry_point_may_begin_with_an_underscore():
    assert [found.holds for found in asserts_in(("_f(1) == 2\nassert _g(_f(1)) == 2",), "_f")] == ["_f(1) == 2"]
