"""What rankers can be offered for an arm, beside the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..records import GeneratedTests
from .protocol import Context

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from .protocol import Runner, Scorer


class Offers(NamedTuple):
    """Tests that a model wrote, by task id, and a model that scores; None where there are none at all."""

    tests: Mapping[str, GeneratedTests] | None = None
    scorer: Scorer | None = None

    def context(self, task_id: str, rng: random.Random, runner: Runner | None) -> Context:
        """What there is for one task: no tests where nobody wrote any for it."""
        tests = None if self.tests is None else self.tests.get(task_id, GeneratedTests())
        return Context(rng, runner, tests=tests, scorer=self.scorer)
