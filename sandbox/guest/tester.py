"""The role that evaluates test code, with the entry point bound to a proxy of the candidate.

This process never runs the candidate: each call crosses as plain data and its answer comes back the same way. What the
candidate did wrong is recorded in the proxy, where test code that catches everything cannot hide it.
"""

from __future__ import annotations

import ast
import builtins
import json
import os
import sys
import types
from typing import Any, Callable, NoReturn

from . import candidate, codec, wire

_NEVER_RAISED = {
    "StopIteration": "wrong",
    "StopAsyncIteration": "wrong",
    "GeneratorExit": "wrong",
    "AssertionError": "wrong",
    candidate.SKIPPED: "wrong",
    candidate.CUSTOM: "crashed",
    "BaseException": "crashed",
    "BaseExceptionGroup": "crashed",
    "ExceptionGroup": "crashed",
    "SystemExit": "crashed",
    "KeyboardInterrupt": "crashed",
    "MemoryError": "memory",
}
"""Exceptions that test code could take for its own or for the end of an iteration, or that cannot be made anew."""

REACHED = "__codebudget_reached__"


class CandidateFailed(BaseException):
    """The candidate failed in a way that ends its run; not an Exception, so that tests rarely catch it."""


class InvalidTestsError(Exception):
    """The test code itself cannot be used."""


