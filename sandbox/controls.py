"""Known programs that every box must judge rightly, before and between the programs of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..records import HiddenTests, IoCase, IoTests, ReferenceCheck, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..records import Verdict


class Control(NamedTuple):
    """A task with its check, a program that passes and one that is wrong."""

    task: Task
    check: ReferenceCheck
    good_program: str
    bad_program: str


FUNCTION_CONTROL = Control(
    Task(
        id="control",
        benchmark="control",
        prompt="def control(values):\n",
        entry_point="control",
        tests=HiddenTests(style="asserts", code="assert control([3, 1, 2]) == [1, 2, 3]\nassert control([]) == []\n"),
    ),
    ReferenceCheck(task_id="control", ok=True, sites=(0, 1), calls=2),
    "def control(values):\n    return sorted(values)\n",
    "def control(values):\n    return values\n",
)

SCRIPT_CONTROL = Control(
    Task(
        id="script control",
        benchmark="control",
        prompt="",
        entry_point="",
        tests=IoTests(
            style="stdio",
            cases=(IoCase(input="3 1 2\n", output="1 2 3\n"), IoCase(input="5\n4\n", output="4 5\n")),
            rule="exact",
        ),
    ),
    ReferenceCheck(task_id="script control", ok=True, sites=(0, 1)),
    "import sys\nprint(*sorted(sys.stdin.read().split()))\n",
    "import sys\nprint(*sys.stdin.read().split())\n",
)


def misjudged(control: Control, grade: Callable[[Task, ReferenceCheck, str], Verdict]) -> str | None:
    """Grade both programs of a control; returns what is wrong with the verdicts, None if they are right."""
    good = grade(control.task, control.check, control.good_program)
    bad = grade(control.task, control.check, control.bad_program)
    if (good.status, bad.status) == ("passed", "wrong"):
        return None
    return f"{good.status} {good.detail}; {bad.status}"
