"""One launcher, attacked with one program at a time, and the invariants after each."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Literal, NamedTuple

from ...records import Limits, NonNegative, Record, Verdict
from ..launchers.plugins import not_promised
from ..sandbox import Job, Sandbox
from .corpus import Attack, Expectation
from .host import AttackedHost

if TYPE_CHECKING:
    from types import TracebackType

    from ...records import ReferenceCheck, Task
    from ..box import Launcher

Outcome = Literal["ok", "not promised", "FAILED"]

WALL_S = 1.0
LIMITS = Limits(wall_s=WALL_S, memory_bytes=512 << 20)
OVERTIME_S = 2.0
"""Seconds past a program's limit for its verdict."""
ATTEMPTS = 3
"""How often a program is tried whose verdict hung on time. What else runs on the machine can delay one verdict; a
weakness of the launcher delays each."""


# Looks for processes and files that an earlier run of the same box left. In a PID namespace of its own it sees all that
# there is; elsewhere it knows its neighbours by their user ids: a box of `process` has 256, one of docker all.
_PROBE = Attack(
    "launcher/probe",
    """
import os
def solve(numbers):
    me = os.getuid()
    def left(path):
        try:
            owner = os.lstat(path).st_uid
        except OSError:
            return False
        return owner != me and (owner // 256 == me // 256 if me >= 40_000 else owner >= 10_000)
    processes = [pid for pid in os.listdir('/proc') if pid.isdigit() and pid != str(os.getpid())]
    tops = [top for top in ('/tmp', '/dev/shm', '/var/tmp') if os.path.isdir(top)]
    files = [top + '/' + name for top in tops for name in os.listdir(top)]
    if os.getpid() != 1:
        processes = [pid for pid in processes if left('/proc/' + pid)]
        files = [name for name in files if left(name)]
    raise KeyError(processes, files)
""",
    Expectation(does="Looks for what the run before it left.", statuses=("crashed",)),
)
_NOTHING_LEFT = "KeyError: ([], [])"


class AttackResult(Record):
    """Result of one program of the corpus, or of one check of the launcher itself (group `launcher`).

    `expected` and `got` are statuses, or for a check of the launcher words. `detail` says what failed, or which promise
    the launcher does not make.
    """

    name: str
    does: str
    expected: tuple[str, ...]
    got: tuple[str, ...]
    outcome: Outcome
    detail: str = ""
    wall_s: NonNegative = 0.0

    @property
    def group(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]


class _Trial(NamedTuple):
    """One graded program: what is wrong whatever the launcher promises, and what only if it promises to hold it.

    `slow`: nothing is wrong but that the verdict came late, or that it was a timeout where none was expected.
    """

    status: str
    problem: str
    breach: str
    slow: bool


class Examiner:
    """Attacks one launcher. A context manager; its sandbox has one slot, so that each program follows the one before.

    Args:
        launcher: a prepared one.
    """

    def __init__(self, launcher: Launcher) -> None:
        self.launcher = launcher
        self._lacks = not_promised(launcher)
        self._host = AttackedHost()

    def __enter__(self) -> Examiner:
        self._host.__enter__()
        self.sandbox = Sandbox(self.launcher, limits=LIMITS, workers=1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sandbox.close()
        self._host.__exit__(kind, error, trace)

    def examine(self, attack: Attack) -> AttackResult:
        """Grade the program, then an honest, a bad and a searching one in the same slot.

        Raises:
            SandboxError: the boxes fail before the program is run.
        """
        start = time.monotonic()
        missing = sorted(attack.expects.needs & self._lacks)
        reason = f"not promised: {', '.join(missing)}" if missing else ""
        if missing and attack.expects.harmful:
            return self._result(attack, (), "", f"{reason}; it would harm the host, so it was not run", start)
        task = attack.task()
        check = next(self.sandbox.check([task]))
        if not check.ok or check.integrity != "split":
            return self._result(attack, (), f"its reference fails: {check.integrity} {check.detail}", "", start)
        got: list[str] = []
        problems: list[str] = []
        for again in range(1 + attack.expects.twice):
            trial = self._tried(attack, task, check, attack.program + "\n" * again)
            got.append(trial.status)
            problems += [trial.problem, "" if missing else trial.breach]
        problems += [self._aftermath(attack, task, check), self._host.damage()]
        problem = next(filter(None, problems), "")
        return self._result(attack, tuple(got), problem, reason, start)

    def _tried(self, attack: Attack, task: Task, check: ReferenceCheck, program: str) -> _Trial:
        for _ in range(ATTEMPTS):
            trial = self._attempt(attack, task, check, program)
            if not trial.slow:
                break
        return trial

    def _attempt(self, attack: Attack, task: Task, check: ReferenceCheck, program: str) -> _Trial:
        start = time.monotonic()
        verdict = self._grade(task, check, self._host.aim(program))
        elapsed_s = time.monotonic() - start
        row = json.dumps(verdict.model_dump(), ensure_ascii=False)
        late = elapsed_s > WALL_S + OVERTIME_S
        slow = late or (verdict.status == "timeout" and "timeout" not in attack.expects.statuses)
        problem = breach = ""
        if verdict.status == "passed" and not attack.benign:
            problem, slow = "A FORGED PASS", False
        elif verdict.status == "sandbox_error" or not (verdict.detail.isprintable() and row.isprintable()):
            problem, slow = "it breaks the grader", False
        elif verdict.status != "passed" and attack.benign:
            problem = "an honest program does not pass"
        elif late:
            problem = f"its verdict took {elapsed_s:.1f} s at a limit of {WALL_S:g} s"
        contacted = self._host.contacted()
        if "ESCAPED" in verdict.detail or self._host.secret in row or contacted:
            breach, slow = " ".join(["it gets out:", *contacted]), False
        elif verdict.status not in attack.expects.statuses:
            breach = "another status than expected"
        said = f" ({verdict.status}: {verdict.detail})"
        return _Trial(verdict.status, problem and problem + said, breach and breach + said, slow)

    def _aftermath(self, attack: Attack, task: Task, check: ReferenceCheck) -> str:
        """Describe what is wrong in the slot that graded an attack; empty if nothing is."""
        honest = self._grade(task, check, f"{task.reference}\n# honest\n")
        if honest.status != "passed":
            return f"the next honest program does not pass ({honest.status}: {honest.detail})"
        bad = self._grade(task, check, attack.bad_program)
        if bad.status != "wrong":
            return f"the next bad program is not wrong ({bad.status}: {bad.detail})"
        if "leftovers" in self._lacks:
            return ""
        probe_task = _PROBE.task()
        probe = self._grade(probe_task, next(self.sandbox.check([probe_task])), _PROBE.program)
        return "" if probe.detail.startswith(_NOTHING_LEFT) else f"something is left ({probe.detail})"

    def _grade(self, task: Task, check: ReferenceCheck, program: str) -> Verdict:
        ((_, verdict),) = self.sandbox.grade([Job(task, check, program)])
        return verdict

    @staticmethod
    def _result(attack: Attack, got: tuple[str, ...], problem: str, reason: str, start: float) -> AttackResult:
        return AttackResult(
            name=attack.name,
            does=attack.expects.does,
            expected=attack.expects.statuses,
            got=got,
            outcome="FAILED" if problem else "not promised" if reason else "ok",
            detail=problem or reason,
            wall_s=time.monotonic() - start,
        )
