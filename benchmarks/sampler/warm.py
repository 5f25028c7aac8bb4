"""Seconds of a comparison whose samples, verdicts and outcomes are all in the store.

A stand-in for the sandbox fills the store and is not asked again, so that what is left is reading, ranking and
estimating.

    python benchmarks/sampler/warm.py [--k 100] [--tokens 100] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import pstats
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from codebudget.budgets.notation import parse_arm
from codebudget.budgets.plan import plan_arms
from codebudget.experiment.comparison import Terms, compare_arms
from codebudget.experiment.grading import Grader
from codebudget.experiment.ranking import Judging
from codebudget.experiment.samples import ArmSamples
from codebudget.rankers import load_ranker
from codebudget.records import Limits, Outcome, ReferenceCheck, Verdict
from codebudget.sampler.drawing import DrawRequest, draw_samples
from codebudget.sampler.engine import Description, Generation
from codebudget.sampler.prompting import preset_settings
from codebudget.sampler.store import open_store
from codebudget.tasks import load_benchmark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ARMS = ("4m", "1m")
RANKERS = ("random", "first", "shortest", "examples", "majority")


class Instant:
    """An engine that gives another short text for every draw."""

    def __init__(self, name: str, tokens: int) -> None:
        self._name, self._tokens = name, tokens

    def describe(self) -> Description:
        """A model of no weights."""
        return Description(
            engine="instant", engine_version="1", model=self._name, revision="1", precision="bf16", device="-"
        )

    def generate(self, draws: Sequence[Any], sampling: Any, may_start: Any = None) -> Iterator[tuple[int, Generation]]:
        """All at once."""
        for place, draw in enumerate(draws):
            text = f"    a = {draw.seed % 997}\n" + "    a = a + 1\n" * (self._tokens // 8) + "    return a\n"
            yield place, Generation(text, "stop", 150, self._tokens, (-0.1234567,) * self._tokens)


class Judge:
    """A sandbox that decides by a program's digest."""

    limits = Limits()
    workers = 3
    launcher = SimpleNamespace(name="none")

    def environment(self) -> str:
        """What decides its verdicts."""
        return "judge"

    def check(self, tasks: Sequence[Any]) -> Iterator[ReferenceCheck]:
        """Every reference holds."""
        for task in tasks:
            yield ReferenceCheck(task_id=task.id, ok=True)

    def grade(self, jobs: Sequence[Any]) -> Iterator[tuple[int, Verdict]]:
        """By the program alone."""
        for place, job in enumerate(jobs):
            status = "passed" if _digit(job.program) % 3 == 0 else "wrong"
            yield place, Verdict(status=status, integrity="split", cpu_s=0.01, wall_s=0.02)

    def evaluate(self, task: Any, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """By the program alone."""
        return [[Outcome(value=str(_digit(program) % 7), wall_s=0.001) for _ in expressions] for program in programs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=100, help="of one sample")
    parser.add_argument("--profile", action="store_true", help="show where the warm one spends its time")
    options = parser.parse_args()
    benchmark = load_benchmark("nano")
    plans = plan_arms([parse_arm(f"{name}:{options.k}") for name in ARMS], family="nano", workload=benchmark.workload())
    with tempfile.TemporaryDirectory() as folder:
        for what in ("cold", "warm", "warm"):
            profile = cProfile.Profile()
            start, start_cpu = time.perf_counter(), time.process_time()
            if options.profile and what == "warm":
                profile.enable()
            with open_store(Path(folder) / "store.sqlite") as store:
                arms = []
                for plan in plans:
                    request = DrawRequest(plan.arm.spec, plan.model, plan.precision, options.k)
                    settings = preset_settings("completion", benchmark.name)
                    drawn = draw_samples(benchmark.tasks, request, Instant(plan.model, options.tokens), settings, store)
                    arms.append(ArmSamples(plan, drawn.candidates, drawn.series.tally))
                print(f"  read {time.process_time() - start_cpu:.2f}")
                compare_arms(
                    benchmark,
                    arms,
                    Terms(benchmark.workload()),
                    Judging(Grader(Judge(), store), {name: load_ranker(name) for name in RANKERS}),
                    decisive_ranker="examples",
                )
            profile.disable()
            seconds, cpu_s = time.perf_counter() - start, time.process_time() - start_cpu
            print(f"{what}: {len(arms[0].candidates) * 2} samples, {seconds:.2f} s, {cpu_s:.2f} s of processor")
            if options.profile and what == "warm":
                pstats.Stats(profile).sort_stats("tottime").print_stats(30)
                break


def _digit(program: str) -> int:
    return hashlib.sha256(program.encode()).digest()[0]


if __name__ == "__main__":
    main()
