"""Seconds to grade scripts by inputs and outputs: codebudget, fresh interpreters, and one process per program.

    python benchmarks/sandbox/scripts.py [--tasks 200] [--inputs 20] [--programs 10] [--workers 2] [--sandbox auto]
        [--out FILE]

Every program of every task is run on every input, by three tools in turn and with the same number of workers: this
sandbox; `python -I program < input`, a fresh interpreter for each input, with no confinement but a time limit; and, for
reference, a runner of LiveCodeBench's kind, which forks once per program and executes it there on all inputs with
`sys.stdin` and `sys.stdout` replaced. All programs are right, so that no tool may stop early, and each text is another.
The last line of standard output is JSON; `ratio` is fresh interpreters over codebudget.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from codebudget.records import IoCase, IoTests, Task
from codebudget.sandbox import Job, Sandbox, choose_launcher
from programs import machine

KINDS = (
    ("import sys\nn, *a = map(int, sys.stdin.read().split())\nprint(sum(a))\n", lambda a: [sum(a)]),
    ("n = int(input())\na = list(map(int, input().split()))\nprint(*sorted(set(a)))\n", lambda a: sorted(set(a))),
    (
        "from collections import Counter\nimport sys\n\ndef main():\n    a = sys.stdin.readlines()[1].split()\n"
        "    print(max(Counter(a).values()))\n\nif __name__ == '__main__':\n    main()\n",
        lambda a: [max(map(a.count, a))],
    ),
    (
        "import heapq\nn = int(input())\na = list(map(int, input().split()))\nheapq.heapify(a)\ntotal = 0\n"
        "while len(a) > 1:\n    x = heapq.heappop(a) + heapq.heappop(a)\n    total += x\n    heapq.heappush(a, x)\n"
        "print(total)\n",
        None,
    ),
)


def huffman(numbers):
    left, total = sorted(numbers), 0
    while len(left) > 1:
        total += left[0] + left[1]
        left = sorted([left[0] + left[1], *left[2:]])
    return [total]


def make_jobs(options):
    """Tasks, and for each its programs."""
    draw = random.Random(0)
    made = []
    for number in range(options.tasks):
        program, solve = KINDS[number % len(KINDS)]
        cases = []
        for _ in range(options.inputs):
            numbers = [draw.randrange(1000) for _ in range(draw.randrange(1, 60))]
            answer = (solve or huffman)(numbers)
            text = f"{len(numbers)}\n{' '.join(map(str, numbers))}\n"
            cases.append(IoCase(input=text, output=" ".join(map(str, answer)) + "\n"))
        tests = IoTests(style="stdio", cases=tuple(cases), rule="livecodebench")
        task = Task(id=f"task/{number}", benchmark="made", prompt="", entry_point="", tests=tests, reference=program)
        made.append((task, [f"{program}# {number} {place}\n" for place in range(options.programs)]))
    return made


def ours(made, options):
    start = time.perf_counter()
    with Sandbox(choose_launcher(options.sandbox).launcher, workers=options.workers) as sandbox:
        checks = {check.task_id: check for check in sandbox.check([task for task, _ in made])}
        references_s = time.perf_counter() - start
        jobs = [Job(task, checks[task.id], text) for task, programs in made for text in programs]
        verdicts = [verdict for _, verdict in sandbox.grade(jobs)]
        name = sandbox.launcher.name
    seconds = time.perf_counter() - start
    passed = sum(verdict.status == "passed" for verdict in verdicts)
    return {"sandbox": name, "seconds": round(seconds, 2), "references_s": round(references_s, 2), "passed": passed}


def fresh_interpreters(made, options):
    python = getattr(sys, "_base_executable", sys.executable)

    def one(task, path):
        for case in task.tests.cases:
            with open(path) as program:
                done = subprocess.run(
                    [python, "-I", program.name], input=case.input.encode(), capture_output=True, timeout=10, check=True
                )
            if done.stdout.decode().split() != case.output.split():
                return False
        return True

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.workers) as threads:
        pairs = [(task, text) for task, programs in made for text in programs]
        paths = [Path(folder) / f"{place}.py" for place in range(len(pairs))]
        start = time.perf_counter()
        for path, (_, text) in zip(paths, pairs, strict=True):
            path.write_text(text, encoding="utf-8")
        results = list(threads.map(one, [task for task, _ in pairs], paths))
        seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 2), "passed": sum(results)}


def in_one_process(job):
    """Run a program on all inputs in this process, as LiveCodeBench's runner does after a fork of its own."""
    cases, text = job
    held = 0
    for given, right in cases:
        sys.stdin, out, sys.stdout = io.TextIOWrapper(io.BytesIO(given.encode())), sys.stdout, io.StringIO()
        try:
            exec(compile(text, "main.py", "exec"), {"__name__": "__main__"})
            held += sys.stdout.getvalue().split() == right.split()
        finally:
            sys.stdout = out
    return held == len(cases)


def process_per_program(made, options):
    jobs = [(list(map(pair, task.tests.cases)), text) for task, texts in made for text in texts]
    start = time.perf_counter()
    with multiprocessing.get_context("fork").Pool(options.workers, maxtasksperchild=1) as pool:
        results = pool.map(in_one_process, jobs, chunksize=1)
    return {"seconds": round(time.perf_counter() - start, 2), "passed": sum(results)}


def pair(case):
    return case.input, case.output


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--inputs", type=int, default=20)
    parser.add_argument("--programs", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sandbox", default="auto")
    parser.add_argument("--out")
    options = parser.parse_args()
    made = make_jobs(options)
    report = {"machine": machine(), **vars(options), "runs": options.tasks * options.inputs * options.programs}
    for name, tool in (
        ("codebudget", ours),
        ("fresh_interpreters", fresh_interpreters),
        ("process_per_program", process_per_program),
    ):
        report[name] = tool(made, options)
        print(name, json.dumps(report[name]), file=sys.stderr, flush=True)
    report["ratio"] = round(report["fresh_interpreters"]["seconds"] / report["codebudget"]["seconds"], 2)
    del report["out"]
    if options.out:
        Path(options.out).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