class Proxy:
    """Stands in for the entry point in test code; each call is answered by the candidate's process."""

    def __init__(self, link: wire.Link, return_arguments: bool) -> None:
        self._link = link
        self._return_arguments = return_arguments
        self.calls = 0
        self.arguments_changed = False
        self.failure: tuple[str, str] | None = None
        self.last_raised: BaseException | None = None
        self.last_raised_text = ""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the candidate."""
        if self.failure is not None:
            raise CandidateFailed
        self.calls += 1
        nonce = os.urandom(wire.NONCE_BYTES)
        self._link.send(wire.CALL + nonce + codec.encode((args, kwargs)))
        reply = self._link.receive()
        if reply[1 : 1 + wire.NONCE_BYTES] != nonce:
            self.fail("tampered", "a reply that answers no call")
        return self._open(reply[1 + wire.NONCE_BYTES :], args)

    def fail(self, status: str, detail: str) -> NoReturn:
        """Record a failure for good and leave the test code."""
        self.failure = (status, detail)
        raise CandidateFailed

    def _open(self, outcome: bytes, args: tuple[Any, ...]) -> Any:
        kind, payload = outcome[:1], outcome[1:]
        if kind == candidate.UNCROSSABLE:
            self.fail("wrong", f"the result cannot cross as plain data: {payload.decode('utf-8', 'replace')}")
        if kind == candidate.RAISED:
            self._raise(self._decode(payload))
        if kind != candidate.VALUE:
            self.fail("tampered", "a reply of no known kind")
        value = self._decode(payload)
        if not self._return_arguments:
            return value
        if type(value) is not tuple or len(value) != 2:
            self.fail("tampered", "a reply without its arguments")
        result, changed = value
        if changed is not None:
            self._update(args, changed)
        return result

    def _decode(self, payload: bytes) -> Any:
        try:
            return codec.decode(payload)
        except codec.MalformedError as error:
            self.fail("tampered", f"a malformed reply: {error}")

    def _raise(self, outcome: Any) -> NoReturn:
        if type(outcome) is not tuple or [type(part) for part in outcome] != [str, str, tuple]:
            self.fail("tampered", "an exception of another shape")
        name, text, args = outcome
        if name in _NEVER_RAISED:
            self.fail(_NEVER_RAISED[name], text)
        kind: Any = getattr(builtins, name, None)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            self.fail("tampered", "an exception of no known name")
        self.last_raised, self.last_raised_text = _made_anew(kind, args), text
        raise self.last_raised

    def _update(self, args: tuple[Any, ...], changed: Any) -> None:
        """Give mutable arguments the contents that the candidate left in them."""
        if type(changed) is not tuple or len(changed) != len(args):
            self.fail("tampered", "arguments of another shape")
        self.arguments_changed = True
        for mine, theirs in zip(args, changed):
            if type(mine) is not type(theirs):
                self.fail("tampered", "an argument of another type")
            if isinstance(mine, list):
                mine[:] = theirs
            elif isinstance(mine, (dict, set)):
                mine.clear()
                mine.update(theirs)


def _made_anew(kind: type[Exception], args: tuple[Any, ...]) -> Exception:
    try:
        return kind(*args)
    except (TypeError, ValueError, OverflowError):
        # Some, such as UnicodeDecodeError, ask for arguments of a certain form.
        error = kind.__new__(kind)
        error.args = args
        return error


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


def prepare(tests: dict[str, Any]) -> Prepared:
    """Compile the prompt's preamble and the instrumented test code.

    Raises:
        InvalidTestsError: one of them is not Python.
    """
    try:
        helpers = compile(preamble(tests["prompt"], tests["entry_point"]), "<prompt>", "exec", dont_inherit=True)
        tree = ast.fix_missing_locations(_CountAsserts().visit(ast.parse(tests["code"])))
        return helpers, compile(tree, "<tests>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise InvalidTestsError(f"the test code cannot be compiled: {error}") from None


def _module(name: str) -> types.ModuleType:
    # Dataclasses, for one, look their module up.
    module = sys.modules[name] = types.ModuleType(name)
    return module


def run_tests(prepared: Prepared, tests: dict[str, Any], target: Callable[..., Any]) -> set[int]:
    """Run test code against `target`; return the sites of the asserts that were reached and held.

    Raises:
        BaseException: whatever the test code lets escape.
    """
    helpers, code = prepared
    reached: set[int] = set()
    module = _module("tests")
    exec(helpers, module.__dict__)
    module.__dict__[tests["entry_point"]] = target
    module.__dict__[REACHED] = reached.add
    exec(code, module.__dict__)
    if tests["style"] == "check":
        module.__dict__["check"](target)
    return reached


def serve(link: wire.Link, tests: dict[str, Any], prepared: Prepared | InvalidTestsError) -> None:
    """Run hidden tests against the candidate and report."""
    request = json.loads(link.receive())
    proxy = Proxy(link, bool(request["return_arguments"]))
    reached: set[int] = set()
    status, detail = "passed", ""
    if isinstance(prepared, InvalidTestsError):
        status, detail = "invalid", str(prepared)
    else:
        try:
            reached = run_tests(prepared, tests, proxy)
        except BaseException as error:
            status, detail = _judge(proxy, error)
    if proxy.failure is not None:
        status, detail = proxy.failure
    report(link, status, detail, reached, calls=proxy.calls, arguments_changed=proxy.arguments_changed)


def _judge(proxy: Proxy, error: BaseException) -> tuple[str, str]:
    if error is proxy.last_raised:
        return "crashed", proxy.last_raised_text
    if isinstance(error, codec.CannotCrossError):
        return "wrong", f"the tests pass an argument that cannot cross: {error}"
    if isinstance(error, AssertionError):
        return "wrong", f"a test failed: {candidate.describe(error)}"
    return "wrong", f"the tests could not use the result: {candidate.describe(error)}"


def report(
    link: wire.Link, status: str, detail: str, reached: set[int], *, calls: int, arguments_changed: bool
) -> None:
    """Tell the host how the tests went."""
    payload = {
        "status": status,
        "detail": detail,
        "reached": sorted(reached),
        "calls": calls,
        "arguments_changed": arguments_changed,
    }
    link.send(wire.REPORT + json.dumps(payload).encode())


def serve_expressions(link: wire.Link) -> None:
    """Evaluate expressions against the candidate, one report for each, in order."""
    request = json.loads(link.receive())
    proxy = Proxy(link, return_arguments=False)
    module = _module("expressions")
    helpers = preamble(request["prompt"], request["entry_point"])
    exec(compile(helpers, "<prompt>", "exec", dont_inherit=True), module.__dict__)
    module.__dict__[request["entry_point"]] = proxy
    for expression in request["expressions"]:
        value, error = evaluate(expression, module.__dict__, proxy)
        payload = json.dumps({"value": value, "error": error}).encode()
        link.send(wire.REPORT + payload)
        # The worker counts this process as waiting until the host has taken the report.
        link.receive()


def evaluate(expression: str, namespace: dict[str, Any], proxy: Proxy) -> tuple[str | None, str | None]:
    """The canonical value of an expression, or the name of what went wrong."""
    proxy.failure = None
    try:
        return codec.canonical(eval(expression, namespace)), None
    except CandidateFailed:
        return None, proxy.failure[0] if proxy.failure else "wrong"
    except BaseException as error:
        return None, type(error).__name__


def serve_shared(link: wire.Link) -> None:
    """Run program and tests in one process, for tasks whose values cannot cross; its report is only a claim."""
    request = json.loads(link.receive())
    tests = request["shared_tests"]
    function = candidate.load_or_report(link, request)
    if function is None:
        return
    reached: set[int] = set()
    status, detail = "passed", ""
    try:
        reached = run_tests(prepare(tests), tests, function)
    except AssertionError as error:
        status, detail = "wrong", f"a test failed: {candidate.describe(error)}"
    except BaseException as error:
        status, detail = "crashed", candidate.describe(error)
    report(link, status, detail, reached, calls=len(reached), arguments_changed=False)
