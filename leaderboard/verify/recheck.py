"""Grading and ranking one benchmark of a recorded run again."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ...budgets.flops import decode_flops, prefill_flops
from ...budgets.models import find_model
from ...budgets.plan import planned_model
from ...errors import CodebudgetError, EngineError, MachineError, SandboxError, UserError
from ...estimators import rank_score_at_ks
from ...experiment.comparison import rank_arm
from ...experiment.escalation import rule_of
from ...experiment.lengths import BYTES, counted, mean_lengths
from ...experiment.matching import DRAWN_SAMPLES, PILOT_SAMPLES, RECORDED_SAMPLES, pilot_of
from ...experiment.planning import plan_again
from ...experiment.pools import GradedTask, by_task, gather, scorable
from ...experiment.ranking import Judging
from ...experiment.rewards import reward_models, rewarder_of
from ...rankers.combine import Composite
from ...sampler.files import program_in
from .. import files
from ..differences import MOST, Difference, compare, difference
from ..manifest import LengthsPart, reference_check_hash
from ..results import GradedBenchmark, ks_of
from ..rows import RankingRow
from . import regrade

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ..._util.progress import Progress
    from ...budgets.models import Model
    from ...experiment.grading import Grader
    from ...experiment.pools import Pool, Scorable
    from ...experiment.ranking import RankedTask
    from ...rankers import Ranker
    from ...records import Candidate, Plan, Task
    from ..results import PlannedBenchmark
    from ..rows import TestsRow, VerdictRow
    from .reading import RecordedRun

REWARD_TOLERANCE: Final = 1e-2
"""Absolute and relative: the rounding of 16 bits."""

RankingRows = dict[tuple[str, str, str], tuple[int, RankingRow]]
"""Numbers and rows by arm, task and ranker."""


@dataclass
class Verification:
    """Findings of verifying.

    Attributes:
        differences: Whatever is not as it should be, at most `MOST`; none if the run is verified.
        flips: Verdicts that other limits would turn: the machine decides them.
        unstable: Verdicts of programs whose results vary.
        notes: What could not be checked here, and why.
        graded: Verdicts that were graded again, of `verdicts` in all.
        verdicts: See there.
        ranked: Rankings that were made again, of `rankings` in all.
        rankings: See there.
        numbers: Values of results.json computed again.
    """

    differences: list[Difference] = field(default_factory=list)
    flips: list[str] = field(default_factory=list)
    unstable: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    graded: int = 0
    verdicts: int = 0
    ranked: int = 0
    rankings: int = 0
    numbers: int = 0

    def value(self) -> dict[str, Any]:
        """Convert to JSON; `verified` means there are no differences."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {"verified": not self.differences, **found, "differences": [one._asdict() for one in self.differences]}

    def add(self, differences: Iterable[Difference]) -> None:
        """Keep differences unless there are too many already."""
        self.differences += islice(differences, MOST - len(self.differences))

    def include(self, other: Verification) -> None:
        """Add findings of verifying a part of the run."""
        self.add(other.differences)
        self.flips += other.flips
        self.unstable += other.unstable
        self.notes += other.notes
        self.graded += other.graded
        self.ranked += other.ranked


class OwnRankers(NamedTuple):
    """The rankers of a run that are here, and why others are not, by name.

    `differences` concern files that should be the run's and are not.
    """

    rankers: Mapping[str, Ranker]
    missing: Mapping[str, str]
    differences: Sequence[Difference] = ()


def _by_stage(
    plans: Sequence[Plan], samples: Sequence[Sequence[Candidate]]
) -> Iterator[tuple[Plan, int | None, list[Candidate]]]:
    """Yield arms with their candidates, and cascades once for each stage, with that stage's."""
    for plan, candidates in zip(plans, samples, strict=True):
        for stage in range(len(plan.stages)) if plan.stages else (None,):
            yield plan, stage, [one for one in candidates if one.stage == stage]


