"""Training a verifier: samples -> graded pools -> lessons -> coefficients, and its scores on tasks it has not seen."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from .._util.progress import Progress, notice, silent
from ..errors import UserError
from ..estimators import PairedDifference, mean_interval, paired_difference, pass_at_k, subsets_of
from ..rankers import Offers, RememberingRunner
from ..rankers.verifier.coefficients import Coefficients, Source
from ..rankers.verifier.features import describe
from ..rankers.verifier.fitting import Lesson, Quality, Tested, check_library, fit, folds, has_both, quality
from ..rankers.verifier.identity import hashes_of
from ..rankers.verifier.names import VERIFIER
from ..rankers.verifier.ranker import Verifier
from ..sampler.files import read_samples
from ..settings import BLIND_RANKER, DEFAULT_RANKERS, ORACLE
from .own_tests import plain_tests
from .pools import Wanted, grade_arms, public_task
from .ranking import SPEC, rank_pool
from .selection import open_judging

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..estimators import FloatArray
    from ..records import GeneratedTests, Interval, Task
    from ..settings import Grading, Running
    from ..tasks import Benchmark
    from .pools import Pool
    from .ranking import Judging

OUTER_FOLDS: Final = 5
LEAST_TASKS: Final = 20
"""Fewer say nothing about tasks that were not seen."""

_SUBSETS: Final = (5, 25)
"""Sizes of smaller pools to learn from beside each whole one: what agreement says depends on how many there are."""


class HeldOut(NamedTuple):
    """Rankers on tasks that the verifier was not trained on.

    Attributes:
        how: `nested` where other tasks of all benchmarks trained it, `left out` where only other benchmarks did.
        benchmark: The one that is scored.
        tasks: How many.
        scores: Rank-score@k by ranker and k, `oracle` among them: means over tasks of means over files.
        gain: By k, the verifier minus the default ranker on the same tasks.
    """

    how: str
    benchmark: str
    tasks: int
    scores: dict[str, dict[int, Interval]]
    gain: dict[int, PairedDifference]


class Trained(NamedTuple):
    """A trained verifier.

    Attributes:
        coefficients: Of all tasks.
        qualities: How well each view fits tasks it was not trained on, from nested cross-validation.
        held_out: Its scores as a ranker on such tasks.
        notes: Lines that a reader must see.
    """

    coefficients: Coefficients
    qualities: list[Quality]
    held_out: list[HeldOut]
    notes: list[str]


class _Graded(NamedTuple):
    """The graded candidates of one file on one benchmark."""

    benchmark: Benchmark
    file: str
    tasks: list[Task]
    pool: Pool
    tests: Mapping[str, GeneratedTests] | None


def train_verifier(
    files: Sequence[str],
    benchmarks: Sequence[Benchmark],
    ks: Sequence[int],
    tests: Sequence[str],
    grading: Grading,
    running: Running,
    progress: Progress = silent,
) -> Trained:
    """Grade samples, train a verifier on them, and score it on tasks that it has not seen.

    Args:
        files: Each file, folder or glob is one pool of candidates: of one model and setting.
        benchmarks: Where the tasks come from; with several, each is also left out of training and scored.
        ks: Of how many candidates one is picked; those above the fewest of any task are left out.
        tests: Files of model-written tests; with them the verifier also learns from asserts.
        grading: Where programs run.
        running: The seed and the store.
        progress: Told how far grading and describing are.

    Raises:
        UserError: A file, a row or a setting is wrong, or there is too little to learn from.
        MachineError: Scikit-learn is not installed, or no sandbox works here.
        RankerError: A ranker failed.
    """
    check_library()
    names = (DEFAULT_RANKERS[0], BLIND_RANKER)
    with open_judging(names, grading, running, progress, offers={}) as judging:
        graded, notes = _graded(files, benchmarks, tests, judging)
        lessons = [lesson for one in graded for lesson in _lessons(one, judging)]
        tasks = len({min(lesson.hashes) for lesson in lessons})
        if tasks < LEAST_TASKS:
            raise UserError(f"there are {tasks} tasks to train on; give samples of at least {LEAST_TASKS}")
        parts = folds(lessons, OUTER_FOLDS)
        _check_learnable(lessons, [train for train, _ in parts])
        fitted = [fit(train) for train, _ in parts]
        nested = [(made, _hashes(test)) for made, (_, test) in zip(fitted, parts, strict=True)]
        ks, dropped = _possible(ks, graded)
        notes += dropped
        scored = [_score("nested", benchmark, graded, nested, ks, judging) for benchmark in benchmarks]
        if len(benchmarks) > 1:
            for benchmark in benchmarks:
                # A task that another benchmark has too is no task it has not seen.
                inside = _hashes([one for one in lessons if one.benchmark == benchmark.name])
                others = [one for one in lessons if one.hashes.isdisjoint(inside)]
                if not has_both(others):
                    notes.append(
                        f"no score with {benchmark.name} left out: from the tasks that only others have nothing can be "
                        "learnt"
                    )
                    continue
                made = fit(others)
                scored.append(_score("left out", benchmark, graded, [(made, inside)], ks, judging))
        else:
            notes.append("leaving a benchmark out needs two of them; name another with `benchmark`")
    made = fit(lessons).model_copy(update={"sources": _sources(graded), "made_with": _versions()})
    return Trained(made, _qualities(fitted, parts), scored, notes)


def _check_learnable(lessons: Sequence[Lesson], trained: Sequence[Sequence[Lesson]]) -> None:
    """Refuse lessons of which some folds have no right candidate, or no wrong one.

    Raises:
        UserError: They are such.
    """
    if all(map(has_both, trained)):
        return
    kinds = (
        ("right", [one for one in lessons if one.passed.any()]),
        ("wrong", [one for one in lessons if not one.passed.all()]),
    )
    kind, few = min(kinds, key=lambda found: len(found[1]))
    count, tasks = (len({min(lesson.hashes) for lesson in some}) for some in (few, lessons))
    raise UserError(
        f"{count} of {tasks} tasks to train on have a {kind} candidate, too few to learn from in every fold; give "
        "samples of other tasks or of another model"
    )


def _graded(
    files: Sequence[str], benchmarks: Sequence[Benchmark], tests: Sequence[str], judging: Judging
) -> tuple[list[_Graded], list[str]]:
    tasks: dict[str, Task] = {}
    for benchmark in benchmarks:
        if not benchmark.is_tested:
            raise UserError(f"{benchmark.name} has no hidden tests, and a verifier learns from what passes them")
        twice = next((task_id for task_id in benchmark.by_id if task_id in tasks), None)
        if twice is not None:
            raise UserError(f"two benchmarks have a task with the id {twice}; train on one of them at a time")
        tasks |= benchmark.by_id
    beyond = frozenset().union(*(benchmark.beyond for benchmark in benchmarks)) - tasks.keys()
    found, notes = [], []
    written = {benchmark.name: plain_tests(tests, benchmark) for benchmark in benchmarks}
    for file in files:
        recorded = read_samples([file], tasks, SPEC, beyond)
        for line in recorded.remarks:
            notice(f"{file}: {line}")
        for benchmark in benchmarks:
            mine = [candidate for candidate in recorded.candidates if candidate.task_id in benchmark.by_id]
            if not mine:
                continue
            arms = grade_arms(benchmark, [Wanted(file, 1, mine)], judging.grader, allow_shared=judging.allow_shared)
            notes += arms.warnings
            found.append(_Graded(benchmark, file, arms.tasks, arms.pools[0], written[benchmark.name]))
    missing = next((one.name for one in benchmarks if all(one is not each.benchmark for each in found)), None)
    if missing is not None:
        raise UserError(f"no file has samples of {missing}; give some, or leave the benchmark out")
    return found, notes


def _lessons(graded: _Graded, judging: Judging) -> list[Lesson]:
    """Describe the candidates of every task, all together and in smaller pools."""
    lessons = []
    offers = Offers(graded.tests)
    for done, task in enumerate(graded.tasks, start=1):
        mine = graded.pool[task.id]
        shown = public_task(task, mine.candidates)
        runner = RememberingRunner(judging.grader)
        context = offers.context(task.id, random.Random(judging.seed), runner)
        hashes = hashes_of(shown) | hashes_of(task.public())
        for places in _pools(len(mine.candidates), judging.seed, task.id):
            described = describe(shown, [mine.candidates[place] for place in places], context)
            lessons.append(Lesson(graded.benchmark.name, hashes, described, mine.passed[places]))
        judging.progress(f"describing {graded.file}", done, len(graded.tasks))
    return lessons


def _pools(count: int, seed: int, task_id: str) -> list[list[int]]:
    smaller = [subsets_of(count, size, 1, seed, task_id)[0].tolist() for size in _SUBSETS if size < count]
    return [list(range(count)), *smaller]


def _score(
    how: str,
    benchmark: Benchmark,
    graded: Sequence[_Graded],
    verifiers: Sequence[tuple[Coefficients, frozenset[str]]],
    ks: Sequence[int],
    judging: Judging,
) -> HeldOut:
    """Rank each task of a benchmark by the verifier that is for tasks of its hashes, and by the other rankers."""
    by_ranker: dict[str, dict[str, list[FloatArray]]] = defaultdict(lambda: defaultdict(list))
    for one in graded:
        if one.benchmark is not benchmark:
            continue
        for made, hashes in verifiers:
            tasks = [task for task in one.tasks if not hashes.isdisjoint(hashes_of(task.public()))]
            if not tasks:
                continue
            rankers = {VERIFIER: Verifier.of(made, how), **judging.rankers}
            with_tests = replace(judging, rankers=rankers, offers={SPEC: Offers(one.tests)}, strict=True)
            found = rank_pool(SPEC, one.pool, tasks, ks, with_tests)
            for name, rows in found.rows.items():
                for task, row in zip(tasks, rows, strict=True):
                    by_ranker[name][task.id].append(np.array(list(row.at_k.values()), np.float64))
            for task in tasks:
                passed = one.pool[task.id].passed
                n, right = np.array([len(passed)], np.int64), np.array([int(passed.sum())], np.int64)
                best = np.array([float(pass_at_k(n, right, k)[0]) for k in ks], np.float64)
                by_ranker[ORACLE][task.id].append(best)
    means = {
        name: np.array([np.mean(found, axis=0) for _, found in sorted(tasks.items())], np.float64)
        for name, tasks in by_ranker.items()
    }
    return HeldOut(
        how=how,
        benchmark=benchmark.name,
        tasks=len(means[VERIFIER]),
        scores={
            name: {k: mean_interval(rows[:, place], seed=judging.seed) for place, k in enumerate(ks)}
            for name, rows in means.items()
        },
        gain={
            k: paired_difference(means[VERIFIER][:, place], means[DEFAULT_RANKERS[0]][:, place], seed=judging.seed)
            for place, k in enumerate(ks)
        },
    )


def _qualities(
    fitted: Sequence[Coefficients], parts: Sequence[tuple[Sequence[Lesson], Sequence[Lesson]]]
) -> list[Quality]:
    by_groups: dict[tuple[str, ...], list[Tested]] = {}
    for made, (train, test) in zip(fitted, parts, strict=True):
        for view in made.views:
            by_groups.setdefault(view.groups, []).append(Tested(view, train, test))
    return [found for views in by_groups.values() if (found := quality(views)) is not None]


def _possible(ks: Sequence[int], graded: Sequence[_Graded]) -> tuple[list[int], list[str]]:
    fewest = min(len(one.pool[task.id].verdicts) for one in graded for task in one.tasks)
    possible = [k for k in ks if k <= fewest]
    if not possible:
        raise UserError(f"a task has only {fewest} candidates, but the smallest k is {min(ks)}; give a smaller `k`")
    if len(possible) == len(ks):
        return possible, []
    return possible, [f"k above {fewest} cannot be scored: a task has only {fewest} candidates"]


def _hashes(lessons: Sequence[Lesson]) -> frozenset[str]:
    return frozenset().union(*(one.hashes for one in lessons))


def _sources(graded: Sequence[_Graded]) -> tuple[Source, ...]:
    return tuple(
        Source(
            benchmark=one.benchmark.name,
            file=one.file.rpartition("/")[2],
            tasks=len(one.tasks),
            candidates=sum(len(one.pool[task.id].verdicts) for task in one.tasks),
            right=float(np.mean(np.concatenate([one.pool[task.id].passed for task in one.tasks]))),
        )
        for one in graded
    )


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("codebudget", "scikit-learn")}
