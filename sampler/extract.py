"""From a model's raw text to the program that is graded.

A completion that continues the prompt is cut at the stop strings and appended to it. A completion that is a whole
program replaces the prompt, save for what the prompt has before the entry point: imports and helpers. A chat answer has
its code taken out. Nothing of a program is repaired or reordered; all that is mended is what a chat template or a token
limit did to it: lost indentation of a first line, tabs against the prompt's spaces, an unfinished last statement.
"""

from __future__ import annotations

import re
import textwrap
from functools import lru_cache
from typing import TYPE_CHECKING

from .syntax import is_definition, is_unfinished, lines_of, longest_prefix, needed_definitions, parsed, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n`]*$", re.MULTILINE)
CODE_START = re.compile(
    r"[ \t]*(?:import\s|from\s+[\w.]+\s+import\s|(?:async\s+)?def\s|class\s|@|[A-Za-z_]\w*\s*(?::[^=\n]*)?=[^=])"
)
TRANSCRIPT = re.compile(r"^[ \t]*(?:>>>|\.\.\.) ?", re.MULTILINE)
STRING_OR_COMMENT = re.compile(r"#[^\n]*|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
UNFINISHED_LINE = re.compile(
    r"\s*(?:@|(?:if|elif|else|for|while|def|class|try|except|finally|with|match|case|async|from|import|assert|del)\b)"
    r"|.*[^\w)\]}\s]$"
    r"|.*\b(?:and|or|not|in|is|if|else|for|lambda|as|await)$"
    r"|.*\bif\b(?!.*\belse\b).*[^)\]}]$"
)
"""A last line, strings and comments blanked, that may not be the end of a statement."""


def extract_program(raw: str, *, prompt: str, entry_point: str, stop: Sequence[str]) -> str:
    """The program in a model's answer.

    Args:
        raw: The model's text as it came.
        prompt: Python source that ends where a completion begins.
        entry_point: The function that the program must define.
        stop: Strings at which a completion that continues the prompt ends.

    Returns:
        The program. Where none is found, the prompt and the text as they stand, so that grading finds the candidate
        invalid.
    """
    return _extracted(raw, prompt, entry_point, tuple(stop))


@lru_cache(maxsize=4096)
def _extracted(raw: str, prompt: str, entry_point: str, stop: tuple[str, ...]) -> str:
    """`extract_program`, remembered: small models repeat themselves."""
    text = raw.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    is_indented = text.lstrip("\n")[:1] in (" ", "\t") and bool(text.strip())
    if is_indented and _is_plain_body(text, entry_point, stop):
        return prompt + _cut(text, stop)
    defines = _definition_of(entry_point)
    preamble = _preamble(prompt, entry_point)
    program: str | None = None
    if is_indented or not prompt.endswith("\n"):
        program = _continued(text, prompt, entry_point, stop)
    if program is None and defines.search(text):
        program = _joined(preamble, _whole(text, entry_point, defines, is_strict=True))
    if program is None and FENCE.search(text):
        program = _from_blocks(text, prompt, preamble, entry_point, defines, stop)
    if program is None and defines.search(text):
        program = _joined(preamble, _whole(text, entry_point, defines, is_strict=False))
    if program is None and TRANSCRIPT.search(text):
        typed = "\n".join(TRANSCRIPT.sub("", line) for line in text.split("\n") if TRANSCRIPT.match(line))
        program = _joined(preamble, _whole(typed, entry_point, defines, is_strict=False))
    if program is None:
        program = _mended(text, prompt, entry_point, stop)
    if program is None:
        program = preamble + text if defines.match(text.lstrip()) else prompt + _cut(text, stop)
    return program


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
    if re.search(r"\n[^\s]", body):
        return False
    bare = STRING_OR_COMMENT.sub(lambda match: "" if match[0][0] == "#" else "s", body).rstrip()
    if not bare:
        return True
    if "'" in bare or '"' in bare or "\0" in bare:
        return False
    if any(bare.count(left) != bare.count(right) for left, right in ("()", "[]", "{}")):
        return False
    return UNFINISHED_LINE.fullmatch(bare.rpartition("\n")[2]) is None


def _continued(text: str, prompt: str, entry_point: str, stop: Sequence[str]) -> str | None:
    """The prompt with a completion behind it, cut to what belongs to it; None where that is no program."""
    body = FENCE.split(_cut(text, stop), maxsplit=1)[0]
    program = prompt + body
    if parsed(program) is None:
        # Prose in the first column is no part of a body; an error inside of it is the candidate's own.
        has_tail = re.search(r"\n[^\s]", body) is not None
        if not has_tail and not is_unfinished(program):
            return None
        shorter = longest_prefix(program, prompt.count("\n") + 1)
        if shorter is None:
            return None
        program = shorter
    return select(program, entry_point)


def _whole(text: str, entry_point: str, defines: re.Pattern[str], *, is_strict: bool) -> str | None:
    """The program in a text that defines the entry point; strict where nothing but code may stand in it."""
    text = _dedented(text)
    if parsed(text) is not None:
        return select(text, entry_point)
    if is_strict:
        return None
    lines = text.splitlines(keepends=True)
    definitions = [number for number, line in enumerate(lines) if defines.match(line)]
    for definition in definitions[:8]:
        starts = [number for number in range(definition) if CODE_START.match(lines[number])][:32]
        for start in [*starts, definition]:
            code = _dedented("".join(lines[start:]))
            prefix = longest_prefix(code, definition - start + 1)
            program = select(prefix, entry_point) if prefix is not None else None
            if program is not None:
                return program
    return None


def _dedented(text: str) -> str:
    """The text with its first line in the first column; a text that starts there is left alone, blank lines and all."""
    return textwrap.dedent(text) if text.lstrip("\n")[:1] in (" ", "\t") else text


def _from_blocks(
    text: str, prompt: str, preamble: str, entry_point: str, defines: re.Pattern[str], stop: Sequence[str]
) -> str | None:
    """The program in a fenced answer: the first block that holds one, and the helpers that it needs of the others."""
    blocks = list(_blocks(text))
    for block in blocks:
        program = _whole(block, entry_point, defines, is_strict=False) if defines.search(block) else None
        if program is not None:
            helpers = "".join(_helpers(program, [other for other in blocks if other is not block]))
            return _joined(preamble, helpers + program)
    if defines.search(text):
        return None
    programs = (build(block, prompt, entry_point, stop) for block in blocks for build in (_continued, _mended))
    return next((program for program in programs if program is not None), None)


def _blocks(text: str) -> Iterator[str]:
    """What stands between fences, then what stands outside of them: the prompt may have opened the first fence."""
    parts = [part.strip("\n") for part in FENCE.split(text)]
    yield from (part for part in parts[1::2] if part.strip())
    yield from (part for part in parts[0::2] if part.strip())


def _helpers(program: str, others: list[str]) -> Iterator[str]:
    """Source of the definitions in other blocks that a program reads and does not have."""
    tree = parsed(program)
    if tree is None:
        return
    kept = list(tree.body)
    for other in others:
        other_tree = parsed(other)
        if other_tree is None:
            continue
        lines = other.splitlines()
        found = needed_definitions([node for node in other_tree.body if is_definition(node)], kept)
        for node in sorted(found, key=lambda found_node: found_node.lineno):
            yield "\n".join(lines[number - 1] for number in lines_of(node)) + "\n\n\n"
        kept += found


def _mended(text: str, prompt: str, entry_point: str, stop: Sequence[str]) -> str | None:
    """A continuation whose indentation was lost on the way, put under the prompt again."""
    indentation = re.findall(r"^[ \t]+(?=\S)", prompt, re.MULTILINE)
    indent = min(indentation, key=len) if indentation else "    "
    spaced = re.sub(r"^\t+", lambda tabs: indent * len(tabs[0]), text, flags=re.MULTILINE)
    variants = [spaced] if spaced != text else []
    if re.search(r"\b(?:return|yield)\b", text):
        variants += [textwrap.indent(spaced.lstrip("\n"), indent), indent + spaced.lstrip()]
    # A variant that parses as it stands is likelier than one that parses once it is cut.
    for variant in variants:
        if parsed(prompt + _cut(variant, stop)) is not None:
            return select(prompt + _cut(variant, stop), entry_point)
    programs = (_continued(variant, prompt, entry_point, stop) for variant in variants)
    return next((program for program in programs if program is not None), None)


@lru_cache(maxsize=1024)
def _definition_of(entry_point: str) -> re.Pattern[str]:
    name = re.escape(entry_point)
    return re.compile(rf"^[ \t]*(?:async[ \t]+)?def[ \t]+{name}\b|^{name}[ \t]*=(?!=)", re.MULTILINE)


@lru_cache(maxsize=1024)
def _preamble(prompt: str, entry_point: str) -> str:
    """What stands in the prompt before the entry point: imports and helpers."""
    header = re.search(rf"^(?:@[^\n]*\n)*(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b", prompt, re.MULTILINE)
    preamble = prompt[: header.start()] if header else ""
    return preamble if preamble.strip() and parsed(preamble) is not None else ""


def _joined(preamble: str, program: str | None) -> str | None:
    """The prompt's preamble and a program, `__future__` imports first."""
    if program is None or not preamble or preamble.strip() in program:
        return program
    future = re.findall(r"^from __future__ import [^\n]*\n", program, re.MULTILINE)
    rest = re.sub(r"^from __future__ import [^\n]*\n", "", program, flags=re.MULTILINE)
    return "".join(future) + preamble + rest
