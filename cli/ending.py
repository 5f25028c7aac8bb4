"""The end of a command: what it raised becomes one line and an exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from .._util import plugins
from ..errors import CodebudgetError
from .progress import warn

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130


def exit_code_of(command: Callable[[], object]) -> int:
    """Run a command without typer's own handling of errors; returns the exit code."""
    try:
        result = command()
    except CodebudgetError as error:
        return fail(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        result = INTERRUPTED
    except SystemExit as error:
        # codebudget's own code never raises it.
        if not plugins.loaded():
            raise
        return fail(
            f"{_place_of(error)} ended the command (SystemExit); run it again without whatever loads that code", 3
        )
    except Exception as error:
        # typer exports only the leaves of the errors that it raises for wrong arguments; all can be formatted.
        if not hasattr(error, "format_message"):
            raise
        return _explain(error, error.format_message())
    if result == INTERRUPTED:
        return fail("interrupted; finished work is kept, and the same command continues from there", INTERRUPTED)
    return result if isinstance(result, int) else 0


def fail(message: str, code: int) -> int:
    """Print one line on standard error, and return the exit code."""
    warn(message)
    return code


def _place_of(error: BaseException) -> str:
    """Find the file that raised an error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename if trace is not None else "a plug-in"


def _explain(error: Exception, message: str) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        print(message, file=sys.stderr)
        return 2
    context = getattr(error, "ctx", None)
    return fail(f"{message.rstrip('.')} (see {context.command_path if context else 'codebudget'} --help)", 2)
