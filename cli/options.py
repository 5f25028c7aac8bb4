"""A command's options, built from settings: names, bounds, defaults and help come from the fields.

`@options` on a command gives each of its parameters that is a group of settings one option per field:

    @options
    def plan(arms: Arms, planning: Planning, running: Annotated[Running, only("family")]) -> None: ...
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_origin

from ..settings import Settings
from .flags import parameter_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Only(NamedTuple):
    """Fields of a group that a command has options for."""

    names: tuple[str, ...]


def only(*names: str) -> Only:
    """Give a command options for only these fields of a group."""
    return Only(names)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replace each group of settings among a command's parameters by one option per field."""
    hints = inspect.signature(command, eval_str=True).parameters
    groups = {name: group for name, hint in hints.items() if (group := _group(hint.annotation)) is not None}
    parameters = []
    for name, parameter in hints.items():
        if name not in groups:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        kind, names = groups[name]
        parameters += [one.parameter for one in _options(kind) if names is None or one.path[0] in names]

    @functools.wraps(command)
    def run(**values: Any) -> Any:
        made = {name: _made(kind, names, values) for name, (kind, names) in groups.items()}
        return command(**values, **made)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del run.__wrapped__
    return run


class _Option(NamedTuple):
    """An option, and the names that lead from its group to its field."""

    parameter: inspect.Parameter
    path: tuple[str, ...]


def _group(annotation: Any) -> tuple[type[Settings], tuple[str, ...] | None] | None:
    names = None
    if get_origin(annotation) is Annotated:
        annotation, *rest = get_args(annotation)
        names = next((one.names for one in rest if isinstance(one, Only)), None)
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation, names
    return None


@functools.cache
def _options(group: type[Settings]) -> tuple[_Option, ...]:
    return tuple(_walk(group, ()))


def _walk(group: type[Settings], path: tuple[str, ...]) -> Iterator[_Option]:
    for name, field in group.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Settings):
            yield from _walk(kind, (*path, name))
        elif field.description is not None:
            yield _Option(parameter_of(name, field), (*path, name))


def _made(group: type[Settings], names: tuple[str, ...] | None, values: dict[str, Any]) -> Settings:
    """Make a group of options' values, removing these."""
    chosen: dict[str, Any] = {}
    for one in _options(group):
        if names is not None and one.path[0] not in names:
            continue
        value = values.pop(one.parameter.name)
        if value is None or value == one.parameter.default:
            continue
        inner = chosen
        for step in one.path[:-1]:
            inner = inner.setdefault(step, {})
        inner[one.path[-1]] = value
    return group(**chosen)
