"""The contract that any ranker must keep, tried on toy tasks; each finding tells an author what to fix."""

from __future__ import annotations

import math
import random
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..._util import plugins
from ...errors import RankerError, UserError
from ...records import Ranking
from ..offers import Account, RememberingRunner
from ..protocol import Context, ranks_scripts, uses_of
from ..scoring import plain_ranking
from ..subsets import ranks_subsets, subset_ranking_of
from .toys import ToyRewarder, ToyScorer, toys
from .watching import Notes, ShownCandidate, ShownContext, ShownTask, shown_candidate, shown_task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...records import Candidate
    from ..protocol import Ranker, Runner
    from .toys import Toy

_SUBSETS = 30


class Finding(NamedTuple):
    """One check: whether it holds, None where it could not be tried, and what was seen or needs fixing."""

    check: str
    ok: bool | None
    detail: str = ""


def check_contract(make: Callable[[], Ranker], runner: Runner | None) -> tuple[Finding, ...]:
    """Try a ranker on toy tasks.

    Args:
        make: Makes the ranker; is called twice.
        runner: Runs programs; None for a ranker that declares no execution.

    Raises:
        SandboxError: The sandbox itself failed.
    """
    trial = _Trial(make, runner)
    checks: tuple[tuple[str, Callable[[_Trial], str]], ...] = (
        ("says what it is", _described),
        ("ranks", _ranks),
        ("takes no candidates, or one", _takes_few),
        ("is deterministic for a seed", _is_deterministic),
        ("follows its candidates", _follows),
        ("ties equal candidates", _ties_equals),
        ("is pointwise as declared", _is_pointwise),
        ("ranks subsets as one by one", _ranks_subsets),
        ("declares what it uses", _declares),
        ("sees what is shown alone", _sees_the_shown),
        ("its cost is reported", _costs),
    )
    findings = []
    for name, check in checks:
        if trial.is_stuck and check in _NEED_RANKINGS:
            findings.append(Finding(name, None, "not tried, since it does not rank"))
            continue
        try:
            findings.append(Finding(name, True, check(trial)))
        except _BrokenError as problem:
            findings.append(Finding(name, False, str(problem)))
            trial.is_stuck = trial.is_stuck or check is _ranks
    return tuple(findings)


class _BrokenError(Exception):
    """The ranker breaks the contract; the message says how and what to fix."""


