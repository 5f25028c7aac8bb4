"""What `codebudget leaderboard run` prints of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from .._util.figures import interval
from .progress import print_json, warn

if TYPE_CHECKING:
    from pathlib import Path

    from ..leaderboard.results_file import Results


def show_run(results: Results, run_id: str, folder: Path, next_step: str, *, as_json: bool) -> None:
    """Print a run's scores, and the command that verifies them."""
    for scores in results.benchmarks:
        for warning in scores.warnings:
            warn(warning)
    if as_json:
        shown = [
            {
                "benchmark": scores.benchmark,
                "tasks": len(scores.tasks),
                "arms": [
                    {"spec": arm.spec, "k": arm.k, "pass_at_k": arm.pass_at_k[arm.k].model_dump()}
                    for arm in scores.arms
                ],
                "verdict": scores.verdict.model_dump(),
            }
            for scores in results.benchmarks
        ]
        mean = {} if results.mean is None else {"mean": results.mean.model_dump(mode="json")}
        print_json({"run": str(folder), "run_id": run_id, "benchmarks": shown, **mean})
        return
    for scores in results.benchmarks:
        typer.echo(f"{scores.benchmark}, {len(scores.tasks)} of {scores.total_tasks} tasks")
        for arm in scores.arms:
            score = arm.pass_at_k[arm.k]
            typer.echo(f"  {arm.spec}: pass@{arm.k} {interval(score.value, score.low, score.high)}")
        typer.echo(f"  with tests: {scores.verdict.with_tests}")
        typer.echo(f"  without tests: {scores.verdict.without_tests}")
    if results.mean is not None:
        typer.echo(f"mean over {len(results.benchmarks)} benchmarks, each of which counts the same")
        for mean_arm in results.mean.arms:
            score = mean_arm.pass_at_k
            typer.echo(f"  {mean_arm.spec}: pass@k {interval(score.value, score.low, score.high)}")
        typer.echo(f"  with tests: {results.mean.verdict.with_tests}")
        typer.echo(f"  without tests: {results.mean.verdict.without_tests}")
    typer.echo(f"wrote {folder}; run id {run_id}")
    typer.echo(next_step)
