"""The ways to start a box, and the choice among them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...errors import MachineError, SandboxError, UserError
from ..box import Launcher
from .bubblewrap import BubblewrapLauncher
from .docker import DockerLauncher
from .process import ProcessLauncher

LAUNCHERS: dict[str, Callable[[], Launcher]] = {
    "docker": DockerLauncher,
    "bubblewrap": BubblewrapLauncher,
    "process": ProcessLauncher,
}
"""Strongest first. `auto` never takes `process`, whose isolation is weak."""

_AUTOMATIC = ("docker", "bubblewrap")


class Choice(NamedTuple):
    """A launcher that works here, and why stronger ones were passed over."""

    launcher: Launcher
    passed_over: Sequence[str]


def choose_launcher(name: str = "auto") -> Choice:
    """The launcher called `name`, or for `auto` the strongest that works here and is not weak.

    Raises:
        UserError: there is no launcher of that name.
        MachineError: it does not work here; the message says why and what to do.
    """
    if name != "auto" and name not in LAUNCHERS:
        raise UserError(f"no sandbox is called '{name}': choose auto, {', '.join(LAUNCHERS)}")
    reasons: list[str] = []
    for candidate in _AUTOMATIC if name == "auto" else (name,):
        launcher = LAUNCHERS[candidate]()
        try:
            launcher.prepare()
        except SandboxError as error:
            reasons.append(f"{candidate}: {error}")
        else:
            return Choice(launcher, tuple(reasons))
    if name == "auto":
        raise MachineError(
            f"no sandbox works here ({'; '.join(reasons)}). Start Docker, or install bubblewrap, or accept weak "
            "isolation by name with --sandbox process"
        )
    raise MachineError(reasons[0])
