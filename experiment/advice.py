"""Advice in sentences that a person can act on, or the doubts that rule it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from .._util.figures import interval
from ..budgets.notation import without_k
from ..estimators import PASS_AT_K
from ..records import Effect, VerdictSentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..records import (
        ArmResult,
        Candidate,
        Comparison,
        Cost,
        Interval,
        MacroArm,
        PairedResult,
        Plan,
        RankerScore,
    )

SIGNIFICANCE = 0.05
"""Adjusted p-value below which a difference counts as one."""


FEW_TASKS: Final = 8
"""Number of tasks below which an interval covers less than it claims (docs/statistics.md)."""

_COVERS_LESS: Final = "covers less than it claims (51 % at two, 75 % at three)."


class _Option(NamedTuple):
    """An arm as advice sees it: on one benchmark, or by means over several.

    Attributes:
        spec: As typed.
        model: As typed, without its k.
        greedy: Whether it is one sample at temperature 0.
        ks: Its k on each benchmark.
        passing: Its pass@k.
        picked: Its score by the deciding ranker, and what that costs.
        cost: That of its samples per task.
        results: It on each benchmark, by name.
        stages: Of a cascade, the plan of each stage.
    """

    spec: str
    model: str
    greedy: bool
    ks: tuple[int, ...]
    passing: Interval
    picked: RankerScore
    cost: Cost
    results: Mapping[str, ArmResult]
    stages: tuple[Plan, ...] = ()

    @property
    def is_estimated(self) -> bool:
        """Whether some token counts of its samples are estimated."""
        return any(result.realised.usage.estimated for result in self.results.values())

    @property
    def times(self) -> str:
        """Its k, or the range of them."""
        least, most = min(self.ks), max(self.ks)
        return str(most) if least == most else f"{least} to {most}"

    @property
    def name(self) -> str:
        """The arm as typed, with its k."""
        if self.stages:
            return self.spec
        return f"{self.model} greedy" if self.greedy else f"{self.model} x{self.times.replace(' to ', '-')}"


class _Advice(NamedTuple):
    """The basis of a sentence: scores by arm, the metric of paired differences, and costs by arm.

    `included` says what the costs leave out, if anything.
    """

    scores: Sequence[Interval]
    metric: str
    costs: Sequence[float | None]
    unit: str
    included: str = ""


class _Grounds(NamedTuple):
    """What sentences are said on: paired differences, the tolerance of costs, and benchmarks if scores are means."""

    paired: Sequence[PairedResult]
    tolerance: float
    benchmarks: Sequence[Comparison] = ()


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
    few = ""
    if tasks < FEW_TASKS:
        few = f" On {tasks} task{'' if tasks == 1 else 's'} a 95 % interval {_COVERS_LESS}"
    openings = ("With unit tests to select by", "Without tests")
    options = [_option(arm, ranker) for arm in arms]
    return _advised(options, ranker, doubts, openings, _Grounds(paired, tolerance), few)


def advise_by_means(
    benchmarks: Sequence[Comparison],
    arms: Sequence[MacroArm],
    paired: Sequence[PairedResult],
    ranker: str,
    doubts: Sequence[str] = (),
    *,
    tolerance: float = 0.05,
) -> VerdictSentences:
    """Advise what to run by mean scores and mean costs over benchmarks, and name the benchmarks that contradict it.

    A benchmark contradicts it where an arm is separated from the advised one and above it. Where the arm that the
    advised one is compared with is above it only there, but not separated, the benchmark is named too.

    Args:
        benchmarks: A comparison of the same arms on each.
        arms: Their means.
        paired: Differences of the means.
        ranker: The deciding one.
        doubts: About the scores of some benchmark; if there are any, they replace the advice.
        tolerance: Fraction of a limit above which a cost is not equal.
    """
    few = [f"{one.benchmark} ({one.tasks})" for one in benchmarks if one.tasks < FEW_TASKS]
    said = f" On as few tasks as those of {_listed(few)} a 95 % interval {_COVERS_LESS}" if few else ""
    opening = f"By the mean over {len(benchmarks)} benchmarks,"
    openings = (f"{opening} with unit tests to select by", f"{opening} without tests")
    options = [
        _option(benchmarks[0].arms[place], ranker)._replace(
            ks=tuple(one.arms[place].plan.k for one in benchmarks),
            passing=arm.pass_at_k,
            picked=arm.rankers[ranker],
            cost=arm.cost,
            results={one.benchmark: one.arms[place] for one in benchmarks},
        )
        for place, arm in enumerate(arms)
    ]
    return _advised(options, ranker, doubts, openings, _Grounds(paired, tolerance, benchmarks), said)


def _option(arm: ArmResult, ranker: str) -> _Option:
    typed = arm.plan.arm
    return _Option(
        spec=typed.spec,
        model=without_k(typed),
        greedy=typed.greedy,
        ks=(arm.plan.k,),
        passing=arm.pass_at_k,
        picked=arm.rankers[ranker],
        cost=arm.cost,
        results={"": arm},
        stages=arm.plan.stages,
    )


def _advised(
    arms: Sequence[_Option],
    ranker: str,
    doubts: Sequence[str],
    openings: tuple[str, str],
    grounds: _Grounds,
    few: str,
) -> VerdictSentences:
    with_tests, without_tests = openings
    if doubts:
        why = f"no advice, because {'; '.join(doubts)}."
        return VerdictSentences(
            with_tests=f"{with_tests}: {why}",
            without_tests=f"{without_tests}, picking by {ranker}: {why}",
        )
    unit, drawing = _costs(arms)
    by_tests = _Advice([arm.passing for arm in arms], PASS_AT_K, drawing, unit)
    by_ranker = _by_ranker(arms, ranker, unit, drawing)
    said = [
        _sentences(opening, pick, arms, advice, grounds)
        for opening, pick, advice in (
            (with_tests, "keep what passes", by_tests),
            (without_tests, f"let {ranker} pick", by_ranker),
        )
    ]
    return VerdictSentences(
        with_tests=said[0].text + few,
        without_tests=said[1].text + few,
        effects=tuple(one.effect for one in said if one.effect is not None),
    )


def _costs(arms: Sequence[_Option]) -> tuple[str, list[float | None]]:
    """Find a kind of cost that is known for all arms, FLOPs first, and each arm's cost."""
    for field, unit in (("flops", "FLOPs"), ("usd", "dollars"), ("runtime_s", "seconds")):
        costs: list[float | None] = [getattr(arm.cost, field) for arm in arms]
        if None not in costs:
            return unit, costs
    return "FLOPs", [arm.cost.flops for arm in arms]


