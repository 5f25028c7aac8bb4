"""From a model's raw text to the program that is graded.

A completion that continues the prompt is cut at the stop strings and appended to it. A completion that is a whole
program replaces the prompt, save for what the prompt has before the entry point: imports and helpers. A chat answer has
its code taken out. Nothing of a program is repaired or reordered; all that is mended is what a chat template or a token
limit did to it: lost indentation of a first line, tabs against the prompt's spaces, an unfinished last statement.
"""

from __future__ import annotations

import re
import textwrap
from functools import cached_property, lru_cache
from itertools import accumulate, islice
from os.path import commonprefix
from typing import TYPE_CHECKING, Final

from .._util.parsing import BYTES_PER_TOKEN, LINES_PER_TOKEN, module, tokens_in
from .syntax import Needs, Parser, is_definition, lines_of, longest_prefix, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_BYTES: Final = 1 << 20
"""Of a text and its prompt together, in UTF-8."""

TOO_LONG: Final = "(  # the text is longer than 1 MiB, and no program is taken out of it\n"
"""Stands for the program of such a text: it is none, whatever is put behind it."""

_MAX_FENCES: Final = 2000
_MAX_PREAMBLE_TOKENS: Final = 10_000
_MAX_INDENT: Final = 80
_MAX_PLAIN_CHARACTERS: Final = 1 << 16
_MAX_LAST_LINE: Final = 1000
_REMEMBERED_CHARACTERS: Final = 1 << 14

FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n`]*$", re.MULTILINE)
CODE_START = re.compile(
    r"[ \t]*(?:import\s|from\s+[\w.]+\s+import\s|(?:async\s+)?def\s|class\s|@|[A-Za-z_]\w*\s*(?::[^=\n]*)?=[^=])"
)
TRANSCRIPT = re.compile(r"^[ \t]*(?:>>>|\.\.\.) ?", re.MULTILINE)
STRING_OR_COMMENT = re.compile(r"#[^\n]*|'(?:[^'\\\n]|\\.)*+('?)|\"(?:[^\"\\\n]|\\.)*+(\"?)")
"""A string may lack its end."""

UNFINISHED_LINE = re.compile(
    r"\s*(?:@|(?:if|elif|else|for|while|def|class|try|except|finally|with|match|case|async|from|import|assert|del)\b)"
    r"|.*[^\w)\]}\s]$"
    r"|.*\b(?:and|or|not|in|is|if|else|for|lambda|as|await)$"
    r"|.*\bif\b(?!.*\belse\b).*[^)\]}]$"
)
"""A last line, strings and comments blanked, that may not be the end of a statement."""


def extract_program(raw: str, *, prompt: str, entry_point: str, stop: Sequence[str]) -> str:
    """The program in a model's answer.

    It takes no longer than parsing the text three times and 0.3 s more, whatever the text, and raises nothing. A search
    that would take longer is given up, and the text counts as one in which no program is found.

    Args:
        raw: The model's text as it came.
        prompt: Python source that ends where a completion begins.
        entry_point: The function that the program must define.
        stop: Strings at which a completion that continues the prompt ends.

    Returns:
        The program. Where none is found, the prompt and the text as they stand, so that grading finds the candidate
        invalid. Of a text that is longer than 1 MiB with its prompt, `TOO_LONG`, which is invalid too.
    """
    if _bytes_of(raw) + _bytes_of(prompt) > MAX_BYTES:
        return TOO_LONG
    extracted = _remembered if max(len(raw), len(prompt)) <= _REMEMBERED_CHARACTERS else _extracted
    return extracted(raw, prompt, entry_point, tuple(stop))


class _Request:
    """What is asked for, and what is known of it; its parser may do so much and no more.

    Attributes:
        text: The model's text, with line breaks as Python has them.
    """

    def __init__(self, raw: str, prompt: str, entry_point: str, stop: tuple[str, ...]) -> None:
        breaks = raw.replace("\r\n", "\n").replace("\r", "\n")
        self.text = breaks.removeprefix("\ufeff")
        self.prompt = prompt
        self.entry_point = entry_point
        self.stop = stop
        # Behind a byte order mark stands more than Python would have parsed.
        self.parser = Parser(breaks)
        self.defines = _definition_of(entry_point)

    @cached_property
    def preamble(self) -> str:
        """What stands in the prompt before the entry point: imports and helpers."""
        find = _preamble if len(self.prompt) <= _REMEMBERED_CHARACTERS else _preamble.__wrapped__
        return find(self.prompt, self.entry_point)

    @cached_property
    def indent(self) -> str:
        """The prompt's indentation."""
        found = re.findall(r"^[ \t]+(?=\S)", self.prompt, re.MULTILINE)
        indent = min(found, key=len) if found else "    "
        return indent if len(indent) <= _MAX_INDENT else "    "

    def affords(self, *texts: str, by_line: bool = False) -> bool:
        """Whether there is effort left to go through some texts, line by line or as a whole; it is spent."""
        tokens = sum(1 + len(text) // (16 * BYTES_PER_TOKEN) for text in texts)
        if by_line:
            tokens += sum(len(text) // (4 * BYTES_PER_TOKEN) + text.count("\n") // LINES_PER_TOKEN for text in texts)
        return self.parser.effort.spend(tokens)


def _extracted(raw: str, prompt: str, entry_point: str, stop: tuple[str, ...]) -> str:
    request = _Request(raw, prompt, entry_point, stop)
    text, defines = request.text, request.defines
    is_indented = text.lstrip("\n")[:1] in (" ", "\t") and bool(text.strip())
    if is_indented and _is_plain_body(text, entry_point, stop):
        return prompt + _cut(text, stop)
    has_definition = defines.search(text) is not None
    program: str | None = None
    if is_indented or not prompt.endswith("\n"):
        program = _continued(text, request)
    if program is None and has_definition:
        program = _joined(request.preamble, _whole(text, request, is_strict=True))
    if program is None and FENCE.search(text):
        program = _from_blocks(text, request, has_definition=has_definition)
    if program is None and has_definition:
        program = _joined(request.preamble, _whole(text, request, is_strict=False))
    if program is None and TRANSCRIPT.search(text) and request.affords(text, by_line=True):
        typed = "\n".join(TRANSCRIPT.sub("", line) for line in text.split("\n") if TRANSCRIPT.match(line))
        program = _joined(request.preamble, _whole(typed, request, is_strict=False))
    if program is None:
        program = _mended(text, request)
    if program is None:
        program = request.preamble + text if defines.match(text.lstrip()) else prompt + _cut(text, stop)
    return program


_remembered = lru_cache(maxsize=4096)(_extracted)
"""Small models repeat themselves."""


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _cut(text: str, stop: Sequence[str]) -> str:
    """The text up to its first stop string."""
    for string in stop:
        text = text.partition(string)[0]
    return text


def _is_plain_body(text: str, entry_point: str, stop: Sequence[str]) -> bool:
    """Whether a continuation, cut, is a function's body alone and its last statement looks finished.

    It spares parsing for nearly all completions: whatever it says no to is parsed.
    """
    if "\t" in text or "```" in text or '"""' in text or "'''" in text or f"def {entry_point}" in text:
        return False
    body = _cut(text, stop).rstrip()
    if len(body) > _MAX_PLAIN_CHARACTERS or re.search(r"\n[^\s]", body):
        return False
    bare = STRING_OR_COMMENT.sub(_blanked, body).rstrip()
    if not bare:
        return True
    if "'" in bare or '"' in bare or "\0" in bare:
        return False
    if any(bare.count(left) != bare.count(right) for left, right in ("()", "[]", "{}")):
        return False
    last_line = bare.rpartition("\n")[2]
    return len(last_line) <= _MAX_LAST_LINE and UNFINISHED_LINE.fullmatch(last_line) is None


