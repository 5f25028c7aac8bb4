"""A corpus of ugly outputs, each with what the extracted program must do."""

import ast
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from codebudget.sampler.extract import extract_program
from codebudget.tasks import load_benchmark

PROMPT = '''from typing import List


def helper(x):
    return x + 1


def double(x: int) -> int:
    """Twice x.
    >>> double(2)
    4
    """
'''
STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
BODY = "    return 2 * x\n"
WHOLE = "def double(x):\n    return 2 * x\n"

GOOD = {
    "body": BODY,
    "body without its newline": "    return 2 * x",
    "body with blank lines first": "\n\n    return 2 * x\n",
    "body, then another function": BODY + "\n\ndef other(y):\n    return y +",
    "body, then the function again": BODY + "\n\ndef double(x):\n    return 0\n",
    "body, then a test that would fail": BODY + "\nassert double(1) == 3\n",
    "body, then prose": BODY + "\nThis returns twice the number, isn't that nice?\n",
    "body, then a fence and prose": BODY + "```\n\nThis doubles x.\n",
    "body, then half a comment": BODY + "\n# the",
    "body with a nested function": "    def times(y):\n        return 2 * y\n    return times(x)\n",
    "body with a nested function of the same name": "    def double(y):\n        return 2 * y\n    return double(x)\n",
    "body with the indentation of its first line lost": "y = 2 * x\n    return y\n",
    "body with all indentation lost": "y = 2\nif x:\n    y = y * x\nelse:\n    y = 0\nreturn y\n",
    "body in tabs": "\tif x:\n\t\treturn 2 * x\n\treturn 0\n",
    "body with CRLF": "    y = x\r\n    return 2 * y\r\n",
    "body with half a statement behind": "    return 2 * x\n    return 'oh",
    "body with half a block behind": "    if x > -10**9:\n        return 2 * x\n    for y in",
    "body with half a call behind": "    if x > -10**9:\n        return 2 * x\n    z = max(1,\n        2,",
    "whole": WHOLE,
    "whole with a byte order mark": "\ufeff" + WHOLE,
    "whole with CRLF": WHOLE.replace("\n", "\r\n"),
    "whole in tabs": WHOLE.replace("    ", "\t"),
    "whole, indented": "    " + WHOLE.replace("\n    ", "\n        "),
    "whole with its own import": "import math\n\n" + WHOLE.replace("2 * x", "int(math.prod([2, x]))"),
    "whole with its own helper first": "def twice(y):\n    return 2 * y\n\ndef double(x):\n    return twice(x)\n",
    "whole with its own helper last": "def double(x):\n    return twice(x)\n\ndef twice(y):\n    return 2 * y\n",
    "whole with a constant last": "def double(x):\n    return TWO * x\n\nTWO = 2\n",
    "whole with the prompt's helper": "def double(x):\n    return x + helper(x) - 1\n",
    "whole with the prompt's import": "def double(x: List) -> List:\n    return 2 * x\n",
    "whole from the future": "from __future__ import annotations\n\ndef double(x: No):\n    return helper(2 * x - 1)\n",
    "whole with main": WHOLE + "\nif __name__ == '__main__':\n    raise SystemExit(double(1))\n",
    "whole with a demonstration": WHOLE + "\nx = input()\nprint(double(int(x)))\n",
    "whole with a failing test": WHOLE + "\nassert double(1) == 3\n",
    "whole twice, the second wrong": WHOLE + "\ndef double(x):\n    return 0\n",
    "whole, then prose": WHOLE + "\nThis function doubles its argument; it's simple.\n",
    "whole, then half a function": WHOLE + "\ndef test_double():\n    assert double(",
    "whole with half a statement behind": "def double(x):\n    return 2 * x\n    return 'oh",
    "whole with a decorator": "import functools\n\n@functools.cache\n" + WHOLE,
    "prose before": "Sure! Here is the function you asked for:\n\n" + WHOLE,
    "prose before and after": "Sure, let's go:\n\nimport math\n" + WHOLE + "\nIt's done.",
    "a lambda": "double = lambda x: 2 * x\n\ndef test():\n    return double(1)\n" + "\n",
    "prompt and answer": PROMPT + BODY,
    "prompt, then a whole answer": PROMPT + "\n\n" + WHOLE,
    "header and answer": "def double(x: int) -> int:\n    '''Twice x.'''\n    return 2 * x\n",
    "fence": f"```python\n{WHOLE}```\n",
    "fence without a language": f"```\n{WHOLE}```\n",
    "fence with tildes": f"~~~python\n{WHOLE}~~~\n",
    "fence that never closes": f"Here:\n```python\n{WHOLE}",
    "fence that the prompt opened": f"{WHOLE}```\nThis doubles x.\n",
    "fence cut short": f"```python\n{WHOLE}\nprint(double(",
    "fence with prose around": f"Here's the code:\n\n```python\n{WHOLE}```\n\nIt's simple. Don't worry.",
    "fence with a body": f"The body is:\n```python\n{BODY}```\n",
    "fence with a body, its indentation lost": "The body is:\n```python\nreturn 2 * x\n```\n",
    "fence in a list, indented": "1. Like so:\n   ```python\n   def double(x):\n       return 2 * x\n   ```\n",
    "usage first, code second": f"Use it as\n```python\nprint(double(2))\n```\nwhere\n```python\n{WHOLE}```",
    "code first, usage second": f"```python\n{WHOLE}```\nUse it:\n```python\nprint(double(input()))\n```\n",
    "helper and code in two fences": "```python\ndef twice(y):\n    return 2 * y\n```\nthen\n```python\n"
    "def double(x):\n    return twice(x)\n```\n",
    "code and helper in two fences": "```python\ndef double(x):\n    return twice(x)\n```\nwhere\n```python\n"
    "from operator import mul\ndef twice(y):\n    return mul(2, y)\n```\n",
    "stub and code in two fences": f"You gave\n```python\n{PROMPT}    pass\n```\nand I say\n```python\n{WHOLE}```\n",
    "fence in unicode quotes": f"“Certainly!”\n\n```python\n{WHOLE}```\n\nThat is “it”.",
    "fence with a console": f"```python\n{WHOLE}```\n```\n$ python double.py\n4\n```\n",
    "transcript": ">>> def double(x):\n...     return 2 * x\n...\n>>> double(2)\n4\n",
    "class": "class Solution:\n    def double(self, x: int) -> int:\n        return 2 * x\n",
    "class in a fence": "```python\nclass Solution:\n    def double(self, x):\n        return self.two() * x\n\n"
    "    def two(self):\n        return 2\n```",
    "null bytes behind": WHOLE + "\n\0\0\0",
    "bad escape": '    """\\d"""\n    return 2 * x\n',
}

