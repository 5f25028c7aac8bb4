"""Estimators against enumeration, published identities and hand-worked values."""

import hashlib
import itertools
import math
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from codebudget.errors import UndefinedEstimateError, UserError
from codebudget.estimators import (
    holm,
    macro_difference,
    macro_interval,
    mean_interval,
    paired_difference,
    pass_at_k,
    rank_score_at_k,
    rank_score_at_k_by_subsets,
    recovery_percent,
    subsets_of,
    unbounded_mean_interval,
    wilson_interval,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def enumerate_rank_score(scores, passed, k):
    """The definition: over all k-subsets, the mean pass of the members with the highest score."""
    total = Fraction(0)
    subsets = list(itertools.combinations(range(len(scores)), k))
    for subset in subsets:
        best = max(scores[i] for i in subset)
        top = [i for i in subset if scores[i] == best]
        total += Fraction(sum(passed[i] for i in top), len(top))
    return float(total / len(subsets))


def one_rank_score(scores, passed, k):
    return float(rank_score_at_k([np.array(scores, float)], [np.array(passed, bool)], k)[0])


class TestPassAtK:
    def test_equals_enumeration_for_all_small_n(self):
        for n in range(1, 9):
            for c in range(n + 1):
                for k in range(1, n + 1):
                    subsets = itertools.combinations([i < c for i in range(n)], k)
                    expected = np.mean([any(subset) for subset in subsets])
                    assert pass_at_k(np.array([n]), np.array([c]), k)[0] == pytest.approx(expected, abs=1e-14)

    def test_mixed_sizes_keep_their_order(self):
        values = pass_at_k(np.array([4, 2, 4, 3]), np.array([1, 2, 1, 0]), 2)
        assert values == pytest.approx([0.5, 1.0, 0.5, 0.0])

    @pytest.mark.parametrize("n", [10_000, 100_000])
    @pytest.mark.parametrize("k", [1, 7, 1_000, 5_000])
    def test_is_exact_at_large_n(self, n, k):
        for c in (0, 1, 3, n // 1_000, n // 2, n):
            exact = 1 - Fraction(math.comb(n - c, k), math.comb(n, k))
            assert pass_at_k(np.array([n]), np.array([c]), k)[0] == pytest.approx(float(exact), rel=1e-12)

    def test_half_of_a_large_pool(self):
        assert pass_at_k(np.array([100_000]), np.array([1]), 50_000)[0] == pytest.approx(0.5, rel=1e-12)

    def test_fewer_samples_than_k_is_undefined_and_says_where(self):
        with pytest.raises(UndefinedEstimateError, match=r"2 of 3 tasks.*smallest has 2"):
            pass_at_k(np.array([5, 2, 3]), np.array([0, 0, 0]), 4)

    @pytest.mark.parametrize(("n", "c", "k"), [([3], [4], 1), ([3], [-1], 1), ([3], [1], 0), ([3, 3], [1], 1)])
    def test_refuses_impossible_input(self, n, c, k):
        with pytest.raises(UserError):
            pass_at_k(np.array(n), np.array(c), k)

    def test_no_tasks(self):
        assert pass_at_k(np.array([], int), np.array([], int), 3).shape == (0,)


class TestRankScore:
    def test_equals_enumeration_with_and_without_ties_for_all_small_n(self):
        generator = np.random.default_rng(0)
        for n in range(1, 8):
            for levels in (1, 2, 3, 100):
                for _ in range(6):
                    scores = generator.integers(0, levels, n)
                    passed = generator.random(n) < 0.5
                    for k in range(1, n + 1):
                        expected = enumerate_rank_score(scores, passed, k)
                        assert one_rank_score(scores, passed, k) == pytest.approx(expected, abs=1e-13)

    def test_equation_four_without_ties(self):
        generator = np.random.default_rng(1)
        for n in (1, 5, 30):
            passed = generator.random(n) < 0.4
            for k in range(1, n + 1):
                published = sum(math.comb(n - i, k - 1) * int(passed[i - 1]) for i in range(1, n - k + 2))
                expected = published / math.comb(n, k)
                assert one_rank_score(-np.arange(n), passed, k) == pytest.approx(expected, abs=1e-13)

    @given(
        st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=30),
        st.data(),
    )
    @settings(max_examples=80, deadline=None)
    def test_identities(self, samples, data):
        scores = [score for score, _ in samples]
        passed = [ok for _, ok in samples]
        n, c = len(samples), sum(passed)
        k = data.draw(st.integers(1, n))
        share = c / n
        assert one_rank_score(scores, passed, 1) == pytest.approx(share)
        assert one_rank_score([0.0] * n, passed, k) == share
        oracle = pass_at_k(np.array([n]), np.array([c]), k)[0]
        assert one_rank_score([float(ok) for ok in passed], passed, k) == pytest.approx(oracle, abs=1e-12)
        top = [ok for score, ok in samples if score == max(scores)]
        assert one_rank_score(scores, passed, n) == pytest.approx(np.mean(top))
        assert one_rank_score(scores, passed, k) <= oracle + 1e-12
        order = data.draw(st.permutations(range(n)))
        shuffled = one_rank_score([scores[i] for i in order], [passed[i] for i in order], k)
        assert shuffled == pytest.approx(one_rank_score(scores, passed, k), abs=1e-13)

    def test_the_mean_over_all_orders_is_pass_at_1(self):
        passed = [True, False, False, True, False]
        for k in range(1, 6):
            values = [one_rank_score(order, passed, k) for order in itertools.permutations(range(5))]
            assert np.mean(values) == pytest.approx(0.4)

    def test_ragged_tasks_equal_tasks_one_by_one(self):
        generator = np.random.default_rng(2)
        scores = [generator.integers(0, 4, n).astype(float) for n in (5, 9, 5, 3, 9, 12)]
        passed = [generator.random(len(task)) < 0.5 for task in scores]
        together = rank_score_at_k(scores, passed, 3)
        assert together == pytest.approx([one_rank_score(s, p, 3) for s, p in zip(scores, passed, strict=True)])

    @pytest.mark.parametrize("k", [1, 10, 1_000, 50_000, 100_000])
    def test_stays_exact_at_large_n(self, k):
        n, best = 100_000, 40
        scores = np.zeros(n)
        scores[:best] = 1.0
        passed = np.zeros(n, bool)
        passed[:best] = True
        assert one_rank_score(scores, passed, k) == pytest.approx(
            pass_at_k(np.array([n]), np.array([best]), k)[0], rel=1e-9
        )
        assert one_rank_score(-np.arange(n), np.ones(n, bool), k) == pytest.approx(1.0, abs=1e-9)

    def test_infinite_scores_are_ties_with_each_other(self):
        assert one_rank_score([math.inf, math.inf, -math.inf], [1, 0, 0], 3) == 0.5

    def test_refuses_nan_and_mismatches(self):
        with pytest.raises(UserError, match="NaN"):
            one_rank_score([0.0, math.nan], [True, False], 1)
        with pytest.raises(UserError, match="one score and one pass"):
            one_rank_score([0.0], [True, False], 1)
        with pytest.raises(UserError, match="same tasks"):
            rank_score_at_k([np.zeros(2)], [], 1)

    def test_fewer_samples_than_k_is_undefined(self):
        with pytest.raises(UndefinedEstimateError, match=r"1 of 1 tasks.*smallest has 2"):
            one_rank_score([0.0, 1.0], [True, False], 3)


class TestSubsets:
    def test_all_subsets_where_there_are_few(self):
        assert subsets_of(5, 2, 10, seed=1).tolist() == [list(pair) for pair in itertools.combinations(range(5), 2)]

    def test_drawn_subsets_are_sorted_distinct_and_uniform(self):
        drawn = subsets_of(20, 6, 4_000, seed=3)
        assert drawn.shape == (4_000, 6)
        assert (np.diff(drawn, axis=1) > 0).all()
        assert np.bincount(drawn.reshape(-1), minlength=20) / 4_000 == pytest.approx(np.full(20, 0.3), abs=0.04)

    @pytest.mark.parametrize(("n", "k"), [(9, 4), (25, 2), (25, 13), (25, 24), (300, 40)])
    def test_subsets_are_those_that_numpy_draws_one_by_one(self, n, k):
        digest = hashlib.blake2b(f"5/{n}/{k}/a task".encode(), digest_size=16).digest()
        generator = np.random.default_rng(int.from_bytes(digest))
        one_by_one = [sorted(generator.choice(n, k, replace=False, shuffle=False).tolist()) for _ in range(20)]
        assert subsets_of(n, k, 20, seed=5, key="a task").tolist() == one_by_one

    def test_depend_on_the_arguments_alone(self):
        first = subsets_of(30, 5, 50, seed=7, key="HumanEval/3")
        assert (first == subsets_of(30, 5, 50, seed=7, key="HumanEval/3")).all()
        assert (first == subsets_of(30, 5, 200, seed=7, key="HumanEval/3")[:50]).all()
        assert not (first == subsets_of(30, 5, 50, seed=8, key="HumanEval/3")).all()
        assert not (first == subsets_of(30, 5, 50, seed=7, key="HumanEval/4")).all()

    @pytest.mark.parametrize(("n", "k", "count"), [(3, 4, 5), (3, 0, 5), (3, 2, 0)])
    def test_refuses_impossible_input(self, n, k, count):
        with pytest.raises(UserError):
            subsets_of(n, k, count, seed=0)

    def test_pointwise_scores_agree_with_the_closed_form(self):
        scores = np.array([3.0, 1.0, 1.0, 0.0, 2.0, 2.0])
        passed = np.array([False, True, False, True, True, False])
        for k in range(1, 7):
            by_subsets = rank_score_at_k_by_subsets(lambda subset: scores[subset], passed, k, subsets=20, seed=0)
            assert by_subsets == pytest.approx(one_rank_score(scores, passed, k))

    def test_scores_may_depend_on_the_pool(self):
        # The lowest index wins among even subset sums, the highest among odd ones.
        def rank(subset):
            return (-subset if subset.sum() % 2 == 0 else subset).astype(float)

        passed = np.array([True, False, False])
        # {0,1} odd -> 1 fails; {0,2} even -> 0 passes; {1,2} odd -> 2 fails.
        assert rank_score_at_k_by_subsets(rank, passed, 2, seed=0) == pytest.approx(1 / 3)

    def test_k_of_one_is_exact_whatever_the_number_of_subsets(self):
        passed = np.arange(1_000) < 123
        value = rank_score_at_k_by_subsets(lambda s: s.astype(float), passed, 1, subsets=2, seed=0)
        assert value == pytest.approx(0.123)

    def test_refuses_bad_scores_and_small_pools(self):
        passed = np.array([True, False])
        with pytest.raises(UserError, match="2 scores"):
            rank_score_at_k_by_subsets(lambda s: np.zeros(3), passed, 2, seed=0)
        with pytest.raises(UserError, match="NaN"):
            rank_score_at_k_by_subsets(lambda s: np.full(2, math.nan), passed, 2, seed=0)
        with pytest.raises(UndefinedEstimateError):
            rank_score_at_k_by_subsets(lambda s: np.zeros(3), passed, 3, seed=0)


class TestIntervals:
    def test_wilson_solves_its_own_equation(self):
        # The ends are the shares p whose z statistic is 1.959964 in size.
        interval = wilson_interval(15, 50)
        for end in (interval.low, interval.high):
            assert abs(0.3 - end) / math.sqrt(end * (1 - end) / 50) == pytest.approx(1.959964, abs=1e-6)

    def test_wilson_at_the_edges(self):
        z2 = 1.959964**2
        assert wilson_interval(0, 20).low == 0
        assert wilson_interval(0, 20).high == pytest.approx(z2 / (20 + z2))
        assert wilson_interval(20, 20).high == 1
        assert wilson_interval(0, 0).value is None
        with pytest.raises(UserError):
            wilson_interval(3, 2)

    @pytest.mark.parametrize(("value", "tasks"), [(0.0, 1), (0.0, 20), (1.0, 20), (1.0, 164)])
    def test_the_mean_of_equal_values_is_wilsons_at_the_edges(self, value, tasks):
        interval = mean_interval(np.full(tasks, value))
        wilson = wilson_interval(value * tasks, tasks)
        assert (interval.value, interval.low, interval.high) == pytest.approx((wilson.value, wilson.low, wilson.high))

    def test_one_value_everywhere_still_has_width(self):
        interval = mean_interval(np.full(10, 0.5))
        assert interval.low < 0.5 < interval.high

    def test_no_tasks_is_undefined(self):
        interval = mean_interval(np.array([]))
        assert (interval.value, interval.low, interval.high) == (None, None, None)

    def test_refuses_what_is_not_a_fraction(self):
        for bad in (1.5, -0.1, math.nan):
            with pytest.raises(UserError):
                mean_interval(np.array([0.5, bad]))

    def test_same_seed_same_interval(self):
        values = np.random.default_rng(0).random(50)
        assert mean_interval(values, seed=4) == mean_interval(values, seed=4)
        assert mean_interval(values, seed=4) != mean_interval(values, seed=5)

    @pytest.mark.parametrize("tasks", [10, 40, 164])
    @pytest.mark.parametrize("shape", ["binary", "flat", "u"])
    def test_coverage(self, tasks, shape):
        generator = np.random.default_rng(11)
        draw, mean = {
            "binary": (lambda: (generator.random(tasks) < 0.4).astype(float), 0.4),
            "flat": (lambda: generator.beta(2, 2, tasks), 0.5),
            "u": (lambda: generator.beta(0.3, 0.7, tasks), 0.3),
        }[shape]
        held = 0
        for trial in range(300):
            interval = mean_interval(draw(), resamples=1_000, seed=trial)
            held += interval.low <= mean + 1e-12 and mean - 1e-12 <= interval.high
        assert 0.90 <= held / 300 <= 0.999

    def test_two_tasks_use_the_whole_range(self):
        interval = mean_interval(np.array([0.2, 0.6]))
        assert (interval.low, interval.high) == (0.2, 0.6)


class TestPaired:
    def test_p_value_equals_full_enumeration(self):
        generator = np.random.default_rng(5)
        for tasks in (1, 2, 5, 9):
            a, b = generator.integers(0, 5, (2, tasks)) / 4
            differences = a - b
            sums = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=tasks)]
            expected = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-12)
            assert paired_difference(a, b).p_value == pytest.approx(expected)

    def test_monte_carlo_agrees_with_the_binomial_tail(self):
        # 40 tasks differ by one each, 27 of them one way: a sign test.
        a = np.array([1.0] * 27 + [0.0] * 13 + [1.0] * 30)
        b = np.array([0.0] * 27 + [1.0] * 13 + [1.0] * 30)
        exact = 2 * sum(math.comb(40, i) for i in range(27, 41)) / 2**40
        result = paired_difference(a, b, resamples=40_000, seed=1)
        assert result.p_value == pytest.approx(exact, abs=0.005)
        assert result.difference == pytest.approx(14 / 70)
        assert result.low < 14 / 70 < result.high

    def test_p_is_never_zero(self):
        result = paired_difference(np.ones(100), np.zeros(100), resamples=999)
        assert result.p_value == pytest.approx(1 / 1_000)
        assert result.high == 1
        assert 0.9 < result.low < 1

    def test_identical_sides(self):
        values = np.linspace(0, 1, 12)
        result = paired_difference(values, values)
        assert (result.difference, result.p_value) == (0, 1)
        assert result.low < 0 < result.high

    def test_swapping_the_sides_swaps_the_sign(self):
        generator = np.random.default_rng(6)
        a, b = generator.random((2, 30))
        forth, back = paired_difference(a, b, seed=2), paired_difference(b, a, seed=2)
        assert back == pytest.approx((-forth.difference, -forth.high, -forth.low, forth.p_value), abs=1e-9)

    def test_false_alarms_are_as_rare_as_promised(self):
        generator = np.random.default_rng(8)
        alarms = [paired_difference(*generator.random((2, 25)), resamples=400).p_value <= 0.05 for _ in range(300)]
        assert np.mean(alarms) <= 0.09

    def test_refuses_what_is_not_paired(self):
        with pytest.raises(UserError):
            paired_difference(np.zeros(3), np.zeros(4))
        with pytest.raises(UserError):
            paired_difference(np.zeros(2), np.array([0.0, 2.0]))
        with pytest.raises(UndefinedEstimateError):
            paired_difference(np.array([]), np.array([]))


