"""What of a model's text is its answer: not its thoughts, not the marks of its turns, not what follows its end.

Marks count where they cannot be code. Python has no place for `</think>` or `<|im_end|>` but in strings and comments,
so a mark in a string, in a comment, in backticks, or in a block that parses with it is left alone.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_MARKS: Final = 2_000
"""Marks of a kind that are looked at in a text: what follows is taken as it stands."""

_NAMES: Final = (
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion)?|analysis|scratchpad|(?:chain_of_thought|cot|monologue)"
    r"|inner_(?!prefix|suffix)\w+|internal_\w+)(?:[_-]\w+)?"
)
_ANSWERS: Final = r"(?:(?:final_?)?(?:answer|response|solution|output|result))"

_THOUGHT: Final = re.compile(
    rf"""
    (?P<open>
        <(?:[a-z]+:)?{_NAMES}(?:\s[^<>\n/]{{0,80}})?>       # <think>, <seed:think>, <thinking effort="low">
      | (?-i:\[(?:THINK(?:ING)?|THOUGHTS?|REASON(?:ING)?|ANALYSIS)\])
      | ◁\s?think\s?▷
      | <\|(?:begin_of_|start_of_|start_|begin_)?{_NAMES}\|>
      | <\|inner_prefix\|> | <unused94>(?:thought)?
      | <\|im_start\|>\s?think\b
      | <details\s[^<>\n]{{0,40}}type="reasoning"[^<>\n]{{0,80}}>
      | ^here\ is\ my\ thought\ process:
      | \A\s*thinking\.\.\.$
    )
  | (?P<close>
        <\\?/(?:[a-z]+:)?{_NAMES}\s?>
      | (?-i:\[/(?:THINK(?:ING)?|THOUGHTS?|REASON(?:ING)?|ANALYSIS)\])
      | ◁\s?/think\s?▷
      | <\|(?:end_of_|end_|/){_NAMES}\|>
      | <\|inner_suffix\|> | <unused95>
      | ^\.\.\.done\ thinking\.$
    )
  | (?P<answer>                                             # ends a thought that is open, and is nothing else
        ^[ \t]*<{_ANSWERS}>
      | (?-i:\[(?:ANSWER|RESPONSE|SOLUTION)\])
      | <\|(?:begin_of_|start_of_|start_|begin_){_ANSWERS}\|>
      | <\|im_start\|>\s?(?:answer|final)\b
      | </details>
      | ^here\ is\ my\ response:
    )
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
"""Tags of DeepSeek, Qwen, GLM and most others; Magistral, Kimi, Seed, Command A, Sky-T1, Apertus, MedGemma, s1, Granite
3.2; what Open WebUI and `ollama run` make of them."""

_CHANNEL: Final = re.compile(
    r"(?:<\|channel\|>|\A)\s*(analysis|commentary|final)\b[^<\n]{0,80}(?:<\|constrain\|>\s*\w+\s*)?<\|message\|>"
)
_CHANNEL_END: Final = re.compile(r"<\|(?:end|return|start|call|channel)\|>")
_BARE_CHANNELS: Final = re.compile(r"\A\s*(?:analysis(?=[A-Z\n])|assistantanalysis)")
_BARE_FINAL: Final = "assistantfinal"
"""gpt-oss's channels, and what is left of their marks where special tokens were not decoded."""

_TURN: Final = re.compile(
    r"""
    <\|(?P<name>[^|<>\n]{1,60})\|> | <\uff5c[^\uff5c<>\n]{1,60}\uff5c>
  | <(?P<role>start_of_turn)> | <end_of_turn> | </s> | <(?:eos|eot|eod|end_of_text|endoftext|end_of_utterance)> | <EOT>
  | (?:\A\s*|(?<=>))<(?:s|bos|pad|unk)> | <(?:s|bos|pad|unk)>[ \t]*(?=\n|\Z)
  | <jupyter_\w+> | <empty_output> | <(?:file_sep|filename|reponame|repo_name|gh_stars)>
  | <fim_(?:prefix|suffix|middle|pad)>
  | <issue_\w+> | <commit_\w+> | <extra_id_\d+> | <unused\d+> | <step>
  | (?P<asks>\[INST\]) | \[/INST\] | <</?SYS>>
    """,
    re.VERBOSE | re.MULTILINE,
)
"""Special tokens as tokenizers spell them. Those without pipes are listed: `<NAME>` and the like are not special."""

_COMPARISON: Final = re.compile(r"<\w+>|\[\w+\]")
"""Marks that are operators to Python."""

_ESCAPED_TAG: Final = re.compile(rf"&lt;(/?(?:[a-z]+:)?{_NAMES})&gt;", re.IGNORECASE)

_ROLE_NAMES: Final = frozenset({"im_start", "start_header_id", "header_start", "im_user", "start"})
_ROLE: Final = re.compile(r"\s*(assistant|model|ipython|user|system|human|tool)\b[ \t]*")
_ASKING: Final = frozenset({"user", "system", "human", "tool"})
_HEADER_ENDS: Final = frozenset({"end_header_id", "header_end", "im_middle", "im_sep", "message"})

