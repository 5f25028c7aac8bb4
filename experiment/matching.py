"""Planned arms -> arms with candidates: lengths are measured, k follows from them, and missing samples are drawn.

An arm is drawn in one go, so that its model is loaded once: a pilot shows how long its samples are, k follows, and if
the full set costs more or less than the limit, more are drawn or fewer are scored.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from .._util.progress import Progress, notice, silent
from ..budgets.costs import cost_of_arm
from ..budgets.notation import COST_FIELDS
from ..budgets.plan import cascade_cost, planned_model
from ..budgets.realised import limiting_kinds, matching_k, sample_costs
from ..errors import MachineError
from ..records import Cost
from ..settings import Grading
from .benchmarks import about, check_shared_ids, progress_about
from .cascades import going_on
from .drawing import ArmDrawer, session_of
from .escalation import DEFAULT_RULE
from .grading import open_grader
from .lengths import BYTES, Counted, counted, counter_of, mean_lengths
from .planning import plan_again
from .pools import by_task, pool_common_strata
from .ranking import Judging
from .samples import (
    ArmSamples,
    StageSamples,
    check_once,
    files_by_arm,
    named_arms,
    read_arm,
    staged,
    ways_for,
    with_ways,
)
from .targets import Target, check_engine, check_servable, target_of_plan
from .workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ..records import BudgetKind, Candidate, Plan, Task, Usage, Workload
    from ..sampler.drawing import Drawn
    from ..sampler.files import Recorded
    from ..sampler.series import Tally
    from ..settings import Drawing, Running
    from ..tasks import Benchmark
    from .escalation import Rule
    from .lengths import TokenCounter
    from .planning import Planned

PILOT_TASKS: Final = 8
"""Number of tasks, the first ones, of which a pilot draws sample 0."""

PILOT_SAMPLES: Final = "pilot samples"
RECORDED_SAMPLES: Final = "recorded samples"
DRAWN_SAMPLES: Final = "drawn samples"
"""Names of samples in the source of mean lengths."""

_ROUNDS: Final = 4
"""Maximum number of times that an arm is drawn further; each gives better mean lengths."""


class Cascading(NamedTuple):
    """How cascades decide while they are drawn: where programs run, and by which rule."""

    grading: Grading = Grading()
    rule: Rule = DEFAULT_RULE


CASCADING: Final = Cascading()


def arm_samples(
    planned: Sequence[Planned],
    benchmarks: Sequence[Benchmark],
    samples: Mapping[str, Sequence[str]],
    drawing: Drawing,
    running: Running,
    progress: Progress = silent,
    cascading: Cascading = CASCADING,
) -> list[list[ArmSamples]]:
    """Get each arm's candidates and final plan on every benchmark: from files, else from the store or drawn.

    Files are read and settings are checked before anything is drawn; drawing then goes from benchmark to benchmark
    under one limit. A later stage of a cascade is drawn only for tasks of which the stages before do not suffice.

    Args:
        planned: The same arms' plans before anything is measured, for each benchmark.
        benchmarks: Where the tasks come from; several as `benchmarks.told_apart` gives them.
        samples: Recorded files by arm, with rows of all benchmarks; see `files_by_arm`.
        drawing: How samples are drawn.
        running: The seed and the store.
        progress: Told how far drawing is.
        cascading: How cascades decide while they are drawn.

    Raises:
        UserError: A setting, a file or a row is wrong, or at its own lengths an arm costs more than the limit.
        MachineError: Nothing can draw here; the message names alternatives. Or no sandbox works here.
    """
    check_once([plan.arm for plan in planned[0].plans])
    files = files_by_arm(samples, named_arms(planned[0].plans))
    if files:
        check_shared_ids(benchmarks)
    read = []
    for benchmark in benchmarks:
        with about(benchmark, benchmarks):
            read.append({spec: read_arm(spec, patterns, benchmark, running) for spec, patterns in files.items()})
    parts = [_Part(*part) for part in zip(planned, benchmarks, read, strict=True)]
    missing = _lacking(planned[0], files)
    if not missing:
        return [_matched(part, benchmarks, None) for part in parts]
    try:
        for one in planned:
            lacking = _lacking(one, files)
            check_servable([target_of_plan(plan) for plan in lacking], drawing.engine, one.conditions)
        check_engine(drawing.engine)
        with open_workspace(running.store) as store:
            session = session_of(drawing, running, store)
            for benchmark in benchmarks:
                for plan in missing:
                    session.settings(benchmark.tasks[0].benchmark, plan.arm)
            meter = session.meter()
            drawers = [
                ArmDrawer(session, part.planned.conditions, progress_about(part.benchmark, benchmarks, progress), meter)
                for part in parts
            ]
            with ExitStack() as stack:
                judging = None
                if any(plan.stages and plan.stages[-1].arm.spec not in files for plan in planned[0].plans):
                    grader = stack.enter_context(open_grader(cascading.grading, running, progress))
                    judging = Judging(grader, {}, seed=running.seed, progress=progress, rule=cascading.rule)
                return [
                    _matched(part, benchmarks, drawer, judging) for part, drawer in zip(parts, drawers, strict=True)
                ]
    except MachineError as error:
        raise with_ways(error, ways_for([plan.arm for plan in missing])) from None


def _lacking(planned: Planned, files: Collection[str]) -> list[Plan]:
    """List single arms and stages of cascades without files, in the order of drawing, each time that they occur."""
    return [single for plan in planned.plans for single in plan.single if single.arm.spec not in files]


class _Part(NamedTuple):
    """One benchmark's plans, tasks and recorded arms."""

    planned: Planned
    benchmark: Benchmark
    read: Mapping[str, Recorded]


