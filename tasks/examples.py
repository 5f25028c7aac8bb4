"""Visible examples: calls of the entry point and their results, read from a prompt.

Covered: doctest (`>>> f(1)` and the result below); a call and its result on one line (`f(1) == 2`, `f(1) ➞ 2`, and with
`=>`, `->`, `=`, `returns`, `should return`); `Input: x = 1` with `Output: 2` below; and `For x = 1 the output should
be 2`. Not covered: results told in prose, calls of another name, arguments that are not literals.
"""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from .._util.parsing import Effort, Function, find_function
from ..records import Example
from .literals import MAX_SPAN, literal_at, literal_text, span_at
from .source import module, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PURE_BUILTINS = frozenset(
    {"abs", "all", "any", "bool", "complex", "dict", "divmod", "enumerate", "float", "frozenset", "int", "len", "list"}
    | {"max", "min", "range", "repr", "reversed", "round", "set", "sorted", "str", "sum", "tuple", "zip"}
)
"""Names a doctest may wrap around the entry point, as in `round(f(2), 3)`."""

ARROW = re.compile(
    r"[ \t]*(?:#[ \t]*)?(?:=+>|-+>|➞|→|⇒|==|(?P<equation>=)(?!=)|(?:should |must |will )?(?:returns?|gives?)\b:?)[ \t]*"
)
"""Separator of a call and its result. A lone `=` may also belong to an equation."""

AFTER_RESULT = re.compile(r"[ \t]*(?:$|\n|#|\(|[.,;:](?:\s|$)|(?:since|because|as)\b)")
"""End of a result, so that `f(1) == 1 + n` and `f(n) returns 1 if ...` are not examples."""

CHAINED_RESULT = re.compile(r"[^\n=]*[^\n=<>!]=[ \t]*(?=[^=])")
"""The sum before the result in `f(1) == 1 + 9 = 10`."""

INPUT_OUTPUT = re.compile(r"\bInputs?[ \t]*:(?P<input>.{0,4000}?)\bOutputs?[ \t]*:\s*", re.DOTALL)
FOR_OUTPUT = re.compile(
    r"\bFor[ \t]+(?P<input>\w{1,200}[ \t]*=[^\n]{0,1000}?),?[ \t]+the[ \t]+"
    r"(?:output|result|answer)[ \t]+(?:should|will|must)[ \t]+be[ \t]+"
)

MAX_CHARACTERS = 1 << 16
"""Characters searched in a prompt, or in its docstring."""

MAX_DOCTEST_LINES = 200

EFFORT_TOKENS = 100_000
"""Parsing effort for one of them: about 0.3 s at worst."""


def visible_examples(prompt: str, entry_point: str) -> tuple[Example, ...]:
    """Find a prompt's examples of its entry point.

    Args:
        prompt: Python source that ends where a completion begins.
        entry_point: The function whose calls count.

    Returns:
        Every example whose call parses as an expression with literal arguments and whose result is a Python literal, in
        the prompt's order, each call once. Those beyond the first 65,536 characters, or beyond a fixed reading effort,
        are not seen.
    """
    header = re.search(rf"^[ \t]*(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b", prompt, re.MULTILINE)
    if header is None:
        return ()
    source = prompt[header.end() :]
    parameters = _parameters(prompt, entry_point)
    # A docstring with "\n" inside an example is right as source or as a value; the one that yields more is meant.
    docstrings = _docstrings(prompt, entry_point)
    texts = [*docstrings, source] if "\\" in source or not docstrings else docstrings
    found = [_deduplicated(text, entry_point, parameters) for text in texts]
    return max(found, key=len, default=())


def _deduplicated(text: str, entry_point: str, parameters: tuple[str, ...]) -> tuple[Example, ...]:
    calls: dict[str, Example] = {}
    text, effort = text[:MAX_CHARACTERS], Effort(EFFORT_TOKENS)
    hits = [
        *_doctests(text, entry_point, effort),
        *_one_liners(text, entry_point, effort),
        *_inputs(text, entry_point, parameters, effort),
    ]
    for _, example in sorted(hits, key=lambda hit: hit[0]):
        calls.setdefault(example.call, example)
    return tuple(calls.values())


@lru_cache(maxsize=1)
def _definition(prompt: str, entry_point: str) -> Function | None:
    return find_function(module(prompt) or module(prompt + "\n    pass\n"), entry_point, nested=True)


def _docstrings(prompt: str, entry_point: str) -> list[str]:
    """Join the values of the standalone strings in the entry point's body."""
    node = _definition(prompt, entry_point)
    if node is None:
        return []
    texts = [
        statement.value.value
        for statement in node.body
        if isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    ]
    return ["\n".join(texts)] if texts else []


def _parameters(prompt: str, entry_point: str) -> tuple[str, ...]:
    node = _definition(prompt, entry_point)
    return tuple(argument.arg for argument in (*node.args.posonlyargs, *node.args.args)) if node else ()


