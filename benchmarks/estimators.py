"""Seconds that pass@k and rank-score@k take over one million samples in 1,000 tasks; prints one JSON object.

python benchmarks/estimators.py
"""

import json
import time
from collections.abc import Callable

import numpy as np
from codebudget.estimators import mean_interval, paired_difference, pass_at_k, rank_score_at_k

TASKS, SAMPLES, K = 1_000, 1_000, 100


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return round(best, 4)


def main() -> None:
    generator = np.random.default_rng(0)
    passed = generator.random((TASKS, SAMPLES)) < generator.random((TASKS, 1))
    scores = generator.random((TASKS, SAMPLES))
    sizes = np.full(TASKS, SAMPLES)
    ragged = generator.integers(SAMPLES // 2, SAMPLES + SAMPLES // 2, TASKS)
    ragged_scores = [generator.random(size) for size in ragged]
    ragged_passed = [generator.random(size) < 0.3 for size in ragged]
    one, other = pass_at_k(sizes, passed.sum(axis=1), 1), pass_at_k(sizes, passed.sum(axis=1), 2)
    report = {
        "samples": TASKS * SAMPLES,
        "tasks": TASKS,
        "k": K,
        "pass_at_k_s": seconds(lambda: pass_at_k(sizes, passed.sum(axis=1), K)),
        "rank_score_at_k_s": seconds(lambda: rank_score_at_k(list(scores), list(passed), K)),
        "rank_score_at_k_tied_s": seconds(lambda: rank_score_at_k(list(np.round(scores, 1)), list(passed), K)),
        "rank_score_at_k_ragged_s": seconds(lambda: rank_score_at_k(ragged_scores, ragged_passed, K)),
        "mean_interval_s": seconds(lambda: mean_interval(one)),
        "paired_difference_s": seconds(lambda: paired_difference(one, other)),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
