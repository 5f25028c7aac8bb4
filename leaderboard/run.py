"""A board's candidates -> a run directory: graded, ranked, scored and written in one piece."""

from __future__ import annotations

import platform
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from .._util.outputs import check_output_folder, replacing_folder
from .._util.redaction import redactor
from ..errors import MachineError, UserError
from ..experiment.comparison import rank_arm, realised_of, walks_of
from ..experiment.escalation import rule_of
from ..experiment.pools import GradedTask, gather, grade_pools, scorable
from ..experiment.ranking import Judging
from ..experiment.rewards import rewarder_of
from ..experiment.shards import grade_shard
from . import files
from .manifest import (
    RUN_ID,
    BenchmarkPart,
    ModelPart,
    SandboxCheck,
    SandboxPart,
    code_version,
    hardware,
    packages,
    ranker_part,
    reference_check_hash,
    sealed,
)
from .reading import RunFolder
from .report import report_of
from .results import GradedBenchmark, ks_of, results_of, terms_of
from .results_file import Results
from .rows import (
    ArmTimings,
    CandidateRow,
    RankerTimings,
    RankingRow,
    TestsRow,
    Timings,
    TokenRow,
    VerdictRow,
    tokens_of_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from .._util.progress import Progress
    from ..experiment.compressed import ComparedTokens
    from ..experiment.grading import Grader
    from ..experiment.pools import GradedArms, Pool
    from ..experiment.ranking import RankedTask, Rankings
    from ..experiment.samples import StageSamples
    from ..experiment.shards import ShardWork
    from ..rankers import Ranker
    from ..records import Candidate, Compression, GeneratedTests, Plan, Task
    from ..sampler.series import Tally
    from .board import Board, BoardFile
    from .results import PlannedBenchmark


class ArmInput(NamedTuple):
    """An arm's candidates of one benchmark and what made them; if drawn here, their cost, and tokens if compressed.

    `tests` are those that its limit pays for, by task id. Of a cascade, `stages` has what made each, `made_by` is about
    the first and `later_made_by` about the others.
    """

    candidates: Sequence[Candidate]
    made_by: ModelPart
    tally: Tally | None = None
    tokens: ComparedTokens | None = None
    stages: tuple[StageSamples, ...] = ()
    later_made_by: tuple[ModelPart, ...] = ()
    tests: Mapping[str, GeneratedTests] | None = None


class WrittenRun(NamedTuple):
    """A written run: its results and its id."""

    results: Results
    run_id: str


class StepTimes:
    """Seconds by step."""

    def __init__(self) -> None:
        self.started_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.steps: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the block as part of a step."""
        since = time.monotonic()
        try:
            yield
        finally:
            self.steps[name] = self.steps.get(name, 0.0) + time.monotonic() - since


class Making(NamedTuple):
    """A run's record of its making, besides what made its samples.

    Attributes:
        argv: The command line.
        conformance: The sandbox's examination; None if it was not examined.
        times: Seconds by step.
    """

    argv: Sequence[str]
    conformance: SandboxCheck | None
    times: StepTimes


def check_out(out: Path, *, typed: bool = True) -> None:
    """Refuse a place a run cannot take.

    Args:
        out: The run directory.
        typed: The user typed it; else it is the default.

    Raises:
        UserError: Something else is there, or as `check_output_folder`.
        MachineError: As `check_output_folder`.
    """
    if out.exists() and not files.is_run(out):
        raise UserError(f"{out} exists and is not a run; choose another folder with `out` DIR")
    check_output_folder(out, typed=typed)


def make_run(
    file: BoardFile,
    inputs: Sequence[tuple[PlannedBenchmark, Sequence[ArmInput]]],
    rankers: Mapping[str, Ranker],
    grader: Grader,
    out: Path,
    *,
    making: Making,
    progress: Progress,
    typed: bool = True,
) -> WrittenRun:
    """Grade, rank and score the candidates of a board, and write the run; `out` is replaced once it is complete.

    Args:
        file: The board.
        inputs: Its benchmarks, each with the input of every arm.
        rankers: By their names in the board, in its order.
        grader: Runs programs, through the store.
        out: The run directory.
        making: Its making; drawing is in its times already.
        progress: Told how far grading and ranking are.
        typed: The user typed `out`.

    Raises:
        UserError: No task of a benchmark can be scored for all arms.
        MachineError: The run cannot be written, or nothing can be scored because the sandbox failed.
    """
    board, times = file.board, making.times
    sections: list[GradedBenchmark] = []
    checks: list[BenchmarkPart] = []
    timings: list[ArmTimings] = []
    candidates, verdicts, rankings = list[CandidateRow](), list[VerdictRow](), list[RankingRow]()
    tokens, tests = list[TokenRow](), list[TestsRow]()
    for given, arms in inputs:
        mine = test_rows(given, arms)
        tests += mine
        planned = given._replace(
            compressions=compressions_of(given, token_rows(given, arms), board.seed), tests=tests_of(given, mine)
        )
        samples = [arm.candidates for arm in arms]
        wanted = planned.wanted(samples)
        with times.step("grading"):
            found = scorable(planned.benchmark, wanted, grader, allow_shared=board.sandbox.allow_shared)
            measured = grade_pools(found, grader)
        # From here on, verdicts are those of the rows, as for whoever verifies them.
        rows = verdict_rows(planned, measured)
        graded = gather(wanted, found, pools_of_rows(planned, measured, rows))
        with times.step("ranking"), _judging(board, rankers, grader, progress) as judging:
            ranked = rank_arms(board, planned, graded, judging)
        sections.append(GradedBenchmark(planned, graded, ranked))
        checks.append(
            BenchmarkPart(
                benchmark=planned.benchmark.name,
                spec=planned.spec,
                content_hash=planned.benchmark.content_hash,
                reference_check=reference_check_hash(found.checks),
            )
        )
        timings += _arm_timings(board, planned, arms, graded._replace(pools=measured), ranked)
        candidates += candidate_rows(planned, samples)
        verdicts += rows
        rankings += ranking_rows(sections[-1])
        tokens += token_rows(planned, arms)
    try:
        results = results_of(board, sections)
    except ValidationError as error:
        raise UserError(f"a run cannot contain these results: {_first(error)}; change the board") from None
    models = [part for _, arms in inputs for arm in arms for part in (arm.made_by, *arm.later_made_by)]
    timing = Timings(
        schema_version=files.SCHEMA_VERSION, started_at=times.started_at, steps=times.steps, arms=tuple(timings)
    )
    redact = redactor()
    results = Results.model_validate(redact.value(results.value()))
    with _written_whole(out, typed) as folder:
        (folder / files.BOARD).write_bytes(redact.data(file.text.encode()))
        files.write_rows(folder / files.CANDIDATES, (row.dump() for row in candidates))
        files.write_rows(folder / files.VERDICTS, (row.dump() for row in verdicts))
        files.write_rows(folder / files.RANKINGS, (row.dump() for row in rankings))
        if tokens:
            files.write_rows(folder / files.TOKENS, (row.dump() for row in tokens))
        if tests:
            files.write_rows(folder / files.TESTS, (row.dump() for row in tests))
        (folder / files.RESULTS).write_bytes(files.json_bytes(results.value()))
        (folder / files.REPORT).write_bytes(report_of(results).encode())
        (folder / files.TIMINGS).write_bytes(files.json_bytes(timing.value()))
        manifest = sealed(redact.value(_manifest(board, rankers, grader, making, checks, models, folder)))
        (folder / files.MANIFEST).write_bytes(files.json_bytes(manifest))
    return WrittenRun(results, manifest[RUN_ID])


def work_on_shard(
    file: BoardFile,
    inputs: Sequence[tuple[PlannedBenchmark, Sequence[ArmInput]]],
    rankers: Mapping[str, Ranker],
    grader: Grader,
    progress: Progress,
) -> list[ShardWork]:
    """Grade and rank the candidates of one part of a board's tasks into the store; no run is written.

    Args:
        file: The board.
        inputs: Its benchmarks, cut to the part, each with the input of every arm.
        rankers: By their names in the board, in its order.
        grader: Runs programs, through the store.
        progress: Told how far grading and ranking are.

    Raises:
        RankerError: A ranker failed.
        MachineError: The sandbox failed.
    """
    board = file.board
    works = []
    with _judging(board, rankers, grader, progress) as judging:
        for given, arms in inputs:
            planned = given._replace(tests=tests_of(given, test_rows(given, arms)))

            def rank(place: int, pool: Pool, tasks: Sequence[Task], planned: PlannedBenchmark = planned) -> Rankings:
                return _rank_arm(board, planned, planned.plans[place], pool, tasks, judging)

            wanted = planned.wanted([arm.candidates for arm in arms])
            works.append(grade_shard(planned.benchmark, wanted, judging, rank))
    return works


@contextmanager
def _judging(board: Board, rankers: Mapping[str, Ranker], grader: Grader, progress: Progress) -> Iterator[Judging]:
    with rewarder_of(grader.store) as rewarder:
        yield Judging(
            grader,
            rankers,
            rewarder=rewarder,
            allow_shared=board.sandbox.allow_shared,
            strict=True,
            seed=board.seed,
            progress=progress,
            rule=rule_of(board.selecting),
        )


def candidate_rows(planned: PlannedBenchmark, samples: Sequence[Sequence[Candidate]]) -> list[CandidateRow]:
    """Build all candidates' rows: tasks in the benchmark's order, then arms, then indices."""
    order = {task.id: place for place, task in enumerate(planned.benchmark.tasks)}
    listed = [
        (order[candidate.task_id], arm, candidate.index, candidate)
        for arm, candidates in enumerate(samples)
        for candidate in candidates
    ]
    listed.sort(key=lambda row: row[:3])
    return [
        CandidateRow.of(planned.benchmark.name, planned.plans[arm].arm.spec, candidate)
        for _, arm, _, candidate in listed
    ]


def token_rows(planned: PlannedBenchmark, arms: Sequence[ArmInput]) -> list[TokenRow]:
    """Build the rows of compressed arms' tokens: arm by arm, tasks in the benchmark's order."""
    return [
        row
        for plan, arm in zip(planned.plans, arms, strict=True)
        if arm.tokens is not None
        for row in TokenRow.all_of(planned.benchmark.name, plan.arm.spec, planned.benchmark.tasks, arm.tokens)
    ]


def test_rows(planned: PlannedBenchmark, arms: Sequence[ArmInput]) -> list[TestsRow]:
    """Build the rows of the tests that limits pay for: arm by arm, tasks in the benchmark's order."""
    return [
        TestsRow.of(planned.benchmark.name, plan.arm.spec, task.id, arm.tests[task.id])
        for plan, arm in zip(planned.plans, arms, strict=True)
        if plan.tests and arm.tests is not None
        for task in planned.benchmark.tasks
        if task.id in arm.tests
    ]


def tests_of(planned: PlannedBenchmark, rows: Sequence[TestsRow]) -> dict[str, dict[str, GeneratedTests]]:
    """Get a benchmark's tests back from rows, by the arm as typed and by task id."""
    found: dict[str, dict[str, GeneratedTests]] = {}
    for row in rows:
        if row.benchmark == planned.benchmark.name:
            found.setdefault(row.arm, {})[row.task_id] = row.tests()
    return found


def compressions_of(planned: PlannedBenchmark, rows: Sequence[TokenRow], seed: int) -> dict[str, Compression]:
    """Compute how compressed arms of a benchmark differ from their models, from their rows.

    Raises:
        UserError: The rows of an arm do not fit together, or are not those of the benchmark's tasks in their order.
    """
    tasks = [task.id for task in planned.benchmark.tasks]
    found = {}
    for plan in planned.plans:
        mine = [row for row in rows if (row.benchmark, row.arm) == (planned.benchmark.name, plan.arm.spec)]
        if not mine:
            continue
        if [row.task_id for row in mine] != tasks or len({len(row.base_ids) for row in mine}) > 1:
            raise UserError(f"the tokens of {plan.arm.spec} are not one row per task of {planned.benchmark.name}")
        found[plan.arm.spec] = tokens_of_rows(mine).compression(plan, seed)
    return found


def verdict_rows(planned: PlannedBenchmark, pools: Sequence[Pool]) -> list[VerdictRow]:
    """Build all verdicts' rows, in the order of the candidates'."""
    return [
        VerdictRow.of(planned.benchmark.name, plan.arm.spec, candidate, verdict)
        for task in planned.benchmark.tasks
        for plan, pool in zip(planned.plans, pools, strict=True)
        if task.id in pool
        for candidate, verdict in zip(pool[task.id].candidates, pool[task.id].verdicts, strict=True)
    ]


def pools_of_rows(planned: PlannedBenchmark, pools: Sequence[Pool], rows: Sequence[VerdictRow]) -> list[Pool]:
    """Give the candidates the verdicts of their rows."""
    verdicts = {(row.arm, row.task_id, row.index): row.verdict() for row in rows}
    return [
        {
            task_id: GradedTask(
                one.candidates, [verdicts[plan.arm.spec, task_id, candidate.index] for candidate in one.candidates]
            )
            for task_id, one in pool.items()
        }
        for plan, pool in zip(planned.plans, pools, strict=True)
    ]


def ranking_rows(section: GradedBenchmark) -> list[RankingRow]:
    """Build all rankings' rows: tasks in the benchmark's order, then arms, then rankers."""
    planned, graded, ranked = section
    return [
        RankingRow.of(planned.benchmark.name, plan.arm.spec, task.id, ranker, rows[place])
        for place, task in enumerate(graded.tasks)
        for plan, by_ranker in zip(planned.plans, ranked, strict=True)
        for ranker, rows in by_ranker.items()
    ]


def rank_arms(
    board: Board, planned: PlannedBenchmark, graded: GradedArms, judging: Judging
) -> list[dict[str, list[RankedTask]]]:
    """Rank all arms at the k each is scored at."""
    return [
        _rank_arm(board, planned, plan, pool, graded.tasks, judging).rows
        for plan, pool in zip(planned.plans, graded.pools, strict=True)
    ]


def _rank_arm(
    board: Board, planned: PlannedBenchmark, plan: Plan, pool: Pool, tasks: Sequence[Task], judging: Judging
) -> Rankings:
    judging = replace(judging, offers=planned.offers(board))
    return rank_arm(plan, pool, tasks, ks_of(board, plan, pool, tasks), judging, planned.workload)


def _arm_timings(
    board: Board,
    planned: PlannedBenchmark,
    arms: Sequence[ArmInput],
    graded: GradedArms,
    ranked: Sequence[Mapping[str, Sequence[RankedTask]]],
) -> list[ArmTimings]:
    realised = realised_of(
        [
            planned.arm_samples(plan)._replace(tally=arm.tally, stages=arm.stages)
            for plan, arm in zip(planned.plans, arms, strict=True)
        ],
        graded,
        terms_of(board, planned),
        [walks_of(rows) for rows in ranked],
    )
    return [
        ArmTimings(
            benchmark=planned.benchmark.name,
            arm=plan.arm.spec,
            realised=cost,
            rankers={name: RankerTimings(cost_s=_seconds(rows, plan.k)) for name, rows in by_ranker.items()},
            verdicts={
                task_id: tuple((one.cpu_s, one.wall_s, one.peak_bytes) for one in found.verdicts)
                for task_id, found in pool.items()
            },
        )
        for plan, cost, pool, by_ranker in zip(planned.plans, realised, graded.pools, ranked, strict=True)
    ]


def _seconds(rows: Sequence[RankedTask], k: int) -> float:
    """Time the ranking of k samples of a task, or of as many as a cascade ranks."""
    return sum(
        (row.ranking.usage.wall_s or 0.0) * (k if row.walk is None else row.walk.ranked) / len(row.ranking.scores)
        for row in rows
    ) / len(rows)


def _manifest(
    board: Board,
    rankers: Mapping[str, Ranker],
    grader: Grader,
    making: Making,
    checks: Sequence[BenchmarkPart],
    models: Sequence[ModelPart],
    folder: Path,
) -> dict[str, Any]:
    sandbox = SandboxPart(
        launcher=grader.sandbox.launcher.name,
        environment=grader.sandbox.environment(),
        limits=grader.sandbox.limits,
        allow_shared=board.sandbox.allow_shared,
        conformance=making.conformance,
    )
    return {
        "schema_version": files.SCHEMA_VERSION,
        "name": board.name,
        "codebudget": code_version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages(),
        "hardware": hardware(),
        "argv": list(making.argv),
        "seed": board.seed,
        "sandbox": sandbox.model_dump(mode="json"),
        "benchmarks": [part.model_dump(mode="json") for part in checks],
        "models": [part.model_dump(mode="json") for part in models],
        "rankers": {name: ranker_part(ranker).model_dump(mode="json") for name, ranker in rankers.items()},
        "files": {name: files.file_sha256(folder / name) for name in RunFolder(folder).there()},
    }


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}, not {found['input']}"


@contextmanager
def _written_whole(out: Path, typed: bool) -> Iterator[Path]:
    """Yield a folder that replaces `out` at the end, or is removed if that is not reached."""
    try:
        with replacing_folder(out, typed=typed) as folder:
            yield folder
    except MachineError as error:
        raise MachineError(f"{error}; then run the command again, which keeps what was drawn and graded") from None
