"""A task, candidates, and a runner for programs that these tests wrote themselves."""

import random
from collections.abc import Callable, Iterator, Sequence

import pytest
from codebudget.rankers import Context, RememberingRunner
from codebudget.records import Candidate, Example, Limits, Outcome, PublicTask
from codebudget.sandbox import Sandbox, choose_launcher


class TrustingRunner:
    """Runs trusted programs in this process, anew for each expression, and notes what it was asked to run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        self.ran += programs
        return [[self._cell(program, expression) for expression in expressions] for program in programs]

    @staticmethod
    def _cell(program: str, expression: str) -> Outcome:
        scope: dict[str, object] = {}
        try:
            exec(compile(program, "<program>", "exec"), scope)
            return Outcome(value=repr(eval(expression, scope)))
        except Exception as error:
            return Outcome(error=type(error).__name__)


@pytest.fixture
def runner() -> TrustingRunner:
    return TrustingRunner()


@pytest.fixture
def context(runner: TrustingRunner) -> Context:
    return Context(random.Random(0), RememberingRunner(runner))


@pytest.fixture
def task() -> PublicTask:
    """Doubling, shown by three examples."""
    return PublicTask(
        id="toy/double",
        prompt="def double(x):\n",
        entry_point="double",
        examples=(
            Example(call="double(0)", expected="0"),
            Example(call="double(2)", expected="4"),
            Example(call="double(3)", expected="6"),
        ),
    )


@pytest.fixture
def pool() -> Callable[..., list[Candidate]]:
    """Candidates of the toy task from program texts."""

    def build(*programs: str) -> list[Candidate]:
        return [
            Candidate(task_id="toy/double", arm="toy", index=index, raw=program, program=program)
            for index, program in enumerate(programs)
        ]

    return build


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A real sandbox that works everywhere; a ranker does not care which."""
    with Sandbox(choose_launcher("process").launcher, limits=Limits(wall_s=2.0), workers=1) as running:
        yield running