def _matched(
    part: _Part, benchmarks: Sequence[Benchmark], drawer: ArmDrawer | None, judging: Judging | None = None
) -> list[ArmSamples]:
    """Match the arms of one of several benchmarks; recorded ones get their files' verdicts."""
    planned, benchmark, read = part
    recorded = {spec: one.candidates for spec, one in read.items()}
    counters = {single.arm.spec: counter_of(single.model) for plan in planned.plans for single in plan.single}
    with about(benchmark, benchmarks):
        arms = match_arms(planned, benchmark, recorded, drawer, counters, judging)
    return [arm._replace(verdicts=read[spec].verdicts) if (spec := arm.plan.arm.spec) in read else arm for arm in arms]


def match_arms(
    planned: Planned,
    benchmark: Benchmark,
    recorded: Mapping[str, Sequence[Candidate]],
    drawer: ArmDrawer | None,
    counters: Mapping[str, TokenCounter] | None = None,
    judging: Judging | None = None,
) -> list[ArmSamples]:
    """Match arms by the lengths of their own samples, unless a convention or lengths are given.

    Args:
        planned: The arms' plans before anything is measured.
        benchmark: Where the tasks come from.
        recorded: Candidates by arm, and by stage of cascades, for those that have any.
        drawer: Draws the others.
        counters: Estimate token counts, by arm; by bytes for other arms.
        judging: Runs the programs that a cascade decides by, if a stage after the first is drawn.

    Raises:
        UserError: At its own lengths an arm costs more than the limit.
        MachineError: Nothing can draw here.
    """
    matching = _Matching(planned, benchmark, counters or {})
    missing = _lacking(planned, recorded)
    targets = [] if drawer is None else drawer.prepared([target_of_plan(plan) for plan in missing])
    waiting = iter(targets)
    drawn: list[tuple[Target, Drawn]] = []

    def draw_stage(tasks: Sequence[Task], k: int) -> Drawn | None:
        assert drawer is not None
        target = next(waiting)
        if not tasks:
            return None
        with drawer.opened(target) as draw:
            found = draw(tasks, k)
        drawn.append((target, found))
        return found

    for place, plan in enumerate(planned.plans):
        spec = plan.arm.spec
        if plan.stages:
            stages = _Stages(plan, benchmark, recorded, draw_stage, judging)
            matching.add_cascade(place, stages.found())
            continue
        if spec in recorded:
            matching.add_recorded(place, recorded[spec])
            continue
        assert drawer is not None
        target = next(waiting)
        with drawer.opened(target) as draw:
            if drawer.draws:
                found = matching.add_drawn(place, draw)
            else:
                found = draw(benchmark.tasks, plan.k)
                matching.add_recorded(place, found.candidates, found)
        drawn.append((target, found))
    if drawer is not None:
        for line in drawer.ended([target for target, _ in drawn], [found for _, found in drawn]).notes:
            notice(line)
    return matching.arms()


class _Stage(NamedTuple):
    """A stage's candidates, how they were drawn if they were, and the tasks that do not reach it."""

    candidates: Sequence[Candidate]
    drawn: Drawn | None = None
    spared: frozenset[str] = frozenset()


