"""A comparison in two sentences that a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .records import ArmResult, Interval, PairedResult, VerdictSentences

if TYPE_CHECKING:
    from collections.abc import Sequence

SIGNIFICANCE = 0.05
"""Adjusted p-value below which a difference is called one."""


def advise(arms: Sequence[ArmResult], paired: Sequence[PairedResult], ranker: str) -> VerdictSentences:
    """What to run: for those whose tests can select, and for those who have none and rank by `ranker`."""
    with_tests = [arm.pass_at_k for arm in arms]
    without_tests: list[Interval] = [arm.rankers[ranker] for arm in arms]
    return VerdictSentences(
        with_tests=_sentence("With unit tests to select by", "pass@k", arms, with_tests, paired, "pass_at_k"),
        without_tests=_sentence(f"Without tests, picking by {ranker}", "score", arms, without_tests, paired, ranker),
    )


def _sentence(
    opening: str,
    label: str,
    arms: Sequence[ArmResult],
    scores: Sequence[Interval],
    paired: Sequence[PairedResult],
    metric: str,
) -> str:
    if len(arms) == 1:
        return f"{opening}, {_name(arms[0])} reaches {label} {_shown(scores[0])}."
    order = sorted(range(len(arms)), key=lambda place: (-_value(scores[place]), _flops(arms[place])))
    best = order[0]
    tied = [place for place in order[1:] if not _beats(arms[best], arms[place], paired, metric)]
    if not tied:
        second = order[1]
        return (
            f"{opening}, run {_name(arms[best])}: {label} {_shown(scores[best])} against {_shown(scores[second])} of "
            f"{_name(arms[second])}{_price(arms[best], arms)}."
        )
    group = [best, *tied]
    cheapest = min(group, key=lambda place: _flops(arms[place]))
    names = ", ".join(_name(arms[place]) for place in group[:-1]) + f" and {_name(arms[group[-1]])}"
    shown = ", ".join(f"{_value(scores[place]):.3f}" for place in group)
    return (
        f"{opening}, these data do not separate {names} ({label} {shown}): take the cheapest, "
        f"{_name(arms[cheapest])}{_price(arms[cheapest], arms)}, or measure on more tasks."
    )


def _beats(best: ArmResult, other: ArmResult, paired: Sequence[PairedResult], metric: str) -> bool:
    pair = {best.plan.arm.spec, other.plan.arm.spec}
    return any(row.p_value < SIGNIFICANCE for row in paired if row.metric == metric and {row.a, row.b} == pair)


def _price(arm: ArmResult, arms: Sequence[ArmResult]) -> str:
    """The arm's planned FLOPs against the first arm's, where it is another one."""
    ratio = arm.plan.budget_ratio.flops
    if arm is arms[0] or ratio is None:
        return ""
    return f", for {ratio:.2f} of the FLOPs of {_name(arms[0])}"


def _name(arm: ArmResult) -> str:
    return f"{arm.plan.arm.name} greedy" if arm.plan.arm.greedy else f"{arm.plan.arm.name} x{arm.plan.k}"


def _shown(score: Interval) -> str:
    return f"{_value(score):.3f} [{score.low:.3f}, {score.high:.3f}]"


def _value(score: Interval) -> float:
    return -1.0 if score.value is None else score.value


def _flops(arm: ArmResult) -> float:
    return float("inf") if arm.plan.cost.flops is None else arm.plan.cost.flops
