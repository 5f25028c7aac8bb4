"""What a worker does before its first fork, so that runs have less to do.

Python adapts code, and fills caches, while it runs. A run that does so writes to memory, which its fork must then copy
page by page, and the next run must again. So what each run comes to is done here a few times before, with a program
that anyone may know.
"""

from __future__ import annotations

import contextlib
import socket
import sys

from . import candidate, codec, wire

_ROUNDS = 40
"""More than the executions after which CPython 3.11 to 3.13 have adapted code."""
_PROGRAM = """
from typing import Dict, List, Tuple


def answer(values, key=None):
    \"\"\"Return what is asked for.\"\"\"
    found = []
    for i in range(len(values)):
        if values[i] != key:
            found.append(values[i])
    return [each for each in sorted(found)]
"""
_REQUEST = candidate.Request(_PROGRAM, ("answer",), return_arguments=False)
_CALLS: tuple[tuple[object, ...], ...] = (
    ([3, 1, 2],),
    ([0.5, 1e9], 0.5),
    (["a", "b"],),
    ("text", "t"),
    ((), None),
    (1,),
)
"""The last one raises."""


def warm_up() -> None:
    """Load and call a program as a run does, and leave nothing of it."""
    nonce = bytes(wire.NONCE_BYTES)
    calls = (wire.CALL + nonce + codec.encode((0, arguments, {})) for arguments in _CALLS)
    messages = b"".join(wire.frame(wire.MESSAGE, message) for message in (_REQUEST.pack(), *calls))
    for _ in range(_ROUNDS):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(messages)
            ours.shutdown(socket.SHUT_WR)
            with contextlib.suppress(wire.EndOfStreamError):
                candidate.serve(wire.Link(theirs.fileno()))
    del sys.modules[candidate.MODULE_NAME]
