"""Cascades over graded candidates: which stages are reached, what is picked, and what that costs.

A later stage is drawn only where the candidates so far do not suffice by an `escalation.Rule`. A last stage that is
greedy is taken as it is; else the pick is among all that was drawn. Recorded pools are replayed: scores are means over
the same seeded draws of each stage's k out of its samples for all rankers, or over all of them where there are few.
"""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ..errors import RankerError
from ..estimators import subsets_of
from ..rankers import RankedPool
from .escalation import Rule, evidence_of
from .pools import public_task
from .ranking import RankedTask, Rankings, Walk, in_turns, rankings_of, remembering

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..estimators import BoolArray, FloatArray, IntArray
    from ..rankers import RememberingRunner
    from ..records import Candidate, Plan, Task
    from .escalation import Evidence
    from .pools import Pool
    from .ranking import Judging

DRAWS: Final = 200
"""Draws of a task's samples that are scored: as many as `estimators.rank_score_at_k_by_subsets` takes subsets."""


FITTED_OVER: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Least agreements among which a rule is fitted."""


class Draw(NamedTuple):
    """One way that a cascade may go on a task.

    Attributes:
        drawn: The places of all candidates that are drawn, stage by stage.
        picked_from: Those of which one is picked.
        stages: How many stages are reached.
        lacks: Whether it should go on to a stage of which the task has no samples.
    """

    drawn: IntArray
    picked_from: IntArray
    stages: int
    lacks: bool


def rank_cascade(plan: Plan, pool: Pool, tasks: Sequence[Task], judging: Judging) -> Rankings:
    """Replay a cascade on every task, and score the rankers' picks at its k.

    Args:
        plan: The cascade's.
        pool: Its graded candidates, each with its stage. A task may lack those of stages that are never reached.
        tasks: Those to rank.
        judging: How, with the rule that decides whether candidates suffice.

    Raises:
        RankerError: A ranker failed, and `judging` is strict.
        SandboxError: The sandbox failed.
    """
    spec, seed = plan.arm.spec, judging.seed
    offers = remembering(judging.offered(spec))
    rule = _fitted(plan, pool, tasks, judging) if judging.rule.is_fitted else judging.rule
    failed: dict[str, str] = {}

    def rank(task: Task, runner: RememberingRunner) -> dict[str, RankedTask]:
        graded = pool[task.id]
        shown = public_task(task, graded.candidates)
        context = offers.context(task.id, random.Random(f"{seed}/{task.id}"), runner)
        evidence = evidence_of(shown, graded.candidates, context)
        draws = draws_of(plan, graded.candidates, evidence, rule, seed, task.id)
        walk = walk_of(draws, graded.passed, len(plan.stages))
        walk = walk._replace(shown=evidence.holds is not None, least=evidence.least(rule))
        rows = {}
        for name, ranker in judging.rankers.items():
            if name in failed:
                continue
            context = offers.context(task.id, random.Random(f"{seed}/{task.id}"), runner)
            try:
                ranked = RankedPool(ranker, shown, graded.candidates, context)
                score = _score(ranked, graded.passed, draws)
            except RankerError as error:
                if judging.strict:
                    raise
                failed.setdefault(name, str(error))
                continue
            rows[name] = RankedTask(ranked.ranking, {plan.k: score}, walk=walk)
        return rows

    return rankings_of(in_turns(spec, tasks, judging, rank), judging.rankers, failed)


def _fitted(plan: Plan, pool: Pool, tasks: Sequence[Task], judging: Judging) -> Rule:
    """Find the rule whose picks by the first ranker pass the most, with the least agreement where several do.

    Tasks that show examples and those that show none are fitted apart.

    Raises:
        RankerError: The ranker failed.
        SandboxError: The sandbox failed.
    """
    offers = remembering(judging.offered(plan.arm.spec))
    ranker = next(iter(judging.rankers.values()))

    def scores(task: Task, runner: RememberingRunner) -> tuple[bool, list[float]]:
        graded = pool[task.id]
        shown = public_task(task, graded.candidates)
        rng = random.Random(f"{judging.seed}/{task.id}")
        context = offers.context(task.id, rng, runner)
        evidence = evidence_of(shown, graded.candidates, context)
        ranked = RankedPool(ranker, shown, graded.candidates, context)
        found = [
            _score(
                ranked,
                graded.passed,
                draws_of(plan, graded.candidates, evidence, Rule(least, least), judging.seed, task.id),
            )
            for least in FITTED_OVER
        ]
        return evidence.holds is not None, found

    found = in_turns(plan.arm.spec, tasks, judging, scores)

    def best(*, shown: bool) -> float:
        rows = [row for is_shown, row in found if is_shown == shown]
        totals = [round(sum(column), 9) for column in zip(*rows, strict=True)]
        return FITTED_OVER[totals.index(max(totals))] if totals else 0.0

    return Rule(best(shown=True), best(shown=False), is_fitted=True)


def going_on(
    plan: Plan, candidates: Mapping[str, Sequence[Candidate]], tasks: Sequence[Task], judging: Judging
) -> frozenset[str]:
    """Find the tasks whose candidates do not suffice after any stage so far, by their ids.

    Args:
        plan: The cascade's.
        candidates: By task id, each with its stage: as many of each stage as it draws. A task that has too few of a
            stage does not go on.
        tasks: The tasks.
        judging: Runs programs, and has the rule.

    Raises:
        SandboxError: The sandbox failed.
    """
    stages = 1 + max((one.stage or 0 for rows in candidates.values() for one in rows), default=0)

    def goes_on(task: Task, runner: RememberingRunner) -> bool:
        rows = candidates.get(task.id, ())
        context = judging.offered(plan.arm.spec).context(task.id, random.Random(0), runner)
        evidence = evidence_of(public_task(task, rows), rows, context)
        draws = draws_of(plan, rows, evidence, judging.rule, judging.seed, task.id)
        return any(draw.lacks and draw.stages == stages for draw in draws)

    found = in_turns(plan.arm.spec, tasks, judging, goes_on)
    return frozenset(task.id for task, one in zip(tasks, found, strict=True) if one)


def draws_of(
    plan: Plan, candidates: Sequence[Candidate], evidence: Evidence, rule: Rule, seed: int, key: str
) -> list[Draw]:
    """List the ways that a cascade may go on a task, each as likely as the others.

    Args:
        plan: The cascade's.
        candidates: Of the task, each with its stage. Without those of a stage, the cascade ends before it.
        evidence: What is known of them.
        rule: Says whether candidates suffice.
        seed: Of the draws.
        key: The task's id, so that tasks differ.
    """
    places = [
        np.array([at for at, one in enumerate(candidates) if one.stage == stage], np.int64)
        for stage in range(len(plan.stages))
    ]
    there = next((stage for stage, some in enumerate(places) if len(some) < plan.stages[stage].k), len(places))
    ks = [stage.k for stage in plan.stages[:there]]
    found = []
    for chosen in _choices([len(some) for some in places[:there]], ks, seed, key):
        drawn = np.empty(0, np.int64)
        for stage, subset in enumerate(chosen):
            new = places[stage][subset]
            drawn = np.concatenate([drawn, new])
            is_last = stage == len(places) - 1
            suffices = is_last or evidence.suffices(drawn, rule)
            if suffices or stage == there - 1:
                takes_it = is_last and plan.stages[stage].arm.greedy
                found.append(Draw(drawn, new if takes_it else drawn, stage + 1, not suffices))
                break
    return found


def walk_of(draws: Sequence[Draw], passed: BoolArray, stages: int) -> Walk:
    """Average the ways of a task."""
    count = len(draws)
    return Walk(
        reached=tuple(sum(draw.stages > stage for draw in draws) / count for stage in range(stages)),
        passing=sum(bool(passed[draw.drawn].any()) for draw in draws) / count,
        ranked=sum(len(draw.picked_from) for draw in draws if len(draw.picked_from) > 1) / count,
        lacking=sum(draw.lacks for draw in draws) / count,
    )


def _score(ranked: RankedPool, passed: BoolArray, draws: Sequence[Draw]) -> float:
    """Average the chance that the pick passes."""
    known: dict[bytes, float] = {}
    total = 0.0
    for draw in draws:
        key = np.sort(draw.picked_from).tobytes()
        if key not in known:
            known[key] = score_of_draw(ranked, passed, draw)
        total += known[key]
    return total / len(draws)


def score_of_draw(ranked: RankedPool, passed: BoolArray, draw: Draw) -> float:
    """Get the chance that the pick of one draw passes, ties in expectation.

    Raises:
        RankerError: The ranker breaks its contract.
    """
    places = np.sort(draw.picked_from)
    scores: FloatArray = ranked.scores_within(places) if len(places) > 1 else np.zeros(1)
    return float(passed[places[scores == scores.max()]].mean())


def subsets_as_draws(size: int, k: int, seed: int, key: str) -> list[Draw]:
    """List the draws of a single arm: subsets of its samples, the same as for rankers."""
    return [Draw(subset, subset, 1, lacks=False) for subset in subsets_of(size, k, DRAWS, seed, key)]


def _choices(sizes: Sequence[int], ks: Sequence[int], seed: int, key: str) -> list[tuple[IntArray, ...]]:
    """Draw k of each stage's samples, `DRAWS` times, or in all ways where there are no more."""
    if math.prod(math.comb(size, k) for size, k in zip(sizes, ks, strict=True)) <= DRAWS:
        each = [subsets_of(size, k, DRAWS, seed) for size, k in zip(sizes, ks, strict=True)]
        return list(itertools.product(*each))
    found = []
    for stage, (size, k) in enumerate(zip(sizes, ks, strict=True)):
        # The first stage has the subsets of an arm of its own.
        named = f"{key}/{stage}" if stage else key
        subsets = subsets_of(size, k, DRAWS, seed, named)
        order = random.Random(f"{seed}/{named}").sample(range(DRAWS), DRAWS)
        found.append([subsets[place % len(subsets)] for place in (order if stage else range(DRAWS))])
    return list(zip(*found, strict=True))
