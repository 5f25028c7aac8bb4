"""Prompts made from tasks, and the named presets for drawing texts.

`completion` is the benchmark's prompt as is. `few-shot` puts worked examples before it, in the benchmark's own form.
`chat` asks for the whole function, through the tokenizer's template. Each has a counterpart that asks for tests.
Scripts and methods have forms of their own in `questions`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from ..errors import UserError
from ..records import called_name
from .engine import Message, Prompt, Sampling, Thinking
from .pair_prompts import PAIRS_STOP, continued_by_pairs, pairs_chat, pairs_of_text
from .questions import asks_in_prose, method_prompt, question_chat, script_prompt
from .thinking import split_thought

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._util.hashing import KeyPart
    from ..records import Candidate, Task

Style = Literal["completion", "chat", "few-shot", "tests", "chat-tests", "few-shot-tests"]

CHAT_INSTRUCTION: Final = (
    "Complete this Python function. Answer with the whole function and every import that it needs, in one code block."
)
"""The first line of a chat prompt; the task's prompt follows in a fence."""

TEST_STOP: Final = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Ends of a text of tests (Chen et al. 2022, "CodeT", arXiv 2207.10397; released code)."""

MAX_TEST_TOKENS: Final = 300
"""Limit per text of tests, as in CodeT's experiments, at temperature 0.8, top-p 0.95."""

TEST_INSTRUCTION: Final = (
    "Write ten asserts that test this Python function, one per line, each a call with literal arguments compared with "
    "the literal that it must return. Cover ordinary and edge cases. Answer with the asserts alone, in one code block; "
    "do not write the function."
)
"""The first line of a chat prompt; the task's prompt follows in a fence."""

