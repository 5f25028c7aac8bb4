"""Finding rankers: by entry point or as `FILE.py:Class`, with parameters, alone or in a chain."""

from __future__ import annotations

import difflib
import inspect
import sys
from functools import partial
from importlib import metadata
from typing import Any, NamedTuple

from .._util import plugins
from ..errors import UserError
from . import specs
from .combine import PARAMETER, Chain, Distinct
from .protocol import NEEDS, Ranker, uses_of

_KIND = "ranker"
GROUP = "codebudget.rankers"
"""The entry-point group in which distributions register their rankers."""


class RankerInfo(NamedTuple):
    """A registered ranker: what to type, which distribution it comes with, its docstring's first line and its needs.

    If it cannot be loaded, the summary says why.
    """

    name: str
    distribution: str
    summary: str
    needs: tuple[str, ...] = ()


class RankerDetails(NamedTuple):
    """One ranker as typed, with everything known about it.

    `parameters` are those that can be set, with their values; `description` is its class's docstring.
    """

    name: str
    origin: str
    version: str
    needs: tuple[str, ...]
    uses: tuple[str, ...]
    pointwise: bool
    parameters: dict[str, bool | int | float | str]
    description: str


def available() -> list[RankerInfo]:
    """List registered rankers by name, including those that cannot be loaded."""
    infos = []
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name):
        needs: tuple[str, ...] = ()
        try:
            ranker = _load_point(point, specs.Spec(point.name, {}))
            with plugins.contained(UserError):
                summary, needs = _summary(ranker), tuple(sorted(ranker.needs))
        except UserError as error:
            summary = str(error)
        infos.append(RankerInfo(point.name, plugins.distribution_of(point), summary, needs))
    return infos


def details(typed: str) -> list[RankerDetails]:
    """Describe each link of what was typed.

    Raises:
        UserError: As `load_ranker`.
    """
    return [_details(*specs.without_dedupe(spec)) for spec in specs.parse(typed)]


def _details(spec: specs.Spec, dedupe: bool) -> RankerDetails:
    ranker = _loaded(spec)
    with plugins.contained(lambda cause: UserError(f"ranker {spec.name!r} cannot be shown: {cause}")):
        return _described(ranker, spec, dedupe)


def _described(ranker: Ranker, spec: specs.Spec, dedupe: bool) -> RankerDetails:
    values = specs.parameters_of(type(ranker)) | specs.arguments_for(type(ranker), spec) | {PARAMETER: dedupe}
    return RankerDetails(
        name=ranker.name,
        origin=origin(ranker),
        version=ranker.version,
        needs=tuple(sorted(ranker.needs)),
        uses=tuple(sorted(uses_of(ranker) - ranker.needs)),
        pointwise=ranker.pointwise,
        parameters=values,
        description=inspect.cleandoc(type(ranker).__doc__ or ""),
    )


def load_ranker(typed: str) -> Ranker:
    """Make a ranker as typed: a registered name or `FILE.py:Class`, with parameters, or a chain.

    Raises:
        UserError: There is no such ranker or parameter, it cannot be imported, or it is not a ranker.
    """
    links = [_load(spec) for spec in specs.parse(typed)]
    with plugins.contained(lambda cause: UserError(f"ranker {typed!r} cannot be used: {cause}")):
        return links[0] if len(links) == 1 else Chain(links)


def _load(typed: specs.Spec) -> Ranker:
    spec, dedupe = specs.without_dedupe(typed)
    ranker = _loaded(spec)
    with plugins.contained(lambda cause: UserError(f"ranker {spec.name!r} cannot be used: {cause}")):
        return Distinct(ranker) if dedupe else ranker


def _loaded(spec: specs.Spec) -> Ranker:
    in_file = plugins.class_in_file(spec.name, _KIND)
    if in_file is not None:
        return _make(*in_file, spec)
    points = list(metadata.entry_points(group=GROUP, name=spec.name))
    if not points:
        raise UserError(_unknown(spec.name))
    return _load_point(plugins.only_point(points, _KIND), spec)


def origin(ranker: Ranker) -> str:
    """Name the origin of a ranker's code, for messages: its name and distribution, or its file; a chain's of all."""
    return f"ranker {ranker.name!r} ({', '.join(dict.fromkeys(_sources(ranker)))})"


def is_foreign(ranker: Ranker) -> bool:
    """Whether a ranker, or a link of it, is foreign."""
    if isinstance(ranker, Chain | Distinct):
        return any(map(is_foreign, ranker.links))
    return type(ranker).__module__.partition(".")[0] != __package__.partition(".")[0]


def _sources(ranker: Ranker) -> list[str]:
    if isinstance(ranker, Chain | Distinct):
        return [source for link in ranker.links for source in _sources(link)]
    module = type(ranker).__module__
    owners = metadata.packages_distributions().get(module.partition(".")[0])
    if owners:
        return [f"distribution {owners[0]}"]
    file = getattr(sys.modules.get(module), "__file__", None)
    return [f"file {file}" if file else f"module {module}"]


def _load_point(point: metadata.EntryPoint, spec: specs.Spec) -> Ranker:
    return _make(*plugins.class_of_point(point, _KIND), spec)


def _make(factory: object, source: str, spec: specs.Spec) -> Ranker:
    """Make a ranker of a class, with every check that is possible before it ranks."""
    members = ("name", "version", "needs", "pointwise", "rank")
    ranker = plugins.make(factory, spec.name, source, _KIND, members, partial(specs.arguments_for, spec=spec))
    with plugins.contained(lambda cause: UserError(f"ranker {spec.name!r} of {source} cannot be used: {cause}")):
        return _checked(ranker, source, spec)


def _checked(ranker: Any, source: str, spec: specs.Spec) -> Ranker:
    for field in ("needs", "uses"):
        declared: object = getattr(ranker, field, frozenset())
        if not isinstance(declared, frozenset):
            raise UserError(
                f"ranker {spec.name!r} of {source}: {field} must be a frozenset, such as frozenset({{'execution'}})"
            )
    if not isinstance(ranker, Ranker):
        raise UserError(f"ranker {spec.name!r} of {source} is not of the form that a ranker has: see docs/rankers.md")
    unknown = sorted(str(need) for need in uses_of(ranker) - NEEDS)
    if unknown:
        known = ", ".join(sorted(NEEDS))
        raise UserError(
            f"ranker {spec.name!r} of {source} needs {', '.join(unknown)}, and this codebudget offers {known}"
        )
    return ranker


def _unknown(spec: str) -> str:
    names = sorted({point.name for point in metadata.entry_points(group=GROUP)})
    close = difflib.get_close_matches(spec, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"there is no ranker {spec!r}; {hint}registered: {', '.join(names) or 'none'}; or give FILE.py:Class"


def _summary(ranker: Ranker) -> str:
    return (type(ranker).__doc__ or "").strip().partition("\n")[0]
