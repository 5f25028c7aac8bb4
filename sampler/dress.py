"""What a text wears that is no part of its program: invisible characters, prompts before lines, escapes, quotes.

Each kind is undone as a whole and only where Python has no other reading of it: what is in a string stays, and so does
what is wrong in the program itself, such as curly quotes or other scripts' punctuation.
"""

from __future__ import annotations

import ast
import html
import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from .marks import Quotes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .parser import Parser

_SPACES: Final = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_NOTHING: Final = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
_BREAKS: Final = "\u0085\u2028\u2029\x1c-\x1e"
INVISIBLE: Final = re.compile(rf"(?P<space>[{_SPACES}\x0b])|(?P<break>[{_BREAKS}])|[{_NOTHING}]|\x1b\[[0-9;]{{0,20}}m")
"""Blanks that Python does not know, line breaks that its parser does not count, what shows as nothing, colours."""

_OPENS: Final = re.compile(
    r"\"\"\"|'''|(?:^|(?<=\s))#[^\n]*"
    r"|(?<!\w)[rbfuRBFU]{0,2}(?:'(?!'')(?:[^'\\\n]|\\.)*+'?|\"(?!\"\")(?:[^\"\\\n]|\\.)*+\"?)",
    re.MULTILINE,
)

_ENTITY: Final = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#39|#34|#x27|#x22|#60|#62);")
_BREAK_TAG: Final = re.compile(r"<br ?/?>")
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([\"'\\/nrtbf]))")
_ESCAPED: Final = {"n": "\n", "r": "\n", "t": "\t", "b": "", "f": ""}
_MARKDOWN_ESCAPE: Final = re.compile(r"\\([_*\[\]<>#~`|{}()+.!-])")
_CODE_FIELD: Final = re.compile(
    r"[\"'](?:\w*code|solution|answer|completion|program|response|content|text|output|source|function|python)[\"']\s*:\s*([\"'])",
    re.IGNORECASE,
)
_FIELD_END: Final = re.compile(r"[\"']\s{0,40}(?:,\s{0,40}[\"']\w+[\"']\s{0,40}:[^\n]*)?[}\])][\s}\])\"']*\Z")
_GLUED_END: Final = re.compile(
    r"(?:\\n)*(?:[\"']\s*[,;]?\s*[}\])][\s}\])\"',;`]*|[\"'](?:\\n)+|`+|\*\*|(?:\\n)+[\"']?)\s*\Z"
)
_GLUED_TAG: Final = re.compile(r"[ \t]{0,8}</?[A-Za-z][\w:.| -]{0,40}>[ \t]*$", re.MULTILINE)
_TRIPLE_END: Final = re.compile(r"(\"\"\"|''')\s*\Z")

_QUOTE_MARK: Final = re.compile(r"^[ \t]{0,3}>(?!>>)[ \t]?", re.MULTILINE)
TRANSCRIPT: Final = re.compile(r"^[ \t]*(?:>>>|\.\.\.)(?: |$)", re.MULTILINE)
_CELL: Final = re.compile(
    r"^(?P<out>Out ?\[\d*\]:.*(?:\n(?!In ?\[)[^\n]+)*\n?)|^(?:In ?\[[\d ]*\]:[ \t]?|[ \t]*\.{3,}:[ \t]?)", re.MULTILINE
)
_NUMBERED: Final = re.compile(
    r"^[ \t]*[\[(L]?(\d{1,5})(?![\w.]*\d)[ \t]{0,3}(?:[.:|)\]│]|\])?(?=[ \t\n]|$)", re.MULTILINE
)
_ADDED: Final = re.compile(r"^\+(?!\+\+ )", re.MULTILINE)
_REMOVED: Final = re.compile(r"^(?:-|\+\+\+ |@@ |diff --git |index ).*\n?", re.MULTILINE)
_LONE_TICK: Final = re.compile(r"(?<!`)`(?!`)")

_MOST_STRINGS: Final = 64
_MOST_OBJECTS: Final = 4
_LONGEST_TAIL: Final = 400
_DECODER: Final = json.JSONDecoder(strict=False)


def visible(text: str) -> str:
    """A text without invisible characters but in strings and comments: blanks are spaces, joiners are nothing."""
    if INVISIBLE.search(text) is None:
        return text
    return "".join(piece if is_quoted else INVISIBLE.sub(_seen, piece) for piece, is_quoted in _pieces(text))


def _seen(match: re.Match[str]) -> str:
    return " " if match["space"] else "\n" if match["break"] else ""


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The strings and comments of a text, and what is between them; a triple quote without its end opens nothing."""
    position = place = 0
    last_end = {quote: text.rfind(quote) for quote in ('"""', "'''")}
    while match := _OPENS.search(text, place):
        place = match.end()
        if match[0] in last_end:
            if last_end[match[0]] < place:
                continue
            place = text.index(match[0], place) + 3
        elif match[0][0] != "#" and (len(match[0].lstrip("rbfuRBFU")) < 2 or match[0][-1] not in "'\""):
            continue
        yield text[position : match.start()], False
        yield text[match.start() : place], True
        position = place
    yield text[position:], False


def undressed(text: str, parser: Parser, defines: re.Pattern[str]) -> Iterator[str]:
    """Readings of a text in which no program was found as it stands, the likeliest first.

    Args:
        text: The text.
        parser: Has the effort that may be spent.
        defines: Finds the definition that is asked for.
    """
    yield from _distinct(text, _tailless(text))
    plain = text
    for undo in (_without_entities, _unprompted, _unnumbered, _unmarked):
        changed = undo(plain)
        if changed is not None and changed != plain:
            plain = changed
            yield plain
    yield from _decoded(plain, parser, defines)
    yield from _distinct(plain, _unescaped(plain))
    if _LONE_TICK.search(plain):
        yield _LONE_TICK.sub("\n", plain)


def _distinct(text: str, others: Iterator[str]) -> Iterator[str]:
    seen = {text}
    for other in others:
        if other not in seen:
            seen.add(other)
            yield other


def has_entities(program: str) -> bool:
    """Whether a program has HTML's entities where Python has none: outside of strings and comments."""
    if _ENTITY.search(program) is None:
        return False
    return any(_ENTITY.search(piece) for piece, is_quoted in _pieces(program) if not is_quoted)


def _tailless(text: str) -> Iterator[str]:
    """The text less what is glued to its end: the rest of a JSON object, backticks, an unknown tag, quotes."""
    yield text[:-_LONGEST_TAIL] + _GLUED_END.sub("", text[-_LONGEST_TAIL:])
    yield _GLUED_TAG.sub("", text)
    body = text.strip()
    for quote in ('"""', "'''", "**"):
        if len(body) > 2 * len(quote) and body.startswith(quote) and body.endswith(quote):
            yield body[len(quote) : -len(quote)]
    end = _TRIPLE_END.search(text[-20:])
    if end is not None and text.count(end[1]) % 2:
        start = text.find(end[1])
        # A string of its own around the whole text, or only its end.
        yield (
            text[:start] + text[start + 3 : text.rfind(end[1])]
            if start < text.rfind(end[1])
            else text[: text.rfind(end[1])]
        )


def _without_entities(text: str) -> str | None:
    """The text with HTML's entities for what they stand for, once; None where only strings have them."""
    if _BREAK_TAG.search(text) or has_entities(text):
        return visible(html.unescape(_BREAK_TAG.sub("\n", text)))
    return None


def _unprompted(text: str) -> str | None:
    """The text less the prompts of a notebook or an interpreter, with their output, or the marks of a quotation."""
    if len(_QUOTE_MARK.findall(text)) > 1:
        text = _QUOTE_MARK.sub("", text)
    if TRANSCRIPT.search(text):
        lines = text.split("\n")
        return "\n".join(TRANSCRIPT.sub("", line) for line in lines if TRANSCRIPT.match(line))
    return _CELL.sub(lambda match: "\n" if match["out"] else "", text)


def _unnumbered(text: str) -> str | None:
    """The text less the numbers of its lines; None where they do not count up."""
    marks = list(_NUMBERED.finditer(text))
    runs = [
        mark
        for place, mark in enumerate(marks)
        if (place and int(marks[place - 1][1]) + 1 == int(mark[1]))
        or (place + 1 < len(marks) and int(mark[1]) + 1 == int(marks[place + 1][1]))
    ]
    if len(runs) < 2:
        return None
    rests = [re.match(r"[ \t]*", text[mark.end() : mark.end() + 80]) for mark in runs]
    blanks = [
        rest[0]
        for rest, mark in zip(rests, runs, strict=True)
        if rest is not None and text[mark.end() + rest.end() : mark.end() + rest.end() + 1] not in ("", "\n")
    ]
    width = min(map(len, blanks), default=0)
    pieces: list[str] = []
    position = 0
    for mark in runs:
        pieces.append(text[position : mark.start()])
        end = text.find("\n", mark.end())
        position = min(mark.end() + width, len(text) if end < 0 else end)
    return "".join(pieces) + text[position:]


def _unmarked(text: str) -> str | None:
    """The text that a diff leads to; None where it adds no definition."""
    if re.search(r"^\+[ \t]*(?:async )?(?:def|class) ", text, re.MULTILINE) is None:
        return None
    return re.sub(r"^ ", "", _ADDED.sub("", _REMOVED.sub("", text)), flags=re.MULTILINE)


def _decoded(text: str, parser: Parser, defines: re.Pattern[str]) -> Iterator[str]:
    """Strings within a text that is JSON, a Python literal, or has one of them, which define what is asked for."""
    found: list[str] = []
    inside = text.strip().removeprefix("```json").removesuffix("```").strip()
    if inside[:1] in ("{", "[", '"', "'", "("):
        found += _strings(_loaded(inside))
        tree = parser.effort.parse_expression(inside) if not found and inside[-1:] in "}])'\"" else None
        if tree is not None:
            found += [
                node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
    for brace in [match.start() for match in islice(re.finditer(r"^[ \t]*[{\[]", text, re.MULTILINE), _MOST_OBJECTS)]:
        if not found:
            found += _strings(_loaded(text[brace:].lstrip()))
    for string in found[:_MOST_STRINGS]:
        if defines.search(string):
            yield string
        elif string.lstrip()[:1] == "{":
            # The arguments of a tool call are JSON in JSON.
            yield from [inner for inner in _strings(_loaded(string.lstrip())) if defines.search(inner)]
    field = _CODE_FIELD.search(text)
    if field is not None:
        rest = text[field.end() :]
        yield from _unescaped(rest[:-_LONGEST_TAIL] + _FIELD_END.sub("", rest[-_LONGEST_TAIL:]))


def _loaded(text: str) -> Any:
    """The JSON value that a text begins with; None where there is none."""
    try:
        return _DECODER.raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def _strings(value: Any) -> list[str]:
    """The strings in a value, those of a list of lines joined besides; fields that are called code first."""
    found: list[tuple[bool, str]] = []
    ahead: list[tuple[str, Any]] = [("", value)]
    while ahead and len(found) < _MOST_STRINGS:
        name, item = ahead.pop()
        if isinstance(item, str):
            found.append(("code" not in name.lower(), item))
        elif isinstance(item, dict):
            ahead += [(str(key), inner) for key, inner in reversed(item.items())]
        elif isinstance(item, list):
            if len(item) > 1 and all(isinstance(inner, str) for inner in item):
                found.append((True, "\n".join(line.removesuffix("\n") for line in item)))
            ahead += [(name, inner) for inner in reversed(item[:_MOST_STRINGS])]
    return [string for _, string in sorted(found, key=lambda pair: pair[0])]


def _unescaped(text: str) -> Iterator[str]:
    r"""A text with its line breaks for `\n`, and Markdown's escapes for what they stand for."""
    body = text.strip()
    if len(body) > 1 and body[0] in "\"'" and body[-1] == body[0] and not body.startswith(('"""', "'''")):
        body = body[1:-1]
    literal = body.count("\\n")
    if literal and literal >= body.count("\n"):
        yield _ESCAPE.sub(_character, body)
        # Escapes in strings may be the program's own.
        yield _outside_quotes(body, re.compile(r"\\([nt\"'])"), lambda match: _ESCAPED.get(match[1], match[1]))
    elif body != text.strip():
        yield body
    if _MARKDOWN_ESCAPE.search(text):
        yield _outside_quotes(text, _MARKDOWN_ESCAPE, lambda match: match[1])


def _character(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else _ESCAPED.get(match[2], match[2])


def _outside_quotes(text: str, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str]) -> str:
    quotes = Quotes(text)
    return pattern.sub(lambda match: match[0] if quotes.hold(match.start()) else replace(match), text)
