"""Round to nearest: what a weight or an activation is worth after quantisation, without storing it in few bits.

The grid is that of compressed-tensors (0.19), so that this is what its checkpoints hold. For b bits it has the integers
from -2^(b-1) to 2^(b-1) - 1. Symmetric, a scale is max|w| over half the grid's width (2^b - 1) / 2; otherwise it is
the range of the weights, zero included, over the width, and a zero-point moves the grid. Halves round to even.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ..errors import UserError
from .recipes import check_group, check_makeable, group_size

if TYPE_CHECKING:
    from torch import Tensor

    from .recipes import Recipe

FP8_MOST: Final = 448.0
"""Largest number of E4M3 (OCP 8-bit Floating Point 1.0, section 5)."""


class Rounded(NamedTuple):
    """A weight on its grid: codes of its shape, and a scale and a zero-point for each of its groups.

    Codes are whole numbers, or values of E4M3 for `fp8`. `scales` and `zeros` have a row per output channel and a
    column per group.
    """

    codes: Tensor
    scales: Tensor
    zeros: Tensor

    def values(self) -> Tensor:
        """The weight that they stand for, in the type of the scales."""
        rows, columns = self.codes.shape
        grouped = self.codes.reshape(rows, self.scales.shape[1], -1)
        return ((grouped - self.zeros.unsqueeze(-1)) * self.scales.unsqueeze(-1)).reshape(rows, columns)


def round_weight(weight: Tensor, recipe: Recipe, layer: str | None = None) -> Rounded:
    """Round a weight to nearest, whatever the recipe's method.

    Arithmetic is in 32 bits, or 64 for a weight that has them; scales are rounded to the weight's own type, in which
    they are stored.

    Args:
        weight: Of shape (outputs, inputs).
        recipe: Of integers, or `fp8`.
        layer: The name of its layer, for messages.

    Raises:
        UserError: The recipe leaves weights as they are, is of a format that is not rounded here, or its group does not
            divide the inputs.
    """
    import torch

    check_makeable(recipe)
    if recipe.weight_bits == 16 or recipe.format not in (None, "fp8"):
        raise UserError(f"recipe {recipe.key} cannot be rounded to nearest here: write integers or fp8, such as w4a16")
    outputs, inputs = weight.shape
    check_group(recipe, inputs, layer)
    exact = weight if weight.dtype == torch.float64 else weight.float()
    grouped = exact.reshape(outputs, -1, group_size(recipe) or inputs)
    low, high = _grid(recipe)
    if recipe.symmetric:
        scales = grouped.abs().amax(-1) / ((high - low) / 2)
    else:
        least, most = grouped.amin(-1).clamp(max=0), grouped.amax(-1).clamp(min=0)
        scales = (most - least) / (high - low)
    scales = scales.to(weight.dtype).to(exact.dtype)
    # A group of zeros has no scale; any one gives it back.
    scales = torch.where(scales == 0, torch.ones_like(scales), scales)
    zeros = torch.zeros_like(scales)
    if not recipe.symmetric:
        zeros = (low - least / scales).round().clamp(low, high)
    scaled = grouped / scales.unsqueeze(-1)
    if recipe.format == "fp8":
        codes = scaled.clamp(low, high).to(torch.float8_e4m3fn).to(exact.dtype)
    else:
        codes = (scaled + zeros.unsqueeze(-1)).round().clamp(low, high)
    return Rounded(codes.reshape(outputs, inputs), scales, zeros)


def fake_quantise(weight: Tensor, recipe: Recipe, layer: str | None = None) -> Tensor:
    """Give a weight's values after rounding to nearest, in its own type; unchanged if the recipe leaves weights alone.

    Raises:
        UserError: As `round_weight`.
    """
    if recipe.weight_bits == 16:
        return weight
    return round_weight(weight, recipe, layer).values().to(weight.dtype)


def fake_quantise_tokens(activations: Tensor, recipe: Recipe) -> Tensor:
    """Give activations' values after symmetric quantisation with one scale per token, in their own type.

    Args:
        activations: A token's numbers in the last dimension.
        recipe: Its bits of activations decide; unchanged at 16.

    Raises:
        UserError: The recipe is of a format that is not rounded here.
    """
    import torch

    if recipe.activation_bits == 16:
        return activations
    if recipe.format not in (None, "fp8"):
        raise UserError(f"recipe {recipe.key}: activations can be rounded here to integers or fp8 alone")
    exact = activations if activations.dtype == torch.float64 else activations.float()
    half = 2.0 ** (recipe.activation_bits - 1)
    low, high = (-FP8_MOST, FP8_MOST) if recipe.format == "fp8" else (-half, half - 1)
    scales = exact.abs().amax(-1, keepdim=True) / ((high - low) / 2)
    scales = torch.where(scales == 0, torch.ones_like(scales), scales)
    scaled = exact / scales
    if recipe.format == "fp8":
        codes = scaled.clamp(low, high).to(torch.float8_e4m3fn).to(exact.dtype)
    else:
        codes = scaled.round().clamp(low, high)
    return (codes * scales).to(activations.dtype)


def _grid(recipe: Recipe) -> tuple[float, float]:
    if recipe.format == "fp8":
        return -FP8_MOST, FP8_MOST
    half = 2.0 ** (recipe.weight_bits - 1)
    return -half, half - 1
