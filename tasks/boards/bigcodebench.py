"""BigCodeBench (Zhuo et al. 2024), full and hard: functions that use libraries, tested by `unittest`.

A row has `task_id`, `complete_prompt`, `instruct_prompt`, `canonical_solution`, `code_prompt`, `test`, `entry_point`
and `libs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...errors import UserError
from ...records import HiddenTests, Task
from ..benchmark import STOP
from ..examples import visible_examples
from ..rows import read_hub_split
from .headers import headed
from .reading import MAX_PROGRAM, Fields, Identity, UnfitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..rows import Located

HUB_IDS: Final = {"bigcodebench": "bigcode/bigcodebench", "bigcodebench-hard": "bigcode/bigcodebench-hard"}

VARIANTS: Final = ("complete", "instruct")

DEFAULT_RELEASE: Final = "v0.1.4"
"""The last of the data set's splits, which are its releases: v0.1.0_hf, v0.1.1, v0.1.2, v0.1.3, v0.1.4."""


def rows(benchmark: str, release: str) -> Iterator[Located]:
    """Yield a release's rows."""
    return read_hub_split(HUB_IDS[benchmark], release)


def identify(fields: Fields) -> Identity:
    """Tell which task a row is."""
    return Identity(fields.id("task_id"))


def task_of(fields: Fields, task_id: str, benchmark: str, variant: str) -> Task:
    """Make a task. `complete`: a function with its full docstring; `instruct`: its header with a request in prose.

    Raises:
        UnfitError: It has no tests.
    """
    entry_point = fields.text("entry_point")
    if not entry_point.isidentifier():
        raise UserError(f"{fields.place}: the entry point is not a Python name; give the board's own file")
    complete = fields.text("complete_prompt")
    prompt = complete
    if variant == "instruct":
        found = headed(fields.text("instruct_prompt"), fields.text("code_prompt"), entry_point)
        if found is None:
            raise UnfitError("its code_prompt does not end with the function's header")
        prompt = found.prompt
    tests = fields.optional("test", MAX_PROGRAM)
    if not tests.strip():
        raise UnfitError("it has no tests")
    solution = fields.optional("canonical_solution", MAX_PROGRAM)
    return Task(
        id=task_id,
        benchmark=benchmark,
        prompt=prompt,
        entry_point=entry_point,
        examples=visible_examples(prompt, entry_point),
        tests=HiddenTests(style="unittest", code=tests),
        reference=complete + solution if solution.strip() else None,
        stop=STOP,
    )
