"""The role that runs a program as a script, on one input, as `python program < input` would.

The channel is closed before any of the program runs, so nothing that it does can be taken for a message. What counts is
what it writes to standard output, which is a pipe that the worker reads, as standard input is one that it fills.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import gc
import io
import json
import os
import sys
import threading
import traceback
import types
from typing import Any, NamedTuple

from . import wire

FILE_NAME = "main.py"
"""What a script sees as its own file. There is none."""


class Script(NamedTuple):
    """A program and the source that runs before it in the same module."""

    program: str
    preamble: str

    def pack(self) -> bytes:
        """As bytes."""
        return wire.pack([text.encode("utf-8", "surrogatepass") for text in self])

    @classmethod
    def unpack(cls, message: bytes) -> Script:
        """From the bytes of `pack`."""
        return cls(*(text.decode("utf-8", "surrogatepass") for text in wire.unpack(message)))


def serve(link: wire.Link) -> None:
    """Compile the script, or say why it cannot be; then run it and end this process."""
    script = Script.unpack(link.receive())
    try:
        codes = [compile(text, FILE_NAME, "exec", dont_inherit=True) for text in (script.preamble, script.program)]
    except (SyntaxError, ValueError, RecursionError, OverflowError, MemoryError) as error:
        # None of the program has run, so this is no claim of its.
        text = f"{type(error).__name__}: {error}"[:400]
        link.send(wire.FAILED + json.dumps({"status": "invalid", "detail": text}).encode())
        return
    link.close()
    _open_streams()
    status = _run(codes)
    _end()
    os._exit(status)


def _open_streams() -> None:
    """Make standard streams as an interpreter makes them for pipes; those of the worker stand for its own."""
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(  # type: ignore[misc]
        io.BufferedReader(io.FileIO(0, "r", closefd=False)), encoding="utf-8", newline="\n"
    )
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(  # type: ignore[misc]
        io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8", newline="\n"
    )
    sys.stderr = sys.__stderr__ = io.TextIOWrapper(  # type: ignore[misc]
        io.BufferedWriter(io.FileIO(2, "w", closefd=False)),
        encoding="utf-8",
        errors="backslashreplace",
        newline="\n",
        line_buffering=True,
    )
    sys.argv = [FILE_NAME]


def _run(codes: list[types.CodeType]) -> int:
    """Run the code as the main module; the exit status is 0 unless an exception escapes, SystemExit apart."""
    module = types.ModuleType("__main__")
    module.__dict__.update({"__builtins__": builtins, "__file__": FILE_NAME})
    sys.modules["__main__"] = module
    try:
        for code in codes:
            exec(code, module.__dict__)
    except SystemExit:
        return 0
    except BaseException:
        _report()
        return 1
    finally:
        # Threads that are no daemons go on, and may use the module.
        _quietly(lambda: threading._shutdown())  # type: ignore[attr-defined]
        _quietly(lambda: atexit._run_exitfuncs())
        module.__dict__.clear()
    return 0


def _end() -> None:
    """Write what is not written yet: files that nobody closed are closed once nobody holds them."""
    gc.collect()
    _quietly(lambda: sys.stdout.flush())
    _quietly(lambda: sys.stderr.flush())


def _report() -> None:
    """Tell of the exception that is being handled, by the program's own hook if that works."""
    kind, error, trace = sys.exc_info()
    try:
        sys.excepthook(kind, error, trace)  # type: ignore[arg-type]
    except BaseException:
        traceback.print_exception(kind, error, trace)


def _quietly(step: Any) -> None:
    """Do what an interpreter does at its end, where exceptions no longer count."""
    with contextlib.suppress(BaseException):
        step()
