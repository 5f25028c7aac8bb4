"""Advice in sentences that a person can act on, or the doubts that rule it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from .._util.figures import interval
from ..estimators import PASS_AT_K
from ..records import ArmResult, Interval, PairedResult, VerdictSentences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..records import Candidate

SIGNIFICANCE = 0.05
"""Adjusted p-value below which a difference counts as one."""


FEW_TASKS: Final = 8
"""Number of tasks below which an interval covers less than it claims (docs/statistics.md)."""


class _Advice(NamedTuple):
    """The basis of a sentence: scores by arm, the metric of paired differences, and costs by arm.

    `included` says what the costs leave out, if anything.
    """

    scores: Sequence[Interval]
    metric: str
    costs: Sequence[float | None]
    unit: str
    included: str = ""


def advise(
    arms: Sequence[ArmResult],
    paired: Sequence[PairedResult],
    ranker: str,
    doubts: Sequence[str] = (),
    *,
    tasks: int = FEW_TASKS,
    tolerance: float = 0.05,
) -> VerdictSentences:
    """Advise what to run: if one's tests can select, and if one has none and ranks by `ranker`.

    The first sentence says what to do, what that gains and what it costs; ties come after it.

    Args:
        arms: Their scores and costs; the first is what others are compared with.
        paired: Their differences.
        ranker: The deciding one.
        doubts: About the scores; if there are any, they replace the advice.
        tasks: Number of scored tasks.
        tolerance: Fraction of the limit above which a cost is not equal.
    """
    if doubts:
        why = f"no advice, because {'; '.join(doubts)}."
        return VerdictSentences(
            with_tests=f"With unit tests to select by: {why}",
            without_tests=f"Without tests, picking by {ranker}: {why}",
        )
    few = ""
    if tasks < FEW_TASKS:
        few = (
            f" On {tasks} task{'' if tasks == 1 else 's'} a 95 % interval covers less than it claims (51 % at two, "
            "75 % at three)."
        )
    unit, drawing = _costs(arms)
    with_tests = _Advice([arm.pass_at_k for arm in arms], PASS_AT_K, drawing, unit)
    without_tests = _by_ranker(arms, ranker, unit, drawing)
    return VerdictSentences(
        with_tests=_sentences("With unit tests to select by", "keep what passes", arms, with_tests, paired, tolerance)
        + few,
        without_tests=_sentences("Without tests", f"let {ranker} pick", arms, without_tests, paired, tolerance) + few,
    )


def _costs(arms: Sequence[ArmResult]) -> tuple[str, list[float | None]]:
    """Find a kind of cost that is known for all arms, FLOPs first, and each arm's cost."""
    for field, unit in (("flops", "FLOPs"), ("usd", "dollars"), ("runtime_s", "seconds")):
        costs: list[float | None] = [getattr(arm.cost, field) for arm in arms]
        if None not in costs:
            return unit, costs
    return "FLOPs", [arm.cost.flops for arm in arms]


def _by_ranker(arms: Sequence[ArmResult], ranker: str, unit: str, drawing: Sequence[float | None]) -> _Advice:
    """Add the cost of ranking to that of drawing if it is known in the same unit."""
    scores = [arm.rankers[ranker] for arm in arms]
    if unit != "FLOPs" or any(score.total_flops is None for score in scores):
        costs_nothing = all(score.cost_flops == 0 for score in scores)
        return _Advice(scores, ranker, drawing, unit, "" if costs_nothing else ", ranking not counted")
    return _Advice(scores, ranker, [score.total_flops for score in scores], unit)


def _sentences(
    opening: str,
    pick: str,
    arms: Sequence[ArmResult],
    advice: _Advice,
    paired: Sequence[PairedResult],
    tolerance: float,
) -> str:
    scores, metric = advice.scores, advice.metric
    if len(arms) == 1:
        (arm,), (score,) = arms, scores
        return f"{opening}, {_action(arm, pick)}: {_shown(score)}; add an arm to compare it with."
    order = sorted(range(len(arms)), key=lambda place: (-_value(scores[place]), _known(advice.costs[place])))
    best = order[0]
    behind = [place for place in order[1:] if _beats(arms[best], arms[place], paired, metric)]
    group = [place for place in order if place not in behind]
    least = min(_known(advice.costs[place]) for place in group)
    # Of those that cost the same, the one that scores highest: `group` is in that order.
    cheapest = [place for place in group if _known(advice.costs[place]) <= (1 + tolerance) * least]
    chosen = cheapest[0]
    other = 0 if chosen != 0 else next(place for place in order if place != chosen)
    said = [
        f"{opening}, {_action(arms[chosen], pick)}: {_value(scores[chosen]):.3f}, "
        f"{_effects(arms, chosen, other, paired, advice)}{_price(arms, chosen, other, advice)}."
    ]
    unequal = _unequal([arms[place] for place in (chosen, other)], advice, tolerance)
    if unequal:
        said.append(f"This is not at equal cost: {unequal}.")
    ties = [f"{_name(arms[place])} ({_value(scores[place]):.3f})" for place in group if place != chosen]
    if ties:
        said.append(
            f"These data do not separate it from {_listed(ties)}: "
            f"{'it is the cheapest of them' if len(cheapest) == 1 else 'of the cheapest, it scores highest'}. More "
            "tasks may separate them."
        )
    return " ".join(said)


