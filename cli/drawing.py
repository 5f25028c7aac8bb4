"""Options of commands that draw samples, and the way from them to samples."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ..errors import MachineError, UserError
from .progress import warn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..budgets.architecture import Architecture
    from ..budgets.costs import Conditions
    from ..experiment.grading import Progress
    from ..records import Arm, Plan, Task
    from ..sampler.drawing import Drawn, Request
    from ..sampler.engine import Engine
    from ..sampler.prompting import Settings
    from ..sampler.stopping import Stopped
    from ..sampler.store import Store

RECORDED = "recorded"
"""The `--engine` that draws nothing: samples are those that the store has."""

EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="auto|vllm|transformers|openai|recorded",
        help="What draws; recorded takes what the store has, and draws nothing.",
    ),
]
PresetOption = Annotated[
    str,
    typer.Option("--preset", metavar="completion|few-shot|chat|paper", help="How tasks are asked; see docs/sampling."),
]
TemperatureOption = Annotated[
    float | None, typer.Option("--temperature", min=0.0, help="Of drawing.", show_default="the preset's: 0.8")
]
TopPOption = Annotated[float | None, typer.Option("--top-p", help="Of drawing.", show_default="the preset's: 0.95")]
MaxTokensOption = Annotated[
    int | None,
    typer.Option("--max-tokens", min=1, help="Of one sample, at most.", show_default="the preset's: 512"),
]
StopAfterOption = Annotated[
    str | None,
    typer.Option(
        "--stop-after",
        metavar="AMOUNT",
        help="End drawing after 60s, 1e15flops, 1e6tokens (drawn) or 2usd, over all arms. Run again to go on.",
    ),
]
TasksOption = Annotated[
    int | None, typer.Option("--tasks", min=1, metavar="N", help="Only the benchmark's first N tasks.")
]


@dataclass(frozen=True)
class Drawing:
    """The options as typed."""

    engine: str
    preset: str
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    stop_after: str | None
    seed: int
    fresh: bool
    tests: bool = False

    def settings(self, benchmark: str) -> Settings:
        """The preset with what was typed in its place.

        Raises:
            UserError: an option is wrong.
        """
        from ..sampler.prompting import preset_settings, settings_for_tests

        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UserError(f"--top-p must be more than 0 and at most 1, not {self.top_p:g}")
        typed = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens}
        known = {name: value for name, value in typed.items() if value is not None}
        preset = settings_for_tests(self.preset) if self.tests else preset_settings(self.preset, benchmark)
        return preset.model_copy(update=known)


class Target(NamedTuple):
    """An arm and where its weights are: a folder, an id of the hub, or what a server calls the model."""

    arm: Arm
    model: str
    weights: str
    precision: str
    k: int
    architecture: Architecture | None = None


class DrawnArms(NamedTuple):
    """What came of some targets, in their order; `stopped` is None without `--stop-after`."""

    arms: tuple[Drawn, ...]
    stopped: Stopped | None


def target_of_plan(plan: Plan) -> Target:
    """Where a planned arm's weights are.

    Raises:
        UserError: nothing is known of them.
        MachineError: they should be here and are not.
    """
    from ..budgets.models import find_model, weights_of

    model = find_model(plan.model)
    return Target(plan.arm, plan.model, weights_of(model), plan.precision, plan.k, model.architecture)


def target_of_arm(arm: Arm, family: str, *, served: bool) -> Target:
    """Where the weights of an arm are; one without k is of one sample.

    Args:
        arm: As parsed.
        family: That short names are of.
        served: A server has the model, which nothing need be known of here.

    Raises:
        UserError: the model is unknown, or its precision.
        MachineError: its weights should be here and are not.
    """
    from ..budgets.models import find_model, weights_of

    try:
        model = find_model(arm.name, family)
    except UserError:
        if not served:
            raise
        # Nothing is counted by the shape of a model that nothing is known of.
        return Target(arm, arm.name, arm.name, arm.precision or "unknown", arm.k or 1)
    precision = arm.precision or model.default_precision
    if precision is None:
        raise UserError(f"{arm.spec}: its config.json names no precision; write {arm.name}@bf16 or the like")
    return Target(arm, model.name, weights_of(model), precision, arm.k or 1, model.architecture)


def check_engine(drawing: Drawing) -> None:
    """Find out early whether the engine is there.

    Raises:
        UserError: there is none of that name.
        EngineError: it is not installed.
    """
    if drawing.engine != RECORDED:
        from ..sampler.engines import pick_engine

        pick_engine(drawing.engine)


def draw_arms(
    targets: Sequence[Target],
    tasks: Sequence[Task],
    drawing: Drawing,
    store: Store,
    conditions: Conditions,
    progress: Progress,
) -> DrawnArms:
    """Draw what is missing of every arm, one arm after another.

    Raises:
        UserError: an option is wrong.
        MachineError: an engine or the store failed; or samples are to be replayed that the store does not have.
    """
    from ..sampler.stopping import Meter, parse_stop_after

    settings = drawing.settings(tasks[0].benchmark)
    meter = Meter(None if drawing.stop_after is None else parse_stop_after(drawing.stop_after))
    started: set[str] = set()

    def draw(target: Target) -> Drawn:
        from ..sampler.drawing import draw_samples
        from ..sampler.late import LateEngine, StaleDescriptionError, circumstances

        key = circumstances(drawing.engine, target.weights, target.precision)
        with closing(LateEngine(starter(drawing.engine, target, started), store, key)) as engine:
            request = _request(target, conditions)
            while True:
                try:
                    return draw_samples(
                        tasks,
                        request,
                        engine,
                        settings,
                        store,
                        seed=drawing.seed,
                        fresh=drawing.fresh,
                        meter=meter,
                        progress=progress,
                    )
                except StaleDescriptionError:
                    # The engine has started since, and says what it is by itself.
                    continue

    if drawing.engine == RECORDED:
        drawn = tuple(_replayed(target, tasks, drawing, settings, store) for target in targets)
    else:
        drawn = tuple(draw(target) for target in targets)
    meter.end()
    return DrawnArms(drawn, meter.result())


def warn_of_stop(drawn: DrawnArms) -> None:
    """Say on standard error how a run that was stopped ended."""
    stopped = drawn.stopped
    if stopped is not None and stopped.reached:
        limit = stopped.limit
        missing = sum(arm.missing for arm in drawn.arms)
        went_on = f"; {missing} samples are missing, and the same command goes on from there" if missing else ""
        warn(
            f"stopped after {limit.format(stopped.spent)}, {limit.format(stopped.overshoot)} beyond the limit of "
            f"{limit.format(limit.amount)}{went_on}"
        )


def starter(name: str, target: Target, said: set[str], doing: str = "drawing") -> Callable[[], Engine]:
    """Starts a target's engine, and says on standard error which it is, where it was not `said` yet."""

    def start() -> Engine:
        from ..sampler.engines import choose_engine

        choice = choose_engine(name, target.weights, target.precision)
        if choice.reason not in said:
            said.add(choice.reason)
            warn(f"{doing} with {choice.reason}")
        return choice.engine

    return start


