"""Prompts for tasks that are questions: scripts, methods of a class, and functions asked for in prose.

A script's task is prose; it is put as APPS puts its questions, which base models have seen, and a chat is asked for a
whole program. Other tasks are headers with a docstring, which a base model continues; where the docstring is a question
of its own, a chat reads it as prose, with the header as starter code.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, NamedTuple

from .._util.parsing import Function, module

if TYPE_CHECKING:
    from ..records import Task

SCRIPT_INSTRUCTION: Final = (
    "Solve this problem with a Python 3 program that reads standard input and writes standard output. Answer with the "
    "whole program in one code block."
)
CODE_INSTRUCTION: Final = (
    "Solve this problem in Python 3, starting with the code below. Answer with the whole code and every import that it "
    "needs, in one code block."
)
"""The first lines of chat prompts; the question follows, and the starter code in a fence."""

_QUESTION: Final = "QUESTION:\n{question}\nUse Standard Input format\nANSWER:\n{answer}"
"""The form of the prompts of APPS' repository (github.com/hendrycks/apps, eval/generate_gpt_codes.py)."""


class Question(NamedTuple):
    """A task's question in prose, and the code that its program starts with."""

    text: str
    starter: str


def question_of(task: Task) -> Question | None:
    """Take a task's question out of its prompt: all of a script's, else the last function's docstring if it has one."""
    if task.is_script:
        return Question(task.prompt.strip(), "")
    tree = module(task.prompt + "\n")
    if tree is None:
        return Question(task.prompt.strip(), "")
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.ClassDef):
        last = last.body[-1]
    text = ast.get_docstring(last) if isinstance(last, Function) else None
    if not text or not isinstance(last, Function):
        return None
    before = task.prompt.split("\n")[: last.body[0].lineno - 1]
    return Question(text, "\n".join(before).rstrip())


def asks_in_prose(task: Task) -> bool:
    """Whether a chat reads the question as prose: a script's, a method's, and one that has code blocks itself."""
    return task.is_script or "." in task.entry_point or "```" in task.prompt


def question_chat(task: Task) -> str | None:
    """Make a chat's message of the question; None where the prompt has none apart from its code."""
    question = question_of(task)
    if question is None:
        return None
    if task.is_script:
        return f"{SCRIPT_INSTRUCTION}\n\n{question.text}"
    if not question.starter:
        return f"{question.text}\n\nAnswer with the whole code in one code block."
    if question.starter in question.text:
        # The question says itself what to start with.
        return f"{question.text}\n\nAnswer with the whole code in one code block."
    return f"{CODE_INSTRUCTION}\n\n{question.text}\n\n```python\n{question.starter}\n```"


def script_prompt(task: Task, shots: int = 0) -> str:
    """Make a prompt that a script continues, worked examples first."""
    examples = [_QUESTION.format(question=text, answer=program) for text, program in WORKED_SCRIPTS[:shots]]
    return "\n".join([*examples, _QUESTION.format(question=task.prompt.strip(), answer="")])


def method_prompt(task: Task, shots: int) -> str:
    """Put worked methods before a method's prompt, in its own form."""
    return "\n\n\n".join([*(example.strip("\n") for example in WORKED_METHODS[:shots]), task.prompt])


WORKED_SCRIPTS: Final = (
    (
        "A shop sells pencils in boxes of b. The first line has b and the number n of orders; each of the next n lines "
        "has the pencils of one order. Print for each order how many boxes it takes.",
        "box, orders = map(int, input().split())\n"
        "for _ in range(orders):\n"
        "    pencils = int(input())\n"
        "    print((pencils + box - 1) // box)\n",
    ),
    (
        "Read lines of words until the end of the input. Print the longest word; of several, the one that came first.",
        "import sys\n\n"
        "longest = ''\n"
        "for word in sys.stdin.read().split():\n"
        "    if len(word) > len(longest):\n"
        "        longest = word\n"
        "print(longest)\n",
    ),
    (
        "The input is a row of heights. Print YES if every height is at least as large as the one before, else NO.",
        "heights = list(map(int, input().split()))\nprint('YES' if heights == sorted(heights) else 'NO')\n",
    ),
)
"""Our own worked examples, of no benchmark: questions with their programs."""

WORKED_METHODS: Final = (
    '''\
class Solution:
    def widestGap(self, readings: list[int]) -> int:
        """
        The widest gap between two neighbours of a list of readings; fewer than two readings have a gap of 0.
        """
        if len(readings) < 2:
            return 0
        return max(abs(later - earlier) for earlier, later in zip(readings, readings[1:]))
''',
    '''\
class Solution:
    def unfoldRuns(self, packed: str) -> str:
        """
        Unfold a string of runs, in which each character stands before the digit that says how often it is repeated.
        """
        pieces = []
        for place in range(0, len(packed), 2):
            pieces.append(packed[place] * int(packed[place + 1]))
        return "".join(pieces)
''',
    '''\
class Solution:
    def isStaircase(self, heights: list[int]) -> bool:
        """
        Whether every height is one more than the one before.
        """
        return all(later - earlier == 1 for earlier, later in zip(heights, heights[1:]))
''',
)
"""Our own worked examples of methods, of no benchmark."""
