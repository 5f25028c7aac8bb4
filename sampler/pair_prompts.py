"""Prompts that ask for tests of scripts, as pairs of an input and its output in one form, and texts with answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .questions import WORKED_SCRIPTS
from .thinking import split_thought

if TYPE_CHECKING:
    from ..records import Task

PAIRS_INSTRUCTION: Final = (
    "Write ten tests for programs that solve this problem, each an input and the output that is right for it. Cover "
    "ordinary and edge cases, and keep inputs so small that the output can be worked out by hand. For each test write "
    "a line `Input:`, the lines of the input, a line `Output:`, and the lines of the output; leave an empty line "
    "between tests. Answer with the tests alone, in one code block; do not write the program."
)
"""The first lines of a chat prompt; the question follows."""

PAIRS_STOP: Final = ("\nQUESTION:", "\nANSWER:", "\nTESTS:", "\n```")
"""Ends of a text of pairs that continues a prompt: another question, or a program."""

_FORM: Final = "QUESTION:\n{question}\nUse Standard Input format\nTESTS:\n{tests}"
"""As a script is asked for, with tests in the answer's place."""

_OUTPUT: Final = re.compile(r"^.*\boutput\b.*$", re.IGNORECASE | re.MULTILINE)


def continued_by_pairs(task: Task, shots: int = 0) -> str:
    """Make a prompt that pairs continue, ending within the first; worked examples first."""
    examples = [
        _FORM.format(question=question, tests=tests)
        for (question, _), tests in zip(WORKED_SCRIPTS[:shots], WORKED_PAIRS, strict=False)
    ]
    return "\n".join([*examples, _FORM.format(question=task.prompt.strip(), tests="Input:\n")])


def pairs_chat(task: Task) -> str:
    """Make a question answered with pairs."""
    return f"{PAIRS_INSTRUCTION}\n\n{task.prompt.strip()}"


def pairs_of_text(text: str, *, is_chat: bool, is_cut: bool) -> str:
    """Take the pairs out of a text: less the thought of a chat's answer, and less the last output of one cut off."""
    answer = split_thought(text).answer if is_chat else text
    if is_cut:
        # Some of its lines may be missing.
        marks = [found.start() for found in _OUTPUT.finditer(answer)]
        answer = answer[: max(marks, default=0)]
    return answer


WORKED_PAIRS: Final = (
    """\
Input:
6 3
6
7
1
Output:
1
2
1

Input:
10 1
0
Output:
0
""",
    """\
Input:
an apple and
a pear
Output:
apple

Input:
no on
Output:
no
""",
    """\
Input:
1 3 3 8
Output:
YES

Input:
5 4
Output:
NO
""",
)
"""Pairs that the worked scripts pass, in their order."""
