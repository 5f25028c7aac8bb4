"""The candidates of several arms, graded on the tasks they all have, and on the settings they share."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import SandboxError, UserError
from ..sampler.questions import question_of
from ..tasks import Benchmark, visible_examples
from .advice import cut_samples, doubts_of_lengths, doubts_of_statuses
from .grading import Grader, Submission, why_unfit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..estimators import BoolArray
    from ..records import Candidate, IoCase, PublicTask, ReferenceCheck, Task, Verdict


class WantedStage(NamedTuple):
    """A cascade's stage as typed, the samples it needs per task, and tasks that were not drawn since none reach it."""

    spec: str
    k: int
    spared: frozenset[str] = frozenset()


class Wanted(NamedTuple):
    """An arm as typed, the samples it needs per task, and its candidates; of a cascade also what its stages need."""

    spec: str
    k: int
    candidates: Sequence[Candidate]
    stages: Sequence[WantedStage] = ()

    def lacks(self, task_id: str, candidates: Sequence[Candidate]) -> str | None:
        """Say which samples of a task are missing; None if there are enough."""
        if not self.stages:
            return _too_few(self.spec, len(candidates), self.k)
        for place, stage in enumerate(self.stages):
            have = sum(candidate.stage == place for candidate in candidates)
            why = _too_few(f"{stage.spec}, a stage of {self.spec}", have, stage.k)
            if why is not None and task_id not in stage.spared:
                return why
        return None


def _too_few(spec: str, have: int, k: int) -> str | None:
    if have >= k:
        return None
    return f"{'no sample' if have == 0 else f'only {have} of {k} samples'} of {spec}"


class GradedTask(NamedTuple):
    """The scored candidates of one arm and task, with their verdicts."""

    candidates: list[Candidate]
    verdicts: list[Verdict]

    @property
    def passed(self) -> BoolArray:
        """Whether each passes the hidden tests."""
        return np.array([verdict.status == "passed" for verdict in self.verdicts], dtype=np.bool_)


Pool = dict[str, GradedTask]
"""An arm's graded candidates by task id."""


class Scorable(NamedTuple):
    """The gradable part of several arms' candidates.

    Attributes:
        tasks: Those that every arm has enough samples of, and that can be graded.
        candidates: Per arm, those to grade, by task id.
        checks: What the reference solutions of all tasks with enough samples showed, by task id.
        left_out: Why other tasks are not graded, by their ids.
        warnings: Lines that a reader must see.
    """

    tasks: list[Task]
    candidates: list[dict[str, list[Candidate]]]
    checks: dict[str, ReferenceCheck]
    left_out: dict[str, str]
    warnings: list[str]


class GradedArms(NamedTuple):
    """The scorable part of several arms.

    Attributes:
        tasks: Those that every arm is scored on.
        pools: One per arm; they may hold tasks beyond those.
        left_out: Why other tasks are not scored, by their ids.
        warnings: Lines that a reader must see; `doubts` are among them.
        sandbox_errors: Programs that the machine failed to grade.
        doubts: Why the scores of some arms are unfit to act on.
    """

    tasks: list[Task]
    pools: list[Pool]
    left_out: dict[str, str]
    warnings: list[str]
    sandbox_errors: int
    doubts: tuple[str, ...] = ()


def scorable(benchmark: Benchmark, arms: Sequence[Wanted], grader: Grader, *, allow_shared: bool) -> Scorable:
    """Find the tasks that can be graded here and of which every arm has the samples it needs.

    Raises:
        UserError: No task has enough samples of all arms.
        SandboxError: A box failed.
    """
    by_arm, warnings = _common_strata(arms)
    tasks, left_out = _tasks_of_all(benchmark, arms, by_arm, warnings)
    left_out |= benchmark.left_out
    checks = grader.check(tasks)
    for task in tasks:
        check = checks[task.id]
        if not check.ok:
            left_out[task.id] = why_unfit(task, check)
        elif check.integrity == "shared" and not allow_shared:
            left_out[task.id] = "its values cannot cross between processes; --allow-shared scores it all the same"
    return Scorable([task for task in tasks if task.id not in left_out], by_arm, checks, left_out, warnings)


