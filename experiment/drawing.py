"""Targets -> samples: taken from the store, and drawn by an engine where they are missing."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .._util.progress import Progress, notice, silent
from ..budgets.dollars import devices_usd
from ..budgets.flops import PAPER_WORKLOAD
from ..budgets.memory import memory_fit
from ..budgets.notation import without_k
from ..errors import MachineError, UserError
from ..sampler.drawing import Asked, Drawn, DrawRequest, draw_samples
from ..sampler.endings import notes_of_samples
from ..sampler.late import LateEngine, StaleDescriptionError, circumstances
from ..sampler.prompting import preset_settings, settings_for_tests
from ..sampler.series import stored_series
from ..sampler.stopping import Meter, parse_stop_after
from ..sampler.transfer import stored_samples
from ..settings import DEFAULT_FAMILY, RECORDED, Running
from .targets import check_servable, with_checkpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..budgets.costs import Conditions
    from ..records import Arm, Task
    from ..sampler.engine import Engine
    from ..sampler.prompting import Settings
    from ..sampler.stopping import Stopped
    from ..sampler.store import Store
    from ..settings import Drawing
    from .targets import Target


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
        ray: The cluster whose nodes draw; None for this machine.
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
    ray: str | None = None

    @property
    def making(self) -> Running:
        """How checkpoints are made."""
        return Running(family=self.family, seed=self.seed, compress_python=self.compress_python)

    def meter(self) -> Meter:
        """Start counting towards the session's end.

        Raises:
            UserError: `stop_after` cannot be read.
        """
        return Meter(None if self.stop_after is None else parse_stop_after(self.stop_after))

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


class Cluster(NamedTuple):
    """A Ray cluster's address, and the GPUs that share a replica there; None for one."""

    address: str
    gpus: int | None = None


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


