"""Divergent token metrics against brute force, and their noise floor."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from codebudget.compression.divergence import (
    Along,
    along,
    averaged,
    divergence,
    per_prompt,
    per_prompt_along,
    summarise,
    within_noise,
)
from codebudget.errors import UserError


def brute(base: list[list[int]], other: list[list[int]], logprobs: list[list[float]]) -> list[tuple[float, ...]]:
    rows = []
    for ours, theirs, known in zip(base, other, logprobs, strict=True):
        first = next((place for place, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b), len(ours))
        many = sum(a != b for a, b in zip(ours, theirs, strict=True))
        rows.append((first, many, first == len(ours), math.exp(-statistics.fmean(known))))
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_brute_force(seed: int) -> None:
    generator = np.random.default_rng(seed)
    prompts, tokens = int(generator.integers(1, 9)), int(generator.integers(1, 12))
    base = generator.integers(0, 3, (prompts, tokens))
    other = np.where(generator.random((prompts, tokens)) < 0.8, base, generator.integers(0, 3, (prompts, tokens)))
    logprobs = np.log(generator.uniform(0.05, 1, (prompts, tokens)))
    rows = brute(base.tolist(), other.tolist(), logprobs.tolist())
    found = divergence(base, other, logprobs)
    assert (found.prompts, found.tokens) == (prompts, tokens)
    for place, metric in enumerate(("fdt", "sdt", "never", "dppl")):
        values = [float(row[place]) for row in rows]
        spread = getattr(found, metric)
        assert spread.mean == pytest.approx(statistics.fmean(values))
        assert (spread.p25, spread.median, spread.p75) == pytest.approx(tuple(np.quantile(values, [0.25, 0.5, 0.75])))
        if spread.low is not None:
            assert spread.low <= spread.mean <= spread.high


def test_first_divergence_counts_from_zero_and_is_n_where_there_is_none() -> None:
    values = per_prompt([[5, 6, 7]] * 3, [[5, 6, 7], [9, 6, 7], [5, 6, 8]], np.full((3, 3), math.log(0.5)))
    assert values.fdt.tolist() == [3, 0, 2]
    assert values.sdt.tolist() == [0, 1, 1]
    assert values.never.tolist() == [True, False, False]
    assert values.dppl.tolist() == pytest.approx([2, 2, 2])


def test_one_prompt_has_bounds_only_where_the_metric_has() -> None:
    found = divergence([[1, 2]], [[1, 3]], [[-0.5, -1.5]])
    assert found.fdt.low is not None
    assert found.fdt.high is not None
    assert 0 <= found.fdt.low <= 1 <= found.fdt.high <= 2
    assert (found.dppl.mean, found.dppl.low, found.dppl.high) == (pytest.approx(math.e), None, None)


@pytest.mark.parametrize(
    ("other", "logprobs"),
    [([[1, 2, 3]], [[-1.0, -1.0]]), ([[1, 2]], [[-1.0, 0.5]]), ([[1, 2]], [[-1.0, math.nan]]), ([], [])],
)
def test_refuses_what_cannot_be_compared(other: list[list[int]], logprobs: list[list[float]]) -> None:
    with pytest.raises(UserError, match="divergence needs"):
        per_prompt([[1, 2]], other, logprobs)


def test_noise_floor_takes_in_the_model_itself_and_not_another() -> None:
    generator = np.random.default_rng(0)
    base = generator.integers(0, 50, (60, 20))
    logprobs = np.log(generator.uniform(0.3, 1, base.shape))
    # Near ties flip in a twentieth of the prompts.
    noisy = base.copy()
    noisy[:3, 10] += 1
    floor = per_prompt(base, noisy, logprobs)
    assert set(within_noise(floor, floor)) == {"fdt", "sdt", "never", "dppl"}
    again = base.copy()
    again[5:8, 12] += 1
    assert {"fdt", "sdt", "never"} <= set(within_noise(per_prompt(base, again, logprobs), floor))
    worse = np.where(generator.random(base.shape) < 0.2, base + 1, base)
    assert within_noise(per_prompt(base, worse, logprobs - 0.2), floor) == ()


def test_noise_floor_needs_the_same_prompts() -> None:
    with pytest.raises(UserError, match="same prompts"):
        within_noise(per_prompt([[1]], [[1]], [[-1.0]]), per_prompt([[1], [2]], [[1], [2]], [[-1.0], [-1.0]]))


def test_summary_depends_on_the_seed_only_in_its_bounds() -> None:
    generator = np.random.default_rng(1)
    base = generator.integers(0, 4, (30, 10))
    values = per_prompt(base, generator.integers(0, 4, (30, 10)), -generator.random((30, 10)))
    first, second = summarise(values, seed=1), summarise(values, seed=2)
    assert first.fdt.mean == second.fdt.mean
    assert summarise(values, seed=1) == first


def test_metrics_follow_from_where_choices_differ() -> None:
    generator = np.random.default_rng(3)
    base, other = generator.integers(0, 3, (2, 6, 20))
    logprobs = np.log(generator.uniform(0.05, 1, (6, 20)))
    kept = Along.model_validate_json(along(base, other, logprobs).model_dump_json())
    found, whole = per_prompt_along(base, kept), per_prompt(base, other, logprobs)
    for metric in ("fdt", "sdt", "never", "dppl"):
        assert getattr(found, metric) == pytest.approx(getattr(whole, metric))
    once, twice = summarise(found), summarise(averaged([found, found]))
    assert (twice.fdt, twice.sdt, twice.never) == (once.fdt, once.sdt, once.never)


@pytest.mark.parametrize("differing", [((9, 1),), ((0, 1),), ((-1, 7),)])
def test_choices_along_other_tokens_are_refused(differing: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(UserError, match="no token can differ"):
        per_prompt_along([[1, 2, 3]], Along(differing=(differing,), mean_logprobs=(-0.5,)))
