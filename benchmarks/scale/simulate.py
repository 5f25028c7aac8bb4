"""What saturates first on 1,000 nodes with 10^8 programs: a simulation, fed by costs that are measured here.

    python benchmarks/scale/simulate.py measure costs.json      # a minute: what one driver and one store take per item
    python benchmarks/scale/simulate.py run costs.json          # the tables, on paper for any number of nodes

Two designs are simulated, event by event at the level of portions. `ray`: one driver hands portions to nodes, takes
their answers and writes them to one store; a node has two portions at most, so that a slow driver holds nodes up
instead of piling answers up. `shards`: each node has its own part and store; at the end the stores are copied to one
machine and merged there.

What is not measured is stated in `ASSUMED`; nothing here was run on 1,000 nodes.
"""

from __future__ import annotations

import argparse
import heapq
import json
import pickle
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ASSUMED = {
    "samples_per_s_and_node": 40.0,
    "why samples": "8 GPUs of a node at 1,500 output tokens/s each, 300 tokens a sample",
    "programs_per_s_and_node": 64 / 0.0043,
    "why programs": "64 cores at 4.3 ms of processor time a program, endless ones aside (docs/sandbox.md)",
    "portion": 512,
    "network_bytes_per_s": 25e9 / 8,
    "why network": "one card of 25 Gbit/s at the driver, or at the machine that merges",
    "latency_s": 0.001,
    "message_s": 0.001,
    "samples_per_message": 64,
    "why messages": "seconds of the driver for one message of Ray's; a replica hands over up to 64 samples together",
    "spread": 0.3,
    "why spread": "standard deviation of a portion's seconds on a node, over their mean",
}


class Design(NamedTuple):
    """Seconds and bytes of one item at the only driver and the only store; 0 where a node does it alone."""

    driver_s: float
    store_s: float
    bytes: float


class Result(NamedTuple):
    """A simulated run: its seconds, and the share of them in which each part was busy."""

    nodes: int
    seconds: float
    ideal_s: float
    driver: float
    store: float
    network: float


