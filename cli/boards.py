"""From a board file to what its commands need: tasks, plans, rankers, a sandbox, and samples."""

from __future__ import annotations

import hashlib
import shlex
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import EngineError, MachineError, UserError
from .drawing import Drawing, check_engine, draw_arms, target_of_plan, with_ways
from .planning import Convention, Match, RegimeName, plan_from_options
from .progress import warn
from .samples import NamedArm, files_by_arm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .._util.progress import Progress
    from ..leaderboard.board import Board, BoardFile
    from ..leaderboard.manifest import SandboxCheck
    from ..leaderboard.results import PlannedBenchmark
    from ..leaderboard.run import ArmInput
    from ..rankers import Ranker
    from ..records import Limits, Plan
    from ..sampler.store import Store
    from ..sandbox import Sandbox
    from ..tasks import Benchmark
    from .planning import Planned

OFFERED = frozenset({"execution", "logprobs"})
"""What rankers of a board may need; see `rankers.Need`."""

_WAYS = "Or give recorded generations, as samples of the benchmark (see docs/leaderboard.md)"


def load_tasks(file: BoardFile) -> list[Benchmark]:
    """The benchmarks of a board, each cut to its first tasks where the board says so.

    Raises:
        UserError: There is none of that name; the message names the line.
        MachineError: It cannot be loaded here.
    """
    wholes = [load_whole(file, place) for place in range(len(file.board.benchmarks))]
    return [
        replace(whole, tasks=whole.tasks[: table.tasks])
        for whole, table in zip(wholes, file.board.benchmarks, strict=True)
    ]


def load_whole(file: BoardFile, place: int) -> Benchmark:
    """All tasks of a benchmark that a board names."""
    from ..tasks import load_benchmark

    table = file.board.benchmarks[place]
    with file.at("benchmarks", place, "name"):
        name = _beside(file, table.name) if _is_file(table.name) else table.name
        return load_benchmark(name, table.fields or None)


def calibration_of(file: BoardFile) -> str | None:
    """The calibration that a board names: a file of its folder, or one that comes with codebudget."""
    named = file.board.budget.calibration
    if named is None:
        return None
    path = _beside(file, named)
    return path if Path(path).is_file() else named


def plan_board(file: BoardFile, benchmarks: Sequence[Benchmark], calibration: str | None) -> list[PlannedBenchmark]:
    """Every benchmark of a board with its arms planned.

    Args:
        file: The board.
        benchmarks: Its benchmarks, in its order.
        calibration: Of runtimes: a file, or one that comes with codebudget; whatever the board says of it.

    Raises:
        UserError: An arm or the budget is wrong; the message names the line.
    """
    from ..leaderboard.results import PlannedBenchmark

    board = file.board
    for number, arm in enumerate(board.arms):
        with file.at("arms", number):
            _check_arm(arm, board.family)
    entries = []
    for table, benchmark in zip(board.benchmarks, benchmarks, strict=True):
        with file.at("budget"):
            planned = _planned(board, benchmark, calibration)
        entries.append(PlannedBenchmark(table.name, benchmark, planned.plans, planned.workload, planned.conditions))
    return entries


def _planned(board: Board, benchmark: Benchmark, calibration: str | None) -> Planned:
    budget = board.budget
    try:
        return plan_from_options(
            board.arms,
            family=board.family,
            match=None if budget.match is None else Match(budget.match),
            budget=budget.limit,
            benchmark=benchmark,
            prompt_tokens=budget.prompt_tokens,
            output_tokens=budget.output_tokens,
            convention=None if budget.convention is None else Convention(budget.convention),
            tolerance=budget.tolerance,
            hardware=budget.hardware,
            regime=RegimeName(budget.regime),
            calibration=calibration,
            usd_per_hour=budget.usd_per_hour,
            usd_per_mtok=budget.usd_per_mtok,
            concurrency=budget.concurrency,
        )
    except UserError:
        raise
    except (ArithmeticError, ValueError) as error:
        # Prices of 0 and of 1e308 dollars among others.
        raise UserError(f"costs cannot be computed of these amounts ({type(error).__name__}); change them") from None