def _blanked(match: re.Match[str]) -> str:
    """What stands for a comment, and for a string; one that lacks its end stays."""
    if match[0][0] == "#":
        return ""
    return "s" if match[1] or match[2] else match[0]


def _continued(text: str, request: _Request) -> str | None:
    """The prompt with a completion behind it, cut to what belongs to it; None where that is no program."""
    prompt, parser = request.prompt, request.parser
    if not request.affords(prompt, text):
        return None
    body = FENCE.split(_cut(text, request.stop), maxsplit=1)[0]
    program = prompt + body
    if parser.tree(program) is None:
        # Prose in the first column is no part of a body; an error inside of it is the candidate's own.
        has_tail = re.search(r"\n[^\s]", body) is not None
        if not has_tail and not parser.is_unfinished(program):
            return None
        shorter = longest_prefix(program, prompt.count("\n") + 1, parser)
        if shorter is None:
            return None
        program = shorter
    return select(program, request.entry_point, parser)


def _whole(text: str, request: _Request, *, is_strict: bool) -> str | None:
    """The program in a text that defines the entry point; strict where nothing but code may stand in it."""
    if not request.affords(text):
        return None
    defines, entry_point, parser = request.defines, request.entry_point, request.parser
    text = _dedented(text, request)
    if parser.tree(text) is not None:
        return select(text, entry_point, parser)
    if is_strict or not request.affords(text, by_line=True):
        return None
    lines = text.splitlines(keepends=True)
    if not parser.effort.spend(len(lines) // LINES_PER_TOKEN):
        return None
    offsets = [0, *accumulate(map(len, lines))]
    definitions = list(islice((number for number, line in enumerate(lines) if defines.match(line)), 8))
    before = range(definitions[-1] if definitions else 0)
    starts = list(islice((number for number in before if CODE_START.match(lines[number])), 32))
    for definition in definitions:
        for start in [*(number for number in starts if number < definition), definition]:
            rest = text[offsets[start] :]
            if not request.affords(rest):
                return None
            code = _dedented(rest, request)
            prefix = longest_prefix(code, definition - start + 1, parser)
            program = select(prefix, entry_point, parser) if prefix is not None else None
            if program is not None:
                return program
    return None


def _dedented(text: str, request: _Request) -> str:
    """The text with its first line in the first column; a text that starts there is left alone, blank lines and all."""
    if text.lstrip("\n")[:1] not in (" ", "\t") or not request.affords(text, by_line=True):
        return text
    # As textwrap.dedent has it, which makes a regular expression of the margin, whatever its length.
    lines = [line if line.strip(" \t") else "" for line in text.split("\n")]
    indents = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines if line]
    margin = commonprefix(indents)  # noqa: RUF071 (of texts)
    return "\n".join(line[len(margin) :] for line in lines)


