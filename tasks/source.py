"""Parsing Python that may not be Python."""

from __future__ import annotations

import ast
import warnings

UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""All that `ast.parse` raises: for bad syntax, null bytes and lone surrogates, too deep nesting."""


def module(source: str) -> ast.Module | None:
    """The tree of a module, or None where the text is none."""
    with warnings.catch_warnings():
        # Invalid escapes in somebody's docstring are not this program's affair.
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except UNPARSABLE:
            return None


def expression(source: str) -> ast.Expression | None:
    """The tree of an expression, or None where the text is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source.strip(), mode="eval")
        except UNPARSABLE:
            return None
