"""Makes checkpoints of fewer bits from a model and a recipe, and tells what that does to its weights."""

from .recipes import METHODS, Recipe, check_group, check_makeable, group_size, parse_recipe

__all__ = ["METHODS", "Recipe", "check_group", "check_makeable", "group_size", "parse_recipe"]
