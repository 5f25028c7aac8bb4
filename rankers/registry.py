"""Finding rankers: by entry point or as `FILE.py:Class`, with parameters, alone or in a chain."""

from __future__ import annotations

import difflib
import inspect
import sys
from functools import cache, partial
from importlib import metadata
from typing import Any, NamedTuple

from .._util import plugins
from ..errors import UserError
from .combine import KEEP, PARAMETER, Chain, Composite, Distinct, Pruning
from .protocol import NEEDS, Ranker, is_own, uses_of
from .verifier.names import MODEL, SHIPPED, VERIFIER

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
    for point in sorted(_points(tuple(sys.path)), key=lambda point: point.name):
        needs: tuple[str, ...] = ()
        try:
            ranker = _load_point(point, Spec(point.name, {}))
            with plugins.contained(UserError):
                summary, needs = _summary(ranker), tuple(sorted(ranker.needs))
        except UserError as error:
            summary = str(error)
        infos.append(RankerInfo(point.name, plugins.distribution_of(point), summary, needs))
    return infos


@cache
def _points(path: tuple[str, ...]) -> tuple[metadata.EntryPoint, ...]:
    """List what distributions on a path register, which reads files of each."""
    return tuple(metadata.entry_points(group=GROUP))


def details(typed: str) -> list[RankerDetails]:
    """Describe each link of what was typed.

    Raises:
        UserError: As `load_ranker`.
    """
    return [_details(*without_common(spec)) for spec in parse_specs(typed)]


def _details(spec: Spec, common: Common) -> RankerDetails:
    ranker = _loaded(spec)
    with plugins.contained(lambda cause: UserError(f"ranker {spec.name!r} cannot be shown: {cause}")):
        return _described(ranker, spec, common)


def _described(ranker: Ranker, spec: Spec, common: Common) -> RankerDetails:
    own = parameters_of(type(ranker)) | arguments_for(type(ranker), spec)
    values = own | {PARAMETER: common.dedupe, KEEP: common.keep}
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
    links = [_load(spec) for spec in parse_specs(typed)]
    if isinstance(links[-1], Pruning):
        raise UserError(
            f"ranker {typed!r}: {KEEP} drops candidates before the next ranker runs, and none follows; put one after "
            f"it, such as examples,{KEEP}=0.5+codebudget"
        )
    with plugins.contained(lambda cause: UserError(f"ranker {typed!r} cannot be used: {cause}")):
        return links[0] if len(links) == 1 else Chain(links)


def _load(typed: Spec) -> Ranker:
    spec, common = without_common(typed)
    ranker = _loaded(spec)
    with plugins.contained(lambda cause: UserError(f"ranker {spec.name!r} cannot be used: {cause}")):
        if common.dedupe:
            ranker = Distinct(ranker)
        return Pruning(ranker, common.keep) if common.keep < 1 else ranker


def _loaded(spec: Spec) -> Ranker:
    in_file = plugins.class_in_file(spec.name, _KIND)
    if in_file is not None:
        return _make(*in_file, spec)
    points = [point for point in _points(tuple(sys.path)) if point.name == spec.name]
    if not points:
        raise UserError(_unknown(spec.name))
    return _load_point(plugins.only_point(points, _KIND), spec)


def origin(ranker: Ranker) -> str:
    """Name the origin of a ranker's code, for messages: its name and distribution, or its file; a chain's of all."""
    return f"ranker {ranker.name!r} ({', '.join(dict.fromkeys(_sources(ranker)))})"


def is_foreign(ranker: Ranker) -> bool:
    """Whether a ranker, or a link of it, is foreign."""
    if isinstance(ranker, Composite):
        return any(map(is_foreign, ranker.links))
    return not is_own(ranker)


def identity_of(ranker: Ranker) -> str | None:
    """Name a ranker with all that its scores may depend on besides codebudget's code; None where that is not known.

    Known are codebudget's own rankers whose settings are plain values.
    """
    if not is_own(ranker):
        return None
    settings = {name: value for name, value in vars(ranker).items() if name != "links"}
    links = [identity_of(link) for link in getattr(ranker, "links", ())]
    plain = (str, int, float, bool, frozenset, type(None))
    if None in links or not all(isinstance(value, plain) for value in settings.values()):
        return None
    shown = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in settings.items()}
    return repr((type(ranker).__module__, type(ranker).__qualname__, ranker.version, sorted(shown.items()), links))


def _sources(ranker: Ranker) -> list[str]:
    if isinstance(ranker, Composite):
        return [source for link in ranker.links for source in _sources(link)]
    module = type(ranker).__module__
    owners = metadata.packages_distributions().get(module.partition(".")[0])
    if owners:
        return [f"distribution {owners[0]}"]
    file = getattr(sys.modules.get(module), "__file__", None)
    return [f"file {file}" if file else f"module {module}"]


def _load_point(point: metadata.EntryPoint, spec: Spec) -> Ranker:
    return _make(*plugins.class_of_point(point, _KIND), spec)


