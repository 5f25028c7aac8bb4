"""The role that evaluates test code, with the entry point bound to a proxy of the candidate.

This process never runs the candidate: each call crosses as plain data and its outcome comes back the same way. What the
candidate did wrong is recorded where test code that catches everything cannot hide it. One such process tests many
programs against the same tests, one after the other, each in a module of its own.

Calls that an earlier program's tests made are foreseen where no answer can change them: the host has the candidate
answer them in advance, and the outcome is here already when the tests come to the call. Tests that make another call
all the same, by a clock for instance, make the run void; the host does it again without foresight from there on.
"""

from __future__ import annotations

import _thread
import builtins
import contextlib
import json
import sys
import types
from collections import deque
from typing import Any, Callable, NamedTuple, NoReturn

from . import calls, candidate, canonical, codec, wire
from .suite import InvalidTestsError, Prepared, Suite, preamble, prepare, unittest_module

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

STRAYED, ENDED = "strayed", "ended"
"""Reports that are no verdict: a call was not the foreseen one; the candidate gives no outcome any more."""


class CandidateFailed(BaseException):
    """The candidate failed in a way that ends its run; not an Exception, so that tests rarely catch it."""


class Report(NamedTuple):
    """How the tests of a program went.

    `clean`: this process may go on to test another program. `first_failure` is the place of the first case that failed,
    its status and the reason.
    """

    status: str
    detail: str
    reached: list[int]
    calls: int = 0
    arguments_changed: bool = False
    clean: bool = True
    outcomes: list[tuple[str | None, str | None]] | None = None
    first_failure: tuple[int, str, str] | None = None

    def send(self, link: wire.Link) -> None:
        """Tell the host."""
        link.send(wire.REPORT + json.dumps(self._asdict()).encode())


