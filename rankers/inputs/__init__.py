"""Inputs that rankers make where no model wrote tests: drawn, mutated, and from what programs name and reach."""

from .mutation import variants
from .telling import Told, shared_calls, told_apart

__all__ = ["Told", "shared_calls", "told_apart", "variants"]
