"""One pair of boxes, a tester's and a candidate's, and the grading of one program at a time between them."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, cast

from .._util.printable import one_line
from ..errors import SandboxError
from ..records import (
    LEAST_CPU_S,
    UNITTEST_LEAST_CPU_S,
    HiddenTests,
    IoCase,
    IoTests,
    Limits,
    Outcome,
    PublicTask,
    ReferenceCheck,
    Rule,
    Status,
    Task,
    Verdict,
)
from .box import Box, Done, Later, Launcher, RequestTooLongError
from .cases import CaseRuns, problem_of_cases
from .controls import FUNCTION_CONTROL, SCRIPT_CONTROL, misjudged
from .guest.script import Script
from .images import LIBRARIES
from .rules import OUTPUT_RULES
from .scripts import output_limit, output_value, run_script
from .stream import BoxLostError
from .testcode import call_tests, expression_tests, hidden_tests
from .timing import is_near, known, lateness, stretched
from .trials import NEVER_CALLED, NOTHING_USED, Trials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .fixed_calls import Foresight

_MISSING_LIBRARY = re.compile(r"(?:No module named|Missing optional dependency) '([\w.]+)'")
"""What Python says of a module that is not there, and pandas of one that it needs for a format."""
_REFERENCE_CPU_S = 20.0
"""Processor time of a reference solution when limits are to follow from it."""
_SPARE_CALLS, _CALLS_FACTOR = 1000, 10
"""Calls that a program's tests may make beyond the reference's. Answers that keep tests asking use hardly any time of
anyone's own, and a clock for the relay would depend on load.
"""
_PLAIN_RULE: Rule = "tokens"
"""For outputs of tasks whose board has no rule."""
_IMPORT_WITHIN = re.compile(r"^(?:[ \t]|.*[:;]).*\bimport", re.MULTILINE)
"""A line that may import something when a function is called."""
_OF_A_CALL = frozenset({"timeout", "memory", "crashed"})
"""Ends of a program that another call need not come to."""
_MOST_TIMEOUTS = 3
"""Inputs on which a script runs out of time, after which it is not tried on more."""


class Graded(NamedTuple):
    """A verdict, the processor time that its limit is about, and whether load may have decided it."""

    verdict: Verdict
    cpu_s: float = 0.0
    near: bool = False


class Pace(NamedTuple):
    """Processor time for expressions where none was set: of a program's start, and of all its calls.

    Where the program's functions may import something on their first call, that call is a part of its start.
    """

    start_s: float
    calls_s: float


class Evaluated(NamedTuple):
    """Outcomes of expressions for one program, its processor time, and the place of a call that it died in."""

    outcomes: list[Outcome]
    cpu_s: float
    fatal: int | None = None

    @property
    def timed_out(self) -> bool:
        """Whether the program reached its time limit."""
        return self.answered < len(self.outcomes)

    @property
    def answered(self) -> int:
        """Expressions before the first that it reached its time limit in."""
        return next((place for place, one in enumerate(self.outcomes) if one.error == "timeout"), len(self.outcomes))


class Lane:
    """Grades one program at a time. Starts its boxes on first use, and again if one is lost."""

    def __init__(self, launcher: Launcher, limits: Limits, foresight: Foresight) -> None:
        self._launcher = launcher
        self._limits = limits
        self._boxes: tuple[Box, Box] | None = None
        self._trials = Trials(self._ready, foresight)
        self._starter: ThreadPoolExecutor | None = None
        self._runs_scripts = False

    def look_again(self, task: Task, check: ReferenceCheck, program: str) -> Graded:
        """Grade a program that came near its time limit again while nothing else runs, and say what it took."""
        graded = self.grade(task, check, program)
        limit_s = known(self._limits_for(task, check.cpu_s).cpu_s)
        took = f"near its limit, run again alone: {graded.cpu_s:.2f} of {limit_s:g} s of processor time"
        return graded._replace(verdict=graded.verdict.model_copy(update={"second_look": took}))

    def grade(self, task: Task, check: ReferenceCheck, program: str) -> Graded:
        """Grade `program`.

        A worker that dies is the candidate's fault only if a good control passes and the candidate alone kills a fresh
        worker again; otherwise the verdict is `sandbox_error`.
        """
        try:
            return self._grade(task, check, program)
        except SandboxError as first:
            try:
                self.restart()
            except SandboxError as second:
                return _failed("sandbox_error", check, f"{first}; then {second}")
        try:
            return self._grade(task, check, program)
        except BoxLostError as error:
            self.close()
            return _failed("crashed", check, f"took its worker down twice: {error}")
        except SandboxError as error:
            self.close()
            return _failed("sandbox_error", check, str(error))

    def check(self, task: Task) -> ReferenceCheck:
        """Run the task's reference solution, `split` if its values can cross, else `shared`.

        Raises:
            SandboxError: a box failed, and a fresh one too.
        """
        try:
            return self._check(task)
        except SandboxError:
            self.restart()
        try:
            return self._check(task)
        except SandboxError:
            self.close()
            raise

    def controls_hold(self) -> bool:
        """Whether a known good and a known bad program are still judged as such."""
        try:
            return self._judge_controls() is None
        except SandboxError:
            return False

    def restart(self) -> None:
        """Take fresh boxes that judge their controls rightly.

        Raises:
            SandboxError: there are none.
        """
        self.close()
        self._boxes = self._start()

    def _check(self, task: Task) -> ReferenceCheck:
        if isinstance(task.tests, IoTests):
            return self._check_cases(task, task.tests)
        if task.reference is None or task.tests is None:
            missing = "reference solution" if task.reference is None else "hidden tests"
            return ReferenceCheck(task_id=task.id, ok=False, detail=f"the task has no {missing}")
        limits = self._limits_of(_REFERENCE_CPU_S)
        suite = hidden_tests(task, return_arguments=True)
        run = self._trials.run("tests", suite, task.reference, limits, most_calls=None)
        problem = "" if run.status == "passed" else f"{run.status}: {run.detail}"
        ok, integrity = not problem, "split"
        if run.status in ("wrong", "crashed") and run.detail != NEVER_CALLED:
            shared = self._trials.run_shared(task, task.reference, limits)
            if shared.status == "passed":
                # The problem stays: it says why the task cannot be split.
                run, integrity, ok = shared, "shared", True
        if ok and not run.reached:
            ok, problem = False, "no test was run"
        if not ok:
            problem = _with_remedy(task.tests, problem)
        return ReferenceCheck(
            task_id=task.id,
            ok=ok,
            integrity="shared" if integrity == "shared" else "split",
            mutates_arguments=run.arguments_changed,
            sites=run.reached,
            calls=run.calls,
            cpu_s=run.cost.cpu_s,
            wall_s=run.cost.wall_s,
            detail=one_line(problem),
        )

    def _check_cases(self, task: Task, tests: IoTests) -> ReferenceCheck:
        """Run the reference on every case; without one, a board's own time limit will do, and nothing is verified."""
        found = ReferenceCheck(task_id=task.id, ok=False, sites=tuple(range(len(tests.cases))), calls=len(tests.cases))
        limits = self._limits.for_tests(tests)
        problem = problem_of_cases(task, tests)
        if not problem and task.reference is None and limits.cpu_s is None and limits.wall_s is None:
            problem = "the task has no reference solution, and no time limit of its own"
        if problem:
            return found.model_copy(update={"detail": one_line(problem)})
        if task.reference is None:
            limit_s = limits.resolve(0.0).cpu_s
            said = f"no reference solution has verified its cases; the limit is {limit_s:g} s for each"
            return found.model_copy(update={"ok": True, "detail": said})
        if limits.cpu_s is None and limits.wall_s is None:
            limits = limits.model_copy(update={"cpu_s": _REFERENCE_CPU_S})
        run = self._run_cases(task, tests, task.reference, limits.resolve(0.0))
        problem = "" if run.status == "passed" else f"{run.status}: {run.detail}"
        return found.model_copy(
            update={
                "ok": not problem,
                "cpu_s": run.slowest_cpu_s,
                "wall_s": run.slowest_wall_s,
                "detail": one_line(problem),
            }
        )

    def evaluate(self, task: PublicTask, program: str, asked: Sequence[str | IoCase], pace: Pace) -> Evaluated:
        """Evaluate each expression with the entry point bound to `program`.

        Of a script inputs are asked for, each with the start's time to itself, or cases, to tell whether its output is
        right. Once the program of a function is dead, the remaining expressions share its error.

        Raises:
            SandboxError: a box failed, and not because of the program.
        """
        try:
            return self._evaluate(task, program, asked, pace)
        except SandboxError:
            self.restart()
        try:
            return self._evaluate(task, program, asked, pace)
        except BoxLostError:
            self.close()
            return Evaluated([_outcome_of("crashed", one) for one in asked], 0.0)
        except SandboxError:
            self.close()
            raise

    def _evaluate(self, task: PublicTask, program: str, asked: Sequence[str | IoCase], pace: Pace) -> Evaluated:
        limits = self._limits_of(pace.start_s)
        if task.is_script:
            return self._run_on_inputs(Script(program, task.preamble), asked, task.rule or _PLAIN_RULE, limits)
        expressions = [one for one in asked if isinstance(one, str)]
        suite = expression_tests(task, expressions)
        later = None
        if self._limits.cpu_s is None and self._limits.wall_s is None:
            of_calls = self._limits_of(pace.calls_s)
            start = 2 if _IMPORT_WITHIN.search(program) else 1
            later = Later(start, known(of_calls.cpu_s), known(of_calls.wall_s))
        most_calls = _most_calls(len(expressions))
        run = self._trials.run("expressions", suite, program, limits, most_calls=most_calls, later=later)
        outcomes = [Outcome(value=value, error=error) for value, error in run.outcomes]
        fatal = len(outcomes) if run.candidate_ended and run.status in _OF_A_CALL else None
        if run.status == "timeout" and run.cost.cpu_s < pace.calls_s:
            # It waits for what never comes, and each time would take seconds.
            fatal = None
        outcomes += [Outcome(error=run.status)] * (len(expressions) - len(outcomes))
        # The program's whole time is counted to the first.
        outcomes[0] = outcomes[0].model_copy(update={"wall_s": run.cost.wall_s})
        return Evaluated(outcomes, run.cost.cpu_s, fatal)

    def _run_on_inputs(self, script: Script, asked: Sequence[str | IoCase], rule: Rule, limits: Limits) -> Evaluated:
        """Run a script once on each distinct input, and compare its output with each one that is said to be right."""
        _, box = self._ready()
        places: dict[str, list[int]] = {}
        for place, one in enumerate(asked):
            places.setdefault(one if isinstance(one, str) else one.input, []).append(place)
        outcomes = [Outcome()] * len(asked)
        slowest_cpu_s, timeouts = 0.0, 0
        for text, mine in places.items():
            output, wall_s = "", 0.0
            if timeouts == _MOST_TIMEOUTS:
                status = "timeout"
            else:
                try:
                    ended = run_script(box, script, text, limits)
                    status, output, wall_s = ended.status, ended.output, ended.cost.wall_s
                    slowest_cpu_s = max(slowest_cpu_s, ended.cost.cpu_s)
                    timeouts += status == "timeout"
                except RequestTooLongError:
                    status = "invalid"
            for place in mine:
                outcome = _outcome_of(status, asked[place], output, rule)
                # A run counts once.
                outcomes[place] = outcome.model_copy(update={"wall_s": wall_s if place == mine[0] else 0.0})
        return Evaluated(outcomes, slowest_cpu_s)

    def _limits_of(self, cpu_s: float) -> Limits:
        """Return the limits when there is no reference to derive times from."""
        limits = self._limits
        if limits.cpu_s is None and limits.wall_s is None:
            limits = limits.model_copy(update={"cpu_s": cpu_s})
        return limits.resolve(0.0)

    def close(self) -> None:
        """End both boxes."""
        boxes, self._boxes = self._boxes, None
        self._trials.forget()
        for box in boxes or ():
            box.close()
        if self._starter is not None:
            self._starter.shutdown()
            self._starter = None

    def _ready(self) -> tuple[Box, Box]:
        if self._boxes is None:
            self._boxes = self._start()
        return self._boxes

    def _start(self) -> tuple[Box, Box]:
        # A box may be bound to the thread that started it, so that thread lives as long as the box.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="codebudget-starter")
        starting = self._starter.submit(self._launcher.launch)
        try:
            candidate = self._launcher.launch()
        except BaseException:
            if starting.exception() is None:
                starting.result().close()
            raise
        try:
            tester = starting.result()
        except BaseException:
            candidate.close()
            raise
        self._boxes = tester, candidate
        try:
            problem = self._judge_controls()
        except SandboxError:
            self.close()
            raise
        if problem is not None:
            self.close()
            raise SandboxError(f"the sandbox misjudges its controls: {problem}")
        return tester, candidate

    def _judge_controls(self) -> str | None:
        controls = (FUNCTION_CONTROL, SCRIPT_CONTROL) if self._runs_scripts else (FUNCTION_CONTROL,)
        problems = (misjudged(control, lambda *asked: self._grade(*asked).verdict) for control in controls)
        return next((problem for problem in problems if problem is not None), None)

    def _limits_for(self, task: Task, reference_cpu_s: float) -> Limits:
        is_unittest = isinstance(task.tests, HiddenTests) and task.tests.style == "unittest"
        least_cpu_s = UNITTEST_LEAST_CPU_S if is_unittest else LEAST_CPU_S
        return self._limits.for_tests(task.tests).resolve(reference_cpu_s, least_cpu_s)

    def _grade(self, task: Task, check: ReferenceCheck, program: str) -> Graded:
        limits = self._limits_for(task, check.cpu_s)
        if isinstance(task.tests, IoTests):
            return self._grade_by_cases(task, task.tests, check, program)
        longest = stretched(limits)
        if check.integrity == "shared":
            run = self._trials.run_shared(task, program, longest)
        else:
            suite = hidden_tests(task, return_arguments=check.mutates_arguments)
            if task is FUNCTION_CONTROL.task:
                # They are to show that the tester works, and what was said before would show nothing.
                suite = suite._replace(steady=False)
            run = self._trials.run("tests", suite, program, longest, most_calls=_most_calls(check.calls))
        status, detail = run.status, run.detail
        late = "" if run.early else lateness(run.cost.cpu_s, run.cost.wall_s, limits)
        if late:
            status, detail = "timeout", late
        if status == "passed" and not (check.sites and set(check.sites) <= set(run.reached)):
            status, detail = "wrong", f"{len(run.reached)} of {len(check.sites)} tests were run"
        verdict = _verdict(status, check, detail, len(run.reached), run.cost)
        return Graded(verdict, run.cost.cpu_s, not run.early and is_near(run.cost.cpu_s, run.cost.wall_s, limits))

    def _grade_by_cases(self, task: Task, tests: IoTests, check: ReferenceCheck, program: str) -> Graded:
        limits = self._limits_for(task, check.cpu_s)
        run = self._run_cases(task, tests, program, limits)
        status, detail = run.status, run.detail
        if status == "passed" and not (check.sites and set(check.sites) <= run.held):
            status, detail = "wrong", f"{len(run.held)} of {len(check.sites)} cases hold"
        elif tests.every and status != "passed":
            detail = f"{len(run.held)} of {len(check.sites)} cases hold; {detail}"
        verdict = _verdict(status, check, detail, len(run.held), run.cost)
        return Graded(verdict, run.slowest_cpu_s, run.near)

    def _run_cases(self, task: Task, tests: IoTests, program: str, limits: Limits) -> CaseRuns:
        """Run a program on the cases in order, up to the first that fails unless all are wanted."""
        runs = CaseRuns(tests, limits, bounds_program=self._limits.cpu_s is None and self._limits.wall_s is None)
        if tests.style == "stdio":
            self._run_script_cases(runs, program)
        else:
            self._run_call_cases(runs, task.entry_point, program)
        return runs

    def _run_script_cases(self, runs: CaseRuns, program: str) -> None:
        self._runs_scripts = True
        _, box = self._ready()
        tests = runs.tests
        limits = stretched(runs.limits).model_copy(update={"output_bytes": output_limit(tests.cases, runs.limits)})
        script = Script(program, tests.preamble)
        is_right = OUTPUT_RULES[tests.rule]
        for place, case in enumerate(tests.cases):
            try:
                ended = run_script(box, script, case.input, limits)
            except RequestTooLongError as error:
                runs.fail(place, "invalid", f"the program is too long: {error}")
                return
            status, detail = ended.status, ended.detail
            if not status and not is_right(ended.output, case.output):
                status, detail = "wrong", "another output than the right one"
            runs.add(place, status, detail, ended.cost)
            if runs.over or status == "invalid":
                return

    def _run_call_cases(self, runs: CaseRuns, entry_point: str, program: str) -> None:
        limits = stretched(runs.limits)
        first = 0
        while first < len(runs.tests.cases):
            suite = call_tests(entry_point, runs.tests, first)
            run = self._trials.run("tests", suite, program, limits, most_calls=None)
            if run.loaded:
                first = runs.add_calls(first, suite.cases, run)
            else:
                runs.add(first, run.status, run.detail, run.cost)
            if runs.over or not run.loaded:
                return


