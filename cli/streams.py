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
from typing import TYPE_CHECKING, Any, TextIO, cast

from .._util import plugins
from .._util.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class _Standing(io.TextIOBase):
    """Stands for a stream of the process: secrets are replaced, and nobody can close it."""

    def __init__(self, behind: Callable[[], TextIO]) -> None:
        self._behind = behind

    def write(self, text: str) -> int:
        """Write to the current stream."""
        self._behind().write(redacted(text))
        return len(text)

    def writelines(self, lines: Iterable[Any]) -> None:
        """Like `write`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the current stream."""
        self._behind().flush()

    def close(self) -> None:
        """Only flush: it belongs to the whole command. At the interpreter's end what is behind may be closed."""
        with contextlib.suppress(ValueError):
            self.flush()

    def reconfigure(self, **settings: Any) -> None:
        """Reconfigure the current stream."""
        cast("io.TextIOWrapper", self._behind()).reconfigure(**settings)

    def fileno(self) -> int:
        """Return the current stream's descriptor."""
        return self._behind().fileno()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._behind().isatty()

    def writable(self) -> bool:
        """True."""
        return True

    @property
    def buffer(self) -> Any:
        """For bytes."""
        return self._behind().buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The current encoding."""
        return self._behind().encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """Like `encoding`."""
        return self._behind().errors

    @property
    def line_buffering(self) -> bool:
        """Like `encoding`."""
        return bool(self._behind().line_buffering)


class Streams:
    """The standard streams of the process, for the command alone between `take` and `give_back` or `end`."""

    def __init__(self) -> None:
        self._before = sys.stdout, sys.stderr
        self._process = os.getpid()
        self._is_open = False
        # Others' output goes through a stream of its own, which they may close.
        self._out, self._error, self._others = map(_private, (sys.stdout, sys.stderr, sys.stderr))
        are_files = self._out is not sys.stdout and self._error is not sys.stderr
        self._has_first = are_files and sys.stdout.fileno() == 1

    def take(self) -> None:
        """Let only the command print to standard output from now on."""
        for stream in self._before:
            stream.flush()
        if self._has_first:
            os.dup2(self._error.fileno(), 1)
        self._is_open = True
        sys.stdout = cast("TextIO", _Standing(lambda: self._out if self._is_ours() else self._apart()))
        sys.stderr = cast("TextIO", _Standing(lambda: self._error if self._is_ours() else self._apart()))

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

    def say(self, line: str) -> None:
        """Print to standard error, even while the interpreter ends."""
        with contextlib.suppress(OSError, ValueError):
            os.write(self._error.fileno(), f"{line}\n".encode())

    def _apart(self) -> TextIO:
        if self._others.closed:
            self._others = _private(self._error)
        return self._others

    def _is_ours(self) -> bool:
        """Whether the command itself is printing: it does from its main thread, and not within a plug-in."""
        return (
            self._is_open
            and threading.current_thread() is threading.main_thread()
            and not plugins.is_inside()
            and os.getpid() == self._process
        )


def _private(stream: TextIO) -> TextIO:
    """Give a stream its own descriptor; return it as is if it is no file's."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    try:
        descriptor = os.dup(stream.fileno())
    except (OSError, ValueError):
        return stream
    buffer = os.fdopen(descriptor, "wb", buffering=0 if stream.write_through else -1)
    return io.TextIOWrapper(
        buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
