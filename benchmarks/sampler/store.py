"""Tokens per second that the store takes in while samples are drawn, against the 20,000 that it must keep up with.

An engine that gives texts at once is drawn from, so that all that is left is counting, the writer and SQLite.

    python benchmarks/sampler/store.py [--tasks 164] [--k 50] [--tokens 100]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from codebudget.errors import EngineError
from codebudget.records import Likelihood, Task
from codebudget.sampler.drawing import DrawRequest, draw_samples
from codebudget.sampler.engine import Description, Draw, Generation, MayStart, Prompt, Sampling
from codebudget.sampler.prompting import Settings
from codebudget.sampler.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NEEDED = 20_000


class Instant:
    """Gives the same text for every draw."""

    def __init__(self, tokens: int) -> None:
        self._generation = Generation("    return x\n" * (tokens // 4), "stop", 150, tokens, (-0.1234567,) * tokens)

    def describe(self) -> Description:
        """A model of no weights."""
        return Description(engine="instant", engine_version="1", model="m", revision="1", precision="bf16", device="-")

    def generate(
        self, draws: Sequence[Draw], sampling: Sampling, may_start: MayStart | None = None
    ) -> Iterator[tuple[int, Generation]]:
        """All at once."""
        for place in range(len(draws)):
            yield place, self._generation

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Raises EngineError: it has no model to score by."""
        raise EngineError("this engine cannot score")

    def close(self) -> None:
        """Nothing is held."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=164)
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=100, help="of one sample")
    options = parser.parse_args()
    tasks = [
        Task(id=f"t/{number}", benchmark="b", prompt=f"def f{number}(x):\n", entry_point=f"f{number}")
        for number in range(options.tasks)
    ]
    request = DrawRequest(spec="m", model="m", precision="bf16", k=options.k)
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store.sqlite") as store:
        for what in ("drawn, written and read", "read again"):
            start = time.perf_counter()
            drawn = draw_samples(tasks, request, Instant(options.tokens), Settings(), store)
            seconds = time.perf_counter() - start
            rate = len(drawn.candidates) * options.tokens / seconds
            wall_s = drawn.series.tally.usage.wall_s or 0.0
            print(f"{len(drawn.candidates)} samples {what} in {seconds:.2f} s: {rate:.0f} tokens/s")
            if drawn.new:
                rate = drawn.new * options.tokens / wall_s
                print(f"  drawing alone {wall_s:.2f} s: {rate:.0f} tokens/s, {rate / NEEDED:.1f} of what is needed")


if __name__ == "__main__":
    main()
