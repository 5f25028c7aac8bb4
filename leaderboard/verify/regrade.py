"""Grading of recorded candidates again, telling changed verdicts from those that the machine decides.

Two verdicts may honestly differ:

- if one of them is `timeout` or `memory`, and the program is near its limit: the recorded status must then come out
  with limits four times (memory: twice) as large, as far as `ceilings` go, or as small, or the verdict was changed. It
  is reported as a flip.
- if the program is not deterministic: the recorded verdict must then come out in one of three gradings. It is
  reported as unstable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ...errors import SandboxError, UserError
from ...experiment.grading import Submission
from ...records import Limits
from ...sandbox import Job, Sandbox
from .. import files
from ..differences import Difference, compare
from ..rows import VerdictRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...experiment.grading import Grader
    from ...records import Candidate, ReferenceCheck, Task, Verdict
    from ...settings import ProgramLimits

NEAR_LIMIT: Final = frozenset({"timeout", "memory"})
TIME_FACTOR: Final = 4.0
MEMORY_FACTOR: Final = 2
GRADINGS: Final = 3
"""Runs of a program before its verdict counts as changed."""
ENOUGH: Final = 100
"""Differences after which no other program is rerun: a run of ten thousand loops would take days."""


class RecordedVerdict(NamedTuple):
    """One recorded verdict, and all it takes to regrade it."""

    row: VerdictRow
    place: int
    task: Task
    check: ReferenceCheck
    candidate: Candidate


class Regraded(NamedTuple):
    """Findings of regrading: what differs, what flips at a limit, what varies from run to run."""

    differences: tuple[Difference, ...] = ()
    flips: tuple[str, ...] = ()
    unstable: tuple[str, ...] = ()
    other_texts: tuple[str, ...] = ()

    def joined(self, other: Regraded) -> Regraded:
        """Join the findings."""
        return Regraded(
            self.differences + other.differences,
            self.flips + other.flips,
            self.unstable + other.unstable,
            self.other_texts + other.other_texts,
        )


def regrade(chosen: Sequence[RecordedVerdict], grader: Grader, *, same_environment: bool) -> Regraded:
    """Grade some candidates again and compare with their verdicts.

    Args:
        chosen: What to grade.
        grader: On an empty store.
        same_environment: Whether the sandbox is the one the run was graded in; elsewhere (another Python) details may
            be worded differently, which is then no difference.

    Raises:
        SandboxError: The sandbox fails here.
    """
    found = Regraded()
    checks = {one.task.id: one.check for one in chosen}
    verdicts = grader.grade([Submission(one.task, one.candidate.program) for one in chosen], checks)
    for one, verdict in zip(chosen, verdicts, strict=True):
        look_again = len(found.differences) < ENOUGH
        judged = _judged(one, verdict, grader.sandbox, look_again=look_again, same_environment=same_environment)
        found = found.joined(judged)
    return found


def _judged(
    one: RecordedVerdict, verdict: Verdict, sandbox: Sandbox, *, look_again: bool, same_environment: bool
) -> Regraded:
    """Judge the regrading of one program; nothing if the verdicts agree."""
    row = one.row
    where = f"row {one.place} ({row.arm} sample {row.index} of {row.task_id})"
    again = _row(one, verdict)
    if again == row:
        return Regraded()
    if again.status == row.status and not same_environment:
        worded = again.model_copy(update={"detail": row.detail})
        if worded == row:
            return Regraded(other_texts=(where,))
    said = f"{files.VERDICTS}: {where}: recorded {row.status}, found {again.status}"
    if look_again and again.status != row.status and NEAR_LIMIT & {again.status, row.status}:
        if _flips(one, again.status, sandbox):
            return Regraded(flips=(said,))
    elif look_again and any(_row(one, _run(one, sandbox)) == row for _ in range(GRADINGS - 1)):
        return Regraded(unstable=(f"{said} at first",))
    return Regraded(differences=tuple(compare(files.VERDICTS, where, row.dump(), again.dump())))


def _row(one: RecordedVerdict, verdict: Verdict) -> VerdictRow:
    return VerdictRow.of(one.row.benchmark, one.row.arm, one.candidate, verdict)


def _flips(one: RecordedVerdict, now: str, sandbox: Sandbox) -> bool:
    """Whether limits somewhat larger or smaller give the recorded status."""
    limits = sandbox.limits.for_tests(one.task.tests).resolve(one.check.cpu_s)
    grow = now in NEAR_LIMIT
    with Sandbox(sandbox.launcher, limits=_scaled(limits, grow), workers=1) as other:
        return _run(one, other).status == one.row.status


def _scaled(limits: Limits, grow: bool) -> Limits:
    if grow:
        return grown(limits, TIME_FACTOR, MEMORY_FACTOR)
    return limits.model_copy(
        update={
            "cpu_s": (limits.cpu_s or 1.0) / TIME_FACTOR,
            "wall_s": (limits.wall_s or 1.0) / TIME_FACTOR,
            "memory_bytes": limits.memory_bytes // MEMORY_FACTOR,
        }
    )


def _run(one: RecordedVerdict, sandbox: Sandbox) -> Verdict:
    ((_, verdict),) = sandbox.grade([Job(one.task, one.check, one.candidate.program)])
    if verdict.status == "sandbox_error":
        raise SandboxError(
            f"the sandbox failed on a program ({verdict.detail}); verify again, or choose another sandbox"
        )
    return verdict


CEILINGS: Final = Limits(
    cpu_s=60.0,
    wall_s=300.0,
    memory_bytes=4 << 30,
    output_bytes=16 << 20,
    processes=64,
    open_files=1024,
    file_bytes=256 << 20,
)
"""The most that a program of a run may use unless its verifier allows more.

Sizes and counts are two to sixteen times those of `records.Limits`, used if a board says nothing. There a program gets
half a second of processor time, or ten times what its reference solution took.
"""


def check_limits(table: ProgramLimits) -> None:
    """Refuse a board whose programs may use more than `CEILINGS`.

    Raises:
        UserError: It asks for more; the message names each limit with its ceiling.
    """
    asked = table.model_dump(exclude_none=True)
    if "cpu_s" not in asked and "wall_s" in asked:
        # As `Limits.resolve` has it: alone, seconds by the clock are those of the processor too.
        asked["cpu_s"] = asked["wall_s"]
    over = [
        f"{name} = {value:g} (at most {getattr(CEILINGS, name):g})"
        for name, value in asked.items()
        if value > getattr(CEILINGS, name)
    ]
    if over:
        raise UserError(
            f"the run asks for more than other people's programs get here: {', '.join(over)}; nothing was run. "
            "Give `allow_limits` to allow it"
        )


def grown(limits: Limits, time: float, memory: int) -> Limits:
    """Multiply limits of time and memory by factors, as far as `CEILINGS` go."""
    return limits.model_copy(
        update={
            name: min(value * factor, max(value, getattr(CEILINGS, name)))
            for name, value, factor in (
                ("cpu_s", limits.cpu_s or 1.0, time),
                ("wall_s", limits.wall_s or 1.0, time),
                ("memory_bytes", limits.memory_bytes, memory),
            )
        }
    )
