"""The page's input, part by part: the shapes of its JSON. The scripts in `web/` are the other side of this.

Scores are fractions of tasks in [0, 1]; a `Span` is [value, low, high] with a 95 % interval. Costs are per task. What
is unknown is null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import Cost, Interval

Span = tuple[float | None, float | None, float | None]

Fact = tuple[str, str]
"""A label and its text."""


class RunData(TypedDict):
    """One run, as the last section shows it."""

    id: str
    name: str
    description: str
    facts: list[Fact]


class BenchmarkLink(TypedDict):
    """A benchmark in the index: its part's name and number of arms. `mean`: it is the mean of the others."""

    name: str
    file: str
    arms: int
    mean: NotRequired[bool]


class IndexData(TypedDict):
    """The part `index`."""

    title: str
    note: str
    runs: list[RunData]
    benchmarks: list[BenchmarkLink]


class CostData(TypedDict):
    """A cost per task, or a ratio of costs."""

    flops: float | None
    runtime_s: float | None
    memory_bytes: float | None
    usd: float | None


class CurveData(TypedDict):
    """Scores at several k: `costs` by the field of `CostData`, null if some are unknown; `scores` by metric.

    `totals` has costs by metric, with what tests and ranking take; `name` is the line's, where it is not the arm's; and
    `lasts` means that the last score holds at every larger budget.
    """

    ks: list[int]
    costs: dict[str, list[float] | None]
    scores: dict[str, list[Span]]
    totals: NotRequired[dict[str, dict[str, list[float] | None]]]
    name: NotRequired[str]
    lasts: NotRequired[bool]


class EntryData(TypedDict):
    """One arm of one run on one benchmark.

    `spec` is the arm as typed, `name` tells it from those of other runs. `kinds` are those of the budget that limited
    it. Lists by task follow the benchmark's `tasks`: `drawn` and `passed` count samples, `picked` holds scores by
    metric, all null or 0 if a task was not scored. `candidates` is the folder of its parts, one per task. `k` is null
    for means.
    """

    id: str
    run: int
    spec: str
    name: str
    model: str
    precision: str
    k: int | None
    greedy: bool
    parameters: int | None
    kinds: list[str]
    cost: CostData
    ratio: CostData
    matched: bool | None
    equal: bool | None
    scored: int
    scores: dict[str, Span]
    curve: CurveData | None
    drawn: list[int]
    passed: list[int]
    picked: dict[str, list[float | None]]
    candidates: str | None
    totals: NotRequired[dict[str, float | None]]


class CrossingData(TypedDict):
    """A crossing of two arms; `a`, `b` and `leader` are places of entries."""

    metric: str
    by: str
    a: int
    b: int
    leader: int | None
    budget: float | None
    sentence: str


class HeadlineData(TypedDict):
    """An effect in short: its size, its interval, and between what, by what and at what cost."""

    figure: str
    interval: str
    words: str


class RunNotes(TypedDict):
    """One run's notes on a benchmark."""

    run: int
    advice: list[str]
    warnings: list[str]
    left_out: list[str]
    headlines: NotRequired[list[HeadlineData]]


class BoardData(TypedDict):
    """The part of one benchmark. `pairs` holds, by metric, [a, b, difference, low, high] of entries by their places."""

    name: str
    tasks: list[str]
    metrics: list[str]
    entries: list[EntryData]
    pairs: dict[str, list[tuple[int, int, float, float, float]]]
    crossings: list[CrossingData]
    runs: list[RunNotes]


class SampleData(TypedDict):
    """One candidate. `tests` are how many held, null if unsaid, and how many there are; null if not graded."""

    index: int
    status: str | None
    integrity: str | None
    tests: tuple[int | None, int] | None
    detail: str | None
    program: str
    raw: str
    prompt: str | None
    seed: int | None
    stratum: str | None
    finish: str | None
    tokens: int | None


class CandidatesData(TypedDict):
    """An arm's candidates of one task, and their scores by ranker, null if one was not ranked."""

    samples: list[SampleData]
    scores: dict[str, list[float | None]]


def span(interval: Interval) -> Span:
    """Round an interval for the page, to a few digits more than it shows."""
    return (_rounded(interval.value), _rounded(interval.low), _rounded(interval.high))


def rounded(values: Sequence[float | None]) -> list[float | None]:
    """Round to six decimals."""
    return [_rounded(value) for value in values]


def cost_data(cost: Cost) -> CostData:
    """Convert a cost for the page."""
    return {
        "flops": cost.flops,
        "runtime_s": cost.runtime_s,
        "memory_bytes": cost.memory_bytes,
        "usd": cost.usd,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