def _with_remedy(tests: HiddenTests, problem: str) -> str:
    """Say what to do about a library that the boxes lack, in place of a reference's failure for lack of it."""
    found = _MISSING_LIBRARY.search(problem)
    if tests.style != "unittest" or found is None:
        return problem
    return (
        f"it needs {found[1]}, which this sandbox lacks: codebudget sandbox build --image {LIBRARIES} makes an image "
        f"with the board's libraries, and --sandbox docker-{LIBRARIES} grades in it"
    )


def _outcome_of(status: str, asked: str | IoCase, output: str = "", rule: Rule = _PLAIN_RULE) -> Outcome:
    """Describe how a script ended, and if a right output is known, whether it printed that."""
    value = None if status else output_value(output)
    if isinstance(asked, str):
        return Outcome(value=value, error=status or None)
    return Outcome(value=value, error=status or None, is_right=not status and OUTPUT_RULES[rule](output, asked.output))


def _most_calls(reference_calls: int) -> int:
    return _SPARE_CALLS + _CALLS_FACTOR * reference_calls


def _failed(status: str, check: ReferenceCheck, detail: str) -> Graded:
    return Graded(_verdict(status, check, detail, 0, NOTHING_USED))


def _verdict(status: str, check: ReferenceCheck, detail: str, held: int, cost: Done) -> Verdict:
    return Verdict(
        status=cast("Status", status),
        integrity=check.integrity,
        tests_run=held,
        tests_expected=len(check.sites),
        cpu_s=cost.cpu_s,
        wall_s=cost.wall_s,
        peak_bytes=cost.peak_bytes,
        detail=one_line(detail),
    )
