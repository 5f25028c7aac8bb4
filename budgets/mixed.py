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
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, ValidationError, model_validator

from .._util.bounded import read_whole
from .._util.printable import listed
from ..errors import UserError
from ..records import Record
from .ignored import known_modules, unquantised_roles
from .quantised import Quantisation
from .recipe import parse_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from .architecture import Architecture

Pruning = Literal["magnitude", "wanda"]

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


def split_mixed(name: str) -> tuple[str, str | None]:
    """Split `MODEL@recipe:FILE.toml` into the model and the file, None where a name has none.

    Raises:
        UserError: The model or the file is missing.
    """
    model, marker, file = name.partition(f"@{PREFIX}")
    if marker and not (model and file):
        raise UserError(f"{name}: write MODEL@{PREFIX}FILE.toml")
    return model, file or None


def load_mixed(file: Path) -> MixedRecipe:
    """Read a mixed recipe.

    Raises:
        UserError: The file cannot be read, is no TOML, is no mixed recipe, or changes nothing.
    """
    text = read_whole(file)
    try:
        mixed = MixedRecipe.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{file} is not TOML: {error}") from None
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{file}: {place + ': ' if place else ''}{first['msg']}") from None
    except (ValueError, RecursionError):
        # Integers of thousands of digits, and tables nested as deep.
        raise UserError(f"{file}: it contains a number or table that no mixed recipe can have; remove it") from None
    if not mixed.names:
        raise UserError(f"{file} changes no component: give the model without it")
    return mixed


def partly_quantised(architecture: Architecture, components: tuple[str, ...], file: Path) -> Architecture:
    """Describe a decoder of which a recipe quantises some components alone.

    Raises:
        UserError: The decoder has no such component, or is quantised already.
    """
    if architecture.unquantised:
        raise UserError(f"{file}: a mixed recipe is for unquantised weights: give the model that these were made of")
    known = known_modules(architecture)
    strangers = [name for name in components if name not in known]
    if strangers:
        raise UserError(
            f"{file}: the model has no {listed(strangers, 3)}: the mixed recipe is of another model, or of one whose "
            "modules plans cannot count by name"
        )
    roles = unquantised_roles(architecture, Quantisation("mixed recipe", targets=components))
    return architecture.model_copy(update={"unquantised": roles})