_FENCE: Final = re.compile(r"^[ \t]*```[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL)


class Settings(Thinking):
    """Settings of an arm's prompts and drawing.

    `shots` is the number of worked examples before a few-shot prompt. A greedy arm is drawn at temperature 0 whatever
    is set here.
    """

    style: Style = "completion"
    shots: Annotated[int, Field(ge=0)] = 0
    temperature: Annotated[float, Field(ge=0)] = 0.8
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    max_tokens: Annotated[int, Field(ge=1)] = 512
    logprobs: bool = True

    @property
    def writes_tests(self) -> bool:
        """Whether texts are tests for a task, not solutions."""
        return self.style.endswith("tests")

    @property
    def is_chat(self) -> bool:
        """Whether texts are answers that continue no prompt."""
        return self.style.startswith("chat")


PRESETS: Final = ("completion", "few-shot", "chat", "reasoning", "paper", "board")
DEFAULT_PRESET: Final = "completion"

_PAPER: Final = {
    "humaneval": Settings(),
    "mbpp": Settings(style="few-shot", shots=3, max_tokens=256),
    "apps": Settings(style="few-shot", shots=2, max_tokens=256, temperature=0.6),
}
"""Hassid et al. 2024 (arXiv 2404.00725), section 3.1: top-p 0.95 everywhere, HumanEval without examples."""


_BOARD: Final = {
    "livecodebench": Settings(style="chat", temperature=0.2, max_tokens=2000),
    "bigcodebench": Settings(style="chat", temperature=0.0, max_tokens=1280),
}
"""The boards' own: the defaults of lcb_runner/runner/parser.py (github.com/LiveCodeBench/LiveCodeBench) and of
bigcodebench/generate.py (github.com/bigcode-project/bigcodebench)."""


_REASONING: Final = Settings(style="chat", temperature=0.6, max_tokens=32_768)


def preset_settings(name: str, benchmark: str) -> Settings:
    """Look up a preset's settings.

    `paper` is what Hassid et al. 2024 (arXiv 2404.00725, section 3.1) drew with: HumanEval zero-shot, at most 512
    tokens, T = 0.8; MBPP 3-shot, 256, T = 0.8; APPS 2-shot, 256, T = 0.6; top-p 0.95 everywhere. Their few-shot
    examples are not published, so ours stand in for them.

    `board` is what a board itself draws with, as chats: LiveCodeBench at T = 0.2, top-p 0.95 and at most 2,000 tokens;
    BigCodeBench greedily, 1,280 tokens. The words that ask are ours.

    `reasoning` is for models that think before they answer: a chat at T = 0.6, top-p 0.95 and at most 32,768 tokens,
    thought included, as DeepSeek-R1 was evaluated (arXiv 2501.12948; its README, "Evaluation").

    Args:
        name: One of `PRESETS`.
        benchmark: The benchmark's name; variants such as `evalplus/humanevalplus` count as their original.

    Raises:
        UserError: There is no such preset, or the paper has none for this benchmark.
    """
    if name == "completion":
        return Settings()
    if name == "few-shot":
        return Settings(style="few-shot", shots=len(WORKED_EXAMPLES))
    if name == "chat":
        return Settings(style="chat", max_tokens=1024)
    if name == "reasoning":
        return _REASONING
    if name not in ("paper", "board"):
        raise UserError(f"unknown preset {name!r}: choose from {', '.join(PRESETS)}")
    own = _PAPER if name == "paper" else _BOARD
    bare = benchmark.lower().replace("-", "").replace("_", "")
    found = next((settings for original, settings in own.items() if original in bare), None)
    if found is None:
        raise UserError(
            f"the preset {name} has settings only for {', '.join(own)}, not for {benchmark}; choose another `preset` "
            f"({', '.join(preset for preset in PRESETS if preset != name)})"
        )
    return found


def settings_for_tests(name: str) -> Settings:
    """Look up a preset's settings for tests: CodeT's (Chen et al. 2022), asked for in the preset's form.

    Raises:
        UserError: There is no such preset, or it has none.
    """
    common = Settings(style="tests", max_tokens=MAX_TEST_TOKENS, logprobs=False)
    if name == "completion":
        return common
    if name == "few-shot":
        return common.model_copy(update={"style": "few-shot-tests", "shots": len(WORKED_EXAMPLES)})
    if name == "chat":
        return common.model_copy(update={"style": "chat-tests", "max_tokens": 1024})
    if name == "reasoning":
        return _REASONING.model_copy(update={"style": "chat-tests", "logprobs": False})
    known = ", ".join(preset for preset in PRESETS if preset not in ("paper", "board"))
    raise UserError(f"unknown preset {name!r} for tests: choose from {known}")


def prompt_of_task(task: Task, settings: Settings) -> Prompt:
    """Make a task's prompt for the engine."""
    if settings.style == "completion":
        return script_prompt(task) if task.is_script else task.prompt
    if settings.style == "chat":
        if asks_in_prose(task) and (question := question_chat(task)) is not None:
            return (Message("user", question),)
        return (Message("user", f"{CHAT_INSTRUCTION}\n\n```python\n{task.prompt.rstrip()}\n```"),)
    if settings.style == "chat-tests":
        return (Message("user", pairs_chat(task) if task.is_script else asserts_chat(task)),)
    if settings.writes_tests:
        return continued_by_tests(task, settings.shots)
    if task.is_script:
        return script_prompt(task, settings.shots)
    if "." in task.entry_point:
        return method_prompt(task, settings.shots)
    examples = [example for name, example in WORKED_EXAMPLES.items() if name != task.entry_point]
    return "\n\n\n".join([*(example.strip("\n") for example in examples[: settings.shots]), task.prompt])


def sampling_of_task(task: Task, settings: Settings) -> Sampling:
    """Make a task's parameters.

    A text that continues the prompt ends at the benchmark's stop strings, one of asserts at CodeT's, one of pairs at
    the next question; a chat answer has prose, and ends by itself.
    """
    of_tests = PAIRS_STOP if task.is_script else TEST_STOP
    stop = of_tests if settings.writes_tests else task.stop
    return Sampling(
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        stop=() if settings.is_chat else stop,
        logprobs=settings.logprobs,
        thinking=settings.thinking,
        max_thinking_tokens=settings.max_thinking_tokens,
    )


def prompt_key(prompt: Prompt) -> Sequence[KeyPart]:
    """Split a prompt into parts of a key, never the same for two prompts."""
    if isinstance(prompt, str):
        return ("text", prompt)
    return ("chat", *(part for message in prompt for part in message))


def continued_by_tests(task: Task, shots: int = 0) -> str:
    """Make a prompt that tests continue, worked examples first: asserts, or pairs of a script."""
    return continued_by_pairs(task, shots) if task.is_script else few_shot_asserts(task, shots)


def continued_by_asserts(task: Task) -> str:
    """Make a prompt that asserts continue: CodeT's, ending within the first."""
    name = called_name(task.entry_point)
    if not _holds_header(task):
        return f"{task.prompt.rstrip()}\n\n# check the correctness of {name}\nassert "
    return f"{_unsolved(task.prompt)}\n# check the correctness of {name}\nassert "


def few_shot_asserts(task: Task, shots: int) -> str:
    """Put worked examples in that form before it."""
    parts = []
    for name, example in WORKED_EXAMPLES.items():
        if name != task.entry_point:
            header = example[: example.index('"""', example.index('"""') + 3) + 3]
            parts.append(f"{_unsolved(header)}\n# check the correctness of {name}\n{WORKED_ASSERTS[name]}".rstrip("\n"))
    return "\n\n\n".join([*parts[:shots], continued_by_asserts(task)])


def asserts_chat(task: Task) -> str:
    """Make a question answered with asserts."""
    if not _holds_header(task):
        return f"{TEST_INSTRUCTION}\n\n{task.prompt.strip()}"
    how = f" Call it as `{called_name(task.entry_point)}(...)`." if "." in task.entry_point else ""
    return f"{TEST_INSTRUCTION}{how}\n\n```python\n{_unsolved(task.prompt).rstrip()}\n```"


def drawn_tests(task: Task, text: Candidate, settings: Settings) -> str:
    """Take the tests out of a text that was drawn for them: what continues `assert `, or a script's pairs."""
    if task.is_script:
        return pairs_of_text(text.raw, is_chat=settings.is_chat, is_cut=text.finish_reason == "length")
    return asserts_of_answer(text.raw) if settings.is_chat else text.raw


def asserts_of_answer(answer: str) -> str:
    """Take the text after a chat answer's first `assert`, less thought, fences, comments; empty if it has none."""
    answer = split_thought(answer).answer
    blocks = [block for block in _FENCE.findall(answer) if "assert " in block] or [answer]
    lines = (line.strip() for block in blocks for line in block.splitlines())
    kept = "\n".join(line for line in lines if line and not line.startswith(("#", "```")))
    return kept.partition("assert ")[2]


def _holds_header(task: Task) -> bool:
    """Whether a prompt is code that asks for a function's body; else it is prose."""
    return f"def {task.entry_point.rpartition('.')[2]}" in task.prompt


def _unsolved(prompt: str) -> str:
    """Close a header with `pass`, within the body that its docstring begins."""
    prompt = prompt.rstrip(" \t")
    last = prompt.rstrip().rpartition("\n")[2]
    indent = last[: len(last) - len(last.lstrip())] if last.strip() in ('"""', "'''") else ""
    return f"{prompt}{'' if prompt.endswith(chr(10)) else chr(10)}{indent or '    '}pass\n"


WORKED_EXAMPLES: Final = {
    "widest_gap": '''\
def widest_gap(readings):
    """
    Write a function to find the widest gap between two neighbours of a list of readings; a list with fewer than two
    readings has a gap of 0.
    """
    if len(readings) < 2:
        return 0
    return max(abs(later - earlier) for earlier, later in zip(readings, readings[1:]))
''',
    "seats_by_row": '''\
def seats_by_row(tickets):
    """
    Write a function to group tickets such as "C14" by the letter of their row, the seat numbers of each row ascending.
    """
    rows = {}
    for ticket in tickets:
        rows.setdefault(ticket[0], []).append(int(ticket[1:]))
    return {row: sorted(seats) for row, seats in rows.items()}
''',
    "unfold_runs": '''\
def unfold_runs(packed):
    """
    Write a function to unfold a string of runs, in which each character stands before the digit that says how often
    it is repeated.
    """
    pieces = []
    for place in range(0, len(packed), 2):
        pieces.append(packed[place] * int(packed[place + 1]))
    return "".join(pieces)
''',
}
"""Our own worked examples, of no benchmark: prompts with their solutions, by function name."""

WORKED_ASSERTS: Final = {
    "widest_gap": """\
assert widest_gap([3, 8, 6]) == 5
assert widest_gap([4]) == 0
assert widest_gap([-1, -1, 9, 2]) == 10
""",
    "seats_by_row": """\
assert seats_by_row(["C14", "A2", "C3"]) == {"C": [3, 14], "A": [2]}
assert seats_by_row([]) == {}
assert seats_by_row(["B1"]) == {"B": [1]}
""",
    "unfold_runs": """\
assert unfold_runs("a3b1") == "aaab"
assert unfold_runs("") == ""
assert unfold_runs("x0y2") == "yy"
""",
}
"""Asserts that the solutions pass, by function name."""