def _action(arm: ArmResult, pick: str) -> str:
    """Say what to do with an arm."""
    model, k = _model(arm), arm.plan.k
    if arm.plan.arm.greedy:
        return f"draw {model} once, greedily"
    return f"draw {model} once" if k == 1 else f"draw {model} {k} times and {pick}"


def _effects(
    arms: Sequence[ArmResult], chosen: int, other: int, paired: Sequence[PairedResult], advice: _Advice
) -> str:
    """Compare the chosen arm's score with another's, and with that one's model decoded greedily if that is an arm."""
    first = _effect(arms[chosen], arms[other], paired, advice.metric)
    effects = f"{first} {_one(arms[other])}{_interval(arms[chosen], arms[other], paired, advice.metric)}"
    for place, arm in enumerate(arms):
        same = _model(arm) == _model(arms[other])
        if arm.plan.arm.greedy and same and place not in (chosen, other):
            greedy = _effect(arms[chosen], arm, paired, advice.metric)
            effects += f" and {greedy} its greedy{_interval(arms[chosen], arm, paired, advice.metric)}"
    return effects


def _effect(chosen: ArmResult, other: ArmResult, paired: Sequence[PairedResult], metric: str) -> str:
    found = _pair(chosen, other, paired, metric)
    if found is None:
        return "not compared with"
    points = 100 * found[0]
    if abs(points) < _LEAST_POINTS:
        return "level with"
    return f"{abs(points):.1f} points {'above' if points > 0 else 'below'}"


def _interval(chosen: ArmResult, other: ArmResult, paired: Sequence[PairedResult], metric: str) -> str:
    found = _pair(chosen, other, paired, metric)
    return "" if found is None else f" [{100 * found[1]:+.1f}, {100 * found[2]:+.1f}]"


def _pair(
    chosen: ArmResult, other: ArmResult, paired: Sequence[PairedResult], metric: str
) -> tuple[float, float, float] | None:
    """Find the difference of two arms, with its interval."""
    a, b = chosen.plan.arm.spec, other.plan.arm.spec
    for row in paired:
        if row.metric == metric and (row.a, row.b) == (a, b):
            return row.difference, row.low, row.high
        if row.metric == metric and (row.a, row.b) == (b, a):
            return -row.difference, -row.high, -row.low
    return None


def _price(arms: Sequence[ArmResult], chosen: int, other: int, advice: _Advice) -> str:
    """Compare the two arms' costs, realised if known."""
    mine, its = advice.costs[chosen], advice.costs[other]
    if mine is None or not its:
        return f", at an unknown cost in {advice.unit}"
    guessed = advice.unit == "FLOPs" and any(
        arms[place].realised.usage.estimated or _guesses_tests(arms[place], advice.metric) for place in (chosen, other)
    )
    included = advice.included or _included([arms[place] for place in (chosen, other)], advice.metric)
    return f", for {'about ' if guessed else ''}{mine / its:.2f} of its {advice.unit}{included}"


def _included(arms: Sequence[ArmResult], metric: str) -> str:
    """Say what a cost includes besides drawing; empty if no arm's ranking uses a model."""
    rankings = [arm.rankers[metric] for arm in arms if metric in arm.rankers]
    if not any(ranking.cost_flops for ranking in rankings):
        return ""
    return ", tests included" if any(ranking.uses_tests for ranking in rankings) else ", ranking included"


def _guesses_tests(arm: ArmResult, metric: str) -> bool:
    return metric in arm.rankers and arm.rankers[metric].cost_estimated


