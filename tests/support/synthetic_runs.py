"""Makes run directories out of a seeded generator, of any size, with numbers that follow from their rows.

    python tests/support/synthetic_runs.py --runs 20 --tasks 164 --samples 100 --rankers 10 --out runs/

Programs are made of lines of Python drawn at random, about as long as what models write and about as alike. Nothing in
them was run: what passes is drawn too, from a skill per arm and a difficulty per task.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from codebudget.estimators import mean_intervals, paired_difference, pass_at_k, rank_score_at_ks
from codebudget.leaderboard.files import json_bytes
from codebudget.leaderboard.results_file import (
    Amounts,
    ArmScores,
    BenchmarkScores,
    PairPart,
    PlannedCost,
    RankerScores,
    RealisedCost,
    Results,
    Sentences,
    Spread,
    TaskScores,
    WorkloadPart,
)

RANKERS = (
    "examples",
    "majority",
    "random",
    "first",
    "shortest",
    "codet",
    "logprob",
    "mean-logprob",
    "reviewer",
    "judge",
)
SIZES = {
    "250k": 250_000,
    "1m": 1_000_000,
    "4m": 4_000_000,
    "7b": 6_738_415_616,
    "13b": 13_015_864_320,
    "70b": 68_976_648_192,
}
FAILURES = ("wrong", "wrong", "wrong", "crashed", "crashed", "timeout")
KS = (1, 2, 3, 5, 10, 20, 50, 100)
LINES = (
    "for i, value in enumerate(numbers):",
    "    total += value * factor",
    "    if value % 2 == 0 and value not in seen:",
    "        seen.add(value)",
    "        result.append(value)",
    "    elif value > limit:",
    "        break",
    "result = sorted(result, key=lambda item: (len(str(item)), item))",
    "counts = {{}}",
    "    counts[word] = counts.get(word, 0) + 1",
    "while low < high:",
    "    middle = (low + high) // 2",
    "    low, high = (middle + 1, high) if numbers[middle] < target else (low, middle)",
    "if not numbers:",
    "    return []",
    "text = ''.join(ch for ch in text if ch.isalpha()).lower()",
    "words = [word.strip('.,;:') for word in text.split()]",
    "best = max(best, abs(numbers[i] - numbers[j]) / {n})",
    "# Step {n}: keep what is needed for the next one.",
    "value_{n} = [x - {n} for x in numbers if x != {n}]",
)
INDENTED = [f"    {line.format(n=n)}" for line in LINES for n in range(100)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--rankers", type=int, default=3)
    parser.add_argument("--arms", type=int, default=1, help="per run")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    for number in range(options.runs):
        folder = options.out / f"run-{number:02}"
        make_run(
            folder, number, arms=options.arms, tasks=options.tasks, samples=options.samples, rankers=options.rankers
        )


def make_run(folder: Path, number: int, *, arms: int = 2, tasks: int = 12, samples: int = 10, rankers: int = 3) -> None:
    """One run directory; runs of different numbers are different submissions to the same benchmark."""
    folder.mkdir(parents=True)
    chance = random.Random(f"run {number}")
    ids = [f"Synthetic/{task}" for task in range(tasks)]
    specs = _specs(number, arms)
    ks = sorted({k for k in KS if k < samples} | {samples} | {k for _, k, _ in specs if k <= samples})
    specs = [(spec, min(k, samples), size) for spec, k, size in specs]
    names = RANKERS[: max(3, rankers)]
    difficulty = np.random.default_rng(7).beta(0.9, 1.1, tasks)
    candidates, verdicts, rankings = [], [], []
    passed: dict[str, np.ndarray[Any, Any]] = {}
    at_ks: dict[tuple[str, str], np.ndarray[Any, Any]] = {}
    for place, (spec, _, size) in enumerate(specs):
        generator = np.random.default_rng([number, place])
        skill = 0.15 + 0.06 * list(SIZES).index(size) + 0.02 * (number % 5)
        shares = np.clip(skill + 0.9 * (1 - difficulty) - 0.35, 0.0, 0.98)
        passed[spec] = generator.random((tasks, samples)) < shares[:, None]
        for ranker, name in enumerate(names):
            quality = 0.0 if name in ("random", "first") else 0.4 + 0.12 * ranker
            drawn = generator.normal(size=(tasks, samples)) + quality * passed[spec]
            scores = np.round(drawn, 1 if name in ("examples", "majority") else 3)
            scores = np.zeros_like(scores) if name == "random" else scores
            at_ks[spec, name] = np.stack([rank_score_at_ks(scores[t], passed[spec][t], ks) for t in range(tasks)])
            for task, task_id in enumerate(ids):
                rankings.append(
                    {
                        "benchmark": "synthetic",
                        "arm": spec,
                        "task_id": task_id,
                        "ranker": name,
                        "scores": scores[task].tolist(),
                        "executions": 3 * samples,
                        "flops": 0.0,
                        "at_k": dict(zip(map(str, ks), at_ks[spec, name][task].tolist(), strict=True)),
                    }
                )
        for task, task_id in enumerate(ids):
            for index in range(samples):
                key = {"benchmark": "synthetic", "arm": spec, "task_id": task_id, "index": index}
                body = _body(chance)
                program = f"def solve_{task}(numbers, target=0):\n{body}"
                raw = f"{body}\n\ndef helper_{index}():\n    return None\n"
                finish = {"finish_reason": "stop", "prompt_tokens": 130, "output_tokens": len(raw) // 4}
                candidates.append({**key, "raw": raw, "program": program, "seed": index, **finish})
                status = "passed" if passed[spec][task, index] else chance.choice(FAILURES)
                held = {} if status == "timeout" else {"tests_run": 7 if status == "passed" else chance.randrange(7)}
                detail = {} if status == "passed" else {"detail": "AssertionError: the 3rd call gave [1, 2]"}
                verdicts.append({**key, "status": status, "integrity": "split", "tests_expected": 7, **held, **detail})
    order = {spec: place for place, (spec, _, _) in enumerate(specs)}
    places = {task_id: place for place, task_id in enumerate(ids)}
    for name, rows in (("candidates", candidates), ("verdicts", verdicts), ("rankings", rankings)):
        rows.sort(
            key=lambda row: (places[row["task_id"]], order[row["arm"]], row.get("index", 0), row.get("ranker", ""))
        )
        _write_rows(folder / f"{name}.jsonl.gz", rows)
    results = _results(number, ids, specs, ks, names, passed, at_ks)
    (folder / "results.json").write_bytes(json_bytes(results.value()))
    (folder / "manifest.json").write_text(
        json.dumps(_manifest(folder, number, specs), sort_keys=True), encoding="utf-8"
    )
    (folder / "timings.json").write_text(
        '{"schema_version": 1, "started_at": "2026-01-01T00:00:00Z"}', encoding="utf-8"
    )


def _specs(number: int, arms: int) -> list[tuple[str, int, str]]:
    """Arms that cost about the same: the largest once, smaller ones more often."""
    sizes = list(SIZES)
    largest = 5 - number % 2
    chosen = [sizes[largest - place] for place in range(min(arms, 3))]
    ks = [max(1, SIZES[chosen[0]] // SIZES[size]) for size in chosen]
    if arms == 1:
        chosen, ks = [sizes[3 + number % 3]], [10]
    precision = ("bf16", "int8", "int4")[number % 3]
    return [(f"{size}@{precision}:{k}", k, size) for size, k in zip(chosen, ks, strict=True)]


def _body(chance: random.Random) -> str:
    lines = chance.choices(INDENTED, k=chance.randrange(8, 18))
    return "\n".join((*lines, "    return result"))


def _results(
    number: int,
    ids: list[str],
    specs: list[tuple[str, int, str]],
    ks: list[int],
    names: tuple[str, ...],
    passed: dict[str, np.ndarray[Any, Any]],
    at_ks: dict[tuple[str, str], np.ndarray[Any, Any]],
) -> Results:
    arms: list[ArmScores] = []
    tables: dict[str, dict[str, np.ndarray[Any, Any]]] = {}
    first = SIZES[specs[0][2]] * specs[0][1]
    for spec, k, size in specs:
        count = np.full(len(ids), passed[spec].shape[1])
        won = passed[spec].sum(axis=1)
        table = {"pass_at_k": np.stack([pass_at_k(count, won, at) for at in ks], axis=1)}
        table |= {name: at_ks[spec, name] for name in names}
        tables[spec] = table
        spreads = {
            name: dict(zip(ks, map(Spread.of, mean_intervals(values)), strict=True)) for name, values in table.items()
        }
        rankers = {name: RankerScores(cost_flops=0.0, executions=3.0, rank_score_at_k=spreads[name]) for name in names}
        rankers["oracle"] = RankerScores(cost_flops=0.0, executions=0.0, rank_score_at_k=spreads["pass_at_k"])
        at = ks.index(k)
        arms.append(
            ArmScores(
                spec=spec,
                model=f"codellama-{size}",
                precision=spec.partition("@")[2].partition(":")[0],
                k=k,
                greedy=False,
                parameters=SIZES[size],
                plan=PlannedCost(
                    cost=_cost(size, k),
                    budget_ratio=Amounts(flops=SIZES[size] * k / first),
                    leftover=Amounts(),
                    matched=True,
                    equal=True,
                    binding="flops",
                ),
                realised=RealisedCost(),
                n=int(count[0]),
                samples=int(count.sum()),
                statuses={"passed": int(won.sum()), "wrong": int(count.sum() - won.sum())},
                strata=(),
                ks=tuple(ks),
                costs={some: _cost(size, some) for some in ks},
                pass_at_k=spreads["pass_at_k"],
                rankers=rankers,
                per_task=TaskScores(
                    n=tuple(count.tolist()),
                    passed=tuple(won.tolist()),
                    pass_at_k=tuple(table["pass_at_k"][:, at].tolist()),
                    rankers={
                        **{name: tuple(table[name][:, at].tolist()) for name in names},
                        "oracle": tuple(table["pass_at_k"][:, at].tolist()),
                    },
                ),
            )
        )
    paired: list[PairPart] = []
    if len(specs) > 1:
        (a, k_a, _), (b, k_b, _) = specs[:2]
        found = paired_difference(tables[a]["pass_at_k"][:, ks.index(k_a)], tables[b]["pass_at_k"][:, ks.index(k_b)])
        paired = [PairPart(a=a, b=b, metric="pass_at_k", **found._asdict())]
    return Results(
        schema_version=1,
        name=f"submission {number:02}",
        description="Made by a generator: no model wrote it, and nothing of it was run.",
        seed=0,
        rankers=names,
        decisive_ranker="examples",
        benchmarks=(
            BenchmarkScores(
                benchmark="synthetic",
                content_hash=hashlib.sha256(" ".join(ids).encode()).hexdigest(),
                total_tasks=len(ids),
                workload=WorkloadPart(convention="tokens", prompt_tokens=130, output_tokens=120, source="synthetic"),
                match="flops",
                budget=None,
                tolerance=0.05,
                tasks=tuple(ids),
                left_out={},
                warnings=(),
                sandbox_errors=0,
                arms=tuple(arms),
                paired=tuple(paired),
                verdict=Sentences(
                    with_tests="With tests at hand: no model wrote these.", without_tests="Without: nor these."
                ),
            ),
        ),
    )


def _manifest(folder: Path, number: int, specs: list[tuple[str, int, str]]) -> dict[str, Any]:
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    body = {
        "schema_version": 1,
        "name": f"submission {number:02}",
        "codebudget": {"version": "0.1.0", "commit": "0" * 40, "dirty": False},
        "python": "3.12.3",
        "platform": "Linux",
        "hardware": {"machine": "x86_64", "cpu": "none", "cores": 2, "memory_bytes": 1, "accelerators": []},
        "argv": ["leaderboard", "run", "board.toml"],
        "seed": 0,
        "sandbox": {"launcher": "bubblewrap", "conformance": None},
        "models": [
            {
                "arm": spec,
                "benchmark": "synthetic",
                "model": f"codellama-{size}",
                "precision": "bf16",
                "source": "files",
            }
            for spec, _, size in specs
        ],
        "files": files,
    }
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return body | {"run_id": hashlib.sha256(canonical.encode()).hexdigest()}


def _cost(size: str, k: int) -> Amounts:
    flops = 2.0 * SIZES[size] * (130 + 120 * k)
    return Amounts(flops=flops, runtime_s=flops / 1.2e14 + 0.002 * k, memory_bytes=2.0 * SIZES[size])


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("wb") as file, gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
        for row in rows:
            packed.write(json.dumps(row, sort_keys=True).encode() + b"\n")


if __name__ == "__main__":
    main()