_MOST_OFF: Final = 0.05
"""How far FLOPs of tests may be from those of texts of equal length: their own lengths are not in a run."""


def _flops_of_tests(row: TestsRow, model: Model | None, programs: Sequence[Candidate]) -> float | None:
    """Count the FLOPs of a row's texts by their tokens; None where these are unknown.

    Args:
        row: The tests of an arm on a task.
        model: The one that wrote them.
        programs: Those that the same model drew, whose prompt's pass is not paid twice.
    """
    if model is None or row.prompt_tokens is None or row.output_tokens is None or not row.texts:
        return None
    prompt, each = round(row.prompt_tokens), round(row.output_tokens / len(row.texts))
    shared = next((one.prompt_tokens for one in programs if one.prompt_tokens is not None), 0)
    paid = prefill_flops(model.architecture, shared) if shared else 0
    prefill = max(0, prefill_flops(model.architecture, prompt) - paid)
    return float(prefill + len(row.texts) * decode_flops(model.architecture, prompt, each))


class Rechecked(NamedTuple):
    """The basis of results, None if rows do not fit together or cannot be computed with, and all differences."""

    graded: GradedBenchmark | None
    found: Verification


def recheck(
    run: RecordedRun,
    planned: PlannedBenchmark,
    own: OwnRankers,
    grader: Grader,
    chosen: set[int] | None,
    progress: Progress,
) -> Rechecked:
    """Grade and rank one benchmark of a run again.

    Args:
        run: As read.
        planned: The benchmark, planned here.
        own: The rankers of the run that are here.
        grader: On an empty store.
        chosen: The numbers of the verdicts' rows to grade again; None for all.
        progress: Told how far it is.

    Raises:
        SandboxError: The sandbox fails here.
    """
    check = _Recheck(run, planned, own, grader, chosen, progress)
    try:
        graded = check.graded()
    except (ArithmeticError, ValueError, RecursionError) as error:
        check.found.add((past_computing(f"the rows of {planned.benchmark.name}", error),))
        graded = None
    return Rechecked(graded, check.found)


def past_computing(what: str, error: Exception) -> Difference:
    """Report a stranger's numbers that nothing can be computed from."""
    return difference(files.RESULTS, "", "", what, f"{type(error).__name__}: {error}")