def _doctests(text: str, entry_point: str, effort: Effort) -> Iterator[tuple[int, Example]]:
    """Find doctests: expressions with the result below."""
    lines = text.splitlines(keepends=True)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    for start, line in enumerate(lines):
        if not line.lstrip().startswith(">>>"):
            continue
        source, end = line.lstrip()[3:].strip(), start + 1
        last = min(len(lines), end + MAX_DOCTEST_LINES)
        while (call := effort.parse_expression(source)) is None and end < last and lines[end].strip():
            if lines[end].lstrip().startswith(">>>"):
                break
            source += "\n" + re.sub(r"^\s*\.\.\.", "", lines[end]).rstrip()
            end += 1
        wanted: list[str] = []
        while end < len(lines) and lines[end].strip() and not lines[end].lstrip().startswith((">>>", '"""', "'''")):
            wanted.append(lines[end].strip())
            end += 1
        if call is None:
            continue
        expected = literal_text("\n".join(wanted), effort) if wanted else None
        compared = call.body
        if isinstance(compared, ast.Compare) and len(compared.ops) == 1 and isinstance(compared.ops[0], ast.Eq):
            # `>>> f(1) == 2` with nothing, or True, below it.
            if (not wanted or expected == "True") and _is_call(compared.left, entry_point):
                right, left = source_of(compared.comparators[0]), source_of(compared.left)
                side = literal_text(right, effort) if right is not None else None
                if side is not None and left is not None:
                    yield offsets[start], Example(call=left, expected=side)
        elif expected is not None and _is_call(compared, entry_point):
            shown = source_of(compared)
            if shown is not None:
                yield offsets[start], Example(call=shown, expected=expected)


def _one_liners(text: str, entry_point: str, effort: Effort) -> Iterator[tuple[int, Example]]:
    """Find calls followed by an arrow, an equality sign or a verb, and the result."""
    hits: list[tuple[int, Example, str]] = []
    algebra: set[str] = set()
    for match in re.finditer(rf"(?<![\w.]){re.escape(entry_point)}[ \t]*\(", text):
        end = span_at(text, match.end() - 1, effort)
        if end is None:
            continue
        call = effort.parse_expression(text[match.start() : end])
        arrow = ARROW.match(text, end)
        if call is None or arrow is None:
            continue
        if not _is_call(call.body, entry_point):
            line = text[arrow.end() : arrow.end() + MAX_SPAN].partition("\n")[0]
            if arrow["equation"] or re.search(rf"\b{re.escape(entry_point)}[ \t]*\(", line):
                algebra.add(arrow[0].strip())
            continue
        expected, shown = _result_at(text, arrow.end(), effort), source_of(call.body)
        if expected is not None and shown is not None:
            example = Example(call=shown, expected=expected)
            hits.append((match.start(), example, arrow[0].strip()))
    # Beside `f(n) = f(n - 1) + 2`, `f(1) = 3` is mathematics too, and need not be what the function returns;
    # where the recurrence has an arrow, so have its base cases.
    yield from ((place, example) for place, example, sign in hits if sign not in algebra)


def _inputs(text: str, entry_point: str, parameters: tuple[str, ...], effort: Effort) -> Iterator[tuple[int, Example]]:
    """Find values under `Input:` and `Output:`, or in `For x = 1 the output should be 2`."""
    for pattern in (INPUT_OUTPUT, FOR_OUTPUT):
        for match in pattern.finditer(text):
            expected = _result_at(text, match.end(), effort)
            call = effort.parse_expression(f"{entry_point}({match['input'].strip()})")
            node = call.body if call else None
            if expected is None or not isinstance(node, ast.Call) or not _is_call(node, entry_point):
                continue
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            if named and tuple(named) != parameters[len(node.args) :]:
                continue
            # By position, since a candidate may name its parameters otherwise.
            arguments = [source_of(value) for value in (*node.args, *named.values())]
            if None not in arguments:
                call_source = f"{entry_point}({', '.join(filter(None, arguments))})"
                yield match.start(), Example(call=call_source, expected=expected)


def _result_at(text: str, start: int, effort: Effort) -> str | None:
    """Read the literal at `start` as Python source, or None."""
    found = literal_at(text, start, effort)
    if found is not None and AFTER_RESULT.match(text, found[1]):
        return found[0]
    chained = CHAINED_RESULT.match(text, start)
    if chained is not None:
        found = literal_at(text, chained.end(), effort)
        if found is not None and AFTER_RESULT.match(text, found[1]):
            return found[0]
    return None


def _is_call(node: ast.AST, entry_point: str) -> bool:
    """Whether an expression calls the entry point on literals, with nothing but pure builtins around it."""
    names = [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
    forbidden = (ast.Attribute, ast.Lambda, ast.comprehension, ast.NamedExpr, ast.Await, ast.Yield, ast.Compare)
    return (
        isinstance(node, ast.Call)
        and entry_point in names
        and all(name == entry_point or name in PURE_BUILTINS for name in names)
        and not any(isinstance(inner, forbidden) for inner in ast.walk(node))
    )
