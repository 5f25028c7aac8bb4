"""One machine's part of an experiment: tasks drawn, graded and ranked into its store, and not scored."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from .._util.progress import Progress, notice, silent
from ..budgets.realised import k_left
from ..errors import RankerError, UserError
from .benchmarks import about, progress_about
from .comparison import open_judging_of
from .drawing import ArmDrawer, session_of
from .pools import Wanted, by_task, grade_pools, scorable
from .ranking import rank_pool
from .samples import ArmSamples, files_by_arm, named_arms, read_arm
from .targets import check_engine, check_servable, target_of_plan
from .workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..records import Arm, Task, Workload
    from ..sampler.drawing import Drawn
    from ..settings import Drawing, Grading, Running, Selecting
    from ..tasks import Benchmark
    from .planning import Planned
    from .pools import Pool
    from .ranking import Judging, Rankings

_FORM: Final = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


class Chosen(NamedTuple):
    """The settings of a comparison."""

    drawing: Drawing
    grading: Grading
    selecting: Selecting
    running: Running


class Shard(NamedTuple):
    """Part `number` of `parts`, from 1: every `parts`-th task.

    Neighbouring tasks, which are often of one kind, fall to different parts.
    """

    number: int
    parts: int

    def __str__(self) -> str:
        return f"{self.number}/{self.parts}"

    def of(self, benchmark: Benchmark) -> Benchmark:
        """Keep a benchmark's tasks of this part.

        Raises:
            UserError: There are none.
        """
        mine = benchmark.tasks[self.number - 1 :: self.parts]
        if not mine:
            raise UserError(
                f"`shard` {self}: {benchmark.name} has only {len(benchmark.tasks)} tasks; use at most as many shards"
            )
        others = {task.id for task in benchmark.tasks} - {task.id for task in mine}
        return replace(benchmark, tasks=mine, beyond=benchmark.beyond | others)


class ShardWork(NamedTuple):
    """The outcome of one part of a benchmark.

    Attributes:
        benchmark: Its name.
        tasks: Tasks of this part.
        graded: Those whose programs were graded and ranked.
        programs: Graded programs.
        sandbox_errors: Those that the machine failed to grade.
        warnings: Lines that a reader must see.
    """

    benchmark: str
    tasks: int
    graded: int
    programs: int
    sandbox_errors: int = 0
    warnings: tuple[str, ...] = ()


def parse_shard(text: str | None) -> Shard | None:
    """Read `I/N`, I from 1 to N; None if there is none.

    Raises:
        UserError: It is not of that form.
    """
    if text is None:
        return None
    found = _FORM.fullmatch(text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UserError(f"`shard` {text}: write I/N with I from 1 to N, such as 1/8 to 8/8")
    return Shard(int(found[1]), int(found[2]))


def check_given(shard: Shard, arms: Iterable[Arm]) -> None:
    """Refuse an open k, which would follow from tasks that this machine does not have.

    Raises:
        UserError: An arm has one.
    """
    for arm in arms:
        if arm.k is None:
            raise UserError(
                f"`shard` {shard}: {arm.spec} leaves k open, which follows from samples of all tasks; run codebudget "
                f"plan first and give it, such as {arm.spec}:5"
            )


def check_no_outputs(shard: Shard, outputs: dict[str, object]) -> None:
    """Refuse options for scores and their files.

    Raises:
        UserError: One is given.
    """
    for name, value in outputs.items():
        if value:
            raise UserError(
                f"`shard` {shard} computes no scores, so that `{name}` has nothing to show; give it without `shard`, "
                "on the merged store"
            )


def compare_on_shard(
    shard: Shard,
    benchmarks: Sequence[Benchmark],
    planned: Sequence[Planned],
    recorded: Mapping[str, Sequence[str]],
    chosen: Chosen,
    progress: Progress = silent,
) -> list[ShardWork]:
    """Draw, grade and rank the arms of a comparison on one part of each benchmark's tasks.

    Args:
        shard: The part.
        benchmarks: All tasks.
        planned: The arms' plans on each; all of them give their k.
        recorded: Files of samples by arm; see `samples.files_by_arm`.
        chosen: The settings.
        progress: Told how far drawing, grading and ranking are.

    Raises:
        UserError: A setting or a file is wrong, an arm leaves k open, or there are fewer tasks than parts.
        MachineError: An engine, the sandbox or the store failed.
    """
    drawing, grading, selecting, running = chosen
    for one in planned:
        check_given(shard, [plan.arm for plan in one.plans])
    files = files_by_arm(recorded, named_arms(planned[0].plans))
    parts = [shard.of(benchmark) for benchmark in benchmarks]
    found = []
    with open_workspace(running.store) as store:
        session = session_of(drawing, running, store)
        meter = session.meter()
        for part, one in zip(parts, planned, strict=True):
            with about(part, parts):
                shown = progress_about(part, parts, progress)
                drawer = ArmDrawer(session, one.conditions, shown, meter)
                found.append(_samples(part, one, files, drawer, drawing.engine))
    works = []
    for part, one, arms in zip(parts, planned, found, strict=True):
        with about(part, parts):
            plans, shown = [arm.plan for arm in arms], progress_about(part, parts, progress)
            with open_judging_of(plans, part, drawing, grading, selecting, running, shown) as judging:
                works.append(compare_shard(part, arms, judging, selecting.decisive, one.workload))
    return works


def _samples(
    part: Benchmark, planned: Planned, files: Mapping[str, Sequence[str]], drawer: ArmDrawer, engine: str
) -> list[ArmSamples]:
    """Get the arms' candidates of one part: from files, the store, or drawn."""
    recorded = {spec: read_arm(spec, patterns, part) for spec, patterns in files.items()}
    missing = [target_of_plan(plan) for plan in planned.plans if plan.arm.spec not in recorded]
    if missing:
        check_servable(missing, engine, planned.conditions)
        check_engine(engine)
    targets = drawer.prepared(missing)
    drawn: list[Drawn] = []
    arms = []
    for plan in planned.plans:
        spec = plan.arm.spec
        if spec in recorded:
            arms.append(ArmSamples(plan, recorded[spec].candidates))
            continue
        with drawer.opened(targets[len(drawn)]) as draw:
            drawn.append(draw(part.tasks, plan.k))
        arms.append(ArmSamples(plan, drawn[-1].candidates, series=drawn[-1].series))
    for line in drawer.ended(targets, drawn).notes:
        notice(line)
    return arms


