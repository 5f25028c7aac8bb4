"""Arms with their candidates: recorded files by arm, and what messages call arms."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from .._util.progress import notice
from ..budgets.notation import parse_arm, without_k
from ..errors import MachineError, UserError
from ..sampler.files import read_samples
from ..sampler.stored import keeping_programs
from ..settings import RECORDED
from .lengths import BYTES, TokenCounter
from .pools import Wanted, WantedStage
from .workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ..records import Abstention, Arm, Candidate, Compression, Cost, Plan, Usage
    from ..sampler.files import Recorded, Texts
    from ..sampler.series import Series, Tally
    from ..settings import Running
    from ..tasks import Benchmark
    from .planning import Planned


class StageSamples(NamedTuple):
    """What made the samples of a cascade's stage; see `ArmSamples`.

    Attributes:
        counter: As there.
        tally: As there.
        series: As there.
        spared: Tasks of which none were drawn, since the stages before sufficed.
    """

    counter: TokenCounter = BYTES
    tally: Tally | None = None
    series: Series | None = None
    spared: frozenset[str] = frozenset()


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
        stages: Of a cascade, what made the samples of each stage; its candidates have their stage.
        tests: By task id, the usage of drawing the tests that its plan counts on.
        abstention: It answering only where it is sure, if that was asked for.
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
    stages: tuple[StageSamples, ...] = ()
    tests: Mapping[str, Usage] | None = None
    abstention: Abstention | None = None

    @property
    def wanted(self) -> Wanted:
        """What it needs of every task, with its candidates."""
        stages = [
            WantedStage(plan.arm.spec, plan.k, stage.spared)
            for plan, stage in zip(self.plan.stages, self.stages, strict=True)
        ]
        return Wanted(self.plan.arm.spec, self.plan.k, self.candidates, stages)


def staged(stages: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """Join the candidates of a cascade's stages: each with its stage, and an index that no other stage's has."""
    found: list[Candidate] = []
    start = 0
    for stage, candidates in enumerate(stages):
        found += [one.model_copy(update={"stage": stage, "index": start + one.index}) for one in candidates]
        start += 1 + max((one.index for one in candidates), default=-1)
    return found


class NamedArm(NamedTuple):
    """A single arm, or a stage of a cascade, with its resulting precision."""

    arm: Arm
    precision: str

    @property
    def source(self) -> tuple[str, str, bool]:
        """What its samples are, whatever their number: a model at a precision, sampled or greedy."""
        return without_k(self.arm), self.precision, self.arm.greedy


def to_draw(planned: Planned, samples: Mapping[str, Sequence[str]]) -> list[Plan]:
    """List plans of single arms, and of stages of cascades, without recorded files.

    Raises:
        UserError: As `files_by_arm`, or an arm is given twice.
    """
    check_once([plan.arm for plan in planned.plans])
    files = files_by_arm(samples, named_arms(planned.plans))
    return [single for plan in planned.plans for single in plan.single if single.arm.spec not in files]


def check_once(arms: Sequence[Arm]) -> None:
    """Refuse an arm that is given twice.

    Raises:
        UserError: There is one.
    """
    specs = [arm.spec for arm in arms]
    twice = next((spec for spec in specs if specs.count(spec) > 1), None)
    if twice is not None:
        raise UserError(f"the arm {twice} is listed twice; remove one")


def with_greedy(arms: Sequence[str], samples: Collection[str], *, draws: bool = False) -> list[str]:
    """Add the greedy arm of the first arm's model, if that is sampled and recorded greedy samples of it are given.

    Args:
        arms: As typed.
        samples: The names that samples are given for.
        draws: Also add it to be drawn, if the first arm is.
    """
    first = parse_arm(arms[0]) if arms else None
    if first is None or first.stages or first.greedy or first.k is None:
        return list(arms)
    greedy = f"{without_k(first)}:greedy"
    is_drawn = draws and not {first.spec, without_k(first), first.name}.intersection(samples)
    if greedy in arms or (greedy not in samples and not is_drawn):
        return list(arms)
    return [arms[0], greedy, *arms[1:]]


def files_by_arm(samples: Mapping[str, Sequence[str]], arms: Sequence[NamedArm]) -> dict[str, list[str]]:
    """Map recorded files by the spec of each one's arm.

    Args:
        samples: Files by the user's name for an arm: as typed, without its k, with its precision, or by its model.
        arms: All of them, and the stages of cascades.

    Raises:
        UserError: A name means none of them, or several.
    """
    files: dict[str, list[str]] = {}
    for name, patterns in samples.items():
        others = samples.keys() - {name}
        for spec in arms_called(name, arms, f"`samples` {name}={','.join(patterns)}", others):
            files.setdefault(spec, []).extend(patterns)
    return files


def arms_called(name: str, arms: Sequence[NamedArm], shown: str, others: Collection[str] = ()) -> list[str]:
    """Find the specs that a name means: as typed, without their k, with their precision, or by their model.

    They are several where these draw the same samples, only more or fewer of them, unless one of the `others`, which
    are names too, means one of them exactly. A name that does not say greedy means sampled ones where there are both.

    Raises:
        UserError: It means none of them, or samples of several kinds; the message starts with `shown`.
    """
    meant = next((found for way in _NAMINGS if (found := [n for n in arms if name == way(n)])), [])
    if any(named.arm.spec == name and named.arm.k is None for named in meant):
        # An open k does not tell it from stages that state theirs.
        sources = {named.source for named in meant}
        meant = [named for named in arms if named.source in sources and named.arm.spec not in others]
    if not meant:
        known = ", ".join(dict.fromkeys(named.arm.name for named in arms))
        raise UserError(f"{shown}: no arm is called {name!r}; the arms are {known}")
    if len({named.source[:2] for named in meant}) == 1:
        meant = [named for named in meant if not named.arm.greedy] or meant
    meant = [named for named in meant if named.arm.spec == name or named.arm.spec not in others]
    specs = list(dict.fromkeys(named.arm.spec for named in meant))
    if len({named.source for named in meant}) > 1:
        raise UserError(f"{shown}: {name!r} could be {' or '.join(specs)}; write the arm as listed here")
    return specs


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
    """Name planned single arms, and the stages of planned cascades."""
    return [NamedArm(single.arm, single.precision) for plan in plans for single in plan.single]


def ways_for(arms: Sequence[Arm]) -> str:
    """Describe alternatives for arms that nothing draws."""
    ways = " ".join(f"`samples` {arm.spec if arm.greedy else without_k(arm)}=FILES" for arm in arms)
    return f"Or give recorded generations ({ways}), use what the store has (`engine` {RECORDED}), or only plan"


_NAMINGS: tuple[Callable[[NamedArm], str], ...] = (
    lambda named: named.arm.spec,
    lambda named: without_k(named.arm),
    lambda named: f"{named.arm.name}@{named.precision}",
    lambda named: named.arm.name,
)
"""Names for an arm: as typed, without its k, with its precision, by its model; the first that fits counts."""
