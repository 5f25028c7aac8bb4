"""Inputs made of an example's."""

import ast

import pytest
from codebudget.rankers.inputs.mutation import MOST, variants


def arguments(call: str) -> tuple:
    return tuple(ast.literal_eval(argument) for argument in ast.parse(call, mode="eval").body.args)


@pytest.mark.parametrize("call", ["f([3, 1, 2], 2)", "f('ab c', True)", "f({'a': [1]}, 0.5)", "f((1, 'x'), {2, 3})"])
def test_one_argument_changes_and_keeps_its_type(call: str) -> None:
    first, *others = variants(call)
    assert first == call
    assert 5 < len(others) < MOST
    old = arguments(call)
    for other in others:
        new = arguments(other)
        changed = [place for place in range(len(old)) if new[place] != old[place]]
        assert len(changed) == 1
        assert type(new[changed[0]]) is type(old[changed[0]])


def test_every_argument_has_its_turn() -> None:
    made = [arguments(call) for call in variants(f"f({list(range(50))}, 7, 'abc')")[1:]]
    assert len(made) == MOST - 1
    assert {7, 8, 6} <= {number for _, number, _ in made}
    assert len({text for *_, text in made}) > 5


@pytest.mark.parametrize("call", ["f(x)", "f(n=3)", "round(f(2), 3)", "f()", "f([])"])
def test_what_has_nothing_to_change_stays_alone(call: str) -> None:
    assert variants(call) == (call,)


def test_numbers_stay_small_enough_to_count_to() -> None:
    assert all(abs(arguments(call)[0]) <= 1_000_000 for call in variants("f(999999)")[1:])
