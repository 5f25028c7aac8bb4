"""The command's own output, apart from whatever else runs in its process.

Plug-ins and libraries print, from Python, from C and from processes that they start. What the command itself prints
goes where standard output went when it began; all else goes to standard error, so that `--json` stays clean.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import time
from typing import TextIO, cast

from .._util import plugins
from .stand_in import StandingStream, private_stream

_PATIENCE_S = 2.0
"""Seconds that leftovers of plug-ins may keep the process from ending."""


class Streams:
    """The standard streams of the process, for the command alone between `take` and `give_back` or `end`."""

    def __init__(self) -> None:
        self._before = sys.stdout, sys.stderr
        self._process = os.getpid()
        self._is_open = False
        # Others' output goes through a stream of its own, which they may close.
        self._out, self._error, self._others = map(private_stream, (sys.stdout, sys.stderr, sys.stderr))
        are_files = self._out is not sys.stdout and self._error is not sys.stderr
        self._has_first = are_files and sys.stdout.fileno() == 1

    def take(self) -> None:
        """Let only the command print to standard output from now on."""
        for stream in self._before:
            stream.flush()
        if self._has_first:
            os.dup2(self._error.fileno(), 1)
        self._is_open = True
        sys.stdout = cast("TextIO", StandingStream(lambda: self._out if self._is_ours() else self._apart()))
        sys.stderr = cast("TextIO", StandingStream(lambda: self._error if self._is_ours() else self._apart()))

    def end(self) -> None:
        """Flush what the command printed; the rest is someone else's."""
        for stream in (self._out, self._error):
            stream.flush()
        self._is_open = False

    def give_back(self) -> None:
        """Leave the streams as they were."""
        self.end()
        sys.stdout, sys.stderr = self._before
        if self._has_first:
            os.dup2(self._out.fileno(), 1)
        for stream in (self._out, self._error, self._others):
            if stream not in self._before:
                stream.close()

    def end_process(self, code: int) -> None:
        """End the process if leftovers of plug-ins, threads and exit handlers, keep it from ending."""
        time.sleep(_PATIENCE_S)
        others = [one.name for one in threading.enumerate() if not one.daemon and one is not threading.main_thread()]
        left = f"threads {', '.join(others)}" if others else "something at exit"
        self._say(f"codebudget: exited without waiting for what {' or '.join(plugins.loaded())} left running ({left})")
        os._exit(code)

    def _say(self, line: str) -> None:
        # Even while the interpreter ends.
        with contextlib.suppress(OSError, ValueError):
            os.write(self._error.fileno(), f"{line}\n".encode())

    def _apart(self) -> TextIO:
        if self._others.closed:
            self._others = private_stream(self._error)
        return self._others

    def _is_ours(self) -> bool:
        """Whether the command itself is printing: it does from its main thread, and not within a plug-in."""
        return (
            self._is_open
            and threading.current_thread() is threading.main_thread()
            and not plugins.is_inside()
            and os.getpid() == self._process
        )


def open_missing_streams() -> None:
    """Drop output to streams that a caller closed; characters missing in an encoding become `?`."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        elif isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="replace")
