"""Ways to start a box, and the choice among them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ...errors import MachineError, SandboxError, UserError
from ..box import Launcher
from ..images import IMAGES
from .bubblewrap import BubblewrapLauncher
from .docker import DockerLauncher
from .plugins import load_launcher, registered
from .process import ProcessLauncher

LAUNCHERS: dict[str, Callable[[], Launcher]] = {
    "docker": DockerLauncher,
    "bubblewrap": BubblewrapLauncher,
    "process": ProcessLauncher,
    **{f"docker-{image.name}": partial(DockerLauncher, image) for image in IMAGES.values() if image.libraries},
}
"""Strongest first, then those with libraries. `auto` never takes one of these, `process`, whose isolation is weak, nor
one that is not ours.
"""

CLEANERS: dict[str, Callable[[], list[str]]] = {
    "docker": lambda: DockerLauncher().clean(),
    "process": lambda: ProcessLauncher().clean(),
}
"""Remove and list what dead owners left, as each `prepare` does; SandboxError if no engine answers."""

_AUTOMATIC = ("docker", "bubblewrap")


class Choice(NamedTuple):
    """A launcher that works here, and why stronger ones were skipped."""

    launcher: Launcher
    passed_over: Sequence[str]


def choose_launcher(name: str = "auto") -> Choice:
    """Find the launcher `name`, or for `auto` the strongest that works here and is not weak.

    Args:
        name: `auto`, one of `LAUNCHERS`, one that a distribution registers in the entry-point group
            `codebudget.launchers`, or `FILE.py:Class`.

    Raises:
        UserError: there is no launcher of that name.
        MachineError: it does not work here; the message says why and what to do.
    """
    reasons: list[str] = []
    for candidate in _AUTOMATIC if name == "auto" else (name,):
        launcher = _make(candidate)
        try:
            launcher.prepare()
        except SandboxError as error:
            reasons.append(f"{candidate}: {error}")
        else:
            return Choice(launcher, tuple(reasons))
    if name == "auto":
        raise MachineError(
            f"no sandbox works here ({'; '.join(reasons)}). Start Docker, or install bubblewrap, or accept weak "
            "isolation with `launcher` process"
        )
    raise MachineError(reasons[0])


def at_full_path(name: str) -> str:
    """Give a launcher's file, as in `FILE.py:Class`, its full path: other processes have other working folders."""
    file, colon, kind = name.rpartition(":")
    return f"{Path(file).expanduser().resolve()}:{kind}" if colon and file.endswith(".py") else name


def _make(name: str) -> Launcher:
    if name in LAUNCHERS:
        return LAUNCHERS[name]()
    launcher = load_launcher(name)
    if launcher is None:
        known = ", ".join(["auto", *LAUNCHERS, *registered()])
        raise UserError(f"unknown sandbox '{name}': choose from {known}, or FILE.py:Class")
    return launcher
