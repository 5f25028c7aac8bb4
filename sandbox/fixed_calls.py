"""A check whether tests make the same calls whatever the answers.

Only such calls may be handed to a program before its answers are known: it then sees nothing that follows from another
program's answers, and its own never lead to other calls than it was handed, after which it would have to run again.

The answer is read from the test code and errs on the safe side: a call counts as fixed if its arguments are made of
nothing that an answer reached, and if it is made whatever the answers before it, up to the first failing assertion,
which ends the tests.
"""

from __future__ import annotations

import ast
import builtins
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from .._util.parsing import UNPARSABLE, parse, parse_expression
from .guest import wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_CONSUMERS: Final = frozenset({"dict", "frozenset", "list", "max", "min", "set", "sorted", "sum", "tuple"})
"""Builtins that consume a whole iterable, whatever its items."""

_DYNAMIC: Final = frozenset({"eval", "exec", "globals", "locals", "vars", "setattr", "getattr", "__import__"})
"""Builtins that can reach names which the test code does not show."""

_BUILTINS: Final = frozenset(dir(builtins)) - _DYNAMIC
"""Functions that keep nothing of what they are given."""

_PURE_MODULES: Final = frozenset({"cmath", "copy", "json", "math", "operator", "re", "statistics"})
"""Modules whose functions keep nothing either."""

_STEADY_MODULES: Final = _PURE_MODULES | {
    "bisect", "collections", "decimal", "fractions", "functools", "heapq", "itertools", "string", "typing",
}  # fmt: skip
"""Modules through which test code reaches no clock, no chance, and nothing outside of its own objects."""

_UNSTEADY: Final = _DYNAMIC | {"__builtins__", "breakpoint", "delattr", "help", "id", "input", "open"}
"""Names by which it could."""

_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def has_fixed_calls(style: str, code: str | Sequence[str], names: Iterable[str], *, changes_arguments: bool) -> bool:
    """Whether tests make the same calls whatever the answers.

    Args:
        style: `asserts`, `check`, `pairs`, `unittest` or `expressions`.
        code: The test code; the expressions if that is the style.
        names: The functions of the program that the tests may call.
        changes_arguments: A call's arguments may come back changed.
    """
    if style == "pairs":
        # Each call has its own copy of arguments that are written down.
        return True
    if style == "unittest":
        # Which methods run, and in what order, is not to be read from their text.
        return False
    try:
        if style == "expressions":
            # If one fails, the next is evaluated all the same, so none may leave a call out on the way.
            return all(_is_fixed_expression(expression, names) for expression in code)
        return _are_fixed_tests(style, parse("".join(code)), names, changes_arguments)
    except UNPARSABLE:
        return False


def is_steady(code: str) -> bool:
    """Whether test code judges the same answers in the same way each time, and leaves nothing behind that it could see.

    As above this errs on the safe side: it may import a few modules alone, and change no attribute of anything.
    """
    try:
        nodes = list(ast.walk(parse(code)))
    except UNPARSABLE:
        return False
    return all(map(_is_steady, nodes))