class _Stages:
    """Gets the samples of a cascade's stages, each for the tasks that reach it."""

    def __init__(
        self,
        plan: Plan,
        benchmark: Benchmark,
        recorded: Mapping[str, Sequence[Candidate]],
        draw: Callable[[Sequence[Task], int], Drawn | None],
        judging: Judging | None,
    ) -> None:
        self._plan = plan
        self._tasks = benchmark.tasks
        self._recorded = recorded
        self._draw = draw
        self._judging = judging

    def found(self) -> list[_Stage]:
        """Get all stages: recorded samples as they are, or else each task's first k, as the cascade draws them."""
        stages: list[_Stage] = []
        for stage in self._plan.stages:
            spec = stage.arm.spec
            if spec in self._recorded:
                stages.append(_Stage(self._recorded[spec]))
                continue
            goes_on = self._going_on(stages)
            drawn = self._draw([task for task in self._tasks if task.id in goes_on], stage.k)
            spared = frozenset(task.id for task in self._tasks if task.id not in goes_on)
            stages.append(_Stage(() if drawn is None else drawn.candidates, drawn, spared))
        is_recorded = all(plan.arm.spec in self._recorded for plan in self._plan.stages)
        if is_recorded or (not any(stage.spared for stage in stages) and self._is_whole(stages)):
            return stages
        return [
            one._replace(candidates=_first(one.candidates, plan.k))
            for one, plan in zip(stages, self._plan.stages, strict=True)
        ]

    def _going_on(self, stages: Sequence[_Stage]) -> frozenset[str]:
        """Find the tasks that go on after the stages so far."""
        everything = frozenset(task.id for task in self._tasks)
        if not stages:
            return everything
        assert self._judging is not None
        if self._judging.rule.is_fitted:
            return everything
        first = [
            _first(one.candidates, plan.k) for one, plan in zip(stages, self._plan.stages[: len(stages)], strict=True)
        ]
        return going_on(self._plan, by_task(staged(first)), self._tasks, self._judging)

    def _is_whole(self, stages: Sequence[_Stage]) -> bool:
        """Whether each task that has samples of the first stage has enough of all."""
        grouped = [by_task(one.candidates) for one in stages]
        return all(
            len(found.get(task_id, ())) >= plan.k
            for task_id in grouped[0]
            for found, plan in zip(grouped, self._plan.stages, strict=True)
        )


def _first(candidates: Sequence[Candidate], k: int) -> list[Candidate]:
    """Get each task's first k candidates."""
    return [one for rows in by_task(candidates).values() for one in sorted(rows, key=lambda row: row.index)[:k]]


