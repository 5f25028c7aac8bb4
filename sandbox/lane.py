"""One pair of boxes, a tester's and a candidate's, and the grading of one program at a time between them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .._util.printable import one_line
from ..errors import SandboxError
from ..records import HiddenTests, Limits, Outcome, PublicTask, ReferenceCheck, Status, Task, Verdict
from .box import Box, Done, Launcher, RequestTooLongError
from .fixed_calls import Foreseen
from .guest import tester as testing
from .guest import wire
from .program import Program, read_claim
from .stream import BoxLostError
from .testcode import SuiteSource, expression_tests, hidden_tests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .fixed_calls import Foresight

_CONTROL = Task(
    id="control",
    benchmark="control",
    prompt="def control(values):\n",
    entry_point="control",
    tests=HiddenTests(style="asserts", code="assert control([3, 1, 2]) == [1, 2, 3]\nassert control([]) == []\n"),
)
_CONTROL_CHECK = ReferenceCheck(task_id="control", ok=True, sites=(0, 1), calls=2)
_NEVER_CALLED = "the tests never called the candidate"
_REFERENCE_CPU_S = 20.0
"""Processor time of a reference solution when limits are to follow from it."""
_SPARE_CALLS, _CALLS_FACTOR = 1000, 10
"""Calls that a program's tests may make beyond the reference's. Answers that keep tests asking use hardly any time of
anyone's own, and a clock for the relay would depend on load.
"""
_NEAR_SHARE, _STRETCH, _MOST_STRETCH_S = 0.8, 0.2, 1.0
"""Shares of a time limit: where a program counts as near it, and how far over it one may run to show that; and the
most seconds of the latter.
"""
_PROGRAMS_PER_TESTER = 256
_BYTES_PER_TESTER = 4 << 20
"""After this many programs, or bytes of outcomes, a new process takes over the tests, so that none grows."""
_NOTHING_USED = Done("", "", 0.0, 0.0, 0)
_GOOD_PROGRAM = "def control(values):\n    return sorted(values)\n"
_BAD_PROGRAM = "def control(values):\n    return values\n"


class _Run(NamedTuple):
    """The outcome of a program's tests."""

    status: str
    detail: str
    cost: Done
    reached: tuple[int, ...] = ()
    calls: int = 0
    arguments_changed: bool = False
    outcomes: tuple[tuple[str | None, str | None], ...] = ()


class Evaluated(NamedTuple):
    """Outcomes of expressions for one program, and its processor time."""

    outcomes: list[Outcome]
    cpu_s: float

    @property
    def timed_out(self) -> bool:
        """Whether the program reached its time limit."""
        return any(outcome.error == "timeout" for outcome in self.outcomes)


class _Session(NamedTuple):
    """The tests that the tester's box holds a process for."""

    key: tuple[str, bool, Limits]
    programs: int
    outcome_bytes: int


