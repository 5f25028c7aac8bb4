"""Visible examples: every style, nothing false, and HumanEval's own references against what its prompts show."""

import ast
import gzip
import json
import math
from pathlib import Path

import pytest
from codebudget.tasks import load_benchmark, visible_examples

WRONG_IN_HUMANEVAL = {
    ("HumanEval/47", "median([-10, 4, 6, 1000, 10, 20])"): "the docstring says 15.0; the median is 8.0",
    ("HumanEval/116", "sort_array([1, 5, 2, 3, 4])"): "the docstring sorts by value, the text and tests by ones",
    ("HumanEval/116", "sort_array([-2, -3, -4, -5, -6])"): "the docstring sorts by value, the text and tests by ones",
    ("HumanEval/148", "bf('Earth', 'Mercury')"): "('Venus') is no tuple: the docstring lacks the comma",
}


def prompt_of(body: str, signature: str = "f(x)") -> str:
    return f'def {signature}:\n    """Do it.\n\n' + "".join(f"    {line}\n" for line in body.split("\n")) + '    """\n'


def pairs(prompt: str, entry_point: str = "f") -> list[tuple[str, str]]:
    return [(example.call, example.expected) for example in visible_examples(prompt, entry_point)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (">>> f(1)\n2", [("f(1)", "2")]),
        (">>> f([1,\n...    2])\n[2,\n 3]\n>>> f(0)\n''", [("f([1, 2])", "[2, 3]"), ("f(0)", "''")]),
        (">>> round(f(1.5), 2)\n0.25", [("round(f(1.5), 2)", "0.25")]),
        (">>> f('a') == 'b'", [("f('a')", "'b'")]),
        (">>> f('a') == 'b'\nTrue", [("f('a')", "'b'")]),
        ("f(1) == 2", [("f(1)", "2")]),
        ("f(1)==2", [("f(1)", "2")]),
        ("* f(1) => 2", [("f(1)", "2")]),
        ("f(1) ==> True", [("f(1)", "True")]),
        ("f(1) -> [1, 2]", [("f(1)", "[1, 2]")]),
        ("f(1) ➞ 'a'", [("f(1)", "'a'")]),
        ("f(1) = 2", [("f(1)", "2")]),
        ("f(1) returns 2", [("f(1)", "2")]),
        ("f(1) should return -2.", [("f(1)", "-2")]),
        ("f(1) should return 2.5.", [("f(1)", "2.5")]),
        ("f(1) # returns 'db'", [("f(1)", "'db'")]),
        ("f(1) => true", [("f(1)", "True")]),
        ("f(1) == 2 # for 1 + 1", [("f(1)", "2")]),
        ("f(1) == 1 + 1 = 2", [("f(1)", "2")]),
        ("assert f(1) == 2, f(2) == 3", [("f(1)", "2"), ("f(2)", "3")]),
        ("f([\n  [1, 2],\n  [3],\n]) == [(0, 0), (1,\n1)]", [("f([[1, 2], [3]])", "[(0, 0), (1, 1)]")]),
        ("f(')') == '('", [("f(')')", "'('")]),
        ("Input: x = 3\nOutput: 4", [("f(3)", "4")]),
        ("Input: [1, 2]\nOutput: 'a'\n\nExplanation: none", [("f([1, 2])", "'a'")]),
        ('For x = "AB" the output should be 1.', [("f('AB')", "1")]),
        ("f(1) == 2\nf(1) == 2", [("f(1)", "2")]),
    ],
)
def test_reads_the_styles_that_prompts_use(body: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(prompt_of(body)) == expected


DEEP = "[" * 190 + "]" * 190
LONG = f"0x{'f' * 5000}"


DEEP_LINES = (
    f">>> f({DEEP})\n    1",
    f"f({DEEP}) == {DEEP}",
    f"f({LONG}) == {LONG}",
    f"Input: x = {DEEP}\n    Output: {LONG}",
)
LONG_LINES = (
    "f(" * 30_000,
    ">>> f(\n" * 10_000,
    "Input: " * 10_000,
    "For x = " * 10_000,
    "f('" * 20_000,
    "f(1) = 1 = " * 5000,
)


@pytest.mark.parametrize("line", [*DEEP_LINES, *LONG_LINES])
def test_what_is_too_deep_or_too_much_to_read_hides_nothing_else(line: str) -> None:
    assert ("f(7)", "2") in pairs(prompt_of("f(7) == 2\n" + line))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "f(n) == n + 1",
        "f(x) => 2",
        "f(1) == n",
        "f(1) == 1 + 2",
        "f(1) returns 2 if the sum is odd",
        "g(1) == 2",
        "my_f(1) == 2",
        "f(1) != 2",
        "f(1) >= 2",
        "f(1) takes 2 seconds",
        "f(open('a')) == 2",
        ">>> f(1)",
        ">>> f(1)\nTraceback (most recent call last):\nValueError",
        ">>> f(1)\n<object at 0x1>",
        ">>> x = 1\n>>> f(x)\n2",
        ">>> print(f(1))\n2",
        "Input: y = 3\nOutput: 4",
        "f(n) = f(n - 1) + f(n - 2)\nf(1) = 3",
        "f((1 == 2",
    ],
)
def test_takes_nothing_that_is_no_example(body: str) -> None:
    assert pairs(prompt_of(body)) == []


def test_named_inputs_become_positional_in_the_order_of_the_signature() -> None:
    prompt = prompt_of("Input: xs = [1], k = 2\nOutput: [3]", "f(xs, k=0)")
    assert pairs(prompt) == [("f([1], 2)", "[3]")]


def test_only_what_follows_the_header_of_the_entry_point_counts() -> None:
    prompt = 'def g(x):\n    """\n    >>> g(1)\n    1\n    """\n    return f(2) == 3\n\n\n' + prompt_of(">>> g(2)\n2")
    assert pairs(prompt) == []
    assert pairs("x = 1", "f") == []


def test_an_escaped_newline_in_an_example_is_read_as_it_is_meant() -> None:
    as_source = 'def f(x):\n    """\n    >>> f("a\\nb")\n    \'b\'\n    """\n'
    as_value = 'def f(x):\n    """\n    >>> f("a\\\\nb")\n    \'b\'\n    """\n'
    assert pairs(as_source) == pairs(as_value) == [("f('a\\nb')", "'b'")]


def test_most_tasks_of_humaneval_show_an_example() -> None:
    tasks = load_benchmark("humaneval").tasks
    assert sum(bool(task.examples) for task in tasks) > 150


def test_humaneval_references_agree_with_their_examples_but_for_known_errors() -> None:
    wrong = set()
    for task in load_benchmark("humaneval").tasks:
        assert task.reference is not None
        namespace: dict[str, object] = {}
        exec(task.reference, namespace)
        for example in task.examples:
            value, expected = eval(example.call, namespace), ast.literal_eval(example.expected)
            is_close = isinstance(expected, float) and math.isclose(value, expected, rel_tol=1e-6)
            if value != expected and not is_close:
                wrong.add((task.id, example.call))
    assert wrong == set(WRONG_IN_HUMANEVAL)


def test_prompts_whose_examples_were_removed_show_none(shared_data: Path) -> None:
    tasks = load_benchmark("humaneval").by_id
    path = shared_data / "humaneval_codegen16b_even" / "solutions.jsonl.gz"
    shown = []
    for line in gzip.decompress(path.read_bytes()).splitlines():
        row = json.loads(line)
        shown += visible_examples(row["prompt"], tasks[row["task_id"]].entry_point)
    assert shown == []
