"""One machine's part of an experiment: tasks drawn, graded and ranked into its store, and not scored."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from .._util.progress import Progress, silent
from ..errors import RankerError, UserError
from .abstaining import abstention
from .benchmarks import about, progress_about
from .comparison import open_judging_of, rank_arm
from .escalation import DEFAULT_RULE, rule_of
from .matching import Cascading, arm_samples
from .pools import by_task, grade_pools, scorable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..records import Arm, Task, Workload
    from ..tasks import Benchmark
    from .comparison import Chosen
    from .escalation import Rule
    from .planning import Planned
    from .pools import Pool, Wanted
    from .ranking import Judging, Rankings
    from .samples import ArmSamples

_FORM: Final = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


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


def check_given(shard: Shard, arms: Iterable[Arm], rule: Rule = DEFAULT_RULE) -> None:
    """Refuse what would follow from tasks that this machine does not have: an open k, and a fitted threshold.

    Args:
        shard: The part.
        arms: The arms.
        rule: By which cascades go on.

    Raises:
        UserError: There is one.
    """
    for arm in arms:
        if arm.stages and rule.is_fitted:
            raise UserError(
                f"`shard` {shard}: the threshold by which {arm.spec} goes on is fitted to the results of all tasks; "
                "give one, such as `agreement` 0.5, or leave out `agreement` for the default"
            )
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
        UserError: A setting or a file is wrong, an arm leaves k open, a cascade's threshold is to be fitted, or there
            are fewer tasks than parts.
        MachineError: An engine, the sandbox or the store failed.
    """
    drawing, grading, selecting, running = chosen
    rule = rule_of(selecting)
    for one in planned:
        check_given(shard, [plan.arm for plan in one.plans], rule)
    parts = [shard.of(benchmark) for benchmark in benchmarks]
    found = arm_samples(planned, parts, recorded, drawing, running, progress, Cascading(grading, rule))
    works = []
    for part, one, arms in zip(parts, planned, found, strict=True):
        with about(part, parts):
            shown = progress_about(part, parts, progress)
            with open_judging_of(arms, part, drawing, grading, selecting, running, shown) as (judged, judging):
                works.append(compare_shard(part, judged, judging, selecting.decisive, one.workload))
    return works


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
        ranked = rank_arm(plan, pool, tasks, [plan.k], replace(judging, rankers=left), workload)
        failures.update(ranked.failures)
        if judging.abstains and decisive_ranker not in failures:
            abstention(plan, pool, tasks, judging, decisive_ranker)
        return ranked

    work = grade_shard(benchmark, [arm.wanted for arm in arms], judging, rank)
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
    grouped = [by_task(arm.candidates) for arm in arms]
    if all(
        any(arm.lacks(task.id, rows.get(task.id, ())) for arm, rows in zip(arms, grouped, strict=True))
        for task in benchmark.tasks
    ):
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
