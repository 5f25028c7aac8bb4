"""What rankers are offered on a task, and the account of what they use."""

from __future__ import annotations

import time
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from .._util.printable import quoted
from ..errors import MachineError, UserError
from ..records import GeneratedTests, IoCase
from .protocol import Context, Ranker, ranks_scripts, uses_of
from .registry import origin

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from ..estimators import IntArray
    from ..records import Likelihood, Outcome, PublicTask, Ranking, Reward, Task
    from .protocol import Execution, Need, Rewarder, Runner, Scorer


Asked = TypeVar("Asked", str, IoCase)


class Offers(NamedTuple):
    """Tests that a model wrote, by task id, a model that scores, and what rates; None where there are none."""

    tests: Mapping[str, GeneratedTests] | None = None
    scorer: Scorer | None = None
    rewarder: Rewarder | None = None

    @property
    def kinds(self) -> frozenset[Need]:
        """The needs these meet."""
        known: dict[Need, object | None] = {"tests": self.tests, "scorer": self.scorer, "reward": self.rewarder}
        return frozenset(need for need, offer in known.items() if offer is not None)

    def context(self, task_id: str, rng: random.Random, runner: Execution | None) -> Context:
        """Offer what there is for a task: no tests where nobody wrote any."""
        tests = None if self.tests is None else self.tests.get(task_id, GeneratedTests())
        return Context(rng, runner, tests=tests, scorer=self.scorer, rewarder=self.rewarder)


_HOW_TO_HAVE: dict[Need, str] = {
    "execution": "runs programs, but no sandbox is available: choose one with `launcher`",
    "tests": "uses tests that a model wrote, but there are none: give them with `tests`; `codebudget sample --tests` "
    "draws them",
    "scorer": "asks a model how likely texts are, but there is none: choose an arm with `scorer` ARM",
    "reward": "rates answers by a reward model, which nothing loads here",
}


NO_SCRIPTS: Final = "works only where programs define a function"


def check_scripts(ranker: Ranker, tasks: Iterable[Task], benchmark: str) -> None:
    """Check that a ranker works on all of a benchmark's tasks.

    Raises:
        UserError: Some ask for scripts, and it needs functions.
    """
    script = None if ranks_scripts(ranker) else next((task.id for task in tasks if task.is_script), None)
    if script is not None:
        raise UserError(
            f"{origin(ranker)} {NO_SCRIPTS}, and tasks of {benchmark} such as {quoted(script)} ask for scripts; leave "
            "it out, or name another with `ranker`"
        )


def check_offered(ranker: Ranker, offered: Collection[Need]) -> None:
    """Check that a ranker's needs beyond the candidates can be met.

    Raises:
        UserError: It requires something that was not given.
        MachineError: It runs programs, and there is no sandbox.
    """
    for need in sorted(ranker.needs & _HOW_TO_HAVE.keys()):
        if need not in offered:
            kind = MachineError if need == "execution" else UserError
            raise kind(f"{origin(ranker)} {_HOW_TO_HAVE[need]}")


class Account:
    """A counting context, narrowed to what a ranker declared.

    Raises:
        UserError: The context lacks what the ranker requires.
        MachineError: It lacks a sandbox.
    """

    def __init__(self, ranker: Ranker, context: Context) -> None:
        check_offered(ranker, context.offered)
        offered = {need for need in uses_of(ranker) if context.has(need)}
        self._runner = RememberingRunner(context.runner) if "execution" in offered else None
        self._scorer = RememberingScorer(context.scorer) if "scorer" in offered else None
        self._rewarder = RememberingRewarder(context.rewarder) if "reward" in offered else None
        self._tests = context.tests if "tests" in offered else None
        self.context = Context(
            context.rng, self._runner, tests=self._tests, scorer=self._scorer, rewarder=self._rewarder
        )

    def charge(self, ranking: Ranking, wall_s: float) -> Ranking:
        """Add its cost to a ranking that took `wall_s` to make here.

        Seconds are those that runs, scores and rewards took when made, not when remembered. FLOPs of scores and rewards
        are None where the model's architecture is unknown.
        """
        for part in (self._runner, self._scorer, self._rewarder):
            if part is not None:
                wall_s += part.charged_s - part.waited_s
        flops: float | None = ranking.usage.prefill_flops or 0.0
        for model in (self._scorer, self._rewarder):
            charged = 0.0 if model is None else model.charged_flops
            flops = None if flops is None or charged is None else flops + charged
        used: dict[str, float | None] = {"prefill_flops": flops}
        usage = ranking.usage.model_copy(
            update={"decode_flops": ranking.usage.decode_flops or 0.0, "wall_s": wall_s} | used
        )
        tests_usage = self._tests.usage if self._tests is not None and self._tests.samples else None
        executions = 0 if self._runner is None else self._runner.executions
        return ranking.model_copy(update={"usage": usage, "tests_usage": tests_usage, "executions": executions})


