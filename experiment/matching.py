"""Planned arms -> arms with candidates: lengths are measured, k follows from them, and missing samples are drawn.

An arm is drawn in one go, so that its model is loaded once: a pilot shows how long its samples are, k follows, and if
the full set costs more or less than the limit, more are drawn or fewer are scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from .._util.progress import Progress, notice, silent
from ..budgets.costs import cost_of_arm
from ..budgets.notation import COST_FIELDS
from ..budgets.plan import planned_model
from ..budgets.realised import limiting_kinds, matching_k, sample_costs
from ..errors import MachineError
from .benchmarks import about, check_shared_ids, progress_about
from .drawing import ArmDrawer, session_of
from .lengths import BYTES, Counted, counted, counter_of, mean_lengths
from .planning import plan_again
from .pools import by_task, pool_common_strata
from .samples import ArmSamples, files_by_arm, named_arms, read_arm, ways_for, with_ways
from .targets import check_engine, check_servable, target_of_plan
from .workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..records import BudgetKind, Candidate, Cost, Plan, Task, Usage, Workload
    from ..sampler.drawing import Drawn
    from ..sampler.files import Recorded
    from ..sampler.series import Tally
    from ..settings import Drawing, Running
    from ..tasks import Benchmark
    from .lengths import TokenCounter
    from .planning import Planned

PILOT_TASKS: Final = 8
"""Number of tasks, the first ones, of which a pilot draws sample 0."""

PILOT_SAMPLES: Final = "pilot samples"
RECORDED_SAMPLES: Final = "recorded samples"
"""Names of samples in the source of mean lengths."""

_ROUNDS: Final = 4
"""Maximum number of times that an arm is drawn further; each gives better mean lengths."""


def arm_samples(
    planned: Sequence[Planned],
    benchmarks: Sequence[Benchmark],
    samples: Mapping[str, Sequence[str]],
    drawing: Drawing,
    running: Running,
    progress: Progress = silent,
) -> list[list[ArmSamples]]:
    """Get each arm's candidates and final plan on every benchmark: from files, else from the store or drawn.

    Files are read and settings are checked before anything is drawn; drawing then goes from benchmark to benchmark
    under one limit.

    Args:
        planned: The same arms' plans before anything is measured, for each benchmark.
        benchmarks: Where the tasks come from; several as `benchmarks.told_apart` gives them.
        samples: Recorded files by arm, with rows of all benchmarks; see `files_by_arm`.
        drawing: How samples are drawn.
        running: The seed and the store.
        progress: Told how far drawing is.

    Raises:
        UserError: A setting, a file or a row is wrong, or at its own lengths an arm costs more than the limit.
        MachineError: Nothing can draw here; the message names alternatives.
    """
    files = files_by_arm(samples, named_arms(planned[0].plans))
    if files:
        check_shared_ids(benchmarks)
    read = []
    for benchmark in benchmarks:
        with about(benchmark, benchmarks):
            read.append({spec: read_arm(spec, patterns, benchmark, running) for spec, patterns in files.items()})
    parts = [_Part(*part) for part in zip(planned, benchmarks, read, strict=True)]
    if len(files) == len(planned[0].plans):
        return [_matched(part, benchmarks, None) for part in parts]
    missing = [plan for plan in planned[0].plans if plan.arm.spec not in files]
    try:
        for one in planned:
            lacking = [plan for plan in one.plans if plan.arm.spec not in files]
            check_servable([target_of_plan(plan) for plan in lacking], drawing.engine, one.conditions)
        check_engine(drawing.engine)
        with open_workspace(running.store) as store:
            session = session_of(drawing, running, store)
            for benchmark in benchmarks:
                for plan in missing:
                    session.settings(benchmark.tasks[0].benchmark, plan.arm)
            meter = session.meter()
            return [
                _matched(
                    part,
                    benchmarks,
                    ArmDrawer(
                        session,
                        part.planned.conditions,
                        progress_about(part.benchmark, benchmarks, progress),
                        meter,
                    ),
                )
                for part in parts
            ]
    except MachineError as error:
        raise with_ways(error, ways_for([plan.arm for plan in missing])) from None


class _Part(NamedTuple):
    """One benchmark's plans, tasks and recorded arms."""

    planned: Planned
    benchmark: Benchmark
    read: Mapping[str, Recorded]


def _matched(part: _Part, benchmarks: Sequence[Benchmark], drawer: ArmDrawer | None) -> list[ArmSamples]:
    """Match the arms of one of several benchmarks; recorded ones get their files' verdicts."""
    planned, benchmark, read = part
    recorded = {spec: one.candidates for spec, one in read.items()}
    counters = {plan.arm.spec: counter_of(plan.model) for plan in planned.plans}
    with about(benchmark, benchmarks):
        arms = match_arms(planned, benchmark, recorded, drawer, counters)
    return [arm._replace(verdicts=read[spec].verdicts) if (spec := arm.plan.arm.spec) in read else arm for arm in arms]