class _Trial:
    """Ranking of toy candidates as in a run, noting what is asked for."""

    def __init__(self, make: Callable[[], Ranker], runner: Runner | None) -> None:
        self.make = make
        self.ranker = make()
        self.toys = toys(scripts=ranks_scripts(self.ranker))
        self.notes = Notes()
        self.is_stuck = False
        self.charged: Ranking | None = None
        self._declared = uses_of(self.ranker)
        # One per task: each program runs once, however often it is ranked.
        self._runners = {} if runner is None else {toy.task.id: RememberingRunner(runner) for toy in self.toys}

    def scores(self, toy: Toy, order: Sequence[int] | None = None, *, ranker: Ranker | None = None) -> list[float]:
        """Score some of a toy's candidates, or all of them in order where none are named.

        Raises:
            _BrokenError: There is not one finite score each.
        """
        ranker = ranker or self.ranker
        places = range(len(toy.candidates)) if order is None else order
        account = Account(ranker, self._context(toy))
        start = time.perf_counter()
        ranking = self._ranking(ranker, toy, [toy.candidates[place] for place in places], account.context)
        took = time.perf_counter() - start
        if order is None and toy is self.toys[0]:
            self.charged = account.charge(ranking, took)
        if len(ranking.scores) != len(places):
            raise _BrokenError(
                f"{len(ranking.scores)} scores for {len(places)} candidates: give one each, in the order given"
            )
        wrong = [score for score in ranking.scores if not math.isfinite(score)]
        if wrong:
            raise _BrokenError(
                f"gives {wrong[0]} on {toy.task.id}: scores must be finite; use a large negative number for the worst"
            )
        return list(ranking.scores)

    def scores_of_subsets(self, toy: Toy, orders: Sequence[Sequence[int]]) -> list[list[float]]:
        """Score subsets of a toy's candidates at once, all of one size.

        Raises:
            _BrokenError: There is not one finite score each.
        """
        shown = ShownContext(Account(self.ranker, self._context(toy)).context, self.notes)
        task, candidates = self._shown(toy, toy.candidates)
        try:
            with plugins.contained(RankerError):
                found = subset_ranking_of(self.ranker, task, candidates, shown)(np.array(orders, np.int64))
                scores = np.asarray(found, np.float64)
        except UserError as error:
            raise _BrokenError(f"subset_ranking fails on {toy.task.id}: {' '.join(str(error).split())}") from error
        if scores.shape != (len(orders), len(orders[0])) or not bool(np.isfinite(scores).all()):
            raise _BrokenError("subset_ranking must give one finite score per candidate of each subset")
        rows: list[list[float]] = scores.tolist()
        return rows

    def _context(self, toy: Toy) -> Context:
        runner = self._runners.get(toy.task.id)
        return Context(random.Random(0), runner, tests=toy.tests, scorer=ToyScorer(), rewarder=ToyRewarder())

    def _shown(self, toy: Toy, candidates: Sequence[Candidate]) -> tuple[ShownTask, list[ShownCandidate]]:
        logprobs = "logprobs" in self._declared
        shown = [shown_candidate(candidate, self.notes, logprobs=logprobs) for candidate in candidates]
        return shown_task(toy.task, self.notes), shown

    def _ranking(self, ranker: Ranker, toy: Toy, candidates: Sequence[Candidate], context: Context) -> Ranking:
        task, shown = self._shown(toy, candidates)
        try:
            with plugins.contained(RankerError):
                ranking = plain_ranking(ranker.rank(task, shown, ShownContext(context, self.notes)))
        except UserError as error:
            count = f"{len(candidates)} candidates" if len(candidates) != 1 else "one candidate"
            raise _BrokenError(f"fails with {count} of {toy.task.id}: {' '.join(str(error).split())}") from error
        if not isinstance(ranking, Ranking):
            raise _BrokenError(f"returns {type(ranking).__name__}: return codebudget.records.Ranking(scores=...)")
        return ranking


def _described(trial: _Trial) -> str:
    ranker = trial.ranker
    for field in ("name", "version"):
        value: object = getattr(ranker, field)
        if not isinstance(value, str) or not value.strip():
            raise _BrokenError(f"{field} is {value!r}: it must be a string, such as {field} = {_LIKE[field]!r}")
    if not isinstance(ranker.pointwise, bool):
        raise _BrokenError(f"pointwise is {ranker.pointwise!r}: it must be True or False")
    if not (type(ranker).__doc__ or "").strip():
        raise _BrokenError("its class has no docstring: say in its first line what it prefers")
    return f"{ranker.name} {ranker.version}"


_LIKE = {"name": "my-ranker", "version": "1"}


def _ranks(trial: _Trial) -> str:
    for toy in trial.toys:
        trial.scores(toy)
    if any(toy.task.is_script for toy in trial.toys):
        return "functions and scripts"
    return "functions alone: it does not say ranks_scripts = True"


def _takes_few(trial: _Trial) -> str:
    for toy in trial.toys:
        trial.scores(toy, [])
        for place in range(len(toy.candidates)):
            trial.scores(toy, [place])
    return ""


def _is_deterministic(trial: _Trial) -> str:
    another = trial.make()
    for toy in trial.toys:
        first = trial.scores(toy)
        for again in (trial.scores(toy), trial.scores(toy, ranker=another)):
            if again != first:
                raise _BrokenError(
                    f"scores of {toy.task.id} change from one call to the next: take random numbers only from "
                    "context.rng, and keep no state between calls"
                )
    return ""


def _follows(trial: _Trial) -> str:
    for toy in trial.toys:
        scores = trial.scores(toy)
        places = list(range(len(scores)))
        for order in (places[::-1], places[1:] + places[:1], random.Random(1).sample(places, len(places))):
            if trial.scores(toy, order) != [scores[place] for place in order]:
                raise _BrokenError(
                    f"scores of {toy.task.id} change when its candidates are given in another order: score each by "
                    "its content and never by its position in the list (candidate.index is its position among the "
                    "samples)"
                )
    return ""


