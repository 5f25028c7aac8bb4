"""Metrics of repeated sampling, and their uncertainty.

Everything here is numpy on plain arrays: counts of samples, scores and passes per task in, fractions in [0, 1] out. The
task is the unit of every interval and test, because the samples of one task are not independent of each other.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import UndefinedEstimateError, UserError
from .records import PASS_AT_K as PASS_AT_K
from .records import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_Z = NormalDist().inv_cdf(0.975)
_CHUNK_CELLS = 1 << 20  # numbers held at once while resampling: 8 MiB
_KEPT_CELLS = 1 << 22  # resampled indices kept for the next numbers: 32 MiB
_FLOYD = 10_000  # from more samples than this numpy draws some subsets in another way
_EXACT_SIGNS = 16  # up to this many differing tasks, all 2^16 sign patterns are cheaper than a Monte Carlo run


class PairedDifference(NamedTuple):
    """Mean difference over tasks with its 95 % interval, and the p-value of no difference (not corrected)."""

    difference: float
    low: float
    high: float
    p_value: float


def pass_at_k(n: IntArray, c: IntArray, k: int) -> FloatArray:
    """Probability, per task, that at least one of k samples drawn without replacement from n passes when c of n do.

    1 - C(n-c, k) / C(n, k) (Chen et al. 2021, section 2.1), as -expm1 of a sum of log1p, which keeps full relative
    precision from the smallest values to 1.

    Raises:
        UndefinedEstimateError: Some task has fewer than k samples.
        UserError: k is below 1, or some c is not in [0, n].
    """
    counts, passes = np.asarray(n, np.int64), np.asarray(c, np.int64)
    if counts.shape != passes.shape or counts.ndim != 1:
        raise UserError(f"pass@k needs one n and one c per task, not arrays shaped {counts.shape} and {passes.shape}")
    _require_k(counts, k, "pass@k")
    if bool(np.any((passes < 0) | (passes > counts))):
        raise UserError("pass@k needs 0 <= c <= n in every task: c counts the samples that pass among n")
    pairs, where = np.unique(np.stack([counts, passes], axis=1), axis=0, return_inverse=True)
    values = np.array([_pass_at_k(int(total), int(passed), k) for total, passed in pairs], np.float64)
    return values[where.reshape(-1)]


def rank_score_at_k(scores: Sequence[FloatArray], passed: Sequence[BoolArray], k: int) -> FloatArray:
    """Probability, per task, that the best-scored of k samples drawn without replacement passes; ties break at random.

    Equation 4 of Hassid et al. 2024 (section 5.1) in expectation over ties: where r samples score lower than a group of
    m equal ones of which p pass, the best of the subset falls in that group with probability
    [C(r+m, k) - C(r, k)] / C(n, k), and then passes with probability p / m.

    Args:
        scores: For each task, one score per sample, higher is better. They must not depend on the pool: where they do,
            use `rank_score_at_k_by_subsets`.
        passed: For each task, whether each sample passes, in the same order.
        k: Subset size.

    Raises:
        UndefinedEstimateError: Some task has fewer than k samples.
        UserError: k is below 1, a score is NaN, or scores and passes do not match.
    """
    if len(scores) != len(passed):
        raise UserError(
            f"rank-score@k needs scores and passes of the same tasks, not of {len(scores)} and {len(passed)} tasks"
        )
    sizes = np.array([len(task) for task in scores], np.int64)
    if any(len(task) != size for task, size in zip(passed, sizes, strict=True)):
        raise UserError("rank-score@k needs one score and one pass per sample in every task")
    _require_k(sizes, k, "rank-score@k")
    result = np.empty(len(sizes), np.float64)
    for size in np.unique(sizes):
        tasks = np.flatnonzero(sizes == size)
        keys = np.stack([np.asarray(scores[int(task)], np.float64) for task in tasks])
        passes = np.stack([np.asarray(passed[int(task)], np.bool_) for task in tasks])
        result[tasks] = _rank_scores(keys, passes, k)
    return result


def rank_score_at_ks(scores: FloatArray, passed: BoolArray, ks: Sequence[int]) -> FloatArray:
    """`rank_score_at_k` of one task for several k at once: an array [ks].

    The samples are sorted once: the one with r below it is picked with probability [C(r+1, k) - C(r, k)] / C(n, k);
    equal ones share their total.

    Raises:
        UndefinedEstimateError: The task has fewer than some k samples.
        UserError: Some k is below 1, a score is NaN, or scores and passes do not match.
    """
    keys, passes = np.asarray(scores, np.float64), np.asarray(passed, np.bool_)
    if keys.shape != passes.shape or keys.ndim != 1:
        raise UserError("rank-score@k needs one score and one pass per sample in every task")
    if bool(np.isnan(keys).any()):
        raise UserError("rank-score@k needs a number for every sample, but some scores are NaN")
    for k in ks:
        _require_k(np.array([keys.size], np.int64), k, "rank-score@k")
    order = np.argsort(keys)
    starts = np.flatnonzero(np.diff(keys[order], prepend=np.nan) != 0)
    sizes = np.diff(starts, append=keys.size)
    share = np.add.reduceat(passes[order], starts, dtype=np.int64) / sizes
    # Chances sum to 1 only up to rounding, and a score must not exceed it.
    return np.minimum(np.repeat(share, sizes) @ _pick_chances(keys.size, tuple(ks)), 1.0)


def rank_score_at_k_by_subsets(
    rank: Callable[[IntArray], FloatArray],
    passed: BoolArray,
    k: int,
    *,
    subsets: int = 200,
    seed: int,
    key: str = "",
) -> float:
    """Rank-score@k of one task for scores that depend on the pool: re-ranked inside each subset of size k.

    Args:
        rank: Given the indices of a subset, returns their scores, higher is better.
        passed: Whether each sample of the task passes.
        k: Subset size. A subset of one leaves nothing to rank, so k = 1 is exactly the share that passes.
        subsets: How many subsets to draw; all are used where there are no more than that.
        seed: See `subsets_of`.
        key: See `subsets_of`.

    Raises:
        UndefinedEstimateError: The task has fewer than k samples.
        UserError: k or `subsets` is below 1, or `rank` gives NaN or a wrong number of scores.
    """

    def rank_each(chosen: IntArray) -> FloatArray:
        scores = np.empty(chosen.shape, np.float64)
        for place, subset in enumerate(chosen):
            found = np.asarray(rank(subset), np.float64)
            if found.shape != subset.shape:
                raise _wrong_scores(k)
            scores[place] = found
        return scores

    return rank_score_at_k_of_subsets(rank_each, passed, k, subsets=subsets, seed=seed, key=key)


def rank_score_at_k_of_subsets(
    rank: Callable[[IntArray], FloatArray],
    passed: BoolArray,
    k: int,
    *,
    subsets: int = 200,
    seed: int,
    key: str = "",
) -> float:
    """`rank_score_at_k_by_subsets` where all subsets are ranked at once.

    Args:
        rank: Given subsets, an array [subsets, k] of indices, returns their scores in the same shape.
        passed: As there, like all that follow.
        k: Subset size.
        subsets: How many.
        seed: See `subsets_of`.
        key: See `subsets_of`.

    Raises:
        UndefinedEstimateError: The task has fewer than k samples.
        UserError: k or `subsets` is below 1, or `rank` gives NaN or a wrong number of scores.
    """
    passes = np.asarray(passed, np.bool_)
    _require_k(np.array([len(passes)], np.int64), k, "rank-score@k")
    if k == 1:
        return float(passes.mean())
    chosen = subsets_of(len(passes), k, subsets, seed, key)
    scores = np.asarray(rank(chosen), np.float64)
    if scores.shape != chosen.shape or bool(np.isnan(scores).any()):
        raise _wrong_scores(k)
    best = scores == scores.max(axis=1, keepdims=True)
    shares = (best & passes[chosen]).sum(axis=1) / best.sum(axis=1)
    # Added one by one: the last digit depends on the order.
    return float(np.add.accumulate(shares)[-1]) / len(chosen)


def _wrong_scores(k: int) -> UserError:
    return UserError(f"a ranker must give {k} scores, none of them NaN, for a subset of {k} samples")


@functools.lru_cache(maxsize=128)
def subsets_of(n: int, k: int, count: int, seed: int, key: str = "") -> IntArray:
    """Random k-subsets of range(n): an array [count, k] with ascending rows, not to be written to.

    Where there are no more than `count` subsets, each comes once. Else they are drawn independently and depend only on
    the arguments: all rankers get the same subsets, and a smaller `count` gives the first of a larger one.
    `key` (a task's id) makes tasks differ.
    """
    if not 1 <= k <= n or count < 1:
        raise UserError(f"cannot take {count} subsets of {k} from {n}: need 1 <= k <= n and at least one subset")
    chosen = _subsets_of(n, k, count, seed, key)
    chosen.setflags(write=False)
    return chosen


def _subsets_of(n: int, k: int, count: int, seed: int, key: str) -> IntArray:
    if math.comb(n, k) <= count:
        return np.array(list(itertools.combinations(range(n), k)), np.int64)
    digest = hashlib.blake2b(f"{seed}/{n}/{k}/{key}".encode(), digest_size=16).digest()
    generator = np.random.default_rng(int.from_bytes(digest))
    if n > _FLOYD:
        drawn = [np.sort(generator.choice(n, k, replace=False, shuffle=False)) for _ in range(count)]
        return np.stack(drawn).astype(np.int64)
    return _floyd(generator, n, k, count)


def _floyd(generator: np.random.Generator, n: int, k: int, count: int) -> IntArray:
    """Draw subsets as `generator.choice` does one by one (Floyd's algorithm: Bentley 1987), all at once.

    Element i is a random one up to n - k + i, or n - k + i itself where that is taken.
    """
    drawn = generator.integers(0, np.arange(n - k, n), (count, k), endpoint=True)
    taken = np.zeros((count, n), np.bool_)
    rows = np.arange(count)
    for place, last in enumerate(range(n - k, n)):
        element = np.where(taken[rows, drawn[:, place]], last, drawn[:, place])
        taken[rows, element] = True
    return np.nonzero(taken)[1].reshape(count, k).astype(np.int64)


def wilson_interval(successes: float, trials: int) -> Interval:
    """95 % score interval of a proportion (Wilson 1927); undefined for no trials.

    Raises:
        UserError: `successes` is not in [0, trials].
    """
    if not 0 <= successes <= trials:
        raise UserError(f"a proportion needs 0 <= successes <= trials, not {successes} of {trials}")
    if trials == 0:
        return Interval(value=None, low=None, high=None)
    share, z2 = successes / trials, _Z * _Z
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return Interval(value=share, low=low, high=high)


def mean_interval(values: FloatArray, *, resamples: int = 10_000, seed: int = 0) -> Interval:
    """Mean of per-task fractions with its 95 % interval; undefined for no tasks.

    The expanded percentile bootstrap over tasks (Hesterberg 2015): the plain percentile interval is too narrow with few
    tasks, by sqrt((n-1)/n) and by normal instead of t quantiles, so its levels are moved out by both. In simulations of
    10 to 164 tasks it covers as well as BCa, which estimates a skewness that few tasks cannot show. Where all tasks
    have one value there is nothing to resample: by Wilson, a share of at most z^2 / (n + z^2) of tasks may differ from
    it, and may lie anywhere in [0, 1]. At 0 and at 1 that is Wilson's interval.

    Raises:
        UserError: A value is not in [0, 1].
    """
    fractions = np.asarray(values, np.float64)
    if not bool(np.all((fractions >= 0) & (fractions <= 1))):
        raise UserError("the interval of a score needs one fraction in [0, 1] per task")
    if fractions.size == 0:
        return Interval(value=None, low=None, high=None)
    low, high = _bounds(fractions, 0.0, resamples, seed)
    return Interval(value=float(fractions.mean()), low=low, high=high)


def mean_intervals(values: FloatArray, *, resamples: int = 10_000, seed: int = 0) -> list[Interval]:
    """`mean_interval` of every column of an array [tasks, columns], from the same resamples of the tasks.

    Raises:
        UserError: A value is not in [0, 1].
    """
    fractions = np.asarray(values, np.float64)
    if not bool(np.all((fractions >= 0) & (fractions <= 1))):
        raise UserError("the interval of a score needs one fraction in [0, 1] per task")
    if fractions.shape[0] == 0:
        return [Interval(value=None, low=None, high=None)] * fractions.shape[1]
    varies = np.flatnonzero(np.any(fractions != fractions[0], axis=0))
    bounds = {}
    if varies.size:
        means = np.concatenate(list(resampled_means(fractions[:, varies], resamples=resamples, seed=seed)))
        tail = interval_tail(fractions.shape[0])
        low, high = np.quantile(means, [tail, 1 - tail], axis=0)
        bounds = {int(column): (float(low[i]), float(high[i])) for i, column in enumerate(varies)}
    result = []
    for column, value in enumerate(fractions.mean(axis=0)):
        under, over = bounds.get(column) or _bounds(fractions[:, column], 0.0, resamples, seed)
        result.append(Interval(value=float(value), low=under, high=over))
    return result


def unbounded_mean_interval(values: FloatArray, *, resamples: int = 10_000, seed: int = 0) -> Interval:
    """Mean of values per task that have no bounds, with its 95 % interval by `mean_interval`'s bootstrap.

    What other tasks could show is not bounded, so the interval of equal values is that value, and that of a single one
    is undefined.

    Raises:
        UserError: There are no values, or one is not a finite number.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or numbers.size == 0 or not bool(np.isfinite(numbers).all()):
        raise UserError("the interval of a mean needs one finite number per task")
    mean = float(numbers.mean())
    if numbers.size == 1:
        return Interval(value=mean, low=None, high=None)
    if bool(np.all(numbers == numbers[0])):
        return Interval(value=mean, low=mean, high=mean)
    means = np.concatenate(list(resampled_means(numbers[:, None], resamples=resamples, seed=seed)))
    tail = interval_tail(numbers.size)
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(value=mean, low=float(low), high=float(high))


def resampled_means(values: FloatArray, *, resamples: int = 10_000, seed: int = 0) -> Iterator[FloatArray]:
    """Yield means of an array [tasks, columns] over tasks drawn with replacement: [resamples, columns], in chunks.

    The resamples depend only on the number of tasks and the seed: all arms and metrics get the same ones.
    """
    n = values.shape[0]
    kept = n * resamples <= _KEPT_CELLS
    for counts in _kept_counts(n, resamples, seed) if kept else _counts(n, resamples, seed):
        yield counts @ values / n


def recovery_percent(scores: FloatArray, base: FloatArray, *, resamples: int = 10_000, seed: int = 0) -> Interval:
    """100 x the ratio of two means over the same tasks, with its 95 % interval by bootstrap; undefined if `base` is 0.

    The interval is a percentile interval with the levels of `mean_interval`, over the resamples in which the ratio is
    defined.
    """
    if not base.any():
        return Interval(value=None, low=None, high=None)
    value = 100 * float(scores.mean() / base.mean())
    if scores.size < 2 or np.array_equal(scores, base):
        return Interval(value=value, low=value, high=value)
    means = np.concatenate(list(resampled_means(np.stack([scores, base], axis=1), resamples=resamples, seed=seed)))
    some = means[means[:, 1] > 0]
    tail = interval_tail(scores.size)
    low, high = np.quantile(100 * some[:, 0] / some[:, 1], [tail, 1 - tail])
    return Interval(value=value, low=float(low), high=float(high))


def interval_tail(n: int) -> float:
    """The share of resamples of n >= 2 tasks that a 95 % interval leaves out on each side; see `mean_interval`."""
    return NormalDist().cdf(-math.sqrt(n / (n - 1)) * _t_quantile(n - 1))


def paired_difference(a: FloatArray, b: FloatArray, *, resamples: int = 10_000, seed: int = 0) -> PairedDifference:
    """Mean of a - b over the same tasks: interval by paired bootstrap, p-value by sign-flip permutation.

    The interval is that of `mean_interval`, over differences in [-1, 1]. The test is two-sided: under no difference
    each task's sign is a fair coin. All sign patterns are enumerated where at most 16 tasks differ; else `resamples`
    random ones count with the +1 correction (Phipson and Smyth 2010), so that p is never 0.

    Raises:
        UndefinedEstimateError: There are no tasks.
        UserError: The arrays do not match, or a value is not in [0, 1].
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise UserError(f"a paired difference needs the same tasks on both sides, not {first.shape} and {second.shape}")
    if first.size == 0:
        raise UndefinedEstimateError("a paired difference is undefined: the two sides have no tasks in common")
    both = np.stack([first, second])
    if not bool(np.all((both >= 0) & (both <= 1))):
        raise UserError("a paired difference needs fractions in [0, 1]")
    differences = first - second
    low, high = _bounds(differences, -1.0, resamples, seed)
    return PairedDifference(float(differences.mean()), low, high, _sign_flip_p(differences, resamples, seed))


def macro_interval(benchmarks: Sequence[FloatArray], *, resamples: int = 10_000, seed: int = 0) -> Interval:
    """Mean over benchmarks of their means of per-task fractions, with its 95 % interval; undefined if one has no tasks.

    The benchmarks are fixed and count the same, whatever their sizes; tasks are resampled within each. The levels of
    the percentile bootstrap are moved out as in `mean_interval`, which this is for one benchmark: by the unbiased
    standard error over the bootstrap's, and by t quantiles with the degrees of freedom of Welch and Satterthwaite. A
    benchmark whose tasks all have one value has the bounds of `mean_interval`, and its distances from them are added
    to the others' by their squares (Zou and Donner 2008).

    Raises:
        UndefinedEstimateError: There are no benchmarks.
        UserError: A value is not in [0, 1].
    """
    boards = [np.asarray(values, np.float64) for values in benchmarks]
    if not boards:
        raise UndefinedEstimateError("a mean over benchmarks is undefined: there are none")
    if not all(bool(np.all((values >= 0) & (values <= 1))) for values in boards):
        raise UserError("the interval of a score needs one fraction in [0, 1] per task")
    if any(values.size == 0 for values in boards):
        return Interval(value=None, low=None, high=None)
    low, high = _macro_bounds(boards, 0.0, resamples, seed)
    return Interval(value=_macro_mean(boards), low=low, high=high)


def macro_difference(
    a: Sequence[FloatArray], b: Sequence[FloatArray], *, resamples: int = 10_000, seed: int = 0
) -> PairedDifference:
    """Mean over benchmarks of the mean of a - b over the same tasks: the interval of `macro_interval`, and a p-value.

    The test is that of `paired_difference`: each task's sign is flipped, and a task weighs as in the mean, less in a
    larger benchmark.

    Raises:
        UndefinedEstimateError: There are no benchmarks, or one has no tasks.
        UserError: The arrays do not match, or a value is not in [0, 1].
    """
    pairs = [(np.asarray(x, np.float64), np.asarray(y, np.float64)) for x, y in zip(a, b, strict=True)]
    if not pairs or any(first.size == 0 for first, _ in pairs):
        raise UndefinedEstimateError("a paired difference is undefined: a benchmark has no tasks, or there is none")
    for first, second in pairs:
        if first.shape != second.shape or first.ndim != 1:
            raise UserError(
                f"a paired difference needs the same tasks on both sides, not {first.shape} and {second.shape}"
            )
        if not bool(np.all((first >= 0) & (first <= 1) & (second >= 0) & (second <= 1))):
            raise UserError("a paired difference needs fractions in [0, 1]")
    boards = [first - second for first, second in pairs]
    low, high = _macro_bounds(boards, -1.0, resamples, seed)
    weighted = np.concatenate([differences / (differences.size * len(boards)) for differences in boards])
    return PairedDifference(_macro_mean(boards), low, high, _sign_flip_p(weighted, resamples, seed))


def holm(p_values: FloatArray) -> FloatArray:
    """P-values adjusted for testing all of them at once (Holm 1979), in the order given.

    Raises:
        UserError: A p-value is not in [0, 1].
    """
    p = np.asarray(p_values, np.float64)
    if not bool(np.all((p >= 0) & (p <= 1))):
        raise UserError("Holm's correction needs p-values in [0, 1]")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _require_k(sizes: IntArray, k: int, metric: str) -> None:
    if k < 1:
        raise UserError(f"{metric} needs k of at least 1, not {k}")
    short = sizes[sizes < k]
    if short.size:
        raise UndefinedEstimateError(
            f"{metric} is undefined for k = {k}: {short.size} of {sizes.size} tasks have fewer samples "
            f"(the smallest has {int(short.min())}); draw more or lower k"
        )


def _pass_at_k(n: int, c: int, k: int) -> float:
    if n - c < k:
        return 1.0
    # C(n-c, k) / C(n, k) is symmetric in c and k: take the product with fewer factors.
    few, many = min(c, k), max(c, k)
    return float(-np.expm1(np.log1p(-many / np.arange(n - few + 1, n + 1, dtype=np.float64)).sum()))


def _rank_scores(scores: FloatArray, passed: BoolArray, k: int) -> FloatArray:
    """Rank-score@k of tasks that all have one n: arrays [tasks, n]."""
    if bool(np.isnan(scores).any()):
        raise UserError("rank-score@k needs a number for every sample, but some scores are NaN")
    tasks, n = scores.shape
    order = np.argsort(scores, axis=1)
    ascending = np.take_along_axis(scores, order, axis=1)
    passes = np.take_along_axis(passed, order, axis=1)
    starts_group = np.ones((tasks, n), np.bool_)
    starts_group[:, 1:] = ascending[:, 1:] != ascending[:, :-1]
    starts = np.flatnonzero(starts_group)
    sizes = np.diff(starts, append=tasks * n)
    share = np.add.reduceat(passes.reshape(-1), starts, dtype=np.int64) / sizes
    # below[r] = C(r, k) / C(n, k), the chance that the subset lies within the r lowest: 1 at n, 0 under k.
    steps = np.arange(n, 0, -1, dtype=np.float64)
    below = np.concatenate([[1.0], np.cumprod(np.maximum(steps - k, 0.0) / steps)])[::-1]
    rank = starts % n
    weight = below[rank + sizes] - below[rank]
    return np.add.reduceat(weight * share, np.flatnonzero(rank == 0))


def _bounds(values: FloatArray, floor: float, resamples: int, seed: int) -> tuple[float, float]:
    """95 % interval of the mean of values in [floor, 1]."""
    if resamples < 1:
        raise UserError(f"an interval needs at least one resample, not {resamples}")
    n = values.size
    if bool(np.all(values == values[0])):
        unseen, value = _Z * _Z / (n + _Z * _Z), float(values[0])
        return value - unseen * (value - floor), value + unseen * (1.0 - value)
    return _resampled_bounds(np.asarray(values, np.float64).tobytes(), resamples, seed)


@functools.lru_cache(maxsize=1024)
def _resampled_bounds(values: bytes, resamples: int, seed: int) -> tuple[float, float]:
    """The bounds of `_bounds` of some float64 numbers that differ; the same ones come in many tables."""
    numbers = np.frombuffer(values, np.float64)
    n = numbers.size
    means = np.concatenate([np.take(numbers, drawn).mean(axis=1) for drawn in _resamples(n, resamples, seed)])
    tail = interval_tail(n)
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _macro_mean(boards: Sequence[FloatArray]) -> float:
    return float(np.mean([values.mean() for values in boards]))


def _macro_bounds(boards: Sequence[FloatArray], floor: float, resamples: int, seed: int) -> tuple[float, float]:
    """95 % interval of the mean over boards of their means of values in [floor, 1]; see `macro_interval`."""
    if resamples < 1:
        raise UserError(f"an interval needs at least one resample, not {resamples}")
    count, means = len(boards), np.zeros(resamples)
    # Squared distances from the mean down and up.
    down = up = 0.0
    error = bootstrap_error = per_freedom = centre = 0.0
    for place, values in enumerate(boards):
        n = values.size
        variance = 0.0 if bool(np.all(values == values[0])) else float(values.var(ddof=1)) / n
        if variance == 0.0:
            low, high = _bounds(values[:1].repeat(n), floor, resamples, seed)
            down += ((values[0] - low) / count) ** 2
            up += ((high - values[0]) / count) ** 2
            continue
        # Benchmarks of one size must not get the same resamples.
        drawn = [np.take(values, rows).mean(axis=1) for rows in _resamples(n, resamples, (seed, place))]
        means += np.concatenate(drawn) / count
        centre += float(values.mean()) / count
        error += variance
        bootstrap_error += variance * (n - 1) / n
        per_freedom += variance**2 / (n - 1)
    if error:
        tail = NormalDist().cdf(-math.sqrt(error / bootstrap_error) * _t_quantile(error**2 / per_freedom))
        low, high = np.quantile(means, [tail, 1 - tail])
        down += (centre - float(low)) ** 2
        up += (float(high) - centre) ** 2
    mean = _macro_mean(boards)
    return max(floor, mean - math.sqrt(down)), min(1.0, mean + math.sqrt(up))


def _resamples(n: int, resamples: int, seed: int | tuple[int, ...]) -> Iterable[IntArray]:
    """Indices of n tasks drawn with replacement: [resamples, n] in chunks, not to be written to.

    Few enough are drawn once for all numbers.
    """
    return _kept_resamples(n, resamples, seed) if n * resamples <= _KEPT_CELLS else _drawn(n, resamples, seed)


@functools.lru_cache(maxsize=4)
def _kept_resamples(n: int, resamples: int, seed: int | tuple[int, ...]) -> tuple[IntArray, ...]:
    return tuple(_drawn(n, resamples, seed))


@functools.lru_cache(maxsize=2)
def _kept_counts(n: int, resamples: int, seed: int) -> tuple[FloatArray, ...]:
    return tuple(_counts(n, resamples, seed))


def _counts(n: int, resamples: int, seed: int) -> Iterator[FloatArray]:
    """How often each of n tasks is in each resample: [resamples, n] in chunks."""
    for drawn in _resamples(n, resamples, seed):
        rows = len(drawn)
        cells = (drawn + n * np.arange(rows)[:, None]).reshape(-1)
        yield np.bincount(cells, minlength=rows * n).reshape(rows, n).astype(np.float64)


def _drawn(n: int, resamples: int, seed: int | tuple[int, ...]) -> Iterator[IntArray]:
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK_CELLS // n)
    for start in range(0, resamples, rows):
        yield generator.integers(0, n, (min(rows, resamples - start), n))


@functools.lru_cache(maxsize=4)
def _pick_chances(n: int, ks: tuple[int, ...]) -> FloatArray:
    """The chance that each of n samples, from the lowest up, is the best of k random ones: an array [n, ks]."""
    steps = np.arange(n, 0, -1, dtype=np.float64)[:, None]
    # As in _rank_scores: row r is C(r, k) / C(n, k).
    shares = np.cumprod(np.maximum(steps - np.asarray(ks, np.float64), 0.0) / steps, axis=0)
    below = np.concatenate([np.ones((1, len(ks))), shares])[::-1]
    return np.diff(below, axis=0)


def _t_quantile(freedom: float) -> float:
    """97.5 % quantile of Student's t, as a series in 1 / freedom (Abramowitz and Stegun 1964, 26.7.5).

    It falls short by 0.8 % at 3 degrees of freedom; below, the bootstrap's own extremes bind.
    """
    z = _Z
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def _sign_flip_p(differences: FloatArray, resamples: int, seed: int) -> float:
    moving = np.abs(differences[differences != 0])
    # Patterns that tie with the observed one must count, in whatever order their terms were added.
    reach = abs(float(differences.sum())) - 1e-9 * float(moving.sum())
    if moving.size <= _EXACT_SIGNS:
        sums = np.zeros(1)
        for size in moving:
            sums = np.concatenate([sums + size, sums - size])
        return float(np.mean(np.abs(sums) >= reach))
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK_CELLS // moving.size)
    extreme = 0
    for start in range(0, resamples, rows):
        flips = generator.integers(0, 2, (min(rows, resamples - start), moving.size), dtype=np.int8)
        extreme += int(np.count_nonzero(np.abs(2 * (flips @ moving) - moving.sum()) >= reach))
    return (1 + extreme) / (1 + resamples)
