"""A board file -> the needs of its run: tasks, plans, rankers, a sandbox, and samples."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .._util.hashing import key_of
from .._util.progress import notice
from ..budgets.costs import Conditions
from ..budgets.notation import parse_arm
from ..budgets.plan import priced_model
from ..budgets.realised import limiting_kinds
from ..errors import EngineError, MachineError, UserError
from ..experiment import planning
from ..experiment.choosing import offered_tests
from ..experiment.compressed import Comparing, compared_tokens
from ..experiment.drawing import ArmDrawer, Session, sampling_settings
from ..experiment.escalation import rule_of
from ..experiment.matching import match_arms
from ..experiment.ranking import Judging
from ..experiment.rewards import check_rewards
from ..experiment.samples import ArmSamples, files_by_arm, named_arms, with_ways
from ..experiment.selected import FROM, planned_tests
from ..experiment.shards import check_given
from ..experiment.targets import check_engine, check_servable, target_of_plan
from ..rankers import check_scripts, load_ranker
from ..rankers.registry import data_file_of, parse_specs
from ..sampler.files import read_samples
from ..sampler.stored import keeping_programs
from ..sandbox.conformance import conformance, corpus_digest
from ..settings import AUTO, RECORDED
from ..tasks import load_benchmark
from ..tasks.boards import split_spec
from .manifest import LengthsPart, ModelPart, SampleFile, SandboxCheck
from .results import PlannedBenchmark
from .results_file import MOST_AMOUNT
from .run import ArmInput

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from .._util.progress import Progress
    from ..budgets.costs import PlannedTests
    from ..experiment.compressed import ComparedTokens
    from ..experiment.grading import Grader
    from ..experiment.planning import Planned
    from ..experiment.shards import Shard
    from ..rankers import Ranker
    from ..records import GeneratedTests, Plan
    from ..sampler.files import Texts
    from ..sampler.store import Store
    from ..sandbox import Sandbox
    from ..settings import Drawing, Selecting
    from ..tasks import Benchmark
    from .board import Board, BoardFile

OFFERED = frozenset({"execution", "logprobs", "reward"})
"""Needs that a board's rankers may have; see `rankers.Need`."""

_WAYS = "Or give recorded generations, as samples of the benchmark (see docs/leaderboard.md)"


def load_benchmarks(file: BoardFile) -> list[Benchmark]:
    """Load a board's benchmarks, each cut to its first tasks if the board says so.

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
    """Load all tasks of a board's benchmark."""
    table = file.board.benchmarks[place]
    with file.at("benchmarks", place, "name"):
        board = split_spec(table.name)
        if board is not None:
            name = f"{board[0]}:{_beside(file, board[1])}" if board[1] else board[0]
        else:
            name = _beside(file, table.name) if _is_file(table.name) else table.name
        return load_benchmark(name, table.fields or None, **table.slicing)


def calibration_of(file: BoardFile) -> str | None:
    """Find a board's calibration: a file in its folder, or one that comes with codebudget."""
    named = file.board.budget.calibration
    if named is None:
        return None
    path = _beside(file, named)
    return path if Path(path).is_file() else named


def plan_board(
    file: BoardFile, benchmarks: Sequence[Benchmark], calibration: str | None, closed: Collection[str] = ()
) -> list[PlannedBenchmark]:
    """Plan the arms of a board's benchmarks.

    Args:
        file: The board.
        benchmarks: Its benchmarks, in its order.
        calibration: Of runtimes: a file, or one that comes with codebudget; overrides the board's.
        closed: Models to plan by their price without looking them up.

    Raises:
        UserError: An arm or the budget is wrong; the message names the line.
    """
    board = file.board
    with file.at("budget"):
        if board.budget.prices is not None:
            raise UserError(
                "`prices` names a file, but whoever verifies a run has only its board: write the prices here, such "
                'as usd_per_mtok = ["MODEL=IN,OUT,CACHED"]'
            )
        conditions = Conditions(prices=planning.prices_of(board.budget), closed=frozenset(closed))
    for number, arm in enumerate(board.arms):
        with file.at("arms", number):
            parsed = parse_arm(arm)
            for single in parsed.stages or (parsed,):
                priced_model(single, board.family, conditions)
    with file.at("tests"):
        tests = planned_tests(board.selecting, board.arms, benchmarks)
        for author in () if tests is None else tests.authors.values():
            priced_model(author, board.family, conditions)
    found = []
    for table, benchmark in zip(board.benchmarks, benchmarks, strict=True):
        with file.at("budget"):
            planned = _planned(board, benchmark, calibration, closed, tests)
            _check_repeats(planned)
        found.append(PlannedBenchmark(table.name, benchmark, planned, planned.plans))
    return found


