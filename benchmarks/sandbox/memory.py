"""Memory over very many gradings: bytes per grading by which codebudget and its boxes grow, if they do.

    python benchmarks/sandbox/memory.py [--gradings 100000] [--sandbox auto] [--out FILE]

Grades distinct small programs, right and wrong ones, for one task in batches, as a run that never ends would, and
fits a line through the memory after each batch but the first ones. With the docker sandbox the boxes' memory is not
seen.
"""

from __future__ import annotations

import argparse
import json
import os

import numpy as np
from codebudget.records import HiddenTests, Task
from codebudget.sandbox import Job, Sandbox, choose_launcher
from programs import machine, tree_bytes

BATCH = 2500
TESTS = """
def check(total):
    for n in range(5):
        assert total(list(range(n))) == n * (n - 1) // 2
"""
TASK = Task(
    id="sum",
    benchmark="memory",
    prompt="def total(values):\n",
    entry_point="total",
    reference="def total(values):\n    return sum(values)\n",
    tests=HiddenTests(
        style="check",
        code="def check(f):\n    for n in range(5):\n        assert f(list(range(n))) == n * (n - 1) // 2\n",
    ),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gradings", type=int, default=100_000)
    parser.add_argument("--sandbox", default="auto")
    parser.add_argument("--out")
    options = parser.parse_args()
    rows = []
    with Sandbox(choose_launcher(options.sandbox).launcher) as sandbox:
        check = next(sandbox.check([TASK]))
        for start in range(0, options.gradings, BATCH):
            texts = [
                f"def total(values):\n    return sum(values) + {n % 3}\n# {n}" for n in range(start, start + BATCH)
            ]
            statuses = [verdict.status for _, verdict in sandbox.grade([Job(TASK, check, text) for text in texts])]
            expected = sum(n % 3 == 0 for n in range(start, start + BATCH))
            if statuses.count("passed") != expected:
                raise SystemExit(f"{statuses.count('passed')} of {expected} right programs passed")
            sizes = tree_bytes()
            rows.append((start + BATCH, sizes[os.getpid()], sum(sizes.values())))
    settled = rows[len(rows) // 5 :]
    gradings = [row[0] for row in settled]
    report = {
        "machine": machine(),
        "gradings": options.gradings,
        "own_bytes_per_grading": round(float(np.polyfit(gradings, [row[1] for row in settled], 1)[0]), 3),
        "tree_bytes_per_grading": round(float(np.polyfit(gradings, [row[2] for row in settled], 1)[0]), 3),
        "own_mb": [row[1] >> 20 for row in rows],
        "tree_mb": [row[2] >> 20 for row in rows],
    }
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