def measure() -> dict[str, Any]:
    """Measure what a driver and a store take per sample and per verdict, and a merge per row, on this machine."""
    from codebudget._util.progress import silent
    from codebudget.experiment.grading import Grader, Submission
    from codebudget.records import Limits, ReferenceCheck, Verdict
    from codebudget.sampler.drawing import DrawRequest, draw_samples
    from codebudget.sampler.engine import Description, EngineMemory, Generation
    from codebudget.sampler.merging import merge_stores
    from codebudget.sampler.prompting import preset_settings
    from codebudget.sampler.store import open_store
    from codebudget.tasks import load_benchmark

    rng = random.Random(0)
    tokens = 300
    text = "    return sum(value * index for index, value in enumerate(values))\n" * (tokens * 3 // 67)
    logprobs = tuple(rng.uniform(-3, 0) for _ in range(tokens))

    class Instant:
        """Answers at once, so that all the seconds are the driver's."""

        def describe(self) -> Description:
            return Description(
                engine="instant", engine_version="1", model="m", revision="r", precision="bf16", device="none"
            )

        def generate(self, draws: Any, sampling: Any, may_start: Any = None) -> Any:
            for place in range(len(draws)):
                yield place, Generation(text, "stop", 200, tokens, logprobs)

        def memory(self) -> EngineMemory:
            return EngineMemory()

    class Graded:
        """Answers at once; what goes to nodes is packed, and what comes from them unpacked, as a driver does."""

        limits = Limits()

        def __init__(self, verdict: Verdict) -> None:
            self.verdict = verdict

        def environment(self) -> str:
            return "none"

        def grade(self, jobs: Any) -> Any:
            size = ASSUMED["portion"]
            answer = pickle.dumps([self.verdict.model_copy() for _ in range(size)])
            for start in range(0, len(jobs), size):
                portion = jobs[start : start + size]
                known = {job.task.id: (job.task, job.check) for job in portion}
                pickle.dumps((known, [(job.task.id, job.program) for job in portion]))
                yield from enumerate(pickle.loads(answer)[: len(portion)], start)

    key, samples = b"k" * 32, 20_000
    benchmark = load_benchmark("nano").first(20)
    found: dict[str, Any] = {"samples": samples, "tokens": tokens}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        with open_store(path, key=key) as store:
            request = DrawRequest("m:1", "m", "bf16", samples // len(benchmark.tasks))
            settings = preset_settings("completion", benchmark.name)
            cpu, wall = time.process_time(), time.monotonic()
            draw_samples(benchmark.tasks, request, Instant(), settings, store)  # type: ignore[arg-type]
            found["driver_s_per_sample"] = (time.process_time() - cpu) / samples
            found["wall_s_per_sample"] = (time.monotonic() - wall) / samples
        found["bytes_per_sample"] = path.stat().st_size / samples
        verdict = Verdict(status="passed", integrity="split", tests_run=3, tests_expected=3, cpu_s=0.01, wall_s=0.02)
        before = path.stat().st_size
        with open_store(path, key=key) as store:
            programs = [Submission(benchmark.tasks[0], f"{text}# {place}\n") for place in range(samples)]
            task = benchmark.tasks[0]
            check = ReferenceCheck(task_id=task.id, ok=True, cpu_s=0.01)
            cpu = time.process_time()
            Grader(Graded(verdict), store).grade(programs, {task.id: check})  # type: ignore[arg-type]
            found["driver_s_per_verdict"] = (time.process_time() - cpu) / samples
        found["bytes_per_verdict"] = (path.stat().st_size - before) / samples
        other = Path(folder) / "other.sqlite"
        with open_store(other, key=key) as store:
            store.put_verdicts({f"{place:064x}": verdict for place in range(samples, samples + 100)})
        cpu = time.process_time()
        merge_stores([path, other], Path(folder) / "all.sqlite", key=key, notice=print, progress=silent)
        found["merge_s_per_row"] = (time.process_time() - cpu) / (2 * samples)
    return found


def simulate(nodes: int, items: int, node_s: float, design: Design, seed: int = 0) -> Result:
    """Run items through nodes, one driver, one store and one network card, portion by portion.

    Args:
        nodes: Their number.
        items: All of them.
        node_s: Seconds that one node takes for one.
        design: What the parts that there are once take.
        seed: Of the portions' seconds.
    """
    rng = random.Random(seed)
    portion = ASSUMED["portion"]
    # So few portions that an event each is quick, so many that nodes end together.
    size = max(portion, items // 400_000)
    left = -(-items // size)
    free = {"driver": 0.0, "store": 0.0, "network": 0.0}
    busy = dict.fromkeys(free, 0.0)
    clock = [0.0] * nodes
    events: list[tuple[float, int]] = []

    def took() -> float:
        return size * node_s * max(0.05, rng.gauss(1.0, ASSUMED["spread"]))

    def through(part: str, at: float, seconds: float) -> float:
        start = max(at, free[part])
        free[part] = start + seconds
        busy[part] += seconds
        return free[part]

    for _ in range(2):
        for node in range(nodes):
            if left:
                left -= 1
                clock[node] += took()
                heapq.heappush(events, (clock[node], node))
    end = 0.0
    while events:
        now, node = heapq.heappop(events)
        arrived = through("network", now + ASSUMED["latency_s"], size * design.bytes / ASSUMED["network_bytes_per_s"])
        handled = through("driver", arrived, size * design.driver_s)
        end = max(end, through("store", handled, size * design.store_s))
        if left:
            left -= 1
            # The node's next portion but one waits for this answer to be handled.
            clock[node] = max(clock[node], handled) + took()
            heapq.heappush(events, (clock[node], node))
    ideal = items * node_s / nodes
    return Result(nodes, end, ideal, busy["driver"] / end, busy["store"] / end, busy["network"] / end)


def report(costs: dict[str, Any], items: int) -> str:
    """Simulate both designs for growing numbers of nodes, and say what saturates first."""
    kinds = {
        "sampling": (
            1 / ASSUMED["samples_per_s_and_node"],
            Design(
                costs["driver_s_per_sample"] + ASSUMED["message_s"] / ASSUMED["samples_per_message"],
                costs["driver_s_per_sample"] / 2,
                costs["bytes_per_sample"],
            ),
        ),
        "grading": (
            1 / ASSUMED["programs_per_s_and_node"],
            # A program travels to its node, a verdict back.
            Design(
                costs["driver_s_per_verdict"] + ASSUMED["message_s"] / ASSUMED["portion"],
                costs["driver_s_per_verdict"] / 2,
                costs["bytes_per_sample"] / 3,
            ),
        ),
    }
    lines = [f"{items:.0e} items. Busy shares of the one driver, store and network card.", ""]
    for kind, (node_s, design) in kinds.items():
        rate = 1 / node_s
        limits = {
            "driver": 1 / design.driver_s / rate,
            "store": 1 / design.store_s / rate,
            "network": ASSUMED["network_bytes_per_s"] / design.bytes / rate,
        }
        first = min(limits, key=lambda part: limits[part])
        lines += [
            f"## {kind}: {rate:,.0f} per second and node",
            "",
            f"First: the {first}, at {limits[first]:,.1f} nodes ("
            + ", ".join(f"{part} {count:,.0f}" for part, count in limits.items())
            + ").",
            "",
            "| nodes | hours, ray | over ideal | driver | store | network | hours, shards | of them merging |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for nodes in (1, 10, 100, 1000):
            one = simulate(nodes, items, node_s, design)
            parts = simulate(nodes, items, node_s, Design(0.0, 0.0, 0.0))
            copied = items * design.bytes / ASSUMED["network_bytes_per_s"]
            merging = copied + items * costs["merge_s_per_row"]
            lines.append(
                f"| {nodes:,} | {one.seconds / 3600:,.2f} | {one.seconds / one.ideal_s:.2f} | {one.driver:.0%} "
                f"| {one.store:.0%} | {one.network:.0%} | {(parts.seconds + merging) / 3600:,.2f} "
                f"| {merging / 3600:,.2f} |"
            )
        lines.append("")
    total = items * (costs["bytes_per_sample"] + costs["bytes_per_verdict"])
    lines.append(f"The store of all samples and verdicts takes {total / 2**40:.2f} TiB.")
    return "\n".join(lines)


def main() -> int:
    """Measure, or simulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("measure", "run"))
    parser.add_argument("file")
    parser.add_argument("--items", type=int, default=100_000_000)
    arguments = parser.parse_args()
    if arguments.step == "measure":
        Path(arguments.file).write_text(json.dumps(measure(), indent=1) + "\n")
        return 0
    print(report(json.loads(Path(arguments.file).read_text()), arguments.items))
    return 0


if __name__ == "__main__":
    sys.exit(main())
