from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from codebudget.errors import SandboxError, UserError
from codebudget.experiment.grading import Grader, Submission
from codebudget.records import HiddenTests, Limits, Task
from codebudget.sampler.store import open_store
from codebudget.sandbox import Sandbox
from codebudget.sandbox.box import Box
from codebudget.sandbox.launchers.process import ProcessLauncher


def task(name: str, reference: str = "    return x + 1\n") -> Task:
    prompt = f"def {name}(x):\n"
    tests = HiddenTests(style="asserts", code=f"assert {name}(1) == 2\nassert {name}(2) == 3\n")
    return Task(id=name, benchmark="b", prompt=prompt, entry_point=name, tests=tests, reference=prompt + reference)


def program(of: Task, body: str) -> Submission:
    return Submission(of, f"{of.prompt}    {body}\n")


class NoBoxes(ProcessLauncher):
    def launch(self) -> Box:
        raise SandboxError("no box is started here")


@contextmanager
def grading(
    folder: Path, launcher: ProcessLauncher | None = None, *, limits: Limits | None = None, fresh: bool = False
) -> Iterator[Grader]:
    with (
        open_store(folder / "store.sqlite") as store,
        Sandbox(launcher or ProcessLauncher(), workers=1, limits=limits) as sandbox,
    ):
        yield Grader(sandbox, store, fresh=fresh)


def test_verdicts_come_in_the_order_of_the_programs(tmp_path: Path) -> None:
    one, two = task("one"), task("two")
    programs = [program(two, "return 0"), program(one, "return x + 1"), program(two, "return 1 + x"), program(one, "?")]
    with grading(tmp_path) as grader:
        checks = grader.check([one, two])
        assert list(checks) == ["one", "two"]
        assert all(check.ok for check in checks.values())
        verdicts = grader.grade(programs, checks)
    assert [verdict.status for verdict in verdicts] == ["wrong", "passed", "passed", "invalid"]


def test_what_is_known_is_not_run_again_and_fresh_runs_it(tmp_path: Path) -> None:
    one = task("one")
    programs = [program(one, "return x + 1"), program(one, "return 0")]
    with grading(tmp_path) as grader:
        checks = grader.check([one])
        verdicts = grader.grade(programs, checks)
        outcomes = grader.evaluate(one.public(), [row.text for row in programs], ["one(5)"])
    with grading(tmp_path, NoBoxes()) as grader:
        assert grader.check([one]) == checks
        assert grader.grade(programs, checks) == verdicts
        assert grader.evaluate(one.public(), [row.text for row in programs], ["one(5)"]) == outcomes
    with grading(tmp_path, NoBoxes(), fresh=True) as grader:
        with pytest.raises(SandboxError, match="no box"):
            grader.check([one])
        assert [verdict.status for verdict in grader.grade(programs, checks)] == ["sandbox_error"] * 2


def test_other_limits_tests_or_prompts_are_other_conditions(tmp_path: Path) -> None:
    one = task("one")
    with grading(tmp_path) as grader:
        checks = grader.check([one])
        grader.grade([program(one, "return x + 1")], checks)
    with grading(tmp_path, NoBoxes(), limits=Limits(wall_s=7)) as grader:
        assert grader.grade([program(one, "return x + 1")], checks)[0].status == "sandbox_error"
    other = one.model_copy(update={"tests": HiddenTests(style="asserts", code="assert one(1) == 2\n")})
    with grading(tmp_path, NoBoxes()) as grader:
        assert grader.grade([program(other, "return x + 1")], checks)[0].status == "sandbox_error"


def test_a_failed_check_and_a_failed_machine_are_tried_again(tmp_path: Path) -> None:
    bad = task("bad", "    return x\n")
    good = task("good")
    with grading(tmp_path) as grader:
        checks = grader.check([bad, good])
        assert not checks["bad"].ok
        assert "wrong" in checks["bad"].detail
        with pytest.raises(UserError, match="bad cannot be graded"):
            grader.grade([program(bad, "return x")], checks)
    with grading(tmp_path, NoBoxes()) as grader:
        assert grader.grade([program(good, "return x + 1")], checks)[0].status == "sandbox_error"
        with pytest.raises(SandboxError):
            grader.check([bad])
    with grading(tmp_path) as grader:
        assert grader.grade([program(good, "return x + 1")], checks)[0].status == "passed"


class Stop(BaseException):
    """What Ctrl-C does, at a known place."""


def test_what_was_finished_before_an_interruption_is_kept(tmp_path: Path) -> None:
    tasks = [task(f"t{number}") for number in range(6)]

    def stop_at_three(step: str, done: int, total: int) -> None:
        if done == 3:
            raise Stop

    with open_store(tmp_path / "store.sqlite") as store, Sandbox(ProcessLauncher(), workers=1) as sandbox:
        with pytest.raises(Stop):
            Grader(sandbox, store, stop_at_three).check(tasks)
        checks = Grader(sandbox, store).check(tasks)
        programs = [program(row, f"return x + 1  # {row.id}") for row in tasks]
        with pytest.raises(Stop):
            Grader(sandbox, store, stop_at_three).grade(programs, checks)
    left: dict[str, int] = {}
    with open_store(tmp_path / "store.sqlite") as store, Sandbox(ProcessLauncher(), workers=1) as sandbox:
        told = Grader(sandbox, store, lambda step, done, total: left.update({step: total}))
        assert all(verdict.status == "passed" for verdict in told.grade(programs, checks))
        told.check(tasks)
    assert left == {"grading": 3}