def load_rankers(file: BoardFile) -> dict[str, Ranker]:
    """The rankers of a board, by name and in its order.

    Raises:
        UserError: There is none of a name; the message names the line.
    """
    loaded = {}
    for name in file.board.all_rankers:
        place = file.board.rankers.index(name) if name in file.board.rankers else 0
        with file.at("rankers", place):
            loaded[name] = offered_ranker(with_files(name, lambda path: _beside(file, path)))
    return loaded


def offered_ranker(typed: str) -> Ranker:
    """A ranker that needs nothing but what a board offers. Where a file is named it is loaded, and so run.

    Raises:
        UserError: There is no such ranker, or it needs more.
    """
    from ..rankers import load_ranker

    ranker = load_ranker(typed)
    lacking = sorted(ranker.needs - OFFERED)
    if lacking:
        raise UserError(f"{typed} needs {' and '.join(lacking)}, which a board does not offer; leave it out")
    return ranker


@contextmanager
def open_sandbox(name: str, limits: Limits, workers: int | None) -> Iterator[Sandbox]:
    """A sandbox as a board declares it.

    Raises:
        UserError: There is none of that name.
        MachineError: It does not work here.
    """
    from ..sandbox import Sandbox, choose_launcher

    choice = choose_launcher(name)
    for reason in choice.passed_over:
        warn(f"{reason}; taking the {choice.launcher.name} sandbox instead")
    if choice.launcher.name == "process":
        warn(f"the process sandbox is {choice.launcher.promise}")
    with Sandbox(choice.launcher, limits=limits, workers=workers) as sandbox:
        yield sandbox


def examined(sandbox: Sandbox, store: Store, progress: Progress) -> SandboxCheck:
    """What the corpus of attacks showed of the sandbox, out of the store where it was run here before."""
    from .._util.hashing import key_of
    from ..leaderboard.manifest import SandboxCheck
    from ..sandbox.conformance import conformance, corpus_digest

    kind, key = "conformance", key_of(sandbox.launcher.name, sandbox.environment(), corpus_digest())
    known: Mapping[str, Any] = store.records(kind, [key])
    if key in known:
        return SandboxCheck.model_validate(known[key])
    report = conformance(sandbox.launcher, progress)
    found = SandboxCheck(
        result_hash=report.result_hash,
        corpus=report.corpus,
        ok=report.count("ok"),
        not_promised=report.count("not promised"),
        failed=report.count("FAILED"),
    )
    if not report.holds:
        raise MachineError(
            f"the {report.launcher} sandbox does not hold what it promises ({found.failed} programs of the corpus); "
            "see codebudget sandbox check, or choose another launcher in the board"
        )
    store.put_records(kind, {key: found.model_dump(mode="json")})
    return found


def drawing_of(file: BoardFile, fresh: bool) -> Drawing:
    """How a board's samples are drawn, as the options of `sample` say it.

    Raises:
        UserError: There is no such preset.
    """
    sampling = file.board.sampling
    drawing = Drawing(
        engine=sampling.engine,
        preset=sampling.preset,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        stop_after=None,
        seed=file.board.seed,
        fresh=fresh,
    )
    for table in file.board.benchmarks:
        with file.at("sampling"):
            drawing.settings(table.name)
    return drawing


def check_draws(file: BoardFile, entries: Sequence[PlannedBenchmark], drawing: Drawing) -> None:
    """Find out early whether what is to be drawn can be."""
    missing = [plan for place, entry in enumerate(entries) for plan in _to_draw(file, place, entry)]
    if not missing:
        return
    with file.at("sampling", "engine"):
        try:
            check_engine(drawing)
        except EngineError as error:
            raise with_ways(error, _WAYS) from None
    for plan in missing:
        with file.at("arms", file.board.arms.index(plan.arm.spec)):
            target_of_plan(plan)