class TestHolm:
    def test_hand_worked(self):
        # Sorted 0.005 0.01 0.03 0.04, times 4 3 2 1: 0.02 0.03 0.06 0.04 -> running maximum 0.02 0.03 0.06 0.06.
        assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_is_capped_at_one_and_keeps_a_single_p_value(self):
        assert holm(np.array([0.9, 0.8])) == pytest.approx([1.0, 1.0])
        assert holm(np.array([0.2])) == pytest.approx([0.2])
        assert holm(np.array([])).shape == (0,)

    def test_refuses_what_is_not_a_p_value(self):
        with pytest.raises(UserError):
            holm(np.array([0.5, math.nan]))


def test_an_interval_without_bounds_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(5)
    covered = 0
    for trial in range(300):
        found = unbounded_mean_interval(generator.exponential(3.0, 40), resamples=500, seed=trial)
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.value <= found.high
        covered += found.low <= 3.0 <= found.high
    assert 0.88 <= covered / 300 <= 0.98


def test_an_interval_without_bounds_of_little() -> None:
    alone = unbounded_mean_interval(np.array([4.0]))
    assert (alone.value, alone.low, alone.high) == (4.0, None, None)
    same = unbounded_mean_interval(np.full(3, 2.5))
    assert (same.value, same.low, same.high) == (2.5, 2.5, 2.5)
    for values in (np.array([]), np.array([1.0, np.nan]), np.ones((2, 2))):
        with pytest.raises(UserError, match="one finite number per task"):
            unbounded_mean_interval(values)


