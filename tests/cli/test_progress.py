"""Progress in a terminal: what a step is named after cannot command it."""

import os
import pty
import subprocess
import sys

SHOWS = """
from codebudget.cli.progress import shown_progress
with shown_progress() as progress:
    for done in range(3):
        progress("comparing arms on [/x][red]\\x1b]0;owned\\x07", done, 3)
"""


def test_a_step_is_shown_as_it_is() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", SHOWS], stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        # So a terminal ends on Linux.
        pass
    finally:
        os.close(ours)
    assert process.wait() == 0, shown.decode()
    assert b"[/x][red]" in shown
    assert b"\x1b]0;" not in shown