_WRAPPER: Final = re.compile(
    rf"""
    (?P<answer_open>
        ^[ \t]*<{_ANSWERS}(?:\s[^<>\n]{{0,80}})?> | (?<=>)<{_ANSWERS}>
      | ^[ \t]*\[(?:ANSWER|SOLUTION|RESPONSE)\]
    )
  | (?P<open>
        <(?:code|python|pre|script|program|completion)(?:\s[^<>\n]{{0,80}})?>
      | ^[ \t]*\[(?:PYTHON|CODE|BEGIN|START|python|code|TESTS?)\]
      | \\begin\{{(?:code|python|verbatim|lstlisting|minted)\}}(?:\{{python\}}|\[[^\]\n]*\])?
    )
  | (?P<close>
        </{_ANSWERS}> | </(?:code|python|pre|script|program|completion)>
      | \[/(?:ANSWER|SOLUTION|RESPONSE|PYTHON|CODE|BEGIN|START|python|code|TESTS?)\]
      | ^[ \t]*\[(?:DONE|END)\] | \[(?:DONE|END)\][ \t]*(?=\n|\Z)
      | \\end\{{(?:code|python|verbatim|lstlisting|minted)\}}
    )
    """,
    re.VERBOSE | re.MULTILINE,
)
"""What stands around an answer or its code: MBPP's `[BEGIN]`, CodeLlama's `[PYTHON]`, R1-Zero's `<answer>`, LaTeX."""

MARKS: Final = re.compile(
    r"&lt;|<[|\uff5ca-zA-Z/\\<]|\[/?[A-Z]{3,}|◁|assistantfinal|\\begin\{|\A\s*(?:analysis|thinking\.\.\.)|^here is my ",
    re.IGNORECASE | re.MULTILINE,
)
"""Stands in every text that has one of the marks above."""

_QUOTED: Final = re.compile(
    r"(?:^|(?<=\s))(?P<comment>#)[^\n]*|(?<!`)`(?!`)[^`\n]++(?P<tick>`(?!`))?"
    r"|(?<!\w)[rbfuRBFU]{0,2}(?:'(?:[^'\\\n]|\\.)*+(?P<single>')?|\"(?:[^\"\\\n]|\\.)*+(?P<double>\")?)",
    re.MULTILINE,
)
"""A comment, or a string or backticks on one line; they may lack their end, and hold nothing then."""


