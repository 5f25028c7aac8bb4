"""From a model's raw text to a script: a program that reads standard input and writes standard output.

Of a function what shows or tries it is dropped; of a script all is kept, since what runs at its top level is the
program. A text may hold one script, several versions of it, or one in pieces.
"""

from __future__ import annotations

import ast
import builtins
import re
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from .._util.parsing import Function
from .blocks import Block, blocks_in, has_fence, meant
from .dress import INVISIBLE, undressed, visible
from .extract import MAX_BYTES, NO_PROGRAM, TOO_LONG, Request, said_before
from .marks import MARKS, answer_in
from .parser import lines_in, longest_prefix
from .syntax import bound_names, free_names

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_STARTS: Final = 32
_MAX_READINGS: Final = 16
_LONGEST_DRESSED: Final = 1 << 18
_REMEMBERED_CHARACTERS: Final = 1 << 14

_READS: Final = re.compile(
    r"\binput\s*\(|\bstdin\b|\bopen\s*\(\s*(?:0|[\"']/dev/(?:stdin|fd/0)[\"'])|\bos\.read\s*\(|\bfileinput\b"
)
"""Reads standard input."""

_STARTS: Final = re.compile(
    r"[ \t]*(?:import\s|from\s+[\w.]+\s+import\s|(?:async\s+)?def\s|class\s|@|(?:for|while|if|with)\s.*:|try:"
    r"|print\s*\(|[A-Za-z_][\w., \[\]]*(?::[^=\n]*)?=[^=])"
)
"""A line with which a script may begin among prose."""

_NAMES: Final = frozenset((*dir(builtins), "__name__", "__file__"))


