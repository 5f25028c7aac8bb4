"""What is known of candidates without a hidden test, where a task shows no example."""

import random

import numpy as np
import pytest
from codebudget.experiment.escalation import DEFAULT_RULE, Evidence, evidence_of
from codebudget.rankers import Context, RememberingRunner
from codebudget.records import Candidate, Limits, PublicTask
from codebudget.sandbox import Sandbox
from codebudget.sandbox.launchers.process import ProcessLauncher

FUNCTION = PublicTask(id="t", prompt='def f(n: int) -> int:\n    """Double."""\n', entry_point="f")
SCRIPT = PublicTask(id="t", prompt="Add.", entry_point="", is_script=True)
READ = "n = int(input())\nnumbers = [int(word) for word in input().split()]\n"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(ProcessLauncher(), limits=Limits(wall_s=5.0), workers=1) as running:
        yield running


def evidence(sandbox: Sandbox, task: PublicTask, *programs: str) -> Evidence:
    candidates = [Candidate(task_id="t", arm="a", index=i, raw=text, program=text) for i, text in enumerate(programs)]
    return evidence_of(task, candidates, Context(random.Random(0), RememberingRunner(sandbox)))


def body(text: str) -> str:
    return f"def f(n):\n    return {text}\n"


def test_functions_agree_that_do_the_same_in_other_words(sandbox: Sandbox) -> None:
    found = evidence(sandbox, FUNCTION, body("n + n"), body("2 * n"), body("n * n"), body("n << 1"), "def f(n:\n")
    assert found.holds is None
    assert found.behaviour[0] == found.behaviour[1] == found.behaviour[3] != found.behaviour[2]
    assert found.agreement(np.arange(5)) == pytest.approx(2 / 4)
    assert not found.suffices(np.arange(5), DEFAULT_RULE)
    assert found.suffices(np.array([0, 1, 3]), DEFAULT_RULE)
    # One that never returns agrees with nobody.
    assert found.agreement_with(4, np.arange(5)) == 0


def test_scripts_agree_on_inputs_that_they_can_read(sandbox: Sandbox) -> None:
    sums = f"{READ}print(sum(numbers))\n", "input()\nprint(eval('+'.join(input().split())))\n"
    found = evidence(sandbox, SCRIPT, *sums, f"{READ}print(n)\n")
    assert found.behaviour[0] == found.behaviour[1] != found.behaviour[2]


def test_where_nothing_can_be_run_texts_agree(sandbox: Sandbox) -> None:
    programs = (
        f"{name} = input().split()[40]\nprint({shown})\n" for name, shown in (("a", "a"), ("b", "b"), ("a", "1"))
    )
    found = evidence(sandbox, SCRIPT, *programs)
    assert found.behaviour[0] == found.behaviour[1] != found.behaviour[2]
