"""The `codebudget` command: registers the sub-commands and turns errors into one line and an exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import Annotated

import typer

from .. import __version__
from .._util import plugins
from . import benchmarks, hardware, leaderboard, models, rankers, sandbox, study
from .calibrate import calibrate
from .compare import compare
from .components import components
from .curve import curve
from .diverge import diverge
from .doctor import doctor
from .ending import INTERRUPTED, exit_code_of, fail
from .execute import execute
from .import_ import import_
from .merge import merge
from .outliers import outliers
from .plan import plan
from .progress import Notices
from .quantise import quantise
from .rank import rank
from .sample import sample
from .streams import Streams, open_missing_streams

# Without rich, whose import alone is a third of the time that --help takes.
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(short_help="Show how many samples of each model the same cost buys.")(plan)
app.command(short_help="Draw samples from models and store them.")(sample)
app.command("import", short_help="Import samples from files into the store.")(import_)
app.command(short_help="Join the stores of shards into one.")(merge)
app.command(short_help="Find which arm wins for the same compute, with and without tests.")(compare)
app.command(short_help="Grade files of samples and compute pass@k, as human-eval does.")(execute)
app.command(short_help="Score rankers on recorded candidates, or list what they pick.")(rank)
app.command(short_help="Score each arm at every budget, and find where one overtakes another.")(curve)
app.command(short_help="Compare a compressed model's choices with the original's, token by token.")(diverge)
app.command(short_help="Find which components of a model bear compression.")(components)
app.command(short_help="Find a model's outlier dimensions, and whether plain INT8 will do.")(outliers)
app.command(short_help="Write a checkpoint of a model in fewer bits.")(quantise)
app.command(short_help="Measure this machine so that plans can predict its runtime.")(calibrate)
app.command(short_help="Show what this machine can do, and what to install for the rest.")(doctor)
app.add_typer(benchmarks.app, name="benchmarks")
app.add_typer(hardware.app, name="hardware")
app.add_typer(leaderboard.app, name="leaderboard")
app.add_typer(models.app, name="models")
app.add_typer(rankers.app, name="rankers")
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(study.app, name="study")


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
    return exit_code_of(lambda: app(arguments, prog_name="codebudget", standalone_mode=False))
