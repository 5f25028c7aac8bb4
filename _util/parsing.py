"""Parsing Python that others wrote: in one thread at a time, without warnings, and no more of it than is allowed."""

from __future__ import annotations

import ast
import threading
import warnings
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

Function = ast.FunctionDef | ast.AsyncFunctionDef

UNPARSABLE: Final = (SyntaxError, ValueError, RecursionError, MemoryError)
"""All that parsing raises: for bad syntax, null bytes and lone surrogates, too deep nesting."""

INCOMPLETE_INPUT: Final = 0x4000
"""`PyCF_ALLOW_INCOMPLETE_INPUT`: where the parser came to the end of a text that fails, it says "incomplete input"."""

TURN: Final = threading.Lock()
"""In CPython 3.11 two threads cannot make syntax trees at once: one of them may see a SystemError."""

_TRIES: Final = 5
"""Code that is not ours may parse in another thread all the same."""

_PUNCTUATION: Final = bytes(code for code in range(33, 127) if not chr(code).isalnum() and code != ord("_"))
LINES_PER_TOKEN: Final = 8
"""Lines that can be gone through, one by one, in the time that the parser takes for a token."""

_CALL_TOKENS: Final = 10
"""What parsing nothing takes, in tokens."""

BYTES_PER_TOKEN: Final = 256
"""Bytes that can be looked through for what a token takes."""


class Effort:
    """How much parsing may still be done, in tokens of `tokens_in`, each of which takes 3 us or less.

    It counts work and not time, so that what a text comes to depends on nothing else.
    """

    def __init__(self, tokens: int) -> None:
        self._left = tokens

    def spend(self, tokens: int) -> bool:
        """Take so much of what is left; where it is more than that, take nothing and say no."""
        if tokens > self._left:
            return False
        self._left -= tokens
        return True

    def parse(self, source: str) -> ast.Module | None:
        """The tree of a module; None where the text is none, or would take more than is left."""
        return module(source) if self.affords(source) else None

    def parse_expression(self, source: str) -> ast.Expression | None:
        """The tree of an expression; None where the text is none, or would take more than is left."""
        return expression(source) if self.affords(source) else None

    def affords(self, source: str) -> bool:
        """Take what parsing some source takes; where it is more than what is left, say no."""
        # Counting takes something too.
        return self.spend(1 + len(source) // BYTES_PER_TOKEN) and self.spend(tokens_in(source))


def tokens_in(source: str) -> int:
    """A bound on the tokens that the parser makes of a text, with what a call of it takes besides."""
    data = source.encode("utf-8", "surrogatepass")
    marks = len(data) - len(data.translate(None, _PUNCTUATION))
    # A name may stand before each mark. What stands in the braces of an f-string is looked up in all of its text.
    braces = data.count(b"{") * len(data) >> 14
    return _CALL_TOKENS + len(data.split()) + data.count(b"\n") + 2 * marks + braces


def parse(source: str, *, flags: int = 0) -> ast.Module:
    """The tree of a module.

    Raises:
        SyntaxError: It is none; any other error of `UNPARSABLE`, where it cannot be parsed for another reason.
    """
    tree: ast.Module = _compiled(source, "exec", flags)
    return tree


def parse_expression(source: str) -> ast.Expression:
    """The tree of an expression, with blanks around it or without; raises as `parse`."""
    tree: ast.Expression = _compiled(source.strip(), "eval", 0)
    return tree


def module(source: str) -> ast.Module | None:
    """The tree of a module, or None where the text is none."""
    try:
        return parse(source)
    except UNPARSABLE:
        return None


def expression(source: str) -> ast.Expression | None:
    """The tree of an expression, or None where the text is none."""
    try:
        return parse_expression(source)
    except UNPARSABLE:
        return None


def find_function(tree: ast.Module | None, name: str, *, nested: bool = False) -> Function | None:
    """The function of a name that a module defines at its top level, the last of several; None where there is none.

    Args:
        tree: A module, or None for a text that is none.
        name: The function's name, or `Class.name` of a method.
        nested: Take the first anywhere in the module instead, also in a class or in another function.
    """
    owner, _, method = name.rpartition(".")
    if owner and tree is not None:
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner]
        return find_function(ast.Module(classes[-1].body, []), method, nested=nested) if classes else None
    nodes: Iterable[ast.AST] = () if tree is None else ast.walk(tree) if nested else reversed(tree.body)
    return next((node for node in nodes if isinstance(node, Function) and node.name == name), None)


def _compiled(source: str, mode: str, flags: int) -> Any:
    for _ in range(_TRIES):
        try:
            with TURN, warnings.catch_warnings():
                # A text's invalid escapes are its own affair.
                warnings.simplefilter("ignore")
                return compile(source, "<text>", mode, ast.PyCF_ONLY_AST | flags, dont_inherit=True)
        except SystemError:
            continue
    raise MemoryError("the parser is not available")
