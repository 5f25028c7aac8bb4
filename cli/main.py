"""The `codebudget` command: runs a sub-command and turns errors into one line and an exit code."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading

from .._util import plugins
from .commands import make_app, named_in
from .ending import INTERRUPTED, exit_code_of, fail
from .progress import Notices
from .streams import Streams, open_missing_streams


def main() -> None:
    """Run the command line and exit."""
    # Samples by the ten thousand stay until the end: looking for garbage among them takes a sixth of a warm command.
    gc.set_threshold(50_000, 20, 50)
    open_missing_streams()
    streams = Streams()
    streams.take()
    logging.getLogger("codebudget").addHandler(Notices())
    try:
        code = run(sys.argv[1:])
        if code == INTERRUPTED:
            # A second one need not wait for what is still winding down.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        sys.stdout.flush()
    except OSError as error:
        # Failed writes would be retried, and complained about, once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        gone = isinstance(error, BrokenPipeError)
        code = 1 if gone else fail(f"{error}; free some space or fix the permissions, then run the command again", 3)
    if plugins.loaded():
        streams.end()
        threading.Thread(target=streams.end_process, args=(code,), daemon=True).start()
    else:
        streams.give_back()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code."""
    return exit_code_of(lambda: make_app(named_in(arguments))(arguments, prog_name="codebudget", standalone_mode=False))
