"""Every program under tests/attacks/ on every launcher that works here, and the invariants after each.

`expect.toml` says what a program does, the statuses that it may get, and what a launcher does not promise about it:
`[process]` for that launcher, `[unprivileged_process]` for it where codebudget is not root. A program that gets out of
its box says so by raising RuntimeError("ESCAPED ..."); where the launcher holds it, it answers wrongly.
"""

import os
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from codebudget.records import HiddenTests, ReferenceCheck, Task, Verdict
from codebudget.sandbox import Job, Sandbox

ATTACKS = Path(__file__).resolve().parent.parent / "attacks"
NAMES = sorted(str(path.parent.relative_to(ATTACKS)) for path in ATTACKS.glob("*/*/expect.toml"))

PROMPT = 'def solve(numbers):\n    """Return the numbers in ascending order, each once."""\n'
REFERENCE = "def solve(numbers):  # reference\n    return sorted(set(numbers))\n"
TESTS = """
def check(candidate):
    assert candidate([3, 1, 3]) == [1, 3]
    assert candidate([]) == []
    assert candidate([5, 4, -2]) == [-2, 4, 5]
    for size in (7, 20):
        numbers = [(7 * place) % 11 - 5 for place in range(size)]
        assert candidate(list(numbers)) == sorted(set(numbers))
"""

# Looks for processes and files that an earlier run of the same box left. In a PID namespace of its own it sees all that
# there is; elsewhere it knows its neighbours by their user ids: a box of `process` has 256, one of docker all.
PROBE = """
import os
def solve(numbers):
    me = os.getuid()
    def left(path):
        try:
            owner = os.lstat(path).st_uid
        except OSError:
            return False
        return owner != me and (owner // 256 == me // 256 if me >= 40_000 else owner >= 10_000)
    processes = [pid for pid in os.listdir('/proc') if pid.isdigit() and pid != str(os.getpid())]
    tops = [top for top in ('/tmp', '/dev/shm', '/var/tmp') if os.path.isdir(top)]
    files = [top + '/' + name for top in tops for name in os.listdir(top)]
    if os.getpid() != 1:
        processes = [pid for pid in processes if left('/proc/' + pid)]
        files = [name for name in files if left(name)]
    raise KeyError(processes, files)
"""

Expectation = dict[str, Any]


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of the grader's that nobody else may read."""
    path = tmp_path_factory.mktemp("canary") / "secret"
    path.write_text("tweet")
    path.chmod(0o600)
    before = dict(os.environ)
    os.environ |= {"HF_TOKEN": "tweet", "CANARY_KEY": "tweet"}
    yield path
    os.environ.clear()
    os.environ.update(before)


def task_of(expectation: Expectation) -> Task:
    """The task that an attack is graded on."""
    return Task(
        id="attack",
        benchmark="attacks",
        prompt=PROMPT,
        entry_point="solve",
        tests=HiddenTests(style="check", code=expectation.get("tests", TESTS)),
        reference=expectation.get("reference", REFERENCE),
    )


def grade(sandbox: Sandbox, task: Task, check: ReferenceCheck, program: str) -> Verdict:
    """Grade one program."""
    ((_, verdict),) = sandbox.grade([Job(task, check, program)])
    return verdict


@pytest.mark.parametrize("name", NAMES)
def test_attack(sandbox: Sandbox, canary: Path, name: str) -> None:
    expectation = tomllib.loads((ATTACKS / name / "expect.toml").read_text(encoding="utf-8"))
    weak = sandbox.launcher.name == "process"
    unprivileged = weak and os.geteuid() != 0
    unsafe = expectation.get("unprivileged_process", {}).get("not_promised")
    if unprivileged and unsafe:
        pytest.skip(f"process without root does not promise it: {unsafe}")
    not_promised = expectation.get("process", {}).get("not_promised")
    program = (ATTACKS / name / "attack.py").read_text(encoding="utf-8")
    program = program.replace("@CANARY@", str(canary)).replace("@PREFIX@", sys.base_prefix)
    task = task_of(expectation)
    check = next(sandbox.check([task]))
    assert check.ok, check.detail
    assert check.integrity == "split"

    for again in range(1 + expectation.get("twice", False)):
        start = time.monotonic()
        verdict = grade(sandbox, task, check, program + "\n" * again)
        elapsed_s = time.monotonic() - start
        escaped = "ESCAPED" in verdict.detail
        if weak and not_promised:
            assert verdict.status in expectation["statuses"] or escaped, verdict.detail
        else:
            assert not escaped, verdict.detail
            assert verdict.status in expectation["statuses"], verdict.detail
        assert (verdict.status == "passed") is name.startswith("benign/")
        assert elapsed_s <= sandbox.limits.wall_s + 2
        assert verdict.detail.isprintable()
        assert "tweet" not in verdict.detail

    task = task_of({})
    check = next(sandbox.check([task]))
    honest = grade(sandbox, task, check, REFERENCE + "# honest\n")
    assert honest.status == "passed", honest.detail
    if not unprivileged:
        probe = grade(sandbox, task, check, PROBE)
        assert probe.detail.startswith("KeyError: ([], [])"), probe.detail
    assert canary.read_text() == "tweet"
    assert (canary.stat().st_mode & 0o777, os.listdir(canary.parent)) == (0o600, ["secret"])
