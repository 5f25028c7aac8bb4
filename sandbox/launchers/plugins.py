"""Third-party launchers, by entry point or as `FILE.py:Class`."""

from importlib import metadata

from ..._util import plugins
from ..box import Launcher
from .promises import not_promised

GROUP = "codebudget.launchers"
"""The entry-point group in which distributions register their launchers."""

_KIND = "sandbox"
_MEMBERS = ("name", "promise", "prepare", "launch", "environment")


def registered() -> list[str]:
    """List the names of launchers that installed distributions register."""
    return sorted({point.name for point in metadata.entry_points(group=GROUP)})


def load_launcher(spec: str) -> Launcher | None:
    """Make the launcher that `spec` names: a registered name or `FILE.py:Class`; None if there is none.

    Raises:
        UserError: it cannot be imported or is no launcher.
    """
    found = plugins.class_in_file(spec, _KIND)
    if found is None:
        points = list(metadata.entry_points(group=GROUP, name=spec))
        if not points:
            return None
        found = plugins.class_of_point(plugins.only_point(points, _KIND), _KIND)
    factory, source = found
    launcher: Launcher = plugins.make(factory, spec, source, _KIND, _MEMBERS)
    not_promised(launcher)
    return launcher
