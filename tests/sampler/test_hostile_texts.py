"""Texts that were written to keep the extractor busy: they end, in a text, and take no more than honest ones may."""

import subprocess
import sys

import pytest
from codebudget.sampler.extract import MAX_BYTES, TOO_LONG, extract_program
from hypothesis import given, settings
from hypothesis import strategies as st

PROMPT = 'from typing import List\n\n\ndef double(x: int) -> int:\n    """Twice x."""\n'
WHOLE = "def double(x):\n    return 2 * x\n"
STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
SIZE = 100_000

UNITS = {
    "prose": "This is a line of prose, isn't it? And on.\n",
    "prose that names the function": "the function def double(x): is here\n",
    "headers": "def double(x):\n",
    "whole programs": WHOLE,
    "stubs": "def double(x):\n    pass\n",
    "programs and prose": WHOLE + "and prose here\n",
    "starts of code": "x = 3\nsome prose\ndef double(x):\n",
    "broken starts": "x = (\ny = ]\ndef double(x):\n",
    "fences": "```\n",
    "fenced programs": "```\n" + WHOLE,
    "fenced prose": "```\nx y z\n",
    "fenced bodies": "```\nreturn 2 * x (\n",
    "transcripts": ">>> def double(x):\n... ",
    "bodies": "    x = 1\n",
    "handlers that lack": "    try:\n        x = 1\n",
    "decorators": "    @d\n",
    "escaped quotes": "\\'",
    "conditions": "a if ",
    "brackets": "(",
    "two kinds of brackets": "[(",
    "open brackets by line": "(\n",
    "elements": "a,",
    "statements": "a\n",
    "null bytes": WHOLE + "\0\n",
    "surrogates": "# \ud800\n" + WHOLE,
    "spaces": " ",
    "tabs": "\treturn\n",
    "tabs and prose": "\tx y\n",
    "backslashes": "\\\n",
    "vertical tabs": "x = 1\x0b\n",
    "line separators": "x = 1\u2028",
    "returns": "return it's x\n",
    "formatted strings": "f'{a}'\n",
    "chain of needs": "def double(x): return f0()\n",
    "set-up": "double.a = 1\n",
    "thoughts": "<think>\n",
    "ends of thoughts": "</think>",
    "ends of text": "<|im_end|>",
    "answers": "<answer>x",
    "long strings": '"""\n',
    "escaped long strings": "\\'''\n",
    "invisible blanks": "\u00a0'a\u00a0\n",
    "line numbers": "1 x\n2 y\n",
    "objects": '{"code": ["',
    "line breaks in letters": "\\n",
    "entities": "&lt;",
    "line break tags": "<br>",
    "lone backticks": "`a",
    "cells": "In [1]: x\nOut[1]: 3\n",
    "quotations": "> x\n",
    "documented fences": '```python\ndef double(x):\n  """\n',
    "versions": "```python\n" + WHOLE + "```\nwrong, fixed\n",
}

RUN = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from codebudget.sampler.extract import extract_program
prompt, stop, texts = eval(sys.stdin.read())
for text in texts:
    for tail in (stop, ()):
        program = extract_program(text, prompt=prompt, entry_point="double", stop=tail)
        assert isinstance(program, str) and len(program) <= 90 * len(text) + len(prompt) + 1000, text[:50]