class Conversation:
    """The calls of one program's tests and what came of them."""

    def __init__(self, link: wire.Link, foreseen: list[bytes], outcomes: list[bytes], return_arguments: bool) -> None:
        self._link = link
        self._foreseen = foreseen
        self._outcomes = outcomes
        self._return_arguments = return_arguments
        self._turn = _thread.allocate_lock()
        self.calls = 0
        self.arguments_changed = False
        self.failure: tuple[str, str] | None = None
        self.last_raised: BaseException | None = None
        self.last_raised_text = ""

    def call(self, place: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call one of the candidate's functions. Tests may do so from several threads, which then take turns."""
        with self._turn:
            return self._call(place, args, kwargs)

    def _call(self, place: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.failure is not None:
            raise CandidateFailed
        call = codec.encode((place, args, kwargs))
        outcome = self._outcome(call)
        self.calls += 1
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

    def fail(self, status: str, detail: str) -> NoReturn:
        """Record a failure for good and leave the test code."""
        self.failure = (status, detail)
        raise CandidateFailed

    def _outcome(self, call: bytes) -> bytes:
        if self.calls < len(self._foreseen):
            if wire.digest(call) != self._foreseen[self.calls]:
                self.fail(STRAYED, "")
            request = wire.MORE
        else:
            request = wire.CALL + call
        if self.calls == len(self._outcomes):
            self._link.send(request)
            self._outcomes += wire.unpack(self._link.receive()[1:])
        if self.calls == len(self._outcomes):
            self.fail(ENDED, "")
        return self._outcomes[self.calls]

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
            if isinstance(mine, (list, bytearray)):
                self._require(isinstance(theirs, (list, bytes)))
                mine[:] = theirs
            elif isinstance(mine, (dict, set)):
                self._require(isinstance(theirs, (dict, set)))
                mine.clear()
                mine.update(theirs)
            elif isinstance(mine, deque):
                self._require(isinstance(theirs, deque))
                mine.clear()
                mine.extend(theirs)
            elif type(mine).__module__ == "numpy" and type(mine).__name__ == "ndarray":
                self._require(getattr(theirs, "shape", None) == mine.shape)
                mine[...] = theirs

    def _require(self, holds: bool) -> None:
        if not holds:
            self.fail("tampered", "an argument of another type")


class Proxy:
    """Stands in for one of the candidate's functions in test code."""

    def __init__(self, conversation: Conversation, place: int) -> None:
        self._conversation = conversation
        self._place = place

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the candidate."""
        return self._conversation.call(self._place, args, kwargs)


def _made_anew(kind: type[Exception], args: tuple[Any, ...]) -> Exception:
    try:
        return kind(*args)
    except (TypeError, ValueError, OverflowError):
        # Some, such as UnicodeDecodeError, ask for arguments of a certain form.
        error = kind.__new__(kind)
        error.args = args
        return error


def serve(link: wire.Link, tests: dict[str, Any], prepared: Prepared | InvalidTestsError | None) -> None:
    """Test one program after another; without `prepared` the tests are expressions of nobody's trust."""
    suite = Suite(tests, prepared) if isinstance(prepared, tuple) else None
    cases = calls.read_cases(tests) if tests["style"] == "call" else None
    expressions = _Expressions(tests) if prepared is None else None
    while True:
        foreseen, *outcomes = wire.unpack(link.receive()[1:])
        size = wire.DIGEST_BYTES
        digests = [foreseen[start : start + size] for start in range(0, len(foreseen), size)]
        conversation = Conversation(link, digests, outcomes, bool(tests["return_arguments"]))
        targets: list[Callable[..., Any]] = [Proxy(conversation, place) for place in range(len(tests["names"]))]
        if expressions is not None:
            expressions.evaluate(link, conversation, targets[0])
        elif suite is None:
            Report("invalid", str(prepared), []).send(link)
        elif cases is not None:
            _run_cases(link, tests, cases, conversation, targets[0])
        else:
            _run_suite(link, suite, conversation, targets)


def _run_suite(link: wire.Link, suite: Suite, conversation: Conversation, targets: list[Callable[..., Any]]) -> None:
    reached: set[int] = set()
    status, detail, clean = "passed", "", not suite.leaves_traces
    try:
        reached = suite.run(targets)
    except BaseException as error:
        status, detail = _judge(conversation, error)
        clean = clean and _leaves_clean(error)
    if conversation.failure is not None:
        status, detail = conversation.failure
    Report(status, detail, sorted(reached), conversation.calls, conversation.arguments_changed, clean=clean).send(link)


def _run_cases(
    link: wire.Link,
    tests: dict[str, Any],
    cases: list[calls.Case],
    conversation: Conversation,
    target: Callable[..., Any],
) -> None:
    """Call the function with each case's arguments, up to the first that fails unless all are wanted."""
    is_right = calls.RESULT_RULES[tests["rule"]]
    reached: set[int] = set()
    status, detail, clean = "passed", "", True
    first_failure: tuple[int, str, str] | None = None
    for place, (arguments, right) in enumerate(cases):
        try:
            problem = None if is_right(target(*arguments), right) else ("wrong", "another result than the right one")
        except BaseException as error:
            problem = conversation.failure or _judge(conversation, error)
            clean = clean and _leaves_clean(error)
        if problem is None:
            reached.add(place)
            continue
        if problem[0] in (STRAYED, ENDED):
            status, detail = problem
            break
        if first_failure is None:
            first_failure = (place, *problem)
            status, detail = problem
        if problem[0] == "tampered" or not tests["every"]:
            break
        conversation.failure = None
    Report(status, detail, sorted(reached), conversation.calls, clean=clean, first_failure=first_failure).send(link)


def _leaves_clean(error: BaseException) -> bool:
    """Whether a process in which tests ended so may test another program."""
    return isinstance(error, (Exception, CandidateFailed)) and not isinstance(error, (MemoryError, RecursionError))


def _judge(conversation: Conversation, error: BaseException) -> tuple[str, str]:
    if error is conversation.last_raised:
        return "crashed", conversation.last_raised_text
    if isinstance(error, codec.CannotCrossError):
        return "wrong", f"the tests pass an argument that cannot cross: {error}"
    if isinstance(error, AssertionError):
        return "wrong", f"a test failed: {candidate.describe(error)}"
    return "wrong", f"the tests could not use the result: {candidate.describe(error)}"


class _Expressions:
    """Expressions, compiled once for all programs that they are evaluated with."""

    def __init__(self, tests: dict[str, Any]) -> None:
        self._name = tests["names"][0]
        # By the rules for results a tuple is a list.
        self._lists = tests["rule"] is not None
        self._before: types.CodeType | None = None
        # A prompt in prose defines nothing that the expressions could use.
        with contextlib.suppress(Exception):
            self._before = compile(preamble(tests["prompt"], self._name), "<prompt>", "exec", dont_inherit=True)
        self._expressions = [_compiled(expression) for expression in json.loads(tests["code"])]

    def evaluate(self, link: wire.Link, conversation: Conversation, target: Callable[..., Any]) -> None:
        """Evaluate them with a program; one that fails does not keep the others from being evaluated."""
        module = sys.modules["expressions"] = types.ModuleType("expressions")
        if self._before is not None:
            with contextlib.suppress(Exception):
                exec(self._before, module.__dict__)
        if self._lists:
            target = _listing(target)
        owner, _, method = self._name.rpartition(".")
        module.__dict__[owner or self._name] = _class_of(method, target) if owner else target
        outcomes: list[tuple[str | None, str | None]] = []
        for expression in self._expressions:
            outcomes.append(evaluate(expression, module.__dict__, conversation))
            if conversation.failure is not None and conversation.failure[0] in (STRAYED, ENDED):
                Report(*conversation.failure, [], conversation.calls, outcomes=outcomes[:-1]).send(link)
                return
        Report("passed", "", [], conversation.calls, outcomes=outcomes).send(link)


def _compiled(expression: str) -> types.CodeType | str:
    """An expression's code, or the name of the error that compiling it raises."""
    try:
        return compile(expression.lstrip(" \t"), "<string>", "eval", dont_inherit=True)
    except BaseException as error:
        return type(error).__name__


def _listing(target: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: calls.listed(target(*args, **kwargs))


def _class_of(method: str, target: Callable[..., Any]) -> Callable[[], Any]:
    """What stands in for a class of which one method can be called."""
    return lambda: types.SimpleNamespace(**{method: target})


def evaluate(
    expression: types.CodeType | str, namespace: dict[str, Any], conversation: Conversation
) -> tuple[str | None, str | None]:
    """The canonical value of an expression, or the name of what went wrong."""
    conversation.failure = None
    if isinstance(expression, str):
        return None, expression
    try:
        return canonical.canonical(eval(expression, namespace)), None
    except CandidateFailed:
        return None, conversation.failure[0] if conversation.failure else "wrong"
    except BaseException as error:
        return None, type(error).__name__


def serve_shared(link: wire.Link) -> None:
    """Run program and tests in one process, for tasks whose values cannot cross; its report is only a claim."""
    request = json.loads(link.receive())
    tests = request["tests"]
    beside = unittest_module() if tests["style"] == "unittest" else None
    namespace = candidate.load_or_report(link, request["program"], tests["names"][0], module=beside)
    if namespace is None:
        return
    reached: set[int] = set()
    status, detail = "passed", ""
    try:
        suite = Suite(tests, prepare(tests))
        if beside is not None:
            reached = suite.run_beside(namespace)
        else:
            reached = suite.run([namespace.get(name) for name in tests["names"]])
    except AssertionError as error:
        status, detail = "wrong", f"a test failed: {candidate.describe(error)}"
    except BaseException as error:
        status, detail = "crashed", candidate.describe(error)
    Report(status, detail, sorted(reached), len(reached)).send(link)