class _Table(NamedTuple):
    """Values of some expressions: an array [programs, expressions], and each program's row in it."""

    place: dict[str, int]
    values: IntArray


class RememberingRunner:
    """Passes new requests on to another runner, for one task, and counts their cost.

    It holds one outcome per distinct program and expression, and should be dropped with its task. One may stand behind
    another: the front one is a ranker's own account, the back one is shared, and an outcome that the shared one already
    knows is still charged at its original cost.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._known: dict[str, dict[str | IoCase, Outcome]] = defaultdict(dict)
        self._charged_s = 0.0
        self._tables: dict[tuple[str, ...], _Table] = {}
        self._numbers: dict[str, int] = {}
        self.waited_s = 0.0
        """Seconds spent in the runner behind."""

    @property
    def executions(self) -> int:
        """Distinct programs run so far."""
        return len(self._known)

    @property
    def charged_s(self) -> float:
        """Seconds that all outcomes took, whenever made."""
        return self._charged_s

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """See `Runner.evaluate`."""
        return self._outcomes(programs, expressions, partial(self._runner.evaluate, task))

    def judge(self, task: PublicTask, programs: Sequence[str], cases: Sequence[IoCase]) -> list[list[Outcome]]:
        """See `Runner.judge`; the values for the cases' inputs are known from then on."""
        outcomes = self._outcomes(programs, cases, partial(self._runner.judge, task))
        for program, row in zip(programs, outcomes, strict=True):
            for case, outcome in zip(cases, row, strict=True):
                self._known[program].setdefault(case.input, outcome)
        return outcomes

    def _outcomes(
        self,
        programs: Sequence[str],
        asked: Sequence[Asked],
        run: Callable[[Sequence[str], Sequence[Asked]], list[list[Outcome]]],
    ) -> list[list[Outcome]]:
        unasked: defaultdict[tuple[Asked, ...], list[str]] = defaultdict(list)
        distinct = tuple(dict.fromkeys(asked))
        for program in dict.fromkeys(programs):
            known = self._known.get(program)
            missing = distinct if known is None else tuple(one for one in distinct if one not in known)
            if missing:
                unasked[missing].append(program)
        for missing, fresh in unasked.items():
            start = time.perf_counter()
            rows = run(fresh, missing)
            self.waited_s += time.perf_counter() - start
            for program, row in zip(fresh, rows, strict=True):
                self._known[program].update(zip(missing, row, strict=True))
                self._charged_s += sum(outcome.wall_s for outcome in row)
        return [[self._known[program][one] for one in asked] for program in programs]

    def foresee(
        self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str], later: Sequence[str]
    ) -> None:
        """See `Execution.foresee`; what was not asked for is not charged."""
        if isinstance(self._runner, RememberingRunner):
            self._runner.foresee(task, programs, expressions, later)
            return
        unasked: defaultdict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
        first, second = dict.fromkeys(expressions), dict.fromkeys(one for one in later if one not in expressions)
        for program in dict.fromkeys(programs):
            known = self._known.get(program, {})
            missing = tuple(one for one in first if one not in known)
            unasked[missing, tuple(one for one in second if one not in known)].append(program)
        for (missing, more), fresh in unasked.items():
            if not missing or not more:
                continue
            asked = [*missing, *more]
            for program, row in zip(fresh, self._runner.evaluate(task, fresh, asked), strict=True):
                self._known[program].update(zip(asked, row, strict=True))

    def values(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> IntArray:
        """See `Execution.values`."""
        key = tuple(expressions)
        table = self._tables.get(key) or _Table({}, np.empty((0, len(key)), np.int64))
        fresh = [program for program in dict.fromkeys(programs) if program not in table.place]
        if fresh:
            rows = [[self._number(cell.value) for cell in row] for row in self.evaluate(task, fresh, expressions)]
            values = np.concatenate([table.values, np.array(rows, np.int64).reshape(len(fresh), len(key))])
            place = {program: row for row, program in enumerate([*table.place, *fresh])}
            table = self._tables[key] = _Table(place, values)
        return table.values[np.array([table.place[program] for program in programs], np.int64)]

    def _number(self, value: str | None) -> int:
        return -1 if value is None else self._numbers.setdefault(value, len(self._numbers))


@runtime_checkable
class _Timed(Protocol):
    """Knows how long scoring a text took at the time, perhaps long ago."""

    def seconds(self, text: tuple[str, str]) -> float | None: ...


class RememberingScorer:
    """Passes new requests on to another scorer, and counts their cost.

    As with `RememberingRunner`, one in front of another is a separate account: what the shared one already knows is
    still charged.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._known: dict[tuple[str, str], Likelihood] = {}
        self._seconds: dict[tuple[str, str], float] = {}
        self.waited_s = 0.0
        """Seconds spent in the scorer behind."""

    @property
    def charged_flops(self) -> float | None:
        """FLOPs of all requests; None where they cannot be known."""
        return self._scorer.flops(list(self._known)) if self._known else 0.0

    @property
    def charged_s(self) -> float:
        """Seconds that scoring took, whenever done."""
        return sum(self._seconds.values())

    def score(self, texts: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """See `Scorer.score`."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._known]
        if fresh:
            start = time.perf_counter()
            found = self._scorer.score(fresh)
            took = time.perf_counter() - start
            self.waited_s += took
            behind = self._scorer
            for text, likelihood in zip(fresh, found, strict=True):
                self._known[text] = likelihood
                known = behind.seconds(text) if isinstance(behind, _Timed) else None
                self._seconds[text] = took / len(fresh) if known is None else known
        return [self._known[text] for text in texts]

    def flops(self, texts: Sequence[tuple[str, str]]) -> float | None:
        """See `Scorer.flops`."""
        return self._scorer.flops(texts)

    def seconds(self, text: tuple[str, str]) -> float | None:
        """Return a text's scoring seconds; None where not asked for."""
        return self._seconds.get(text)


class RememberingRewarder:
    """Passes new requests on to another rewarder, and counts their cost: every distinct answer once."""

    def __init__(self, rewarder: Rewarder) -> None:
        self._rewarder = rewarder
        self._known: dict[tuple[str, str, str, str, str], Reward] = {}
        self.waited_s = 0.0
        """Seconds spent in the rewarder behind."""

    @property
    def charged_flops(self) -> float | None:
        """FLOPs of all requests; None where they cannot be known."""
        known = [reward.flops for reward in self._known.values() if reward.flops is not None]
        return sum(known) if len(known) == len(self._known) else None

    @property
    def charged_s(self) -> float:
        """Seconds that rating took, whenever done."""
        return sum(reward.wall_s for reward in self._known.values())

    def rate(
        self, model: str, label: str, answers: Sequence[tuple[str, str]], engine: str = "transformers"
    ) -> list[Reward]:
        """See `Rewarder.rate`."""
        keys = [(engine, model, label, *answer) for answer in answers]
        fresh = [key for key in dict.fromkeys(keys) if key not in self._known]
        if fresh:
            start = time.perf_counter()
            found = self._rewarder.rate(model, label, [(prompt, answer) for *_, prompt, answer in fresh], engine)
            self.waited_s += time.perf_counter() - start
            self._known.update(zip(fresh, found, strict=True))
        return [self._known[key] for key in keys]