class Lane:
    """Grades one program at a time. Starts its boxes on first use, and again if one is lost."""

    def __init__(self, launcher: Launcher, limits: Limits, foresight: Foresight) -> None:
        self._launcher = launcher
        self._limits = limits
        self._foresight = foresight
        self._boxes: tuple[Box, Box] | None = None
        self._session: _Session | None = None
        self._starter: ThreadPoolExecutor | None = None

    def look_again(self, task: Task, check: ReferenceCheck, program: str) -> Verdict:
        """Grade a program that came near its time limit again while nothing else runs, and say what it took."""
        verdict = self.grade(task, check, program)
        limit_s = _known(self._limits.resolve(check.cpu_s).cpu_s)
        took = f"near its limit, run again alone: {verdict.cpu_s:.2f} of {limit_s:g} s of processor time"
        return verdict.model_copy(update={"second_look": took})

    def is_near_limit(self, check: ReferenceCheck, verdict: Verdict) -> bool:
        """Whether the machine's load may have decided a program's verdict.

        It ended within a fifth of its processor time limit, or it came near its wall-clock limit, and not by its
        own waiting.
        """
        if verdict.status == "sandbox_error":
            return False
        limits = self._limits.resolve(check.cpu_s)
        if verdict.cpu_s >= _known(_stretched(limits).cpu_s):
            return False
        is_slowed = verdict.wall_s >= _NEAR_SHARE * _known(limits.wall_s) and verdict.cpu_s >= verdict.wall_s / 10
        return is_slowed or verdict.cpu_s >= _NEAR_SHARE * _known(limits.cpu_s)

    def grade(self, task: Task, check: ReferenceCheck, program: str) -> Verdict:
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
                return _verdict("sandbox_error", check, f"{first}; then {second}")
        try:
            return self._grade(task, check, program)
        except BoxLostError as error:
            self.close()
            return _verdict("crashed", check, f"took its worker down twice: {error}")
        except SandboxError as error:
            self.close()
            return _verdict("sandbox_error", check, str(error))

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
        if task.reference is None or task.tests is None:
            missing = "reference solution" if task.reference is None else "hidden tests"
            return ReferenceCheck(task_id=task.id, ok=False, detail=f"the task has no {missing}")
        limits = self._limits_of(_REFERENCE_CPU_S)
        suite = hidden_tests(task, return_arguments=True)
        run = self._converse("tests", suite, task.reference, limits, most_calls=None)
        problem = "" if run.status == "passed" else f"{run.status}: {run.detail}"
        ok, integrity = not problem, "split"
        if run.status in ("wrong", "crashed") and run.detail != _NEVER_CALLED:
            shared = self._run_shared(task, task.reference, limits)
            if shared.status == "passed":
                # The problem stays: it says why the task cannot be split.
                run, integrity, ok = shared, "shared", True
        if ok and not run.reached:
            ok, problem = False, "no test was run"
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

    def evaluate(self, task: PublicTask, program: str, expressions: Sequence[str], cpu_s: float) -> Evaluated:
        """Evaluate each expression with the entry point bound to `program`, which gets `cpu_s` of processor time.

        Once the program is dead, the remaining expressions share its error.

        Raises:
            SandboxError: a box failed, and not because of the program.
        """
        try:
            return self._evaluate(task, program, expressions, cpu_s)
        except SandboxError:
            self.restart()
        try:
            return self._evaluate(task, program, expressions, cpu_s)
        except BoxLostError:
            self.close()
            return Evaluated([Outcome(error="crashed")] * len(expressions), 0.0)
        except SandboxError:
            self.close()
            raise

    def _evaluate(self, task: PublicTask, program: str, expressions: Sequence[str], cpu_s: float) -> Evaluated:
        limits = self._limits_of(cpu_s)
        suite = expression_tests(task, expressions)
        run = self._converse("expressions", suite, program, limits, most_calls=_most_calls(len(expressions)))
        outcomes = [Outcome(value=value, error=error) for value, error in run.outcomes]
        outcomes += [Outcome(error=run.status)] * (len(expressions) - len(outcomes))
        # The program's whole time is counted to the first.
        outcomes[0] = outcomes[0].model_copy(update={"wall_s": run.cost.wall_s})
        return Evaluated(outcomes, run.cost.cpu_s)

    def _limits_of(self, cpu_s: float) -> Limits:
        """Return the limits when there is no reference to derive times from."""
        limits = self._limits
        if limits.cpu_s is None and limits.wall_s is None:
            limits = limits.model_copy(update={"cpu_s": cpu_s})
        return limits.resolve(0.0)

    def close(self) -> None:
        """End both boxes."""
        boxes, self._boxes, self._session = self._boxes, None, None
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
        good = self._grade(_CONTROL, _CONTROL_CHECK, _GOOD_PROGRAM)
        bad = self._grade(_CONTROL, _CONTROL_CHECK, _BAD_PROGRAM)
        if (good.status, bad.status) == ("passed", "wrong"):
            return None
        return f"{good.status} {good.detail}; {bad.status}"

    def _grade(self, task: Task, check: ReferenceCheck, program: str) -> Verdict:
        limits = self._limits.resolve(check.cpu_s)
        stretched = _stretched(limits)
        if check.integrity == "shared":
            run = self._run_shared(task, program, stretched)
        else:
            suite = hidden_tests(task, return_arguments=check.mutates_arguments)
            run = self._converse("tests", suite, program, stretched, most_calls=_most_calls(check.calls))
        status, detail = run.status, run.detail
        if run.cost.wall_s > _known(limits.wall_s):
            status, detail = "timeout", f"over {limits.wall_s:g} s"
        elif run.cost.cpu_s > _known(limits.cpu_s):
            status, detail = "timeout", f"over {limits.cpu_s:g} s of processor time"
        if status == "passed" and not (check.sites and set(check.sites) <= set(run.reached)):
            status, detail = "wrong", f"{len(run.reached)} of {len(check.sites)} tests were run"
        return _verdict(status, check, detail, run)

    def _run_shared(self, task: Task, program: str, limits: Limits) -> _Run:
        _, box = self._ready()
        suite = hidden_tests(task, return_arguments=False)
        request = {"program": program, "tests": suite.message}
        try:
            box.run("shared", limits, [json.dumps(request).encode()])
        except RequestTooLongError as error:
            return _too_long(error)
        said = box.receive()
        if isinstance(said, Done):
            return _Run(said.status, said.detail, said)
        cost = box.stop()
        claim = read_claim(said[0][1:], ("passed", "wrong", "crashed", "invalid", "memory"))
        return _Run(claim.status, claim.detail, cost, claim.reached)

    def _converse(self, role: str, suite: SuiteSource, program: str, limits: Limits, *, most_calls: int | None) -> _Run:
        """Run a program and its tests, again if these make other calls than before, because of a clock, say.

        Calls that an answer may change are not foreseen, so no program can lead its tests astray for a second try.
        """
        foreseen = self._foresight.of(suite.key) if suite.fixed else Foreseen()
        while True:
            run = self._converse_once(role, suite, program, limits, foreseen, most_calls)
            if run.status != testing.STRAYED:
                return run

    def _converse_once(
        self,
        role: str,
        suite: SuiteSource,
        program: str,
        limits: Limits,
        foreseen: Foreseen,
        most_calls: int | None,
    ) -> _Run:
        tester, box = self._ready()
        forecast = foreseen.forecast()
        try:
            candidate = Program(box, program, suite, limits, forecast.calls, ends=forecast.complete)
        except RequestTooLongError as error:
            return _too_long(error)
        outcomes = candidate.load()
        if candidate.ended is not None and not candidate.loaded:
            return _Run(candidate.ended.status, candidate.ended.detail, candidate.ended)
        self._start_tests(tester, role, suite, limits, wire.START + wire.pack([forecast.digests, *outcomes]))
        outcome_bytes = sum(map(len, outcomes))
        calls = len(forecast.calls)
        while True:
            said = tester.receive()
            if isinstance(said, Done):
                self._session = None
                return _Run(said.status, f"in the tests: {said.detail}", box.stop())
            (message,) = said
            if message[:1] == wire.REPORT:
                break
            if message[:1] == wire.MORE:
                outcomes = candidate.outcomes()
            elif calls == most_calls:
                self._session = None
                tester.stop()
                return _Run("timeout", f"kept the tests calling, over {calls} times", candidate.stop())
            else:
                foreseen.learn(calls, message[1:])
                calls += 1
                outcomes = candidate.call(message[1:])
            outcome_bytes += sum(map(len, outcomes))
            tester.send([wire.OUTCOMES + wire.pack(outcomes)])
        report = json.loads(message[1:])
        self._end_tests(tester, outcome_bytes, clean=report["clean"])
        return self._outcome(report, candidate, foreseen)

    def _outcome(self, report: dict[str, Any], candidate: Program, foreseen: Foreseen) -> _Run:
        """Interpret a report together with how the candidate's run ended."""
        cost = candidate.stop()
        status, detail, calls = report["status"], report["detail"], report["calls"]
        if status == testing.ENDED:
            status, detail = cost.status, cost.detail
            if not status:
                # Its run was ended after the last foreseen call, and there was one more.
                status = testing.STRAYED
        if status == testing.STRAYED:
            foreseen.stray(calls)
        elif status == "passed":
            foreseen.end(calls)
            if cost.status in ("tampered", "output"):
                status, detail = cost.status, cost.detail
            elif calls == 0 and report["outcomes"] is None:
                status, detail = "wrong", _NEVER_CALLED
        outcomes = tuple((value, error) for value, error in report["outcomes"] or ())
        return _Run(status, detail, cost, tuple(report["reached"]), calls, report["arguments_changed"], outcomes)

    def _start_tests(self, tester: Box, role: str, suite: SuiteSource, limits: Limits, start: bytes) -> None:
        """Have the tester's process test a program; one that tests by the same tests goes on."""
        key = (suite.key, suite.return_arguments, limits)
        if self._session is not None and self._session.key == key:
            tester.send([start], fresh=True)
            return
        if self._session is not None:
            tester.stop()
        self._session = None
        tester.run(role, limits, [start], tests=suite.message)
        self._session = _Session(key, 0, 0)

    def _end_tests(self, tester: Box, outcome_bytes: int, *, clean: bool) -> None:
        if self._session is None:
            return
        key, programs, before = self._session
        self._session = _Session(key, programs + 1, before + outcome_bytes)
        if not clean or programs + 1 >= _PROGRAMS_PER_TESTER or before + outcome_bytes >= _BYTES_PER_TESTER:
            tester.stop()
            self._session = None


