"""Arguments and options that several commands share beside groups of settings, and how their texts are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UserError
from ..settings import Settings, Slicing, option

if TYPE_CHECKING:
    from ..tasks import Benchmark

Arms = Annotated[
    list[str],
    typer.Argument(
        metavar="ARM...",
        help="Model, with optional @PRECISION and :K (a number or greedy): 70b:1 13b@int4:5 7b; or stages of which a "
        "later one is drawn only where it is needed: 7b:5,34b:1",
    ),
]
SampleFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="FILES", help="JSON Lines or other JSON, plain or .gz; a folder or glob means all files in it."
    ),
]
JSON: Any = option(False, "Print one JSON object.", flag="--json")
Json = Annotated[bool, typer.Option("--json", help=JSON.description)]
Ks = Annotated[
    str | None, typer.Option("--k", metavar="K,K,...", help="Sample counts to score at.", show_default="1,10,100")
]
TASKS: Any = option(None, "Use only the benchmark's first N tasks.", metavar="N")


class Asked(Settings):
    """The benchmark to use; for the command line only, since Python code loads one itself."""

    benchmark: str | None = option(
        None, "Benchmark to use.", metavar="NAME|FILE|ID", shown="humaneval, or the family's own: nano"
    )
    field: list[str] = option(
        [], "Field of the benchmark's rows that holds one part of a task. Repeatable.", metavar="PART=FIELD"
    )
    part: Slicing = Slicing()

    def load(self, family: str) -> Benchmark:
        """Load the benchmark.

        Raises:
            UserError: There is no such benchmark, family or choice, or `field` cannot be read.
            MachineError: A package or the hub is out of reach.
        """
        from ..experiment.planning import load_tasks

        return load_tasks(self.benchmark, family, fields=pairs("field", self.field), slicing=self.part)


class AskedOnEach(Asked):
    """One or more benchmarks; --field and --tasks hold for each."""

    benchmark: list[str] = option(  # type: ignore[assignment]
        [],
        "Benchmark to use. Repeatable: several give scores on each and their means.",
        metavar="NAME|FILE|ID",
        shown="humaneval, or the family's own: nano",
    )
    tasks: int | None = TASKS

    def load_each(self, family: str) -> list[Benchmark]:
        """Load the benchmarks; as `load`, and two that are the same raise UserError."""
        from ..experiment.planning import load_several

        return load_several(
            self.benchmark, family, fields=pairs("field", self.field), tasks=self.tasks, slicing=self.part
        )


def pairs(name: str, options: list[str]) -> dict[str, str] | None:
    """Map `LEFT=RIGHT` options; None if there are none.

    Raises:
        UserError: One is not of that form.
    """
    split = [text.partition("=") for text in options]
    for (left, _, right), text in zip(split, options, strict=True):
        if not left or not right:
            raise UserError(f"`{name}` {text}: write it PART=FIELD, such as prompt=text")
    return {left: right for left, _, right in split} or None


def samples_by_arm(options: list[str] | None) -> dict[str, list[str]]:
    """Map `--samples ARM=FILES` by arm.

    Raises:
        UserError: One is not of that form.
    """
    files: dict[str, list[str]] = {}
    for text in options or ():
        name, _, pattern = text.partition("=")
        if not name or not pattern:
            raise UserError(f"`samples` {text}: write it ARM=FILES, such as 7b=samples.jsonl")
        files.setdefault(name, []).append(pattern)
    return files


def parse_ks(text: str | None, default: tuple[int, ...]) -> list[int]:
    """Parse `--k 1,10,100`: ascending numbers, each once. A text that is not of that form raises UserError."""
    if text is None:
        return list(default)
    try:
        ks = sorted({int(part) for part in text.split(",")})
    except ValueError:
        ks = [0]
    if ks[0] < 1:
        raise UserError(f"`k` {text}: write whole numbers from 1, such as `k` {','.join(map(str, default))}")
    return ks
