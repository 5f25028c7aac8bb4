"""A program's text without idle parts, and what can be told from it without running it."""

from __future__ import annotations

import ast
import io
import tokenize
import zlib

from .._util.parsing import find_function, module

_LAYOUT = frozenset({tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})

REPETITIVE = 0.25
"""Share to which zlib shrinks mere repetition (Zhang et al. 2022, "Coder-Reviewer", released code)."""


def code_characters(program: str) -> int:
    """Count a Python program's characters without comments, whitespace and standalone strings such as docstrings.

    Text that does not tokenize as Python counts all its characters but whitespace.
    """
    tokens = _tokens(program)
    if tokens is None:
        return len("".join(program.split()))
    idle = _idle(tokens)
    return sum(len(token.string) for token in tokens if token.type not in _LAYOUT and token not in idle)


def bare_completion(prompt: str, program: str) -> str:
    """Strip a program of its prompt, if it begins with it, and of comments and docstrings.

    Text that does not tokenize as Python is left as is.
    """
    start = len(prompt) if program.startswith(prompt) else 0
    tokens = _tokens(program)
    if tokens is None:
        return program[start:]
    lines = program.splitlines(keepends=True)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    kept, at = [], start
    for token in sorted(_idle(tokens), key=lambda token: token.start):
        begin, end = (offsets[row - 1] + column for row, column in (token.start, token.end))
        if begin >= at:
            kept.append(program[at:begin])
            at = end
    kept.append(program[at:])
    return "\n".join(line.rstrip() for line in "".join(kept).split("\n") if line.strip())


def renamed(program: str, name: str, new: str) -> str:
    """Rename one name in a program, dropping comments and docstrings; text that is not Python keeps the name."""
    bare = bare_completion("", program)
    tokens = _tokens(bare)
    if tokens is None:
        return bare
    lines = bare.split("\n")
    for token in reversed(tokens):
        if token.type == tokenize.NAME and token.string == name:
            row, column = token.start
            line = lines[row - 1]
            lines[row - 1] = line[:column] + new + line[column + len(name) :]
    return "\n".join(lines)


def is_degenerate(program: str, entry_point: str) -> bool:
    """Whether the entry point does nothing (`pass`, `...`, a constant), or the text is mostly repetition.

    The filters of Coder-Reviewer (Zhang et al. 2022, section 3.3), plus constants.
    """
    encoded = bare_completion("", program).encode("utf-8", "surrogatepass")
    if len(zlib.compress(encoded)) <= REPETITIVE * len(encoded):
        return True
    function = find_function(module(program), entry_point)
    return function is not None and all(_does_nothing(statement) for statement in function.body)


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.Return):
        return statement.value is None or isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass)


def _tokens(program: str) -> list[tokenize.TokenInfo] | None:
    try:
        return list(tokenize.generate_tokens(io.StringIO(program).readline))
    except (tokenize.TokenError, SyntaxError):
        return None


def _idle(tokens: list[tokenize.TokenInfo]) -> set[tokenize.TokenInfo]:
    """Find comments and standalone strings."""
    idle = {token for token in tokens if token.type == tokenize.COMMENT}
    shown = [token for token in tokens if token.type not in (tokenize.COMMENT, tokenize.NL)]
    before = tokenize.NEWLINE
    for place, token in enumerate(shown):
        follows = shown[place + 1].type if place + 1 < len(shown) else tokenize.ENDMARKER
        if token.type == tokenize.STRING and before in _LAYOUT and follows in _LAYOUT:
            idle.add(token)
        before = token.type
    return idle
