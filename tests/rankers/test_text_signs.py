"""Signs in a program's text."""

import numpy as np
import pytest
from codebudget.rankers.text_signs import length_prior, reads_unbound, unbound_prior


@pytest.mark.parametrize(
    "program",
    [
        "def f(x):\n    return helper(x)\n",
        "def f(x):\n    total += x\n    return math.floor(y)\n",
        "def f(self):\n    return [a for b in self]\n",
    ],
)
def test_names_that_nothing_binds(program: str) -> None:
    assert reads_unbound(program)


@pytest.mark.parametrize(
    "program",
    [
        "import math\nfrom os import path as p\ndef f(x, *, y=1, **z):\n    return math.floor(p.x), y, z, len(x)\n",
        "def f(x):\n  try:\n    return [a + b for a, (b, *_) in x]\n  except ValueError as error:\n    return error\n",
        "class A:\n    async def f(self):\n        return await A().f(lambda q: q)\n",
        "def f(x):\n  match x:\n    case [a, *b] | {'k': a, **b}: return a, b\n    case c: return c\n",
        "from math import *\ndef f(x):\n    return floor(x)\n",
        "def f(x):\n    for i in x:\n        k = i\n    with open('a') as h:\n        return (m := k), m, h\n",
        "def f(",
    ],
)
def test_bound_names_are_in_order(program: str) -> None:
    assert not reads_unbound(program)


def test_the_length_of_programs_matters_less_among_many() -> None:
    short, broken = "def f(x):\n    return 1\n", "def f(x)"
    long = "def f(x):\n    # Aside.\n    return sum(x) + 1 + 22\n"
    programs, rows = [short, long, broken], np.array([[0, 1, 2], [2, 0, 0]])
    few, many = length_prior(programs, rows, np.ones(2)), length_prior(programs, rows, np.full(2, 10.0))
    assert few[0, 1] == 0 > few[0, 0] > few[0, 2]
    # The longest of a subset is its own.
    assert few[1, 1] == few[1, 2] == 0 > few[1, 0]
    assert np.allclose(few, 10 * many)
    assert unbound_prior([short, "def f(x):\n    return y\n"]).tolist() == [0, -2]
