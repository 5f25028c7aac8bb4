"""Stand-ins for a standard stream: one that nobody can close and that replaces secrets, one with its own descriptor."""

from __future__ import annotations

import contextlib
import io
import os
from typing import TYPE_CHECKING, Any, TextIO, cast

from .._util.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class StandingStream(io.TextIOBase):
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


def private_stream(stream: TextIO) -> TextIO:
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