def _by_ranker(arms: Sequence[_Option], ranker: str, unit: str, drawing: Sequence[float | None]) -> _Advice:
    """Add the cost of ranking to that of drawing if it is known in the same unit.

    Tests that a limit was planned for are in the cost of drawing, in every unit.
    """
    scores = [arm.picked for arm in arms]
    if unit != "FLOPs" or any(score.total_flops is None for score in scores):
        paid = [any(result.plan.tests for result in arm.results.values()) for arm in arms]
        costs_nothing = all(arm.picked.cost_flops == 0 for arm, is_paid in zip(arms, paid, strict=True) if not is_paid)
        included = ", tests included" if any(paid) else ""
        return _Advice(scores, ranker, drawing, unit, included if costs_nothing else ", ranking not counted")
    return _Advice(scores, ranker, [score.total_flops for score in scores], unit)


class _Said(NamedTuple):
    """Sentences, and the effect that they tell of."""

    text: str
    effect: Effect | None = None


def _sentences(opening: str, pick: str, arms: Sequence[_Option], advice: _Advice, grounds: _Grounds) -> _Said:
    scores, paired, tolerance = advice.scores, grounds.paired, grounds.tolerance
    if len(arms) == 1:
        (arm,), (score,) = arms, scores
        return _Said(f"{opening}, {_action(arm, pick)}: {_shown(score)}; add an arm to compare it with.")
    order = sorted(range(len(arms)), key=lambda place: (-_value(scores[place]), _known(advice.costs[place])))
    best = order[0]
    behind = [place for place in order[1:] if _separates(arms[best].spec, arms[place].spec, paired, advice.metric)]
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
    ties = [f"{arms[place].name} ({_value(scores[place]):.3f})" for place in group if place != chosen]
    if ties:
        said.append(
            f"These data do not separate it from {_listed(ties)}: "
            f"{'it is the cheapest of them' if len(cheapest) == 1 else 'of the cheapest, it scores highest'}. More "
            "tasks may separate them."
        )
    text = " ".join([*said, *_contradictions(arms, chosen, other, advice.metric, grounds)])
    return _Said(text, _effect_of(arms, chosen, other, paired, advice))