def match_arms(
    planned: Planned,
    benchmark: Benchmark,
    recorded: Mapping[str, Sequence[Candidate]],
    drawer: ArmDrawer | None,
    counters: Mapping[str, TokenCounter] | None = None,
) -> list[ArmSamples]:
    """Match arms by the lengths of their own samples, unless a convention or lengths are given.

    Args:
        planned: The arms' plans before anything is measured.
        benchmark: Where the tasks come from.
        recorded: Candidates by arm, for those that have any.
        drawer: Draws the others.
        counters: Estimate token counts, by arm; by bytes for other arms.

    Raises:
        UserError: At its own lengths an arm costs more than the limit.
        MachineError: Nothing can draw here.
    """
    matching = _Matching(planned, benchmark, counters or {})
    missing = [plan for plan in planned.plans if plan.arm.spec not in recorded]
    targets = [] if drawer is None else drawer.prepared([target_of_plan(plan) for plan in missing])
    waiting = iter(targets)
    drawn: list[Drawn] = []
    for place, plan in enumerate(planned.plans):
        spec = plan.arm.spec
        if spec in recorded:
            matching.add_recorded(place, recorded[spec])
            continue
        assert drawer is not None
        with drawer.opened(next(waiting)) as draw:
            if drawer.draws:
                found = matching.add_drawn(place, draw)
            else:
                found = draw(benchmark.tasks, plan.k)
                matching.add_recorded(place, found.candidates, found)
        drawn.append(found)
    if drawer is not None:
        for line in drawer.ended(targets, drawn).notes:
            notice(line)
    return matching.arms()


def pilot_of(benchmark: Benchmark, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Find the samples that an arm's pilot drew."""
    tasks = {task.id for task in benchmark.tasks[:PILOT_TASKS]}
    return [candidate for candidate in candidates if candidate.index == 0 and candidate.task_id in tasks]


def k_note(spec: str, k: int, before: int, by: str = "the pilot") -> str:
    """Say that an arm was drawn further or cut to `k`, from the k `before` that `by` gave."""
    way = "cut" if k < before else "drawn further"
    return f"{spec}: {way} to k = {k}, based on the realised cost of its samples; {by} gave {before}"


class _Matching:
    """The arms so far, each with its lengths and its k."""

    def __init__(self, planned: Planned, benchmark: Benchmark, counters: Mapping[str, TokenCounter]) -> None:
        self._planned = planned
        self._benchmark = benchmark
        self._counters = counters
        settings = planned.settings
        # Lengths that the user gave override those of the samples.
        self._follows = planned.measures and settings.prompt_tokens is None and settings.output_tokens is None
        self._workloads: list[Workload] = [planned.workload] * len(planned.plans)
        self._ks: list[int] = [1] * len(planned.plans)
        self._found: list[ArmSamples] = []

    def add_recorded(self, place: int, candidates: Sequence[Candidate], replayed: Drawn | None = None) -> None:
        """Add an arm that has its samples: its lengths are the mean over all of them, and k follows."""
        plan = self._planned.plans[place]
        found = self._counted(plan, candidates)
        k = plan.k
        if self._planned.measures and found.candidates:
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
        final = plan_again(self._planned, plans, self._workloads, self._ks)
        before = plan_again(self._planned, plans, [self._planned.workload] * len(plans), self._ks)
        return [
            arm._replace(plan=plan, estimate=estimate.cost if self._planned.measures else None)
            for arm, plan, estimate in zip(self._found, final, before, strict=True)
        ]

    def _plan_by(self, place: int, lengths: Workload) -> int:
        """Find an arm's k by its lengths."""
        self._workloads[place] = self._planned.measured_workload(lengths)
        ks: list[int | None] = [*self._ks]
        ks[place] = None
        return plan_again(self._planned, self._planned.plans, self._workloads, ks)[place].k

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

        def cost(k: int) -> Cost:
            planned_cost = plan_cost(k)
            return realised(k).model_copy(update={field: getattr(planned_cost, field) for field in by_plan})

        if all(limits[kind] <= 0 for kind in kinds):
            return arm.plan.k
        return matching_k(cost, limits, arm.plan.k, tolerance)

    def _plan_cost(self, place: int) -> Callable[[int], Cost]:
        plan, conditions = self._planned.plans[place], self._planned.conditions
        price = conditions.prices.of_arm(plan.arm)
        return cost_of_arm(planned_model(plan), self._workloads[place], conditions, price, plan.precision)

    def _realised(self, arm: ArmSamples, first: ArmSamples, other: ArmSamples) -> Callable[[int], Cost]:
        """Build an arm's realised cost, over the tasks and settings that two arms share."""
        listed = [first, other]
        specs = [one.plan.arm.spec for one in listed]
        grouped, _ = pool_common_strata(specs, [by_task(one.candidates) for one in listed])
        shared = grouped[0].keys() & grouped[1].keys()
        mine = grouped[0] if arm is first else grouped[1]
        tasks = [
            counted(mine[task.id], self._benchmark.by_id, arm.counter).candidates
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
