"""A comparison on several benchmarks as tables: each benchmark's own, and their means."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from .._util.printable import printable
from ..records import MacroComparison
from .macro_rows import arm_rows, pair_rows, ranker_rows
from .tables import GAP, Column, abreast, cells, print_table, print_text
from .terminal import print_comparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import Comparison

_MOST_NAME = 30
_SCORE = len("0.500 [0.250, 0.750]")


def print_answer(result: Comparison | MacroComparison) -> None:
    """Print a comparison on one benchmark or several to standard output."""
    if isinstance(result, MacroComparison):
        print_macro(result)
    else:
        print_comparison(result)


def print_macro(result: MacroComparison) -> None:
    """Print each benchmark's comparison, then the means over them, to standard output."""
    for comparison in result.benchmarks:
        print_comparison(comparison)
        print()
    listed = "; ".join(f"{one.benchmark}, {one.tasks} tasks" for one in result.benchmarks)
    print_text(
        f"Mean over {len(result.benchmarks)} benchmarks ({listed}), each of which counts the same; 95 % intervals, "
        "tasks resampled within benchmarks. FLOPs are per task."
    )
    _print_arms(result)
    _print_rankers(result)
    if result.paired:
        _print_paired(result)
    print()
    print_text(result.verdict.with_tests, bold=True)
    print_text(result.verdict.without_tests, bold=True)


def _print_arms(result: MacroComparison) -> None:
    columns = (
        *(Column("arm", folds=True), Column("benchmark", folds=True)),
        *(Column(header, right=True) for header in ("k", "FLOPs", "ratio")),
        *(Column("matched"), Column("pass@k", folds=True)),
    )
    _print_groups(columns, [tuple(map(printable, row)) for row in arm_rows(result)], "Arms", names=1)
    if any(arm.realised.usage.estimated for one in result.benchmarks for arm in one.arms):
        print_text("~ estimated: some or all samples have no token counts")


def _print_rankers(result: MacroComparison) -> None:
    rows = list(ranker_rows(result))
    first = min(_MOST_NAME, max(cells(printable(row.ranker)) for row in rows))
    second = min(_MOST_NAME, max(cells(printable(row.benchmark)) for row in rows))
    specs = [printable(arm.spec) for arm in result.arms]
    for places in abreast(range(len(specs)), max(_SCORE, *map(cells, specs)), first + len(GAP) + second):
        columns = (
            *(Column("ranker", folds=True), Column("benchmark", folds=True)),
            *(Column(specs[place], folds=True) for place in places),
        )
        shown = [
            (printable(row.ranker), printable(row.benchmark), *(row.scores[place] for place in places)) for row in rows
        ]
        _print_groups(columns, shown, "Picked without hidden tests (rank-score@k)", names=1)


def _print_paired(result: MacroComparison) -> None:
    columns = (
        *(Column("metric", folds=True), Column("arms", folds=True), Column("benchmark", folds=True)),
        *(Column("difference"), Column("p", right=True)),
    )
    _print_groups(
        columns,
        [tuple(map(printable, row)) for row in pair_rows(result)],
        f"Paired differences (p adjusted by Holm over {len(result.paired)}, for means as on each benchmark; --json has "
        "all of them)",
        names=2,
    )


def _print_groups(columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str, *, names: int) -> None:
    """Print rows in groups that share their first `names` cells, said once and set apart."""
    shown: list[Sequence[str]] = []
    for _, group in groupby(rows, key=lambda row: tuple(row[:names])):
        first, *others = group
        shown += [*([()] if shown else []), first, *(["" for _ in range(names)] + list(row[names:]) for row in others)]
    print()
    print_table(columns, shown, title)
