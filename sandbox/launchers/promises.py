"""Promises of launchers, by name, so that the attack corpus can say which one it tries to break."""

from collections.abc import Set

from ...errors import UserError
from ..box import Launcher

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
        raise UserError(f"the sandbox {launcher.name}: not_promised must be a set of some of: {', '.join(PROMISES)}")
    return frozenset(declared)
