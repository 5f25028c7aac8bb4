"""Parsing Python that may not be Python."""

from __future__ import annotations

import ast
import sys
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


def forgotten_modules(test: str, program: str) -> tuple[str, ...]:
    """Modules of the standard library that test code uses without importing them, in the order of their names.

    MBPP keeps such imports in a field of their own, `test_imports`, which files made from it may lack. A name counts
    where it is used as `NAME.attribute` and neither the test code nor the program that it tests gives it a meaning.

    Args:
        test: The test code.
        program: A program that passes it, or as much of one as there is.
    """
    test_tree, program_tree = module(test), module(program) or module(program + "\n    pass\n")
    if test_tree is None or program_tree is None:
        return ()
    used = {
        node.value.id
        for node in ast.walk(test_tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return tuple(sorted((used & sys.stdlib_module_names) - _bound(test_tree) - _bound(program_tree)))


def _bound(tree: ast.Module) -> set[str]:
    """Every name that is given a meaning anywhere in a module."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names