def arm_inputs(
    file: BoardFile, place: int, entry: PlannedBenchmark, drawing: Drawing, store: Store, progress: Progress
) -> list[ArmInput]:
    """The samples of every arm: those of its files, or those that are drawn or in the store."""
    from ..leaderboard.manifest import ModelPart, SampleFile
    from ..leaderboard.run import ArmInput
    from ..sampler.files import read_samples

    inputs: dict[str, ArmInput] = {}

    def part(plan: Plan, **fields: Any) -> ModelPart:
        return ModelPart(
            arm=plan.arm.spec,
            benchmark=entry.benchmark.name,
            model=plan.model,
            precision=plan.precision,
            **fields,
        )

    plans = {plan.arm.spec: plan for plan in entry.plans}
    for spec, patterns in _files(file, place, entry).items():
        with file.at("benchmarks", place, "samples"):
            # Files may hold samples of tasks that the board leaves out.
            read = read_samples(patterns, load_whole(file, place).by_id, spec)
        kept = [candidate for candidate in read.candidates if candidate.task_id in entry.benchmark.by_id]
        missing = set(read.missing) & set(entry.benchmark.by_id)
        if missing:
            warn(f"{spec}: no sample for {len(missing)} of {len(entry.benchmark.tasks)} tasks; they are left out")
        named = tuple(
            SampleFile(name=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest()) for path in read.files
        )
        inputs[spec] = ArmInput(kept, part(plans[spec], source="files", files=named))
    targets = [target_of_plan(plan) for plan in _to_draw(file, place, entry)]
    if targets:
        try:
            drawn = draw_arms(targets, entry.benchmark.tasks, drawing, store, entry.conditions, progress)
        except MachineError as error:
            raise with_ways(error, _WAYS) from None
        for target, arm in zip(targets, drawn.arms, strict=True):
            description, origin = arm.series.origin.description, arm.series.origin
            made_by = part(
                plans[target.arm.spec],
                source="drawn",
                engine=description.engine,
                engine_version=description.engine_version,
                revision=description.revision,
                device=description.device,
                exact=description.exact,
                seed=origin.seed,
                settings=origin.settings,
            )
            tally = arm.series.tally if arm.series.tally.samples else None
            inputs[target.arm.spec] = ArmInput(arm.candidates, made_by, tally)
    return [inputs[plan.arm.spec] for plan in entry.plans]


def _to_draw(file: BoardFile, place: int, entry: PlannedBenchmark) -> list[Plan]:
    found = _files(file, place, entry)
    return [plan for plan in entry.plans if plan.arm.spec not in found]


def _files(file: BoardFile, place: int, entry: PlannedBenchmark) -> dict[str, list[str]]:
    options = [
        f"{arm}={_beside(file, name)}" for arm, names in file.board.benchmarks[place].samples.items() for name in names
    ]
    with file.at("benchmarks", place, "samples"):
        return files_by_arm(options, [NamedArm(plan.arm, plan.precision) for plan in entry.plans])


def with_files(typed: str, place: Callable[[str], str]) -> str:
    """A ranker as typed, with the file of every link that has one put where `place` says.

    Raises:
        UserError: It is not of the form of a ranker, or `place` raises it.
    """
    from ..rankers.specs import parse

    links = []
    for link in parse(typed):
        path, colon, name = link.name.rpartition(":")
        parameters = [f"{key}={value}" for key, value in link.parameters.items()]
        links.append(",".join([f"{place(path)}:{name}" if colon else link.name, *parameters]))
    return "+".join(links)


def verify_command(file: BoardFile, run: Path) -> str:
    """What to type to verify a run of a board, with the files that nobody opens who does not name them."""
    named = [("--benchmark-file", table.name) for table in file.board.benchmarks if _is_file(table.name)]

    def keep(path: str) -> str:
        named.append(("--ranker-file", path))
        return path

    for ranker in file.board.all_rankers:
        with_files(ranker, keep)
    calibration = file.board.budget.calibration
    if calibration is not None and Path(_beside(file, calibration)).is_file():
        named.append(("--calibration-file", calibration))
    options = [word for option, path in dict.fromkeys(named) for word in (option, _beside(file, path))]
    return shlex.join(["codebudget", "leaderboard", "verify", str(run), *options])


def _is_file(benchmark: str) -> bool:
    return benchmark.endswith((".jsonl", ".json", ".gz", ".parquet"))


def _beside(file: BoardFile, name: str) -> str:
    """A path that a board names, which is relative to the board's folder."""
    return str(file.path.parent / Path(name).expanduser())


def _check_arm(arm: str, family: str) -> None:
    from ..budgets.arms import parse_arm
    from ..budgets.models import find_model

    find_model(parse_arm(arm).name, family)
