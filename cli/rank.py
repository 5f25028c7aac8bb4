"""`codebudget rank`: rankers' picks among recorded candidates, and how good they are."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .._util.outputs import check_output, write_rows
from ..settings import DEFAULT_KS, Drawing, Grading, Running, Selecting, Settings, option
from .arguments import JSON, Asked, Ks, SampleFiles, parse_ks
from .options import only, options
from .progress import check_sandbox_errors, print_json, shown_progress, warn


class Output(Settings):
    """Options of the output."""

    out: str | None = option(None, "Write ranked candidates, best first, as JSON Lines.", metavar="FILE")
    as_json: bool = JSON


@options
def rank(
    files: SampleFiles,
    asked: Asked,
    drawing: Annotated[Drawing, only("engine")],
    grading: Grading,
    selecting: Selecting,
    running: Annotated[Running, only("family", "seed", "base_url", "store", "ray", "fresh", "strict")],
    output: Output,
    k: Ks = None,
) -> None:
    """Rank recorded candidates without hidden tests, and score the picks with them if the benchmark has any.

    A score is the chance that the ranker's pick among k random candidates passes; ties count in expectation. Without
    hidden tests nothing is scored, and the ranked candidates are written.
    """
    since = time.monotonic()
    ks = parse_ks(k, DEFAULT_KS)
    from ..experiment.selection import rank as rank_files
    from ..report.ranked import print_ranked, ranked_as_json

    benchmark = asked.load(running.family)
    path = None if output.out is None else Path(output.out)
    if path is None and not benchmark.is_tested:
        path = Path(f"{Path(files[0]).name.removesuffix('.gz')}_ranked.jsonl")
    if path is not None:
        check_output(path, typed=output.out is not None)
    with shown_progress() as progress:
        result = rank_files(files, benchmark, ks, drawing, grading, selecting, running, progress)
    if path is not None:
        write_rows(path, map(asdict, result.rows), typed=output.out is not None)
    for warning in result.notes:
        warn(warning)
    if output.as_json:
        print_json(ranked_as_json(result, path, time.monotonic() - since))
    elif benchmark.is_tested:
        print_ranked(result, len(benchmark.tasks), path)
    else:
        tasks = len({row.task_id for row in result.rows})
        typer.echo(f"no hidden tests to score with: the ranked candidates of {tasks} tasks are in {path}")
    check_sandbox_errors(result.sandbox_errors)
