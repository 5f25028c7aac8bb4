"""The attacks and benign controls under `sandbox/attacks/<group>/<name>/`, as they ship with the package.

`attack.py` is the program; in it `@CANARY@` and the other placeholders of `examiner` stand for things of the host that
it goes after. `expect.toml` is an `Expectation`. A program that gets out of its box says so by raising
RuntimeError("ESCAPED ..."); if the launcher holds it, it answers wrongly.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import ValidationError

from ..._util.hashing import key_of
from ...errors import MachineError
from ...records import HiddenTests, IoCase, IoTests, Record, Rule, Status, Task
from ..launchers.plugins import PROMISES

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

BENIGN = "benign"
"""The group of honest programs, which must pass."""

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
BAD = "def solve(numbers):  # bad\n    return ['not this']\n"

_NUMBERS = (
    (3, 1, 3),
    (),
    (90125, 77031, -2),
    *(tuple((7 * place) % 11 - 5 for place in range(size)) for size in (7, 20)),
)
_SCRIPT = IoTests(
    style="stdio",
    cases=tuple(
        IoCase(input=" ".join(map(str, numbers)) + "\n", output=" ".join(map(str, sorted(set(numbers)))) + "\n")
        for numbers in _NUMBERS
    ),
    rule="tokens",
)
_SCRIPT_REFERENCE = "print(*sorted(set(map(int, input().split()))))  # reference\n"
_SCRIPT_BAD = "print('not this')\n"
_METHOD = IoTests(
    style="call",
    cases=tuple(IoCase(input=str([[*numbers]]), output=str(sorted(set(numbers)))) for numbers in _NUMBERS),
    rule="equal",
)
_METHOD_REFERENCE = "class Solution:  # reference\n    def solve(self, numbers):\n        return sorted(set(numbers))\n"
_METHOD_BAD = "class Solution:\n    def solve(self, numbers):\n        return ['not this']\n"
_TEST_CASES = HiddenTests(
    style="unittest",
    code="""
import unittest
class TestCases(unittest.TestCase):
    def setUp(self):
        self.numbers = [3, 1, 3]
    def test_duplicates(self):
        self.assertEqual(solve(self.numbers), [1, 3])
    def test_empty(self):
        self.assertEqual(solve([]), [])
    def test_negative(self):
        self.assertEqual(solve([5, 4, -2]), [-2, 4, 5])
    def test_no_numbers(self):
        with self.assertRaises(TypeError):
            solve(None)
    def test_sizes(self):
        for size in (7, 20):
            with self.subTest(size=size):
                numbers = [(7 * place) % 11 - 5 for place in range(size)]
                self.assertEqual(solve(list(numbers)), sorted(set(numbers)))
""",
)


class Expectation(Record):
    """Data of `expect.toml`.

    `statuses` are those that the program may get. `needs` names the promises (see `PROMISES`) that hold it; a launcher
    that lacks one may let it escape, but never pass. `harmful`: it is then not run at all, for the host's sake.
    `twice`: it is run again, in the same slot, to find what it left. `tests` and `reference` replace those of the
    task that all others are graded on. `style` says if the task is the same for a function, for a script (`stdio`),
    whose outputs are compared by `rule`, for the method of a class (`call`), or for a function that test cases call
    (`unittest`). `in_one_process`: the statuses that one of the latter may get where the tests share its process, as
    they never do for these; `passed` there is a forged pass that sharing cannot hold.
    """

    does: str
    statuses: tuple[Status, ...]
    needs: frozenset[str] = frozenset()
    harmful: bool = False
    twice: bool = False
    tests: str = TESTS
    reference: str = REFERENCE
    style: Literal["check", "stdio", "call", "unittest"] = "check"
    in_one_process: tuple[Status, ...] = ()
    rule: Rule = "tokens"


class Attack(NamedTuple):
    """One program of the corpus: `name` is `<group>/<name>`."""

    name: str
    program: str
    expects: Expectation

    @property
    def benign(self) -> bool:
        """Whether it is an honest program."""
        return self.name.startswith(f"{BENIGN}/")

    def task(self) -> Task:
        """Build the task it is graded on."""
        tests: HiddenTests | IoTests = HiddenTests(style="check", code=self.expects.tests)
        entry_point, reference = "solve", self.expects.reference
        if self.expects.style == "stdio":
            entry_point, reference = "", _SCRIPT_REFERENCE
            tests = _SCRIPT.model_copy(update={"rule": self.expects.rule})
        elif self.expects.style == "call":
            entry_point, reference, tests = "Solution.solve", _METHOD_REFERENCE, _METHOD
        elif self.expects.style == "unittest":
            tests = _TEST_CASES
        return Task(
            id=self.name,
            benchmark="attacks",
            prompt=PROMPT,
            entry_point=entry_point,
            tests=tests,
            reference=reference,
        )

    @property
    def bad_program(self) -> str:
        """A program of its task that is wrong, and nothing worse."""
        return {"stdio": _SCRIPT_BAD, "call": _METHOD_BAD}.get(self.expects.style, BAD)


@cache
def corpus() -> tuple[Attack, ...]:
    """Load all, by name.

    Raises:
        MachineError: the installation lacks them, or one is malformed.
    """
    groups = resources.files(__package__.rpartition(".")[0]) / "attacks"
    if not groups.is_dir():
        raise MachineError("the attacks are missing from this installation; reinstall codebudget")
    folders = (folder for group in groups.iterdir() if group.is_dir() for folder in _attacks_of(group))
    return tuple(sorted(folders))


@cache
def corpus_digest() -> str:
    """Hash all programs and expectations (SHA-256)."""
    parts = (part for attack in corpus() for part in (attack.name, attack.program, _expectation_key(attack.expects)))
    return key_of(*parts)


def _expectation_key(expects: Expectation) -> str:
    return key_of(*(repr(sorted(v) if isinstance(v, frozenset) else v) for _, v in expects))


def _attacks_of(group: Traversable) -> list[Attack]:
    return [_read(group.name, folder) for folder in group.iterdir() if (folder / "expect.toml").is_file()]


def _read(group: str, folder: Traversable) -> Attack:
    name = f"{group}/{folder.name}"
    try:
        expects = Expectation.model_validate(tomllib.loads((folder / "expect.toml").read_text(encoding="utf-8")))
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise MachineError(f"attack {name}: expect.toml: {' '.join(str(error).split())}") from error
    if not expects.needs <= PROMISES.keys():
        raise MachineError(f"attack {name}: expect.toml: needs must be drawn from: {', '.join(PROMISES)}")
    return Attack(name, (folder / "attack.py").read_text(encoding="utf-8"), expects)
