"""What the syntax tree says about a piece of model output."""

from __future__ import annotations

import ast
import heapq
import re
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from .._util.parsing import INCOMPLETE_INPUT, LINES_PER_TOKEN, UNPARSABLE, Effort, Function, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EFFORT_TOKENS: Final = 40_000
"""What may be parsed of one text besides the text itself: 0.15 s at the worst. Recorded answers took up to 15,000."""

_REMEMBERED_CHARACTERS: Final = 8 << 20
_FIRST_HEAD: Final = 512
_HEAD_GROWTH: Final = 4
_NO_BODY: Final = re.compile(r"expected an indented block after .* on line (\d+)")
_NO_HANDLER: Final = "expected 'except' or 'finally' block"
_BROKEN_STRING: Final = "unterminated string literal"
_TRY: Final = re.compile(r"\s*try\b")
_IDLE: Final = re.compile(r"[ \t]*(?:#[\x01-\x7f]*)?\n?")


class Failure(NamedTuple):
    """Why some source does not parse.

    Attributes:
        message: Of a syntax error; empty where there is another reason.
        line: Where it is; 0 where that is not said.
        characters: How many of the source's characters were looked at: nothing behind them can mend it.
        is_unfinished: Whether the parser would rather have read on; None where it was not asked.
    """

    message: str
    line: int
    characters: int
    is_unfinished: bool | None = None


Outcome = ast.Module | Failure | None
"""A tree, or why there is none; None where the effort is spent."""


class Parser:
    """Parses pieces of one text, each once, within an effort.

    Args:
        text: The text itself, which is parsed whatever the effort.
        effort: What may be parsed besides.
    """

    def __init__(self, text: str, effort: Effort | None = None) -> None:
        self.effort = effort or Effort(EFFORT_TOKENS)
        self._text = text
        self._outcomes: dict[str, Outcome] = {}
        self._room = _REMEMBERED_CHARACTERS

    def tree(self, source: str) -> ast.Module | None:
        """The tree of Python source, or None where it does not parse or the effort is spent."""
        outcome = self.outcome(source)
        return outcome if isinstance(outcome, ast.Module) else None

    def outcome(self, source: str, *, is_doubtful: bool = False) -> Outcome:
        """What comes of parsing some source; what is long or doubtful is not parsed far beyond its first error."""
        if source not in self._outcomes:
            is_probed = source != self._text and len(source) > _FIRST_HEAD * (1 if is_doubtful else _HEAD_GROWTH)
            outcome = (self._failed_head(source) if is_probed else None) or self._parsed(source)
            if outcome is None or len(source) > self._room:
                return outcome
            self._room -= len(source)
            self._outcomes[source] = outcome
        return self._outcomes[source]

    def is_unfinished(self, source: str) -> bool:
        """Whether source that does not parse only lacks an end, being right up to its last line."""
        outcome = self.outcome(source)
        if isinstance(outcome, Failure) and outcome.is_unfinished is None:
            outcome = self._parsed(source, INCOMPLETE_INPUT)
        if not isinstance(outcome, Failure) or not outcome.message:
            return False
        return bool(outcome.is_unfinished) or outcome.line >= len(source.rstrip().splitlines())

    def _failed_head(self, source: str) -> Failure | None:
        """The failure of first lines of some source, if it stays whatever follows; None where no such is found."""
        size = _FIRST_HEAD
        while size < len(source):
            head = source[: source.rfind("\n", 0, size) + 1]
            outcome = self._parsed(head, INCOMPLETE_INPUT)
            if isinstance(outcome, Failure) and outcome.is_unfinished:
                # Python 3.11 would also read on where a line does not end its own string.
                outcome = self._parsed(head)
                if not isinstance(outcome, Failure) or not outcome.message.startswith(_BROKEN_STRING):
                    outcome = None
                else:
                    outcome = outcome._replace(is_unfinished=True)
            if isinstance(outcome, Failure) and outcome.message:
                return outcome
            size *= _HEAD_GROWTH
        return None

    def _parsed(self, source: str, flags: int = 0) -> Outcome:
        if source != self._text and not self.effort.affords(source):
            return None
        try:
            return parse(source, flags=flags)
        except SyntaxError as error:
            is_unfinished = "incomplete input" in str(error) if flags else None
            return Failure(str(error), error.lineno or 0, len(source), is_unfinished)
        except UNPARSABLE:
            return Failure("", 0, len(source), is_unfinished=False)


