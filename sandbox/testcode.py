"""A task's hidden tests, as sent to the tester's process."""

from __future__ import annotations

import ast
import builtins
import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from .._util.parsing import TURN, UNPARSABLE, parse
from ..errors import SandboxError
from ..records import HiddenTests
from .fixed_calls import has_fixed_calls, is_steady
from .guest.suite import preamble

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..records import IoTests, PublicTask, Task

_TASKS_KEPT = 512
_MOST_BYTES_OF_CASES = 2 << 20
"""Of JSON; as values that cross, its arguments can take several times as much, of the 16 MiB that a frame holds."""


class SuiteSource(NamedTuple):
    """Tests as they cross to the tester's box.

    `names` are the functions that they may call, the entry point first. `key` stands for the calls that they make,
    which are `fixed` if no answer changes them; they are `steady` if the same answers always get the same report.
    `cases` counts the calls where each has the limits to itself; else it is 0. `preamble` is source that runs before
    each program.
    """

    names: tuple[str, ...]
    return_arguments: bool
    message: dict[str, Any]
    key: str
    fixed: bool
    cases: int = 0
    preamble: str = ""
    steady: bool = False


def hidden_tests(task: Task, *, return_arguments: bool) -> SuiteSource:
    """Build a task's tests.

    Besides the entry point they may call functions that they name and only the reference solution defines, and use
    what its top-level statements import.

    Raises:
        SandboxError: the task has no test code.
    """
    if not isinstance(task.tests, HiddenTests):
        raise SandboxError(f"task {task.id} has no test code to grade with")
    return _hidden_tests(task.prompt, task.entry_point, task.tests, task.reference or "", return_arguments)


@lru_cache(maxsize=_TASKS_KEPT)
def _hidden_tests(
    prompt: str, entry_point: str, tests: HiddenTests, reference: str, return_arguments: bool
) -> SuiteSource:
    names, imports = _borrowed(prompt, entry_point, tests.code, reference)
    functions = (entry_point, *names)
    fixed = has_fixed_calls(tests.style, tests.code, functions, changes_arguments=return_arguments)
    suite = _suite(
        prompt,
        functions,
        imports,
        tests.style,
        tests.code,
        tests.tolerance,
        return_arguments=return_arguments,
        fixed=fixed,
    )
    return suite._replace(steady=fixed and _are_steady(prompt, entry_point, imports, tests.code))


def _are_steady(prompt: str, entry_point: str, *code: str) -> bool:
    try:
        # The guest's own, which parses beside `parsing`.
        with TURN:
            before = preamble(prompt, entry_point)
    except UNPARSABLE:
        return False
    return all(map(is_steady, (before, *code)))


def call_tests(entry_point: str, tests: IoTests, first: int) -> SuiteSource:
    """Build tests of a function from its cases beginning with the place `first`, as many as one message holds."""
    return _call_tests(entry_point, tests, first)


@lru_cache(maxsize=_TASKS_KEPT)
def _call_tests(entry_point: str, tests: IoTests, first: int) -> SuiteSource:
    pairs: list[tuple[str, str]] = []
    bytes_left = _MOST_BYTES_OF_CASES
    for case in tests.cases[first:]:
        bytes_left -= len(case.input) + len(case.output)
        if pairs and bytes_left < 0:
            break
        pairs.append((case.input, case.output))
    rules = {"rule": tests.rule, "every": tests.every}
    suite = _suite("", (entry_point,), "", "call", json.dumps(pairs), 0.0, return_arguments=False, fixed=True)
    key = hashlib.sha256(f"{suite.key} {rules}".encode()).hexdigest()
    return suite._replace(message=suite.message | rules, key=key, cases=len(pairs), preamble=tests.preamble)


@lru_cache(maxsize=_TASKS_KEPT)
def _expressions(prompt: str, entry_point: str, expressions: tuple[str, ...]) -> SuiteSource:
    fixed = has_fixed_calls("expressions", expressions, (entry_point,), changes_arguments=False)
    code = json.dumps(expressions)
    suite = _suite(prompt, (entry_point,), "", "expressions", code, 0.0, return_arguments=False, fixed=fixed)
    return suite._replace(steady=fixed and _are_steady(prompt, entry_point, *expressions))


def expression_tests(task: PublicTask, expressions: Sequence[str]) -> SuiteSource:
    """Build tests that evaluate expressions with a program's entry point."""
    suite = _expressions(task.prompt, task.entry_point, tuple(expressions))
    # By a rule for results they come out otherwise.
    key = f"{suite.key} {task.rule}"
    return suite._replace(message=suite.message | {"rule": task.rule}, key=key, preamble=task.preamble)


def _suite(
    prompt: str,
    names: tuple[str, ...],
    imports: str,
    style: str,
    code: str,
    tolerance: float,
    *,
    return_arguments: bool,
    fixed: bool,
) -> SuiteSource:
    message = {
        "prompt": prompt,
        "names": names,
        "imports": imports,
        "style": style,
        "code": code,
        "tolerance": tolerance,
    }
    key = hashlib.sha256(json.dumps(message).encode()).hexdigest()
    return SuiteSource(names, return_arguments, message | {"return_arguments": return_arguments}, key, fixed)


def _borrowed(prompt: str, entry_point: str, tests: str, reference: str) -> tuple[list[str], str]:
    """Find functions and imports of the reference that tests need and get from nowhere else."""
    try:
        # The guest's own, which parses beside `parsing`.
        with TURN:
            before = preamble(prompt, entry_point)
        test_tree, reference_tree, prompt_tree = map(parse, (tests, reference, before))
    except UNPARSABLE:
        return [], ""
    known = {entry_point, *dir(builtins), *_bound(test_tree), *_bound(prompt_tree)}
    missing = {
        node.id for node in ast.walk(test_tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    } - known
    functions = [
        node.name for node in reference_tree.body if isinstance(node, ast.FunctionDef) and node.name in missing
    ]
    imports = [
        ast.unparse(node)
        for node in reference_tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom)) and missing & set(_imported(node))
    ]
    return list(dict.fromkeys(functions)), "\n".join(imports)


def _bound(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _imported(node)


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    for alias in node.names:
        yield alias.asname or alias.name.partition(".")[0]
