"""Prompts made from tasks, and the named presets for drawing texts.

`completion` is the benchmark's prompt as is. `few-shot` puts worked examples before it, in the benchmark's own form.
`chat` asks for the whole function, through the tokenizer's template. Each has a counterpart that asks for tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from ..errors import UserError
from ..records import Record
from . import assert_prompts
from .engine import Message, Prompt, Sampling
from .shots import WORKED_EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._util.hashing import KeyPart
    from ..records import Task

Style = Literal["completion", "chat", "few-shot", "tests", "chat-tests", "few-shot-tests"]

CHAT_INSTRUCTION: Final = (
    "Complete this Python function. Answer with the whole function and every import that it needs, in one code block."
)
"""The first line of a chat prompt; the task's prompt follows in a fence."""


class Settings(Record):
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


PRESETS: Final = ("completion", "few-shot", "chat", "paper")
DEFAULT_PRESET: Final = "completion"

_PAPER: Final = {
    "humaneval": Settings(),
    "mbpp": Settings(style="few-shot", shots=3, max_tokens=256),
    "apps": Settings(style="few-shot", shots=2, max_tokens=256, temperature=0.6),
}
"""Hassid et al. 2024 (arXiv 2404.00725), section 3.1: top-p 0.95 everywhere, HumanEval without examples."""


def preset_settings(name: str, benchmark: str) -> Settings:
    """Look up a preset's settings.

    `paper` is what Hassid et al. 2024 (arXiv 2404.00725, section 3.1) drew with: HumanEval zero-shot, at most 512
    tokens, T = 0.8; MBPP 3-shot, 256, T = 0.8; APPS 2-shot, 256, T = 0.6; top-p 0.95 everywhere. Their few-shot
    examples are not published, so ours stand in for them.

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
    if name != "paper":
        raise UserError(f"there is no preset {name!r}; known are {', '.join(PRESETS)}")
    bare = benchmark.lower().replace("-", "").replace("_", "")
    found = next((settings for original, settings in _PAPER.items() if original in bare), None)
    if found is None:
        raise UserError(
            f"the paper has no settings for {benchmark}, only for {', '.join(_PAPER)}; choose another `preset` "
            f"({', '.join(PRESETS[:-1])})"
        )
    return found


def settings_for_tests(name: str) -> Settings:
    """Look up a preset's settings for tests: CodeT's (Chen et al. 2022), asked for in the preset's form.

    Raises:
        UserError: There is no such preset, or it has none.
    """
    common = Settings(style="tests", max_tokens=assert_prompts.MAX_TOKENS, logprobs=False)
    if name == "completion":
        return common
    if name == "few-shot":
        return common.model_copy(update={"style": "few-shot-tests", "shots": len(WORKED_EXAMPLES)})
    if name == "chat":
        return common.model_copy(update={"style": "chat-tests", "max_tokens": 1024})
    known = ", ".join(preset for preset in PRESETS if preset != "paper")
    raise UserError(f"there is no preset {name!r} for tests; known are {known}")


def prompt_of_task(task: Task, settings: Settings) -> Prompt:
    """Make a task's prompt for the engine."""
    if settings.style == "completion":
        return task.prompt
    if settings.style == "chat":
        return (Message("user", f"{CHAT_INSTRUCTION}\n\n```python\n{task.prompt.rstrip()}\n```"),)
    if settings.style == "tests":
        return assert_prompts.continued(task)
    if settings.style == "chat-tests":
        return (Message("user", assert_prompts.chat(task)),)
    if settings.style == "few-shot-tests":
        return assert_prompts.few_shot(task, settings.shots)
    examples = [example for name, example in WORKED_EXAMPLES.items() if name != task.entry_point]
    return "\n\n\n".join([*(example.strip("\n") for example in examples[: settings.shots]), task.prompt])


def sampling_of_task(task: Task, settings: Settings) -> Sampling:
    """Make a task's parameters.

    A text that continues the prompt ends at the benchmark's stop strings, one of tests at CodeT's; a chat answer has
    prose, and ends by itself.
    """
    stop = assert_prompts.STOP if settings.writes_tests else task.stop
    return Sampling(
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        stop=() if settings.is_chat else stop,
        logprobs=settings.logprobs,
    )


def prompt_key(prompt: Prompt) -> Sequence[KeyPart]:
    """Split a prompt into parts of a key, never the same for two prompts."""
    if isinstance(prompt, str):
        return ("text", prompt)
    return ("chat", *(part for message in prompt for part in message))
