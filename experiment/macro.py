"""Comparisons on several benchmarks -> their means: each benchmark counts the same, and tasks are never added up."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._util.progress import Progress, silent
from ..estimators import PASS_AT_K, macro_difference, macro_interval
from ..records import Cost, MacroArm, MacroComparison, RankerScore
from ..settings import BLIND_RANKER, ORACLE
from .advice import advise_by_means
from .benchmarks import about, check_shared_ids, progress_about
from .comparison import Chosen, adjusted_pairs, compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..estimators import FloatArray
    from ..records import ArmResult, Comparison, Interval, PairedResult
    from ..settings import Drawing, Grading, Running, Selecting
    from ..tasks import Benchmark
    from .planning import Planned
    from .samples import ArmSamples


class Parts(NamedTuple):
    """The same arms on several benchmarks: of each, its tasks, the arms' plans, and their candidates."""

    benchmarks: Sequence[Benchmark]
    planned: Sequence[Planned]
    arms: Sequence[Sequence[ArmSamples]]


def compare_on_each(
    parts: Parts,
    drawing: Drawing,
    grading: Grading,
    selecting: Selecting,
    running: Running,
    progress: Progress = silent,
    *,
    charted: bool = False,
) -> list[Comparison]:
    """Compare arms on each benchmark as if it were alone.

    Args:
        parts: The benchmarks, as `benchmarks.told_apart` gives them, and the arms on each.
        drawing: What scores texts for rankers.
        grading: Where programs run.
        selecting: The rankers, and what they are offered.
        running: The seed and the store.
        progress: Told how far grading and ranking are.
        charted: Also score each arm at other k, for its curve.

    Raises:
        UserError: As `comparison.compare`; of several benchmarks, the message starts with the benchmark's name.
        MachineError: As there.
    """
    benchmarks = parts.benchmarks
    if selecting.tests:
        check_shared_ids(benchmarks)
    found = []
    for benchmark, planned, arms in zip(*parts, strict=True):
        with about(benchmark, benchmarks):
            shown = progress_about(benchmark, benchmarks, progress)
            settings = Chosen(drawing, grading, selecting, running)
            found.append(compare(planned, benchmark, arms, settings, shown, charted=charted))
    return found


def answer_of(comparisons: Sequence[Comparison], seed: int, tolerance: float) -> Comparison | MacroComparison:
    """Return the comparison on the only benchmark, or that by means over several; see `macro_comparison`."""
    return comparisons[0] if len(comparisons) == 1 else macro_comparison(comparisons, seed=seed, tolerance=tolerance)


def macro_comparison(comparisons: Sequence[Comparison], *, seed: int = 0, tolerance: float = 0.05) -> MacroComparison:
    """Derive means over benchmarks from a comparison of the same arms on each; it runs nothing.

    Args:
        comparisons: One or more, each with its arms' scores per task.
        seed: Of resampling.
        tolerance: Fraction of a limit above which a cost is not equal.
    """
    by_arm = list(zip(*(one.arms for one in comparisons), strict=True))
    # A ranker that failed on a benchmark has no mean.
    rankers = [name for name in by_arm[0][0].rankers if all(name in one.rankers for arm in by_arm for one in arm)]
    arms = tuple(_mean_arm(results, rankers, seed) for results in by_arm)
    decisive = comparisons[0].decisive_ranker
    metrics = [PASS_AT_K, *(name for name in rankers if name == decisive or name not in (BLIND_RANKER, ORACLE))]
    paired = _paired(by_arm, metrics, seed)
    doubts = _named(comparisons, [one.doubts for one in comparisons])
    return MacroComparison(
        benchmarks=tuple(comparisons),
        arms=arms,
        paired=paired,
        decisive_ranker=decisive,
        verdict=advise_by_means(comparisons, arms, paired, decisive, doubts, tolerance=tolerance),
        warnings=_named(comparisons, [one.warnings for one in comparisons]),
        doubts=doubts,
    )


def _mean_arm(results: Sequence[ArmResult], rankers: Sequence[str], seed: int) -> MacroArm:
    """Average an arm's results, one per benchmark."""
    plan = results[0].plan
    memory = [result.cost.memory_bytes for result in results]
    return MacroArm(
        spec=plan.arm.spec,
        model=plan.model,
        precision=plan.precision,
        pass_at_k=_interval(results, PASS_AT_K, seed),
        rankers={
            name: RankerScore(
                **dict(_interval(results, name, seed)),
                cost_flops=_mean(result.rankers[name].cost_flops for result in results),
                cost_s=_mean(result.rankers[name].cost_s for result in results),
                total_flops=_mean(result.rankers[name].total_flops for result in results),
                cost_estimated=any(result.rankers[name].cost_estimated for result in results),
                uses_tests=any(result.rankers[name].uses_tests for result in results),
            )
            for name in rankers
        },
        cost=Cost(
            flops=_mean(result.cost.flops for result in results),
            runtime_s=_mean(result.cost.runtime_s for result in results),
            memory_bytes=None if None in memory else max(amount for amount in memory if amount is not None),
            usd=_mean(result.cost.usd for result in results),
        ),
        matched=all(result.matched for result in results),
    )


def _interval(results: Sequence[ArmResult], metric: str, seed: int) -> Interval:
    return macro_interval(_scores(results, metric), seed=seed)


def _scores(results: Sequence[ArmResult], metric: str) -> list[FloatArray]:
    return [np.array(result.per_task[metric], np.float64) for result in results]


def _mean(amounts: Iterable[float | None]) -> float | None:
    """Average amounts over benchmarks; None if one is unknown."""
    listed = list(amounts)
    known = [amount for amount in listed if amount is not None]
    return float(np.mean(known)) if len(known) == len(listed) else None


def _paired(by_arm: Sequence[Sequence[ArmResult]], metrics: Sequence[str], seed: int) -> tuple[PairedResult, ...]:
    """Pair all arms on every metric."""
    return adjusted_pairs(
        [
            (
                metric,
                a[0].plan.arm.spec,
                b[0].plan.arm.spec,
                macro_difference(_scores(a, metric), _scores(b, metric), seed=seed),
            )
            for metric in metrics
            for a, b in combinations(by_arm, 2)
        ]
    )


def _named(comparisons: Sequence[Comparison], lines: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Start each benchmark's lines with its name."""
    return tuple(f"{one.benchmark}: {line}" for one, listed in zip(comparisons, lines, strict=True) for line in listed)
