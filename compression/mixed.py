"""Mixed recipes, applied: some components of a loaded model are rounded or made sparse, the others left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._util.printable import listed
from ..budgets.recipe import parse_recipe
from ..errors import UserError
from .linears import find_linears
from .pruning import prune
from .recipes import check_group
from .simulating import check_simulated, quantise_inputs, quantised_weight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ..budgets.mixed import MixedRecipe
    from .linears import Component


def apply_mixed(network: Any, mixed: MixedRecipe, input_norms: Mapping[str, Tensor]) -> None:
    """Compress a loaded model's components in place, and round what enters them from now on, as a mixed recipe says.

    Args:
        network: A transformers decoder.
        mixed: The recipe; each of its components must be one of the model's.
        input_norms: For `wanda`, the norms of inputs by component.

    Raises:
        UserError: A component is not in the model, or the recipe needs a checkpoint or does not fit a component.
    """
    by_name = {component.name: component for component in find_linears(network).components}
    strangers = [name for name in mixed.names if name not in by_name]
    if strangers:
        raise UserError(
            f"the model has no {listed(strangers, 3)}: the mixed recipe is of another model; this one's components are "
            f"{listed(by_name, 3)}"
        )
    chosen = [by_name[name] for name in mixed.names]
    if mixed.recipe is not None:
        recipe = parse_recipe(mixed.recipe)
        check_simulated(recipe)
        for component in chosen:
            check_group(recipe, component.inputs, component.name)
        for component in chosen:
            component.put(quantised_weight(component, recipe))
            quantise_inputs(component, recipe)
        return
    _prune_all(chosen, mixed, input_norms)


def _prune_all(chosen: list[Component], mixed: MixedRecipe, input_norms: Mapping[str, Tensor]) -> None:
    for component in chosen:
        share = mixed.sparsity[component.name]
        component.put(prune(component.weight(), share, mixed.pruning or "magnitude", input_norms.get(component.name)))
