"""Loading classes that others wrote: from an entry point of a distribution, or from a file, as `FILE.py:Class`."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib import metadata


def class_in_file(spec: str, kind: str) -> tuple[object, str] | None:
    """What a `FILE.py:Class` names, None where the file has no such class, and where it is from; None for other specs.

    Raises:
        UserError: there is no such file, or it cannot be imported.
    """
    file, colon, class_name = spec.rpartition(":")
    if not colon or not file.endswith(".py"):
        return None
    path = Path(file)
    if not path.is_file():
        raise UserError(f"{kind} {spec!r}: there is no file {path}")
    # A name of its own per path: files of one name do not meet, and classes can be pickled and inspected.
    digest = hashlib.blake2b(str(path.resolve()).encode(), digest_size=4).hexdigest()
    name = f"codebudget_{kind}_{path.stem}_{digest}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise UserError(f"{kind} {spec!r}: {path} is not a Python file")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:  # a plug-in's import may raise anything; all of it is the plug-in's fault
        del sys.modules[name]
        raise UserError(f"{kind} {spec!r}: {path} cannot be imported: {_cause(error)}") from error
    return getattr(module, class_name, None), f"the file {file}"


def class_of_point(point: metadata.EntryPoint, kind: str) -> tuple[object, str]:
    """What an entry point names, and where it is from.

    Raises:
        UserError: it cannot be imported.
    """
    source = f"the distribution {distribution_of(point)}"
    try:
        return point.load(), source
    except Exception as error:  # as above
        raise UserError(f"{kind} {point.name!r} of {source} cannot be imported: {_cause(error)}") from error


def only_point(points: Sequence[metadata.EntryPoint], kind: str) -> metadata.EntryPoint:
    """The one entry point of a name.

    Raises:
        UserError: there are several.
    """
    if len(points) > 1:
        owners = " and ".join(sorted(distribution_of(point) for point in points))
        raise UserError(f"several distributions register a {kind} {points[0].name!r}: {owners}; uninstall all but one")
    return points[0]


def distribution_of(point: metadata.EntryPoint) -> str:
    """The name of the distribution that registers an entry point."""
    return point.dist.name if point.dist else "unknown"


def make(
    factory: object,
    spec: str,
    source: str,
    kind: str,
    members: Sequence[str],
    arguments: Callable[[type], Mapping[str, Any]] = lambda _: {},
) -> Any:
    """An instance of a plug-in's class, made with the `arguments` for it, which has all `members`.

    Raises:
        UserError: it is no class, cannot be made of these arguments, or lacks a member.
    """
    if not isinstance(factory, type):
        raise UserError(f"{kind} {spec!r} of {source} must be a class, and there is no such class")
    given = arguments(factory)
    try:
        made = factory(**given)
    except UserError as error:
        raise UserError(f"{kind} {spec!r}: {error}") from error
    except Exception as error:  # as above
        without = "" if given else " without arguments"
        raise UserError(f"{kind} {spec!r} of {source} cannot be made{without}: {_cause(error)}") from error
    lacking = [member for member in members if not hasattr(made, member)]
    if lacking:
        raise UserError(f"{kind} {spec!r} of {source} lacks {', '.join(lacking)}: a {kind} has {', '.join(members)}")
    return made


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
