"""Arms with their candidates: recorded files by arm, and what messages call arms."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from .._util.progress import notice
from ..budgets.notation import without_k
from ..errors import MachineError, UserError
from ..sampler.files import read_samples
from ..sampler.stored import keeping_programs
from ..settings import RECORDED
from .lengths import BYTES, TokenCounter
from .workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..records import Arm, Candidate, Compression, Cost, Plan
    from ..sampler.files import Recorded, Texts
    from ..sampler.series import Series, Tally
    from ..settings import Running
    from ..tasks import Benchmark
    from .planning import Planned


class ArmSamples(NamedTuple):
    """An arm's plan and its candidates.

    Attributes:
        plan: With the number of samples to score.
        candidates: As recorded or drawn; some tasks may have more than k.
        tally: What drawing them took, if they were drawn here.
        verdicts: Those recorded in its files, passed or not, by task id and index; no ranker sees them.
        counter: Estimates token counts that they lack.
        estimate: The cost of k samples as planned before anything was measured; None if nothing was.
        pilot_k: The k by the pilot; None if there was none.
        k_note: Why k differs from the planned one.
        series: What drew them, if an engine did.
        compression: How its checkpoint's tokens differ from its model's at 16 bits, if it was made here.
    """

    plan: Plan
    candidates: Sequence[Candidate]
    tally: Tally | None = None
    verdicts: Mapping[tuple[str, int], bool] = MappingProxyType({})
    counter: TokenCounter = BYTES
    estimate: Cost | None = None
    pilot_k: int | None = None
    k_note: str = ""
    series: Series | None = None
    compression: Compression | None = None


class NamedArm(NamedTuple):
    """An arm with its resulting precision."""

    arm: Arm
    precision: str


def to_draw(planned: Planned, samples: Mapping[str, Sequence[str]]) -> list[Plan]:
    """List plans of arms without recorded files.

    Raises:
        UserError: As `files_by_arm`.
    """
    files = files_by_arm(samples, named_arms(planned.plans))
    return [plan for plan in planned.plans if plan.arm.spec not in files]


def files_by_arm(samples: Mapping[str, Sequence[str]], arms: Sequence[NamedArm]) -> dict[str, list[str]]:
    """Map recorded files by the spec of each one's arm.

    Args:
        samples: Files by the user's name for an arm: as typed, without its k, with its precision, or by its model.
        arms: All of them.

    Raises:
        UserError: An arm is given twice, or a name means none of them or several.
    """
    specs = [named.arm.spec for named in arms]
    twice = next((spec for spec in specs if specs.count(spec) > 1), None)
    if twice is not None:
        raise UserError(f"the arm {twice} is listed twice; remove one")
    files: dict[str, list[str]] = {}
    for name, patterns in samples.items():
        spec = arm_called(name, arms, f"`samples` {name}={','.join(patterns)}")
        files.setdefault(spec, []).extend(patterns)
    return files


def arm_called(name: str, arms: Sequence[NamedArm], shown: str) -> str:
    """Find the spec of the arm that a name means: as typed, without its k, with its precision, or by its model.

    Raises:
        UserError: It means none of them or several; the message starts with `shown`.
    """
    meant = next((found for way in _NAMINGS if (found := [n.arm.spec for n in arms if name == way(n)])), [])
    if not meant:
        known = ", ".join(dict.fromkeys(named.arm.name for named in arms))
        raise UserError(f"{shown}: no arm is called {name!r}; the arms are {known}")
    if len(meant) > 1:
        raise UserError(f"{shown}: {name!r} could be {' or '.join(meant)}; write the arm as listed here")
    return meant[0]


def read_arm(spec: str, patterns: Sequence[str], benchmark: Benchmark, running: Running) -> Recorded:
    """Read an arm's recorded candidates; tasks without any, and what is left out, are told as notices.

    Programs that were taken out of the same texts before come from the store.

    Raises:
        UserError: A file or a row is wrong.
        MachineError: The store cannot be used.
    """

    def extract(texts: Sequence[Texts]) -> list[list[str]]:
        if not any(of_task.texts for of_task in texts):
            return [[] for _ in texts]
        with open_workspace(running.store) as store:
            return keeping_programs(store, fresh=running.fresh)(texts)

    tasks = benchmark.by_id
    recorded = read_samples(patterns, tasks, spec, benchmark.beyond, benchmark.elsewhere, extract)
    for line in recorded.remarks:
        notice(f"{spec}: {line}")
    if recorded.missing:
        some = ", ".join(recorded.missing[:3]) + (", ..." if len(recorded.missing) > 3 else "")
        notice(f"{spec}: no samples for {len(recorded.missing)} of {len(tasks)} tasks ({some}); they are left out")
    return recorded


def with_ways(error: MachineError, ways: str) -> MachineError:
    """Add alternatives to an error."""
    return type(error)(f"{str(error).rstrip('.')}. {ways}")


def named_arms(plans: Sequence[Plan]) -> list[NamedArm]:
    """Name planned arms."""
    return [NamedArm(plan.arm, plan.precision) for plan in plans]


def ways_for(arms: Sequence[Arm]) -> str:
    """Describe alternatives for arms that nothing draws."""
    ways = " ".join(f"`samples` {without_k(arm)}=FILES" for arm in arms)
    return f"Or give recorded generations ({ways}), use what the store has (`engine` {RECORDED}), or only plan"


_NAMINGS: tuple[Callable[[NamedArm], str], ...] = (
    lambda named: named.arm.spec,
    lambda named: without_k(named.arm),
    lambda named: f"{named.arm.name}@{named.precision}",
    lambda named: named.arm.name,
)
"""Names for an arm: as typed, without its k, with its precision, by its model; the first that fits counts."""