class _Recheck:
    """One benchmark of a run, and the findings in it so far."""

    def __init__(
        self,
        run: RecordedRun,
        planned: PlannedBenchmark,
        own: OwnRankers,
        grader: Grader,
        chosen: set[int] | None,
        progress: Progress,
    ) -> None:
        self._run, self._planned, self._own, self._grader = run, planned, own, grader
        self._chosen, self._progress = chosen, progress
        self.found = Verification()
        self._specs = [plan.arm.spec for plan in planned.plans]
        self._name = planned.benchmark.name

    def graded(self) -> GradedBenchmark | None:
        """Get the basis of results; None if the rows do not fit together."""
        samples = self._samples()
        if samples is None:
            return None
        self._measure(samples)
        self._check_tests(samples)
        wanted = self._planned.wanted(samples)
        try:
            found = scorable(
                self._planned.benchmark, wanted, self._grader, allow_shared=self._run.board.board.sandbox.allow_shared
            )
        except UserError as error:
            self._add(difference(files.CANDIDATES, self._name, "", "tasks to score", str(error)))
            return None
        parts = (part for part in self._run.manifest.benchmarks if part.benchmark == self._name)
        recorded = next((part.reference_check for part in parts), "no check")
        name = f"benchmarks {self._name} reference_check"
        self.found.add(compare(files.MANIFEST, "", recorded, reference_check_hash(found.checks), name))
        pools = self._pools(found)
        if pools is None:
            return None
        try:
            graded = gather(wanted, found, pools)
        except CodebudgetError as error:
            # By the recorded verdicts: nothing was run.
            self._add(difference(files.VERDICTS, self._name, "", "tasks to score", str(error)))
            return None
        ranked = self._ranked(graded.tasks, pools)
        return None if ranked is None else GradedBenchmark(self._planned, graded, ranked)

    def _measure(self, samples: Sequence[Sequence[Candidate]]) -> None:
        """Measure again the lengths that k follows from, and compute again the pilots' k."""
        planned, terms = self._planned, self._planned.terms
        if not terms.measures:
            return
        parts = {(part.arm, part.stage): part for part in self._run.manifest.models if part.benchmark == self._name}
        workloads = []
        for plan, stage, candidates in _by_stage(planned.plans, samples):
            part = parts.get((plan.arm.spec, stage))
            what, measured = RECORDED_SAMPLES, candidates
            if stage is not None and part is not None and part.source == "drawn":
                what = DRAWN_SAMPLES
            if part is not None and part.pilot_k is not None:
                what, measured = PILOT_SAMPLES, pilot_of(planned.benchmark, candidates)
            if not measured:
                workloads.append(planned.workload)
                continue
            found = mean_lengths(counted(measured, planned.benchmark.by_id, BYTES), what)
            workloads.append(terms.measured_workload(found))
            lengths = None if part is None or part.lengths is None else part.lengths.model_dump()
            of_stage = "" if stage is None else f" stage {stage}"
            name = f"models {self._name} {plan.arm.spec}{of_stage} lengths"
            again = LengthsPart.of(workloads[-1]).model_dump()
            self.found.add(compare(files.MANIFEST, "", lengths, again, name))
        for place, plan in enumerate(planned.plans):
            pilot_k = planned.pilot_ks.get(plan.arm.spec)
            if pilot_k is None:
                continue
            ks: list[int | None] = [one.k for one in planned.plans]
            ks[place] = None
            try:
                again_k = plan_again(terms, planned.plans, workloads, ks)[place].k
            except UserError as error:
                self._add(difference(files.MANIFEST, "", f"models {self._name} {plan.arm.spec}", "a k", str(error)))
                continue
            name = f"models {self._name} {plan.arm.spec} pilot_k"
            self.found.add(compare(files.MANIFEST, "", pilot_k, again_k, name))

    def _check_tests(self, samples: Sequence[Sequence[Candidate]]) -> None:
        """Check that each arm has as many texts of tests as its plan pays for, and that their FLOPs fit their tokens.

        Which model wrote them cannot be checked, as for candidates.
        """
        planned = self._planned
        places = {
            (plan.arm.spec, task.id): place
            for place, (plan, task) in enumerate(
                (plan, task) for plan in planned.plans if plan.tests for task in planned.benchmark.tasks
            )
        }
        plans = {plan.arm.spec: plan for plan in planned.plans}
        programs = {spec: by_task(rows) for spec, rows in zip(self._specs, samples, strict=True)}
        authors = {} if planned.conditions.tests is None else planned.conditions.tests.authors
        last = -1
        for number, row in enumerate(self._run.tests, 1):
            if row.benchmark != self._name:
                continue
            place = places.get((row.arm, row.task_id), -1)
            if place <= last:
                found = "not paid for" if place < 0 else "twice, or out of order"
                self._add(difference(files.TESTS, f"row {number}", "", f"{row.arm} {row.task_id}", found))
                continue
            last = place
            plan = plans[row.arm]
            if len(row.texts) > plan.tests:
                self._add(difference(files.TESTS, f"row {number}", "texts", len(row.texts), f"at most {plan.tests}"))
            first = plan.single[0]
            author = authors.get(first.arm.spec)
            model = planned_model(first) if author is None else find_model(author.name, self._run.board.board.family)
            drawn = [one for one in programs[row.arm].get(row.task_id, ()) if not one.stage]
            again = _flops_of_tests(row, model, drawn if author is None else ())
            stated = None if row.prefill_flops is None else row.prefill_flops + (row.decode_flops or 0.0)
            if again is not None and (stated is None or abs(stated - again) > _MOST_OFF * again):
                self._add(difference(files.TESTS, f"row {number}", "flops", stated, again))

    def _add(self, one: Difference) -> None:
        self.found.add((one,))

    def _samples(self) -> list[list[Candidate]] | None:
        """Get each arm's candidates; their programs must match their texts."""
        samples: dict[str, list[Candidate]] = {spec: [] for spec in self._specs}
        order = {task.id: place for place, task in enumerate(self._planned.benchmark.tasks)}
        last: tuple[int, int, int] | None = None
        fits = True
        for number, row in enumerate(self._run.candidates, 1):
            if row.benchmark != self._name:
                continue
            if row.arm not in samples or row.task_id not in order:
                self._add(difference(files.CANDIDATES, f"row {number}", "", f"{row.arm} {row.task_id}", "not declared"))
                fits = False
                continue
            place = (order[row.task_id], self._specs.index(row.arm), row.index)
            if last is not None and place <= last:
                self._add(difference(files.CANDIDATES, f"row {number}", "", "in order", "twice, or out of order"))
                fits = False
            last = place
            program = program_in(row.raw, self._planned.benchmark.task(row.task_id), row.prompt)
            if program != row.program:
                self._add(difference(files.CANDIDATES, f"row {number}", "program", row.program, program))
            samples[row.arm].append(row.candidate())
        return list(samples.values()) if fits else None

    def _pools(self, found: Scorable) -> list[Pool] | None:
        """Join recorded verdicts to their candidates, after grading some or all again."""
        rows: dict[tuple[str, str, int], tuple[int, VerdictRow]] = {}
        fits = True
        for number, row in enumerate(self._run.verdicts, 1):
            if row.benchmark == self._name:
                if (row.arm, row.task_id, row.index) in rows:
                    self._add(
                        difference(files.VERDICTS, f"row {number}", "", "one verdict", "the second of its candidate")
                    )
                    fits = False
                rows[row.arm, row.task_id, row.index] = number, row
        expected = [
            (spec, task, candidate)
            for task in found.tasks
            for spec, by_task in zip(self._specs, found.candidates, strict=True)
            for candidate in by_task[task.id]
        ]
        keys = [(spec, task.id, candidate.index) for spec, task, candidate in expected]
        for spec, task_id, index in keys:
            if (spec, task_id, index) not in rows:
                self._add(difference(files.VERDICTS, f"{spec} {task_id} {index}", "", "no row", "a candidate"))
                fits = False
        for key in rows.keys() - set(keys):
            number = rows[key][0]
            self._add(difference(files.VERDICTS, f"row {number}", "", f"a verdict on {key[1]}", "nothing to grade"))
            fits = False
        if not fits:
            return None
        if list(rows) != keys:
            self._add(difference(files.VERDICTS, "", "", "in order", "out of order"))
        self._regrade(
            [
                regrade.RecordedVerdict(rows[key][1], rows[key][0], task, found.checks[task.id], candidate)
                for key, (_, task, candidate) in zip(keys, expected, strict=True)
                if self._chosen is None or rows[key][0] in self._chosen
            ]
        )
        pools: list[Pool] = [{} for _ in self._specs]
        for key, (spec, task, candidate) in zip(keys, expected, strict=True):
            pool = pools[self._specs.index(spec)].setdefault(task.id, GradedTask([], []))
            pool.candidates.append(candidate)
            pool.verdicts.append(rows[key][1].verdict())
        return pools

    def _regrade(self, chosen: Sequence[regrade.RecordedVerdict]) -> None:
        recorded, here = self._run.manifest.sandbox.environment, self._grader.sandbox.environment()
        done = regrade.regrade(chosen, self._grader, same_environment=recorded == here)
        result = self.found
        result.graded += len(chosen)
        result.add(done.differences)
        result.flips += done.flips
        result.unstable += done.unstable
        if done.other_texts:
            result.notes.append(
                f"{self._name}: the details of {len(done.other_texts)} verdicts are worded differently here, where "
                "the sandbox differs from the run's"
            )

    def _ranked(self, tasks: Sequence[Task], pools: Sequence[Pool]) -> list[dict[str, list[RankedTask]]] | None:
        """Get the recorded rankings, after redoing some or all."""
        board = self._run.board.board
        rows: RankingRows = {}
        fits = True
        for number, row in enumerate(self._run.rankings, 1):
            if row.benchmark == self._name:
                if (row.arm, row.task_id, row.ranker) in rows:
                    self._add(difference(files.RANKINGS, f"row {number}", "", "one ranking", "the second of its kind"))
                    fits = False
                rows[row.arm, row.task_id, row.ranker] = number, row
        keys = [(spec, task.id, name) for task in tasks for spec in self._specs for name in board.selecting.bounded]
        for key in keys:
            if key not in rows:
                self._add(difference(files.RANKINGS, " ".join(key), "", "no row", "a ranking"))
                fits = False
        for key in rows.keys() - set(keys):
            self._add(difference(files.RANKINGS, f"row {rows[key][0]}", "", " ".join(key), "nothing to rank"))
            fits = False
        for plan, pool in zip(self._planned.plans, pools, strict=True):
            ks = ks_of(board, plan, pool, tasks) if tasks else []
            for task in tasks:
                for name in board.selecting.bounded:
                    key = plan.arm.spec, task.id, name
                    if key not in rows:
                        continue
                    number, row = rows[key]
                    if sorted(row.at_k) != ks or len(row.scores) != len(pool[task.id].verdicts):
                        shape = f"{len(pool[task.id].verdicts)} scores, at k {ks}"
                        self._add(difference(files.RANKINGS, f"row {number}", "", f"{len(row.scores)} scores", shape))
                        fits = False
                    if (0 if row.walk is None else len(row.walk.reached)) != len(plan.stages):
                        stages = f"that of {len(plan.stages)} stages"
                        self._add(difference(files.RANKINGS, f"row {number}", "walk", "that of others", stages))
                        fits = False
        if not fits:
            return None
        if list(rows) != keys:
            self._add(difference(files.RANKINGS, "", "", "in order", "out of order"))
        self._rerank(tasks, pools, rows)
        return [
            {name: [rows[spec, task.id, name][1].ranked() for task in tasks] for name in board.selecting.bounded}
            for spec in self._specs
        ]

    def _rerank(
        self,
        tasks: Sequence[Task],
        pools: Sequence[Pool],
        rows: RankingRows,
    ) -> None:
        board = self._run.board.board
        usable = {
            name: ranker
            for name, ranker in self._own.rankers.items()
            if name in self._run.manifest.rankers and ranker.version == self._run.manifest.rankers[name].version
        }
        failures: dict[str, str] = {}
        touched = self._touched()
        for name in board.selecting.bounded:
            if name not in usable:
                self._recompute(name, tasks, pools, rows)
        for plan, pool in zip(self._planned.plans, pools, strict=True):
            spec = plan.arm.spec
            some = [task for task in tasks if touched is None or (spec, task.id) in touched]
            if not some:
                continue
            # A ranker that failed on an arm is not run on the next.
            left = {name: ranker for name, ranker in usable.items() if name not in failures}
            rule = rule_of(board.selecting)
            offers = self._planned.offers(board)
            ks = ks_of(board, plan, pool, tasks)
            try:
                with rewarder_of(self._grader.store) as rewarder:
                    judging = Judging(
                        self._grader,
                        left,
                        offers,
                        rewarder=rewarder,
                        seed=board.seed,
                        progress=self._progress,
                        rule=rule,
                    )
                    ranked, failed = rank_arm(plan, pool, some, ks, judging, self._planned.workload)
            except (SandboxError, EngineError):
                raise
            except MachineError as error:
                # A ranker needs what the candidates lack.
                self._add(difference(files.RANKINGS, f"{self._name}: {spec}", "", "rankings", str(error)))
                continue
            failures |= failed
            for name, made in ranked.items():
                rated = bool(reward_models(left[name]))
                for task, one in zip(some, made, strict=True):
                    number, row = rows[spec, task.id, name]
                    again = RankingRow.of(self._name, spec, task.id, name, one)
                    where = f"row {number} ({name} on {spec} {task.id})"
                    if rated:
                        self._compare_rated(where, row, again, left[name])
                    else:
                        self.found.add(compare(files.RANKINGS, where, row.dump(), again.dump()))
                    self.found.ranked += 1
                if rated and left[name].pointwise and not plan.stages:
                    self._compare_at_k(name, spec, some, pool, rows)
        for name, why in failures.items():
            self._add(difference(files.RANKINGS, f"{self._name}: {name}", "", "rankings", why))

    def _compare_rated(self, where: str, row: RankingRow, again: RankingRow, ranker: Ranker) -> None:
        """Compare a ranking by a reward model, whose numbers depend a little on the device and on its batches.

        Where they differ, rewards may by `REWARD_TOLERANCE`, and the order that a chain makes of them is noted.
        """
        recorded, here = row.dump(), again.dump()
        if row.scores == again.scores:
            self.found.add(compare(files.RANKINGS, where, recorded, here))
            return
        for cost in ("flops", "tests_flops", "executions"):
            self.found.add(compare(files.RANKINGS, where, recorded.get(cost), here.get(cost), cost))
        if isinstance(ranker, Composite):
            self.found.notes.append(f"{self._name}: {where}: the rewards, and so the order, differ here")
        elif not np.allclose(row.scores, again.scores, rtol=REWARD_TOLERANCE, atol=REWARD_TOLERANCE):
            self.found.add(compare(files.RANKINGS, where, recorded["scores"], here["scores"], "scores"))

    def _recompute(
        self,
        name: str,
        tasks: Sequence[Task],
        pools: Sequence[Pool],
        rows: RankingRows,
    ) -> None:
        """Check what can be checked of a missing ranker: if its scores are pointwise, their results."""
        why = self._own.missing.get(name, "the version here differs from the run's")
        part = self._run.manifest.rankers.get(name)
        if part is None or not part.pointwise:
            self.found.notes.append(f"{self._name}: {name}: its rankings were not checked: {why}")
            return
        self.found.notes.append(f"{self._name}: {name}: its scores were not recomputed: {why}")
        for plan, pool in zip(self._planned.plans, pools, strict=True):
            # A cascade's score is no function of its candidates' scores alone.
            if not plan.stages:
                self._compare_at_k(name, plan.arm.spec, tasks, pool, rows)

    def _compare_at_k(self, name: str, spec: str, tasks: Sequence[Task], pool: Pool, rows: RankingRows) -> None:
        """Compare what follows from recorded scores where these are pointwise."""
        for task in tasks:
            number, row = rows[spec, task.id, name]
            ks = sorted(row.at_k)
            at_k = rank_score_at_ks(np.array(row.scores, np.float64), pool[task.id].passed, ks)
            where = f"row {number} ({name} on {spec} {task.id})"
            again = dict(zip(map(str, ks), at_k.tolist(), strict=True))
            self.found.add(compare(files.RANKINGS, where, row.dump()["at_k"], again, "at_k"))

    def _touched(self) -> set[tuple[str, str]] | None:
        """List arms and tasks with a verdict to grade again; None if all are."""
        if self._chosen is None:
            return None
        rows = (self._run.verdicts[number - 1] for number in self._chosen)
        return {(row.arm, row.task_id) for row in rows if row.benchmark == self._name}