def _from_blocks(text: str, request: _Request, *, has_definition: bool) -> str | None:
    """The program in a fenced answer: the first block that holds one, and the helpers that it needs of the others."""
    defines = request.defines
    blocks = list(_blocks(text))
    for block in blocks:
        program = _whole(block, request, is_strict=False) if defines.search(block) else None
        if program is not None:
            helpers = "".join(_helpers(program, [other for other in blocks if other is not block], request.parser))
            return _joined(request.preamble, helpers + program)
    if has_definition:
        return None
    programs = (build(block, request) for block in blocks for build in (_continued, _mended))
    return next((program for program in programs if program is not None), None)


def _blocks(text: str) -> Iterator[str]:
    """What stands between fences, then what stands outside of them: the prompt may have opened the first fence."""
    parts = [part.strip("\n") for part in FENCE.split(text, maxsplit=_MAX_FENCES)]
    yield from (part for part in parts[1::2] if part.strip())
    yield from (part for part in parts[0::2] if part.strip())


def _helpers(program: str, others: list[str], parser: Parser) -> Iterator[str]:
    """Source of the definitions in other blocks that a program reads and does not have."""
    tree = parser.tree(program)
    if tree is None:
        return
    needs = Needs(tree.body)
    for other in others:
        other_tree = parser.tree(other)
        if other_tree is None:
            continue
        lines = other.splitlines()
        found = needs.take([node for node in other_tree.body if is_definition(node)])
        for node in sorted(found, key=lambda found_node: found_node.lineno):
            yield "\n".join(lines[number - 1] for number in lines_of(node)) + "\n\n\n"


def _mended(text: str, request: _Request) -> str | None:
    """A continuation whose indentation was lost on the way, put under the prompt again."""
    prompt, parser, indent = request.prompt, request.parser, request.indent
    if text.count("\t") * len(indent) > MAX_BYTES or not request.affords(prompt, text, by_line=True):
        return None
    spaced = re.sub(r"^\t+", lambda tabs: indent * len(tabs[0]), text, flags=re.MULTILINE)
    variants = [spaced] if spaced != text else []
    if re.search(r"\b(?:return|yield)\b", text):
        variants += [textwrap.indent(spaced.lstrip("\n"), indent), indent + spaced.lstrip()]
    # A variant that parses as it stands is likelier than one that parses once it is cut.
    for variant in variants:
        program = prompt + _cut(variant, request.stop)
        if parser.tree(program) is not None:
            return select(program, request.entry_point, parser)
    programs = (_continued(variant, request) for variant in variants)
    return next((program for program in programs if program is not None), None)


@lru_cache(maxsize=1024)
def _definition_of(entry_point: str) -> re.Pattern[str]:
    name = re.escape(entry_point)
    return re.compile(rf"^[ \t]*(?:async[ \t]+)?def[ \t]+{name}\b|^{name}[ \t]*=(?!=)", re.MULTILINE)


@lru_cache(maxsize=1024)
def _preamble(prompt: str, entry_point: str) -> str:
    """What stands in the prompt before the entry point: imports and helpers."""
    header = re.search(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b", prompt, re.MULTILINE)
    start = header.start() if header else 0
    while start and prompt[(above := prompt.rfind("\n", 0, start - 1) + 1)] == "@":
        start = above
    preamble = prompt[:start]
    affordable = preamble.strip() and tokens_in(preamble) <= _MAX_PREAMBLE_TOKENS
    return preamble if affordable and module(preamble) is not None else ""


def _joined(preamble: str, program: str | None) -> str | None:
    """The prompt's preamble and a program, `__future__` imports first."""
    if program is None or not preamble or preamble.strip() in program:
        return program
    future = re.findall(r"^from __future__ import [^\n]*\n", program, re.MULTILINE)
    rest = re.sub(r"^from __future__ import [^\n]*\n", "", program, flags=re.MULTILINE)
    return "".join(future) + preamble + rest