def _contradictions(arms: Sequence[_Option], chosen: int, other: int, metric: str, grounds: _Grounds) -> Iterator[str]:
    """Yield a sentence for each benchmark on which an arm is above the one that is best by the mean."""
    mine = arms[chosen].spec
    mean = _pair(mine, arms[other].spec, grounds.paired, metric)
    for benchmark in grounds.benchmarks:
        name, paired = benchmark.benchmark, benchmark.paired
        there = [arm._replace(ks=(arm.results[name].plan.k,)) for arm in arms]
        above = [
            (found[0], place, _interval(there[place], there[chosen], paired, metric))
            for place, arm in enumerate(there)
            if place != chosen and (found := _pair(arm.spec, mine, paired, metric)) and _points(found[0]) > 0
        ]
        separated = [row for row in above if _separates(there[row[1]].spec, mine, paired, metric)]
        if separated:
            difference, place, interval_there = max(separated)
            yield (
                f"{name} contradicts this: there {there[place].name} is {_points(difference):.1f} points above it"
                f"{interval_there}."
            )
        elif mean is not None and _points(mean[0]) >= 0:
            for difference, place, interval_there in above:
                if place == other:
                    yield (
                        f"On {name} {there[place].name} is {_points(difference):.1f} points above it{interval_there}, "
                        "though its tasks do not separate the two."
                    )


def _action(arm: _Option, pick: str) -> str:
    """Say what to do with an arm."""
    if arm.stages:
        return _cascade(arm, pick)
    if arm.greedy:
        return f"draw {arm.model} once, greedily"
    return f"draw {arm.model} once" if max(arm.ks) == 1 else f"draw {arm.model} {arm.times} times and {pick}"


def _cascade(arm: _Option, pick: str) -> str:
    """Say what to do with a cascade, where it goes on, and how often it did."""
    first, *others = arm.stages
    results = list(arm.results.values())
    said = [_drawn(first)]
    for place, stage in enumerate(others, 1):
        reached = sum(result.realised.reached[place] for result in results) / len(results)
        words = "" if results[0].escalation is None else f" {results[0].escalation.words}"
        again = words if place == 1 else " where these do not suffice either"
        said.append(f"{_drawn(stage)}{again} ({reached:.0%} of tasks)")
    last = others[-1]
    if last.arm.greedy and pick.startswith("let"):
        return f"draw {said[0]} and {pick}; draw {', and '.join(said[1:])}, and take that"
    return f"draw {', and '.join(said)}; {pick}"


def _drawn(stage: Plan) -> str:
    model = without_k(stage.arm)
    if stage.arm.greedy:
        return f"{model} greedily"
    return f"{model} once" if stage.k == 1 else f"{model} {stage.k} times"


def _effects(arms: Sequence[_Option], chosen: int, other: int, paired: Sequence[PairedResult], advice: _Advice) -> str:
    """Compare the chosen arm's score with another's, and first with its model's greedy arm if there is one."""
    mine = arms[chosen]
    compared = [arms[place] for place in (*_greedy_of(arms, chosen, other), other)]
    return " and ".join(
        f"{_effect(mine, arm, paired, advice.metric)} {_one(arm)}{_interval(mine, arm, paired, advice.metric)}"
        for arm in compared
    )


def _greedy_of(arms: Sequence[_Option], chosen: int, other: int) -> list[int]:
    """Find the greedy arm of the model that an arm is compared with, if it is a third one."""
    return [
        place
        for place, arm in enumerate(arms)
        if arm.greedy and arm.model == arms[other].model and place not in (chosen, other)
    ]


def _effect_of(
    arms: Sequence[_Option], chosen: int, other: int, paired: Sequence[PairedResult], advice: _Advice
) -> Effect | None:
    """Record the first effect that the sentence names; None if the two were not compared."""
    against = (*_greedy_of(arms, chosen, other), other)[0]
    found = _pair(arms[chosen].spec, arms[against].spec, paired, advice.metric)
    if found is None:
        return None
    mine, its = advice.costs[chosen], advice.costs[against]
    return Effect(
        arm=arms[chosen].name,
        other=arms[against].name,
        metric=advice.metric,
        # No score is below by -0.
        difference=found[0] + 0.0,
        low=found[1],
        high=found[2],
        cost_ratio=None if mine is None or not its else mine / its,
        unit=advice.unit,
        counted=_counted([arms[chosen], arms[against]], advice).removeprefix(", "),
    )