def _ties_equals(trial: _Trial) -> str:
    for toy in trial.toys:
        places = list(range(len(toy.candidates)))
        scores = trial.scores(toy, [place for place in places for _ in range(2)] + places)
        for place in places:
            if len({scores[2 * place], scores[2 * place + 1], scores[2 * len(places) + place]}) > 1:
                raise _BrokenError(
                    f"equal candidates of {toy.task.id} get different scores: leave ties unbroken, since they are "
                    "scored in expectation"
                )
    return ""


def _is_pointwise(trial: _Trial) -> str:
    if not trial.ranker.pointwise:
        return "it is not: each subset is ranked separately"
    chance = random.Random(2)
    for toy in trial.toys:
        scores = trial.scores(toy)
        for _ in range(_SUBSETS):
            order = chance.sample(range(len(scores)), chance.randrange(2, len(scores)))
            among = trial.scores(toy, order)
            pairs = [(a, b) for a in range(len(order)) for b in range(a)]
            for a, b in pairs:
                if _sign(among[a], among[b]) != _sign(scores[order[a]], scores[order[b]]):
                    raise _BrokenError(
                        f"two candidates of {toy.task.id} change their order when others are left out: put "
                        "pointwise = False on its class, or score each candidate by itself"
                    )
    return ""


def _ranks_subsets(trial: _Trial) -> str:
    if not ranks_subsets(trial.ranker):
        return "it does not rank them at once"
    chance = random.Random(3)
    for toy in trial.toys:
        places = range(len(toy.candidates))
        for k in range(2, len(places) + 1):
            orders = [sorted(chance.sample(places, k)) for _ in range(_SUBSETS)]
            for order, found in zip(orders, trial.scores_of_subsets(toy, orders), strict=True):
                alone = trial.scores(toy, order)
                pairs = [(a, b) for a in range(k) for b in range(a)]
                if any(_sign(found[a], found[b]) != _sign(alone[a], alone[b]) for a, b in pairs):
                    raise _BrokenError(
                        f"subset_ranking orders candidates of {toy.task.id} otherwise than rank does: leave it out, or "
                        "score each subset as rank would if there were no other candidates"
                    )
    return "all at once"


def _declares(trial: _Trial) -> str:
    undeclared = [need for need in trial.notes.undeclared if need not in uses_of(trial.ranker)]
    if undeclared:
        wanted = ", ".join(map(repr, sorted({*trial.ranker.needs, *undeclared})))
        raise _BrokenError(
            f"asks for {', '.join(undeclared)} without declaring it: put needs = frozenset({{{wanted}}}) on its "
            "class, or put it in uses if it can do without"
        )
    declared = [f"needs {need}" for need in sorted(trial.ranker.needs)]
    declared += [f"uses {need}" for need in sorted(uses_of(trial.ranker) - trial.ranker.needs)]
    return ", ".join(declared) or "needs nothing"


def _sees_the_shown(trial: _Trial) -> str:
    if trial.notes.unknown:
        raise _BrokenError(
            f"asks {', '.join(trial.notes.unknown)}: no ranker gets hidden tests, verdicts or solutions; use the "
            "task's prompt and examples, the candidates' texts, and what it declares"
        )
    return ""


def _costs(trial: _Trial) -> str:
    charged = trial.charged
    if charged is None:
        raise _BrokenError("there was nothing to charge: return a Ranking")
    usage = charged.usage
    flops = None if usage.prefill_flops is None else usage.prefill_flops + (usage.decode_flops or 0.0)
    parts = [f"{charged.executions} programs run", f"{usage.wall_s or 0.0:.3f} s"]
    parts.insert(1, "FLOPs unknown" if flops is None else f"{flops:.3g} FLOPs")
    if charged.tests_usage is not None:
        parts.append("plus drawing the tests")
    return ", ".join(parts)


_NEED_RANKINGS = (_takes_few, _is_deterministic, _follows, _ties_equals, _is_pointwise, _ranks_subsets, _costs)


def _sign(a: float, b: float) -> int:
    return (a > b) - (a < b)
