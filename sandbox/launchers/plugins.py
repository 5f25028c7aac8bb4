"""Launchers that others wrote: by entry point, or as `FILE.py:Class`."""

import hashlib
import importlib.util
import sys
from importlib import metadata
from pathlib import Path

from ...errors import UserError
from ..box import Launcher
from .promises import not_promised

GROUP = "codebudget.launchers"
"""The entry-point group in which distributions register their launchers."""

_MEMBERS = ("name", "promise", "prepare", "launch", "environment")


def registered() -> list[str]:
    """The names of the launchers that installed distributions register."""
    return sorted({point.name for point in metadata.entry_points(group=GROUP)})


def load_launcher(spec: str) -> Launcher | None:
    """Make the launcher that `spec` names: a registered name, or `FILE.py:Class`; None where there is none.

    Raises:
        UserError: it cannot be imported, or is no launcher.
    """
    file, colon, class_name = spec.rpartition(":")
    if colon and file.endswith(".py"):
        return _from_file(Path(file), class_name, spec)
    points = list(metadata.entry_points(group=GROUP, name=spec))
    if not points:
        return None
    if len(points) > 1:
        raise UserError(f"several distributions register a sandbox {spec!r}; uninstall all but one")
    try:
        factory = points[0].load()
    except Exception as error:  # a plug-in's import may raise anything; all of it is the plug-in's fault
        raise _unusable(spec, error) from error
    return _made(factory, spec)


def _from_file(path: Path, class_name: str, spec: str) -> Launcher:
    if not path.is_file():
        raise UserError(f"sandbox {spec!r}: there is no file {path}")
    name = f"codebudget_launcher_{hashlib.blake2b(str(path.resolve()).encode(), digest_size=8).hexdigest()}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise UserError(f"sandbox {spec!r}: {path} is not a Python file")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:  # as above
        del sys.modules[name]
        raise _unusable(spec, error) from error
    return _made(getattr(module, class_name, None), spec)


def _made(factory: object, spec: str) -> Launcher:
    if not isinstance(factory, type):
        raise UserError(f"sandbox {spec!r} must be a class, and there is no such class")
    try:
        launcher: Launcher = factory()
    except Exception as error:  # as above
        raise _unusable(spec, error) from error
    lacking = [member for member in _MEMBERS if not hasattr(launcher, member)]
    if lacking:
        raise UserError(f"sandbox {spec!r} lacks {', '.join(lacking)}: a launcher has {', '.join(_MEMBERS)}")
    not_promised(launcher)
    return launcher


def _unusable(spec: str, error: Exception) -> UserError:
    return UserError(f"sandbox {spec!r} cannot be loaded: {type(error).__name__}: {' '.join(str(error).split())}")
