"""Answering only where sure: the share of tasks answered, and the error rate among them, by the agreement asked for."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ..rankers import RankedPool
from ..records import Abstention, AnsweredShare
from .cascades import Draw, draws_of, score_of_draw, subsets_as_draws
from .escalation import NONE_HOLDS, evidence_of
from .pools import public_task
from .ranking import in_turns, remembering

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..rankers import RememberingRunner
    from ..records import Plan, Task
    from .escalation import Evidence
    from .pools import Pool
    from .ranking import Judging

LEAST: Final = (NONE_HOLDS, 0.0, 0.25, 0.5, 0.75, 1.0)
"""Agreements asked for; at the first, every task is answered."""


class _Answer(NamedTuple):
    """One draw: how sure its pick is, what suffices for the task, and the chance that the pick passes."""

    agreement: float
    least: float
    passing: float


def abstention(plan: Plan, pool: Pool, tasks: Sequence[Task], judging: Judging, ranker: str) -> Abstention:
    """Score an arm that answers only where its candidates agree, at several agreements and by the rule.

    Args:
        plan: The arm's.
        pool: Its graded candidates.
        tasks: Those to answer.
        judging: How, with the rule by which one is sure.
        ranker: The one that picks.

    Raises:
        RankerError: The ranker failed.
        SandboxError: The sandbox failed.
    """
    offers, picks = remembering(judging.offered(plan.arm.spec)), judging.rankers[ranker]

    def answers(task: Task, runner: RememberingRunner) -> list[_Answer]:
        graded = pool[task.id]
        shown = public_task(task, graded.candidates)
        context = offers.context(task.id, random.Random(f"{judging.seed}/{task.id}"), runner)
        evidence = evidence_of(shown, graded.candidates, context)
        ranked = RankedPool(picks, shown, graded.candidates, context)
        if plan.stages:
            draws = draws_of(plan, graded.candidates, evidence, judging.rule, judging.seed, task.id)
        else:
            draws = subsets_as_draws(len(graded.candidates), plan.k, judging.seed, task.id)
        return [
            _Answer(_sureness(draw, evidence), evidence.least(judging.rule), score_of_draw(ranked, graded.passed, draw))
            for draw in draws
        ]

    found = in_turns(plan.arm.spec, tasks, judging, answers)
    return Abstention(
        by_rule=_share(found, None), by_agreement=tuple(_share(found, least) for least in LEAST), ranker=ranker
    )


def _sureness(draw: Draw, evidence: Evidence) -> float:
    """Measure the agreement among a draw's candidates, or with the one that is taken as it is."""
    if len(draw.picked_from) == 1:
        return evidence.agreement_with(int(draw.picked_from[0]), draw.drawn)
    return evidence.agreement(draw.drawn)


def _share(tasks: Sequence[Sequence[_Answer]], least: float | None) -> AnsweredShare:
    """Share the tasks whose agreement is at least this, or what suffices for each; errors are among those."""
    answered, passing = [], []
    for answers in tasks:
        sure = [one.agreement >= (one.least if least is None else least) for one in answers]
        answered.append(float(np.mean(sure)))
        passing.append(
            float(np.mean([one.passing if is_sure else 0.0 for one, is_sure in zip(answers, sure, strict=True)]))
        )
    share = float(np.mean(answered))
    error = None if share == 0 else max(0.0, 1 - float(np.mean(passing)) / share)
    return AnsweredShare(agreement=None if least is None else max(0.0, least), answered=share, error=error)