def _make(factory: object, source: str, spec: Spec) -> Ranker:
    """Make a ranker of a class, with every check that is possible before it ranks."""
    members = ("name", "version", "needs", "pointwise", "rank")
    ranker = plugins.make(factory, spec.name, source, _KIND, members, partial(arguments_for, spec=spec))
    with plugins.contained(lambda cause: UserError(f"ranker {spec.name!r} of {source} cannot be used: {cause}")):
        return _checked(ranker, source, spec)


def _checked(ranker: Any, source: str, spec: Spec) -> Ranker:
    for field in ("needs", "uses"):
        declared: object = getattr(ranker, field, frozenset())
        if not isinstance(declared, frozenset):
            raise UserError(
                f"ranker {spec.name!r} of {source}: {field} must be a frozenset, such as frozenset({{'execution'}})"
            )
    if not isinstance(ranker, Ranker):
        raise UserError(f"ranker {spec.name!r} of {source} does not have the form of a ranker: see docs/rankers.md")
    unknown = sorted(str(need) for need in uses_of(ranker) - NEEDS)
    if unknown:
        known = ", ".join(sorted(NEEDS))
        raise UserError(
            f"ranker {spec.name!r} of {source} needs {', '.join(unknown)}, but this codebudget offers {known}"
        )
    return ranker


def _unknown(spec: str) -> str:
    names = sorted({point.name for point in _points(tuple(sys.path))})
    close = difflib.get_close_matches(spec, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown ranker {spec!r}: {hint}choose from {', '.join(names) or 'none'}, or give FILE.py:Class"


def _summary(ranker: Ranker) -> str:
    return (type(ranker).__doc__ or "").strip().partition("\n")[0]


class Spec(NamedTuple):
    """One link of a chain: a registered name or `FILE.py:Class`, and its parameters as typed."""

    name: str
    parameters: dict[str, str]


class DataFile(NamedTuple):
    """A file that a ranker reads, and the parameter that names it."""

    parameter: str
    path: str


def data_file_of(spec: Spec) -> DataFile | None:
    """Find the file that a link names, to be read as data; nothing is opened."""
    if spec.name != VERIFIER or spec.parameters.get(MODEL, SHIPPED) == SHIPPED:
        return None
    return DataFile(MODEL, spec.parameters[MODEL])


def parse_specs(text: str) -> tuple[Spec, ...]:
    """Parse what was typed into its links, in order.

    Raises:
        UserError: it is malformed.
    """
    return tuple(_link(part, text) for part in text.split("+"))


def _link(text: str, whole: str) -> Spec:
    name, *assignments = (part.strip() for part in text.split(","))
    if not name:
        raise UserError(f"ranker {whole!r}: a name is missing; write NAME[,PARAMETER=VALUE...], joined by +")
    parameters: dict[str, str] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key or not value or key in parameters:
            raise UserError(f"ranker {whole!r}: {assignment!r} is not a PARAMETER=VALUE")
        parameters[key] = value
    return Spec(name, parameters)


class Common(NamedTuple):
    """The parameters that every ranker has: rank programs of one form as one; the most that goes on, as a share."""

    dedupe: bool = False
    keep: float = 1.0


def without_common(spec: Spec) -> tuple[Spec, Common]:
    """Split off a link's parameters that every ranker has.

    Raises:
        UserError: one is not of its type, or out of bounds.
    """
    parameters = dict(spec.parameters)
    what = f"ranker {spec.name!r}: "
    dedupe, keep = parameters.pop(PARAMETER, "false"), parameters.pop(KEEP, "1")
    share = float(_converted(keep, float, f"{what}{KEEP}={keep}"))
    if not 0 < share <= 1:
        raise UserError(f"{what}{KEEP}={keep} must be a share above 0 and at most 1")
    return Spec(spec.name, parameters), Common(bool(_converted(dedupe, bool, f"{what}{PARAMETER}={dedupe}")), share)


def parameters_of(factory: type) -> dict[str, bool | int | float | str]:
    """List the parameters of a ranker's class, with their defaults."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(factory).parameters.items()
        if isinstance(parameter.default, (bool, int, float, str))
    }


def arguments_for(factory: type, spec: Spec) -> dict[str, bool | int | float | str]:
    """Make a link's parameters keyword arguments of its class, each with its default's type.

    Raises:
        UserError: the class has no such parameter, or the value is not of its type.
    """
    if not spec.parameters:
        return {}
    known = parameters_of(factory)
    arguments: dict[str, bool | int | float | str] = {}
    for name, text in spec.parameters.items():
        if name not in known:
            offered = ", ".join(f"{key}={default}" for key, default in known.items()) or "none"
            raise UserError(f"ranker {spec.name!r} has no parameter {name!r}; it has: {offered}")
        arguments[name] = _converted(text, type(known[name]), f"ranker {spec.name!r}: {name}={text}")
    return arguments


def _converted(text: str, kind: type, what: str) -> bool | int | float | str:
    if kind is bool:
        if text not in ("true", "false"):
            raise UserError(f"{what} must be true or false")
        return text == "true"
    if kind is str:
        return text
    try:
        return int(text) if kind is int else float(text)
    except ValueError:
        raise UserError(f"{what} must be {'a whole number' if kind is int else 'a number'}") from None