def compare_shard(
    benchmark: Benchmark, arms: Sequence[ArmSamples], judging: Judging, decisive_ranker: str, workload: Workload
) -> ShardWork:
    """Grade and rank the arms of a comparison on one part of its tasks.

    Args:
        benchmark: The part.
        arms: The arms' plans, and their candidates of these tasks.
        judging: How candidates are graded and ranked.
        decisive_ranker: The ranker that must not fail.
        workload: The lengths planned for, for arms that have none of their own.

    Raises:
        UserError: A ranker lacks what it needs.
        RankerError: The decisive ranker failed.
        SandboxError: The sandbox failed.
    """
    specs = [arm.plan.arm.spec for arm in arms]
    judging.check(specs, benchmark, [candidate for arm in arms for candidate in arm.candidates])
    failures: dict[str, str] = {}

    def rank(place: int, pool: Pool, tasks: Sequence[Task]) -> Rankings:
        plan = arms[place].plan
        left = {name: ranker for name, ranker in judging.rankers.items() if name not in failures}
        afford = partial(k_left, plan, plan.workload or workload)
        ranked = rank_pool(plan.arm.spec, pool, tasks, [plan.k], replace(judging, rankers=left), k_left=afford)
        failures.update(ranked.failures)
        return ranked

    wanted = [Wanted(arm.plan.arm.spec, arm.plan.k, arm.candidates) for arm in arms]
    work = grade_shard(benchmark, wanted, judging, rank)
    if decisive_ranker in failures:
        raise RankerError(failures[decisive_ranker])
    left_out = [f"{name} is left out: {why}" for name, why in failures.items()]
    return work._replace(warnings=(*work.warnings, *left_out))


def grade_shard(
    benchmark: Benchmark,
    arms: Sequence[Wanted],
    judging: Judging,
    rank: Callable[[int, Pool, Sequence[Task]], Rankings],
) -> ShardWork:
    """Grade arms on one part of a benchmark's tasks, then rank each; nothing is scored.

    Args:
        benchmark: The part.
        arms: The arms' candidates of these tasks.
        judging: How candidates are graded.
        rank: Ranks the arm at a place, given its graded candidates, on some tasks.

    Raises:
        SandboxError: The sandbox failed.
    """
    counts = [{name: len(rows) for name, rows in by_task(arm.candidates).items()} for arm in arms]
    whole = [
        task
        for task in benchmark.tasks
        if all(count.get(task.id, 0) >= arm.k for count, arm in zip(counts, arms, strict=True))
    ]
    if not whole:
        return ShardWork(
            benchmark.name, len(benchmark.tasks), 0, 0, warnings=("no task of it has all its samples yet",)
        )
    found = scorable(benchmark, arms, judging.grader, allow_shared=judging.allow_shared)
    pools = grade_pools(found, judging.grader)
    failed = [
        (task_id, verdict)
        for pool in pools
        for task_id, graded in pool.items()
        for verdict in graded.verdicts
        if verdict.status == "sandbox_error"
    ]
    broken = {task_id for task_id, _ in failed}
    tasks = [task for task in found.tasks if task.id not in broken]
    if tasks:
        for place, pool in enumerate(pools):
            rank(place, pool, tasks)
    return ShardWork(
        benchmark=benchmark.name,
        tasks=len(benchmark.tasks),
        graded=len(tasks),
        programs=sum(len(graded.verdicts) for pool in pools for graded in pool.values()),
        sandbox_errors=len(failed),
        warnings=tuple(found.warnings),
    )
