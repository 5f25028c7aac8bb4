"""From a model's raw text to the program that is graded.

First the answer is found (`thoughts`): no thoughts, no turns behind it. A completion that continues the prompt is
appended to it. A completion that is a whole program replaces the prompt, save for what the prompt has before the entry
point: imports and helpers. A chat answer has its code taken out (`blocks`). Of a program what belongs to the answer is
kept (`syntax`). Nothing of it is repaired or reordered; all that is undone is what a tokenizer, a chat template, a
format or a token limit did to it (`dress`).
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from functools import cache, cached_property, lru_cache
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Final, NamedTuple

from .._util.parsing import BYTES_PER_TOKEN, LINES_PER_TOKEN, find_function, module, tokens_in
from .blocks import Block, blocks_in, has_fence, meant, without_language
from .dress import INVISIBLE, has_entities, undressed, visible
from .marks import MARKS, answer_in
from .parser import Failure, Parser, lines_in, longest_prefix
from .syntax import bound_names, lines_of, named_alike, needed, outside_functions, select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MAX_BYTES: Final = 384 << 10
"""Of a text and its prompt together, in UTF-8."""

TOO_LONG: Final = "(  # the text is longer than 384 KiB, and no program is taken out of it\n"
"""Stands for the program of such a text: it is none, whatever is put behind it."""

NO_PROGRAM: Final = "return  # the text holds no program\n"
"""Stands for the program of a text that has none although it parses: outside of a function it does not compile."""

_MAX_PREAMBLE_TOKENS: Final = 10_000
_MAX_INDENT: Final = 80
_MAX_PLAIN_CHARACTERS: Final = 1 << 16
_MAX_LAST_LINE: Final = 1000
_MAX_DEFINITIONS: Final = 8
_MAX_STARTS: Final = 32
_MAX_READINGS: Final = 16
_LONGEST_DRESSED: Final = 1 << 18
"""Characters of a text whose dress is looked for: some twenty searches through all of it."""

_REMEMBERED_CHARACTERS: Final = 1 << 14

_FENCE_LINE: Final = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*", re.MULTILINE)

CODE_START = re.compile(
    r"[ \t]*(?:import\s|from\s+[\w.]+\s+import\s|(?:async\s+)?def\s|class\s|@|[A-Za-z_]\w*\s*(?::[^=\n]*)?=[^=])"
)
STRING_OR_COMMENT = re.compile(r"#[^\n]*|'(?:[^'\\\n]|\\.)*+('?)|\"(?:[^\"\\\n]|\\.)*+(\"?)")
"""A string may lack its end."""

UNFINISHED_LINE = re.compile(
    r"\s*(?:@|(?:if|elif|else|for|while|def|class|try|except|finally|with|match|case|async|from|import|assert|del)\b)"
    r"|.*[^\w)\]}\s]$"
    r"|.*\b(?:and|or|not|in|is|if|else|for|lambda|as|await)$"
    r"|.*\bif\b(?!.*\belse\b).*[^)\]}]$"
)
"""A last line, strings and comments blanked, that may not be the end of a statement."""


_OUTDENTED: Final = [re.compile(rf"\n {{0,{max(width - 1, 0)}}}[^\s]") for width in range(9)]
"""Finds a line that is less far in than so many blanks, or in the first column."""

STATEMENT = re.compile(
    r"^(?:(?P<all>import|from|for|while|with|try|@|if (?!__name__))|(?:async )?(?:def|class) (?P<name>\w+)"
    r"|(?P<bound>[A-Za-z_][^\n=(]*)[=(])",
    re.MULTILINE,
)
"""A line that begins a statement which may bind or change what stands before it."""

GLUED = re.compile(r"[\"'`]\s*\}|\\n\Z|&(?:lt|gt|amp|quot|#)")
"""May be the rest of what a text was wrapped in."""


def extract_program(raw: str, *, prompt: str, entry_point: str, stop: Sequence[str]) -> str:
    """The program in a model's answer.

    It takes no longer than parsing the text three times and 0.3 s more, whatever the text, and raises nothing. A search
    that would take longer is given up, and the text counts as one in which no program is found.

    Args:
        raw: The model's text as it came.
        prompt: Python source that ends where a completion begins.
        entry_point: The function, or the method `Class.name`, that the program must define.
        stop: Strings at which a completion that continues the prompt ends.

    Returns:
        The program. Where none is found, the prompt and the text as they stand if they do not parse, else `NO_PROGRAM`:
        grading finds the candidate invalid. Of a text that is longer than 384 KiB with its prompt, `TOO_LONG`, which is
        invalid too.
    """
    if _bytes_of(raw) + _bytes_of(prompt) > MAX_BYTES:
        return TOO_LONG
    extracted = _remembered if max(len(raw), len(prompt)) <= _REMEMBERED_CHARACTERS else _extracted
    owner, _, method = entry_point.rpartition(".")
    if owner and _definition_of(entry_point).search(raw) is None and _definition_of(method).search(raw) is not None:
        # The class was lost: a function, or a method at the first column, which may take `self`.
        header = f"{_preamble(prompt, entry_point)}def {method}(*args):\n"
        return _in_class(extracted(raw, header, method, tuple(stop)), owner, method)
    return extracted(raw, prompt, entry_point, tuple(stop))


def _in_class(program: str, owner: str, method: str) -> str:
    """A program that defines a method as a function, with the class that has it."""
    tree = module(program)
    if tree is None or not any(method in bound_names(node) for node in tree.body):
        return program
    function = find_function(tree, method)
    parameters = [] if function is None else [*function.args.posonlyargs, *function.args.args]
    is_bound = bool(parameters) and parameters[0].arg == "self"
    value = method if is_bound else f"staticmethod({method})"
    return f"{program.rstrip()}\n\n\nclass {owner}:\n    {method} = {value}\n"


class _Found(NamedTuple):
    """A program in a text.

    Attributes:
        program: Its source.
        loss: 0 where nothing of it was lost; 1 where its last line did not parse, as where a token limit cut it; 2
            where more of the entry point's own lines did not.
    """

    program: str
    loss: int = 0


class Request:
    """What is asked for, and what is known of it; its parser may do so much and no more.

    Attributes:
        raw: The model's text, with line breaks as Python has them.
    """

    def __init__(self, raw: str, prompt: str, entry_point: str, stop: tuple[str, ...]) -> None:
        breaks = raw.replace("\r\n", "\n").replace("\r", "\n")
        self.raw = breaks.removeprefix("\ufeff")
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
        """The prompt's indentation; of a method, that of its body."""
        if "." in self.entry_point and (inner := _last_indent(self.prompt)):
            return inner
        found = re.findall(r"^[ \t]+(?=\S)", self.prompt, re.MULTILINE)
        indent = min(found, key=len) if found else "    "
        return indent if len(indent) <= _MAX_INDENT else "    "

    def affords(self, *texts: str, by_line: bool = False) -> bool:
        """Whether there is effort left to go through some texts, line by line or as a whole; it is spent."""
        tokens = sum(1 + len(text) // (16 * BYTES_PER_TOKEN) for text in texts)
        if by_line:
            tokens += sum(len(text) // (4 * BYTES_PER_TOKEN) + text.count("\n") // LINES_PER_TOKEN for text in texts)
        return self.parser.effort.spend(tokens)

    def is_code(self, text: str) -> Callable[[int], bool]:
        """Tells which places in a text lie in code that parses with what stands there: in all of it, or in a block."""
        parser = self.parser
        if parser.tree(text) is not None:
            return lambda _: True
        if text[:1] in (" ", "\t", "\n") and parser.tree(self.prompt + text) is not None:
            return lambda _: True
        fences = [match.end() for match in _FENCE_LINE.finditer(text)]

        @cache
        def parses(number: int) -> bool:
            return parser.tree(text[fences[number] : text.rfind("\n", 0, fences[number + 1]) + 1]) is not None

        def is_code(place: int) -> bool:
            number = bisect_right(fences, place) - 1
            return 0 <= number < len(fences) - 1 and parses(number)

        return is_code


def _extracted(raw: str, prompt: str, entry_point: str, stop: tuple[str, ...]) -> str:
    request = Request(raw, prompt, entry_point, stop)
    text = request.raw
    if _starts_indented(text) and _is_plain_body(text, _last_indent(prompt), entry_point.rpartition(".")[2], stop):
        return prompt + _cut(text, stop)
    answer = _readable(text, request)
    found = _best(answer, request)
    readings = undressed(answer, request.parser, request.defines) if len(answer) <= _LONGEST_DRESSED else iter(())
    for reading in islice(readings, _MAX_READINGS):
        if found is not None and not found.loss and not has_entities(found.program):
            break
        if not request.affords(reading, by_line=True):
            break
        other = _best(_readable(reading, request), request)
        if other is not None and (found is None or other.loss < found.loss or has_entities(found.program)):
            found = other
    if found is None:
        found = _alike(answer, request)
    return _without_program(answer, request) if found is None else found.program


_remembered = lru_cache(maxsize=4096)(_extracted)
"""Small models repeat themselves."""


def _without_program(text: str, request: Request) -> str:
    """What stands for the program of a text that has none: the text itself as long as it is no Python."""
    if request.defines.search(text) and request.parser.tree(text) is not None:
        # A header with nothing in it: it fails by itself.
        return request.preamble + text
    program = (
        request.preamble + text if request.defines.match(text.lstrip()) else request.prompt + _cut(text, request.stop)
    )
    outcome = request.parser.outcome(program)
    # What would take too long to parse is graded as it stands.
    return program if isinstance(outcome, Failure) or (outcome is None and text.strip()) else NO_PROGRAM


def _readable(text: str, request: Request) -> str:
    """The answer in a text, without thoughts and turns."""
    if INVISIBLE.search(text) and request.affords(text, by_line=True):
        text = visible(text)
    if MARKS.search(text) is None:
        return without_language(text)
    if not request.affords(text, by_line=True):
        return ""
    answer = answer_in(text, request.is_code)
    request.parser.allow(answer.text)
    if not answer.text.strip():
        return ""
    for part in (answer.inner, answer.text, answer.rest):
        if part is not None and part.strip() and _best(part, request) is not None:
            return without_language(part)
    return without_language(answer.text)


def _best(text: str, request: Request) -> _Found | None:
    """The program in a text as it stands, with the least loss that any way to find it has."""
    best: _Found | None = None
    for found in _ways(text, request):
        if found is not None and (best is None or found.loss < best.loss):
            best = found
        if best is not None and best.loss < 2:
            break
    return best


def _ways(text: str, request: Request) -> Iterator[_Found | None]:
    """What each way to read a text comes to, the likeliest first."""
    if not text.strip():
        return
    has_definition = request.defines.search(text) is not None
    if _starts_indented(text) or not request.prompt.endswith("\n"):
        yield _continued(text, request)
    if has_definition:
        yield _joined(request.preamble, _strict(text, request))
    blocks = blocks_in(text) if has_fence(text) and request.affords(text, by_line=True) else []
    if has_definition or any(request.defines.search(block.code) for block in blocks):
        if len(blocks) > 1 or any(block.is_fenced for block in blocks):
            yield _joined(request.preamble, _of_blocks(blocks, request))
        if has_definition:
            yield _joined(request.preamble, _of_prose(text, request))
    elif blocks:
        for block in blocks:
            yield _continued(block.code, request)
            yield _mended(block.code, request)
    yield _mended(text, request)


def _starts_indented(text: str) -> bool:
    return text.lstrip("\n")[:1] in (" ", "\t") and bool(text.strip())


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _cut(text: str, stop: Sequence[str]) -> str:
    """The text up to its first stop string."""
    for string in stop:
        text = text.partition(string)[0]
    return text


def _is_plain_body(text: str, indent: str, entry_point: str, stop: Sequence[str]) -> bool:
    """Whether a continuation, cut, is a function's body alone, needs nothing of what follows and looks finished.

    It spares parsing for nearly all completions: whatever it says no to is parsed.
    """
    if "\t" in text or "```" in text or '"""' in text or "'''" in text or f"def {entry_point}" in text:
        return False
    if MARKS.search(text) or INVISIBLE.search(text) or GLUED.search(text):
        return False
    body = _cut(text, stop).rstrip()
    first = body.lstrip("\n")
    if indent and (not first.startswith(indent) or first[len(indent) : len(indent) + 1].isspace()):
        return False
    if len(body) > _MAX_PLAIN_CHARACTERS or _OUTDENTED[len(indent)].search(body) or _may_need(body, text, entry_point):
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


@lru_cache(maxsize=1024)
def _last_indent(prompt: str) -> str:
    """The indentation of a prompt's last line, where that is within a body; at most 8."""
    last = prompt.rstrip().rpartition("\n")[2]
    indent = last[: len(last) - len(last.lstrip(" "))]
    return indent if len(indent) < len(_OUTDENTED) else ""


def _may_need(body: str, text: str, entry_point: str) -> bool:
    """Whether a body may need what stands behind it in its text, going by the first words of lines."""
    behind = text[len(body) :]
    if not behind.strip():
        return False
    words = {entry_point, *re.findall(r"\w+", body)}
    return any(
        match["all"] is not None or not words.isdisjoint(re.findall(r"\w+", match["name"] or match["bound"]))
        for match in STATEMENT.finditer(behind)
    )


def _blanked(match: re.Match[str]) -> str:
    """What stands for a comment, and for a string; one that lacks its end stays."""
    if match[0][0] == "#":
        return ""
    return "s" if match[1] or match[2] else match[0]


def _continued(text: str, request: Request) -> _Found | None:
    """The prompt with a completion behind it, as far as it parses; None where that is no program.

    Stop strings only tell where a completion may end. What parses behind them may be needed: they come into play where
    the whole is more than may be parsed.
    """
    prompt, parser = request.prompt, request.parser
    if not request.affords(prompt, text):
        return None
    cut = _cut(text, request.stop)
    for body in (text, cut) if cut != text else (text,):
        program = prompt + body
        outcome = parser.outcome(program, is_doubtful=True)
        if isinstance(outcome, ast.Module):
            selected = select(program, request.entry_point, parser)
            return None if selected is None else _Found(selected)
        if outcome is None:
            continue
        # An error inside of a body that does not end is the candidate's own.
        if re.search(r"\n[^\s]", body) is None and not parser.is_unfinished(program) and has_fence(body) is False:
            loss = 2
        else:
            loss = 0
        found = _prefixed(program, prompt.count("\n") + 1, request)
        return None if found is None else found._replace(loss=max(found.loss, loss))
    return None


def _prefixed(code: str, first_line: int, request: Request) -> _Found | None:
    """The program in the longest run of leading lines that parses and reaches a line; None where there is none."""
    prefix = longest_prefix(code, first_line, request.parser)
    program = None if prefix is None else select(prefix, request.entry_point, request.parser)
    if prefix is None or program is None:
        return None
    behind = code[len(prefix) :].lstrip("\n")
    if behind[:1] not in (" ", "\t"):
        return _Found(program)
    rest = behind.partition("\n")[2]
    # What is lost of another function's lines behind is no loss.
    is_own = prefix.rstrip().endswith(program.rstrip().rpartition("\n")[2])
    return _Found(program, (2 if rest.strip() else 1) if is_own else 0)


def _strict(text: str, request: Request) -> _Found | None:
    """The program in a text that is nothing but code."""
    if not request.affords(text):
        return None
    for code in _dedented(text, request):
        if request.parser.tree(code) is not None:
            program = select(code, request.entry_point, request.parser)
            return None if program is None else _Found(program)
    return None


def _of_prose(text: str, request: Request) -> _Found | None:
    """The program in a text that defines the entry point among other things, where no fences part them."""
    if not request.affords(text, by_line=True):
        return None
    lines = lines_in(text)
    if not request.parser.effort.spend(len(lines) // LINES_PER_TOKEN):
        return None
    offsets = [0, *accumulate(map(len, lines))]
    definitions = list(
        islice((number for number, line in enumerate(lines) if request.defines.match(line)), _MAX_DEFINITIONS)
    )
    before = range(definitions[-1] if definitions else 0)
    starts = list(islice((number for number in before if CODE_START.match(lines[number])), _MAX_STARTS))
    versions: list[tuple[_Found, int, str]] = []
    end = 0
    for definition in definitions:
        if offsets[definition] < end:
            continue
        for start in [*(number for number in starts if end <= offsets[number] and number < definition), definition]:
            rest = text[offsets[start] :]
            if not request.affords(rest):
                break
            found = next(
                (
                    found
                    for code in _dedented(rest, request)
                    if (found := _prefixed(code, definition - start + 1, request))
                ),
                None,
            )
            if found is not None:
                versions.append((found, offsets[start], text[end : offsets[start]]))
                end = offsets[definition] + 1
                end = _end_of(found, text, offsets[start], end)
                break
    if not versions:
        return None
    return versions[meant([said for _, _, said in versions])][0]


def _end_of(found: _Found, text: str, start: int, least: int) -> int:
    """About where a program ends in the text that it was taken out of."""
    last = found.program.rstrip().rpartition("\n")[2].strip()
    place = text.find(last, max(start, least)) if last else -1
    return least if place < 0 else place + len(last)


def _dedented(text: str, request: Request) -> Iterator[str]:
    """The text with its first line in the first column: that line alone moved, or all lines that are as far in as it.

    A tokenizer leaves a blank before the first line; a list or a quotation moves all lines.
    """
    first = text.lstrip("\n")
    if first[:1] not in (" ", "\t"):
        yield text
        return
    if not request.affords(text, by_line=True):
        return
    margin = first[: len(first) - len(first.lstrip(" \t"))]
    lines = first.split("\n")
    end = next((place for place, line in enumerate(lines) if line.strip() and not line.startswith(margin)), len(lines))
    moved = [line.removeprefix(margin) for line in lines[:end]] + lines[end:]
    if end == len(lines):
        yield "\n".join(moved)
    yield first[len(margin) :]
    if end < len(lines):
        yield "\n".join(moved)


def _of_blocks(blocks: Sequence[Block], request: Request) -> _Found | None:
    """The program in the blocks of an answer: the version that is meant, and what it needs of the others."""
    found: list[tuple[_Found, Block]] = []
    for block in blocks:
        if not request.defines.search(block.code) or (found and not block.is_fenced):
            continue
        program = _strict(block.code, request) or _of_prose(block.code, request)
        if program is not None:
            found.append((program, block))
    whole = [pair for pair in found if pair[0].loss < 2] or found
    if not whole:
        return None
    program, chosen = whole[meant([said_before(block, blocks, whole) for _, block in whole])]
    helpers = _helpers(program.program, [block.code for block in blocks if block is not chosen], request)
    return program._replace(program=helpers + program.program)


def said_before(block: Block, blocks: Sequence[Block], versions: Sequence[tuple[object, Block]]) -> str:
    """What is said before a block since the version before it."""
    place = blocks.index(block)
    held = [other for _, other in versions]
    start = max(
        (number + 1 for number, other in enumerate(blocks[:place]) if any(other is one for one in held)), default=0
    )
    return "\n\n".join(other.before for other in blocks[start : place + 1])


def _helpers(program: str, others: Sequence[str], request: Request) -> str:
    """Source of the statements in other blocks that a program needs."""
    parser = request.parser
    tree = parser.tree(program)
    if tree is None or not others:
        return ""
    statements: list[ast.stmt] = []
    sources: dict[ast.stmt, list[str]] = {}
    for other in others:
        other_tree = parser.tree(other)
        if other_tree is not None:
            lines = lines_in(other)
            statements += other_tree.body
            sources.update(dict.fromkeys(other_tree.body, lines))
    taken = needed(tree.body, statements, request.entry_point.partition(".")[0])
    pieces = ("".join(sources[node][number - 1] for number in lines_of(node)).rstrip("\n") for node in taken)
    return "".join(f"{piece}\n\n\n" for piece in pieces)


def _mended(text: str, request: Request) -> _Found | None:
    """A continuation whose indentation was lost or moved on the way, put under the prompt again."""
    prompt, parser, indent = request.prompt, request.parser, request.indent
    if text.count("\t") * len(indent) > MAX_BYTES or not request.affords(prompt, text, by_line=True):
        return None
    spaced = re.sub(r"^\t+", lambda tabs: indent * len(tabs[0]), text, flags=re.MULTILINE)
    variants = [spaced] if spaced != text else []
    body = spaced.lstrip("\n")
    if body[:1] == " ":
        variants += [indent + body.lstrip(), _shifted(body, indent)]
    if re.search(r"\b(?:return|yield)\b", text) and _may_be_body(text, request):
        variants += [_indented(body, indent), indent + body.lstrip()]
    # A variant that parses as it stands is likelier than one that parses once it is cut.
    for variant in variants:
        program = prompt + variant
        if parser.tree(program) is not None:
            selected = select(program, request.entry_point, parser)
            return None if selected is None else _Found(selected)
    found = [one for one in (_continued(variant, request) for variant in variants) if one is not None]
    return min(found, key=lambda one: one.loss, default=None)


def _may_be_body(text: str, request: Request) -> bool:
    """Whether a text with the indentation lost may be a function's body: one that parses returns something itself."""
    tree = request.parser.tree(text)
    return tree is None or any(
        isinstance(node, ast.Return | ast.Yield | ast.YieldFrom)
        for statement in tree.body
        for node in outside_functions(statement)
    )


def _indented(text: str, indent: str) -> str:
    return re.sub(r"^(?=[^\n]*\S)", indent, text, flags=re.MULTILINE)


def _shifted(text: str, indent: str) -> str:
    """The text with its first line at an indentation, and the lines that are as far in moved with it."""
    lines = text.split("\n")
    margin = lines[0][: len(lines[0]) - len(lines[0].lstrip(" "))]
    end = next((place for place, line in enumerate(lines) if line.strip() and not line.startswith(margin)), len(lines))
    return "\n".join(
        [indent + line.removeprefix(margin) if line.strip() else line for line in lines[:end]] + lines[end:]
    )


def _alike(text: str, request: Request) -> _Found | None:
    """A program in a text that defines the entry point by a longer name alone."""
    sources = [*(block.code for block in blocks_in(text)), text] if has_fence(text) else [text]
    for source in sources:
        if not request.affords(source, by_line=True):
            return None
        if re.search(rf"^[ \t]*(?:async )?def {re.escape(request.entry_point)}\w", source, re.MULTILINE) is None:
            continue
        for code in _dedented(source, request):
            program = named_alike(code, request.entry_point, request.parser)
            if program is not None:
                return _joined(request.preamble, _Found(program))
    return None


@lru_cache(maxsize=1024)
def _definition_of(entry_point: str) -> re.Pattern[str]:
    owner = entry_point.rpartition(".")[0]
    if owner:
        return re.compile(rf"^[ \t]*class[ \t]+{re.escape(owner)}\b", re.MULTILINE)
    name = re.escape(entry_point)
    return re.compile(rf"^[ \t]*(?:async[ \t]+)?def[ \t]+{name}\b|^{name}[ \t]*=(?!=)", re.MULTILINE)


@lru_cache(maxsize=1024)
def _preamble(prompt: str, entry_point: str) -> str:
    """What stands in the prompt before the entry point: imports and helpers."""
    owner = entry_point.rpartition(".")[0]
    opening = rf"class[ \t]+{re.escape(owner)}\b" if owner else rf"(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b"
    header = re.search(rf"^{opening}", prompt, re.MULTILINE)
    start = header.start() if header else 0
    while start and prompt[(above := prompt.rfind("\n", 0, start - 1) + 1)] == "@":
        start = above
    preamble = prompt[:start]
    affordable = preamble.strip() and tokens_in(preamble) <= _MAX_PREAMBLE_TOKENS
    return preamble if affordable and module(preamble) is not None else ""


def _joined(preamble: str, found: _Found | None) -> _Found | None:
    """The prompt's preamble and a program, `__future__` imports first."""
    if found is None or not preamble or preamble.strip() in found.program:
        return found
    program = found.program
    future = re.findall(r"^from __future__ import [^\n]*\n", program, re.MULTILINE)
    rest = re.sub(r"^from __future__ import [^\n]*\n", "", program, flags=re.MULTILINE)
    return found._replace(program="".join(future) + preamble + rest)
