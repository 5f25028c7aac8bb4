"""The interface of rankers, and the context that they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, get_args, runtime_checkable

from ..errors import UserError

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from ..estimators import IntArray
    from ..records import Candidate, GeneratedTests, IoCase, Likelihood, Outcome, PublicTask, Ranking, Reward

Need = Literal["execution", "tests", "logprobs", "scorer", "reward"]
"""Resources a ranker can declare beyond the task and the texts of its candidates.

`execution`: running programs. `tests`: tests that a model wrote. `logprobs`: those of the candidates' own tokens.
`scorer`: a model that gives a text's likelihood. `reward`: a model, which the ranker names, that rates answers.
"""

NEEDS: frozenset[Need] = frozenset(get_args(Need))


class Runner(Protocol):
    """Runs candidates' programs in a sandbox."""

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """Evaluate each expression against each program, with the task's entry point bound to the program's.

        Of a script, `expressions` are texts of standard input, each of which it is run on in a process of its own.

        Returns:
            One row per program and one cell per expression, in the orders given. An outcome's text is equal for
            equal values, or for outputs of the same words. Once a program is dead, later expressions share its error;
            one that dies in a call is started again, up to three times, for the expressions after it.

        Raises:
            SandboxError: The sandbox itself failed.
        """
        ...

    def judge(self, task: PublicTask, programs: Sequence[str], cases: Sequence[IoCase]) -> list[list[Outcome]]:
        """Run each script on the inputs of cases, and compare its outputs with theirs by the task's own rule.

        Returns:
            One row per program and one outcome per case, which says whether the output `is_right`.

        Raises:
            UserError: The task asks for a function.
            SandboxError: The sandbox itself failed.
        """
        ...


class Execution(Runner, Protocol):
    """A remembering runner, as offered to rankers."""

    def foresee(
        self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str], later: Sequence[str]
    ) -> None:
        """Evaluate expressions together with others that will be asked for later, as a run takes mostly its start.

        A program that is dead before the later ones is dead for these too.

        Raises:
            SandboxError: The sandbox itself failed.
        """
        ...

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


class Rewarder(Protocol):
    """Loads the reward models that rankers name."""

    def rate(
        self, model: str, label: str, answers: Sequence[tuple[str, str]], engine: str = "transformers"
    ) -> list[Reward]:
        """Rate each answer to its prompt.

        Args:
            model: A checkpoint that classifies sequences: a folder, or a hub id.
            label: The class whose probability is the reward; empty for the model's only output, or the second of two.
            answers: Prompts with answers.
            engine: What runs the model: `transformers` or `vllm`.

        Raises:
            UserError: the model is no such checkpoint, or an answer is longer than its context.
            EngineError: it cannot be loaded, or failed.
        """
        ...


class Context:
    """Means a ranker may use on one task: a seeded random generator, and what it declared.

    Whoever ranks makes one per task with everything available; a ranker gets a narrowed one.
    """

    def __init__(
        self,
        rng: random.Random,
        runner: Execution | None = None,
        *,
        tests: GeneratedTests | None = None,
        scorer: Scorer | None = None,
        rewarder: Rewarder | None = None,
    ) -> None:
        self.rng = rng
        self._offers: Mapping[Need, object | None] = {
            "execution": runner,
            "tests": tests,
            "scorer": scorer,
            "reward": rewarder,
        }
        self._runner, self._tests, self._scorer, self._rewarder = runner, tests, scorer, rewarder

    @property
    def runner(self) -> Execution:
        """The sandbox.

        Raises:
            UserError: None was offered, because the ranker did not declare `execution`.
        """
        if self._runner is None:
            raise _undeclared("a runner", "execution")
        return self._runner

    @property
    def tests(self) -> GeneratedTests:
        """Tests that a model wrote; it may have written none for this task.

        Raises:
            UserError: None were offered, because the ranker did not declare `tests`.
        """
        if self._tests is None:
            raise _undeclared("generated tests", "tests")
        return self._tests

    @property
    def scorer(self) -> Scorer:
        """A model that scores texts.

        Raises:
            UserError: None was offered, because the ranker did not declare `scorer`.
        """
        if self._scorer is None:
            raise _undeclared("a scorer", "scorer")
        return self._scorer

    @property
    def rewarder(self) -> Rewarder:
        """Whatever loads reward models.

        Raises:
            UserError: None was offered, because the ranker did not declare `reward`.
        """
        if self._rewarder is None:
            raise _undeclared("a reward", "reward")
        return self._rewarder

    @property
    def offered(self) -> frozenset[Need]:
        """Everything available here; `logprobs` are the candidates' own."""
        return frozenset(need for need, offer in self._offers.items() if offer is not None)

    def has(self, need: Need) -> bool:
        """Whether this can be had; `logprobs` are the candidates' own."""
        return need in self.offered


def _undeclared(what: str, need: Need) -> UserError:
    return UserError(
        f"the ranker asks for {what} without declaring it: put needs = frozenset({{{need!r}}}) on its class"
    )


@runtime_checkable
class Ranker(Protocol):
    """Scores a task's candidates, from what its user could see.

    A ranker is made from its parameters, which have defaults, and keeps nothing between tasks. Scores are deterministic
    for a seed, follow the candidates when they are permuted, and are finite; higher is better, equal scores are ties,
    and ties are scored in expectation, so that a ranker never breaks one by position.

    One with optional needs lists them in `uses`, another frozenset, and asks `context.has`. One that runs programs or
    reads tests, and can do so where programs are scripts, says `ranks_scripts = True`.
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


def ranks_scripts(ranker: Ranker) -> bool:
    """Whether a ranker knows scripts, which have no function to call; unsaid, one does that only reads candidates."""
    said = getattr(ranker, "ranks_scripts", None)
    return uses_of(ranker).isdisjoint({"execution", "tests"}) if said is None else bool(said)


def is_own(ranker: Ranker) -> bool:
    """Whether a ranker's class is one of codebudget's own, whatever its links are."""
    return type(ranker).__module__.partition(".")[0] == __package__.partition(".")[0]
