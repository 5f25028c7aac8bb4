"""Sources of an arm's candidates: recorded files, the store, or an engine that draws what is missing."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from .._util.progress import Progress, notice, silent
from ..budgets.dollars import check_prices, devices_usd
from ..budgets.models import find_model, weights_of
from ..budgets.notation import parse_arm, without_k
from ..budgets.plan import UNKNOWN_PRECISION, plan_arms, planned_model, priced_model
from ..errors import MachineError, UserError
from ..sampler.drawing import Drawn, DrawRequest, draw_samples
from ..sampler.endings import notes_of_samples
from ..sampler.files import read_samples
from ..sampler.late import LateEngine, StaleDescriptionError, circumstances
from ..sampler.prompting import preset_settings, settings_for_tests
from ..sampler.series import stored_series
from ..sampler.stopping import Meter, parse_stop_after
from ..sampler.transfer import stored_samples
from ..settings import DEFAULT_FAMILY, RECORDED, Running
from .quantising import makes_checkpoint, quantise
from .workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..budgets.architecture import Architecture
    from ..budgets.costs import Conditions
    from ..records import Arm, Candidate, Plan, Task
    from ..sampler.engine import Engine
    from ..sampler.files import Recorded
    from ..sampler.prompting import Settings
    from ..sampler.series import Tally
    from ..sampler.stopping import Stopped
    from ..sampler.store import Store
    from ..settings import Drawing
    from ..tasks import Benchmark
    from .planning import Planned


@dataclass(frozen=True)
class Session:
    """One session of drawing: how, into which store, and when it ends.

    Attributes:
        drawing: How samples are drawn.
        store: Where they are kept.
        seed: Of the run; another one draws other samples.
        fresh: Draw again what the store has.
        stop_after: End after this much: `60s`, `1e15flops`, `1e6tokens` or `2usd`, over all arms.
        tests: Draw texts of asserts instead of solutions.
        base_urls: Servers for the openai engine; none for that of the environment.
        family: Where short names are looked up; its benchmark calibrates checkpoints that have to be made.
        compress_python: The interpreter that makes them; None for this one.
    """

    drawing: Drawing
    store: Store
    seed: int = 0
    fresh: bool = False
    stop_after: str | None = None
    tests: bool = False
    base_urls: tuple[str, ...] = ()
    family: str = DEFAULT_FAMILY
    compress_python: str | None = None

    def settings(self, benchmark: str, arm: Arm) -> Settings:
        """Get the preset, with chosen overrides, and the arm's own word on thinking.

        Raises:
            UserError: There is no such preset, or thinking is asked of what is no chat.
        """
        settings = sampling_settings(self.drawing, benchmark, tests=self.tests)
        if arm.thinking is None:
            return settings
        settings = settings.model_copy(update={"thinking": arm.thinking})
        # What was recorded need not have been asked for as it would be here.
        return settings if self.drawing.engine == RECORDED else _checked_thinking(settings, arm.spec)


class Target(NamedTuple):
    """An arm and the place of its weights: a folder, a hub id, or a server's name for the model."""

    arm: Arm
    model: str
    weights: str
    precision: str
    k: int
    architecture: Architecture | None = None


class ArmSamples(NamedTuple):
    """An arm's plan and its candidates.

    Attributes:
        plan: Its k and cost.
        candidates: As recorded or drawn.
        tally: What drawing them took, if they were drawn here.
        verdicts: Those recorded in its files, passed or not, by task id and index; no ranker sees them.
    """

    plan: Plan
    candidates: Sequence[Candidate]
    tally: Tally | None = None
    verdicts: Mapping[tuple[str, int], bool] = MappingProxyType({})


