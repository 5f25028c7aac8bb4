"""Prompts that end where a function's or a method's body begins, with the question as its docstring."""

from __future__ import annotations

import ast
import typing
from typing import Final, NamedTuple

from ..._util.parsing import Function
from ..source import module, source_of

RUNNER_IMPORTS: Final = "from typing import *\n"
"""What APPS' and LiveCodeBench's own runners put before functions and methods, among other imports, since starter code
is written without it."""

_TYPING = frozenset(typing.__all__)


class Headed(NamedTuple):
    """A prompt, and the function `f` or the method `Class.f` that it leaves open."""

    prompt: str
    entry_point: str


def headed(question: str, starter: str, name: str) -> Headed | None:
    """Put a question into the function that starter code opens.

    Names of `typing` that the starter code uses and does not import are imported, as the sites do that such code is
    from.

    Args:
        question: What the function is to do.
        starter: Source that ends with the function's header, at the top level or in a class; a placeholder may follow.
        name: The function.

    Returns:
        The prompt; None where the starter code does not parse, or the function is not what it ends with.
    """
    source = starter.replace("\r\n", "\n").rstrip()
    last = source.rpartition("\n")[2]
    margin = last[: len(last) - len(last.lstrip())]
    step = "\t" if "\t" in margin else "    "
    for closed in (f"{source}\n{margin}{step}pass\n", source + "\n"):
        tree = module(closed)
        found = None if tree is None else _last_function(tree, name)
        if tree is not None and found is not None:
            break
    else:
        return None
    function, owner = found
    lines = closed.split("\n")
    first = function.body[0]
    if lines[first.lineno - 1][: first.col_offset].strip():
        # The body stands behind the colon.
        return None
    header = "\n".join(lines[: first.lineno - 1])
    indent = lines[first.lineno - 1][: first.col_offset]
    entry_point = f"{owner}.{name}" if owner else name
    imports = _typing_imports(tree)
    return Headed(f"{imports}{header.rstrip()}\n{docstring(question, indent)}", entry_point)


def header_of(program: str, name: str) -> str | None:
    """Write the header of a function, or of a method with that of its class, that a program defines; None if none."""
    tree = module(program)
    if tree is None:
        return None
    for node in tree.body:
        owner = node if isinstance(node, ast.ClassDef) else None
        inside = owner.body if owner is not None else [node]
        function = next((one for one in inside if isinstance(one, Function) and one.name == name), None)
        if function is None:
            continue
        arguments = source_of(function.args)
        returns = source_of(function.returns) if function.returns else None
        if arguments is None or (function.returns and returns is None):
            return None
        header = f"def {name}({arguments}){f' -> {returns}' if returns else ''}:"
        return header if owner is None else f"class {owner.name}:\n    {header}"
    return None


def docstring(text: str, indent: str) -> str:
    """Write a text as a docstring, from which parsing gives the text back."""
    safe = text.strip().replace("\r\n", "\n").replace("\r", "\n").replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    body = "\n".join(f"{indent}{line}".rstrip() for line in safe.replace("\0", "\\x00").split("\n"))
    return f'{indent}"""\n{body}\n{indent}"""\n'


def _last_function(tree: ast.Module, name: str) -> tuple[ast.FunctionDef | ast.AsyncFunctionDef, str] | None:
    """Find a function with the class that it is in, where nothing of the module stands behind it."""
    last = tree.body[-1] if tree.body else None
    owner = ""
    if isinstance(last, ast.ClassDef):
        owner, last = last.name, last.body[-1]
    if isinstance(last, Function) and last.name == name:
        return last, owner
    return None


def _typing_imports(tree: ast.Module) -> str:
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & _TYPING
    bound = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    if not used - bound or "*" in bound:
        return ""
    return f"from typing import {', '.join(sorted(used - bound))}\n\n\n"
