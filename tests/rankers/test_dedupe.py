"""Copies of one program that pass for many (E4)."""

import pytest
from codebudget.errors import UserError
from codebudget.rankers import load_ranker
from codebudget.rankers.combine import copies, form
from codebudget.rankers.registry import origin

BASE = "def f(xs, n=2):\n    total = 0\n    for x in xs:\n        total += x * n\n    return total\n"
SAME = [
    BASE.replace("total", "s").replace("x * n", "y * n").replace("for x", "for y"),
    BASE.replace("    total = 0", "    # start\n    total  =  0"),
    BASE.replace("    total = 0", '    """Sums."""\n    total = 0'),
    "def f(values, n=2):\n    x = 0\n    for value in values: x += value * n\n    return x",
]
OTHER = [
    BASE.replace("x * n", "n * x"),
    BASE.replace("total += x", "total -= x"),
    BASE.replace("n=2", "n=3"),
    BASE.replace("def f", "def g"),
    BASE.replace("return total", "return xs"),
    BASE.replace("for x in xs", "for x in range"),
    "def f(x:",
    "",
]


@pytest.mark.parametrize("program", SAME)
def test_names_comments_and_layout_do_not_count(program):
    assert form(program, "f") == form(BASE, "f")


@pytest.mark.parametrize("program", OTHER)
def test_what_may_behave_otherwise_is_of_another_form(program):
    assert form(program, "f") != form(BASE, "f")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (
            "def f(x):\n    key = abs\n    return sorted(x, key=key)",
            "def f(x):\n    reverse = abs\n    return sorted(x, reverse=reverse)",
        ),
        ("class C:\n    x = 1\ndef f(y):\n    return C.x", "class C:\n    z = 1\ndef f(y):\n    return C.x"),
        (
            "from math import floor\ndef f(x):\n    return floor(x)",
            "from math import ceil\ndef f(x):\n    return ceil(x)",
        ),
        ("def f(x):\n    a, b = x\n    return a", "def f(x):\n    b, a = x\n    return a"),
        ("def f(x):\n    def g(y): return y\n    return g(x)", "def f(x):\n    def g(y): return x\n    return g(x)"),
    ],
)
def test_names_that_mean_something_count(a, b):
    assert form(a, "f") != form(b, "f")


def test_the_size_of_each_cluster_can_be_told():
    assert copies([BASE, *SAME, *OTHER[:2], OTHER[0]], "f") == (5,) * 5 + (2, 1, 2)


WRONG = [f"def double(x):\n    {name} = x * x\n    return {name}\n" for name in "abcdefgh"]
RIGHT = [
    "def double(x):\n    return x + x\n",
    "def double(x):\n    return 2 * x\n",
    "def double(x):\n    return x * 2\n",
]


def test_renamed_copies_win_a_vote_and_lose_it_with_dedupe(task, context, pool):
    task = task.model_copy(update={"examples": task.examples[1:]})
    candidates = pool(*WRONG, *RIGHT)
    plain = load_ranker("majority").rank(task, candidates, context).scores
    assert plain == (8,) * 8 + (3,) * 3
    distinct = load_ranker("majority,dedupe=true").rank(task, candidates, context).scores
    assert distinct == (1,) * 8 + (3,) * 3
    assert load_ranker("majority,dedupe=false").rank(task, candidates, context).scores == plain


def test_any_ranker_takes_it_and_it_is_named(tmp_path):
    assert load_ranker("examples+codet,tests=3,dedupe=true").name == "examples+codet,dedupe=true"
    assert load_ranker("shortest,dedupe=true").pointwise is False
    with pytest.raises(UserError, match="dedupe=yes must be true or false"):
        load_ranker("codet,dedupe=yes")
    (tmp_path / "mine.py").write_text(
        'class Mine:\n    """Mine."""\n    name, version, needs, pointwise = "mine", "1", frozenset(), True\n'
        "    def rank(self, task, candidates, context): ...\n"
    )
    chain = load_ranker(f"examples+{tmp_path}/mine.py:Mine,dedupe=true")
    assert origin(chain) == f"ranker 'examples+mine,dedupe=true' (distribution codebudget, file {tmp_path}/mine.py)"
