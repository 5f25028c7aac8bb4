"""Verifying a run without its weights: verdicts, rankings, and every number that follows from them."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..._util.printable import printable
from ...errors import UserError
from ...experiment.grading import Grader
from ...experiment.samples import files_by_arm, named_arms
from ...sampler.store import open_store
from .. import files
from ..differences import compare, difference
from ..manifest import ranker_part
from ..report import report_of
from ..results import results_of
from .recheck import OwnRankers, Verification, past_computing, recheck

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..._util.progress import Progress
    from ...records import Plan
    from ...sandbox import Sandbox
    from ..differences import Difference
    from ..results import PlannedBenchmark
    from .reading import RecordedRun
    from .trust import Verifiable

_NOT_COMPUTED: Final = "results.json was not recomputed, since rows are missing, too many or unusable"

CANNOT_CATCH: Final = (
    "a run that was forged as a whole and rehashed: compare the run id with one published earlier",
    "candidates that another model drew, or that were picked from a larger set: nothing is redrawn here",
    "timings, memory, hardware, packages and command line: these are claims of whoever ran it",
)
"""Flaws no verification of the files alone can find."""


def verify(
    run: RecordedRun,
    benchmarks: Sequence[PlannedBenchmark],
    own: OwnRankers,
    grader: Grader,
    *,
    sample: int | None,
    seed: int,
    progress: Progress,
) -> Verification:
    """Grade, rank and compute again, and compare with the run's claims.

    Args:
        run: As read.
        benchmarks: The benchmarks of its board, planned here.
        own: Its rankers.
        grader: On an empty store.
        sample: How many verdicts to grade again, with the rankings of the same tasks; all if None.
        seed: Chooses them.
        progress: Told how far it is.

    Raises:
        SandboxError: The sandbox fails here.
    """
    result = Verification(verdicts=len(run.verdicts), rankings=len(run.rankings))
    result.add(_manifest(run, benchmarks, own))
    result.add(own.differences)
    result.add(_timings(run))
    chosen = _sample(run, sample, seed)
    graded = []
    for planned in benchmarks:
        checked = recheck(run, planned, own, grader, chosen, progress)
        result.include(checked.found)
        if checked.graded is not None:
            graded.append(checked.graded)
    result.add(_undeclared(run, {planned.benchmark.name for planned in benchmarks}))
    if len(graded) < len(benchmarks):
        result.notes.append(_NOT_COMPUTED)
        return result
    try:
        recomputed = results_of(run.board.board, graded)
    except (ArithmeticError, ValueError, RecursionError) as error:
        result.add((past_computing("scores", error),))
        result.notes.append(_NOT_COMPUTED)
        return result
    value = recomputed.value()
    result.numbers = _leaves(value)
    # As JSON: what a stranger wrote need not be of the schema, and every value of it counts.
    result.add(compare(files.RESULTS, "", run.results, value))
    result.add(_report(run.report, report_of(recomputed)))
    return result


def _undeclared(run: RecordedRun, names: set[str]) -> Iterator[Difference]:
    """Find rows of benchmarks missing in the board."""
    for name, rows in (
        (files.CANDIDATES, run.candidates),
        (files.VERDICTS, run.verdicts),
        (files.RANKINGS, run.rankings),
    ):
        for number, row in enumerate(rows, 1):
            if row.benchmark not in names:
                yield difference(name, f"row {number}", "benchmark", row.benchmark, "not in the board")


def verify_here(
    found: Verifiable, sandbox: Sandbox, *, sample: int | None, seed: int, progress: Progress
) -> Verification:
    """Run `verify` with a temporary store: the content of a working folder's store may be a stranger's."""
    with (
        tempfile.TemporaryDirectory(prefix="codebudget-verify-") as scratch,
        open_store(Path(scratch) / "store.sqlite") as store,
    ):
        grader = Grader(sandbox, store, progress)
        return verify(found.run, found.benchmarks, found.rankers, grader, sample=sample, seed=seed, progress=progress)


def lines_of(result: Verification) -> Iterator[str]:
    """Render findings besides differences, and how much was checked, as printable lines."""
    for what, lines in (
        ("flips at its limit", result.flips),
        ("differs from one run to the next", result.unstable),
        ("note", result.notes),
    ):
        for line in lines:
            yield f"{what}: {printable(line)}"
    yield (
        f"regraded {result.graded} of {result.verdicts} verdicts, reranked {result.ranked} of {result.rankings} "
        f"rankings, recomputed {result.numbers} values of results.json"
    )
    if result.graded < result.verdicts and result.verdicts:
        yield f"a run with one verdict in a hundred changed passes this with probability {0.99**result.graded:.2g}"


def _sample(run: RecordedRun, sample: int | None, seed: int) -> set[int] | None:
    """Choose numbers of verdicts' rows to grade again; None for all."""
    if sample is None or sample >= len(run.verdicts):
        return None
    return set(random.Random(seed).sample(range(1, len(run.verdicts) + 1), sample))


