"""The run of a study: makes, draws, grades and scores one checkpoint after another, and keeps each row as it ends."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ..._util.hashing import key_of, record_text
from ..._util.progress import Progress, notice
from ...budgets.realised import flops_of_samples
from ...compression.compressor import INSTALL, is_installed, needs_calibration
from ...compression.folding import fold, key_of_folded
from ...compression.quantise import Source, key_of_checkpoint
from ...errors import CodebudgetError, MachineError, UserError
from ...records import Arm
from ...sampler.drawing import DrawRequest, draw_samples
from ...sampler.late import LateEngine, StaleDescriptionError, circumstances
from ...sandbox import Sandbox
from ..compressed import base_tokens, choices_along
from ..drawing import sampling_settings, starter
from ..grading import Grader, Submission, chosen_launcher, why_unfit
from ..planning import load_tasks
from ..quantising import CHECKPOINTS, calibration_of, place_of, quantise, read_texts, source_of
from ..targets import Target, check_engine
from ..workspace import open_workspace
from .board import REFERENCES
from .perplexity import perplexity, pieces_of, solutions_of
from .planned import checkpoints_of
from .rows import StepSeconds, StudyRow, open_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...compression.calibration import Calibration
    from ...compression.divergence import Along, BaseTokens
    from ...records import Candidate
    from ...sampler.drawing import Drawn
    from ...sampler.engine import TokenEngine
    from ...sampler.prompting import Settings
    from ...sampler.store import Store
    from ...settings import Running
    from ...tasks import Benchmark
    from .board import StudyFile
    from .perplexity import Perplexity, Piece
    from .planned import Checkpoint
    from .rows import RowFile

STUDIES: Final = Path(".codebudget") / "studies"
"""Where studies lie unless a folder is named."""


class Finished(NamedTuple):
    """A study's rows in the board's order, and why other checkpoints have none, by their names."""

    rows: list[StudyRow]
    failures: dict[str, str]


class _Loaded(NamedTuple):
    """What an engine loads: a folder or a hub id, at a precision, and the bytes of its tensors and files."""

    weights: str
    precision: str
    tensor_bytes: int | None = None
    file_bytes: int | None = None


class _Measured(NamedTuple):
    sampled: Drawn
    greedy: Drawn
    texts: Perplexity
    base_tokens: BaseTokens | None
    along: Along | None
    drawing_s: float
    scoring_s: float
    comparing_s: float
    device: str


def run_study(file: StudyFile, folder: Path, running: Running, progress: Progress) -> Finished:
    """Make every row of a study that its folder lacks.

    Samples and verdicts go to the store, checkpoints to their own place, and each row to the folder as it ends, so that
    an interrupted study goes on where it was.

    Args:
        file: The board.
        folder: Where the rows are.
        running: The store, whether rows are made again, and the interpreter that makes checkpoints; the board has the
            family and the seed.
        progress: Told how far it is.

    Raises:
        UserError: The board asks for something impossible.
        MachineError: An unquantised model cannot be measured, no sandbox works, or llm-compressor is missing.
    """
    listed = checkpoints_of(file)
    with file.at("sampling"):
        check_engine(file.board.sampling.engine)
    study = _Study(file, running)
    keys = [study.key(one) for one in listed]
    with open_rows(folder) as opened:
        known = {} if running.fresh else {key: row for key, row in opened.rows().items() if not row.sandbox_errors}
        missing = [(one, key) for one, key in zip(listed, keys, strict=True) if key not in known]
        study.check_makeable([one for one, _ in missing])
        failures: dict[str, str] = {}
        study.bases = {
            one.model.name: tokens
            for one, key in zip(listed, keys, strict=True)
            if key in known and (tokens := known[key].base_tokens) is not None
        }
        if missing:
            with study.opened(progress) as grader:
                _make(study, missing, opened, grader, failures, progress)
        rows = opened.rows()
    return Finished([rows[key] for key in keys if key in rows], failures)


def _make(
    study: _Study,
    missing: Sequence[tuple[Checkpoint, str]],
    opened: RowFile,
    grader: Grader,
    failures: dict[str, str],
    progress: Progress,
) -> None:
    """Make rows one after another; says after each how long the others will take at that pace."""
    started = time.monotonic()
    for done, (one, key) in enumerate(missing, 1):
        name = one.label if one.seed is None else f"{one.label}, calibration seed {one.seed}"
        try:
            row = study.row(one, key, grader, progress)
        except CodebudgetError as error:
            # What one recipe meets, such as an engine that cannot load it, need not end the others.
            if one.recipe is None:
                raise
            failures[name] = str(error)
            notice(f"{name} cannot be measured: {error}")
            continue
        opened.append(row)
        if row.base_tokens is not None:
            study.bases[row.model] = row.base_tokens
        took = time.monotonic() - started
        left = "" if done == len(missing) else f"; about {_duration(took / done * (len(missing) - done))} left"
        notice(f"{done} of {len(missing)}: {name} took {_duration(row.seconds.total)}{left}")


class _Study:
    """What all rows of a study share."""

    def __init__(self, file: StudyFile, running: Running) -> None:
        board = file.board
        self._file = file
        self._board = board
        self._running = running
        with file.at("benchmark"):
            self._benchmark: Benchmark = load_tasks(board.benchmark, board.family, tasks=board.tasks)
            if not all(task.is_gradable for task in self._benchmark.tasks):
                raise UserError(
                    f"{self._benchmark.name} has tasks without hidden tests, or without a solution or time limit, so "
                    "that nothing can be graded: choose another benchmark"
                )
        with file.at("sampling"):
            self._settings: Settings = sampling_settings(board.sampling, self._benchmark.name)
        self._pieces: list[Piece] = self._texts()
        self._sources: dict[str, Source] = {}
        self._calibrations: dict[tuple[str, int], Calibration] = {}
        self._announced: set[str] = set()
        self._store: Store | None = None
        self.bases: dict[str, BaseTokens] = {}

    @contextmanager
    def opened(self, progress: Progress) -> Iterator[Grader]:
        """Open the store and the sandbox."""
        table = self._board.sandbox
        with self._file.at("sandbox"):
            launcher = chosen_launcher(table.launcher)
        with (
            open_workspace(self._running.store) as store,
            Sandbox(launcher, limits=table.limits.limits(), workers=table.workers) as sandbox,
        ):
            self._store = store
            yield Grader(sandbox, store, progress, fresh=self._running.fresh)

    def key(self, one: Checkpoint) -> str:
        """Hash what a row is made of and how it is measured."""
        return key_of("study row", self._board.form, self._checkpoint_key(one, self._source(one)), self._terms)

    @cached_property
    def _terms(self) -> str:
        """Hash what all rows are measured by."""
        board = self._board
        return key_of(
            *(record_text(task) for task in self._benchmark.tasks),
            *(part for piece in self._pieces for part in piece),
            record_text(self._settings),
            board.sampling.engine,
            board.samples,
            board.tokens,
            board.seed,
            board.sandbox.model_dump_json(exclude={"launcher", "workers", "check"}),
        )

    def check_makeable(self, missing: Sequence[Checkpoint]) -> None:
        """Refuse a study whose checkpoints cannot be made, before the first one takes its hour.

        Raises:
            MachineError: llm-compressor is needed and neither it nor an interpreter with it is at hand.
        """
        if self._board.form == "folded" or is_installed() or self._running.compress_python is not None:
            return
        for one in missing:
            if one.recipe is None:
                continue
            place = place_of(self._source(one), one.recipe, self._calibration(one))
            if not place.exists():
                seed = "" if one.seed is None else f" --calibration {self._file.calibration} --seed {one.seed}"
                raise MachineError(
                    f"{one.label} has to be made first, and llm-compressor, which makes it, is not installed "
                    f"here: in an environment of its own {INSTALL}, then codebudget quantise {one.typed} "
                    f"{one.precision} --family {self._board.family}{seed}, or name that environment's Python with "
                    "`compress_python`"
                )

    def row(self, one: Checkpoint, key: str, grader: Grader, progress: Progress) -> StudyRow:
        """Make, draw, score and grade one checkpoint."""
        started = time.monotonic()
        loaded = self._loaded(one, progress)
        making_s = time.monotonic() - started
        measured = self._measured(one, loaded, progress)
        started = time.monotonic()
        candidates = measured.sampled.candidates
        passed, left_out, errors = self._graded(candidates, grader)
        flops = flops_of_samples(one.model.architecture, _by_task(candidates))(1)
        return StudyRow(
            key=key,
            model=one.model.name,
            parameters=one.model.architecture.parameter_count(),
            recipe=one.precision,
            seed=one.seed,
            form="unquantised" if one.recipe is None else self._board.form,
            planned_bytes=one.planned_bytes,
            tensor_bytes=loaded.tensor_bytes,
            file_bytes=loaded.file_bytes,
            effective_bits=one.effective_bits,
            perplexity=measured.texts.value,
            text_tokens=measured.texts.tokens,
            sample_flops=flops,
            samples=self._board.samples,
            passed=passed,
            greedy={each.task_id: key_of("greedy", each.raw)[:16] for each in measured.greedy.candidates},
            left_out=left_out,
            sandbox_errors=errors,
            base_tokens=measured.base_tokens,
            along=measured.along,
            seconds=StepSeconds(
                making=making_s,
                drawing=measured.drawing_s,
                scoring=measured.scoring_s,
                comparing=measured.comparing_s,
                grading=time.monotonic() - started,
            ),
            device=measured.device,
        )

    def _loaded(self, one: Checkpoint, progress: Progress) -> _Loaded:
        source = self._source(one)
        if one.recipe is None:
            return _Loaded(source.weights, one.precision)
        if self._board.form == "folded":
            place = place_of(source, one.recipe, None)
            folder = CHECKPOINTS / f"{place.name.rpartition('-')[0]}-folded-{key_of_folded(source, one.recipe)[:12]}"
            folder.parent.mkdir(parents=True, exist_ok=True)
            return _Loaded(str(fold(source, one.recipe, folder, progress)), "bf16")
        made = quantise(
            one.typed,
            one.precision,
            self._running.model_copy(update={"family": self._board.family, "seed": one.seed or 0}),
            calibration=self._file.calibration,
            progress=progress,
        )
        return _Loaded(str(made.path), one.precision, made.record.tensor_bytes, made.record.file_bytes)

    def _measured(self, one: Checkpoint, loaded: _Loaded, progress: Progress) -> _Measured:
        """Draw samples and greedy outputs and score the texts, by one engine that is loaded once."""
        assert self._store is not None
        engine, board = self._board.sampling.engine, self._board
        arm = Arm(spec=one.label, name=one.typed, precision=one.precision)
        target = Target(arm, one.model.name, loaded.weights, loaded.precision, board.samples, one.model.architecture)
        request = DrawRequest(
            spec=one.label,
            model=one.model.name,
            precision=f"{one.precision} folded" if one.recipe and board.form == "folded" else one.precision,
            k=board.samples,
            architecture=one.model.architecture,
            seed=board.seed,
            fresh=self._running.fresh,
        )
        start = starter(engine, target, self._announced)
        key = circumstances(engine, loaded.weights, loaded.precision)
        tasks = self._benchmark.tasks
        with closing(LateEngine(start, self._store, key)) as late:
            while True:
                try:
                    began = time.monotonic()
                    sampled = draw_samples(tasks, request, late, self._settings, self._store, progress=progress)
                    single = request._replace(k=1, greedy=True, spec=f"{one.label}, greedy")
                    greedy = draw_samples(tasks, single, late, self._settings, self._store, progress=progress)
                    drawn = time.monotonic()
                    texts = perplexity(late, self._pieces, progress)
                    scored = time.monotonic()
                    of_base, choices = self._tokens(one, late.for_tokens())
                    return _Measured(
                        sampled,
                        greedy,
                        texts,
                        of_base,
                        choices,
                        drawing_s=drawn - began,
                        scoring_s=scored - drawn,
                        comparing_s=time.monotonic() - scored,
                        device=late.describe().device,
                    )
                except StaleDescriptionError:
                    # The engine has started since, and describes itself.
                    continue

    def _tokens(self, one: Checkpoint, engine: TokenEngine) -> tuple[BaseTokens | None, Along | None]:
        """Continue the prompts greedily with an unquantised model, or read a checkpoint's choices along its original's.

        Raises:
            UserError: A prompt leaves no room in the context, or the checkpoint has another tokenizer.
        """
        texts = [task.prompt for task in self._benchmark.tasks]
        if one.recipe is None:
            return base_tokens(engine, texts, self._board.tokens), None
        return None, choices_along(self.bases[one.model.name], engine, texts, one.label)

    def _graded(self, candidates: Sequence[Candidate], grader: Grader) -> tuple[dict[str, int], dict[str, str], int]:
        """Count passes by task; says why other tasks have none, and how many programs the machine failed on."""
        tasks = {task.id: task for task in self._benchmark.tasks}
        checks = grader.check(list(tasks.values()))
        left_out = dict(self._benchmark.left_out)
        drawn = _counts(candidates)
        for name, check in checks.items():
            if not check.ok:
                left_out[name] = why_unfit(tasks[name], check)
            elif check.integrity == "shared" and not self._board.sandbox.allow_shared:
                left_out[name] = "its values cannot cross between processes; allow_shared scores it all the same"
            elif drawn.get(name, 0) < self._board.samples:
                left_out[name] = f"only {drawn.get(name, 0)} of {self._board.samples} samples could be drawn"
        scored = [one for one in candidates if one.task_id not in left_out]
        verdicts = grader.grade([Submission(tasks[one.task_id], one.program) for one in scored], checks)
        passed = dict.fromkeys((name for name in tasks if name not in left_out), 0)
        errors = 0
        for one, verdict in zip(scored, verdicts, strict=True):
            if verdict.status == "sandbox_error":
                errors += 1
                left_out[one.task_id] = "the sandbox failed on one of its programs"
                passed.pop(one.task_id, None)
            elif one.task_id in passed:
                passed[one.task_id] += verdict.status == "passed"
        return passed, left_out, errors

    def _texts(self) -> list[Piece]:
        found: list[Piece] = []
        for place, named in enumerate(self._board.texts):
            with self._file.at("texts", place):
                if named == REFERENCES:
                    solutions = solutions_of(self._benchmark.tasks)
                    if not solutions:
                        raise UserError(f"{self._benchmark.name} has no solutions to score; name files instead")
                    found += solutions
                else:
                    found += pieces_of(read_texts(self._file.path.parent / named))
        return found

    def _source(self, one: Checkpoint) -> Source:
        if one.typed not in self._sources:
            with self._file.at("models", self._board.models.index(one.typed)):
                self._sources[one.typed] = source_of(one.typed, self._board.family)
        return self._sources[one.typed]

    def _calibration(self, one: Checkpoint) -> Calibration | None:
        if one.recipe is None or not needs_calibration(one.recipe):
            return None
        place = (one.typed, one.seed or 0)
        if place not in self._calibrations:
            named, source = self._file.calibration, self._source(one)
            with self._file.at("calibration"):
                self._calibrations[place] = calibration_of(named, source, self._board.family, one.seed or 0)
        return self._calibrations[place]

    def _checkpoint_key(self, one: Checkpoint, source: Source) -> str:
        if one.recipe is None:
            return key_of("unquantised", source.revision)
        if self._board.form == "folded":
            return key_of_folded(source, one.recipe)
        return key_of_checkpoint(source, one.recipe, self._calibration(one))


def _by_task(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    found: dict[str, list[Candidate]] = {}
    for one in candidates:
        found.setdefault(one.task_id, []).append(one)
    return list(found.values())


def _counts(candidates: Sequence[Candidate]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for one in candidates:
        found[one.task_id] = found.get(one.task_id, 0) + 1
    return found


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
