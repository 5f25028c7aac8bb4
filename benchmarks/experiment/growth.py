"""Seconds and bytes of grading and ranking over ever more programs, with a stand-in for the sandbox.

    python benchmarks/experiment/growth.py [--programs 1000 10000 100000] [--n 100] [--out FILE]

So many distinct programs of the nano tasks, n per task, are graded and ranked by `codebudget` and `majority` with a new
store, and once more with that store. Nothing is run: a stand-in decides by a program's digest, so that what is measured
is codebudget's own work. `slope` is that of the logarithm over the logarithm of the number of programs: 1 is linear.
The last line of standard output is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from codebudget.experiment.grading import Grader
from codebudget.experiment.pools import Wanted, grade_arms
from codebudget.experiment.ranking import Judging, rank_pool
from codebudget.rankers import load_ranker
from codebudget.records import Candidate, Limits, Outcome, ReferenceCheck, Verdict
from codebudget.sampler.store import open_store
from codebudget.tasks import Benchmark, load_benchmark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SPEC = "growth"


class Judge:
    """A sandbox that decides by a program's digest."""

    limits = Limits()
    workers = 3
    launcher = SimpleNamespace(name="none")

    def environment(self) -> str:
        """What decides its verdicts."""
        return "judge"

    def check(self, tasks: Sequence[Any]) -> Iterator[ReferenceCheck]:
        """Every reference holds."""
        for task in tasks:
            yield ReferenceCheck(task_id=task.id, ok=True)

    def grade(self, jobs: Sequence[Any]) -> Iterator[tuple[int, Verdict]]:
        """By the program alone."""
        for place, job in enumerate(jobs):
            status = "passed" if _digit(job.program) % 3 == 0 else "wrong"
            yield place, Verdict(status=status, integrity="split", cpu_s=0.01, wall_s=0.02)

    def evaluate(self, task: Any, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """By the program alone."""
        return [[Outcome(value=str(_digit(program) % 7), wall_s=0.001) for _ in expressions] for program in programs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--n", type=int, default=100, help="candidates per task")
    parser.add_argument("--out")
    options = parser.parse_args()
    rows = []
    for programs in options.programs:
        rows.append(measured(programs, options.n))
        print(json.dumps(rows[-1]), flush=True)
    report: dict[str, Any] = {"candidates_per_task": options.n, "rows": rows}
    if len(rows) > 1:
        sizes = np.log([row["programs"] for row in rows])
        report["slope"] = {
            what: round(float(np.polyfit(sizes, np.log([row[what] for row in rows]), 1)[0]), 3)
            for what in ("first_s", "again_s", "store_bytes")
        }
    if options.out:
        Path(options.out).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report))


def measured(programs: int, n: int) -> dict[str, float]:
    """Grade and rank so many programs twice; processor seconds, and bytes of the store and of memory."""
    nano = load_benchmark("nano").tasks
    tasks = tuple(
        nano[place % len(nano)].model_copy(
            update={"id": f"{place}", "prompt": f"# {place}\n{nano[place % len(nano)].prompt}"}
        )
        for place in range(max(1, programs // n))
    )
    benchmark = Benchmark("growth", tasks)
    candidates = [
        Candidate(task_id=task.id, arm=SPEC, index=index, raw=text, program=task.prompt + text)
        for task in tasks
        for index in range(n)
        for text in (f"    value = {index}\n" + "    value = value + 1\n" * 10 + "    return value\n",)
    ]
    rankers = {name: load_ranker(name) for name in ("codebudget", "majority")}
    found: dict[str, float] = {"programs": len(candidates)}
    with tempfile.TemporaryDirectory() as folder:
        for what in ("first_s", "again_s"):
            start = time.process_time()
            with open_store(Path(folder) / "store.sqlite") as store:
                judging = Judging(Grader(Judge(), store), rankers)
                graded = grade_arms(benchmark, [Wanted(SPEC, n, candidates)], judging.grader, allow_shared=False)
                rank_pool(SPEC, graded.pools[0], graded.tasks, [n // 5, n], judging)
            found[what] = round(time.process_time() - start, 3)
        found["store_bytes"] = sum(path.stat().st_size for path in Path(folder).iterdir())
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return found


def _digit(program: str) -> int:
    return hashlib.sha256(program.encode()).digest()[0]


if __name__ == "__main__":
    main()