def _check_repeats(planned: Planned) -> None:
    """Refuse an open k that measured seconds would decide, since they differ between runs."""
    limiting = limiting_kinds(planned.settings.match, planned.budget)
    if "runtime" not in limiting or not planned.measures:
        return
    for plan in planned.plans:
        if plan.arm.k is None:
            raise UserError(
                f"on a board matched by runtime, every arm must give its k, since the seconds of a pilot differ "
                f"between runs: write {plan.arm.spec}:K, such as {plan.arm.spec}:{plan.k}"
            )


def _planned(
    board: Board,
    benchmark: Benchmark,
    calibration: str | None,
    closed: Collection[str],
    tests: PlannedTests | None,
) -> Planned:
    settings = board.budget.model_copy(update={"calibration": calibration})
    try:
        planned = planning.plan(
            board.arms,
            settings,
            family=board.family,
            benchmark=benchmark,
            closed=closed,
            to_measure=True,
            tests=tests,
        )
    except UserError:
        raise
    except (ArithmeticError, ValueError) as error:
        # Prices of 0 and of 1e308 dollars among others.
        raise UserError(f"costs cannot be computed from these amounts ({type(error).__name__}); change them") from None
    _check_amounts(planned.plans)
    return planned


def _check_amounts(plans: Sequence[Plan]) -> None:
    amounts = [value for plan in plans for _, value in plan.cost if value is not None]
    if max(amounts, default=0.0) > MOST_AMOUNT:
        raise UserError(f"a cost exceeds {MOST_AMOUNT:g}, the maximum in results; change these amounts")


def rankers_of_board(file: BoardFile) -> dict[str, Ranker]:
    """Load a board's rankers, by name, in its order.

    Raises:
        UserError: A name has no ranker, or there is no such reward model; the message names the line.
        MachineError: A reward model or its engine is not here.
    """
    loaded = {}
    for name in file.board.selecting.bounded:
        with file.at(*_place_of(file, name)):
            offered = OFFERED | ({"tests"} if pays_for_tests(file.board) else frozenset())
            loaded[name] = offered_ranker(with_files(name, lambda path: _beside(file, path)), offered)
            check_rewards([loaded[name]])
    return loaded


def _check_rankers(file: BoardFile, rankers: Mapping[str, Ranker], benchmarks: Sequence[PlannedBenchmark]) -> None:
    for name, ranker in rankers.items():
        with file.at(*_place_of(file, name)):
            for planned in benchmarks:
                check_scripts(ranker, planned.benchmark.tasks, planned.benchmark.name)


def _place_of(file: BoardFile, name: str) -> tuple[str | int, ...]:
    if name not in file.board.rankers and file.board.select is not None:
        return ("select",)
    return "rankers", file.board.rankers.index(name) if name in file.board.rankers else 0


def pays_for_tests(board: Board) -> bool:
    """Whether each arm that is ranked has tests: a number of them is chosen, and no table says none."""
    return board.select not in (None, AUTO)


def offered_ranker(typed: str, offered: Collection[str] = OFFERED) -> Ranker:
    """Load a ranker that needs only what a board offers. If a file is named, it is loaded, and so run.

    Raises:
        UserError: There is no such ranker, or it needs more.
    """
    ranker = load_ranker(typed)
    lacking = sorted(ranker.needs - frozenset(offered))
    if lacking:
        raise UserError(f"{typed} needs {' and '.join(lacking)}, which a board does not offer; remove it")
    return ranker


