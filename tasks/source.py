"""Parsing Python that may not be Python."""

from __future__ import annotations

import ast
import sys

from .._util.parsing import Effort, Function

MAX_TOKENS = 1_000_000
"""Limit on parsed source: 3 s and 0.5 GB at worst."""


def module(source: str) -> ast.Module | None:
    """Parse a module; None where the text is none, or longer than `MAX_TOKENS`."""
    return Effort(MAX_TOKENS).parse(source)


def source_of(node: ast.AST) -> str | None:
    """Write a tree's source; None where it is too deep, or a number in it too long, to write out."""
    try:
        return ast.unparse(node)
    except (RecursionError, ValueError):
        return None


def forgotten_modules(test: str, program: str) -> tuple[str, ...]:
    """List the standard library's modules that test code uses without importing them, by name.

    MBPP keeps such imports in a separate field, `test_imports`, which files made from it may lack. A name counts
    where it is used as `NAME.attribute` and neither the test code nor the program that it tests gives it a meaning.

    Args:
        test: The test code.
        program: A program that passes it, or as much of one as there is.
    """
    test_tree = module(test)
    if test_tree is None:
        return ()
    used = {
        node.value.id
        for node in ast.walk(test_tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    used &= sys.stdlib_module_names
    program_tree = module(program) or module(program + "\n    pass\n") if used else None
    if program_tree is None:
        return ()
    return tuple(sorted(used - _bound(test_tree) - _bound(program_tree)))


def _bound(tree: ast.Module) -> set[str]:
    """Collect every name given a meaning in a module."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names