class DrawnArms(NamedTuple):
    """The results for targets, in their order; `stopped` is None without `stop_after`.

    `lacks` are lines on samples that are missing or answer nothing; see `endings.notes_of_samples`.
    """

    arms: tuple[Drawn, ...]
    stopped: Stopped | None
    lacks: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines that a user must read: what samples lack, and the end of a stopped run."""
        if self.stopped is None or not self.stopped.reached:
            return self.lacks
        limit = self.stopped.limit
        missing = sum(arm.missing for arm in self.arms)
        went_on = f"; {missing} samples are missing, and the same command continues from there" if missing else ""
        spent, overshoot = limit.format(self.stopped.spent), limit.format(self.stopped.overshoot)
        stop = f"stopped after {spent}, {overshoot} beyond the limit of {limit.format(limit.amount)}{went_on}"
        return (*self.lacks, stop)


class NamedArm(NamedTuple):
    """An arm with its resulting precision."""

    arm: Arm
    precision: str


def to_draw(planned: Planned, samples: Mapping[str, Sequence[str]]) -> list[Plan]:
    """List plans of arms without recorded files.

    Raises:
        UserError: As `files_by_arm`.
    """
    files = files_by_arm(samples, _named(planned))
    return [plan for plan in planned.plans if plan.arm.spec not in files]


def arm_samples(
    planned: Planned,
    benchmark: Benchmark,
    samples: Mapping[str, Sequence[str]],
    drawing: Drawing,
    running: Running,
    progress: Progress = silent,
) -> list[ArmSamples]:
    """Get each arm's candidates: those of its files, else those in the store, drawing what is missing.

    Args:
        planned: The arms' plans.
        benchmark: Where the tasks come from.
        samples: Recorded files by arm; see `files_by_arm`.
        drawing: How samples are drawn.
        running: The seed and the store.
        progress: Told how far drawing is.

    Raises:
        UserError: A setting, a file or a row is wrong.
        MachineError: Nothing can draw here; the message names alternatives.
    """
    files = files_by_arm(samples, _named(planned))
    recorded = {spec: read_arm(spec, patterns, benchmark) for spec, patterns in files.items()}
    missing = [plan for plan in planned.plans if plan.arm.spec not in files]
    found = {
        plan.arm.spec: ArmSamples(plan, read.candidates, verdicts=read.verdicts)
        for plan in planned.plans
        if (read := recorded.get(plan.arm.spec)) is not None
    }
    if missing:
        try:
            check_engine(drawing.engine)
            targets = [target_of_plan(plan) for plan in missing]
            with open_workspace(running.store) as store:
                session = session_of(drawing, running, store)
                drawn = draw_arms(targets, benchmark.tasks, session, planned.conditions, progress)
        except MachineError as error:
            raise with_ways(error, _ways([plan.arm for plan in missing])) from None
        for line in drawn.notes:
            notice(line)
        for plan, arm in zip(missing, drawn.arms, strict=True):
            tally = arm.series.tally if arm.series.tally.samples else None
            found[plan.arm.spec] = ArmSamples(plan, arm.candidates, tally)
    return [found[plan.arm.spec] for plan in planned.plans]


def session_of(drawing: Drawing, running: Running, store: Store, *, tests: bool = False) -> Session:
    """Make a session of a command's choices."""
    urls = tuple(running.base_url)
    return Session(
        drawing,
        store,
        running.seed,
        running.fresh,
        running.stop_after,
        tests,
        urls,
        running.family,
        running.compress_python,
    )


def sampling_settings(drawing: Drawing, benchmark: str, *, tests: bool = False) -> Settings:
    """Get a preset, with chosen overrides.

    Raises:
        UserError: There is no such preset, or thinking is asked of what is no chat.
    """
    chosen = {name: getattr(drawing, name) for name in ("temperature", "top_p", "max_tokens", "max_thinking_tokens")}
    known = {name: value for name, value in chosen.items() if value is not None}
    if drawing.thinking is not None:
        known["thinking"] = drawing.thinking == "on"
    if not drawing.logprobs:
        known["logprobs"] = False
    preset = settings_for_tests(drawing.preset) if tests else preset_settings(drawing.preset, benchmark)
    return _checked_thinking(preset.model_copy(update=known), f"`thinking` {drawing.thinking}")


def _checked_thinking(settings: Settings, asked: str) -> Settings:
    if settings.is_chat or (settings.thinking is None and settings.max_thinking_tokens is None):
        return settings
    if settings.thinking is None:
        asked = f"`max_thinking_tokens` {settings.max_thinking_tokens}"
    raise UserError(
        f"{asked}: texts that continue their prompt have no thoughts; use a chat, with `preset` reasoning or chat"
    )