BAD = {
    "nothing": "",
    "blank": "  \n\n",
    "prose": "I am sorry, I can't do that.",
    "another language": "function double(x) { return 2 * x; }",
    "empty fence": "```python\n```",
    "unicode quotes in code": "    return int(“2”) * x\n",
    "half a string and no more": "    return '2",
    "null byte in code": "    return \0 2 * x\n",
    "an error in the middle": "    y = = 2\n    return 2 * x\n",
    "header alone": "def double(x):\n",
    "half a surrogate": "    return '\ud800'",
    "a thousand brackets": "    return " + "(" * 1000,
    "an open fence": "```",
    "an endless loop of words": "def double(x): " * 200,
}


def run(raw: str, prompt: str = PROMPT, stop: tuple[str, ...] = STOP) -> Any:
    namespace: dict[str, Any] = {"__name__": "candidate"}
    exec(extract_program(raw, prompt=prompt, entry_point="double", stop=stop), namespace)
    return namespace["double"](21)


@pytest.mark.filterwarnings("ignore:invalid escape")
@pytest.mark.parametrize("raw", GOOD.values(), ids=GOOD.keys())
def test_the_program_in_an_ugly_output_is_found(raw: str) -> None:
    assert run(raw) == 42


@pytest.mark.parametrize("raw", [*BAD.values(), *GOOD.values()], ids=[*BAD, *GOOD])
def test_every_cut_of_an_output_gives_a_text_and_never_an_error(raw: str) -> None:
    for end in range(0, len(raw), max(1, len(raw) // 40)):
        for prompt in (PROMPT, "", "no python (", "def double(x):"):
            assert isinstance(extract_program(raw[:end], prompt=prompt, entry_point="double", stop=STOP), str)


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD.keys())
def test_what_holds_no_program_gives_none(raw: str) -> None:
    try:
        found = run(raw)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    assert found is None


def test_a_clean_continuation_is_taken_verbatim() -> None:
    for body in (BODY, "    # so\n    return (2 *\n        x)\n\n", "    return 'a' if x else \"b\"  # c'\n"):
        assert extract_program(body, prompt=PROMPT, entry_point="double", stop=STOP) == PROMPT + body


def test_a_stop_string_cuts_a_continuation_and_not_a_whole_program() -> None:
    raw = BODY + "\nif x:\n    pass"
    assert extract_program(raw, prompt=PROMPT, entry_point="double", stop=STOP) == PROMPT + BODY
    whole = "def first(x):\n    return x\n\ndef double(x):\n    return 2 * first(x)\n\nif True:\n    pass\n"
    assert run(whole) == 42


def test_without_stop_strings_the_syntax_tree_finds_the_end() -> None:
    assert run(BODY + "\ndef double(x):\n    return 0\n\nassert double(1) == 1\n", stop=()) == 42


def test_the_end_of_a_prompt_may_lie_within_a_line() -> None:
    assert run("\n    return 2 * x\n", prompt=PROMPT.rstrip()) == 42
    assert run("return 2 * x\n", prompt=PROMPT + "    ") == 42
    assert run(WHOLE, prompt=PROMPT.rstrip()) == 42


def test_extracting_again_changes_nothing() -> None:
    for raw in GOOD.values():
        once = extract_program(raw, prompt=PROMPT, entry_point="double", stop=STOP)
        assert extract_program(once, prompt=PROMPT, entry_point="double", stop=STOP) == once


def test_humaneval_references_survive_in_every_dress() -> None:
    for task in load_benchmark("humaneval").tasks:
        assert task.reference is not None
        body = task.reference.removeprefix(task.prompt)
        for raw in (body, task.reference, f"Sure:\n```python\n{task.reference}\n```\nDone."):
            program = extract_program(raw, prompt=task.prompt, entry_point=task.entry_point, stop=task.stop)
            wanted, found = ast.parse(task.reference), ast.parse(program)
            main = [ast.dump(node) for node in found.body if getattr(node, "name", "") == task.entry_point]
            assert main == [ast.dump(node) for node in wanted.body if getattr(node, "name", "") == task.entry_point]


def test_real_continuations_stay_as_they_are_unless_unfinished(shared_data: Path) -> None:
    tasks = load_benchmark("humaneval").by_id
    same = total = 0
    path = shared_data / "humaneval_codegen16b_even" / "solutions.jsonl.gz"
    for line in gzip.decompress(path.read_bytes()).splitlines():
        row = json.loads(line)
        task = tasks[row["task_id"]]
        for raw in row["samples"][:20]:
            program = extract_program(raw, prompt=row["prompt"], entry_point=task.entry_point, stop=task.stop)
            total += 1
            same += program == row["prompt"] + raw
    assert same / total > 0.85


@pytest.mark.filterwarnings("ignore:invalid escape")
def test_real_whole_programs_parse_where_they_can(shared_data: Path) -> None:
    tasks = load_benchmark("humaneval").by_id
    for path in sorted((shared_data / "humaneval_wizardlm").glob("*/*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            task = tasks[row["task_id"]]
            program = extract_program(
                row["completion"], prompt=task.prompt, entry_point=task.entry_point, stop=task.stop
            )
            assert parses(program) or not parses(row["completion"])


def parses(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True
