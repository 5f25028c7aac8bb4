"""What one ranker is offered on one task, and what its use of that is charged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import MachineError, UserError
from .execution import RememberingRunner
from .metering import RememberingScorer
from .protocol import Context, Ranker, uses_of
from .registry import origin

if TYPE_CHECKING:
    from ..records import Ranking
    from .protocol import Need

_HOW_TO_HAVE: dict[Need, str] = {
    "execution": "runs programs, and there is no sandbox at hand: choose one with --sandbox",
    "tests": "goes by tests that a model wrote, and there are none: give them with --tests FILE; "
    "`codebudget sample --tests` draws them",
    "scorer": "asks a model how likely it finds texts, and there is none: name an arm with --scorer ARM",
}


def check_offered(ranker: Ranker, context: Context) -> None:
    """Check that what a ranker needs beyond the candidates can be had.

    Raises:
        UserError: It cannot do without something that was not given.
        MachineError: It runs programs, and there is no sandbox.
    """
    for need in sorted(ranker.needs & _HOW_TO_HAVE.keys()):
        if not context.has(need):
            kind = MachineError if need == "execution" else UserError
            raise kind(f"{origin(ranker)} {_HOW_TO_HAVE[need]}")


class Account:
    """A context narrowed to what a ranker declared, which counts.

    Raises:
        UserError: The context lacks what the ranker cannot do without.
        MachineError: It lacks a sandbox.
    """

    def __init__(self, ranker: Ranker, context: Context) -> None:
        check_offered(ranker, context)
        offered = {need for need in uses_of(ranker) if context.has(need)}
        self._runner = RememberingRunner(context.runner) if "execution" in offered else None
        self._scorer = RememberingScorer(context.scorer) if "scorer" in offered else None
        self._tests = context.tests if "tests" in offered else None
        self.context = Context(context.rng, self._runner, tests=self._tests, scorer=self._scorer)

    def charge(self, ranking: Ranking, wall_s: float) -> Ranking:
        """The ranking with what it cost, where making it took `wall_s` here.

        Seconds are those that runs and scores took when they were made, not when they were remembered. FLOPs of scores
        are None where the model's architecture is unknown.
        """
        used: dict[str, float | None] = {"prefill_flops": ranking.usage.prefill_flops or 0.0}
        for part in (self._runner, self._scorer):
            if part is not None:
                wall_s += part.charged_s - part.waited_s
        if self._scorer is not None:
            flops = self._scorer.charged_flops
            used["prefill_flops"] = None if flops is None else flops + (ranking.usage.prefill_flops or 0.0)
        usage = ranking.usage.model_copy(
            update={"decode_flops": ranking.usage.decode_flops or 0.0, "wall_s": wall_s} | used
        )
        tests_usage = self._tests.usage if self._tests is not None and self._tests.samples else None
        executions = 0 if self._runner is None else self._runner.executions
        return ranking.model_copy(update={"usage": usage, "tests_usage": tests_usage, "executions": executions})