def _request(target: Target, conditions: Conditions) -> Request:
    from ..budgets.dollars import TOKENS_PER_MTOK, devices_usd
    from ..sampler.drawing import Request

    price, per_hour = conditions.prices.of_arm(target.arm), conditions.prices.usd_per_hour

    def usd(prompt_tokens: int, output_tokens: int, seconds: float) -> float:
        if price is not None:
            charged = prompt_tokens * price.usd_per_mtok_in + output_tokens * price.usd_per_mtok_out
            return charged / TOKENS_PER_MTOK
        return devices_usd(per_hour or 0.0, conditions.devices, seconds)

    return Request(
        spec=target.arm.spec,
        model=target.model,
        precision=target.precision,
        k=target.k,
        greedy=target.arm.greedy,
        architecture=target.architecture,
        usd=None if price is None and per_hour is None else usd,
    )


def _replayed(target: Target, tasks: Sequence[Task], drawing: Drawing, settings: Settings, store: Store) -> Drawn:
    """All that the store has of an arm."""
    from ..sampler.drawing import Drawn
    from ..sampler.series import stored_series
    from ..sampler.transfer import stored_samples

    spec, wanted = target.arm.spec, (target.model, target.precision, tasks[0].benchmark)
    found = [
        one
        for one in stored_series(store)
        if (one.model, one.precision, one.benchmark) == wanted and one.origin.settings.writes_tests == drawing.tests
    ]
    if target.arm.greedy or any(one.origin.seed is not None for one in found):
        found = [one for one in found if (one.origin.seed is None) == target.arm.greedy]
    if not found:
        raise MachineError(
            f"{spec}: {store.path} has no samples of {target.model}@{target.precision} for {tasks[0].benchmark}; "
            "draw some with another --engine, bring some in with codebudget import, or give recorded ones with "
            f"--samples {spec.partition(':')[0]}=FILES"
        )
    if len(found) > 1:
        # Those that were asked for, out of several sets.
        found = [one for one in found if one.origin.settings == settings and one.origin.seed in (drawing.seed, None)]
    if len(found) != 1:
        raise UserError(
            f"{spec}: the store has several sets of samples of {target.model}@{target.precision} (engines, settings or "
            "seeds differ); say which with --seed, --preset, --temperature, --top-p and --max-tokens, "
            "or name files with --samples"
        )
    candidates = stored_samples(store, found[0], tasks)
    counts = {task.id: 0 for task in tasks}
    for candidate in candidates:
        counts[candidate.task_id] += 1
    missing = sum(max(0, target.k - count) for count in counts.values())
    return Drawn(candidates, found[0], 0, missing)


def with_ways(error: MachineError, ways: str) -> MachineError:
    """The same error with what else can be done."""
    return type(error)(f"{str(error).rstrip('.')}. {ways}")
