"""Programs against tests in Python: split between two boxes that talk, or shared in one process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from .box import Done, RequestTooLongError
from .fixed_calls import Foreseen
from .guest import tester as testing
from .guest import wire
from .program import Program, read_claim
from .run import Run
from .testcode import hidden_tests
from .timing import known

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..records import Limits, Task
    from .box import Box, Later
    from .fixed_calls import Foresight
    from .testcode import SuiteSource

NEVER_CALLED = "the tests never called the candidate"
NOTHING_USED = Done("", "", 0.0, 0.0, 0)
_REPORTS_KEPT, _REPORTS_OF_VALUES_KEPT = 4096, 256
_PROGRAMS_PER_TESTER = 256
_BYTES_PER_TESTER = 4 << 20
"""After this many programs, or bytes of outcomes, a new process takes over the tests, so that none grows."""


class _Session(NamedTuple):
    """The tests that the tester's box holds a process for."""

    key: tuple[str, bool, Limits]
    programs: int
    outcome_bytes: int


class Trials:
    """Runs programs against their tests. A tester's process stays for programs with the same tests.

    `boxes` gives the tester's box and the candidate's, started; `foresight` knows calls that tests make.
    """

    def __init__(self, boxes: Callable[[], tuple[Box, Box]], foresight: Foresight) -> None:
        self._boxes = boxes
        self._foresight = foresight
        self._session: _Session | None = None
        self._reports: dict[bytes, dict[str, Any]] = {}

    def forget(self) -> None:
        """Forget the tester's process, whose box is gone, and all that it said: it may have been wrong."""
        self._session = None
        self._reports.clear()

    def run_shared(self, task: Task, program: str, limits: Limits) -> Run:
        """Run a program in one process with its tests, whose word is taken for what happened."""
        _, box = self._boxes()
        suite = hidden_tests(task, return_arguments=False)
        request = {"program": program, "tests": suite.message}
        try:
            box.run("shared", limits, [json.dumps(request).encode()])
        except RequestTooLongError as error:
            return _too_long(error)
        said = box.receive()
        if isinstance(said, Done):
            return Run(said.status, said.detail, said)
        cost = box.stop()
        if cost.status in ("tampered", "output"):
            return Run(cost.status, cost.detail, cost)
        claim = read_claim(said[0][1:], ("passed", "wrong", "crashed", "invalid", "memory"))
        return Run(claim.status, claim.detail, cost, claim.reached)

    def run(
        self,
        role: str,
        suite: SuiteSource,
        program: str,
        limits: Limits,
        *,
        most_calls: int | None,
        later: Later | None = None,
    ) -> Run:
        """Run a program and its tests, again if these make other calls than before, because of a clock, say.

        Calls that an answer may change are not foreseen, so no program can lead its tests astray for a second try.
        """
        foreseen = self._foresight.of(suite.key) if suite.fixed else Foreseen()
        while True:
            run = self._run_once(role, suite, program, limits, foreseen, most_calls, later)
            if run.status != testing.STRAYED:
                return run

    def _run_once(
        self,
        role: str,
        suite: SuiteSource,
        program: str,
        limits: Limits,
        foreseen: Foreseen,
        most_calls: int | None,
        later: Later | None,
    ) -> Run:
        tester, box = self._boxes()
        forecast = foreseen.forecast()
        try:
            candidate = Program(box, program, suite, limits, forecast.calls, ends=forecast.complete, later=later)
        except RequestTooLongError as error:
            return _too_long(error)
        outcomes = candidate.load()
        if candidate.ended is not None and not candidate.loaded:
            return Run(candidate.ended.status, candidate.ended.detail, candidate.ended, loaded=False)
        if role == "expressions":
            # All are wanted, whatever the answers.
            while candidate.ended is None and len(outcomes) < len(forecast.calls):
                outcomes += candidate.outcomes()
        answers = b""
        if suite.steady and forecast.complete and len(outcomes) == len(forecast.calls):
            # The tests would see nothing else: what they said of another program with these answers holds.
            named = [suite.key.encode(), bytes([suite.return_arguments]), forecast.digests]
            answers = wire.digest(wire.pack([*named, *outcomes]))
            known_report = self._reports.get(answers)
            if known_report is not None:
                return self._outcome(known_report, candidate, foreseen, len(forecast.calls))
        self._start_tests(tester, role, suite, limits, wire.START + wire.pack([forecast.digests, *outcomes]))
        outcome_bytes = sum(map(len, outcomes))
        calls = len(forecast.calls)
        while True:
            said = tester.receive()
            if isinstance(said, Done):
                self._session = None
                return Run(said.status, f"in the tests: {said.detail}", box.stop())
            (message,) = said
            if message[:1] == wire.REPORT:
                break
            if message[:1] == wire.MORE:
                outcomes = candidate.outcomes()
            elif calls == most_calls:
                self._session = None
                tester.stop()
                return Run("timeout", f"kept the tests calling, over {calls} times", candidate.stop())
            else:
                foreseen.learn(calls, message[1:])
                calls += 1
                outcomes = candidate.call(message[1:])
            outcome_bytes += sum(map(len, outcomes))
            tester.send([wire.OUTCOMES + wire.pack(outcomes)])
        report = json.loads(message[1:])
        self._end_tests(tester, outcome_bytes, clean=report["clean"])
        if answers and report["clean"] and report["status"] in ("passed", "wrong"):
            self._reports[answers] = report
            if len(self._reports) > (_REPORTS_KEPT if report["outcomes"] is None else _REPORTS_OF_VALUES_KEPT):
                del self._reports[next(iter(self._reports))]
        return self._outcome(report, candidate, foreseen, len(forecast.calls))

    def _outcome(self, report: dict[str, Any], candidate: Program, foreseen: Foreseen, handed: int) -> Run:
        """Interpret a report together with how the candidate's run ended."""
        cost = candidate.stop()
        status, detail, calls = report["status"], report["detail"], report["calls"]
        candidate_ended = status == testing.ENDED
        if candidate_ended:
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
                status, detail = "wrong", NEVER_CALLED
        outcomes = tuple((value, error) for value, error in report["outcomes"] or ())
        failure = report["first_failure"]
        return Run(
            status,
            detail,
            cost,
            tuple(report["reached"]),
            calls,
            report["arguments_changed"],
            outcomes,
            candidate_ended=candidate_ended,
            early=status in ("wrong", "crashed") and not candidate_ended and calls < handed,
            first_failure=failure and tuple(failure),
        )

    def _start_tests(self, tester: Box, role: str, suite: SuiteSource, limits: Limits, start: bytes) -> None:
        """Have the tester's process test a program; one that tests by the same tests goes on."""
        key = (suite.key, suite.return_arguments, limits)
        if self._session is not None and self._session.key == key:
            tester.send([start], fresh=True)
            return
        if self._session is not None:
            tester.stop()
        self._session = None
        # The tests of many cases may take as long as the cases themselves.
        extended = limits.model_copy(update={"cpu_s": known(limits.cpu_s) * max(suite.cases, 1)})
        tester.run(role, extended, [start], tests=suite.message)
        self._session = _Session(key, 0, 0)

    def _end_tests(self, tester: Box, outcome_bytes: int, *, clean: bool) -> None:
        if self._session is None:
            return
        key, programs, before = self._session
        self._session = _Session(key, programs + 1, before + outcome_bytes)
        if not clean or programs + 1 >= _PROGRAMS_PER_TESTER or before + outcome_bytes >= _BYTES_PER_TESTER:
            tester.stop()
            self._session = None


def _too_long(error: RequestTooLongError) -> Run:
    return Run("invalid", f"the program is too long: {error}", NOTHING_USED)
