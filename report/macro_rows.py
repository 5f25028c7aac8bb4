"""Rows of a comparison on several benchmarks, alike in every report: each on every benchmark, then by its mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .._util.figures import difference, fraction, interval, p_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..records import ArmResult, Cost, Interval, MacroComparison, PairedResult


def mean_name(result: MacroComparison) -> str:
    """Name rows of means where others have a benchmark."""
    return f"mean of {len(result.benchmarks)}"


class ArmRow(NamedTuple):
    """An arm on one benchmark, or its mean: its k, FLOPs with a mark if estimated, their ratio, whether matched."""

    arm: str
    benchmark: str
    k: str
    flops: str
    ratio: str
    matched: str
    pass_at_k: str


def arm_rows(result: MacroComparison) -> Iterator[ArmRow]:
    """Yield rows of arms, each on every benchmark and then its mean."""
    for place, arm in enumerate(result.arms):
        single = [one.arms[place] for one in result.benchmarks]
        for comparison, found in zip(result.benchmarks, single, strict=True):
            yield ArmRow(
                arm.spec,
                comparison.benchmark,
                found.plan.shown_k,
                _flops(found.cost, [found]),
                fraction(found.ratio.flops),
                ("equal" if found.equal else "yes") if found.matched else "no",
                _score(found.pass_at_k),
            )
        # A limit is each benchmark's own, so means have no ratio to it.
        yield ArmRow(arm.spec, mean_name(result), "", _flops(arm.cost, single), "", "", _score(arm.pass_at_k))


class ScoreRow(NamedTuple):
    """A ranker's scores on one benchmark, or their means: one per arm, `-` where it failed there."""

    ranker: str
    benchmark: str
    scores: tuple[str, ...]


def ranker_rows(result: MacroComparison) -> Iterator[ScoreRow]:
    """Yield rows of rankers, each on every benchmark and then by its mean."""
    for name in dict.fromkeys(name for one in result.benchmarks for name in one.arms[0].rankers):
        for comparison in result.benchmarks:
            found = [arm.rankers.get(name) for arm in comparison.arms]
            yield ScoreRow(name, comparison.benchmark, tuple(map(_score, found)))
        yield ScoreRow(name, mean_name(result), tuple(_score(arm.rankers.get(name)) for arm in result.arms))


class PairRow(NamedTuple):
    """A difference of two arms on one benchmark, or of their means."""

    metric: str
    arms: str
    benchmark: str
    difference: str
    p_value: str


def pair_rows(result: MacroComparison) -> Iterator[PairRow]:
    """Yield the differences that decide, each on every benchmark and then of the means."""
    for mean in result.paired:
        if mean.metric not in ("pass_at_k", result.decisive_ranker):
            continue
        for comparison in result.benchmarks:
            for row in comparison.paired:
                if (row.metric, row.a, row.b) == (mean.metric, mean.a, mean.b):
                    yield _pair_row(row, comparison.benchmark)
        yield _pair_row(mean, mean_name(result))


def _pair_row(row: PairedResult, benchmark: str) -> PairRow:
    metric = "pass@k" if row.metric == "pass_at_k" else row.metric
    return PairRow(
        metric,
        f"{row.a} - {row.b}",
        benchmark,
        difference(row.difference, row.low, row.high),
        p_value(row.p_value),
    )


def _score(found: Interval | None) -> str:
    return "-" if found is None else interval(found.value, found.low, found.high)


def _flops(cost: Cost, results: Sequence[ArmResult]) -> str:
    if cost.flops is None:
        return "-"
    return f"{'~' * any(result.realised.usage.estimated for result in results)}{cost.flops:.3g}"
