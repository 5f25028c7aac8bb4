"""What a user types for a ranker."""

import pytest
from codebudget.errors import UserError
from codebudget.rankers import load_ranker
from codebudget.rankers.registry import Spec, arguments_for, parameters_of, parse_specs


class Tunable:
    def __init__(self, count: int = 3, share: float = 0.5, name: str = "x", strict: bool = False, other: object = None):
        self.given = (count, share, name, strict, other)


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("codet", (Spec("codet", {}),)),
        ("codet,tests=50", (Spec("codet", {"tests": "50"}),)),
        (" b4 , a=10, b0=1e4 ", (Spec("b4", {"a": "10", "b0": "1e4"}),)),
        (
            "examples+codet,tests=5+mean-logprob",
            (Spec("examples", {}), Spec("codet", {"tests": "5"}), Spec("mean-logprob", {})),
        ),
        ("mine.py:Mine,x=a=b", (Spec("mine.py:Mine", {"x": "a=b"}),)),
    ],
)
def test_names_parameters_and_chains(text, links):
    assert parse_specs(text) == links


@pytest.mark.parametrize(
    "text", ["", "+", "codet+", "+codet", ",a=1", "b4,a", "b4,=1", "b4,a=", "b4,a=1,a=2", "b4,,a=1"]
)
def test_what_is_of_no_such_form_is_named(text):
    with pytest.raises(UserError, match="ranker"):
        parse_specs(text)


def test_values_get_the_types_of_the_defaults():
    typed = {"count": "7", "share": "1e-3", "name": "5", "strict": "true"}
    assert arguments_for(Tunable, Spec("t", typed)) == {"count": 7, "share": 0.001, "name": "5", "strict": True}
    assert parameters_of(Tunable) == {"count": 3, "share": 0.5, "name": "x", "strict": False}


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("count", "1.5", "must be a whole number"),
        ("share", "half", "must be a number"),
        ("strict", "1", "must be true or false"),
        ("size", "1", "has no parameter 'size'; it has: count=3, share=0.5, name=x, strict=False"),
        ("other", "1", "has no parameter 'other'"),
    ],
)
def test_a_wrong_value_says_what_is_wanted(parameter, value, message):
    with pytest.raises(UserError, match=message):
        arguments_for(Tunable, Spec("t", {parameter: value}))


def test_a_ranker_without_parameters_says_so():
    with pytest.raises(UserError, match="ranker 'random' has no parameter 'tests'; it has: none"):
        load_ranker("random,tests=3")
