"""Scores of rankers over recorded candidates, as a table and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._util.figures import interval
from .tables import Column, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from ..experiment.ranking import Ranked
    from ..records import Interval


def ranked_as_json(result: Ranked, path: Path | None, wall_s: float) -> dict[str, Any]:
    """Build `codebudget rank --json`."""
    if not result.tasks:
        tasks = len({row.task_id for row in result.rows})
        return {"tasks": tasks, "rankers": {}, "out": str(path), "wall_s": round(wall_s, 3)}
    return {
        "tasks": result.tasks,
        "n": result.n,
        "rankers": {
            name: {str(k): _bare(at) for k, at in found.at_k.items()} for name, found in result.rankers.items()
        },
        "pass_at_k": {str(k): _bare(at) for k, at in result.pass_at_k.items()},
        "costs": {
            name: {"flops": found.flops, "wall_s": round(found.wall_s, 6), "executions": found.executions}
            for name, found in result.rankers.items()
        },
        "left_out": result.left_out,
        "out": None if path is None else str(path),
        "wall_s": round(wall_s, 3),
    }


def print_ranked(result: Ranked, tasks: int, path: Path | None) -> None:
    """Print the scores of each ranker at each k.

    Args:
        result: Rankers' results for candidates.
        tasks: Their number in the benchmark.
        path: Where the ranked candidates were written.
    """
    ks = list(result.pass_at_k)
    columns = (
        Column("ranker", folds=True),
        *(Column(f"k={k}", folds=True) for k in ks),
        Column("s/task", right=True),
        Column("programs\nrun", right=True),
    )
    rows = [
        (name, *(_shown(found.at_k[k]) for k in ks), f"{found.wall_s:.2f}", f"{found.executions:.0f}")
        for name, found in result.rankers.items()
    ]
    rows.append(("oracle (pass@k)", *(_shown(result.pass_at_k[k]) for k in ks), "-", "-"))
    print(f"{result.tasks} of {tasks} tasks, {result.n} candidates each, 95 % intervals over tasks")
    print_table(columns, rows)
    if path is not None:
        print(f"The ranked candidates are in {path}")


def _bare(score: Interval) -> dict[str, float | None]:
    return {"value": score.value, "low": score.low, "high": score.high}


def _shown(score: Interval) -> str:
    return interval(score.value, score.low, score.high)