def target_of_plan(plan: Plan) -> Target:
    """Find a planned arm's weights; a model known only by its price has none, and a server has it by its name.

    Raises:
        UserError: Nothing is known of them.
        MachineError: They should be here but are not.
    """
    model = planned_model(plan)
    if model is None:
        return Target(plan.arm, plan.model, plan.model, plan.precision, plan.k)
    return Target(plan.arm, plan.model, weights_of(model), plan.precision, plan.k, model.architecture)


def target_of_arm(arm: Arm, family: str, *, served: bool) -> Target:
    """Find an arm's weights; without k, it has one sample.

    Args:
        arm: As parsed.
        family: Where short names are looked up.
        served: A server has the model; nothing about it need be known here.

    Raises:
        UserError: The model or its precision is unknown.
        MachineError: Its weights should be here but are not.
    """
    try:
        model = find_model(arm.name, family)
    except UserError:
        if not served:
            raise
        # Nothing is counted by the shape of an unknown model.
        return Target(arm, arm.name, arm.name, arm.precision or UNKNOWN_PRECISION, arm.k or 1)
    precision = arm.precision or model.default_precision
    if precision is None:
        raise UserError(f"{arm.spec}: its config.json gives no precision; add one, such as {arm.name}@bf16")
    return Target(arm, model.name, weights_of(model), precision, arm.k or 1, model.architecture)


def targets_of(
    arms: Sequence[str], family: str, benchmark: Benchmark, *, conditions: Conditions, served: bool
) -> list[Target]:
    """Find arms' k and weights; an open k is what the first arm's cost buys.

    Costs are FLOPs, or dollars if only the price of some model is known.

    Args:
        arms: As typed.
        family: Where short names are looked up.
        benchmark: Whose token counts an open k is planned for.
        conditions: Their prices.
        served: A server has the models; nothing about them need be known here.

    Raises:
        UserError: An arm cannot be read or is given twice, its model is unknown, or its k is open and nothing sets it.
    """
    parsed = [parse_arm(arm) for arm in arms]
    twice = next((arm for arm in arms if list(arms).count(arm) > 1), None)
    if twice is not None:
        raise UserError(f"the arm {twice} is listed twice; remove one")
    check_prices(parsed, conditions.prices)
    if any(arm.k is None for arm in parsed):
        by_price = any(priced_model(arm, family, conditions.prices) is None for arm in parsed)
        plans = plan_arms(
            parsed,
            family=family,
            workload=benchmark.workload(),
            match="usd" if by_price else None,
            conditions=conditions,
        )
        return [target_of_plan(plan) for plan in plans]
    return [target_of_arm(arm, family, served=served) for arm in parsed]


def check_engine(engine: str) -> None:
    """Check early that an engine is there.

    Raises:
        UserError: There is none of that name.
        EngineError: It is not installed.
    """
    if engine != RECORDED:
        from ..sampler.engines import pick_engine

        pick_engine(engine)


def check_servable(targets: Sequence[Target], engine: str, conditions: Conditions) -> None:
    """Refuse what an engine cannot draw, or cannot draw at the given prices.

    Raises:
        UserError: A model is known only by its price and the engine is not a server; or the prices are for batches.
    """
    if engine == RECORDED:
        return
    unknown = next((target for target in targets if target.architecture is None), None)
    if unknown is not None and engine != "openai":
        raise UserError(
            f"{unknown.arm.spec}: only the price of this model is known, so only a server can draw it: add `engine` "
            f"openai, or give recorded generations with `samples` {without_k(unknown.arm)}=FILES"
        )
    if targets and conditions.prices.batch:
        raise UserError(
            f"{targets[0].arm.spec}: samples are drawn one request at a time, which servers do not bill at batch "
            "prices: drop `batch_prices`, or give recorded generations with `samples` "
            f"{without_k(targets[0].arm)}=FILES"
        )