print("done")
"""


def run_in_time(texts: list[str], prompt: str = PROMPT) -> None:
    """Extract from each in a process that has a minute of processor time for all; quadratic steps take hours."""
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=repr((prompt, STOP, texts)),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
    )
    assert done.stdout == "done\n", done.stderr[-2000:]


def test_no_text_keeps_the_extractor_busy() -> None:
    chain = "".join(f"def f{place}(): return f{place + 1}()\n" for place in range(SIZE // 30))
    back = "".join(f"f{place} = f{place - 1}\n" for place in range(SIZE // 15))
    run_in_time(
        [
            *(unit * (SIZE // len(unit)) for unit in UNITS.values()),
            *(WHOLE + unit * (SIZE // len(unit)) for unit in UNITS.values()),
            *("isn't\n```\n" + unit * (SIZE // len(unit)) + WHOLE for unit in UNITS.values()),
            *("    '''a'''\n    " + unit * (SIZE // len(unit)) for unit in UNITS.values()),
            "def double(x): return f0()\n" + chain,
            "def double(x): return f15000\n" + back,
            "```\ndef double(x): return f0()\n" + "```\n```\n".join(chain.splitlines(keepends=True)),
            "".join(" " * depth + "def double(x):\n" for depth in range(99)) * 20,
            "def double(x):\n    return f'" + "".join(f"{{a{place}}}" for place in range(SIZE // 8)) + "'\n",
        ]
    )


def test_nor_does_one_of_the_greatest_length() -> None:
    names = ("prose", "fenced programs", "tabs and prose", "broken starts", "null bytes", "spaces")
    size = MAX_BYTES - 1000
    run_in_time([(UNITS[name] * (size // len(UNITS[name].encode("utf-8", "replace"))))[:size] for name in names])


def test_nor_does_a_prompt() -> None:
    text = "```\nreturn 1\n```\n" * 1000 + "\treturn 1\n" * 1000
    for prompt in ("@d\n" * 200_000, " " * 200_000 + "x", "x = [\n" * 100_000, "def double(x):\n" + "\t\n" * 200_000):
        run_in_time([text, WHOLE], prompt)


def test_a_longer_text_has_no_program() -> None:
    body = "    return 2 * x\n"
    fits = body + "#" * (MAX_BYTES - len(body) - len(PROMPT))
    assert extract_program(fits, prompt=PROMPT, entry_point="double", stop=()) == PROMPT + fits
    for text in (fits + "#", "é" * (MAX_BYTES // 2), WHOLE * MAX_BYTES):
        assert extract_program(text, prompt=PROMPT, entry_point="double", stop=()) == TOO_LONG
    with pytest.raises(SyntaxError):
        compile(TOO_LONG + "pass\n", "<candidate>", "exec")


def test_a_long_program_is_found_where_parsing_the_text_finds_it() -> None:
    table = f"TABLE = [{'1, ' * 100_000}]\n"
    program = extract_program(table + WHOLE + "print(double(1))\n", prompt=PROMPT, entry_point="double", stop=STOP)
    assert program == "from typing import List\n\n\n" + table + WHOLE


def test_a_program_at_the_end_of_long_thoughts_is_found() -> None:
    thoughts = "Let me think. It's simple:\n\n```python\nprint(double(1))\n```\nIsn't it?\n" * 1500
    text = f"{thoughts}```python\n{WHOLE}```\n"
    assert WHOLE.rstrip() in extract_program(text, prompt=PROMPT, entry_point="double", stop=STOP)


@pytest.mark.parametrize(
    "expression", ["X" + ".a" * 900, "X" + "(a)" * 900, "-" * 3000 + "x", "x" + " + x" * 50_000, "[" * 150 + "]" * 150]
)
def test_deep_trees_raise_nothing(expression: str) -> None:
    for text in (f"def double(x):\n    raise {expression}\n", f"    return {expression}\n", f"double = {expression}\n"):
        for fenced in (text, f"```\n{text}```\n", text + WHOLE, WHOLE + text):
            program = extract_program(fenced, prompt=PROMPT, entry_point="double", stop=STOP)
            assert isinstance(program, str)


PIECES = st.sampled_from(
    (*UNITS.values(), "\n", "    ", '"""', "'''", "'", ")", "]", "}", "{", ":", "if x:\n", "else:\n", "try:\n", "# c\n")
) | st.sampled_from(("except E:\n", "class A:\n", "lambda: ", "yield ", "\r", "\ufeff", "é", "😀", "\x0c"))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(PIECES, st.sampled_from([1, 1, 1, 3, 40])), max_size=12),
    st.sampled_from([PROMPT, PROMPT.rstrip(), "", "def double(x):\n", "@d\nno python (", "\ud800\0"]),
)
def test_any_text_gives_a_text(pieces: list[tuple[str, int]], prompt: str) -> None:
    text = "".join(piece * times for piece, times in pieces)
    for stop in (STOP, ()):
        assert isinstance(extract_program(text, prompt=prompt, entry_point="double", stop=stop), str)