def extract_script(raw: str, *, stop: Sequence[str]) -> str:
    """The script in a model's answer, verbatim; in effort bounded as `extract_program` is, and raising nothing.

    Of several versions the one that its author means counts; pieces that need each other are joined in their order.

    Args:
        raw: The model's text as it came.
        stop: Strings at which a completion ends; they come into play only where the whole is no script.

    Returns:
        The script. Where none is found, the answer as it stands if it does not parse, else `NO_PROGRAM`; for a text
        that is too long, `TOO_LONG`.
    """
    if len(raw.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return TOO_LONG
    extracted = _remembered if len(raw) <= _REMEMBERED_CHARACTERS else _extracted
    return extracted(raw, tuple(stop))


def _extracted(raw: str, stop: tuple[str, ...]) -> str:
    request = Request(raw, "", "", stop)
    answer = _answer(request.raw, request)
    found = _best(answer, request)
    readings = undressed(answer, request.parser, _READS) if len(answer) <= _LONGEST_DRESSED else iter(())
    for reading in islice(readings, _MAX_READINGS):
        if (found is not None and found.is_whole) or not request.affords(reading, by_line=True):
            break
        other = _best(_answer(reading, request), request)
        if other is not None and (found is None or other.is_whole):
            found = other
    if found is not None:
        return found.script
    text = _cut(answer, stop)
    return text if text.strip() and request.parser.tree(text) is None else NO_PROGRAM


_remembered = lru_cache(maxsize=4096)(_extracted)


def _answer(text: str, request: Request) -> str:
    """The answer in a text, without thoughts and turns; what it marks as its code, where that is a script."""
    if INVISIBLE.search(text) and request.affords(text, by_line=True):
        text = visible(text)
    if MARKS.search(text) is None:
        return text
    if not request.affords(text, by_line=True):
        return ""
    answer = answer_in(text, request.is_code)
    request.parser.allow(answer.text)
    if answer.inner is not None and answer.inner.strip() and _best(answer.inner, request) is not None:
        return answer.inner
    return answer.text


class _Found(NamedTuple):
    """A script in a text; `is_whole` is false where code stands behind it that does not parse."""

    script: str
    is_whole: bool = True


def _best(text: str, request: Request) -> _Found | None:
    """The script in a text as it stands."""
    if not text.strip() or not request.affords(text, by_line=True):
        return None
    if has_fence(text):
        fenced = [block for block in blocks_in(text) if block.is_fenced]
        found = _of_blocks(fenced, request)
        if found is not None:
            return found
    for part in (text, _cut(text, request.stop)):
        code = _dedented(part)
        tree = request.parser.tree(code)
        if tree is not None and _acts(tree.body):
            return _Found(code)
    return _of_prose(_cut(text, request.stop), request)


def _of_blocks(blocks: Sequence[Block], request: Request) -> _Found | None:
    """The script in the blocks of an answer: the version that is meant, or all its pieces together."""
    code = [(block, _dedented(block.code)) for block in blocks]
    parsed = [(block, text, tree) for block, text in code if (tree := request.parser.tree(text)) is not None]
    whole = [(block, text) for block, text, tree in parsed if _acts(tree.body) and _is_complete(tree.body)]
    reading = [pair for pair in whole if _READS.search(pair[1])] or whole
    pieces = [(block, text, tree) for block, text, tree in parsed if not _is_data(tree.body)]
    if not any(_READS.search(text) for _, text in reading) and any(_READS.search(text) for _, text, _ in pieces):
        # What reads does not run by itself.
        joined = "\n\n".join(text.strip("\n") for _, text, _ in pieces) + "\n"
        tree = request.parser.tree(joined)
        if tree is not None and _acts(tree.body):
            return _Found(joined)
    if reading:
        whole_blocks = [(None, block) for block, _ in reading]
        return _Found(reading[meant([said_before(block, blocks, whole_blocks) for block, _ in reading])][1])
    broken = [text for _, text in code if request.parser.tree(text) is None and _READS.search(text)]
    if broken:
        # Its error is its own, unless the text wears something.
        return _Found(broken[-1], is_whole=False)
    runs = [text for _, text, tree in parsed if _acts(tree.body)]
    return _Found(runs[-1]) if runs else None


def _of_prose(text: str, request: Request) -> _Found | None:
    """The longest script among prose without fences, or what a token limit has left of one."""
    lines = lines_in(text)
    best: _Found | None = None
    starts = islice((place for place, line in enumerate(lines) if _STARTS.match(line)), _MAX_STARTS)
    end = -1
    for start in starts:
        if start < end:
            continue
        rest = _dedented("".join(lines[start:]))
        if not request.affords(rest, by_line=True):
            break
        prefix = longest_prefix(rest, 1, request.parser)
        tree = None if not prefix else request.parser.tree(prefix)
        if prefix is None or tree is None:
            continue
        end = start + prefix.count("\n")
        if _acts(tree.body) and (best is None or len(prefix) > len(best.script)):
            behind = rest[len(prefix) :].lstrip("\n")
            best = _Found(prefix, is_whole=behind[:1] not in (" ", "\t") and _STARTS.match(behind) is None)
    return best


def _acts(body: Sequence[ast.stmt]) -> bool:
    """Whether something at the top level runs: a call that is no mere definition's."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef | ast.Import | ast.ImportFrom):
            continue
        if any(isinstance(inner, ast.Call) for inner in ast.walk(node)):
            return True
    return False


def _is_complete(body: Sequence[ast.stmt]) -> bool:
    """Whether all names that are read are bound somewhere, about."""
    bound = set().union(*(bound_names(node) for node in body))
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in body):
        return True
    inside = {name for node in body for name in _bound_deep(node)}
    return all(free_names(node) <= bound | inside | _NAMES for node in body)


def _bound_deep(node: ast.AST) -> set[str]:
    """Every name that a statement binds at any depth."""
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            found.add(inner.id)
        elif isinstance(inner, Function | ast.ClassDef):
            found.add(inner.name)
        elif isinstance(inner, ast.Import | ast.ImportFrom):
            found.update((alias.asname or alias.name).split(".")[0] for alias in inner.names)
        elif isinstance(inner, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and inner.name:
            found.add(inner.name)
    return found


def _is_data(body: Sequence[ast.stmt]) -> bool:
    """Whether a block that parses is no code: numbers and names, as an example's input may be."""
    return all(
        isinstance(node, ast.Expr) and not any(isinstance(inner, ast.Call) for inner in ast.walk(node)) for node in body
    )


def _cut(text: str, stop: Sequence[str]) -> str:
    for string in stop:
        text = text.partition(string)[0]
    return text


def _dedented(text: str) -> str:
    """The text with its first line in the first column, and the lines that are as far in moved with it."""
    first = text.lstrip("\n")
    margin = first[: len(first) - len(first.lstrip(" \t"))]
    if not margin:
        return first
    lines = first.split("\n")
    if all(line.startswith(margin) for line in lines if line.strip()):
        return "\n".join(line.removeprefix(margin) for line in lines)
    return first[len(margin) :]