def draw_arms(
    targets: Sequence[Target], tasks: Sequence[Task], session: Session, conditions: Conditions, progress: Progress
) -> DrawnArms:
    """Draw what each arm lacks, one arm after another.

    Raises:
        UserError: A setting is wrong.
        MachineError: An engine or the store failed, or the store lacks samples that are to be replayed.
    """
    check_servable(targets, session.drawing.engine, conditions)
    wanted = [session.settings(tasks[0].benchmark, target.arm) for target in targets]
    meter = Meter(None if session.stop_after is None else parse_stop_after(session.stop_after))
    announced: set[str] = set()
    targets = with_checkpoints(targets, session.drawing.engine, _making(session), progress)

    def draw(target: Target, settings: Settings) -> Drawn:
        engine, urls = session.drawing.engine, session.base_urls
        key = circumstances(engine, target.weights, target.precision, urls)
        limits_thinking = settings.max_thinking_tokens is not None
        start = starter(engine, target, announced, base_urls=urls, limits_thinking=limits_thinking)
        with closing(LateEngine(start, session.store, key)) as late:
            request = _request(target, conditions)._replace(seed=session.seed, fresh=session.fresh)
            while True:
                try:
                    return draw_samples(tasks, request, late, settings, session.store, meter=meter, progress=progress)
                except StaleDescriptionError:
                    # The engine has started since, and identifies itself.
                    continue

    if session.drawing.engine == RECORDED:
        drawn = tuple(_replayed(target, tasks, session) for target in targets)
    else:
        drawn = tuple(draw(target, settings) for target, settings in zip(targets, wanted, strict=True))
    meter.end()
    lacks = [
        line
        for target, arm in zip(targets, drawn, strict=True)
        for line in notes_of_samples(target.arm.spec, arm.candidates, arm.lost, arm.series.origin.settings)
    ]
    return DrawnArms(drawn, meter.result(), tuple(lacks))


def with_checkpoints(
    targets: Sequence[Target], engine: str, running: Running, progress: Progress = silent
) -> list[Target]:
    """Make the checkpoints that arms' recipes name, or find them, and tell their planned bytes beside the written.

    Args:
        targets: Arms.
        engine: The engine that is to load them.
        running: The family whose prompts calibrate, the seed, and the interpreter that makes them.
        progress: Told how far making them is.

    Raises:
        UserError: A recipe does not fit its model.
        MachineError: A checkpoint is missing and cannot be made here; the message says what to run.
    """
    found = []
    for target in targets:
        if target.architecture is not None and makes_checkpoint(target.weights, target.precision, engine):
            made = quantise(target.model, target.precision, running, progress=progress)
            record = made.record
            notice(
                f"{target.arm.spec}: {made.path}, weights planned {record.predicted_bytes:,} bytes, written "
                f"{record.tensor_bytes:,} as tensors, {record.file_bytes:,} in files; {record.effective_bits:.3f} "
                "effective bits per quantised weight"
            )
            found.append(target._replace(weights=str(made.path)))
        else:
            found.append(target)
    return found


def _making(session: Session) -> Running:
    return Running(family=session.family, seed=session.seed, compress_python=session.compress_python)


def starter(
    name: str,
    target: Target,
    announced: set[str],
    doing: str = "drawing",
    *,
    base_urls: Sequence[str] = (),
    limits_thinking: bool = False,
) -> Callable[[], Engine]:
    """Make a function that starts a target's engine, and names it unless it was `announced` already."""

    def start() -> Engine:
        from ..sampler.engines import EngineOptions, choose_engine

        options = EngineOptions(base_url=base_urls or None, limits_thinking=limits_thinking)
        choice = choose_engine(name, target.weights, target.precision, options)
        if choice.reason not in announced:
            announced.add(choice.reason)
            notice(f"{doing} with {choice.reason}")
        return choice.engine

    return start


def files_by_arm(samples: Mapping[str, Sequence[str]], arms: Sequence[NamedArm]) -> dict[str, list[str]]:
    """Map recorded files by the spec of each one's arm.

    Args:
        samples: Files by the user's name for an arm: as typed, without its k, with its precision, or by its model.
        arms: All of them.

    Raises:
        UserError: An arm is given twice, or a name means none of them or several.
    """
    specs = [named.arm.spec for named in arms]
    twice = next((spec for spec in specs if specs.count(spec) > 1), None)
    if twice is not None:
        raise UserError(f"the arm {twice} is listed twice; remove one")
    files: dict[str, list[str]] = {}
    for name, patterns in samples.items():
        meant = next((found for way in _NAMINGS if (found := [n.arm.spec for n in arms if name == way(n)])), [])
        shown = f"`samples` {name}={','.join(patterns)}"
        if not meant:
            known = ", ".join(dict.fromkeys(named.arm.name for named in arms))
            raise UserError(f"{shown}: no arm is called {name!r}; the arms are {known}")
        if len(meant) > 1:
            raise UserError(f"{shown}: {name!r} could be {' or '.join(meant)}; write the arm as listed here")
        files.setdefault(meant[0], []).extend(patterns)
    return files