def test_recovery_is_the_ratio_of_means_and_its_interval_holds_it() -> None:
    base = np.repeat([1.0, 0.0], 40)
    scores = np.concatenate([np.ones(30), np.zeros(50)])
    found = recovery_percent(scores, base)
    assert found.value == pytest.approx(75)
    low, high = float(found.low or 0), float(found.high or 0)
    assert 55 < low < 75 < high <= 100
    same = recovery_percent(base, base)
    assert (same.value, same.low, same.high) == (100, 100, 100)
    assert recovery_percent(scores, np.zeros(80)).value is None


def student_quantile(freedom):
    """97.5 % quantile of Student's t, by adding up its density."""
    x = np.linspace(0, 60, 600_001)
    density = np.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    density = density * (1 + x**2 / freedom) ** (-(freedom + 1) / 2)
    return float(np.interp(0.475, np.cumsum((density + np.roll(density, 1))[1:] / 2) * x[1], x[1:]))


def all_resampled_means(values):
    """The mean of every resample of some values."""
    return np.array(list(itertools.product(values, repeat=len(values)))).mean(axis=1)


def interval_by_enumeration(boards):
    """The macro mean's interval from every pair of resamples of two benchmarks."""
    means = [all_resampled_means(values) for values in boards]
    every = np.add.outer(*means).reshape(-1) / 2
    parts = [np.var(values, ddof=1) / len(values) for values in boards]
    freedom = sum(parts) ** 2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, boards, strict=True))
    # Of the bootstrap's own distribution, all of it.
    ratio = math.sqrt(sum(parts) / 4) / every.std()
    tail = NormalDist().cdf(-ratio * student_quantile(freedom))
    return np.quantile(every, [tail, 1 - tail])


