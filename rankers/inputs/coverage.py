"""Lines that programs reach on inputs: a harness that runs where they run, and its answers read as data.

The harness is a program like any other: it goes where candidates go, with a candidate's text in it, and what comes back
is a number, whose bits stand for lines. A candidate that changes the harness changes only what is known of itself.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...records import called_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...records import PublicTask
    from ..protocol import Runner

BITS = 840
"""Lines told apart, those beyond modulo this: the decimals of such a number are among what comes back in full."""

_MOST_LINES = 20_000
"""Lines run on one input, after which it is given up: tracing makes them some ten times slower."""

_HARNESS = """\
import sys as _sys

_SOURCE = {source!r}
_FILE = "<covered>"


class _Enough(BaseException):
    pass


class _Lines:
    def __init__(self):
        self.bits = 0
        self.left = {most}

    def note(self, line):
        self.bits |= 1 << line % {bits}
        self.left -= 1
        if self.left < 0:
            raise _Enough

    def __enter__(self):
        watch = getattr(_sys, "monitoring", None)
        if watch is None or watch.get_tool(watch.COVERAGE_ID) is not None:
            self.watch = None
            _sys.settrace(self.trace)
            return
        self.watch = watch
        watch.use_tool_id(watch.COVERAGE_ID, "codebudget")
        watch.register_callback(watch.COVERAGE_ID, watch.events.LINE, self.monitor)
        watch.register_callback(watch.COVERAGE_ID, watch.events.PY_START, self.start)
        watch.set_events(watch.COVERAGE_ID, watch.events.LINE | watch.events.PY_START)

    def __exit__(self, *_):
        if self.watch is None:
            _sys.settrace(None)
            return
        self.watch.set_events(self.watch.COVERAGE_ID, 0)
        self.watch.free_tool_id(self.watch.COVERAGE_ID)

    def trace(self, frame, event, argument):
        if frame.f_code.co_filename != _FILE:
            return None
        if event == "line":
            self.note(frame.f_lineno)
        return self.trace

    def start(self, code, _):
        # A function on one line has no event for it.
        if {{line for *_, line in code.co_lines() if line}} == {{code.co_firstlineno}}:
            return self.monitor(code, code.co_firstlineno)
        return self.watch.DISABLE

    def monitor(self, code, line):
        if code.co_filename != _FILE:
            return self.watch.DISABLE
        self.note(line)


def _covered(run):
    lines = _Lines()
    try:
        with lines:
            run()
    except SystemExit as error:
        return lines.bits, not error.code
    except BaseException:
        return lines.bits, False
    return lines.bits, True
"""

_FUNCTION = """

_CALLS = {calls!r}
_space = {{"__name__": "covered"}}
exec(compile(_SOURCE, _FILE, "exec", dont_inherit=True), _space)
_owner = _space.get({owner!r})


def {name}(place):
    target = _space[{name!r}] if _owner is None else getattr(_owner(), {name!r})
    return _covered(lambda: target(*_CALLS[place]))[0]
"""

_SCRIPT = """
import io as _io
import json as _json

_CODE = compile(_SOURCE, _FILE, "exec", dont_inherit=True)
_shown, _known, _chosen = _sys.stdout, 0, []
for _place, _text in enumerate(_json.loads(_sys.stdin.read())):
    _given = _sys.stdin = _io.TextIOWrapper(_io.BytesIO(_text.encode()), encoding="utf-8")
    _made = _sys.stdout = _io.TextIOWrapper(_io.BytesIO(), encoding="utf-8")
    _bits, _has_ended = _covered(lambda: exec(_CODE, {{"__name__": "__main__", "__file__": _FILE}}))
    if {reads}:
        try:
            _made.flush()
            _is_chosen = _has_ended and _made.buffer.getvalue().strip() and not _given.read().strip()
        except BaseException:
            _is_chosen = False
    else:
        _is_chosen = _bits & ~_known
        _known |= _bits
    if _is_chosen:
        _chosen.append(_place)
