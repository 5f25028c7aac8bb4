"""Training a verifier: logistic regressions by scikit-learn, and how well they do on tasks they have not seen."""

from __future__ import annotations

import importlib.util
import warnings
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ..._util.hashing import key_of
from ...errors import MachineError, UserError
from .coefficients import Coefficients, View
from .features import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...estimators import BoolArray, FloatArray, IntArray
    from .features import Description

INVERSE_PENALTIES: Final = (0.01, 0.1, 1.0, 10.0)
"""Values of C to choose from."""

INNER_FOLDS: Final = 4
_LEAST_SCALE: Final = 1e-9


class Lesson(NamedTuple):
    """Some candidates of one task, which of them are right, and what the task is: `hashes` of its content."""

    benchmark: str
    hashes: frozenset[str]
    described: Description
    passed: BoolArray


class Quality(NamedTuple):
    """How well a view's probabilities fit lessons it was not trained on.

    `auc` is the chance that a right candidate has a higher one than a wrong one of the same pool, a mean over the pools
    that have both, None where none has. `log_loss` is in nats per candidate, and `base_loss` that of the share of right
    ones in training. Every pool counts the same.
    """

    groups: tuple[str, ...]
    lessons: int
    auc: float | None
    log_loss: float
    base_loss: float


def check_library() -> None:
    """Check that scikit-learn is here.

    Raises:
        MachineError: It is not.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise MachineError('training needs scikit-learn: pip install "codebudget[verifier]"')


def fit(lessons: Sequence[Lesson]) -> Coefficients:
    """Fit one view for each combination of feature groups that some task has; C is chosen by inner cross-validation.

    Raises:
        UserError: All candidates are right, or all wrong.
        MachineError: Scikit-learn is not here.
    """
    check_library()
    # A view that few tasks have may lack one of the two.
    views = tuple(
        fit_view(lessons, groups)
        for groups in views_of(lessons)
        if groups == ("text",) or has_both(_with(groups, lessons))
    )
    return Coefficients(views=views, tasks=tuple(sorted(frozenset().union(*(one.hashes for one in lessons)))))


def views_of(lessons: Iterable[Lesson]) -> list[tuple[str, ...]]:
    """List the combinations of groups, with the texts, that some lesson has."""
    known = {lesson.described.available for lesson in lessons}
    others = [name for name in GROUPS if name != "text"]
    subsets = [("text", *some) for count in range(len(others) + 1) for some in combinations(others, count)]
    return [groups for groups in subsets if any(available.issuperset(groups) for available in known)]


def fit_view(lessons: Sequence[Lesson], groups: tuple[str, ...]) -> View:
    """Fit one view on the lessons that have its groups.

    Raises:
        UserError: All candidates of those are right, or all wrong.
    """
    mine = _with(groups, lessons)
    table = _table(mine, groups)
    fold = _fold_numbers(mine, INNER_FOLDS)[table.lesson]
    losses = dict.fromkeys(INVERSE_PENALTIES, 0.0)
    for one in range(INNER_FOLDS):
        train, test = table.among(fold != one), table.among(fold == one)
        # From candidates that are all right, or all wrong, nothing can be learnt.
        if not len(test.passed) or train.passed.all() or not train.passed.any():
            continue
        for penalty in INVERSE_PENALTIES:
            view = _fitted(train, groups, penalty)
            losses[penalty] += float(_losses(view.log_odds_of(test.values), test.passed) @ test.weight)
    return _fitted(table, groups, min(losses, key=lambda penalty: (losses[penalty], penalty)))


def folds(lessons: Sequence[Lesson], count: int) -> list[tuple[list[Lesson], list[Lesson]]]:
    """Split lessons by task: pairs of those to train on and those to test on.

    Lessons of one task, whatever it is called, stay together. The split depends on their contents alone.
    """
    numbers = _fold_numbers(lessons, count)
    return [
        (
            [lesson for lesson, number in zip(lessons, numbers, strict=True) if number != one],
            [lesson for lesson, number in zip(lessons, numbers, strict=True) if number == one],
        )
        for one in sorted(set(numbers.tolist()))
    ]


def _fold_numbers(lessons: Sequence[Lesson], count: int) -> IntArray:
    task = _numbered(lessons)
    order = sorted(set(task), key=lambda number: key_of(*sorted(lessons[number].hashes)))
    fold = {number: at % count for at, number in enumerate(order)}
    return np.array([fold[number] for number in task], np.int64)


class Tested(NamedTuple):
    """A view, the lessons that trained it, and some that did not."""

    view: View
    trained: Sequence[Lesson]
    held_out: Sequence[Lesson]


def quality(views: Sequence[Tested]) -> Quality | None:
    """Measure views of the same groups, each on lessons it was not trained on; None where none of these has them."""
    groups = views[0].view.groups
    tested = [
        (view, _base_log_odds(_with(groups, trained)), lesson)
        for view, trained, held_out in views
        for lesson in _with(groups, held_out)
    ]
    if not tested:
        return None
    aucs, losses, bases = [], [], []
    for view, base, lesson in tested:
        log_odds = view.log_odds(lesson.described)
        if lesson.passed.any() and not lesson.passed.all():
            aucs.append(_auc(log_odds, lesson.passed))
        losses.append(float(np.mean(_losses(log_odds, lesson.passed))))
        bases.append(float(np.mean(_losses(np.full(len(log_odds), base), lesson.passed))))
    return Quality(
        groups=groups,
        lessons=len(tested),
        auc=float(np.mean(aucs)) if aucs else None,
        log_loss=float(np.mean(losses)),
        base_loss=float(np.mean(bases)),
    )


def _with(groups: Sequence[str], lessons: Sequence[Lesson]) -> list[Lesson]:
    return [lesson for lesson in lessons if lesson.described.available.issuperset(groups)]


def _base_log_odds(lessons: Sequence[Lesson]) -> float:
    right = float(np.mean([lesson.passed.mean() for lesson in lessons]))
    return float(np.log(right / (1.0 - right)))


def _numbered(lessons: Sequence[Lesson]) -> list[int]:
    """Number tasks by their first lesson; lessons that share a hash, or share one with a third, are of one task."""
    task_of: dict[str, int] = {}
    for place, lesson in enumerate(lessons):
        known = {task_of[one] for one in lesson.hashes if one in task_of}
        number = min(known, default=place)
        task_of |= dict.fromkeys(lesson.hashes, number)
        if len(known) > 1:
            task_of = {one: number if other in known else other for one, other in task_of.items()}
    return [task_of[min(lesson.hashes)] for lesson in lessons]


def has_both(lessons: Iterable[Lesson]) -> bool:
    """Whether some candidate is right and some is wrong."""
    return len({bool(one) for lesson in lessons for one in lesson.passed}) == 2


class _Table(NamedTuple):
    """Candidates of lessons as rows: features, whether right, weight, and the lesson's place.

    Every pool counts the same, however many candidates it has.
    """

    values: FloatArray
    passed: BoolArray
    weight: FloatArray
    lesson: IntArray

    def among(self, rows: BoolArray) -> _Table:
        return _Table(self.values[rows], self.passed[rows], self.weight[rows], self.lesson[rows])


def _table(lessons: Sequence[Lesson], groups: tuple[str, ...]) -> _Table:
    names = [name for group in groups for name in GROUPS[group]]
    sizes = np.array([len(lesson.passed) for lesson in lessons], np.int64)
    return _Table(
        values=np.concatenate([lesson.described.table(names) for lesson in lessons]),
        passed=np.concatenate([lesson.passed for lesson in lessons]),
        weight=np.repeat(1.0 / sizes, sizes),
        lesson=np.repeat(np.arange(len(lessons)), sizes),
    )


def _fitted(table: _Table, groups: tuple[str, ...], inverse_penalty: float) -> View:
    # Scikit-learn takes a second to import.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if table.passed.all() or not table.passed.any():
        raise UserError("all candidates to train on are right, or all are wrong: nothing can be learnt from them")
    mean = np.average(table.values, axis=0, weights=table.weight)
    scale = np.sqrt(np.average((table.values - mean) ** 2, axis=0, weights=table.weight))
    # A feature that never varies says nothing, and must not where it does vary.
    varies = scale > _LEAST_SCALE
    scale = np.where(varies, scale, 1.0)
    model: Any = LogisticRegression(C=inverse_penalty, solver="newton-cholesky")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit((table.values - mean) / scale * varies, table.passed, sample_weight=table.weight)
    names = [name for group in groups for name in GROUPS[group]]
    return View(
        groups=groups,
        inverse_penalty=inverse_penalty,
        intercept=float(model.intercept_[0]),
        features={
            name: (float(center), float(width), float(coefficient))
            for name, center, width, coefficient in zip(names, mean, scale, model.coef_[0] * varies, strict=True)
        },
    )


def _losses(log_odds: FloatArray, passed: BoolArray) -> FloatArray:
    return np.asarray(np.logaddexp(0.0, np.where(passed, -log_odds, log_odds)), np.float64)


def _auc(log_odds: FloatArray, passed: BoolArray) -> float:
    right, wrong = log_odds[passed], log_odds[~passed]
    above = (right[:, None] > wrong).mean() + 0.5 * (right[:, None] == wrong).mean()
    return float(above)