def _unequal(arms: Sequence[ArmResult], advice: _Advice, tolerance: float) -> str:
    """Say why the costs of two arms are not equal; empty if they are."""
    unmatched = [arm for arm in arms if not arm.matched]
    over = [_name(arm) for arm in unmatched if _exceeds(arm)]
    under = [_name(arm) for arm in unmatched if not _exceeds(arm)]
    said = [f"{_listed(over)} {'is' if len(over) == 1 else 'are'} not matched"] if over else []
    if under:
        said.append(f"the limit allows more samples of {_listed(under)}")
    for arm in arms:
        ratio = arm.rankers[advice.metric].total_ratio if advice.metric in arm.rankers else None
        if arm.matched and ratio is not None and ratio > 1 + tolerance:
            said.append(f"with its ranking {_name(arm)} takes {ratio:.2f} of the limit")
    return "; ".join(said)


def _exceeds(arm: ArmResult) -> bool:
    """Whether the arm costs more than a limit; a plan's leftover names the kinds that are limited."""
    limited = [name for name, left in arm.plan.leftover if left is not None]
    return any((ratio or 0.0) > 1 for name in limited if (ratio := getattr(arm.ratio, name)) is not None)


def _beats(best: ArmResult, other: ArmResult, paired: Sequence[PairedResult], metric: str) -> bool:
    pair = {best.plan.arm.spec, other.plan.arm.spec}
    return any(row.p_value < SIGNIFICANCE for row in paired if row.metric == metric and {row.a, row.b} == pair)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _model(arm: ArmResult) -> str:
    """Name the arm's model as typed."""
    typed = arm.plan.arm
    return typed.spec if typed.k is None else typed.spec.rpartition(":")[0]


def _one(arm: ArmResult) -> str:
    """Name the arm that another is compared with: `one 34b`."""
    return f"one {_model(arm)}" if arm.plan.k == 1 and not arm.plan.arm.greedy else _name(arm)


def _name(arm: ArmResult) -> str:
    """Name the arm as typed, with its k."""
    return f"{_model(arm)} greedy" if arm.plan.arm.greedy else f"{_model(arm)} x{arm.plan.k}"


def _shown(score: Interval) -> str:
    return "an unknown share" if score.value is None else interval(score.value, score.low, score.high)


def _value(score: Interval) -> float:
    return -1.0 if score.value is None else score.value


def _known(cost: float | None) -> float:
    return float("inf") if cost is None else cost


_LEAST_POINTS: Final = 0.05
"""Smallest difference in points that is not shown as level."""

CUT_SHARE: Final = 0.2
"""Share of samples cut by the token limit above which the scores are those of the limit."""

INVALID_SHARE: Final = 0.5
"""Share of programs that do not even parse above which something reads the answers wrongly."""


def doubts_of_statuses(name: str, statuses: Mapping[str, int]) -> list[str]:
    """List doubts about how the programs of `name` ended, a line each; none if nothing was graded."""
    graded = sum(count for status, count in statuses.items() if status != "sandbox_error")
    if not graded:
        return []
    found = []
    if not statuses.get("passed"):
        found.append(f"{name} passes nothing: 0 of {graded} programs")
    invalid = statuses.get("invalid", 0)
    if invalid > INVALID_SHARE * graded:
        found.append(f"{invalid} of {graded} programs of {name} are invalid, so its answers may be read wrongly")
    return found


def notes_of_settings(strata: Sequence[str]) -> list[str]:
    """Say that files of several settings are treated as one set of samples; nothing if there is one setting."""
    if not strata:
        return []
    some = ", ".join(strata[:3]) + (", ..." if len(strata) > 3 else "")
    return [
        f"{len(strata)} files have the same tasks ({some}), and their rows are treated as samples of one setting; "
        "if the settings differ, give one file at a time, or use compare, which keeps them apart"
    ]


def doubts_of_lengths(name: str, candidates: Sequence[Candidate]) -> list[str]:
    """Add a doubt if the token limit cut too many of an arm's samples that say how they ended."""
    reasons = [candidate.finish_reason for candidate in candidates if candidate.finish_reason is not None]
    cut = reasons.count("length")
    if cut <= CUT_SHARE * len(reasons):
        return []
    return [f"the token limit cut off {cut} of {len(reasons)} samples of {name}: raise --max-tokens"]


def cut_samples(name: str, candidates: Sequence[Candidate]) -> list[str]:
    """Report how many of an arm's samples the token limit cut off, if any and too few for a doubt."""
    cut = sum(candidate.finish_reason == "length" for candidate in candidates)
    if not cut or doubts_of_lengths(name, candidates):
        return []
    return [f"the token limit cut off {cut} of {len(candidates)} samples of {name}"]