def _stretched(limits: Limits) -> Limits:
    """Stretch limits a little, so that a program near them finishes and its time is known."""
    cpu_s, wall_s = _known(limits.cpu_s), _known(limits.wall_s)
    return limits.model_copy(
        update={
            "cpu_s": cpu_s + min(_STRETCH * cpu_s, _MOST_STRETCH_S),
            "wall_s": wall_s + min(_STRETCH * wall_s, _MOST_STRETCH_S),
        }
    )


def _known(limit_s: float | None) -> float:
    """Return a time of resolved limits."""
    return limit_s or 0.0


def _most_calls(reference_calls: int) -> int:
    return _SPARE_CALLS + _CALLS_FACTOR * reference_calls


def _too_long(error: RequestTooLongError) -> _Run:
    return _Run("invalid", f"the program is too long: {error}", _NOTHING_USED)


def _verdict(status: str, check: ReferenceCheck, detail: str, run: _Run | None = None) -> Verdict:
    return Verdict(
        status=cast("Status", status),
        integrity=check.integrity,
        tests_run=len(run.reached) if run else 0,
        tests_expected=len(check.sites),
        cpu_s=run.cost.cpu_s if run else 0.0,
        wall_s=run.cost.wall_s if run else 0.0,
        peak_bytes=run.cost.peak_bytes if run else 0,
        detail=one_line(detail),
    )