class Quotes:
    """What on the lines of a text stands in a string, in a comment or in backticks.

    Args:
        text: The text. It is gone through by the line, where something is asked of it.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._line = range(0)
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._comment = 0

    def hold(self, place: int, *, in_comments: bool = True) -> bool:
        """Whether a place in the text is quoted; places are asked for in turn.

        Args:
            place: The place, a character's number.
            in_comments: Whether comments count.
        """
        if place not in self._line:
            start = self._text.rfind("\n", 0, place) + 1
            end = self._text.find("\n", place)
            end = len(self._text) if end < 0 else end
            self._line = range(start, end + 1)
            found = list(_QUOTED.finditer(self._text, start, end))
            closed = [match for match in found if match["single"] or match["double"] or match["tick"]]
            self._starts = [match.start() for match in closed]
            self._ends = [match.end() for match in closed]
            self._comment = next((match.start("comment") for match in found if match["comment"]), end + 1)
        if place > self._comment:
            return in_comments
        before = bisect_left(self._starts, place) - 1
        return before >= 0 and place < self._ends[before]


CodeIn = Callable[[str], Callable[[int], bool]]
"""Tells of a text which places in it lie in code that parses with what stands there."""


class Answer(NamedTuple):
    """What is left of a text.

    Attributes:
        text: What the model answered.
        rest: What it went on with in later turns of its own.
        inner: What it marked as the answer or its code; None where it marked nothing.
    """

    text: str
    rest: str = ""
    inner: str | None = None


def answer_in(text: str, is_code: CodeIn) -> Answer:
    """The answer in a text; empty where a thought never ends.

    Args:
        text: The text.
        is_code: Tells what is code.
    """
    if "&lt;" in text:
        text = _ESCAPED_TAG.sub(r"<\1>", text)
    text = _without_channels(text, is_code)
    text = _without_thoughts(text, is_code)
    text, rest = _first_turn(text, is_code)
    return _unwrapped(text, rest, is_code)


def _marks(pattern: re.Pattern[str], text: str, is_code: CodeIn) -> Iterator[re.Match[str]]:
    """The marks of a kind that are no code."""
    quotes = Quotes(text)
    in_code = is_code(text)
    strings: list[tuple[int, int]] | None = None
    for match in islice(pattern.finditer(text), _MOST_MARKS):
        place = match.end() - len(match[0].lstrip())
        if quotes.hold(place):
            continue
        if in_code(place):
            if _COMPARISON.fullmatch(match[0].strip()) is None:
                continue
            # `x<eos>y` parses, as do `x[INST]`: it takes a string of several lines to make them code.
            strings = _long_strings(text) if strings is None else strings
            number = bisect_left(strings, (place, 0)) - 1
            if number >= 0 and place < strings[number][1]:
                continue
        yield match


def _long_strings(text: str) -> list[tuple[int, int]]:
    """Where strings in triple quotes begin and end, about."""
    found: list[tuple[int, int]] = []
    opened: re.Match[str] | None = None
    for match in re.finditer(r"\"\"\"|'''", text):
        if opened is None:
            opened = match
        elif match[0] == opened[0]:
            found.append((opened.start(), match.end()))
            opened = None
    return found


def _without_channels(text: str, is_code: CodeIn) -> str:
    if "<|message|>" in text:
        marks = list(_marks(_CHANNEL, text, is_code))
        if marks:
            final = next((mark for mark in reversed(marks) if mark[1] == "final"), None)
            return "" if final is None else _CHANNEL_END.split(text[final.end() :], maxsplit=1)[0]
    if _BARE_FINAL in text:
        return text.rpartition(_BARE_FINAL)[2]
    return "" if _BARE_CHANNELS.match(text) else text


def _without_thoughts(text: str, is_code: CodeIn) -> str:
    """The text less its thoughts: a closing tag alone ends one that the template has begun, an open one goes on."""
    pieces: list[str] = []
    position = 0
    is_open = False
    quotes = Quotes(text)
    in_code = is_code(text)
    for mark in islice(_THOUGHT.finditer(text), _MOST_MARKS):
        place = mark.end() - len(mark[0].lstrip())
        # What looks like a comment in a thought may be prose.
        if quotes.hold(place, in_comments=not is_open) or (not is_open and in_code(place)):
            continue
        if mark["open"]:
            if not is_open:
                pieces.append(text[position : mark.start()])
                is_open = True
        elif mark["close"] or is_open:
            if not is_open:
                pieces.clear()
            is_open = False
            # The tag of an answer is still to be seen.
            position = mark.end() if mark["close"] else mark.start()
    if not is_open:
        pieces.append(text[position:])
    said = [piece for piece in pieces if piece.strip()]
    return said[0] if len(said) == 1 else "\n".join(said)


def _first_turn(text: str, is_code: CodeIn) -> tuple[str, str]:
    """What stands before the first mark of an end or a turn, and what the model wrote in later turns."""
    pieces: list[str] = []
    position = 0
    is_asked = names_role = False
    for mark in [*_marks(_TURN, text, is_code), None]:
        piece = text[position : mark.start() if mark else len(text)]
        position = mark.end() if mark else len(text)
        if names_role and (role := _ROLE.match(piece)):
            is_asked = role[1] in _ASKING
            piece = piece[role.end() :].removeprefix("\n")
        if piece.strip() and not is_asked:
            pieces.append(piece)
        if mark is not None and not (names_role and mark["name"] in _HEADER_ENDS):
            names_role = mark["role"] is not None or mark["name"] in _ROLE_NAMES
            is_asked = mark["asks"] is not None or mark["name"] in _ASKING
        else:
            names_role = False
    if not pieces:
        return "", ""
    return pieces[0], "\n".join(pieces[1:])


def _unwrapped(text: str, rest: str, is_code: CodeIn) -> Answer:
    """The text with a line break for each mark around an answer or its code, and what stands between such marks."""
    ends_alone = [
        f"[{name}]" for name in ("DONE", "END") if len(re.findall(rf"\b{name}\b", text)) == text.count(f"[{name}]")
    ]
    marks = [
        mark
        for mark in _marks(_WRAPPER, text, is_code)
        # Where the name stands elsewhere too, it may be an element's.
        if mark[0].strip() not in ("[DONE]", "[END]") or mark[0][:1] in " \t" or mark[0].strip() in ends_alone
    ]
    if not marks:
        return Answer(text, rest)
    starts = [0, *(mark.end() for mark in marks)]
    ends = [*(mark.start() for mark in marks), len(text)]
    pieces = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    answers = [place for place, mark in enumerate(marks) if mark["answer_open"]]
    opened = answers[-1:] or [place for place, mark in enumerate(marks) if mark["open"]][:1]
    if not opened:
        return Answer("\n".join(pieces), rest)
    place = opened[0]
    name = re.sub(r"\W", "", marks[place][0]).lower()
    closed = next((later for later in range(place + 1, len(marks)) if _closes(marks[later], name)), len(marks))
    return Answer("\n".join(pieces), rest, "\n".join(pieces[place + 1 : closed + 1]))


def _closes(mark: re.Match[str], name: str) -> bool:
    """Whether a mark ends what a mark of some name has begun."""
    if mark["close"] is None:
        return False
    closed = re.sub(r"\W", "", mark[0]).lower()
    return name.startswith((closed, f"begin{closed.removeprefix('end')}")) or closed in ("done", "end")
