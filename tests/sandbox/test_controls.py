"""What a sandbox does when its boxes begin to misjudge."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from codebudget.records import HiddenTests, IoCase, IoTests, Limits, Task
from codebudget.sandbox import Job, Sandbox
from codebudget.sandbox.box import Box, Done, ScriptEnd
from codebudget.sandbox.launchers.process import ProcessLauncher

TASK = Task(
    id="sort",
    benchmark="test",
    prompt="def f(x):\n",
    entry_point="f",
    reference="def f(x):\n    return sorted(x)\n",
    tests=HiddenTests(style="asserts", code="assert f([2, 1]) == [1, 2]\nassert f([]) == []\n"),
)
GOOD = [f"def f(x):\n    return sorted(x)  # {n}\n" for n in range(30)]
BAD = [f"def f(x):\n    return [*x, {n}]\n" for n in range(30)]
"""Each answers differently: the same answers are tested once."""


class RottingLauncher(ProcessLauncher):
    """Starts real boxes; the testers among the first `rotten` ones, after some runs, report whatever passes as wrong,
    or the other way round.
    """

    name = "rotting"

    def __init__(self, rotten: int, after: int, says: str) -> None:
        self.rotten = rotten
        self.after = after
        self.says = says
        self.launched = 0

    def launch(self) -> Box:
        """Start a box."""
        box = super().launch()
        self.launched += 1
        if self.launched <= self.rotten:
            box.receive = self._rotting(box.receive)  # type: ignore[method-assign]
        return box

    def _rotting(self, receive: Callable[[], list[bytes] | Done]) -> Callable[[], list[bytes] | Done]:
        reports = 0

        def receive_rotten() -> list[bytes] | Done:
            nonlocal reports
            said = receive()
            if isinstance(said, Done) or said[0][:1] != b"E":
                return said
            reports += 1
            if reports <= self.after:
                return said
            report: dict[str, Any] = json.loads(said[0][1:])
            report |= {"status": self.says, "reached": [0, 1]}
            return [b"E" + json.dumps(report).encode()]

        return receive_rotten


@pytest.mark.parametrize("says", ["passed", "wrong"])
def test_what_was_graded_since_the_last_good_control_is_graded_again(says: str) -> None:
    with Sandbox(RottingLauncher(rotten=2, after=20, says=says), workers=1) as sandbox:
        check = next(sandbox.check([TASK]))
        assert check.ok, check.detail
        jobs = [Job(TASK, check, program) for pair in zip(GOOD, BAD, strict=True) for program in pair]
        verdicts = dict(sandbox.grade(jobs))
    assert [verdicts[place].status for place in range(60)] == ["passed", "wrong"] * 30


def test_boxes_that_misjudge_again_and_again_give_no_verdict() -> None:
    with Sandbox(RottingLauncher(rotten=1000, after=20, says="passed"), workers=1) as sandbox:
        check = next(sandbox.check([TASK]))
        verdicts = dict(sandbox.grade([Job(TASK, check, program) for program in BAD]))
    assert {verdict.status for verdict in verdicts.values()} == {"sandbox_error"}
    assert "misjudge" in verdicts[0].detail


class ForgetfulLauncher(ProcessLauncher):
    """Starts real boxes; the first `forgetful` ones, after some scripts, hand on the output of the one before."""

    name = "forgetful"

    def __init__(self, forgetful: int, after: int) -> None:
        self.forgetful = forgetful
        self.after = after
        self.launched = 0

    def launch(self) -> Box:
        """Start a box."""
        box = super().launch()
        self.launched += 1
        if self.launched <= self.forgetful:
            run_script = box.run_script
            outputs: list[bytes] = []

            def run_late(limits: Limits, script: bytes, text: bytes) -> ScriptEnd:
                end = run_script(limits, script, text)
                outputs.append(end.output)
                return end if len(outputs) <= self.after else end._replace(output=outputs[-2])

            box.run_script = run_late  # type: ignore[method-assign]
        return box


@pytest.mark.parametrize(("forgetful", "statuses"), [(2, ["passed", "wrong"] * 5), (1000, ["sandbox_error"] * 10)])
def test_scripts_have_controls_of_their_own(forgetful: int, statuses: list[str]) -> None:
    tests = IoTests(
        style="stdio", cases=(IoCase(input="2", output="2\n"), IoCase(input="3", output="3\n")), rule="exact"
    )
    task = Task(id="echo", benchmark="test", prompt="", entry_point="", reference="print(input())", tests=tests)
    with Sandbox(ForgetfulLauncher(forgetful, after=8), workers=1) as sandbox:
        check = next(sandbox.check([task]))
        programs = [text for n in range(5) for text in (f"print(input())  # {n}", f"print(2)  # {n}")]
        verdicts = dict(sandbox.grade([Job(task, check, program) for program in programs]))
    assert [verdicts[place].status for place in range(10)] == statuses
