"""The grammar of recipes: what is read, what one key stands for, and which part is named when one cannot be read."""

import pytest
from codebudget.budgets.recipe import METHODS, Recipe, fault_of, is_recipe, parse_recipe
from codebudget.errors import UserError
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "recipe"),
    [
        ("w4a16-g128-gptq", Recipe(weight_bits=4, group=128, method="gptq")),
        ("w8a8", Recipe(weight_bits=8, activation_bits=8)),
        ("W3A16-G64-asym-rtn-lorc8", Recipe(weight_bits=3, group=64, symmetric=False, lorc_rank=8)),
        ("fp8", Recipe(weight_bits=8, activation_bits=8, format="fp8")),
        ("w4a8", Recipe(weight_bits=4, activation_bits=8)),
        ("w2a16-autoround", Recipe(weight_bits=2, method="autoround")),
        ("w8a8-smoothquant", Recipe(weight_bits=8, activation_bits=8, method="smoothquant")),
        ("w16a8", Recipe(weight_bits=16, activation_bits=8)),
        ("nvfp4-awq-lorc", Recipe(weight_bits=4, format="nvfp4", method="awq", lorc_rank=8)),
        ("int4-gptq", Recipe(weight_bits=4, group=128, method="gptq")),
        ("int8-lorc2", Recipe(weight_bits=8, activation_bits=8, lorc_rank=2)),
    ],
)
def test_a_recipe_as_typed(text: str, recipe: Recipe) -> None:
    assert parse_recipe(text) == recipe


@pytest.mark.parametrize(
    ("spellings", "key"),
    [
        (("w4a16", "w4a16-sym", "W4A16-RTN", "w4a16-sym-rtn"), "w4a16"),
        (("int4", "w4a16-g128", "w4a16-g128-sym"), "w4a16-g128"),
        (("w8a8-lorc", "int8-rtn-lorc8"), "w8a8-lorc8"),
        (("fp8-rtn",), "fp8"),
    ],
)
def test_all_spellings_have_one_key(spellings: tuple[str, ...], key: str) -> None:
    assert {parse_recipe(text).key for text in spellings} == {key}


@given(
    st.integers(1, 15),
    st.integers(1, 16),
    st.none() | st.integers(1, 999_999),
    st.booleans(),
    st.sampled_from([method for method in METHODS if method != "smoothquant"]),
    st.integers(0, 9999),
)
def test_a_key_is_read_back(
    weights: int, activations: int, group: int | None, symmetric: bool, method: str, rank: int
) -> None:
    recipe = Recipe.model_validate(
        {
            "weight_bits": weights,
            "activation_bits": activations,
            "group": group,
            "symmetric": symmetric,
            "method": method,
            "lorc_rank": rank,
        }
    )
    assert parse_recipe(recipe.key) == recipe
    assert parse_recipe(recipe.key.upper()).key == recipe.key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "recipe '': cannot read ''; start with w<bits>a<bits>"),
        ("w4", "cannot read 'w4'"),
        ("w0a16", "cannot read 'w0a16'"),
        ("w17a16", "cannot read 'w17a16'"),
        ("w4a16-g0", "cannot read '-g0'"),
        ("w4a16-g12x", "cannot read '-g12x'"),
        ("w4a16-g1000000", "cannot read '-g1000000'"),
        ("w4a16-gtpq", "cannot read '-gtpq'"),
        ("w4a16-", "cannot read '-'"),
        ("w4a16-lorc0", "cannot read '-lorc0'"),
        ("w4a16-gptq-g64", "'-g64' comes twice or too late"),
        ("w4a16-asym-g64", "'-g64' comes twice or too late"),
        ("w4a16-g64-g32", "'-g32' comes twice or too late"),
        ("w4a16-gptq-rtn", "'-rtn' comes twice or too late"),
        ("fp8-g64", "'-g64' does not fit fp8, which has its own scales"),
        ("int4-g64", "'-g64' does not fit int4, .*; write w4a16-g64"),
        ("w16a8-gptq", "'-gptq' rounds weights, but w16"),
        ("w16a8-g64", "weights of 16 bits are not quantised"),
        ("w16a8-lorc8", "'-lorc8' is for what rounding weights lost"),
        ("w4a16-smoothquant", "'-smoothquant' helps to quantise activations"),
        ("nf4-gptq", "cannot read 'nf4'"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, message: str) -> None:
    assert not is_recipe(text)
    assert fault_of(text) is not None
    with pytest.raises(UserError, match=message):
        parse_recipe(text)
