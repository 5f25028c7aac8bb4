"""Parsing a piece of model output, within an effort: does it parse, how far, and what does it lack?"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from .._util.parsing import INCOMPLETE_INPUT, LINES_PER_TOKEN, UNPARSABLE, Effort, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

EFFORT_TOKENS: Final = 40_000
"""What may be parsed of one text besides the text itself: 0.15 s at the worst. Recorded answers took up to 15,000."""

_REMEMBERED_CHARACTERS: Final = 8 << 20
_MOST_FREE: Final = 2
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
        self._free = {text}
        self._outcomes: dict[str, Outcome] = {}
        self._room = _REMEMBERED_CHARACTERS

    def allow(self, text: str) -> None:
        """Parse one more text whatever the effort: what is left of the text itself."""
        if len(self._free) < _MOST_FREE:
            self._free.add(text)

    def tree(self, source: str) -> ast.Module | None:
        """The tree of Python source, or None where it does not parse or the effort is spent."""
        outcome = self.outcome(source)
        return outcome if isinstance(outcome, ast.Module) else None

    def outcome(self, source: str, *, is_doubtful: bool = False) -> Outcome:
        """What comes of parsing some source; what is long or doubtful is not parsed far beyond its first error."""
        if source not in self._outcomes:
            is_probed = source not in self._free and len(source) > _FIRST_HEAD * (1 if is_doubtful else _HEAD_GROWTH)
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
        return bool(outcome.is_unfinished) or outcome.line >= source.rstrip().count("\n") + 1

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
        if source not in self._free and not self.effort.affords(source):
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
    lines = lines_in(source[: outcome.characters] if isinstance(outcome, Failure) else source)
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


def lines_in(source: str) -> list[str]:
    """The lines of some source with their ends, as the parser counts them: what `splitlines` has besides ends none."""
    lines = source.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + [last] * bool(last)