def pilot_of(benchmark: Benchmark, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Find the samples that an arm's pilot drew."""
    tasks = {task.id for task in benchmark.tasks[:PILOT_TASKS]}
    return [candidate for candidate in candidates if candidate.index == 0 and candidate.task_id in tasks]


def k_note(spec: str, k: int, before: int, by: str = "the pilot") -> str:
    """Say that an arm was drawn further or cut to `k`, from the k `before` that `by` gave."""
    way = "cut" if k < before else "drawn further"
    return f"{spec}: {way} to k = {k}, based on the realised cost of its samples; {by} gave {before}"


def _with_fixed_tests(planned: Planned, texts: Mapping[str, int]) -> Planned:
    """Fix numbers of texts of tests, by arms as typed, where there are any."""
    tests = planned.conditions.tests
    if tests is None:
        return planned
    fixed = {**tests.fixed, **{spec: number for spec, number in texts.items() if number}}
    return replace(planned, conditions=replace(planned.conditions, tests=replace(tests, fixed=fixed)))


class _Matching:
    """The arms so far, each with its lengths and its k."""

    def __init__(self, planned: Planned, benchmark: Benchmark, counters: Mapping[str, TokenCounter]) -> None:
        self._planned = _with_fixed_tests(
            planned, {plan.single[0].arm.spec: plan.tests_asked or plan.tests for plan in planned.plans}
        )
        self._benchmark = benchmark
        self._counters = counters
        settings = planned.settings
        # Lengths that the user gave override those of the samples.
        self._follows = planned.measures and settings.prompt_tokens is None and settings.output_tokens is None
        self._workloads: list[list[Workload]] = [[planned.workload] * len(plan.single) for plan in planned.plans]
        self._ks: list[int] = [1] * len(planned.plans)
        self._found: list[ArmSamples] = []

    def add_recorded(self, place: int, candidates: Sequence[Candidate], replayed: Drawn | None = None) -> None:
        """Add an arm that has its samples: its lengths are the mean over all of them, and k follows."""
        plan = self._planned.plans[place]
        found = self._counted(plan, candidates)
        k = plan.k
        if self._planned.measures and found.tokens:
            k = self._plan_by(place, mean_lengths(found, RECORDED_SAMPLES))
        arm = ArmSamples(plan.model_copy(update={"k": k}), candidates, counter=self._counter(plan))
        if replayed is not None:
            arm = arm._replace(tally=_tally(replayed), series=replayed.series)
        if self._follows and plan.arm.k is None:
            most = self._fewest_samples(candidates)
            fits = self._matching(place, arm, 0.0)
            k = max(1, min(fits, most))
            if k < fits:
                note = f"{plan.arm.spec}: the limit allows k = {fits}, but there are only {most} samples of each task"
                arm = arm._replace(k_note=note)
        self._keep(place, arm, k)

    def add_cascade(self, place: int, stages: Sequence[_Stage]) -> None:
        """Add a cascade: each stage has its own lengths, and the k that was typed."""
        plan = self._planned.plans[place]
        for stage, (single, found) in enumerate(zip(plan.stages, stages, strict=True)):
            counted_samples = self._counted(single, found.candidates)
            if self._planned.measures and counted_samples.tokens:
                lengths = mean_lengths(counted_samples, RECORDED_SAMPLES if found.drawn is None else DRAWN_SAMPLES)
                self._workloads[place][stage] = self._planned.measured_workload(lengths)
        parts = tuple(
            StageSamples(
                self._counter(single),
                None if found.drawn is None else _tally(found.drawn),
                None if found.drawn is None else found.drawn.series,
                found.spared,
            )
            for single, found in zip(plan.stages, stages, strict=True)
        )
        self._keep(place, ArmSamples(plan, staged([one.candidates for one in stages]), stages=parts), plan.k)

    def add_drawn(self, place: int, draw: Callable[[Sequence[Task], int], Drawn]) -> Drawn:
        """Draw an arm: the pilot, the k that follows from it, and more if the full set costs less."""
        plan, tasks = self._planned.plans[place], self._benchmark.tasks
        k, pilot_k = plan.k, None
        if self._planned.measures:
            pilot = draw(tasks[:PILOT_TASKS], 1)
            if pilot.candidates and _is_whole(pilot):
                lengths = mean_lengths(self._counted(plan, pilot.candidates), PILOT_SAMPLES)
                k = pilot_k = self._plan_by(place, lengths)
        planned_k = k
        drawn = draw(tasks, k)
        arm = self._drawn_arm(plan, k, drawn, pilot_k)
        if not self._follows or plan.arm.k is not None:
            self._keep(place, arm, k)
            return drawn
        for _ in range(_ROUNDS):
            if not _is_whole(drawn):
                # The run was stopped; the next one continues.
                break
            better = self._matching(place, arm, self._planned.settings.tolerance)
            is_more, k = better > k, better
            if not is_more:
                break
            drawn = draw(tasks, k)
            arm = self._drawn_arm(plan, k, drawn, pilot_k)
        if k != planned_k:
            arm = arm._replace(
                k_note=k_note(plan.arm.spec, k, planned_k, "the plan" if pilot_k is None else "the pilot")
            )
        self._keep(place, arm, k)
        return drawn

    def arms(self) -> list[ArmSamples]:
        """Get all arms with their final plans."""
        plans = self._planned.plans
        final = plan_again(self._planned, plans, self._all_workloads(), self._ks)
        unmeasured = [self._planned.workload for plan in plans for _ in plan.single]
        before = plan_again(self._planned, plans, unmeasured, self._ks)
        return [
            arm._replace(plan=plan, estimate=estimate.cost if self._planned.measures else None)
            for arm, plan, estimate in zip(self._found, final, before, strict=True)
        ]

    def _plan_by(self, place: int, lengths: Workload) -> int:
        """Find an arm's k by its lengths."""
        self._workloads[place] = [self._planned.measured_workload(lengths)]
        ks: list[int | None] = [*self._ks]
        ks[place] = None
        plan = plan_again(self._planned, self._planned.plans, self._all_workloads(), ks)[place]
        if plan.tests:
            self._planned = _with_fixed_tests(self._planned, {plan.arm.spec: plan.tests})
        return plan.k

    def _all_workloads(self) -> list[Workload]:
        return [workload for workloads in self._workloads for workload in workloads]

    def _keep(self, place: int, arm: ArmSamples, k: int) -> None:
        self._ks[place] = k
        self._found.append(arm._replace(plan=arm.plan.model_copy(update={"k": k})))

    def _drawn_arm(self, plan: Plan, k: int, drawn: Drawn, pilot_k: int | None) -> ArmSamples:
        return ArmSamples(
            plan.model_copy(update={"k": k}),
            drawn.candidates,
            _tally(drawn),
            counter=self._counter(plan),
            pilot_k=pilot_k,
            series=drawn.series,
        )

    def _matching(self, place: int, arm: ArmSamples, tolerance: float) -> int:
        """Find the k that the limit pays for at realised costs, or at planned ones in kinds without realised ones."""
        planned = self._planned
        kinds = limiting_kinds(planned.settings.match, planned.budget)
        first = self._found[0] if self._found else arm
        if planned.budget is None and first is arm:
            return arm.plan.k
        realised, of_first = (self._realised(one, first, arm) for one in (arm, first))
        plan_cost, plan_of_first = self._plan_cost(place), self._plan_cost(0)
        limits: dict[BudgetKind, float] = {}
        by_plan: set[str] = set()
        for kind in kinds:
            field = COST_FIELDS[kind]
            limit = getattr(planned.budget or of_first(first.plan.k), field)
            if limit is None or getattr(realised(arm.plan.k), field) is None:
                by_plan.add(field)
                limit = getattr(planned.budget or plan_of_first(first.plan.k), field)
            limits[kind] = limit

        tests = self._cost_of_tests(place, plan_cost)

        def cost(k: int) -> Cost:
            planned_cost = plan_cost(k)
            found = realised(k).model_copy(update={field: getattr(planned_cost, field) for field in by_plan})
            # A single sample is not ranked.
            return found if tests is None or k == 1 else cascade_cost([found, tests], (1.0, 1.0))

        if all(limits[kind] <= 0 for kind in kinds):
            return arm.plan.k
        return matching_k(cost, limits, arm.plan.k, tolerance)

    def _cost_of_tests(self, place: int, plan_cost: Callable[[int], Cost]) -> Cost | None:
        """Price the tests that an arm's plan counts on; None if it counts on none."""
        if self._planned.conditions.tests is None:
            return None
        ks: list[int | None] = [*self._ks]
        ks[place] = 2
        plan = plan_again(self._planned, self._planned.plans, self._all_workloads(), ks)[place]
        if not plan.tests:
            return None
        programs = plan_cost(2)
        return Cost.model_validate(
            {
                field: None if (of_both := getattr(plan.cost, field)) is None else max(0.0, of_both - (of_one or 0.0))
                for field in COST_FIELDS.values()
                for of_one in (getattr(programs, field),)
            }
        )

    def _plan_cost(self, place: int) -> Callable[[int], Cost]:
        plan, conditions = self._planned.plans[place], self._planned.conditions
        if plan.stages:
            found = plan_again(self._planned, self._planned.plans, self._all_workloads(), [*self._ks])[place].cost
            return lambda _: found
        price = conditions.prices.of_arm(plan.arm)
        return cost_of_arm(planned_model(plan), self._workloads[place][0], conditions, price, plan.precision)

    def _realised(self, arm: ArmSamples, first: ArmSamples, other: ArmSamples) -> Callable[[int], Cost]:
        """Build an arm's realised cost, over the tasks and settings that two arms share.

        A cascade's is not known before it is replayed.
        """
        if arm.plan.stages:
            return lambda _: Cost()
        if other.plan.stages or first.plan.stages:
            first = other = arm
        listed = [first, other]
        specs = [one.plan.arm.spec for one in listed]
        grouped, _ = pool_common_strata(specs, [by_task(one.candidates) for one in listed])
        shared = grouped[0].keys() & grouped[1].keys()
        mine = grouped[0] if arm is first else grouped[1]
        tasks = [
            counted(mine[task.id], self._benchmark.by_id, arm.counter).lengths
            for task in self._benchmark.tasks
            if task.id in shared
        ]
        price = self._planned.conditions.prices.of_arm(arm.plan.arm)
        return sample_costs(arm.plan, tasks, _usage_of(arm.tally), price)

    def _counted(self, plan: Plan, candidates: Sequence[Candidate]) -> Counted:
        return counted(candidates, self._benchmark.by_id, self._counter(plan))

    def _counter(self, plan: Plan) -> TokenCounter:
        return self._counters.get(plan.arm.spec, BYTES)

    def _fewest_samples(self, candidates: Sequence[Candidate]) -> int:
        return min(map(len, by_task(candidates).values()), default=0)


def _is_whole(drawn: Drawn) -> bool:
    """Whether all samples were asked for, even if some came to nothing."""
    return drawn.missing == len(drawn.lost)


def _tally(drawn: Drawn) -> Tally | None:
    tally = drawn.series.tally
    return tally if tally.samples else None


def _usage_of(tally: Tally | None) -> Callable[[int], Usage] | None:
    return None if tally is None else tally.per_task
