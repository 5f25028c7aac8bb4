"""Inputs that rankers make where no model wrote tests: drawn, mutated, and from what programs name and reach."""

from .mutation import variants
from .telling import Told, told_apart

__all__ = ["Told", "told_apart", "variants"]
