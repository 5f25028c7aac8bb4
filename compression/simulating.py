"""Compression in place, without few-bit storage: a loaded network computes what its quantised checkpoint would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._util.progress import notice
from ..errors import UserError
from .linears import find_linears
from .recipes import check_group, check_makeable
from .rtn import fake_quantise, fake_quantise_tokens

if TYPE_CHECKING:
    from torch import Tensor

    from .linears import Component
    from .recipes import Recipe


def is_simulated(recipe: Recipe) -> bool:
    """Whether a recipe can be applied to a loaded model: rounding to nearest of integers or fp8, without factors."""
    return recipe.method == "rtn" and not recipe.lorc_rank and recipe.format in (None, "fp8")


def check_simulated(recipe: Recipe) -> None:
    """Refuse a recipe that needs a checkpoint.

    Raises:
        UserError: It is not `is_simulated`, or nothing can be made of it.
    """
    check_makeable(recipe)
    if not is_simulated(recipe):
        raise UserError(
            f"recipe {recipe.key} cannot be applied to a loaded model: only rounding to nearest can; make the "
            f"checkpoint with codebudget quantise MODEL {recipe.key}, and give its folder"
        )


def simulate(network: Any, recipe: Recipe) -> None:
    """Round all linear components' weights in place, and from now on the tokens that enter them, as a recipe says.

    Matrices of layers that are no linear modules stay as they are; that is told as a notice.

    Raises:
        UserError: As `check_simulated`, a group does not divide a layer's inputs, or there is nothing to round.
    """
    check_simulated(recipe)
    found = find_linears(network)
    for component in found.components:
        check_group(recipe, component.inputs, component.name)
    for component in found.components:
        component.put(quantised_weight(component, recipe))
        quantise_inputs(component, recipe)
    if found.others:
        notice(f"matrices of layers that are not linear modules stay as they are: {found.beside}")


def quantised_weight(component: Component, recipe: Recipe) -> Tensor:
    """Round a component's weight, (outputs, inputs); nothing is changed."""
    return fake_quantise(component.weight().contiguous(), recipe, component.name)


def quantise_inputs(component: Component, recipe: Recipe) -> Any:
    """Round what enters a component from now on; returns the hook's handle, None where activations keep their bits."""
    if recipe.activation_bits == 16:
        return None

    def rounded(_module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (fake_quantise_tokens(inputs[0], recipe), *inputs[1:])

    return component.module.register_forward_pre_hook(rounded)
