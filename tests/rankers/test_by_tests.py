"""Rankers by generated tests in a real sandbox: hand-worked cases, and candidates that cheat or never end (E6)."""

import random

import pytest
from codebudget.rankers import Context, RankedPool, RememberingRunner, load_ranker
from codebudget.records import Candidate, GeneratedTests, PublicTask

TASK = PublicTask(id="t", prompt="def double(x):\n", entry_point="double")
TESTS = GeneratedTests(
    samples=(
        "double(2) == 4\nassert double(5) == 10\nassert double(-3) == -6\n",
        "double(2) == 4\nassert double(7) == 15\nassert True\n",
        "abs(double(4) - 8) < 1\nassert double([1]) == [1, 1]\n",
    )
)
GOOD = "def double(x):\n    return x + x\n"
TIMES = "def double(x):\n    return x * 2\n"
SQUARE = "def double(x):\n    return x * x\n"
BY_TESTS = ["codet", "maxpass", "mbr-exec", "alphacode", "b4", "srank", "aces"]

CHEATS = {
    "equal to everything": (
        "class Same(int):\n    def __eq__(self, other):\n        return True\n    __hash__ = int.__hash__\n"
        "def double(x):\n    return Same(99)\n"
    ),
    "an object of its own": (
        "class Same:\n    def __eq__(self, other):\n        return True\n    def __bool__(self):\n        return True\n"
        "def double(x):\n    return Same()\n"
    ),
    "leaves": "import os\ndef double(x):\n    os._exit(0)\n",
    "leaves at once": "raise SystemExit(0)\n",
    "writes replies": (
        "import os\nfor fd in range(1, 32):\n    try:\n        os.write(fd, b'{\"value\": 4}\\n' * 50)\n"
        "    except OSError:\n        pass\ndef double(x):\n    return 99\n"
    ),
    "changes builtins": (
        "import builtins\nbuiltins.bool = builtins.abs = lambda *a: True\ndef double(x):\n    return 99\n"
    ),
    "never ends": "def double(x):\n    while True:\n        pass\n",
    "is no program": "def double(x:\n",
    "raises": "def double(x):\n    raise KeyError(x)\n",
}


def pool(*programs):
    return [
        Candidate(task_id="t", arm="a", index=index, raw=program, program=program)
        for index, program in enumerate(programs)
    ]


@pytest.fixture
def rank(sandbox):
    def run(name, *programs, tests=TESTS):
        context = Context(random.Random(0), RememberingRunner(sandbox), tests=tests)
        return RankedPool(load_ranker(name), TASK, pool(*programs), context).ranking

    return run


def test_asserts_that_hold_are_counted_with_their_copies(rank):
    # double(2) == 4 twice, 5, -3, abs(...), [1]; never double(7) == 15, which is wrong.
    assert rank("maxpass", GOOD, SQUARE, GOOD).scores == (6, 2, 6)
    assert rank("maxpass,tests=1", GOOD, SQUARE).scores == (3, 1)
    assert rank("maxpass,asserts=1", GOOD, SQUARE).scores == (3, 2)
    assert rank("codet", GOOD, TIMES, SQUARE).scores == pytest.approx((2**0.5 * 6, 2**0.5 * 6, 2))


@pytest.mark.parametrize("cheat", CHEATS.values(), ids=CHEATS)
def test_a_program_that_cheats_gains_nothing_and_harms_nobody(rank, cheat):
    alone = rank("maxpass", GOOD, SQUARE).scores
    good, square, cheating = rank("maxpass", GOOD, SQUARE, cheat).scores
    assert (good, square) == alone
    assert cheating == 0


@pytest.mark.parametrize("name", BY_TESTS)
def test_the_program_that_others_and_tests_confirm_is_first(rank, name):
    scores = rank(name, CHEATS["leaves"], GOOD, SQUARE, CHEATS["is no program"], TIMES, CHEATS["raises"]).scores
    assert scores[1] == scores[4] == max(scores)
    assert scores[0] < scores[1]
    assert scores[3] < scores[1]


@pytest.mark.parametrize("name", BY_TESTS)
@pytest.mark.parametrize("tests", [GeneratedTests(), GeneratedTests(samples=("True\nassert 1 == 1", ""))])
def test_without_a_valid_assert_all_are_ties(rank, name, tests):
    ranking = rank(name, GOOD, SQUARE, tests=tests)
    assert ranking.scores == (0, 0)
    assert ranking.executions == 0


def test_expected_values_are_no_programs(rank):
    tests = GeneratedTests(samples=("double(2) == nowhere\nassert double(1) == double\nassert double(3) == 1 / 0\n",))
    assert rank("maxpass", GOOD, "def double(x):\n    return nowhere\n", tests=tests).scores == (0, 0)


def test_executability_goes_by_the_inputs_of_the_tests(rank):
    assert rank("executability", GOOD, SQUARE, CHEATS["raises"], CHEATS["is no program"]).scores == (1, 0, 0, 0)
    assert rank("executability", GOOD, SQUARE, CHEATS["leaves at once"], tests=GeneratedTests()).scores == (1, 1, 0)
