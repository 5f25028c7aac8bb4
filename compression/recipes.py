"""Recipes that can be carried out, a part of those that can be planned with; `budgets.recipe` has the grammar."""

from __future__ import annotations

from typing import Final

from ..budgets.precision import recipe_scheme
from ..budgets.recipe import METHODS, Recipe, parse_recipe
from ..errors import UserError

LEAST_BITS: Final = 2
"""One bit would be a sign, which rounding to a grid around zero cannot give."""
MOST_BITS: Final = 8
LEAST_ACTIVATION_BITS: Final = 4


def check_makeable(recipe: Recipe) -> None:
    """Refuse a recipe that only a plan can use.

    Raises:
        UserError: It quantises nothing, or to bits that no format stores.
    """
    weights, activations = recipe.weight_bits, recipe.activation_bits
    if weights == activations == 16:
        raise UserError(f"recipe {recipe.key} quantises nothing: write fewer bits, such as w4a16")
    if weights != 16 and not LEAST_BITS <= weights <= MOST_BITS:
        raise UserError(
            f"recipe {recipe.key}: weights can be rounded to {LEAST_BITS} to {MOST_BITS} bits, not {weights}"
        )
    if activations not in (*range(LEAST_ACTIVATION_BITS, MOST_BITS + 1), 16):
        raise UserError(
            f"recipe {recipe.key}: activations can have {LEAST_ACTIVATION_BITS} to {MOST_BITS} bits, or 16, "
            f"not {activations}"
        )
    if recipe.method == "autoround" and recipe.format not in (None, "fp8"):
        raise UserError(f"recipe {recipe.key}: autoround rounds integers and fp8 alone; write {recipe.format}-gptq")


def group_size(recipe: Recipe) -> int | None:
    """Inputs that share a scale, by the recipe or by its format; None for a whole output channel."""
    return recipe_scheme(recipe).group


def check_group(recipe: Recipe, inputs: int, layer: str | None = None) -> None:
    """Refuse a group that does not divide a layer's inputs.

    Args:
        recipe: The recipe.
        inputs: Inputs of the layer.
        layer: Its name, for the message.

    Raises:
        UserError: A part of a group would be left over.
    """
    group = group_size(recipe)
    if group is None or recipe.weight_bits == 16 or inputs % group == 0:
        return
    fitting = [size for size in (256, 128, 64, 32, 16, 8) if size < group and inputs % size == 0]
    instead = f"-g{fitting[0]}" if fitting else "no group (per row)"
    if recipe.format is not None:
        instead = "a recipe whose group can be chosen, such as w4a16-g" + str(fitting[0] if fitting else 8)
    raise UserError(
        f"recipe {recipe.key}: groups of {group} do not divide the {inputs} inputs of {layer or 'a layer'}; "
        f"write {instead}"
    )


__all__ = ["METHODS", "Recipe", "check_group", "check_makeable", "group_size", "parse_recipe"]
