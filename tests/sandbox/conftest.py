"""One sandbox per launcher, shared by the tests of the session."""

import os
from collections.abc import Callable, Iterator

import pytest
from codebudget.errors import MachineError
from codebudget.records import HiddenTests, Limits, ReferenceCheck, Task, Verdict
from codebudget.sandbox import Job, Sandbox, choose_launcher
from codebudget.sandbox.box import Launcher

LIMITS = Limits(wall_s=1.0, memory_bytes=512 << 20)

MakeTask = Callable[..., Task]
Grade = Callable[[Task, str], Verdict]


@pytest.fixture(
    scope="session",
    params=[
        "process",
        pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def launcher(request: pytest.FixtureRequest) -> Launcher:
    """Each launcher that works here; the others skip, except a docker that is required."""
    try:
        return choose_launcher(request.param).launcher
    except MachineError as error:
        if request.param == "docker" and os.environ.get("CODEBUDGET_REQUIRE_DOCKER") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def sandbox(launcher: Launcher) -> Iterator[Sandbox]:
    """A sandbox with one slot and short limits."""
    with Sandbox(launcher, limits=LIMITS, workers=1) as one:
        yield one


@pytest.fixture(scope="session")
def usual(launcher: Launcher) -> Iterator[Sandbox]:
    """A sandbox whose limits follow from the reference: half a second of processor time, three by the clock."""
    with Sandbox(launcher, workers=2) as one:
        yield one


@pytest.fixture
def make_task() -> MakeTask:
    """Makes tasks whose entry point is `f`."""

    def make(tests: str, **changes: object) -> Task:
        style = "check" if "def check(" in tests else "asserts"
        fields: dict[str, object] = {"prompt": "def f(x):\n", "reference": None, "entry_point": "f", **changes}
        return Task.model_validate(
            {"id": "test/0", "benchmark": "test", "tests": HiddenTests(style=style, code=tests), **fields}
        )

    return make


@pytest.fixture
def check(sandbox: Sandbox) -> Callable[[Task], ReferenceCheck]:
    """Checks one task's reference."""
    return lambda task: next(sandbox.check([task]))


@pytest.fixture
def grade(sandbox: Sandbox, check: Callable[[Task], ReferenceCheck]) -> Grade:
    """Grades one program of a task, whose reference must pass."""

    def one(task: Task, program: str) -> Verdict:
        checked = check(task)
        assert checked.ok, checked.detail
        ((_, verdict),) = sandbox.grade([Job(task, checked, program)])
        return verdict

    return one
