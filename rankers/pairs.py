"""Pairs of an input and its output, out of texts that a model wrote as tests of a script."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from ..records import IoCase

if TYPE_CHECKING:
    from collections.abc import Iterator

PER_SAMPLE: Final = 5
"""Pairs kept from one text, the first: as many as of asserts."""

_MAX_CHARACTERS: Final = 1 << 14
"""Of an input and its output together; longer ones are no tests that a model has worked out."""

_DRESS: Final = r"[ \t>#*_`\-\u2022]*(?:\(?\d{1,3}[.)][ \t*_`]*)?"
_MARK: Final = re.compile(
    rf"{_DRESS}(?:(?:test|case|sample|example|expected|standard)\b"
    r"(?:[ \t]*#?(?P<before>\d{1,3})\b)?[ \t:,\-]*){0,3}"
    r"(?P<kind>inputs?|outputs?|stdin|stdout)\b[ \t]*(?:\(?#?(?P<after>\d{1,3})\)?)?"
    r"[ \t*_`]*(?P<colon>[:\uff1a])?[ \t]*(?:(?:\*\*|__)(?=[ \t]|$))?(?P<rest>.*)",
    re.IGNORECASE,
)
"""A line that says what follows: `Input:`, `**Sample output 2:** 5`, `### Expected Output`."""

_OUTPUT_BESIDE: Final = re.compile(r"(?:\bexpected )?\boutput[*_]*[:\uff1a](?:\*\*|__)?", re.IGNORECASE)
"""What may stand on the line of an input."""

_HEADING: Final = re.compile(
    rf"{_DRESS}(?:(?:test|case|sample|example|pair)\b[ \t]*){{1,2}}#?\d{{1,3}}[ \t:*_`.]*"
    r"|[ \t>#*_`\-]*(?:explanation|note|reason(?:ing)?)\b[ \t*_`]*:.*",
    re.IGNORECASE,
)
"""A line that ends a pair: the heading of the next, or an explanation."""

_FENCE: Final = re.compile(r"[ \t>]*(?:```|~~~)")
_THOUGHT_ENDS: Final = re.compile(r"</(?:think|thinking|thought|reasoning|seed:think)>|\[/THINK\]|\u25c1/think\u25b7")
_NOTHING: Final = frozenset({"(empty)", "(none)", "(nothing)", "(no input)", "<empty>"})


class Pair(NamedTuple):
    """One distinct input with the output that a model expects, and how often it was written."""

    case: IoCase
    copies: int


def pairs_in(samples: tuple[str, ...], *, per_sample: int = PER_SAMPLE) -> tuple[Pair, ...]:
    """List the distinct pairs of some texts by first appearance.

    A pair is what stands behind a line `Input:`, and behind the next line `Output:` or the one of the same number; in a
    fence, in a list, in Markdown, or on the line itself. A text may begin within its first input. What follows an
    output behind an empty line outside a fence is prose. Inputs without an output are left out, and outputs without an
    input.
    """
    return _pairs_in(samples, per_sample)


# Arms are ranked one after another, each on all tasks. A number left out and the same one given are two keys.
@lru_cache(maxsize=512)
def _pairs_in(samples: tuple[str, ...], per_sample: int) -> tuple[Pair, ...]:
    counts: Counter[IoCase] = Counter()
    for sample in samples:
        counts.update(islice(_pairs(sample), per_sample))
    return tuple(Pair(case, copies) for case, copies in counts.items())


class _Part(NamedTuple):
    """An input or output in a text, with its number if it has one."""

    is_input: bool
    number: str
    text: str


def _pairs(sample: str) -> Iterator[IoCase]:
    """Yield the pairs of a text: an output belongs to the input of its number, or to the one before it."""
    waiting: dict[str, str] = {}
    latest = ""
    for part in _parts(sample):
        if part.is_input:
            waiting[part.number] = part.text
            latest = part.number
            continue
        given = waiting.pop(part.number if part.number and latest else latest, None)
        if given is not None and part.text and len(given) + len(part.text) <= _MAX_CHARACTERS:
            yield IoCase(input=given and f"{given}\n", output=f"{part.text}\n")


def _parts(sample: str) -> Iterator[_Part]:
    ends = [found.end() for found in _THOUGHT_ENDS.finditer(sample)]
    lines = sample[max(ends, default=0) :].replace("\r\n", "\n").split("\n")
    first = next((mark for line in lines if (mark := _mark(line)) is not None), None)
    reader = _Reader()
    if first is not None and not first.is_input:
        reader.begin(_Part(True, first.number, ""))
    for line in lines:
        yield from reader.read(line)
    yield from reader.end()


class _Reader:
    """Reads a text line by line."""

    def __init__(self) -> None:
        self._part: _Part | None = None
        self._lines: list[str] = []
        self._in_own_fence = False
        self._in_fence = False

    def begin(self, part: _Part) -> None:
        """Begin a part with what stands on the line that marks it."""
        self._part, self._lines = part, [part.text] if part.text else []

    def read(self, line: str) -> Iterator[_Part]:
        """Read a line; yields the parts that it ends."""
        if _FENCE.match(line):
            yield from self._fence()
        elif self._in_own_fence:
            self._lines.append(line)
        elif (mark := _mark(line)) is not None:
            for part in _split(mark):
                yield from self.end()
                self.begin(part)
        elif self._part is not None:
            has_text = any(self._lines)
            is_prose = has_text and (_HEADING.fullmatch(line) or not (self._in_fence or line.strip()))
            if is_prose and not self._part.is_input:
                yield from self.end()
            elif has_text or line.strip():
                self._lines.append(line.rstrip())

    def _fence(self) -> Iterator[_Part]:
        if self._part is not None and not self._in_fence and not any(self._lines):
            # The part has a fence of its own.
            self._in_own_fence = True
            return
        is_own = self._in_own_fence
        yield from self.end()
        self._in_fence = not self._in_fence and not is_own

    def end(self) -> Iterator[_Part]:
        """End the part that is being read; yields it."""
        if self._part is not None:
            text = "\n".join(self._lines).strip("\n").rstrip()
            yield self._part._replace(text="" if text.lower() in _NOTHING else text)
        self._part, self._lines, self._in_own_fence = None, [], False


def _mark(line: str) -> _Part | None:
    """Read a line that marks what follows; without a colon it must be nothing else, and begin a sentence."""
    found = _MARK.fullmatch(line) if len(line) <= _MAX_CHARACTERS else None
    if found is None or not (found["colon"] or (found["kind"][0].isupper() and not found["rest"].strip())):
        return None
    is_input = found["kind"].lower() in ("input", "inputs", "stdin")
    return _Part(is_input, found["after"] or found["before"] or "", found["rest"])


def _split(mark: _Part) -> list[_Part]:
    """List the parts that a line begins: an input may have its output beside it."""
    both = _OUTPUT_BESIDE.search(mark.text) if mark.is_input else None
    if both is None:
        return [mark._replace(text=_inline(mark.text))]
    given, right = mark.text[: both.start()].rstrip(" \t,;|-=>\u2192*_"), mark.text[both.end() :]
    return [mark._replace(text=_inline(given)), _Part(False, mark.number, _inline(right))]


def _inline(text: str) -> str:
    """Take the marks of code off a text within a line, where line breaks are written as two characters."""
    text = text.strip()
    bare = text.strip("`").strip()
    return bare.replace("\\n", "\n").strip("\n") if bare != text else text
