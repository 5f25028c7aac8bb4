"""Mixed recipes: which components of a model are compressed, and how, in a TOML file that arms and commands take.

    version = 1
    recipe = "w8a8"
    components = ["model.layers.0.mlp.up_proj", "model.layers.1.self_attn.q_proj"]

rounds the components listed by one recipe and leaves all others alone; with sparse weights instead,

    version = 1
    pruning = "wanda"

    [sparsity]
    "model.layers.0.mlp.up_proj" = 0.5
"""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, model_validator

from .._util.bounded import read_whole
from .._util.printable import listed
from ..errors import UserError
from ..records import Record
from .linears import find_linears
from .pruning import Pruning, prune
from .recipes import check_group, parse_recipe
from .simulating import check_simulated, quantise_inputs, quantised_weight

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from .linears import Component

PREFIX: Final = "recipe:"
"""What stands before the file in an arm: `13b@recipe:FILE.toml`."""


class MixedRecipe(Record):
    """A recipe for some components, or a sparsity for each, by the components' names in the model."""

    version: Literal[1] = 1
    recipe: str | None = None
    components: tuple[str, ...] = ()
    pruning: Pruning | None = None
    sparsity: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_way(self) -> MixedRecipe:
        if (self.recipe is None) == (self.pruning is None):
            raise ValueError("needs either `recipe` with `components`, or `pruning` with `sparsity`")
        if (self.components and self.recipe is None) or (self.sparsity and self.pruning is None):
            raise ValueError("has `components` without `recipe`, or `sparsity` without `pruning`")
        if self.recipe is not None:
            parse_recipe(self.recipe)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Components that it changes."""
        return (*self.components, *(name for name, share in self.sparsity.items() if share > 0))

    def as_toml(self) -> str:
        """Write it as the file's text."""
        lines = ["version = 1"]
        if self.recipe is not None:
            lines += [f"recipe = {json.dumps(self.recipe)}", "components = ["]
            lines += [*(f"  {json.dumps(name)}," for name in self.components), "]"]
        else:
            lines += [f"pruning = {json.dumps(self.pruning)}", "", "[sparsity]"]
            lines += [f"{json.dumps(name)} = {share!r}" for name, share in self.sparsity.items()]
        return "\n".join(lines) + "\n"


def load_mixed(file: Path) -> MixedRecipe:
    """Read a mixed recipe.

    Raises:
        UserError: The file cannot be read, is no TOML, or is no mixed recipe.
    """
    try:
        return MixedRecipe.model_validate(tomllib.loads(read_whole(file)))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{file} is not TOML: {error}") from None
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{file}: {place + ': ' if place else ''}{first['msg']}") from None


def rounding(file: Path) -> MixedRecipe:
    """Read a mixed recipe that a checkpoint of few bits can be made of.

    Raises:
        UserError: As `load_mixed`, or it makes weights sparse.
    """
    mixed = load_mixed(file)
    if mixed.recipe is None:
        raise UserError(f"{file} prunes weights, which no checkpoint of few bits stores: write MODEL@{PREFIX}{file}")
    return mixed


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