def _is_steady(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return all(alias.name in _STEADY_MODULES for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.module in _STEADY_MODULES
    if isinstance(node, ast.Attribute):
        return isinstance(node.ctx, ast.Load) and not node.attr.startswith("_")
    return not isinstance(node, ast.Name) or node.id not in _UNSTEADY


def _is_fixed_expression(expression: str, names: Iterable[str]) -> bool:
    tree = parse_expression(expression)
    reading = _Reading(frozenset(names), changes_arguments=False)
    calls = [node for node in ast.walk(tree) if reading.is_call(node)]
    return len(calls) <= 1 and reading.holds_expression(tree.body, asserted=False)


def _are_fixed_tests(style: str, tree: ast.Module, names: Iterable[str], changes_arguments: bool) -> bool:
    functions = frozenset(names)
    body, inner = tree.body, None
    if style == "check":
        inner = next((node for node in body if isinstance(node, ast.FunctionDef) and node.name == "check"), None)
        if inner is None or len(inner.args.args) != 1:
            return False
        body = [node for node in body if node is not inner]
        functions |= {inner.args.args[0].arg}
    statements = body if inner is None else [*body, *inner.body]
    reading = _Reading(functions, changes_arguments=changes_arguments)
    reading.follow(statements)
    return reading.hold(statements)


class _Reading:
    """Test code, read for what an answer may reach: the names in `reached`."""

    def __init__(self, functions: frozenset[str], *, changes_arguments: bool) -> None:
        self._methods = frozenset(name for name in functions if "." in name)
        # A class is one of the functions too: naming it alone may lead to any call.
        self._functions = functions | {name.partition(".")[0] for name in self._methods}
        self._classes = self._functions - functions
        self._changes_arguments = changes_arguments
        self._modules: dict[str, str] = {}
        self._helpers: set[str] = set()
        self.reached: set[str] = set()

    def is_call(self, node: ast.AST) -> bool:
        """Whether a node calls one of the program's functions."""
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Name):
            return node.func.id in self._functions and node.func.id not in self._classes
        return isinstance(node.func, ast.Attribute) and self._method_of(node.func) in self._methods

    def _method_of(self, node: ast.Attribute) -> str:
        """Name what `Class().name` is, with a class made without arguments; empty for anything else."""
        made = node.value
        if not isinstance(made, ast.Call) or made.args or made.keywords or not isinstance(made.func, ast.Name):
            return ""
        return f"{made.func.id}.{node.attr}"

    def follow(self, statements: Sequence[ast.stmt]) -> None:
        """Find all names that answers may reach, regardless of the order of statements."""
        nodes = [node for statement in statements for node in ast.walk(statement)]
        for node in nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    module = alias.name if isinstance(node, ast.Import) else node.module or ""
                    self._modules[alias.asname or alias.name.partition(".")[0]] = module
            elif isinstance(node, ast.FunctionDef):
                self._helpers.add(node.name)
        before = -1
        while before != len(self.reached):
            before = len(self.reached)
            for node in nodes:
                self._follow(node)

    def _follow(self, node: ast.AST) -> None:
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if node.value is not None and self._depends(node.value):
                self._reach(targets)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)) and self._depends(node.iter):
            self._reach([node.target])
        elif isinstance(node, ast.withitem) and node.optional_vars is not None and self._depends(node.context_expr):
            self._reach([node.optional_vars])
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            # What it uses when called, and whatever else it does then.
            if any(self._depends(statement) for statement in node.body):
                self.reached.add(node.name)
        elif self.is_call(node):
            if self._changes_arguments:
                self._reach(_parts(node))
        elif isinstance(node, ast.Call) and any(map(self._depends, _parts(node))):
            self._follow_function(node)

    def _follow_function(self, node: ast.Call) -> None:
        """Follow a call: a method may keep its arguments, a function share them by another one or with its kin."""
        root = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        if isinstance(root, ast.Name) and self._modules.get(root.id) in _PURE_MODULES:
            return
        if isinstance(node.func, ast.Name) and node.func.id in _BUILTINS:
            return
        if isinstance(node.func, ast.Name) and node.func.id in self._helpers:
            self.reached |= self._helpers
        handed_on = (part for part in _parts(node) if not self.is_call(part))
        self._reach([node.func, *handed_on])

    def _reach(self, targets: Iterable[ast.AST]) -> None:
        for target in targets:
            names = {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
            self.reached |= names - self._functions - self._modules.keys() - _BUILTINS

    def _depends(self, node: ast.AST) -> bool:
        return any(self.is_call(inner) or self._is_reached(inner) for inner in ast.walk(node))

    def _is_reached(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id in self.reached

    def _calls(self, *nodes: ast.AST) -> bool:
        return any(self._names_function(inner) for node in nodes for inner in ast.walk(node))

    def _names_function(self, node: ast.AST) -> bool:
        """Whether a node is one of the functions, called here or only handed on."""
        return isinstance(node, ast.Name) and node.id in self._functions

    def hold(self, statements: Sequence[ast.stmt]) -> bool:
        """Whether these statements make fixed calls only."""
        return all(self._holds(statement) for statement in statements)

    def _holds(self, statement: ast.stmt) -> bool:
        if any(isinstance(node, ast.Name) and node.id in _DYNAMIC for node in ast.walk(statement)):
            return False
        if isinstance(statement, ast.Assert):
            return self.holds_expression(statement.test, asserted=True)
        if isinstance(statement, (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign)):
            return all(self.holds_expression(part, asserted=False) for part in ast.iter_child_nodes(statement))
        if isinstance(statement, ast.For):
            steady = not self._depends(statement.iter) and not self._calls(statement.target)
            return steady and self.hold(statement.body) and self.hold(statement.orelse)
        if isinstance(statement, (ast.If, ast.While)):
            steady = not self._depends(statement.test) and not self._calls(statement.test)
            return steady and self.hold(statement.body) and self.hold(statement.orelse)
        # All else may skip what follows or make unseen calls: it must have nothing to do with the program.
        return not self._depends(statement) and not self._calls(statement)

    def holds_expression(self, node: ast.AST, *, asserted: bool) -> bool:
        """Whether an expression makes fixed calls only; an `asserted` one ends the tests if it is false."""
        if not self._calls(node):
            return True
        if self.is_call(node):
            return not any(self._depends(part) or self._calls(part) for part in _parts(node))
        if isinstance(node, ast.Name):
            # A function of the program, handed on and called who knows where.
            return False
        if isinstance(node, ast.BoolOp):
            return self._holds_in_turn(node.values, asserted=asserted and isinstance(node.op, ast.And))
        if isinstance(node, ast.Compare):
            return self._holds_in_turn([node.left, *node.comparators], asserted=asserted, sure=2)
        if isinstance(node, ast.IfExp):
            return not self._depends(node.test) and all(
                self.holds_expression(part, asserted=asserted) for part in (node.body, node.orelse)
            )
        if isinstance(node, _COMPREHENSIONS):
            return not isinstance(node, ast.GeneratorExp) and self._holds_comprehension(node)
        if isinstance(node, ast.Call):
            return self._holds_function(node, asserted=asserted)
        if isinstance(node, (*_SCOPES, ast.Await, ast.Yield, ast.YieldFrom)):
            return False
        # An asserted `not` is sure of nothing; other operators take all their operands.
        return all(self.holds_expression(part, asserted=False) for part in ast.iter_child_nodes(node))

    def _holds_in_turn(self, parts: Sequence[ast.expr], *, asserted: bool, sure: int = 1) -> bool:
        """Whether parts hold, each evaluated only if those before were true; the first `sure` ones always are."""
        skipped = not asserted and any(map(self._depends, parts)) and self._calls(*parts[sure:])
        return not skipped and all(self.holds_expression(part, asserted=asserted and sure == 1) for part in parts)

    def _holds_comprehension(self, node: ast.AST) -> bool:
        generators = getattr(node, "generators", [])
        if any(self._depends(part) for each in generators for part in (each.iter, *each.ifs)):
            return False
        produced = [node.key, node.value] if isinstance(node, ast.DictComp) else [getattr(node, "elt", node)]
        return all(self.holds_expression(part, asserted=False) for part in produced)

    def _holds_function(self, node: ast.Call, *, asserted: bool) -> bool:
        """Whether a call of something else holds, with calls of the program's functions among its arguments."""
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if isinstance(node.func, ast.Lambda) or self._calls(node.func):
            return False
        # `all` stops at the first false one, and then the assertion fails.
        takes_all = name in _CONSUMERS or (name == "all" and asserted)
        for part in _parts(node):
            inner = part.elt if takes_all and isinstance(part, ast.GeneratorExp) else None
            if inner is not None:
                if not self._holds_comprehension(part):
                    return False
            elif not self.holds_expression(part, asserted=False):
                return False
        return True


def _parts(call: ast.AST) -> Iterator[ast.expr]:
    """Yield a call's arguments."""
    if isinstance(call, ast.Call):
        yield from call.args
        yield from (keyword.value for keyword in call.keywords)


_MAX_CALLS = 4096
_MAX_BYTES = 4 << 20
_TASKS_KEPT = 256


class Forecast(NamedTuple):
    """Encoded calls in order, and whether the tests end after them when a program passes."""

    calls: tuple[bytes, ...]
    digests: bytes
    complete: bool


class Foreseen:
    """The known calls of one task's tests, shared between lanes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forecast = Forecast((), b"", complete=False)
        self._bytes_left = _MAX_BYTES
        self._fixed = False

    def forecast(self) -> Forecast:
        """Return the known calls."""
        return self._forecast

    def learn(self, place: int, call: bytes) -> None:
        """Record a call of the tests that was not foreseen."""
        with self._lock:
            calls, digests, _ = self._forecast
            if self._fixed or place != len(calls):
                return
            self._bytes_left -= len(call)
            self._fixed = self._bytes_left < 0 or len(calls) == _MAX_CALLS
            if not self._fixed:
                self._forecast = Forecast((*calls, call), digests + wire.digest(call), complete=False)

    def end(self, count: int) -> None:
        """Record that the tests ended after `count` calls."""
        with self._lock:
            calls, digests, _ = self._forecast
            if not self._fixed and count == len(calls):
                self._forecast = Forecast(calls, digests, complete=True)

    def stray(self, place: int) -> None:
        """Stop foreseeing calls from here on: the tests made a different call than foreseen, or one more."""
        with self._lock:
            calls, digests, _ = self._forecast
            self._fixed = True
            self._forecast = Forecast(calls[:place], digests[: place * wire.DIGEST_BYTES], complete=False)


class Foresight:
    """The known calls of the tests of the tasks at hand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, Foreseen] = {}

    def of(self, key: str) -> Foreseen:
        """Return the known calls of the tests with this key."""
        with self._lock:
            foreseen = self._of.pop(key, None) or Foreseen()
            self._of[key] = foreseen
            if len(self._of) > _TASKS_KEPT:
                del self._of[next(iter(self._of))]
            return foreseen
