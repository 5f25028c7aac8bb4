"""What a worker does before its first fork, so that runs have less to do.

Python adapts code, and fills caches, while it runs. A run that does so writes to memory, which its fork must then copy
page by page, and the next run must again. So what each run comes to is done here a few times before, with a program
that anyone may know.
"""

from __future__ import annotations

import os
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
    """Load and call a program as runs do, and leave nothing of it."""
    calls = [codec.encode((0, arguments, {})) for arguments in _CALLS]
    read_fd, write_fd = os.pipe()
    inlet, outlet = wire.Link(read_fd), wire.Link(write_fd)
    for _ in range(_ROUNDS):
        outlet.send(_REQUEST.pack())
        request = candidate.Request.unpack(inlet.receive())
        names = candidate.load(request.program, request.names[0], request.preamble)
        for call in calls:
            outlet.send(candidate.answer([names["answer"]], request.names, call, request.return_arguments))
            inlet.receive()
    del sys.modules[candidate.MODULE_NAME]
    inlet.close()
    outlet.close()