def examined(sandbox: Sandbox, store: Store, progress: Progress) -> SandboxCheck:
    """Run the corpus of attacks on the sandbox, or take its result from the store if it ran here before."""
    kind, key = "conformance", key_of(sandbox.launcher.name, sandbox.environment(), corpus_digest())
    known: Mapping[str, Any] = store.records(kind, [key])
    if key in known:
        return SandboxCheck.model_validate(known[key])
    # Of a cluster, the sandbox of every node.
    for report in sandbox.examine() if hasattr(sandbox, "examine") else [conformance(sandbox.launcher, progress)]:
        found = SandboxCheck(
            result_hash=report.result_hash,
            corpus=report.corpus,
            ok=report.count("ok"),
            not_promised=report.count("not promised"),
            failed=report.count("FAILED"),
        )
        if not report.holds:
            raise MachineError(
                f"the {report.launcher} sandbox does not keep its promises ({found.failed} programs of the corpus); "
                "see codebudget sandbox check, or choose another launcher in the board"
            )
    store.put_records(kind, {key: found.model_dump(mode="json")})
    return found


def drawing_of(file: BoardFile) -> Drawing:
    """Get a board's drawing settings.

    Raises:
        UserError: There is no such preset.
    """
    drawing = file.board.sampling
    for table in file.board.benchmarks:
        with file.at("sampling"):
            sampling_settings(drawing, table.name)
    return drawing


def check_draws(file: BoardFile, benchmarks: Sequence[PlannedBenchmark], drawing: Drawing) -> None:
    """Check early that what is to be drawn can be.

    Raises:
        UserError: There is no such engine, or nothing is known of a model's weights.
        MachineError: The engine or the weights are not here.
    """
    lacking = [_to_draw(file, place, planned) for place, planned in enumerate(benchmarks)]
    missing = [plan for plans in lacking for plan in plans]
    if not missing:
        return
    for planned, plans in zip(benchmarks, lacking, strict=True):
        for plan in plans:
            with file.at("arms", _place_of_arm(file, plan.arm.spec)):
                check_servable([target_of_plan(plan)], drawing.engine, planned.conditions)
    with file.at("sampling", "engine"):
        try:
            check_engine(drawing.engine)
        except EngineError as error:
            raise with_ways(error, _WAYS) from None


def _place_of_arm(file: BoardFile, spec: str) -> int:
    """Find a single arm, or the cascade that has it as a stage."""
    arms = [parse_arm(arm) for arm in file.board.arms]
    return next(place for place, arm in enumerate(arms) if spec in [single.spec for single in arm.stages or (arm,)])


class PreparedBoard(NamedTuple):
    """A board with all that can be known before anything is drawn or run.

    Attributes:
        file: The board.
        benchmarks: Its benchmarks, planned.
        rankers: By their names in the board, in its order.
        drawing: How its samples are drawn.
    """

    file: BoardFile
    benchmarks: Sequence[PlannedBenchmark]
    rankers: Mapping[str, Ranker]
    drawing: Drawing


def prepare_board(file: BoardFile) -> PreparedBoard:
    """Load and plan what a board names, and refuse what cannot run.

    Args:
        file: The board, which is its runner's own: rankers in files it names are loaded.

    Raises:
        UserError: The board is wrong; the message names the line.
        MachineError: Something that it names is not here.
    """
    benchmarks = plan_board(file, load_benchmarks(file), calibration_of(file))
    rankers = rankers_of_board(file)
    _check_rankers(file, rankers, benchmarks)
    drawing = drawing_of(file)
    check_draws(file, benchmarks, drawing)
    return PreparedBoard(file, benchmarks, rankers, drawing)


def shard_of_board(prepared: PreparedBoard, shard: Shard) -> PreparedBoard:
    """Keep one part of each benchmark's tasks.

    Raises:
        UserError: An arm leaves k open, a cascade's threshold is to be fitted, or there are fewer tasks than parts;
            the message names the line.
    """
    file = prepared.file
    rule = rule_of(file.board.selecting)
    for place, text in enumerate(file.board.arms):
        with file.at("arms", place):
            check_given(shard, [parse_arm(text)], rule)
    parts = []
    for place, planned in enumerate(prepared.benchmarks):
        with file.at("benchmarks", place):
            parts.append(planned._replace(benchmark=shard.of(planned.benchmark)))
    return prepared._replace(benchmarks=parts)


