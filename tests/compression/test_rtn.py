"""Rounding to nearest, of weights and of activations, against plain numpy, one number after the other."""

import numpy as np
import pytest
from codebudget.compression import parse_recipe
from codebudget.compression.rtn import fake_quantise, fake_quantise_tokens, round_weight
from codebudget.errors import UserError
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="needs torch: install the extra [transformers]")

Matrix = NDArray[np.float32]


def reference(weight: Matrix, bits: int, group: int | None, *, symmetric: bool) -> Matrix:
    """Round group by group and weight by weight, in single precision."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    width = np.float32(high - low)
    rounded = np.zeros_like(weight)
    for row in range(weight.shape[0]):
        for start in range(0, weight.shape[1], group or weight.shape[1]):
            part = slice(start, start + (group or weight.shape[1]))
            values = weight[row, part]
            zero = np.float32(0)
            if symmetric:
                scale = np.abs(values).max() / (width / np.float32(2))
            else:
                least, most = min(values.min(), np.float32(0)), max(values.max(), np.float32(0))
                scale = (most - least) / width
                zero = np.float32(np.clip(np.rint(np.float32(low) - least / scale), low, high))
            for column, value in enumerate(values, start):
                code = np.clip(np.rint(value / scale + zero), low, high)
                rounded[row, column] = (np.float32(code) - zero) * scale
    return rounded


def weights(rows: int = 12, columns: int = 96, *, seed: int = 0) -> Matrix:
    return np.random.default_rng(seed).standard_t(3, (rows, columns)).astype(np.float32)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("group", [None, 96, 32, 8])
@pytest.mark.parametrize("bits", [2, 3, 4, 5, 8])
def test_weights_equal_the_reference(bits: int, group: int | None, symmetric: bool) -> None:
    name = f"w{bits}a16" + (f"-g{group}" if group else "") + ("" if symmetric else "-asym")
    for seed, shift in enumerate((0.0, 1.5, -1.5)):
        weight = weights(seed=seed) + np.float32(shift)
        found = fake_quantise(torch.from_numpy(weight), parse_recipe(name)).numpy()
        np.testing.assert_array_equal(found, reference(weight, bits, group, symmetric=symmetric))


@pytest.mark.parametrize("bits", [4, 8])
def test_tokens_equal_the_reference_for_rows(bits: int) -> None:
    tokens = weights(seed=3).reshape(3, 4, 96)
    recipe = parse_recipe(f"w16a{bits}")
    found = fake_quantise_tokens(torch.from_numpy(tokens), recipe).numpy()
    np.testing.assert_array_equal(found.reshape(12, 96), reference(tokens.reshape(12, 96), bits, None, symmetric=True))


@pytest.mark.parametrize("name", ["w4a16-g32", "w3a16-asym", "w8a8"])
def test_codes_and_scales_are_what_can_be_stored(name: str) -> None:
    recipe = parse_recipe(name)
    weight = torch.from_numpy(weights()).to(torch.bfloat16)
    found = round_weight(weight, recipe)
    half = 2 ** (recipe.weight_bits - 1)
    assert torch.equal(found.codes, found.codes.round())
    assert -half <= found.codes.min() <= found.codes.max() <= half - 1
    assert torch.equal(found.scales, found.scales.to(torch.bfloat16).float())
    assert found.scales.shape == (12, 3 if "g32" in name else 1)
    assert fake_quantise(weight, recipe).dtype == torch.bfloat16


def test_a_row_of_zeros_stays_zero_and_a_grid_point_stays_where_it_is() -> None:
    weight = torch.zeros(2, 8)
    weight[1] = torch.tensor([-7.5, -4.5, -1.5, -0.5, 0.5, 1.5, 2.5, 7.5])
    for name in ("w4a16", "w4a16-asym", "fp8"):
        found = fake_quantise(weight, parse_recipe(name))
        assert torch.equal(found[0], torch.zeros(8))
        assert (found[1] - weight[1]).abs().max() <= 0.5
    exact = torch.arange(-8, 8).float().repeat(2, 1)
    assert torch.equal(fake_quantise(exact, parse_recipe("w4a16-asym")), exact)


def test_fp8_keeps_three_bits_of_mantissa() -> None:
    weight = torch.from_numpy(weights(seed=5))
    recipe = parse_recipe("fp8")
    scale = weight.abs().amax(1, keepdim=True) / 448
    for found in (fake_quantise(weight, recipe), fake_quantise_tokens(weight, recipe)):
        normal = (weight / scale).abs() >= 2**-6
        assert ((found - weight).abs() <= weight.abs() / 16 * 1.0001)[normal].all()
        assert ((found - weight).abs() <= 2**-10 * scale * 1.0001)[~normal].all()


def test_sixteen_bits_change_nothing() -> None:
    weight = torch.from_numpy(weights())
    assert torch.equal(fake_quantise(weight, parse_recipe("w16a8")), weight)
    assert torch.equal(fake_quantise_tokens(weight, parse_recipe("w4a16")), weight)


def test_a_group_that_does_not_divide_is_one_line() -> None:
    weight = torch.zeros(4, 704)
    with pytest.raises(UserError, match=r"groups of 128 do not divide the 704 inputs of mlp\.down_proj; write -g64$"):
        fake_quantise(weight, parse_recipe("w4a16-g128"), "mlp.down_proj")
    with pytest.raises(UserError, match="groups of 16 do not divide the 9 inputs of a layer; write no group"):
        fake_quantise(torch.zeros(4, 9), parse_recipe("w4a16-g16"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("w16a16", "quantises nothing"),
        ("w1a16", "2 to 8 bits, not 1"),
        ("w12a16", "2 to 8 bits, not 12"),
        ("w4a2", "activations can have 4 to 8 bits, or 16, not 2"),
        ("nvfp4", "cannot be rounded to nearest here"),
    ],
)
def test_what_cannot_be_rounded_is_refused(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        round_weight(torch.zeros(4, 32), parse_recipe(name))