def _common_strata(arms: Sequence[Wanted]) -> tuple[list[CandidatesByTask], list[str]]:
    """Keep the strata that all arms and all stages of cascades have; see `pool_common_strata`."""
    parts = [
        (place, stage, of_arm.spec if stage is None else of_arm.stages[stage].spec)
        for place, of_arm in enumerate(arms)
        for stage in (range(len(of_arm.stages)) if of_arm.stages else (None,))
    ]
    kept, warnings = pool_common_strata(
        [spec for *_, spec in parts],
        [by_task([one for one in arms[place].candidates if one.stage == stage]) for place, stage, _ in parts],
    )
    merged: list[CandidatesByTask] = [{} for _ in arms]
    for (place, *_), found in zip(parts, kept, strict=True):
        for task_id, rows in found.items():
            merged[place].setdefault(task_id, []).extend(rows)
    return merged, list(dict.fromkeys(warnings))


def grade_pools(found: Scorable, grader: Grader) -> list[Pool]:
    """Grade all gradable candidates; one pool per arm."""
    # Task by task over all arms, so that a tester compiles each task's tests once.
    programs = [
        (arm, task, candidate)
        for task in found.tasks
        for arm, candidates in enumerate(found.candidates)
        for candidate in candidates[task.id]
    ]
    verdicts = grader.grade([Submission(task, candidate.program) for _, task, candidate in programs], found.checks)
    pools: list[Pool] = [{} for _ in found.candidates]
    for (arm, task, candidate), verdict in zip(programs, verdicts, strict=True):
        graded = pools[arm].setdefault(task.id, GradedTask([], []))
        graded.candidates.append(candidate)
        graded.verdicts.append(verdict)
    return pools


def gather(arms: Sequence[Wanted], found: Scorable, pools: list[Pool]) -> GradedArms:
    """Find what to score once all candidates have a verdict.

    Args:
        arms: At least one.
        found: What could be graded.
        pools: The graded candidates of those tasks, per arm.

    Raises:
        UserError: no task can be scored for all arms.
        SandboxError: the sandbox failed so that nothing can be scored.
    """
    tasks, left_out = found.tasks, dict(found.left_out)
    broken = {
        task_id
        for pool in pools
        for task_id, graded in pool.items()
        if any(verdict.status == "sandbox_error" for verdict in graded.verdicts)
    }
    sandbox_errors = sum(
        verdict.status == "sandbox_error" for pool in pools for graded in pool.values() for verdict in graded.verdicts
    )
    left_out |= dict.fromkeys(sorted(broken), "the sandbox failed on one of its programs")
    scored = [task for task in tasks if task.id not in broken]
    if not scored and broken:
        raise SandboxError(
            f"the sandbox failed on at least one program of each of the {len(broken)} tasks that could be scored; "
            "run the command again, or choose another sandbox with `launcher`"
        )
    if not scored:
        reasons = Counter(left_out.values()).most_common(1)
        raise UserError(f"no tasks are left to score ({reasons[0][0] if reasons else 'the benchmark is empty'})")
    doubts = _doubts(arms, pools, scored)
    warnings = [*found.warnings, *doubts, *_cut(arms, pools, scored), *_tampering(arms, pools)]
    return GradedArms(scored, pools, left_out, warnings, sandbox_errors, doubts)


def grade_arms(benchmark: Benchmark, arms: Sequence[Wanted], grader: Grader, *, allow_shared: bool) -> GradedArms:
    """Grade the tasks of which every arm has the samples it needs.

    Args:
        benchmark: Where the tasks come from; each needs hidden tests, and a reference solution or a limit of its own.
        arms: At least one.
        grader: Runs programs, through the store.
        allow_shared: Score tasks whose values cannot cross between processes, with weaker isolation.

    Raises:
        UserError: no task can be scored for all arms.
        SandboxError: the sandbox failed so that nothing can be scored.
    """
    found = scorable(benchmark, arms, grader, allow_shared=allow_shared)
    return gather(arms, found, grade_pools(found, grader))


def public_task(task: Task, candidates: Sequence[Candidate]) -> PublicTask:
    """Make the task as rankers see it: the candidates' own prompt takes the place of the benchmark's.

    If candidates were drawn from several prompts, only examples that all of those show are visible. A board's public
    cases are, where the prompts hold its whole question; else of a script those whose input and output they hold.
    """
    public = task.public()
    prompts = list(dict.fromkeys(candidate.prompt or task.prompt for candidate in candidates))
    if not prompts or prompts == [task.prompt]:
        return public
    question = question_of(task) if task.cases else None
    if question is not None and all(question.text.strip() in prompt for prompt in prompts):
        return public.model_copy(update={"prompt": prompts[0]})
    shown = [visible_examples(prompt, task.entry_point) for prompt in prompts] if task.entry_point else [()]
    common = tuple(example for example in shown[0] if all(example in others for others in shown[1:]))
    cases = tuple(case for case in public.cases if all(_holds(prompt, case) for prompt in prompts))
    return public.model_copy(update={"prompt": prompts[0], "examples": common, "cases": cases})


