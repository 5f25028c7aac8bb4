"""Means over the benchmarks of a run, side by side for runs over the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...estimators import PASS_AT_K
from ...records import Cost
from ...report.page_data import cost_data, span
from ...settings import ORACLE
from .scored_runs import notes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...report.page_data import BoardData, EntryData, RunNotes
    from ..results_file import MeanScores
    from .comparisons import Pair
    from .contenders import Contender
    from .scored_runs import ScoredRun


class Means(NamedTuple):
    """Runs over the same several benchmarks, by their places, and how the site calls their means."""

    name: str
    runs: tuple[int, ...]


def means_of(runs: Sequence[ScoredRun], names: Mapping[str, str]) -> list[Means]:
    """Group the runs over several benchmarks by these.

    Args:
        runs: All runs.
        names: The benchmarks' names on the site, by their content.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, run in enumerate(runs):
        if run.results.mean is not None:
            digests = sorted(benchmark.content_hash for benchmark in run.results.benchmarks)
            groups.setdefault(tuple(digests), []).append(place)
    found = []
    for of_each, places in groups.items():
        of = str(len(of_each)) if len(groups) == 1 else ", ".join(names[digest] for digest in of_each)
        found.append(Means(f"mean of {of}", tuple(places)))
    return found


def mean_board(
    means: Means, runs: Sequence[ScoredRun], contenders: Sequence[Contender], metrics: Sequence[str]
) -> BoardData:
    """Make the part of some means. Arms are paired within their runs, as these state it.

    Args:
        means: The runs over the same benchmarks.
        runs: All runs.
        contenders: The arms of all runs on one of these benchmarks.
        metrics: In the order to show.
    """
    entries: list[EntryData] = []
    pairs: dict[str, list[Pair]] = {}
    notes: list[RunNotes] = []
    for place in means.runs:
        mean = runs[place].results.mean
        if mean is None:
            continue
        for metric, pair in _differences(mean, len(entries)):
            pairs.setdefault(metric, []).append(pair)
        entries += _entries(mean, [contender for contender in contenders if contender.run == place])
        notes.append(_notes(place, runs[place], mean))
    # The oracle is pass@k by another name.
    pairs[ORACLE] = pairs.get(PASS_AT_K, [])
    return {
        "name": means.name,
        "tasks": [],
        "metrics": list(metrics),
        "entries": entries,
        "pairs": pairs,
        "crossings": [],
        "runs": notes,
    }


def _entries(mean: MeanScores, contenders: Sequence[Contender]) -> Iterator[EntryData]:
    """Convert the arms of a run, which are its contenders on each benchmark."""
    for arm, contender in zip(mean.arms, contenders, strict=False):
        yield {
            "id": contender.id,
            "run": contender.run,
            "spec": arm.spec,
            "name": contender.name,
            "model": arm.model,
            "precision": arm.precision,
            "k": None,
            "greedy": contender.arm.greedy,
            "parameters": contender.arm.parameters,
            "kinds": contender.kinds,
            "cost": cost_data(arm.cost.cost()),
            # A limit is each benchmark's own, so means have no ratio to it.
            "ratio": cost_data(Cost()),
            "matched": arm.matched,
            "equal": None,
            "scored": 0,
            "scores": {
                PASS_AT_K: span(arm.pass_at_k.interval()),
                **{name: span(score.interval()) for name, score in arm.rankers.items()},
            },
            "curve": None,
            "drawn": [],
            "passed": [],
            "picked": {},
            "candidates": None,
        }


def _differences(mean: MeanScores, first: int) -> Iterator[tuple[str, Pair]]:
    """Yield differences by metric, of arms whose entries start at a place."""
    places = {arm.spec: first + place for place, arm in enumerate(mean.arms)}
    for pair in mean.paired:
        if pair.difference is not None and pair.low is not None and pair.high is not None:
            yield pair.metric, (places[pair.a], places[pair.b], pair.difference, pair.low, pair.high)


def _notes(place: int, run: ScoredRun, mean: MeanScores) -> RunNotes:
    of_each = [(benchmark.benchmark, notes_of(place, benchmark)) for benchmark in run.results.benchmarks]
    return {
        "run": place,
        "advice": [mean.verdict.with_tests, mean.verdict.without_tests],
        "warnings": [f"{name}: {line}" for name, notes in of_each for line in notes["warnings"]],
        "left_out": [f"{name}: {line}" for name, notes in of_each for line in notes["left_out"]],
    }
