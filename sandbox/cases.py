"""What came of a program's cases, one after the other, where each has the time limits to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..records import Limits
from .box import Done
from .guest.calls import RESULT_RULES, read_case
from .rules import OUTPUT_RULES
from .scripts import LONGEST_INPUT, encode_input
from .timing import is_near, lateness

if TYPE_CHECKING:
    from ..records import IoTests, Task
    from .run import Run


class CaseRuns:
    """The cases of a program so far.

    Attributes:
        held: Places of the cases that hold.
        status: `passed`, or that of the first case that failed; `detail` is the reason.
        slowest_cpu_s: The most processor time of a case; `slowest_wall_s` the most wall-clock time.
        near: Whether a case, or all together, came near a time limit.
        over: Whether further cases would change nothing.
    """

    def __init__(self, tests: IoTests, limits: Limits, *, bounds_program: bool) -> None:
        """Begin; the board's limit for all cases together counts only if it `bounds_program`."""
        self.tests = tests
        self.limits = limits
        self._program = Limits(cpu_s=tests.program_s).resolve(0.0) if tests.program_s and bounds_program else None
        self.held: set[int] = set()
        self.status, self.detail = "passed", ""
        self.slowest_cpu_s = self.slowest_wall_s = 0.0
        self.near = self.over = False
        self._cpu_s = self._wall_s = 0.0
        self._peak_bytes = 0

    @property
    def cost(self) -> Done:
        """The cost of all of them together."""
        return Done("", "", self._cpu_s, self._wall_s, self._peak_bytes)

    def add(self, place: int, status: str, detail: str, cost: Done) -> None:
        """Add a case that had a process to itself; an empty status means that its outcome is right."""
        late = lateness(cost.cpu_s, cost.wall_s, self.limits)
        if late:
            status, detail = "timeout", late
        elif not status and self._is_too_large(cost):
            status, detail = "memory", self._memory_detail(cost)
        if status:
            self.fail(place, status, detail)
        else:
            self.held.add(place)
        self._spend(place, cost, cost.cpu_s, cost.wall_s)

    def add_calls(self, first: int, count: int, run: Run) -> int:
        """Add cases from the place `first` on that shared a process; returns the place of the next."""
        self.held |= {first + place for place in run.reached}
        late = lateness(run.cost.case_cpu_s, run.cost.case_wall_s, self.limits)
        if run.first_failure is not None:
            place, status, detail = run.first_failure
            self.fail(first + place, status, detail)
        if run.candidate_ended and late:
            self.fail(first + run.calls, "timeout", late)
        elif run.candidate_ended:
            self.fail(first + run.calls, run.status, run.detail)
        elif run.status != "passed" and run.first_failure is None:
            self._stop(run.status, run.detail)
        elif late:
            self._stop("timeout", late)
        elif self._is_too_large(run.cost):
            self._stop("memory", self._memory_detail(run.cost))
        following = first + (run.calls + 1 if run.candidate_ended else count)
        self._spend(following - 1, run.cost, run.cost.case_cpu_s, run.cost.case_wall_s)
        return following

    def fail(self, place: int, status: str, detail: str) -> None:
        """Note that a case fails; the first that does decides the status."""
        self._note(status, f"case {place + 1}: {detail}")
        self.over = self.over or not self.tests.every or status == "tampered"

    def _stop(self, status: str, detail: str) -> None:
        self._note(status, detail)
        self.over = True

    def _note(self, status: str, detail: str) -> None:
        if self.status == "passed":
            self.status, self.detail = status, detail

    def _spend(self, place: int, cost: Done, case_cpu_s: float, case_wall_s: float) -> None:
        self._cpu_s += cost.cpu_s
        self._wall_s += cost.wall_s
        self._peak_bytes = max(self._peak_bytes, cost.peak_bytes)
        self.slowest_cpu_s = max(self.slowest_cpu_s, case_cpu_s)
        self.slowest_wall_s = max(self.slowest_wall_s, case_wall_s)
        self.near = self.near or is_near(case_cpu_s, case_wall_s, self.limits)
        if self._program is None:
            return
        self.near = self.near or is_near(self._cpu_s, self._wall_s, self._program)
        late = lateness(self._cpu_s, self._wall_s, self._program)
        if late:
            self._stop("timeout", f"{late} up to case {place + 1}")

    def _is_too_large(self, cost: Done) -> bool:
        return self.tests.memory_bytes is not None and cost.peak_bytes > self.tests.memory_bytes

    def _memory_detail(self, cost: Done) -> str:
        return f"used {cost.peak_bytes >> 20} MiB, over the board's {(self.tests.memory_bytes or 0) >> 20} MiB"


def problem_of_cases(task: Task, tests: IoTests) -> str:
    """Say why a task's cases can grade nothing; empty if they can."""
    rules = OUTPUT_RULES if tests.style == "stdio" else RESULT_RULES
    if tests.rule not in rules:
        return f"the rule {tests.rule} compares no outcomes of style {tests.style}"
    if task.is_script != (tests.style == "stdio"):
        return "a script has no entry point, and a function needs one"
    for number, case in enumerate(tests.cases, 1):
        size = len(encode_input(case.input))
        if size > LONGEST_INPUT:
            return f"case {number}: an input of {size >> 20} MiB; {LONGEST_INPUT >> 20} MiB can be passed"
        if tests.style == "call":
            try:
                read_case(case.input, case.output)
            except (ValueError, RecursionError) as error:
                return f"case {number} cannot be read: {error}"
    return ""
