"""One pair of boxes, a tester's and a candidate's, and the grading of one program at a time between them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..errors import SandboxError
from ..records import HiddenTests, Limits, Outcome, PublicTask, ReferenceCheck, Status, Task, Verdict
from .box import Box, Done, Launcher, Message, RequestTooLongError
from .guest import wire
from .printable import one_line
from .stream import BoxLostError

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONTROL = Task(
    id="control",
    benchmark="control",
    prompt="def control(values):\n",
    entry_point="control",
    tests=HiddenTests(style="asserts", code="assert control([3, 1, 2]) == [1, 2, 3]\nassert control([]) == []\n"),
)
_CONTROL_CHECK = ReferenceCheck(task_id="control", ok=True, sites=(0, 1))
_NEVER_CALLED = "the tests never called the candidate"
_MAX_CLAIM_BYTES = 1 << 16
_GOOD_PROGRAM = "def control(values):\n    return sorted(values)\n"
_BAD_PROGRAM = "def control(values):\n    return values\n"


class _Run(NamedTuple):
    """How one program fared against tests."""

    status: str
    detail: str
    reached: tuple[int, ...]
    arguments_changed: bool
    cost: Done


class Lane:
    """Grades one program at a time. Starts its boxes when first used, and anew when one is lost."""

    def __init__(self, launcher: Launcher, limits: Limits) -> None:
        self._launcher = launcher
        self._limits = limits
        self._boxes: tuple[Box, Box] | None = None

    def grade(self, task: Task, check: ReferenceCheck, program: str) -> Verdict:
        """The verdict on `program`.

        A worker that dies is the candidate's fault only if a good control passes and the candidate alone kills a fresh
        worker again; otherwise the verdict is `sandbox_error`.
        """
        try:
            return self._grade(task, check, program)
        except SandboxError as first:
            try:
                self._restart()
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
            self._restart()
        try:
            return self._check(task)
        except SandboxError:
            self.close()
            raise

    def _check(self, task: Task) -> ReferenceCheck:
        if task.reference is None or task.tests is None:
            missing = "reference solution" if task.reference is None else "hidden tests"
            return ReferenceCheck(task_id=task.id, ok=False, detail=f"the task has no {missing}")
        run = self._run_split(task, task.reference, return_arguments=True)
        integrity = "split"
        if run.status in ("wrong", "crashed") and run.detail != _NEVER_CALLED:
            shared = self._run_shared(task, task.reference)
            if shared.status == "passed":
                run, integrity = shared, "shared"
        problem = "" if run.status == "passed" else f"{run.status}: {run.detail}"
        if not problem and not run.reached:
            problem = "no test was run"
        return ReferenceCheck(
            task_id=task.id,
            ok=not problem,
            integrity="shared" if integrity == "shared" else "split",
            mutates_arguments=run.arguments_changed,
            sites=run.reached,
            cpu_s=run.cost.cpu_s,
            wall_s=run.cost.wall_s,
            detail=one_line(problem),
        )

    def evaluate(self, task: PublicTask, program: str, expressions: Sequence[str]) -> list[Outcome]:
        """What each expression gives with the entry point bound to `program`.

        Once the program is dead the rest of the expressions share its error.

        Raises:
            SandboxError: a box failed, and not for the program's sake.
        """
        try:
            return self._evaluate(task, program, expressions)
        except SandboxError:
            self._restart()
        try:
            return self._evaluate(task, program, expressions)
        except BoxLostError:
            self.close()
            return [Outcome(error="crashed")] * len(expressions)
        except SandboxError:
            self.close()
            raise

    def _evaluate(self, task: PublicTask, program: str, expressions: Sequence[str]) -> list[Outcome]:
        tester, candidate = self._ready()
        since = time.monotonic()
        loaded = self._load(candidate, task, program, return_arguments=False)
        if isinstance(loaded, _Run):
            return _all_failed(loaded.status, len(expressions), time.monotonic() - since)
        tester.run(
            "expressions",
            self._limits,
            prompt=task.prompt,
            entry_point=task.entry_point,
            expressions=list(expressions),
        )
        outcomes: list[Outcome] = []
        error = ""
        while len(outcomes) < len(expressions) and not error:
            said = tester.receive()
            if isinstance(said, Message) and said.kind == wire.REPORT:
                now = time.monotonic()
                outcomes.append(Outcome(**json.loads(said.body), wall_s=now - since))
                since = now
                tester.send(b"")
            elif isinstance(said, Message):
                error = self._forward(said, candidate, tester)[0]
            else:
                error = said.status
        candidate.stop()
        tester.stop()
        return outcomes + _all_failed(error, len(expressions) - len(outcomes), time.monotonic() - since)

    def close(self) -> None:
        """End both boxes."""
        boxes, self._boxes = self._boxes, None
        for box in boxes or ():
            box.close()

    def _restart(self) -> None:
        """Take fresh boxes that judge their controls rightly; raises SandboxError where there are none."""
        self.close()
        self._boxes = self._start()

    def _ready(self) -> tuple[Box, Box]:
        if self._boxes is None:
            self._boxes = self._start()
        return self._boxes

    def _start(self) -> tuple[Box, Box]:
        tester = self._launcher.launch()
        try:
            candidate = self._launcher.launch()
        except BaseException:
            tester.close()
            raise
        self._boxes = tester, candidate
        try:
            good = self._grade(_CONTROL, _CONTROL_CHECK, _GOOD_PROGRAM)
            bad = self._grade(_CONTROL, _CONTROL_CHECK, _BAD_PROGRAM)
        except SandboxError:
            self.close()
            raise
        if (good.status, bad.status) != ("passed", "wrong"):
            self.close()
            raise SandboxError(f"the sandbox misjudges its controls: {good.status} {good.detail}; {bad.status}")
        return tester, candidate

    def _grade(self, task: Task, check: ReferenceCheck, program: str) -> Verdict:
        if check.integrity == "shared":
            run = self._run_shared(task, program)
        else:
            run = self._run_split(task, program, return_arguments=check.mutates_arguments)
        status, detail = run.status, run.detail
        if status == "passed" and not (check.sites and set(check.sites) <= set(run.reached)):
            status, detail = "wrong", f"{len(run.reached)} of {len(check.sites)} tests were run"
        return _verdict(status, check, detail, run)

    def _run_split(self, task: Task, program: str, *, return_arguments: bool) -> _Run:
        tester, candidate = self._ready()
        loaded = self._load(candidate, task, program, return_arguments=return_arguments)
        if isinstance(loaded, _Run):
            return loaded
        tester.run("tests", self._limits, tests=_tests(task), return_arguments=return_arguments)
        while True:
            said = tester.receive()
            if isinstance(said, Done):
                return _Run(said.status, f"in the tests: {said.detail}", (), False, candidate.stop())
            if said.kind == wire.REPORT:
                report = json.loads(said.body)
                tester.stop()
                break
            status, ended = self._forward(said, candidate, tester)
            if ended is not None:
                tester.stop()
                return _Run(status, ended.detail, (), False, ended)
        cost = candidate.stop()
        status, detail = report["status"], report["detail"]
        if status == "passed" and cost.status in ("tampered", "output"):
            status, detail = cost.status, cost.detail
        if status == "passed" and report["calls"] == 0:
            status, detail = "wrong", _NEVER_CALLED
        return _Run(status, detail, tuple(report["reached"]), report["arguments_changed"], cost)

    def _run_shared(self, task: Task, program: str) -> _Run:
        _, box = self._ready()
        try:
            box.run(
                "shared",
                self._limits,
                program=program,
                shared_tests=_tests(task),
                entry_point=task.entry_point,
            )
        except RequestTooLongError as error:
            return _too_long(error)
        said = box.receive()
        if isinstance(said, Done):
            return _Run(said.status, said.detail, (), False, said)
        cost = box.stop()
        claim = _claim(said.body, ("passed", "wrong", "crashed", "invalid", "memory"))
        return _Run(claim.status, claim.detail, claim.reached, False, cost)

    def _load(self, box: Box, task: Task | PublicTask, program: str, *, return_arguments: bool) -> _Run | None:
        """Start the candidate; None once its program is loaded, else how it failed."""
        try:
            box.run(
                "candidate",
                self._limits,
                program=program,
                entry_point=task.entry_point,
                return_arguments=return_arguments,
            )
        except RequestTooLongError as error:
            return _too_long(error)
        said = box.receive()
        if isinstance(said, Done):
            return _Run(said.status, said.detail, (), False, said)
        if said.kind == wire.LOADED:
            return None
        cost = box.stop()
        if said.kind != wire.FAILED:
            return _Run("tampered", "neither loaded nor failed", (), False, cost)
        claim = _claim(said.body, ("invalid", "crashed", "memory"))
        return _Run(claim.status, claim.detail, (), False, cost)

    def _forward(self, call: Message, candidate: Box, tester: Box) -> tuple[str, Done | None]:
        """Carry one call to the candidate and its reply back; how the candidate ended, where it did."""
        candidate.send(call.payload)
        reply = candidate.receive()
        if isinstance(reply, Done):
            return reply.status, reply
        if reply.kind != wire.REPLY:
            return "tampered", candidate.stop()._replace(status="tampered", detail="a message that is no reply")
        tester.send(reply.payload)
        return "", None


class _Claim(NamedTuple):
    """What a process with untrusted code in it says of itself."""

    status: str
    detail: str
    reached: tuple[int, ...] = ()


def _claim(payload: bytes, statuses: tuple[str, ...]) -> _Claim:
    """Read a claim, which may be any bytes: `tampered` where it is not one with one of `statuses`."""
    malformed = _Claim("tampered", "a report that is none")
    if len(payload) > _MAX_CLAIM_BYTES:
        return malformed
    try:
        claim = json.loads(payload)
    except (ValueError, RecursionError):
        return malformed
    if not isinstance(claim, dict):
        return malformed
    status, detail, reached = claim.get("status"), claim.get("detail"), claim.get("reached", [])
    if status not in statuses or not isinstance(detail, str) or not isinstance(reached, list):
        return malformed
    if any(type(site) is not int for site in reached):
        return malformed
    return _Claim(str(status), detail, tuple(reached))


def _too_long(error: RequestTooLongError) -> _Run:
    return _Run("invalid", f"the program is too long: {error}", (), False, Done("", "", 0.0, 0.0, 0))


def _all_failed(error: str, count: int, wall_s: float) -> list[Outcome]:
    """The same error `count` times; the first one took the time."""
    return [Outcome(error=error, wall_s=0.0 if place else wall_s) for place in range(count)]


def _tests(task: Task) -> dict[str, Any]:
    if task.tests is None:
        raise SandboxError(f"task {task.id} has no hidden tests to grade with")
    return {
        "prompt": task.prompt,
        "entry_point": task.entry_point,
        "style": task.tests.style,
        "code": task.tests.code,
    }


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
