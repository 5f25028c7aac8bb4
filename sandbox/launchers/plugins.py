"""Third-party launchers, by entry point or as `FILE.py:Class`, and the promises that a launcher may omit."""

from __future__ import annotations

from collections.abc import Set
from importlib import metadata
from typing import TYPE_CHECKING

from ..._util import plugins
from ...errors import UserError

if TYPE_CHECKING:
    from ..box import Launcher

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


PROMISES = {
    "network": "the host's network is out of reach",
    "host files": "the host's files are hidden, also those that any user may read",
    "own user": "programs are another user than codebudget: they cannot read its files or signal its processes",
    "leftovers": "what a program leaves outside its own folder is removed before the next",
    "user namespaces": "programs cannot make namespaces of their own",
    "system calls": "system calls that programs have no use for are refused",
    "total memory": "the memory of all of a program's processes together is bounded",
    "total disk": "the size of all of a program's files together is bounded",
}
"""Promises a launcher may omit; that no pass can be forged and the limits of one process it may not."""


def not_promised(launcher: Launcher) -> frozenset[str]:
    """List names in `PROMISES` in the launcher's attribute `not_promised`; without it, all are promised.

    Raises:
        UserError: it holds something else.
    """
    declared: object = getattr(launcher, "not_promised", frozenset())
    if not isinstance(declared, Set) or not set(declared) <= PROMISES.keys():
        raise UserError(f"the sandbox {launcher.name}: not_promised must be a set drawn from: {', '.join(PROMISES)}")
    return frozenset(declared)
