"""`codebudget rank`: how well rankers pick among recorded candidates, and what they pick."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._util.outputs import check_output, write_rows
from ..errors import MachineError
from .drawing import EngineOption  # noqa: TC001  # typer reads it
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
from .planning import FamilyOption  # noqa: TC001  # typer reads it
from .progress import shown_progress, warn
from .ranking import RankerOption, TestsOption, tests_from
from .scoring import ScorerOption, open_scorer
from .stores import StoreOption  # noqa: TC001 (typer reads it)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..experiment.ranking import Ranked, RankedRow

DEFAULT_KS = "1,5,20,100"
DEFAULT_RANKERS = ("codebudget", "random", "examples", "majority")


def rank(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES", help="JSON Lines, plain or .gz; a folder or glob stands for them."),
    ],
    ranker: RankerOption = None,
    tests: TestsOption = None,
    scorer: ScorerOption = None,
    family: FamilyOption = "codellama",
    engine: EngineOption = "auto",
    benchmark: Annotated[
        str, typer.Option(metavar="NAME|FILE|ID", help="The benchmark that the samples are of.")
    ] = "humaneval",
    field: FieldOption = None,
    k: Annotated[
        str | None,
        typer.Option("--k", metavar="K,K,...", help="How many candidates are picked from.", show_default=DEFAULT_KS),
    ] = None,
    sandbox: SandboxOption = "auto",
    workers: WorkersOption = None,
    timeout: TimeoutOption = None,
    allow_shared: Annotated[
        bool, typer.Option("--allow-shared", help="Score tasks that can only be graded beside their tests.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End where a ranker fails, instead of leaving it out.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of subsets, resampling and rankers.")] = 0,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="Where ranked candidates go, best first, as JSON Lines."),
    ] = None,
    store: StoreOption = None,
    fresh: FreshOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Rank recorded candidates without hidden tests, and score the picks by them where the benchmark has any.

    A score is the chance that the ranker's pick among k random candidates passes; ties count in expectation. Without
    hidden tests nothing is scored, and the ranked candidates are written.
    """
    since = time.monotonic()
    ks = parse_ks(k or DEFAULT_KS, DEFAULT_KS)
    from ..experiment.ranking import rank_untested, score_rankers
    from ..rankers import Offers, load_ranker
    from ..tasks import load_benchmark
    from .samples import read_arm

    rankers = {name: load_ranker(name) for name in dict.fromkeys(ranker or DEFAULT_RANKERS)}
    chosen = load_benchmark(benchmark, parse_fields(field))
    candidates = read_arm("samples", files, chosen.by_id)
    generated = tests_from(tests, chosen.by_id)
    tested = any(task.tests is not None for task in chosen.tasks)
    path = None if out is None else Path(out)
    if path is None and not tested:
        path = Path(f"{Path(files[0]).name.removesuffix('.gz')}_ranked.jsonl")
    if path is not None:
        check_output(path, typed=out is not None)
    with (
        open_scorer(scorer, family=family, engine=engine, store=store) as scoring,
        shown_progress() as progress,
        open_grader(
            sandbox=sandbox, workers=workers, timeout=timeout, store=store, fresh=fresh, progress=progress
        ) as grader,
    ):
        offers = Offers(generated, scoring)
        if not tested:
            rows = rank_untested(
                chosen, candidates, grader=grader, rankers=rankers, offers=offers, seed=seed, progress=progress
            )
            result = None
        else:
            result = score_rankers(
                chosen,
                candidates,
                ks,
                grader=grader,
                rankers=rankers,
                offers=offers,
                allow_shared=allow_shared,
                strict=strict,
                seed=seed,
                progress=progress,
            )
            rows = result.rows
    if path is not None:
        write_rows(path, map(asdict, rows), typed=out is not None)
    wall_s = time.monotonic() - since
    if result is None:
        _show_rows(rows, path, wall_s, as_json)
        return
    _show(result, len(chosen.tasks), path, wall_s, as_json)
    if result.sandbox_errors:
        raise MachineError(
            f"the sandbox failed on {result.sandbox_errors} programs, whose tasks are left out; run the command again"
        )


def _show_rows(rows: Sequence[RankedRow], path: Path | None, wall_s: float, as_json: bool) -> None:
    tasks = len({row.task_id for row in rows})
    if as_json:
        typer.echo(json.dumps({"tasks": tasks, "rankers": {}, "out": str(path), "wall_s": round(wall_s, 3)}))
    else:
        typer.echo(f"no hidden tests to score by: the ranked candidates of {tasks} tasks are in {path}")


def _show(result: Ranked, total: int, path: Path | None, wall_s: float, as_json: bool) -> None:
    for warning in result.warnings:
        warn(warning)
    for why in dict.fromkeys(result.left_out.values()):
        names = [name for name, reason in result.left_out.items() if reason == why]
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        warn(f"left out: {len(names)} tasks ({shown}): {why}")
    if as_json:
        answer = {
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
        typer.echo(json.dumps(answer))
        return
    from .tables import Column, print_table

    ks = list(result.pass_at_k)
    columns = (
        Column("ranker", folds=True),
        *(Column(f"k={k}") for k in ks),
        Column("s/task", right=True),
        Column("programs\nrun", right=True),
    )
    rows = [
        (name, *(_interval(found.at_k[k]) for k in ks), f"{found.wall_s:.2f}", f"{found.executions:.0f}")
        for name, found in result.rankers.items()
    ]
    rows.append(("oracle (pass@k)", *(_interval(result.pass_at_k[k]) for k in ks), "-", "-"))
    print(f"{result.tasks} of {total} tasks, {result.n} candidates each, 95 % intervals over tasks")
    print_table(columns, rows)
    if path is not None:
        print(f"The ranked candidates are in {path}")


def _bare(interval: object) -> dict[str, float | None]:
    return {name: getattr(interval, name) for name in ("value", "low", "high")}


def _interval(interval: object) -> str:
    found = _bare(interval)
    return f"{found['value']:.3f}\n{found['low']:.3f}-{found['high']:.3f}"