def session_of(drawing: Drawing, running: Running, store: Store, *, tests: bool = False) -> Session:
    """Make a session of a command's choices."""
    return Session(
        drawing,
        store,
        seed=running.seed,
        fresh=running.fresh,
        stop_after=running.stop_after,
        tests=tests,
        base_urls=tuple(running.base_url),
        family=running.family,
        compress_python=running.compress_python,
        ray=running.ray,
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


class ArmDrawer:
    """Draws arms of one benchmark, one after another, into one store and under one limit.

    Args:
        session: How, into which store, and when it ends.
        conditions: Prices, and what their seconds are of.
        progress: Told how far drawing is.
        meter: Of the run, if it draws arms of other benchmarks too; else the session's own limit is started.

    Raises:
        UserError: `stop_after` cannot be read.
    """

    def __init__(
        self, session: Session, conditions: Conditions, progress: Progress = silent, meter: Meter | None = None
    ) -> None:
        self._session = session
        self._conditions = conditions
        self._progress = progress
        self._meter = session.meter() if meter is None else meter
        self._announced: set[str] = set()
        # Arms and stages of one model share samples, which --fresh draws again once.
        self._asked: dict[tuple[object, ...], Asked] = {}

    @property
    def draws(self) -> bool:
        """Whether it draws; else it takes what the store has."""
        return self._session.drawing.engine != RECORDED

    def prepared(self, targets: Sequence[Target]) -> list[Target]:
        """Make the checkpoints that arms' recipes name, or find them, if arms are drawn; see `with_checkpoints`.

        Raises:
            UserError: A recipe does not fit its model.
            MachineError: A checkpoint is missing and cannot be made here.
        """
        session = self._session
        if not self.draws:
            return list(targets)
        return with_checkpoints(targets, session.drawing.engine, session.making, self._progress)

    @contextmanager
    def opened(self, target: Target) -> Iterator[Callable[[Sequence[Task], int], Drawn]]:
        """Open an arm: yields a function that draws k samples of each of some tasks, or those that are missing.

        The model is loaded when something must be drawn, and stays until the block ends.

        Raises:
            UserError: A setting is wrong.
            MachineError: An engine or the store failed, or the store lacks samples that are to be replayed.
        """
        session = self._session
        if not self.draws:
            yield lambda tasks, k: _replayed(target._replace(k=k), tasks, session)
            return
        engine, urls = session.drawing.engine, session.base_urls
        if session.ray is not None and engine == "openai":
            raise UserError("`ray` has no engine to place where servers draw; give several servers with `base_url`")
        source = target.weights, target.precision, target.arm.thinking, target.arm.greedy
        asked = self._asked.setdefault(source, Asked(set(), {}))
        key = circumstances(engine, target.weights, target.precision, urls, cluster=session.ray)
        start = starter(
            engine,
            target,
            self._announced,
            base_urls=urls,
            limits_thinking=session.drawing.max_thinking_tokens is not None,
            cluster=None if session.ray is None else Cluster(session.ray, self._gpus(target)),
        )
        with closing(LateEngine(start, session.store, key)) as late:

            def draw(tasks: Sequence[Task], k: int) -> Drawn:
                settings = session.settings(tasks[0].benchmark, target.arm)
                request = _request(target, self._conditions)._replace(
                    k=k, seed=session.seed, fresh=session.fresh, asked=asked
                )
                while True:
                    try:
                        return draw_samples(
                            tasks, request, late, settings, session.store, meter=self._meter, progress=self._progress
                        )
                    except StaleDescriptionError:
                        # The engine has started since, and identifies itself.
                        continue

            yield draw

    def _gpus(self, target: Target) -> int | None:
        """Count the GPUs that share a replica, as the plan says for the machine's; None for one."""
        machine = self._conditions.machine
        if machine is None or target.architecture is None:
            return None
        limit = machine.hardware.memory_bytes
        fit = memory_fit(target.architecture, target.precision, PAPER_WORKLOAD, 1, limit, concurrency=1)
        return fit.tensor_parallel or 1

    def ended(self, targets: Sequence[Target], arms: Sequence[Drawn]) -> DrawnArms:
        """End the run: what follows, such as grading, takes none of its seconds."""
        self._meter.end()
        lacks = [
            line
            for target, arm in zip(targets, arms, strict=True)
            for line in notes_of_samples(target.arm.spec, arm.candidates, arm.lost, arm.series.origin.settings)
        ]
        return DrawnArms(tuple(arms), self._meter.result(), tuple(lacks))


def draw_arms(
    targets: Sequence[Target], tasks: Sequence[Task], session: Session, conditions: Conditions, progress: Progress
) -> DrawnArms:
    """Draw what each arm lacks, one arm after another.

    Raises:
        UserError: A setting is wrong.
        MachineError: An engine or the store failed, or the store lacks samples that are to be replayed.
    """
    check_servable(targets, session.drawing.engine, conditions)
    for target in targets:
        session.settings(tasks[0].benchmark, target.arm)
    drawer = ArmDrawer(session, conditions, progress)
    # Before the first arm takes its hours.
    targets = drawer.prepared(targets)
    drawn = []
    for target in targets:
        with drawer.opened(target) as draw:
            drawn.append(draw(tasks, target.k))
    return drawer.ended(targets, drawn)


def starter(
    name: str,
    target: Target,
    announced: set[str],
    doing: str = "drawing",
    *,
    base_urls: Sequence[str] = (),
    limits_thinking: bool = False,
    cluster: Cluster | None = None,
) -> Callable[[], Engine]:
    """Make a function that starts a target's engine, and names it unless it was `announced` already."""

    def start() -> Engine:
        from ..sampler.engines import EngineOptions, choose_engine

        options = EngineOptions(base_url=base_urls or None, limits_thinking=limits_thinking)
        if cluster is not None:
            from ..sampler.engines.ray_engine import RayEngine, Wanted

            wanted = Wanted(name, at_full_path(target.weights), target.precision, options._replace(gpus=cluster.gpus))
            engine = RayEngine(cluster.address, wanted)
            reason = f"{engine.machines} replicas on Ray: {engine.reason}"
            if reason not in announced:
                announced.add(reason)
                notice(f"{doing} with {reason}")
            return engine
        choice = choose_engine(name, target.weights, target.precision, options)
        if choice.reason not in announced:
            announced.add(choice.reason)
            notice(f"{doing} with {choice.reason}")
        return choice.engine

    return start


def at_full_path(weights: str) -> str:
    """Give a folder its full path: other processes have other working folders."""
    return str(Path(weights).resolve()) if Path(weights).exists() else weights


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
