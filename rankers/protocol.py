"""What a ranker is, what it may be given, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from ..errors import UserError

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from ..records import Candidate, Outcome, PublicTask, Ranking

Need = Literal["execution"]
"""What a ranker can declare that it needs beyond the task and the candidates. `execution`: running programs."""


class Runner(Protocol):
    """Runs candidates' programs in a sandbox."""

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """Evaluate each expression against each program, with the task's entry point bound to the program's.

        Returns:
            One row per program and one cell per expression, in the orders given. An outcome's text is equal for
            equal values. Once a program is dead, the expressions after share its error.

        Raises:
            SandboxError: The sandbox itself failed.
        """
        ...


class Context:
    """What a ranker may use on one task: a seeded random generator, and a runner where it declared `execution`.

    Whoever ranks makes one per task and offers what there is; a ranker is handed a narrowed one.
    """

    def __init__(self, rng: random.Random, runner: Runner | None = None) -> None:
        self.rng = rng
        self._runner = runner

    @property
    def runner(self) -> Runner:
        """The sandbox.

        Raises:
            UserError: None was offered, because the ranker did not declare that it needs one.
        """
        if self._runner is None:
            raise UserError(
                "the ranker asks for a runner without declaring it: put needs = frozenset({'execution'}) on its class"
            )
        return self._runner

    @property
    def has_runner(self) -> bool:
        """Whether a runner was offered."""
        return self._runner is not None


@runtime_checkable
class Ranker(Protocol):
    """Scores the candidates of a task, from what its user could see.

    A ranker is made without arguments and keeps nothing between tasks. Scores are deterministic for a seed, follow the
    candidates when they are permuted, and are finite; higher is better, equal scores are ties, and ties are scored in
    expectation, so that a ranker never breaks one by position.
    """

    @property
    def name(self) -> str:
        """Its short name."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever its scores may."""
        ...

    @property
    def needs(self) -> frozenset[Need]:
        """What it needs beyond the task and the candidates; the context offers that and no more."""
        ...

    @property
    def pointwise(self) -> bool:
        """Whether a candidate's score does not depend on which others are ranked with it."""
        ...

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score the candidates, in the order given. There may be none, one, or equal ones."""
        ...