print(*_chosen[:{places}], file=_shown, flush=True)
"""
_MOST_PLACES = 40
"""Chosen places that a script's harness tells: what comes back in full is 256 characters long."""


def covering(task: PublicTask, program: str, calls: Sequence[tuple[Any, ...]] = (), *, reads: bool = False) -> str:
    """Write the harness of a program: called or run as the program is, it tells of lines reached instead.

    A function's takes the place of one of `calls`, arguments that are literals, and gives its lines, but for those that
    run while the program is loaded. A script's reads a JSON array of inputs, runs the script on each in one process,
    and prints the places of those that reach lines which none before did; or, by `reads`, of those that it reads to
    their end, prints something for and does not fail on.
    """
    head = _HARNESS.format(source=program, most=_MOST_LINES, bits=BITS)
    if task.is_script:
        return head + _SCRIPT.format(places=_MOST_PLACES, reads=reads)
    owner, _, name = task.entry_point.rpartition(".")
    return head + _FUNCTION.format(owner=owner, name=name, calls=list(calls))


def reached(
    task: PublicTask, runner: Runner, programs: Sequence[str], calls: Sequence[Sequence[tuple[Any, ...]]]
) -> list[list[int]]:
    """Find the lines that each program of a function reaches on each of its calls: bit sets, 0 where nothing is known.

    Raises:
        SandboxError: The sandbox itself failed.
    """
    most = max(map(len, calls), default=0)
    if not most:
        return [[] for _ in programs]
    # All are asked the same, so that they run side by side.
    asked = [f"{called_name(task.entry_point)}({place})" for place in range(most)]
    harnesses = [covering(task, program, mine) for program, mine in zip(programs, calls, strict=True)]
    rows = runner.evaluate(task, harnesses, asked)
    return [[_bits(outcome.value) for outcome in row[: len(mine)]] for row, mine in zip(rows, calls, strict=True)]


def reaching(task: PublicTask, runner: Runner, programs: Sequence[str], inputs: Sequence[str]) -> list[list[int]]:
    """Choose the inputs on which each script reaches lines that it reached on none before: their places, ascending.

    Raises:
        SandboxError: The sandbox itself failed.
    """
    return _asked(task, runner, [covering(task, program) for program in programs], inputs)


def reading(task: PublicTask, runner: Runner, programs: Sequence[str], inputs: Sequence[str]) -> list[list[int]]:
    """Find the inputs that each script reads to their end, prints something for and does not fail on: their places.

    Raises:
        SandboxError: The sandbox itself failed.
    """
    return _asked(task, runner, [covering(task, program, reads=True) for program in programs], inputs)


def _asked(task: PublicTask, runner: Runner, harnesses: Sequence[str], inputs: Sequence[str]) -> list[list[int]]:
    rows = runner.evaluate(task, harnesses, [json.dumps(list(inputs))])
    return [_places(outcome.value, len(inputs)) for (outcome,) in rows]


def _places(value: str | None, count: int) -> list[int]:
    """Read an answer; a program may have made it up, so that it may be any text."""
    words = (value or "").strip("'").split()[:_MOST_PLACES]
    places = {int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 5}
    return sorted(place for place in places if place < count)


def _bits(value: str | None) -> int:
    """Read an answer; a program may have made it up, so that it may be any text."""
    text = (value or "").strip("'")
    if not (text.isascii() and text.isdigit()) or len(text) > BITS:
        return 0
    bits = int(text)
    return bits if bits.bit_length() <= BITS else 0


def new_lines(maps: Sequence[int], known: int, most: int) -> list[int]:
    """Choose inputs that reach lines which neither `known` nor one chosen before reaches: places, `most` at most."""
    chosen: list[int] = []
    for place, bits in enumerate(maps):
        if len(chosen) == most:
            break
        if bits & ~known:
            chosen.append(place)
            known |= bits
    return chosen
