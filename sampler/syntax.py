"""What the syntax tree says about a piece of model output."""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Function = ast.FunctionDef | ast.AsyncFunctionDef
UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""All that `ast.parse` raises: for bad syntax, null bytes and lone surrogates, too deep nesting."""


@lru_cache(maxsize=8)
def parsed(source: str) -> ast.Module | None:
    """The tree of Python source, or None where it does not parse."""
    try:
        return _parse(source)
    except UNPARSABLE:
        return None


def longest_prefix(source: str, first_line: int = 1) -> str | None:
    """The longest run of leading lines that parses.

    Args:
        source: The text.
        first_line: The line, counted from 1, that the run must reach.

    Returns:
        The run, or None where no run that reaches that line parses.
    """
    lines = source.splitlines(keepends=True)
    end = len(lines)
    while end >= first_line:
        try:
            _parse("".join(lines[:end]))
        except SyntaxError as error:
            # No longer run can parse: what fails on a line fails whatever follows, and an unclosed bracket or string
            # is reported where it opens.
            end = min(end - 1, (error.lineno or end) - 1)
        except UNPARSABLE:
            end -= 1
        else:
            return "".join(lines[:end])
    return None


def is_unfinished(source: str) -> bool:
    """Whether source that does not parse only lacks an end, being right up to its last line."""
    last_line = len(source.rstrip().splitlines())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "<candidate>", "exec", ast.PyCF_ONLY_AST | 0x4000)  # 0x4000: PyCF_ALLOW_INCOMPLETE_INPUT
    except SyntaxError as error:
        return "incomplete input" in str(error) or (error.lineno or 0) >= last_line
    except UNPARSABLE:
        return False
    return False


def select(source: str, entry_point: str) -> str | None:
    """A program without what is no part of the answer.

    Kept: all up to the first real definition of the entry point, save stubs of it, and of what follows the definitions
    that it needs. Dropped: demonstrations, tests, second versions.

    Args:
        source: A whole program that parses.
        entry_point: The function that it must define.

    Returns:
        The program, verbatim where nothing is dropped; None where nothing defines the entry point with a body. A method
        of the entry point's name is bound to it.
    """
    tree = parsed(source)
    if tree is None:
        return None
    main = next((node for node in tree.body if _defines(node, entry_point)), None)
    binding = ""
    if main is None:
        main = next((node for node in tree.body if _has_method(node, entry_point)), None)
        if not isinstance(main, ast.ClassDef):
            return None
        binding = f"\n\n{entry_point} = {main.name}().{entry_point}\n"
    place = tree.body.index(main)
    kept = [node for node in tree.body[:place] if entry_point not in bound_names(node)] + [main]
    kept += needed_definitions([node for node in tree.body[place + 1 :] if is_definition(node)], kept)
    return _without(source, tree.body, kept) + binding


def free_names(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that statements read and do not bind within themselves, about: scopes are taken as one."""
    read: set[str] = set()
    for node in nodes:
        loads: set[str] = set()
        binds: set[str] = set()
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                (loads if isinstance(inner.ctx, ast.Load) else binds).add(inner.id)
            elif isinstance(inner, ast.arg):
                binds.add(inner.arg)
            elif isinstance(inner, ast.Global):
                read.update(inner.names)
        read |= loads - binds
    return read


def bound_names(node: ast.stmt) -> set[str]:
    """Names that a top-level statement binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)}
    if isinstance(node, ast.Try):
        return {name for inner in node.body for name in bound_names(inner)}
    return set()


def is_definition(node: ast.stmt) -> bool:
    """Whether a top-level statement is there for the names that it binds."""
    return bool(bound_names(node))


def is_stub(node: Function) -> bool:
    """Whether a function does nothing: a docstring, `pass`, `...`, `raise NotImplementedError`, itself once more."""
    return all(
        isinstance(statement, ast.Pass)
        or (isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name == node.name)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        or (
            isinstance(statement, ast.Raise)
            and statement.exc is not None
            and "NotImplemented" in ast.dump(statement.exc)
        )
        for statement in node.body
    )


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        # A candidate's invalid escapes are its own affair.
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _defines(node: ast.stmt, entry_point: str) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name == entry_point and not is_stub(node)
    return entry_point in bound_names(node) and not isinstance(node, ast.ClassDef)


def _has_method(node: ast.stmt, entry_point: str) -> bool:
    return isinstance(node, ast.ClassDef) and any(_defines(inner, entry_point) for inner in node.body)


def needed_definitions(candidates: list[ast.stmt], kept: list[ast.stmt]) -> list[ast.stmt]:
    """Of some definitions those that the kept statements need, transitively; the first of each name."""
    if not candidates:
        return []
    bound = {name for node in kept for name in bound_names(node)}
    wanted = free_names(kept) - bound
    taken: list[ast.stmt] = []
    progress = True
    while progress:
        progress = False
        for node in candidates:
            names = bound_names(node)
            if node not in taken and names & wanted and not names & bound:
                taken.append(node)
                bound |= names
                wanted = (wanted | free_names([node])) - bound
                progress = True
    return taken


def _without(source: str, statements: list[ast.stmt], kept: list[ast.stmt]) -> str:
    """The source less the lines of the statements that are not kept, and less all behind the last one that is."""
    if len(kept) == len(statements):
        return source
    kept_lines = {line for node in kept for line in lines_of(node)}
    dropped_lines = {line for node in statements if node not in kept for line in lines_of(node)} - kept_lines
    lines = re.split(r"(?<=\n)", source)
    return "".join(
        text for number, text in enumerate(lines, 1) if number <= max(kept_lines) and number not in dropped_lines
    )


def lines_of(node: ast.stmt) -> range:
    """The lines of a statement with its decorators, counted from 1."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return range(first, (node.end_lineno or node.lineno) + 1)