BOARDS = (
    ([0.0, 0.25, 0.5, 1.0], [0.0, 0.25, 0.5, 1.0]),
    ([0.0, 1.0, 1.0, 0.5], [0.2, 0.9, 0.4, 0.0, 1.0]),
    ([0.1, 0.9, 0.3, 0.6, 0.2, 1.0], [0.5, 0.75, 0.5]),
)


class TestMacroMean:
    @pytest.mark.parametrize("boards", BOARDS)
    def test_the_interval_is_that_of_all_resamples_within_benchmarks(self, boards):
        found = macro_interval([np.array(values) for values in boards], resamples=200_000)
        low, high = interval_by_enumeration(boards)
        assert found.value == pytest.approx(np.mean([np.mean(values) for values in boards]))
        assert (found.low, found.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))

    @pytest.mark.parametrize("boards", BOARDS)
    def test_a_difference_pairs_tasks_and_flips_all_signs(self, boards):
        first = [np.array(values) for values in boards]
        second = [values[::-1] ** 2 for values in first]
        found = macro_difference(first, second, resamples=200_000)
        differences = [(a - b) for a, b in zip(first, second, strict=True)]
        low, high = interval_by_enumeration(differences)
        weighted = np.concatenate([values / len(values) / 2 for values in differences])
        signs = np.array(list(itertools.product([1, -1], repeat=weighted.size)))
        assert found.difference == pytest.approx(weighted.sum())
        assert (found.low, found.high) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))
        assert found.p_value == pytest.approx(np.mean(np.abs(signs @ weighted) >= abs(weighted.sum()) - 1e-12))

    def test_of_one_benchmark_it_is_the_mean(self):
        generator = np.random.default_rng(3)
        for values in (generator.random(20), np.ones(7), np.zeros(3), np.array([0.25])):
            other = generator.random(values.size)
            one, macro = mean_interval(values, seed=5), macro_interval([values], seed=5)
            assert (macro.value, macro.low, macro.high) == pytest.approx((one.value, one.low, one.high))
            assert macro_difference([values], [other]) == pytest.approx(paired_difference(values, other))

    def test_large_benchmarks_do_not_weigh_more(self):
        boards = [np.zeros(1000), np.array([1.0, 1.0, 1.0, 0.0])]
        assert macro_interval(boards).value == pytest.approx(0.375)

    def test_benchmarks_of_one_size_are_resampled_apart(self):
        """With the same resamples for both, their errors would cancel out and leave no interval."""
        values = np.array([0.0, 1.0] * 20)
        both, one = macro_interval([values, 1 - values]), mean_interval(values)
        assert both.high - both.low == pytest.approx((one.high - one.low) / math.sqrt(2), rel=0.1)

    def test_what_does_not_vary_still_has_bounds(self):
        varied = np.array([0.0, 1.0, 0.5, 0.25] * 5)
        for constant in (0.0, 1.0, 0.5):
            board = np.full(6, constant)
            low, high = mean_interval(board).low, mean_interval(board).high
            found, alone = macro_interval([varied, board]), macro_interval([varied])
            mean = (float(varied.mean()) + constant) / 2
            assert mean - found.low == pytest.approx(math.hypot(mean * 2 - constant - alone.low, constant - low) / 2)
            assert found.high - mean == pytest.approx(math.hypot(alone.high - mean * 2 + constant, high - constant) / 2)
            assert 0 <= found.low <= mean <= found.high <= 1

    @pytest.mark.parametrize("sizes", [(10, 10), (8, 60), (5, 5, 5)])
    def test_the_interval_covers_the_mean_as_often_as_it_claims(self, sizes):
        hits = 0
        for seed in range(400):
            generator = np.random.default_rng(seed)
            found = macro_interval([generator.beta(0.5, 0.5, size) for size in sizes], resamples=1000, seed=seed)
            hits += found.low <= 0.5 <= found.high
        assert 0.92 <= hits / 400 <= 0.98

    def test_without_tasks_it_is_undefined(self):
        assert macro_interval([np.ones(3), np.array([])]).value is None
        with pytest.raises(UndefinedEstimateError):
            macro_interval([])
        with pytest.raises(UndefinedEstimateError):
            macro_difference([np.ones(3), np.array([])], [np.ones(3), np.array([])])

    def test_refuses_impossible_input(self):
        with pytest.raises(UserError):
            macro_interval([np.array([0.5, 1.5])])
        with pytest.raises(UserError):
            macro_difference([np.array([0.5, 1.0])], [np.array([0.5])])