def _holds(prompt: str, case: IoCase) -> bool:
    return all(text.strip() in prompt for text in (case.input, case.output))


def by_task(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    """Group candidates by their task's id."""
    grouped: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        grouped.setdefault(candidate.task_id, []).append(candidate)
    return grouped


def _tasks_of_all(
    benchmark: Benchmark,
    arms: Sequence[Wanted],
    by_arm: Sequence[Mapping[str, Sequence[Candidate]]],
    notes: Sequence[str],
) -> tuple[list[Task], dict[str, str]]:
    """Find tasks for which every arm has its k samples, and why others are left out.

    Raises:
        UserError: There is none; the message ends with `notes`.
    """
    left_out: dict[str, str] = {}
    for task in benchmark.tasks:
        for arm, candidates in zip(arms, by_arm, strict=True):
            why = arm.lacks(task.id, candidates.get(task.id, ()))
            if why is not None:
                left_out[task.id] = why
                break
    tasks = [task for task in benchmark.tasks if task.id not in left_out]
    if tasks:
        return tasks, left_out
    because = "".join(f"; {note}" for note in notes)
    for arm, candidates in zip(arms, by_arm, strict=True):
        spec, k = arm.spec, arm.k
        most = max((len(rows) for rows in candidates.values()), default=0)
        if most < k and not arm.stages:
            raise UserError(
                f"{spec}: pass@{k} needs {k} samples per task, and no task has more than {most}; ask for a smaller "
                f"k or give more files{because}"
            )
    why = Counter(left_out.values()).most_common(1)[0][0]
    raise UserError(
        f"no task has the samples that every arm needs (most often: {why}); give files of the same tasks{because}"
    )


def _doubts(arms: Sequence[Wanted], pools: Sequence[Pool], tasks: Sequence[Task]) -> tuple[str, ...]:
    found: list[str] = []
    for arm, pool in zip(arms, pools, strict=True):
        statuses: Counter[str] = Counter(verdict.status for task in tasks for verdict in pool[task.id].verdicts)
        found += doubts_of_statuses(arm.spec, statuses)
        found += doubts_of_lengths(arm.spec, [one for task in tasks for one in pool[task.id].candidates])
    return tuple(found)


def _cut(arms: Sequence[Wanted], pools: Sequence[Pool], tasks: Sequence[Task]) -> list[str]:
    return [
        line
        for arm, pool in zip(arms, pools, strict=True)
        for line in cut_samples(arm.spec, [one for task in tasks for one in pool[task.id].candidates])
    ]


def _tampering(arms: Sequence[Wanted], pools: Sequence[Pool]) -> list[str]:
    return [
        f"{arm.spec} sample {candidate.index} of {task_id} tampered with its grading: {verdict.detail}"
        for arm, pool in zip(arms, pools, strict=True)
        for task_id, graded in pool.items()
        for candidate, verdict in zip(graded.candidates, graded.verdicts, strict=True)
        if verdict.status == "tampered"
    ]


CandidatesByTask = dict[str, list["Candidate"]]


def pool_common_strata(
    specs: Sequence[str], by_arm: Sequence[CandidatesByTask]
) -> tuple[list[CandidatesByTask], list[str]]:
    """Keep the strata that all arms have, if arms have strata.

    Settings shift scores, so arms drawn with different ones are not told apart by size alone. If no stratum is common
    to all arms, all samples are kept and the warning says that they are pooled.

    Args:
        specs: The arms, for the warnings.
        by_arm: Their candidates by task id.

    Returns:
        The candidates to compare by, and warnings for a reader.
    """
    names = [
        {candidate.stratum for rows in candidates.values() for candidate in rows} - {None} for candidates in by_arm
    ]
    if not any(names):
        return list(by_arm), []
    common = set.intersection(*names)
    if not common:
        listed = "; ".join(
            f"{spec}: {', '.join(sorted(map(str, found))) or 'one file'}"
            for spec, found in zip(specs, names, strict=True)
        )
        return list(by_arm), [f"the arms' files have no setting name in common, so all samples are pooled ({listed})"]
    warnings = [
        f"{spec}: left out {', '.join(sorted(map(str, found - common)))}, which some arms lack"
        for spec, found in zip(specs, names, strict=True)
        if found - common
    ]
    kept = [
        {task_id: [candidate for candidate in rows if candidate.stratum in common] for task_id, rows in arm.items()}
        for arm in by_arm
    ]
    return kept, warnings