def longest_prefix(source: str, first_line: int = 1, parser: Parser | None = None) -> str | None:
    """The longest run of leading lines that parses.

    Args:
        source: The text.
        first_line: The line, counted from 1, that the run must reach.
        parser: Parses it; where its effort is spent, there is no run.

    Returns:
        The run, or None where no run that reaches that line parses.
    """
    parser = parser or Parser(source)
    outcome = parser.outcome(source, is_doubtful=True)
    lines = (source[: outcome.characters] if isinstance(outcome, Failure) else source).splitlines(keepends=True)
    offsets = [0, *accumulate(map(len, lines))]
    end = len(lines)
    if not parser.effort.spend(end // LINES_PER_TOKEN):
        return None
    while outcome is not None and end >= first_line:
        if isinstance(outcome, ast.Module):
            return source[: offsets[end]]
        end = _last_before(outcome, lines, bisect_left(offsets, outcome.characters, hi=end))
        if end >= first_line:
            outcome = parser.outcome(source[: offsets[end]])
    return None


def _last_before(failure: Failure, lines: Sequence[str], end: int) -> int:
    """The last line that the first lines of a source may end with and parse, where the first `end` fail."""
    while end and _IDLE.fullmatch(lines[end - 1]):
        # What parses, parses with a comment or an empty line behind it too.
        end -= 1
    last = end - 1
    if failure.line:
        # What fails on a line fails whatever follows, and an unclosed bracket or string is reported where it opens.
        last = min(last, failure.line - 1)
    if no_body := _NO_BODY.search(failure.message):
        last = min(last, int(no_body[1]) - 1)
    if failure.message.startswith(_NO_HANDLER):
        # An earlier one may be what lacks it; then this one stands in that.
        last = next((place for place in range(last, -1, -1) if _TRY.match(lines[place])), last)
    return last


def is_unfinished(source: str) -> bool:
    """`Parser.is_unfinished`, of a text alone."""
    return Parser(source).is_unfinished(source)


def select(source: str, entry_point: str, parser: Parser | None = None) -> str | None:
    """A program without what is no part of the answer.

    Kept: all up to the first real definition of the entry point, save stubs of it, and of what follows the definitions
    that it needs. Dropped: demonstrations, tests, second versions.

    Args:
        source: A whole program that parses.
        entry_point: The function that it must define.
        parser: Parses it.

    Returns:
        The program, verbatim where nothing is dropped; None where nothing defines the entry point with a body. A method
        of the entry point's name is bound to it.
    """
    tree = (parser or Parser(source)).tree(source)
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
    later = [node for node in tree.body[place + 1 :] if is_definition(node)]
    if later:
        kept += Needs(kept).take(later)
    return _without(source, tree.body, kept) + binding


class Needs:
    """What some statements read and do not bind, and so need of others; scopes are taken as one, about."""

    def __init__(self, statements: Iterable[ast.stmt]) -> None:
        self._wanted: set[str] = set()
        self._bound: set[str] = set()
        for statement in statements:
            self._add(statement, bound_names(statement))

    def take(self, candidates: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Of some definitions those that are needed, transitively, the first of each name; they now belong to it.

        Candidates are gone through in turn, as often as that brings something.
        """
        names = [bound_names(node) for node in candidates]
        binding: dict[str, list[int]] = {}
        for place, bound in enumerate(names):
            for name in bound:
                binding.setdefault(name, []).append(place)
        turns = [(0, place) for place, bound in enumerate(names) if bound & self._wanted]
        heapq.heapify(turns)
        taken: list[ast.stmt] = []
        while turns:
            turn, place = heapq.heappop(turns)
            if names[place] & self._bound:
                continue
            taken.append(candidates[place])
            for name in self._add(candidates[place], names[place]):
                for other in binding.get(name, ()):
                    heapq.heappush(turns, (turn if other > place else turn + 1, other))
        return taken

    def _add(self, statement: ast.stmt, bound: set[str]) -> set[str]:
        """Count a statement in; the names that are wanted for its sake and were not before."""
        self._bound |= bound
        wanted = free_names(statement) - self._bound - self._wanted
        self._wanted |= wanted
        self._wanted -= self._bound
        return wanted


def free_names(statement: ast.stmt) -> set[str]:
    """Names that a statement reads and does not bind within itself, about: scopes are taken as one."""
    loads: set[str] = set()
    binds: set[str] = set()
    declared: set[str] = set()
    ahead: list[ast.AST] = [statement]
    while ahead:
        node = ahead.pop()
        if isinstance(node, ast.Name):
            (loads if isinstance(node.ctx, ast.Load) else binds).add(node.id)
            continue
        if isinstance(node, ast.arg):
            binds.add(node.arg)
        elif isinstance(node, ast.Global):
            declared.update(node.names)
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                ahead += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                ahead.append(value)
    return declared | (loads - binds)


def bound_names(node: ast.stmt) -> set[str]:
    """Names that a top-level statement binds."""
    if isinstance(node, Function | ast.ClassDef):
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
        or (isinstance(statement, Function) and statement.name == node.name)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        or (isinstance(statement, ast.Raise) and statement.exc is not None and _says_unimplemented(statement.exc))
        for statement in node.body
    )


def _says_unimplemented(expression: ast.expr) -> bool:
    """Whether "NotImplemented" stands anywhere in an expression."""
    return any(
        "NotImplemented" in value
        for node in ast.walk(expression)
        for _, value in ast.iter_fields(node)
        if isinstance(value, str)
    )


def _defines(node: ast.stmt, entry_point: str) -> bool:
    if isinstance(node, Function):
        return node.name == entry_point and not is_stub(node)
    return entry_point in bound_names(node) and not isinstance(node, ast.ClassDef)


def _has_method(node: ast.stmt, entry_point: str) -> bool:
    return isinstance(node, ast.ClassDef) and any(_defines(inner, entry_point) for inner in node.body)


def _without(source: str, statements: list[ast.stmt], kept: list[ast.stmt]) -> str:
    """The source less the lines of the statements that are not kept, and less all behind the last one that is."""
    if len(kept) == len(statements):
        return source
    kept_nodes = set(kept)
    kept_lines = {line for node in kept for line in lines_of(node)}
    dropped_lines = {line for node in statements if node not in kept_nodes for line in lines_of(node)} - kept_lines
    last_line = max(kept_lines)
    lines = re.split(r"(?<=\n)", source)
    return "".join(text for number, text in enumerate(lines, 1) if number <= last_line and number not in dropped_lines)


def lines_of(node: ast.stmt) -> range:
    """The lines of a statement with its decorators, counted from 1."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return range(first, (node.end_lineno or node.lineno) + 1)