def _manifest(run: RecordedRun, benchmarks: Sequence[PlannedBenchmark], own: OwnRankers) -> list[Difference]:
    """Check what a manifest repeats, or what can be looked up."""
    manifest, board = run.manifest, run.board.board
    recorded: dict[str, Any] = {
        "name": manifest.name,
        "seed": manifest.seed,
        "benchmarks": [(part.benchmark, part.spec, part.content_hash) for part in manifest.benchmarks],
        "models": [
            (part.benchmark, part.arm, part.stage, part.model, part.precision, part.source, part.k)
            for part in manifest.models
        ],
        "sandbox.limits": manifest.sandbox.limits.model_dump(),
        "sandbox.allow_shared": manifest.sandbox.allow_shared,
        "sandbox.conformance": manifest.sandbox.conformance is not None,
        "rankers": list(manifest.rankers),
    }
    files_of = [
        _recorded(planned.plans, table.samples) for planned, table in zip(benchmarks, board.benchmarks, strict=True)
    ]
    recomputed: dict[str, Any] = {
        "name": board.name,
        "seed": board.seed,
        "benchmarks": [
            (planned.benchmark.name, planned.spec, planned.benchmark.content_hash) for planned in benchmarks
        ],
        "models": [
            (
                planned.benchmark.name,
                plan.arm.spec,
                place if plan.stages else None,
                single.model,
                single.precision,
                "files" if single.arm.spec in recorded_files else "drawn",
                single.k,
            )
            for planned, recorded_files in zip(benchmarks, files_of, strict=True)
            for plan in planned.plans
            for place, single in enumerate(plan.single)
        ],
        "sandbox.limits": board.sandbox.limits.limits().model_dump(),
        "sandbox.allow_shared": board.sandbox.allow_shared,
        "sandbox.conformance": board.sandbox.check,
        "rankers": sorted(board.selecting.bounded),
    }
    found = list(compare(files.MANIFEST, "", recorded, recomputed))
    if board.sandbox.launcher != "auto":
        found += compare(files.MANIFEST, "", manifest.sandbox.launcher, board.sandbox.launcher, "sandbox.launcher")
    for name, ranker in own.rankers.items():
        part, here = manifest.rankers.get(name), ranker_part(ranker)
        if part is not None and part.version == here.version:
            kept = {"name", "version", "pointwise", "needs", "sha256"}
            recorded_part, made = part.model_dump(include=kept), here.model_dump(include=kept)
            found += compare(files.MANIFEST, "", recorded_part, made, f"rankers.{name}")
    return found


def _recorded(plans: Sequence[Plan], samples: Mapping[str, Sequence[str]]) -> set[str]:
    """Find the single arms and stages that a board gives files for, by their specs; none if it names no such arm."""
    try:
        return set(files_by_arm(samples, named_arms(plans)))
    except UserError:
        return set()


def _timings(run: RecordedRun) -> list[Difference]:
    """Check that timings are of these verdicts; nobody can check their values later."""
    counts: dict[str, dict[str, int]] = {}
    for row in run.verdicts:
        by_task = counts.setdefault(f"{row.benchmark} {row.arm}", {})
        by_task[row.task_id] = by_task.get(row.task_id, 0) + 1
    recorded = {
        f"{arm.benchmark} {arm.arm}": {task_id: len(rows) for task_id, rows in arm.verdicts.items()}
        for arm in run.timings.arms
    }
    return list(compare(files.TIMINGS, "", recorded, counts, "verdicts"))


def _report(recorded: str, recomputed: str) -> list[Difference]:
    if recorded == recomputed:
        return []
    pairs = zip(recorded.splitlines(), recomputed.splitlines(), strict=False)
    for number, (one, other) in enumerate(pairs, 1):
        if one != other:
            return [difference(files.REPORT, f"line {number}", "", one, other)]
    return [difference(files.REPORT, "", "length", len(recorded), len(recomputed))]


def _leaves(value: object) -> int:
    if isinstance(value, dict):
        return sum(map(_leaves, value.values()))
    if isinstance(value, list):
        return sum(map(_leaves, value))
    return 1
