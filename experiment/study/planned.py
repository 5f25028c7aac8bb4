"""A board -> the checkpoints that a study is of, in their order, and their bytes by the plan, without weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...budgets.memory import effective_bits, plain_share, weight_bytes
from ...budgets.models import find_model
from ...compression.compressor import needs_calibration
from ...compression.recipes import check_group
from ...errors import UserError
from .rows import UNQUANTISED

if TYPE_CHECKING:
    from ...budgets.models import Model
    from ...compression.recipes import Recipe
    from .board import StudyFile


class Checkpoint(NamedTuple):
    """A checkpoint of a study: a model by a recipe, or at 16 bits where it is None; `seed` is its calibration's."""

    typed: str
    model: Model
    recipe: Recipe | None
    seed: int | None

    @property
    def precision(self) -> str:
        """The recipe's key, or that of 16 bits."""
        return UNQUANTISED if self.recipe is None else self.recipe.key

    @property
    def label(self) -> str:
        """Its name in tables, such as `nano-4m@w4a16-gptq`, without the seed."""
        return f"{self.model.name}@{self.precision}"

    @property
    def planned_bytes(self) -> int:
        """Bytes of all weights, by the plan."""
        return weight_bytes(self.model.architecture, self.precision)

    @property
    def effective_bits(self) -> float:
        """Bits per quantised weight, with scales, zero-points and factors."""
        return effective_bits(self.model.architecture, self.precision)


def checkpoints_of(file: StudyFile) -> list[Checkpoint]:
    """List the checkpoints of a study, the unquantised one of each model first.

    Raises:
        UserError: A model is unknown or has no weights to quantise, or a recipe does not fit it; with the line.
    """
    found: list[Checkpoint] = []
    board = file.board
    recipes = file.recipes()
    for place, typed in enumerate(board.models):
        with file.at("models", place):
            model = find_model(typed, board.family)
            if model.name in [one.model.name for one in found]:
                raise UserError(f"{typed} is {model.name}, which is listed already; remove one")
            if all(plain_share(model.architecture, one) == 1 for one in model.architecture.linears()):
                raise UserError(f"{model.name} has no linear layers to quantise: choose another model")
        found.append(Checkpoint(typed, model, None, None))
        for recipe, at in recipes.items():
            with file.at(*at):
                _check_fit(model, recipe)
            seeds = board.seeds if needs_calibration(recipe) else [None]
            found += [Checkpoint(typed, model, recipe, seed) for seed in seeds]
    return found


def _check_fit(model: Model, recipe: Recipe) -> None:
    for linear in model.architecture.linears():
        if plain_share(model.architecture, linear) == 1:
            continue
        check_group(recipe, linear.inputs, f"the {linear.role} layers of {model.name}")
        most = min(linear.inputs, linear.outputs)
        if recipe.lorc_rank > most:
            raise UserError(
                f"recipe {recipe.key}: the {linear.role} layers of {model.name} have {most} singular values; "
                f"write -lorc{most} or less"
            )
