"""Inputs with outputs, in the forms in which models write them."""

import time

import pytest
from codebudget.rankers.pairs import pairs_in

SUMS = [("3\n1 2 3\n", "6\n"), ("1\n5\n", "5\n")]

FORMS = {
    "a text that continues a prompt": "3\n1 2 3\nOutput:\n6\n\nInput:\n1\n5\nOutput:\n5\n\nInput:\n2\n1",
    "one block": "Sure!\n```\nInput:\n3\n1 2 3\nOutput:\n6\n\nInput:\n1\n5\nOutput:\n5\n```\nThe input is small.",
    "Markdown": (
        "### Test 1\n**Input:**\n```\n3\n1 2 3\n```\n**Expected Output:**\n```\n6\n```\nAll are added.\n\n"
        "### Test 2\n**Input:**\n```text\n1\n5\n```\n**Expected Output:**\n```text\n5\n```\n"
    ),
    "on one line": "1. Input: `3\\n1 2 3` Output: `6`\n2. **Input:** `1\\n5` -> **Output:** `5`\n",
    "numbers apart": "Sample Input 1:\n3\n1 2 3\nSample Input 2:\n1\n5\nSample Output 2:\n5\nSample Output 1:\n6\n",
    "headings": (
        "Test case #1 input:\n3\n1 2 3\nTest case #1 output:\n6\nExplanation: they are added.\n\n"
        "Input (2):\n1\n5\n\nOutput (2):\n5\nTest 3\nInput\n7\n"
    ),
    "as APPS has it": "-----Examples-----\nInput\n3\n1 2 3\n\nOutput\n6\n\nInput\n1\n5\n\nOutput\n5\n",
    "a list": "- Input:\n3\n1 2 3\n- Output: 6\n\n* stdin:\n1\n5\n* stdout: 5\n",
    "Windows": "Input:\r\n3\r\n1 2 3\r\nOutput:\r\n6\r\n\r\nInput:\r\n1\r\n5\r\nOutput:\r\n5\r\n",
    "thoughts": "<think>\nInput:\n9\nOutput:\n9\n</think>\nInput:\n3\n1 2 3\nOutput:\n6\n\nInput:\n1\n5\nOutput:\n5",
    "unequal counts": (
        "Input:\n0\nInput:\n3\n1 2 3\nOutput:\n6\nOutput:\n7\n\nInput:\n1\n5\nOutput:\n5\nInput:\n8\nOutput:\n"
    ),
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_pairs_are_found(text: str) -> None:
    assert sorted((pair.case.input, pair.case.output) for pair in pairs_in((text,))) == sorted(SUMS)


def test_lines_that_look_like_marks_are_data() -> None:
    text = "Input:\nin a\nout\noutput\nOutput:\na\nempty input\n\nInput:\n(empty)\nOutput:\nCase 1: none\n"
    found = [(pair.case.input, pair.case.output) for pair in pairs_in((text,))]
    assert found == [("in a\nout\noutput\n", "a\nempty input\n"), ("", "Case 1: none\n")]


def test_empty_lines_count_within_a_fence_alone() -> None:
    fenced = "Input:\n```\na\n\nb\n```\nOutput:\n```\nb\n\na\n```\n"
    assert [pair.case.output for pair in pairs_in((fenced,))] == ["b\n\na\n"]
    assert [pair.case.input for pair in pairs_in((fenced,))] == ["a\n\nb\n"]
    bare = "Input:\na\n\nb\nOutput:\nb\n\nThat is all, I think.\n"
    assert [(pair.case.input, pair.case.output) for pair in pairs_in((bare,))] == [("a\n\nb\n", "b\n")]


def test_texts_are_counted_and_the_first_of_each_are_kept() -> None:
    text = "".join(f"Input:\n{number}\nOutput:\n{number}\n\n" for number in range(8))
    found = pairs_in((text, text, "Input:\n7\nOutput:\n7\n"))
    assert [(pair.case.input, pair.copies) for pair in found] == [*((f"{n}\n", 2) for n in range(5)), ("7\n", 1)]
    assert len(pairs_in((text,), per_sample=1)) == 1
    assert pairs_in(("", "Nothing.", "```", "Output:", "Input:\nOutput:\n")) == ()
    assert pairs_in(("Input:\n" + "1 " * 10_000 + "\nOutput:\n1\n",)) == ()


@pytest.mark.parametrize(
    "line", ["test" + " " * 16_000, "Input:" + " output" * 2000, "expected " * 1700, "`" * 16_000, "1. " * 5000]
)
def test_effort_is_linear(line: str) -> None:
    since = time.process_time()
    pairs_in(("\n".join([line] * 20),))
    assert time.process_time() - since < 5
