"""A comparison in two sentences that a person can act on, or the doubts that forbid them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._util.figures import interval
from ..records import ArmResult, Interval, PairedResult, VerdictSentences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..records import Candidate

SIGNIFICANCE = 0.05
"""Adjusted p-value below which a difference counts as one."""


def advise(
    arms: Sequence[ArmResult], paired: Sequence[PairedResult], ranker: str, doubts: Sequence[str] = ()
) -> VerdictSentences:
    """Advise what to run: if one's tests can select, and if one has none and ranks by `ranker`.

    If there are `doubts` about the scores, nothing else is said.
    """
    if doubts:
        why = f"no advice, because {'; '.join(doubts)}."
        return VerdictSentences(
            with_tests=f"With unit tests to select by: {why}",
            without_tests=f"Without tests, picking by {ranker}: {why}",
        )
    with_tests = [arm.pass_at_k for arm in arms]
    without_tests: list[Interval] = [arm.rankers[ranker] for arm in arms]
    return VerdictSentences(
        with_tests=_sentence("With unit tests to select by", arms, with_tests, paired, "pass_at_k"),
        without_tests=_sentence(f"Without tests, picking by {ranker}", arms, without_tests, paired, ranker),
    )


def _sentence(
    opening: str,
    arms: Sequence[ArmResult],
    scores: Sequence[Interval],
    paired: Sequence[PairedResult],
    metric: str,
) -> str:
    if len(arms) == 1:
        return f"{opening}, {_name(arms[0])} solves {_shown(scores[0])} of tasks; add an arm to compare it with."
    costs = _costs(arms)
    order = sorted(range(len(arms)), key=lambda place: (-_value(scores[place]), costs[place]))
    best, second = order[:2]
    behind = [place for place in order[1:] if _beats(arms[best], arms[place], paired, metric)]
    group = [place for place in order if place not in behind]
    if len(group) == 1:
        return (
            f"{opening}, run {_name(arms[best])}: it solves {_shown(scores[best])} of tasks, {_name(arms[second])} "
            f"{_shown(scores[second])}{_price(arms[best], arms)}{_caveat(arms)}."
        )
    shown = [f"{_name(arms[place])} ({_value(scores[place]):.3f})" for place in group]
    lead = f" (behind {_name(arms[best])}: {_listed([_name(arms[place]) for place in behind])})" if behind else ""
    cheapest = min(group, key=lambda place: costs[place])
    return (
        f"{opening}, these data do not separate {_listed(shown)}{lead}: take the cheapest, {_name(arms[cheapest])}"
        f"{_price(arms[cheapest], arms)}, or measure on more tasks."
    )


def _beats(best: ArmResult, other: ArmResult, paired: Sequence[PairedResult], metric: str) -> bool:
    pair = {best.plan.arm.spec, other.plan.arm.spec}
    return any(row.p_value < SIGNIFICANCE for row in paired if row.metric == metric and {row.a, row.b} == pair)


def _price(arm: ArmResult, arms: Sequence[ArmResult]) -> str:
    """Compare the arm's planned FLOPs to the first arm's, if it is another."""
    flops, first = arm.plan.cost.flops, arms[0].plan.cost.flops
    unit = "FLOPs"
    if flops is None or first is None:
        flops, first, unit = arm.plan.cost.usd, arms[0].plan.cost.usd, "dollars"
    if arm is arms[0] or flops is None or not first:
        return ""
    return f", at {flops / first:.2f} times the {unit} of {_name(arms[0])}"


def _caveat(arms: Sequence[ArmResult]) -> str:
    """Say what keeps a win from being at equal cost."""
    unmatched = [arm for arm in arms if not arm.plan.matched]
    if not unmatched:
        return ""
    names = _listed([_name(arm) for arm in unmatched])
    return f". This is not at equal cost: {names} {'is' if len(unmatched) == 1 else 'are'} not matched"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _name(arm: ArmResult) -> str:
    """Name the arm as typed, with its k."""
    typed = arm.plan.arm
    model = typed.spec if typed.k is None else typed.spec.rpartition(":")[0]
    return f"{model} greedy" if typed.greedy else f"{model} x{arm.plan.k}"


def _shown(score: Interval) -> str:
    return "an unknown share" if score.value is None else interval(score.value, score.low, score.high)


def _value(score: Interval) -> float:
    return -1.0 if score.value is None else score.value


def _costs(arms: Sequence[ArmResult]) -> list[float]:
    """List planned FLOPs, or dollars if some arm's FLOPs are unknown."""
    flops = [arm.plan.cost.flops for arm in arms]
    found = [arm.plan.cost.usd for arm in arms] if None in flops else flops
    return [float("inf") if cost is None else cost for cost in found]


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
