"""Lines reached, measured where programs run."""

from collections.abc import Iterator

import pytest
from codebudget.errors import SandboxError
from codebudget.rankers.inputs.coverage import BITS, new_lines, reached, reaching
from codebudget.records import PublicTask
from codebudget.sandbox import Sandbox, choose_launcher

FUNCTION = PublicTask(id="t", prompt="def f(x):\n", entry_point="f")
METHOD = PublicTask(id="t", prompt="class A:\n    def f(self, x):\n", entry_point="A.f")
SCRIPT = PublicTask(id="t", prompt="Say.", entry_point="", is_script=True)

BRANCHES = "def f(x):\n    if x > 5:\n        return 1\n    for _ in range(x):\n        pass\n    return 2 / x\n"
CALLS = [(7,), (0,), (2,)]
LINES = [0b1100, 0b1010100, 0b1110100]


@pytest.fixture(scope="module", params=["process", "bubblewrap"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    try:
        launcher = choose_launcher(request.param).launcher
    except SandboxError as error:
        pytest.skip(str(error))
    with Sandbox(launcher, workers=1) as running:
        yield running


def test_lines_of_a_function_are_told_by_call(sandbox: Sandbox) -> None:
    assert reached(FUNCTION, sandbox, [BRANCHES, "def f(x): return x"], [CALLS, CALLS[:1]]) == [LINES, [0b10]]


def test_lines_of_a_method(sandbox: Sandbox) -> None:
    method = "class A:\n    def f(self, x):\n        if x:\n            return 1\n"
    assert reached(METHOD, sandbox, [method], [[(0,), (1,)]]) == [[0b1000, 0b11000]]


def test_what_never_ends_is_given_up_and_the_rest_is_told(sandbox: Sandbox) -> None:
    loop = "def f(x):\n    while x == 0:\n        pass\n    return 1\n"
    assert reached(FUNCTION, sandbox, [loop], [[(0,), (1,)]]) == [[0b1100, 0b10100]]


HOSTILE = {
    "no program": "def f(",
    "no function": "g = 1\n",
    "ends the process": "import os\ndef f(x):\n    os._exit(0)\n",
    "takes the harness's place": "import sys\nsys.modules['candidate'].f = lambda place: 'x' * 9\ndef f(x): 1\n",
    "says what is no set of lines": "import sys\nsys.modules['candidate'].f = lambda place: 10**400\ndef f(x): 1\n",
    "says a negative number": "import sys\nsys.modules['candidate'].f = lambda place: -5\ndef f(x): 1\n",
}


@pytest.mark.parametrize("program", HOSTILE.values(), ids=HOSTILE)
def test_an_answer_is_a_set_of_lines_or_nothing(sandbox: Sandbox, program: str) -> None:
    rows = reached(FUNCTION, sandbox, [program, BRANCHES], [CALLS, CALLS])
    assert rows[1] == LINES
    assert all(0 <= bits < 1 << BITS for bits in rows[0])


def test_a_script_says_which_inputs_reach_new_lines(sandbox: Sandbox) -> None:
    script = "x = int(input())\nif x > 5:\n    print('much')\nelif x < 0:\n    print(1 / 0)\nelse:\n    print(x)\n"
    lies = "import sys\nprint('0 99 -1 zwei', file=sys.__stdout__)\n"
    texts = ["7\n", "8\n", "-1\n", "3\n", "4\n"]
    assert reaching(SCRIPT, sandbox, [script, "print(", lies], texts) == [[0, 2, 3], [], [0]]


def test_places_of_new_lines() -> None:
    assert new_lines([0b1, 0b11, 0b11, 0b100, 0b1000], 0b1, 2) == [1, 3]