def samples_of(
    prepared: PreparedBoard,
    store: Store,
    progress: Progress,
    *,
    fresh: bool = False,
    grader: Grader | None = None,
    ray: str | None = None,
) -> list[tuple[PlannedBenchmark, list[ArmInput]]]:
    """Get samples for the arms of every benchmark of a board: from their files, the store, or drawn.

    Args:
        prepared: The board.
        store: Where drawn samples are kept.
        progress: Told how far drawing is.
        fresh: Draw again what the store has.
        grader: Runs the programs that cascades decide by.
        ray: The cluster that draws; None for this machine.

    Raises:
        UserError: A file of samples is wrong; the message names the line.
        MachineError: An engine or the store failed.
    """
    board = prepared.file.board
    session = Session(prepared.drawing, store, board.seed, fresh, family=board.family, ray=ray)
    judging = None
    if grader is not None:
        judging = Judging(grader, {}, seed=board.seed, progress=progress, rule=rule_of(board.selecting))
    found = []
    for place, planned in enumerate(prepared.benchmarks):
        inputs = _read_inputs(prepared.file, place, planned, keeping_programs(store, fresh=fresh))
        recorded = {spec: read.candidates for spec, read in inputs.items()}
        missing = _to_draw(prepared.file, place, planned)
        drawer = ArmDrawer(session, planned.conditions, progress) if missing else None
        try:
            # By bytes, since a verifier may lack the tokenizer.
            arms = match_arms(planned.terms, planned.benchmark, recorded, drawer, judging=judging)
        except MachineError as error:
            raise with_ways(error, _WAYS) from None
        tokens: Mapping[str, ComparedTokens] = {}
        if session.drawing.engine != RECORDED:
            texts = [task.prompt for task in planned.benchmark.tasks]
            tokens = compared_tokens(arms, Comparing(texts, store, session.making, progress))
        pilot_ks = {arm.plan.arm.spec: arm.pilot_k for arm in arms if arm.pilot_k is not None}
        final = planned._replace(plans=[arm.plan for arm in arms], pilot_ks=pilot_ks)
        _check_amounts(final.plans)
        made = [
            _input_of_cascade(final, arm, inputs)
            if arm.plan.stages
            else _input(final, arm, inputs.get(arm.plan.arm.spec))
            for arm in arms
        ]
        given: list[Mapping[str, GeneratedTests] | None] = [None] * len(arms)
        if board.select is not None:
            running = session.making.model_copy(update={"fresh": fresh, "ray": ray})
            selecting = _with_files_beside(prepared.file)
            with prepared.file.at("tests"):
                given = offered_tests(
                    arms,
                    planned.benchmark,
                    session.drawing,
                    selecting,
                    running,
                    progress,
                    prices=planned.conditions.prices,
                    store=store,
                )
        kept = [
            one._replace(tokens=tokens.get(arm.plan.arm.spec), tests=tests)
            for arm, one, tests in zip(arms, made, given, strict=True)
        ]
        found.append((final, kept))
    return found


def _with_files_beside(file: BoardFile) -> Selecting:
    """Get a board's choice of rankers, with files of tests in its folder."""

    def placed(text: str) -> str:
        name, equals, what = text.partition("=")
        if not equals or Path(_beside(file, text)).exists():
            return _beside(file, text)
        return text if what.startswith(FROM) else f"{name}={_beside(file, what)}"

    selecting = file.board.selecting
    return selecting.model_copy(update={"tests": [placed(text) for text in selecting.tests]})


def _read_inputs(
    file: BoardFile, place: int, planned: PlannedBenchmark, extract: Callable[[Sequence[Texts]], list[list[str]]]
) -> dict[str, ArmInput]:
    """Read a benchmark's arms that have files of samples; tasks without any are told as a notice."""
    inputs = {}
    plans = {single.arm.spec: single for plan in planned.plans for single in plan.single}
    tasks = planned.benchmark.by_id
    for spec, patterns in _files(file, place, planned).items():
        with file.at("benchmarks", place, "samples"):
            # Files may hold samples of tasks that the board leaves out.
            read = read_samples(patterns, load_whole(file, place).by_id, spec, extract=extract)
        for line in read.remarks:
            notice(f"{spec}: {line}")
        missing = set(read.missing) & set(tasks)
        if missing:
            notice(f"{spec}: no samples for {len(missing)} of {len(tasks)} tasks; they are left out")
        files = tuple(
            SampleFile(name=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest()) for path in read.files
        )
        kept = [candidate for candidate in read.candidates if candidate.task_id in tasks]
        inputs[spec] = ArmInput(kept, _made_by(planned, plans[spec], source="files", files=files))
    return inputs


