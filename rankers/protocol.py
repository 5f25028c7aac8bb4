"""The interface of rankers and of what they may be given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, get_args, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..estimators import IntArray
    from ..records import Candidate, Likelihood, Outcome, PublicTask, Ranking
    from .context import Context

Need = Literal["execution", "tests", "logprobs", "scorer"]
"""Resources a ranker can declare beyond the task and the texts of its candidates.

`execution`: running programs. `tests`: tests that a model wrote. `logprobs`: those of the candidates' own tokens.
`scorer`: a model that gives a text's likelihood.
"""

NEEDS: frozenset[Need] = frozenset(get_args(Need))


class Runner(Protocol):
    """Runs candidates' programs in a sandbox."""

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """Evaluate each expression against each program, with the task's entry point bound to the program's.

        Returns:
            One row per program and one cell per expression, in the orders given. An outcome's text is equal for
            equal values. Once a program is dead, later expressions share its error.

        Raises:
            SandboxError: The sandbox itself failed.
        """
        ...


class Execution(Runner, Protocol):
    """A remembering runner, as offered to rankers."""

    def values(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> IntArray:
        """Number the values of `evaluate`: an array [programs, expressions], equal where values are equal.

        -1 stands for no value. Numbers mean nothing beyond one task and runner. Asking again for programs and
        expressions that were asked for together costs next to nothing.

        Raises:
            SandboxError: The sandbox itself failed.
        """
        ...


class Scorer(Protocol):
    """A model that gives texts' likelihoods."""

    def score(self, texts: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """Score each completion, given its prompt.

        Raises:
            EngineError: the engine cannot score, or failed.
        """
        ...

    def flops(self, texts: Sequence[tuple[str, str]]) -> float | None:
        """Count the FLOPs of scoring these; None where the model's architecture is unknown."""
        ...


@runtime_checkable
class Ranker(Protocol):
    """Scores a task's candidates, from what its user could see.

    A ranker is made from its parameters, which have defaults, and keeps nothing between tasks. Scores are deterministic
    for a seed, follow the candidates when they are permuted, and are finite; higher is better, equal scores are ties,
    and ties are scored in expectation, so that a ranker never breaks one by position.

    One with optional needs lists them in `uses`, another frozenset, and asks `context.has`.
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
        """Its requirements beyond the task and the candidates; the context offers these and no more."""
        ...

    @property
    def pointwise(self) -> bool:
        """Whether a candidate's score does not depend on which others are ranked with it."""
        ...

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score the candidates, in the order given. There may be none, one, or equal ones."""
        ...


def uses_of(ranker: Ranker) -> frozenset[Need]:
    """List all that a ranker is offered if available: what it needs, and what it can use."""
    return ranker.needs | frozenset(getattr(ranker, "uses", ()))
