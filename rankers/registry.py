"""Finding rankers: by entry point, or as `FILE.py:Class`."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

from ..errors import UserError
from .protocol import Need, Ranker

if TYPE_CHECKING:
    from types import ModuleType

GROUP = "codebudget.rankers"
"""The entry-point group in which distributions register their rankers."""


class RankerInfo(NamedTuple):
    """A registered ranker: what to type, which distribution it comes with, and the first line of its docstring.

    Where it cannot be loaded the summary says why.
    """

    name: str
    distribution: str
    summary: str


def available() -> list[RankerInfo]:
    """All registered rankers by name, those that cannot be loaded among them."""
    infos = []
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name):
        try:
            summary = _summary(_load_point(point))
        except UserError as error:
            summary = str(error)
        infos.append(RankerInfo(point.name, _distribution(point), summary))
    return infos


def load_ranker(spec: str) -> Ranker:
    """Make the ranker that `spec` names: a registered name, or `FILE.py:Class`.

    Raises:
        UserError: There is no such ranker, it cannot be imported, or it is not a ranker.
    """
    file, colon, class_name = spec.rpartition(":")
    if colon and file.endswith(".py"):
        return _make(getattr(_import_file(Path(file), spec), class_name, None), spec, f"the file {file}")
    points = list(metadata.entry_points(group=GROUP, name=spec))
    if not points:
        raise UserError(_unknown(spec))
    if len(points) > 1:
        owners = " and ".join(sorted(_distribution(point) for point in points))
        raise UserError(f"several distributions register a ranker {spec!r}: {owners}; uninstall all but one")
    return _load_point(points[0])


def origin(ranker: Ranker) -> str:
    """Where a ranker's code comes from, for messages: its name with its distribution, or its file."""
    module = type(ranker).__module__
    owners = metadata.packages_distributions().get(module.partition(".")[0])
    if owners:
        return f"ranker {ranker.name!r} (distribution {owners[0]})"
    file = getattr(sys.modules.get(module), "__file__", None)
    return f"ranker {ranker.name!r} ({f'file {file}' if file else f'module {module}'})"


def _load_point(point: metadata.EntryPoint) -> Ranker:
    source = f"the distribution {_distribution(point)}"
    try:
        factory = point.load()
    except Exception as error:  # a plug-in's import may raise anything; all of it is the plug-in's fault
        raise UserError(f"ranker {point.name!r} of {source} cannot be imported: {_cause(error)}") from error
    return _make(factory, point.name, source)


def _import_file(path: Path, spec: str) -> ModuleType:
    if not path.is_file():
        raise UserError(f"ranker {spec!r}: there is no file {path}")
    # A name of its own per path: files of one name do not meet, and classes can be pickled and inspected.
    name = f"codebudget_ranker_{path.stem}_{hashlib.blake2b(str(path.resolve()).encode(), digest_size=4).hexdigest()}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise UserError(f"ranker {spec!r}: {path} is not a Python file")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:  # as above
        del sys.modules[name]
        raise UserError(f"ranker {spec!r}: {path} cannot be imported: {_cause(error)}") from error
    return module


def _make(factory: object, spec: str, source: str) -> Ranker:
    """An instance of a ranker's class, checked for what can be checked before it ranks."""
    if not isinstance(factory, type):
        raise UserError(f"ranker {spec!r} of {source} must be a class, and there is no such class")
    try:
        ranker = factory()
    except Exception as error:  # as above
        raise UserError(f"ranker {spec!r} of {source} cannot be made without arguments: {_cause(error)}") from error
    members = ("name", "version", "needs", "pointwise", "rank")
    lacking = [member for member in members if not hasattr(ranker, member)]
    if lacking:
        raise UserError(f"ranker {spec!r} of {source} lacks {', '.join(lacking)}: a ranker has {', '.join(members)}")
    if not isinstance(ranker, Ranker) or not isinstance(ranker.needs, frozenset):
        raise UserError(f"ranker {spec!r} of {source}: needs must be a frozenset, such as frozenset({{'execution'}})")
    unknown = sorted(str(need) for need in ranker.needs - frozenset(get_args(Need)))
    if unknown:
        known = ", ".join(get_args(Need))
        raise UserError(f"ranker {spec!r} of {source} needs {', '.join(unknown)}, and this codebudget offers {known}")
    return ranker


def _unknown(spec: str) -> str:
    names = sorted({point.name for point in metadata.entry_points(group=GROUP)})
    close = difflib.get_close_matches(spec, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"there is no ranker {spec!r}; {hint}registered: {', '.join(names) or 'none'}; or give FILE.py:Class"


def _summary(ranker: Ranker) -> str:
    return (type(ranker).__doc__ or "").strip().partition("\n")[0]


def _distribution(point: metadata.EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