def read_arm(spec: str, patterns: Sequence[str], benchmark: Benchmark) -> Recorded:
    """Read an arm's recorded candidates; tasks without any, and what is left out, are told as notices.

    Raises:
        UserError: A file or a row is wrong.
    """
    tasks = benchmark.by_id
    recorded = read_samples(patterns, tasks, spec, benchmark.beyond)
    for line in recorded.remarks:
        notice(f"{spec}: {line}")
    if recorded.missing:
        some = ", ".join(recorded.missing[:3]) + (", ..." if len(recorded.missing) > 3 else "")
        notice(f"{spec}: no samples for {len(recorded.missing)} of {len(tasks)} tasks ({some}); they are left out")
    return recorded


def with_ways(error: MachineError, ways: str) -> MachineError:
    """Add alternatives to an error."""
    return type(error)(f"{str(error).rstrip('.')}. {ways}")


def _named(planned: Planned) -> list[NamedArm]:
    return [NamedArm(plan.arm, plan.precision) for plan in planned.plans]


def _ways(arms: Sequence[Arm]) -> str:
    """Describe alternatives for arms that nothing draws."""
    ways = " ".join(f"`samples` {without_k(arm)}=FILES" for arm in arms)
    return f"Or give recorded generations ({ways}), use what the store has (`engine` {RECORDED}), or only plan"


_NAMINGS: tuple[Callable[[NamedArm], str], ...] = (
    lambda named: named.arm.spec,
    lambda named: without_k(named.arm),
    lambda named: f"{named.arm.name}@{named.precision}",
    lambda named: named.arm.name,
)
"""Names for an arm: as typed, without its k, with its precision, by its model; the first that fits counts."""


def _request(target: Target, conditions: Conditions) -> DrawRequest:
    price, per_hour = conditions.prices.of_arm(target.arm), conditions.prices.usd_per_hour
    usd_per_s = None if per_hour is None else devices_usd(per_hour, conditions.devices, 1.0)
    return DrawRequest(
        spec=target.arm.spec,
        model=target.model,
        precision=target.precision,
        k=target.k,
        greedy=target.arm.greedy,
        architecture=target.architecture,
        price=price,
        usd_per_s=usd_per_s if price is None else None,
    )


def _replayed(target: Target, tasks: Sequence[Task], session: Session) -> Drawn:
    """Get the store's samples of an arm."""
    store, benchmark = session.store, tasks[0].benchmark
    spec, wanted = target.arm.spec, (target.model, target.precision, benchmark)
    settings = session.settings(benchmark, target.arm)
    found = [
        one
        for one in stored_series(store)
        if (one.model, one.precision, one.benchmark) == wanted
        and one.origin.settings.writes_tests == session.tests
        and settings.thinking in (None, one.origin.settings.thinking)
    ]
    if target.arm.greedy or any(one.origin.seed is not None for one in found):
        found = [one for one in found if (one.origin.seed is None) == target.arm.greedy]
    if not found:
        raise MachineError(
            f"{spec}: {store.path} has no samples of {target.model}@{target.precision} for {benchmark}; draw some "
            "with another `engine`, import some with codebudget import, or give recorded ones with `samples` "
            f"{without_k(target.arm)}=FILES"
        )
    if len(found) > 1:
        # Those that were asked for, out of several sets.
        found = [one for one in found if one.origin.settings == settings and one.origin.seed in (session.seed, None)]
    if len(found) != 1:
        raise UserError(
            f"{spec}: the store has several sets of samples of {target.model}@{target.precision} (engines, "
            "settings or seeds differ); choose one with `seed`, `preset`, `temperature`, `top_p`, `max_tokens` "
            "and `thinking`, or give files with `samples`"
        )
    candidates = stored_samples(store, found[0], tasks)
    counts = {task.id: 0 for task in tasks}
    for candidate in candidates:
        counts[candidate.task_id] += 1
    missing = sum(max(0, target.k - count) for count in counts.values())
    return Drawn(candidates, found[0], 0, missing)
