"""Prompts that ask a model for tests of a task, and the part of its answer that is kept as asserts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .shots import WORKED_ASSERTS, WORKED_EXAMPLES

if TYPE_CHECKING:
    from ..records import Task

STOP: Final = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Ends of a text of tests (Chen et al. 2022, "CodeT", arXiv 2207.10397; released code)."""

MAX_TOKENS: Final = 300
"""Limit per text of tests, as in CodeT's experiments, at temperature 0.8, top-p 0.95."""

INSTRUCTION: Final = (
    "Write ten asserts that test this Python function, one per line, each a call with literal arguments compared with "
    "the literal that it must return. Cover ordinary and edge cases. Answer with the asserts alone, in one code block; "
    "do not write the function."
)
"""The first line of a chat prompt; the task's prompt follows in a fence."""

_FENCE: Final = re.compile(r"^[ \t]*```[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL)


def continued(task: Task) -> str:
    """Make a prompt that asserts continue: CodeT's, ending within the first."""
    return f"{_unsolved(task.prompt)}\n# check the correctness of {task.entry_point}\nassert "


def few_shot(task: Task, shots: int) -> str:
    """Put worked examples in that form before it."""
    parts = []
    for name, example in WORKED_EXAMPLES.items():
        if name != task.entry_point:
            header = example[: example.index('"""', example.index('"""') + 3) + 3]
            parts.append(f"{_unsolved(header)}\n# check the correctness of {name}\n{WORKED_ASSERTS[name]}".rstrip("\n"))
    return "\n\n\n".join([*parts[:shots], continued(task)])


def chat(task: Task) -> str:
    """Make a question answered with asserts."""
    return f"{INSTRUCTION}\n\n```python\n{_unsolved(task.prompt).rstrip()}\n```"


def asserts_of_answer(answer: str) -> str:
    """Take the text after a chat answer's first `assert`, less fences and comments; empty if it has none."""
    blocks = [block for block in _FENCE.findall(answer) if "assert " in block] or [answer]
    lines = (line.strip() for block in blocks for line in block.splitlines())
    kept = "\n".join(line for line in lines if line and not line.startswith(("#", "```")))
    return kept.partition("assert ")[2]


def _unsolved(prompt: str) -> str:
    prompt = prompt.rstrip(" \t")
    return f"{prompt}{'' if prompt.endswith(chr(10)) else chr(10)}    pass\n"
