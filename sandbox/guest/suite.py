"""A task's test code: compiled with its asserts counted, and run against one program after another."""

from __future__ import annotations

import ast
import copy
import os
import random
import sys
import types
from typing import Any, Sequence

from .unit_tests import run_test_cases

REACHED = "__codebudget_reached__"

_UNITTEST_MODULE = "__test__"
"""Module of tests in the style `unittest`, and of a program beside them: BigCodeBench's name for it."""

_RELATIVE_TOLERANCE = 1e-7
"""Beside the absolute tolerance of a task of pairs; EvalPlus' (`is_floats` in its evaluate.py, through allclose)."""


class InvalidTestsError(Exception):
    """The test code itself cannot be used."""


def preamble(prompt: str, entry_point: str) -> str:
    """What of a prompt tests may need: its imports and helpers, without the function that is asked for."""
    try:
        tree = ast.parse(prompt)
    except SyntaxError:
        return prompt.partition(f"def {entry_point}")[0]
    tree.body = [node for node in tree.body if getattr(node, "name", None) != entry_point]
    return ast.unparse(tree)


class _CountAsserts(ast.NodeTransformer):
    """Follow each assert statement by a call that says that it was reached and held."""

    def __init__(self) -> None:
        self.sites = 0

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        reached = ast.parse(f"{REACHED}({self.sites})").body[0]
        self.sites += 1
        return [node, reached]


Prepared = tuple[types.CodeType, types.CodeType]
_NOTHING = compile("", "<nothing>", "exec")


def prepare(tests: dict[str, Any]) -> Prepared:
    """Compile the prompt's preamble and the test code, its asserts counted.

    Raises:
        InvalidTestsError: one of them is not Python.
    """
    if tests["style"] == "call":
        # Their texts are data, which the process that needs them reads.
        return _NOTHING, _NOTHING
    try:
        before = preamble(tests["prompt"], tests["names"][0]) + "\n" + tests["imports"]
        helpers = compile(before, "<prompt>", "exec", dont_inherit=True)
        tree = ast.parse(tests["code"])
        if tests["style"] != "unittest":
            tree = ast.fix_missing_locations(_CountAsserts().visit(tree))
        return helpers, compile(tree, "<tests>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise InvalidTestsError(f"the test code cannot be compiled: {error}") from None


def unittest_module() -> types.ModuleType:
    """Make the module of tests in the style `unittest`, with the names that BigCodeBench's grader begins it with."""
    module = types.ModuleType(_UNITTEST_MODULE)
    module.__dict__.update(__file__=f"{_UNITTEST_MODULE}.py", sys=sys, os=os, environ=os.environ)
    return module


class Suite:
    """Prepared tests, run against one program after another."""

    def __init__(self, tests: dict[str, Any], prepared: Prepared) -> None:
        self._tests = tests
        self._helpers, self._code = prepared
        self._pairs: list[tuple[tuple[Any, ...], Any]] | None = None
        self._random_state = random.Random(0).getstate() if self._draws() else None

    @property
    def leaves_traces(self) -> bool:
        """Whether the tests may change their process, its folder and its modules, for what runs there afterwards."""
        return bool(self._tests["style"] == "unittest")

    def _draws(self) -> bool:
        return any("random" in self._tests[part] for part in ("prompt", "imports", "code"))

    def run(self, targets: Sequence[Any]) -> set[int]:
        """Run the tests with their names bound to `targets`; return the places of the tests that held.

        These are the assert statements that were reached, the pairs, or the methods of test cases. Tests that draw at
        random draw the same each time.

        Raises:
            BaseException: whatever the test code lets escape.
        """
        self._seed()
        reached: set[int] = set()
        if self._tests["style"] == "pairs":
            self._run_pairs(targets[0], reached)
            return reached
        module = self._module(targets)
        if self._tests["style"] == "unittest":
            return self._run_test_cases(module.__dict__)
        module.__dict__[REACHED] = reached.add
        exec(self._code, module.__dict__)
        if self._tests["style"] == "check":
            module.__dict__["check"](targets[0])
        return reached

    def run_beside(self, names: dict[str, Any]) -> set[int]:
        """Run tests in the style `unittest` in the module of a program, as `run` does in one of their own."""
        self._seed()
        return self._run_test_cases(names)

    def _seed(self) -> None:
        if self._random_state is not None:
            random.setstate(self._random_state)

    def _run_test_cases(self, names: dict[str, Any]) -> set[int]:
        before = dict(names)
        exec(self._code, names)
        return run_test_cases(names, before)

    def _run_pairs(self, target: Any, reached: set[int]) -> None:
        if self._pairs is None:
            module = self._module([])
            exec(self._code, module.__dict__)
            self._pairs = list(module.__dict__["pairs"])
        for place, (args, expected) in enumerate(self._pairs):
            if not is_close(target(*copy.deepcopy(args)), expected, self._tests["tolerance"]):
                raise AssertionError(f"pair {place}")
            reached.add(place)

    def _module(self, targets: Sequence[Any]) -> types.ModuleType:
        module = unittest_module() if self._tests["style"] == "unittest" else types.ModuleType("tests")
        # Dataclasses, for one, look their module up.
        sys.modules[module.__name__] = module
        exec(self._helpers, module.__dict__)
        module.__dict__.update(zip(self._tests["names"], targets))
        module.__dict__[REACHED] = lambda place: None
        return module


def is_close(result: Any, expected: Any, tolerance: float) -> bool:
    """Whether a result equals what is expected, or is as close as `tolerance` says where that is made of floats.

    With a tolerance numbers x and y are close if |x - y| <= tolerance + 1e-7 |y|, and lists and tuples if they have the
    same type and length and their items are close.
    """
    if result == expected:
        return True
    if not tolerance or type(result) is not type(expected):
        return False
    if isinstance(expected, (list, tuple)):
        return len(result) == len(expected) and all(
            _numbers_close(mine, theirs, tolerance) or is_close(mine, theirs, tolerance)
            for mine, theirs in zip(result, expected)
        )
    return _numbers_close(result, expected, tolerance)


def _numbers_close(result: Any, expected: Any, tolerance: float) -> bool:
    if not isinstance(result, (int, float)) or not isinstance(expected, (int, float)):
        return False
    return result == expected or abs(result - expected) <= tolerance + _RELATIVE_TOLERANCE * abs(expected)