def _effect(chosen: _Option, other: _Option, paired: Sequence[PairedResult], metric: str) -> str:
    found = _pair(chosen.spec, other.spec, paired, metric)
    if found is None:
        return "not compared with"
    points = _points(found[0])
    if not points:
        return "level with"
    return f"{abs(points):.1f} points {'above' if points > 0 else 'below'}"


def _points(difference: float) -> float:
    """Convert to points; 0 for what is shown as level."""
    points = 100 * difference
    return points if abs(points) >= _LEAST_POINTS else 0.0


def _interval(chosen: _Option, other: _Option, paired: Sequence[PairedResult], metric: str) -> str:
    found = _pair(chosen.spec, other.spec, paired, metric)
    return "" if found is None else f" [{100 * found[1]:+.1f}, {100 * found[2]:+.1f}]"


def _pair(a: str, b: str, paired: Sequence[PairedResult], metric: str) -> tuple[float, float, float] | None:
    """Find the difference of two arms, with its interval."""
    for row in paired:
        if row.metric == metric and (row.a, row.b) == (a, b):
            return row.difference, row.low, row.high
        if row.metric == metric and (row.a, row.b) == (b, a):
            return -row.difference, -row.high, -row.low
    return None


def _price(arms: Sequence[_Option], chosen: int, other: int, advice: _Advice) -> str:
    """Compare the two arms' costs, realised if known."""
    mine, its = advice.costs[chosen], advice.costs[other]
    if mine is None or not its:
        return f", at an unknown cost in {advice.unit}"
    two = [arms[place] for place in (chosen, other)]
    by_ranker = advice.metric != PASS_AT_K
    guessed = advice.unit == "FLOPs" and any(
        arm.is_estimated or (by_ranker and arm.picked.cost_estimated) for arm in two
    )
    return f", for {'about ' if guessed else ''}{mine / its:.2f} of its {advice.unit}{_counted(two, advice)}"


def _counted(arms: Sequence[_Option], advice: _Advice) -> str:
    """Say what the costs of arms hold besides drawing, or leave out."""
    if advice.metric == PASS_AT_K:
        return advice.included
    return advice.included or _included([arm.picked for arm in arms])


def _included(rankings: Sequence[RankerScore]) -> str:
    """Say what a cost includes besides drawing; empty if no arm's ranking uses a model."""
    if not any(ranking.cost_flops for ranking in rankings):
        return ""
    return ", tests included" if any(ranking.uses_tests for ranking in rankings) else ", ranking included"


def _unequal(arms: Sequence[_Option], advice: _Advice, tolerance: float) -> str:
    """Say why the costs of two arms are not equal, benchmark by benchmark; empty if they are."""
    said = []
    for benchmark in arms[0].results:
        there = [arm._replace(ks=(arm.results[benchmark].plan.k,)) for arm in arms]
        why = _unequal_on(benchmark, there, advice.metric, tolerance)
        if why:
            said.append(f"on {benchmark} {why}" if benchmark else why)
    return "; ".join(said)


def _unequal_on(benchmark: str, arms: Sequence[_Option], metric: str, tolerance: float) -> str:
    unmatched = [arm for arm in arms if not arm.results[benchmark].matched]
    over = [arm.name for arm in unmatched if _exceeds(arm.results[benchmark])]
    under = [arm.name for arm in unmatched if not _exceeds(arm.results[benchmark])]
    said = [f"{_listed(over)} {'is' if len(over) == 1 else 'are'} not matched"] if over else []
    if under:
        said.append(f"the limit allows more samples of {_listed(under)}")
    for arm in arms:
        result = arm.results[benchmark]
        ratio = result.rankers[metric].total_ratio if metric in result.rankers else None
        if result.matched and ratio is not None and ratio > 1 + tolerance:
            said.append(f"with its ranking {arm.name} takes {ratio:.2f} of the limit")
    return "; ".join(said)


def _exceeds(arm: ArmResult) -> bool:
    """Whether the arm costs more than a limit; a plan's leftover names the kinds that are limited."""
    limited = [name for name, left in arm.plan.leftover if left is not None]
    return any((ratio or 0.0) > 1 for name in limited if (ratio := getattr(arm.ratio, name)) is not None)


def _separates(a: str, b: str, paired: Sequence[PairedResult], metric: str) -> bool:
    return any(row.p_value < SIGNIFICANCE for row in paired if row.metric == metric and {row.a, row.b} == {a, b})


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _one(arm: _Option) -> str:
    """Name the arm that another is compared with: `one 34b`."""
    return f"one {arm.model}" if max(arm.ks) == 1 and not arm.greedy else arm.name


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