def _input_of_cascade(planned: PlannedBenchmark, arm: ArmSamples, read: Mapping[str, ArmInput]) -> ArmInput:
    """Make a cascade's input: each stage has its maker, its k and its lengths."""
    parts = []
    for place, (plan, stage) in enumerate(zip(arm.plan.stages, arm.stages, strict=True)):
        files = read.get(plan.arm.spec)
        if files is None and stage.series is None:
            # Nothing reached it, so nothing made samples.
            part = _made_by(planned, plan, source="drawn", k=plan.k)
        else:
            single = ArmSamples(plan, (), stage.tally, series=stage.series)
            part = _input(planned, single, files).made_by
        parts.append(part.model_copy(update={"arm": arm.plan.arm.spec, "stage": place}))
    return ArmInput(arm.candidates, parts[0], stages=arm.stages, later_made_by=tuple(parts[1:]))


def _input(planned: PlannedBenchmark, arm: ArmSamples, read: ArmInput | None) -> ArmInput:
    """Make an arm's input, with its k and the lengths that this follows from."""
    plan = arm.plan
    k_by = {"k": plan.k, "pilot_k": arm.pilot_k, "lengths": plan.workload and LengthsPart.of(plan.workload)}
    if read is not None:
        return read._replace(made_by=read.made_by.model_copy(update=k_by))
    assert arm.series is not None
    origin, description = arm.series.origin, arm.series.origin.description
    made_by = _made_by(
        planned,
        plan,
        source="drawn",
        engine=description.engine,
        engine_version=description.engine_version,
        revision=description.revision,
        device=description.device,
        exact=description.exact,
        seed=origin.seed,
        settings=origin.settings,
        **k_by,
    )
    return ArmInput(arm.candidates, made_by, arm.tally)


def _made_by(planned: PlannedBenchmark, plan: Plan, **fields: Any) -> ModelPart:
    return ModelPart(
        arm=plan.arm.spec, benchmark=planned.benchmark.name, model=plan.model, precision=plan.precision, **fields
    )


def _to_draw(file: BoardFile, place: int, planned: PlannedBenchmark) -> list[Plan]:
    found = _files(file, place, planned)
    return [single for plan in planned.plans for single in plan.single if single.arm.spec not in found]


def _files(file: BoardFile, place: int, planned: PlannedBenchmark) -> dict[str, list[str]]:
    table = file.board.benchmarks[place]
    samples = {arm: [_beside(file, name) for name in names] for arm, names in table.samples.items()}
    with file.at("benchmarks", place, "samples"):
        return files_by_arm(samples, named_arms(planned.plans))


def with_files(typed: str, place: Callable[[str], str]) -> str:
    """Rewrite a ranker as typed, with each link's file, of code or of data, replaced as `place` says.

    Raises:
        UserError: It does not have a ranker's form, or `place` raises it.
    """
    links = []
    for link in parse_specs(typed):
        path, colon, name = link.name.rpartition(":")
        data = data_file_of(link)
        given = link.parameters if data is None else link.parameters | {data.parameter: place(data.path)}
        parameters = [f"{key}={value}" for key, value in given.items()]
        links.append(",".join([f"{place(path)}:{name}" if colon else link.name, *parameters]))
    return "+".join(links)


def files_to_name(file: BoardFile) -> list[tuple[str, str]]:
    """List files that verifiers of a board's run must name, each with its field of `verify.trust.Named`."""
    specs = [(table.name, split_spec(table.name)) for table in file.board.benchmarks]
    names = [board[1] if board is not None else name for name, board in specs]
    found = [("benchmark_files", name) for name in names if _is_file(name)]

    def keep(path: str) -> str:
        found.append(("ranker_files", path))
        return path

    for ranker in file.board.selecting.bounded:
        with_files(ranker, keep)
    calibration = file.board.budget.calibration
    if calibration is not None and Path(_beside(file, calibration)).is_file():
        found.append(("calibration_file", calibration))
    return [(field, _beside(file, path)) for field, path in dict.fromkeys(found)]


def _is_file(benchmark: str) -> bool:
    return benchmark.endswith((".jsonl", ".json", ".gz", ".parquet"))


def _beside(file: BoardFile, name: str) -> str:
    """Resolve a path of a board, relative to the board's folder."""
    return str(file.path.parent / Path(name).expanduser())
