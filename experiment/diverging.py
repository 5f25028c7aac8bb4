"""Divergence of a model from another, and what it costs to know."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from .._util.progress import Progress, silent
from ..compression.divergence import METRICS, per_prompt, summarise, within_noise
from ..errors import UserError
from ..records import Cost, Divergence, Record
from ..sampler.drawing import DrawRequest, draw_samples
from .drawing import sampling_settings
from .grading import open_grader
from .pools import Wanted, grade_pools, scorable
from .prompts import load_prompts
from .spending import NO_RATE, Rate, drawing_flops, reading_flops, timed
from .subjects import engine_for, find_subject, open_subject
from .workspace import open_workspace

if TYPE_CHECKING:
    from ..sampler.engine import TokenEngine
    from ..settings import Diverging, Drawing, Grading, Running
    from ..tasks import Benchmark
    from .subjects import Subject


class Tokens(Record):
    """Ids that the metrics follow from, one row per prompt.

    `base_ids` are BASE's greedy tokens, `other_ids` OTHER's choices along them, `other_logprobs` what it gives them;
    `floor_ids` and `floor_logprobs` are the same of BASE itself, in batches of another shape.
    """

    base_ids: tuple[tuple[int, ...], ...]
    other_ids: tuple[tuple[int, ...], ...]
    other_logprobs: tuple[tuple[float, ...], ...]
    floor_ids: tuple[tuple[int, ...], ...]
    floor_logprobs: tuple[tuple[float, ...], ...]


class Programs(Record):
    """Verdicts on both models' own greedy programs, by the hidden tests of a benchmark.

    `gained` lists tasks that only OTHER solves, `lost` those that only BASE solves, `kept` counts those of both, and
    `unsolved` those of neither. `left_out` says why other tasks are not graded.
    """

    gained: tuple[str, ...]
    lost: tuple[str, ...]
    kept: int
    unsolved: int
    left_out: dict[str, str]


class Metrics(Record):
    """Metrics of OTHER and, as `floor`, of BASE against itself; `within_floor` names those not told apart."""

    other: Divergence
    floor: Divergence
    within_floor: tuple[str, ...]


class Diverged(Record):
    """Divergence of OTHER from BASE.

    `source` is where the prompts come from. `costs` are totals: of `base` (its continuations), `other` (its pass over
    them), `floor`, and `programs` where there are some.
    """

    base: str
    other: str
    engine: str
    source: str
    metrics: Metrics
    programs: Programs | None
    costs: dict[str, Cost]
    ids: Tokens

    @property
    def warnings(self) -> tuple[str, ...]:
        """Lines that a reader must see."""
        within = [metric for metric in METRICS if metric in self.metrics.within_floor]
        if not within:
            return ()
        return (
            f"{', '.join(within)}: within the noise floor, since {self.base} differs from itself as much when its "
            f"batches have another shape; this tells nothing about {self.other}, and more prompts may",
        )


def diverge(
    base: str,
    other: str,
    diverging: Diverging,
    drawing: Drawing,
    grading: Grading,
    running: Running,
    rate: Rate = NO_RATE,
    progress: Progress = silent,
) -> Diverged:
    """Compare a model's choices with another's, token by token.

    BASE continues every prompt greedily by exactly so many tokens. OTHER reads each text in one pass. Where the prompts
    are those of a benchmark with hidden tests, both also write programs as a greedy arm does, which are graded.

    Args:
        base: The original, `MODEL[@PRECISION]`.
        other: The other one; a precision that its weights do not have is applied as a recipe.
        diverging: The prompts and the length of a continuation.
        drawing: The engine, and the settings of programs.
        grading: Where programs run.
        running: The family, the seed and the store.
        rate: Price of the machine.
        progress: Told how far it is.

    Raises:
        UserError: A model or setting is wrong, the two are of different shapes or tokenizers, or a prompt does not fit.
        MachineError: No engine or no sandbox works here.
    """
    subjects = find_subject(base, running, progress), find_subject(other, running, progress)
    check_same_shape(*subjects)
    name = engine_for(drawing.engine, list(subjects))
    prompts = load_prompts(diverging.prompts, running.family)
    benchmark = prompts.benchmark if prompts.benchmark is not None and prompts.benchmark.is_tested else None
    writing = None if benchmark is None else _Writing(benchmark, drawing, running, progress)
    length = diverging.tokens
    first, second = subjects

    with closing(open_subject(first, name, prompts.texts)) as engine:
        vocabulary, description = engine.vocabulary(), engine.describe()
        ids = engine.prompt_ids(prompts.texts, length)
        progress("comparing tokens", 0, 3)
        base_ids, base_s = timed(lambda: engine.continue_greedily(ids, length))
        progress("comparing tokens", 1, 3)
        texts = list(zip(ids, base_ids, strict=True))
        # Steps through a cache are one shape, a pass over whole texts is another, and so is half a batch.
        floor, floor_s = timed(lambda: engine.choices(texts, most_rows=max(1, len(texts) // 2)))
        progress("comparing tokens", 2, 3)
        if writing is not None:
            writing.write(first, engine)
    with closing(open_subject(second, name, prompts.texts)) as engine:
        if engine.vocabulary() != vocabulary or engine.prompt_ids(prompts.texts, length) != ids:
            raise UserError(
                f"{other} has another tokenizer than {base}, so their tokens cannot be compared; choose a model that "
                f"was made from {base}"
            )
        choices, other_s = timed(lambda: engine.choices(texts))
        progress("comparing tokens", 3, 3)
        if writing is not None:
            writing.write(second, engine)
    costs = {
        "base": rate.cost(drawing_flops(first.architecture, ids, length), base_s),
        "other": rate.cost(reading_flops(second.architecture, ids, length), other_s),
        "floor": rate.cost(reading_flops(first.architecture, ids, length), floor_s),
    }
    if writing is not None:
        costs["programs"] = rate.cost(writing.flops, writing.wall_s)
    stored = Tokens(
        base_ids=tuple(base_ids),
        other_ids=tuple(one.ids for one in choices),
        other_logprobs=tuple(one.logprobs for one in choices),
        floor_ids=tuple(one.ids for one in floor),
        floor_logprobs=tuple(one.logprobs for one in floor),
    )
    metrics = metrics_of(stored, running.seed)
    return Diverged(
        base=base,
        other=other,
        engine=f"{description.engine} {description.engine_version}",
        source=prompts.name,
        metrics=metrics,
        programs=None if writing is None else writing.graded(grading),
        costs=costs,
        ids=stored,
    )


def metrics_of(ids: Tokens, seed: int) -> Metrics:
    """Compute all metrics from stored ids, without a model.

    Raises:
        UserError: They are not of the same prompts and tokens.
    """
    values = per_prompt(ids.base_ids, ids.other_ids, ids.other_logprobs)
    noise = per_prompt(ids.base_ids, ids.floor_ids, ids.floor_logprobs)
    return Metrics(
        other=summarise(values, seed=seed),
        floor=summarise(noise, seed=seed),
        within_floor=within_noise(values, noise, seed=seed),
    )


def check_same_shape(base: Subject, other: Subject) -> None:
    """Refuse two models that are not one before and after compression.

    Raises:
        UserError: A field of their architectures differs.
    """
    if base.architecture is None or other.architecture is None:
        return
    # Which matrices a checkpoint leaves at 16 bits is no matter of shape.
    ours, theirs = (
        one.architecture.model_dump(exclude={"unquantised"}) for one in (base, other) if one.architecture is not None
    )
    differing = next((field for field in ours if ours[field] != theirs[field]), None)
    if differing is not None:
        raise UserError(
            f"{base.spec} and {other.spec} are of different architectures ({differing}: {ours[differing]} and "
            f"{theirs[differing]}): divergence compares a model with its own compressed form"
        )


class _Writing:
    """Programs that two models write greedily for a benchmark, as greedy arms of a comparison do."""

    def __init__(self, benchmark: Benchmark, drawing: Drawing, running: Running, progress: Progress) -> None:
        self._benchmark, self._running, self._progress = benchmark, running, progress
        self._settings = sampling_settings(drawing, benchmark.tasks[0].benchmark)
        self._wanted: list[Wanted] = []
        self.flops: float | None = 0.0
        self.wall_s = 0.0

    def write(self, subject: Subject, engine: TokenEngine) -> None:
        """Draw one model's programs, or take them from the store."""
        request = DrawRequest(
            spec=subject.spec,
            model=subject.model,
            # What was applied on loading is not the checkpoint of that recipe.
            precision=engine.describe().precision,
            k=1,
            greedy=True,
            architecture=subject.architecture,
            seed=self._running.seed,
            fresh=self._running.fresh,
        )
        with open_workspace(self._running.store) as store:
            drawn = draw_samples(self._benchmark.tasks, request, engine, self._settings, store, progress=self._progress)
        self._wanted.append(Wanted(subject.spec, 1, drawn.candidates))
        # Over all sessions: what the store had was paid for too.
        usage = drawn.series.tally.usage
        self.wall_s += usage.busy_s or 0.0
        known = [flops for flops in (self.flops, usage.prefill_flops, usage.decode_flops) if flops is not None]
        self.flops = sum(known) if len(known) == 3 else None

    def graded(self, grading: Grading) -> Programs:
        """Grade what both have written."""
        with open_grader(grading, self._running, self._progress) as grader:
            found = scorable(self._benchmark, self._wanted, grader, allow_shared=grading.allow_shared)
            first, second = grade_pools(found, grader)
        left_out, solved = dict(found.left_out), {}
        for task in found.tasks:
            verdicts = (*first[task.id].verdicts, *second[task.id].verdicts)
            if any(verdict.status == "sandbox_error" for verdict in verdicts):
                left_out[task.id] = "the sandbox failed on one of its programs"
            else:
                solved[task.id] = tuple(verdict.status == "passed" for verdict in verdicts)
        return Programs(
            gained=tuple(task for task, both in solved.items() if both == (False, True)),
            lost=tuple(task for task, both in solved.items() if both == (True, False)),
            kept=sum(both == (True, True) for both in solved.values()),
            unsolved=sum(both == (False, False) for both in solved.values()),
            left_out=left_out,
        )
