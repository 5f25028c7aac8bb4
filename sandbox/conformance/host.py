"""Targets on the host, laid out for attacks: a secret file, secrets in the environment, open sockets."""

from __future__ import annotations

import os
import resource
import secrets
import socket
import stat
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from ..guest.leftovers import remove_tree
from ..launchers.ownership import make_folder

if TYPE_CHECKING:
    from types import TracebackType

_VARIABLES = ("HF_TOKEN", "CANARY_KEY", "OPENAI_API_KEY")
_MEMORY_SLACK_BYTES = 128 << 20


class AttackedHost:
    """The grader's side of an examination; a context manager, entered before any box is started."""

    def __enter__(self) -> AttackedHost:
        self.secret = f"tweet{secrets.token_hex(8)}"
        self._folder = Path(make_folder())
        self._file = self._folder / "secret"
        self._file.write_text(self.secret)
        self._file.chmod(0o600)
        self._before = {name: os.environ.get(name) for name in _VARIABLES}
        os.environ |= dict.fromkeys(_VARIABLES, self.secret)
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._abstract = socket.socket(socket.AF_UNIX)
        self._address = f"codebudget-{secrets.token_hex(8)}"
        self._abstract.bind(f"\0{self._address}")
        self._abstract.listen()
        self._sockets = {"TCP": self._tcp, "UDP": self._udp, "abstract UNIX": self._abstract}
        for listener in self._sockets.values():
            listener.setblocking(False)
        self._peak_bytes = _peak_bytes()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener in self._sockets.values():
            listener.close()
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        remove_tree(str(self._folder))

    def aim(self, program: str) -> str:
        """Replace the program's placeholders by what it goes after."""
        places = {
            "@CANARY@": str(self._file),
            "@PREFIX@": sys.base_prefix,
            "@PACKAGE@": str(resources.files(__package__.partition(".")[0])),
            "@TCP_PORT@": str(self._tcp.getsockname()[1]),
            "@UDP_PORT@": str(self._udp.getsockname()[1]),
            "@ABSTRACT@": self._address,
        }
        for placeholder, value in places.items():
            program = program.replace(placeholder, value)
        return program

    def contacted(self) -> list[str]:
        """List the kinds of sockets that were contacted since the last look."""
        return [kind for kind, listener in self._sockets.items() if _contacted(listener)]

    def damage(self) -> str:
        """Describe how the host has changed; empty if it has not."""
        mode = stat.S_IMODE(self._file.stat().st_mode) if self._file.exists() else 0
        if mode != 0o600 or os.listdir(self._folder) != ["secret"] or self._file.read_text() != self.secret:
            return "the canary file was changed"
        if _peak_bytes() > self._peak_bytes + _MEMORY_SLACK_BYTES:
            return f"the grader's memory grew to {_peak_bytes() >> 20} MiB"
        return ""


def _contacted(listener: socket.socket) -> bool:
    found = False
    while True:
        try:
            if listener.type == socket.SOCK_DGRAM:
                listener.recv(1)
            else:
                listener.accept()[0].close()
        except BlockingIOError:
            return found
        found = True


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
